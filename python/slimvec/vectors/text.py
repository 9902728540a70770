"""Text files: a word and its numbers on each line, with a header line (word2vec, fastText) or without (GloVe)."""

from __future__ import annotations

from array import array
from collections import Counter
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from slimvec.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

LINES_PER_REPORT = 1000
LINES_TO_GUESS_WIDTH = 10
MAX_DIGITS = 12  # of a number in a header
MAX_DIM = 1 << 20

Line = tuple[int, bytes]  # number from 1, content

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


def read_text(
    stream: BinaryIO, has_header: bool, limit: int | None, report: Callable[[], None]
) -> tuple[list[str], NDArray[np.float32]]:
    """Read words and vectors; every error is a FormatError naming the line."""
    lines = _lines(stream)
    promised, dim = read_header(next(lines)[1]) if has_header else (None, 0)
    head = list(islice(lines, LINES_TO_GUESS_WIDTH))
    filled = [line for _, line in head if line]
    if promised is None:
        dim = _guess_width(filled)
    else:
        _check_header(dim, filled)
    lines = chain(head, lines)
    wanted = min((count for count in (limit, promised) if count is not None), default=None)

    words: list[str] = []
    values = array("f")
    for number, line in _without_last_blanks(lines):
        if len(words) == wanted:
            if wanted == promised:
                raise FormatError(f"line {number}: the header promised {promised} words, but there are more")
            break
        word, row = _parse_line(line, dim, number)
        words.append(word)
        values.frombytes(row.tobytes())
        if len(words) % LINES_PER_REPORT == 0:
            report()
    if wanted is not None and promised is not None and len(words) < wanted:
        raise FormatError(f"the header promised {promised} words, but the file ends after {len(words)}: truncated")
    report()
    return words, np.frombuffer(values, np.float32).reshape(len(words), dim)


def read_header(line: bytes) -> tuple[int, int]:
    """Return (number of words, dimension) of a header line; FormatError if it is none."""
    header = parse_header(line)
    if header is None or not 1 <= header[1] <= MAX_DIM:
        raise FormatError(f"line 1: expected a header of two numbers (words, dimension), found {_show(line)}")
    return header


def _check_header(dim: int, lines: list[bytes]) -> None:
    """Refuse a header with too small a dimension: the numbers left over would be taken for parts of words.

    One word may well end in a number ("at 5"); all of the first ones do not.
    """
    widths = {_numbers_at_end(line) for line in lines}
    if len(lines) > 2 and len(widths) == 1 and min(widths) > dim:
        raise FormatError(f"line 1: the header says {dim} dimensions, but the lines have {min(widths)} numbers")


def _lines(stream: BinaryIO) -> Iterator[Line]:
    """Yield (line number from 1, line without surrounding blanks); lines end at a newline byte and nowhere else."""
    for number, line in enumerate(stream, 1):
        yield number, (line.removeprefix(BYTE_ORDER_MARK) if number == 1 else line).rstrip(b" \t\r\n")


def _without_last_blanks(lines: Iterable[Line]) -> Iterator[Line]:
    """Pass lines on; blank ones may only stand at the end."""
    blank = 0
    for number, line in lines:
        if not line:
            blank = blank or number
        elif blank:
            raise FormatError(f"line {blank}: blank, with more lines after it")
        else:
            yield number, line


def _guess_width(lines: list[bytes]) -> int:
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


def _parse_line(line: bytes, dim: int, number: int) -> tuple[str, NDArray[np.float32]]:
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
