"""Single lines of text files: a word and its numbers, or a header (word2vec, fastText).

The compiled reader (``cpp/core/text_reader.cpp``) takes ordinary lines by the thousand. What it refuses comes here, to
be explained.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.errors import FormatError

if TYPE_CHECKING:
    from numpy.typing import NDArray

LINES_TO_GUESS_WIDTH = 10
MAX_DIGITS = 12  # of a number in a header
MAX_DIM = 1 << 20
SURELY_TEXT = 4  # floats in a row that are hardly all made of letters
BYTES_TO_TELL_TEXT = 1 << 12
MANY_NUMBERS = 8  # in one word: another line's, not a part of a name

_DECIMAL = re.compile(rb"[-+]?(\d+\.\d*|\.\d+|\d+(?=[eE]))([eE][-+]?\d+)?")  # not an integer, as names hold them
_INTEGER = re.compile(rb"[-+]?\d+")

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
NO_WORDS = (
    "there are numbers alone, and no words: use the array, np.loadtxt(path), or save it by np.save as an .npy file "
    "with words.txt beside it, one word per line"
)


def line_end(start: bytes) -> bytes:
    """Return what ends the lines of text that begins so: carriage returns, if there are no newlines in sight."""
    return b"\r" if b"\r" in start[:-1] and b"\n" not in start else b"\n"


def parse_header(line: bytes) -> tuple[int, int] | None:
    """Return (number of words, dimension) if the line is a header: two positive integers."""
    fields = line.removeprefix(BYTE_ORDER_MARK).split()
    if len(fields) != 2 or not all(field.isdigit() and len(field) <= MAX_DIGITS for field in fields):
        return None
    return int(fields[0]), int(fields[1])


def looks_like_text(rest: bytes, dim: int) -> bool:
    """Tell whether what follows a header begins with a text line, rather than with a word and raw floats.

    Half of its numbers being readable is enough: damaged ones are then reported as such, with their line. So are those
    with a comma for the point, whose bytes make floats, too, and whatever else is nearly all text, with enough fields
    in a line, unless rows are too short to tell. Of too few fields all must be text: words of binary files may hold
    tabs and numbers.
    """
    if dim >= SURELY_TEXT and _is_nearly_text(rest[:BYTES_TO_TELL_TEXT], min(dim, MANY_NUMBERS)):
        return True
    line = rest.lstrip(b"\r\n").partition(b"\n")[0]
    fields = line.split()[0 if line[:1].isspace() else 1 :]  # the word may be blank
    if len(fields) < dim and not _is_text(b" ".join(fields)):
        return False
    numbers = fields[-dim:]
    readable = sum(_is_number(field.replace(b",", b".")) for field in numbers)
    return 2 * readable >= max(len(numbers), 1)


def _is_text(data: bytes) -> bool:
    try:
        return data.decode().isprintable()
    except UnicodeError:
        return False


def _is_nearly_text(data: bytes, least: int) -> bool:
    """Tell whether a line has at least so many fields, and nearly all letters are printed.

    Of bytes of floats more than half are not.
    """
    text = "".join(data.decode(errors="replace").split())
    n_odd = text.count("\ufffd") + sum(not letter.isprintable() for letter in text)
    return any(len(line.split()) >= least for line in data.split(b"\n")) and n_odd <= 1 + len(data) // 64


def ends_in_number(line: bytes) -> bool:
    """Tell whether a line has a word and ends in a number, as lines of vectors do."""
    return _numbers_at_end(line) > 0


def read_header(line: bytes) -> tuple[int, int]:
    """Return (number of words, dimension) of a header line; FormatError if it is none."""
    header = parse_header(line)
    if header is None or not 1 <= header[1] <= MAX_DIM:
        raise FormatError(f"line 1: expected a header of two numbers (words, dimension), found {_show(line)}")
    return header


def check_header(dim: int, lines: list[bytes]) -> None:
    """Refuse a header that the lines belie: numbers left over would be taken for parts of words, and words be lost.

    The header wins over names that end in numbers ("item 7"), unless all end in what a row is made of ("a 0.25").
    """
    if len(lines) > 1 and all(len(line.split(None, dim)) == dim for line in lines):
        raise FormatError(f"line 2: expected a word and {dim} numbers, found {dim} fields; {NO_WORDS}")
    widths = {_numbers_at_end(line) for line in lines}
    left_over = len(lines) > 2 and len(widths) == 1 and min(widths) > dim
    if left_over and all(_DECIMAL.fullmatch(line.rsplit(None, dim + 1)[-dim - 1]) for line in lines):
        raise FormatError(f"line 1: the header says {dim} dimensions, but the lines have {min(widths)} numbers")


def check_words(lines: list[bytes]) -> None:
    """Refuse lines of numbers alone, of which the first would be taken for words.

    Words may well be numbers, but not all of the first ones such as 0.25, and not the same ones among integers.
    """
    fields = [line.split(None, MAX_DIM) for line in lines if ends_in_number(line)]  # a line of titles is left out
    first = [some[0] for some in fields]
    alike = len(set(first)) < len(first) and all(_INTEGER.fullmatch(field) for some in fields for field in some)
    if fields and (alike or all(map(_DECIMAL.fullmatch, first))):
        raise FormatError(f"line 1: expected a word before its numbers, found {_show(first[0])}; {NO_WORDS}")


def check_separators(lines: list[bytes]) -> None:
    """Refuse numbers between commas or semicolons, and say what reads them.

    The first line may be one of titles. A word may hold a comma, and be followed by its one number.
    """
    for mark, name in ((b",", "commas"), (b";", "semicolons")):
        rows = [line.split(mark) for line in lines[1:] or lines]
        between = all(len(row) > 1 and all(map(_is_number, row[1:])) for row in rows)
        if rows and between and (not any(map(ends_in_number, lines)) or min(map(len, rows)) > 2):
            options = f"sep={mark.decode()!r}"
            titled = not all(map(_is_number, lines[0].split(mark)[1:]))
            options += "" if titled else ", header=None"
            remedy = (
                f"frame = pandas.read_csv(path, {options}); sv.Vectors(frame.iloc[:, 0].map(str), frame.iloc[:, 1:])"
            )
            if all(_is_number(row[0]) for row in rows):
                skipped = ", skiprows=1" if titled else ""
                remedy = f"np.loadtxt(path, delimiter={mark.decode()!r}{skipped}), or, if the first are names, {remedy}"
            raise FormatError(f"line 1: numbers between {name}, which are read by {remedy}")


def stripped(line: bytes) -> bytes:
    """Return a line without surrounding blanks; nothing is left of a blank line."""
    return line.rstrip(b" \t\r\n")


def guess_width(lines: list[bytes]) -> int:
    """Return the dimension of a file without a header: the most common count of trailing numbers of its first lines.

    The first field is never counted, because it is the word. Words that hold spaces and numbers ("at 5"), and lines
    with a bad number, are outvoted by ordinary ones; between equally common counts the larger is taken.
    """
    counts = Counter(map(_numbers_at_end, lines))
    width = max(counts, key=lambda width: (counts[width], width), default=0)
    if width > MAX_DIM:
        raise FormatError(f"line 1: expected a word and at most {MAX_DIM} numbers")
    if width == 0:
        raise FormatError(f"line 1: expected a word and its numbers, found {_show(lines[0] if lines else b'')}")
    return width


def _numbers_at_end(line: bytes) -> int:
    """Count the numbers at the end of a line, or to one more than :data:`MAX_DIM`; its first field is the word."""
    fields = line.rsplit(None, MAX_DIM + 1)[1:]
    return next((i for i, field in enumerate(reversed(fields)) if not _is_number(field)), len(fields))


def _is_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def least_numbers(dim: int) -> int:
    """Return how many numbers in a word tell that it is two lines in one."""
    return min(max(dim, 2), MANY_NUMBERS)


def looks_joined(word: bytes, dim: int) -> bool:
    """Tell whether a word holds the numbers of a line before its own, whose end was lost: ``w4 0.1 0.2w5``."""
    fields = word.split()[1:]
    least = least_numbers(dim)
    n_integers = sum(bool(_INTEGER.match(field)) for field in fields)
    return sum(bool(_DECIMAL.match(field)) for field in fields) >= least or n_integers >= max(dim, 3)


def joined_message(number: int, dim: int) -> str:
    """Return what is wrong with a line that holds two."""
    return f"line {number}: expected a word and {dim} numbers, found more numbers: two lines in one?"


def parse_line(line: bytes, dim: int, number: int, encoding: str = "utf-8") -> tuple[str, NDArray[np.float32]]:
    """Split the numbers off from the right: what is left is the word, spaces included.

    Where nothing is left the word is blank: what stands before the numbers, but for one separator.
    """
    fields: list[Any] = line.rsplit(None, dim)
    if len(fields) == dim and line[:1].isspace():
        fields.insert(0, line[: len(line) - len(line.lstrip()) - 1])
    if len(fields) != dim + 1:
        raise FormatError(f"line {number}: expected a word and {dim} numbers, found {len(fields)} fields")
    try:
        word = fields[0].decode(encoding)
    except UnicodeError as error:
        raise FormatError(f"line {number}: the word is not {as_title(encoding)} ({error})") from None
    with np.errstate(over="ignore"):  # becomes infinity, reported below
        row = np.array([_parse_number(field, number) for field in fields[1:]], np.float64).astype(np.float32)
    if not np.isfinite(row).all():
        bad = fields[1 + int(np.argmin(np.isfinite(row)))]
        raise FormatError(f"line {number}: {_show(bad)} is not a finite float32 number")
    if looks_joined(fields[0], dim):
        raise FormatError(joined_message(number, dim))
    return word, row


def as_title(encoding: str) -> str:
    """Return an encoding's name for messages."""
    return encoding.upper() if encoding.startswith("utf") else encoding


def _parse_number(field: bytes, number: int) -> float:
    try:
        value = float(field)
    except ValueError:
        value = None
    if value is None or b"_" in field:  # Python allows 1_000; no file format does
        raise FormatError(f"line {number}: {_show(field)} is not a number")
    return value


def _show(field: bytes) -> str:
    """Return a field for a message: readable and short."""
    text = field.decode(errors="replace")
    return repr(text if len(text) <= 40 else text[:37] + "...")
