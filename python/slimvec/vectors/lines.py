"""Single lines of text files: a word and its numbers, or a header (word2vec, fastText).

The compiled reader (``cpp/core/text_reader.cpp``) takes ordinary lines by the thousand. What it refuses comes here, to
be explained.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.errors import FormatError

if TYPE_CHECKING:
    from numpy.typing import NDArray

LINES_TO_GUESS_WIDTH = 10
MAX_DIGITS = 12  # of a number in a header
MAX_DIM = 1 << 20

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def parse_header(line: bytes) -> tuple[int, int] | None:
    """Return (number of words, dimension) if the line is a header: two positive integers."""
    fields = line.removeprefix(BYTE_ORDER_MARK).split()
    if len(fields) != 2 or not all(field.isdigit() and len(field) <= MAX_DIGITS for field in fields):
        return None
    return int(fields[0]), int(fields[1])


def looks_like_text(rest: bytes) -> bool:
    """Tell whether what follows a header begins with a text line, rather than with a word and raw floats.

    Half of its numbers being readable is enough: damaged ones are then reported as such, with their line.
    """
    fields = rest.partition(b"\n")[0].split()[1:]
    return 2 * sum(map(_is_number, fields)) >= max(len(fields), 1)


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
    """Refuse a header with too small a dimension: the numbers left over would be taken for parts of words.

    One word may well end in a number ("at 5"); all of the first ones do not.
    """
    widths = {_numbers_at_end(line) for line in lines}
    if len(lines) > 2 and len(widths) == 1 and min(widths) > dim:
        raise FormatError(f"line 1: the header says {dim} dimensions, but the lines have {min(widths)} numbers")


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
    if width == 0:
        raise FormatError(f"line 1: expected a word and its numbers, found {_show(lines[0] if lines else b'')}")
    return width


def _numbers_at_end(line: bytes) -> int:
    """Count the numbers at the end of a line; its first field is the word."""
    fields = line.split()[1:]
    return next((i for i, field in enumerate(reversed(fields)) if not _is_number(field)), len(fields))


def _is_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def parse_line(line: bytes, dim: int, number: int) -> tuple[str, NDArray[np.float32]]:
    """Split the numbers off from the right: what is left is the word, spaces included."""
    fields: list[Any] = line.rsplit(None, dim)
    if len(fields) != dim + 1:
        raise FormatError(f"line {number}: expected a word and {dim} numbers, found {len(fields)} fields")
    try:
        word = fields[0].decode()
    except UnicodeDecodeError as error:
        raise FormatError(f"line {number}: the word is not UTF-8 ({error})") from None
    with np.errstate(over="ignore"):  # becomes infinity, reported below
        row = np.array([_parse_number(field, number) for field in fields[1:]], np.float64).astype(np.float32)
    if not np.isfinite(row).all():
        bad = fields[1 + int(np.argmin(np.isfinite(row)))]
        raise FormatError(f"line {number}: {_show(bad)} is not a finite float32 number")
    return word, row


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
