"""Words as bytes and offsets; word lists: one word per line, in UTF-8."""

from __future__ import annotations

import re
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from slimvec.errors import FormatError
from slimvec.vectors.lines import BYTE_ORDER_MARK
from slimvec.vectors.opening import open_window

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from slimvec.vectors.opening import Opened

MAX_WORD_BYTES = 1 << 20  # of a line
SPARE_BYTES = 64 << 20  # of a list that has more words than there are rows, or is far larger than its file

(_NEWLINE,) = b"\n"


class Words(NamedTuple):
    """Words in UTF-8, one after the other: ``text[offsets[i]:offsets[i + 1]]``."""

    text: NDArray[np.uint8]
    offsets: NDArray[np.int64]

    @classmethod
    def of(cls, words: Sequence[bytes]) -> Words:
        """Return words that come apart."""
        offsets = np.array([0, *accumulate(map(len, words))], np.int64)
        return cls(np.frombuffer(b"".join(words), np.uint8), offsets)

    def some(self, numbers: NDArray[np.int64]) -> Words:
        """Return some of the words, by their numbers."""
        begins = self.offsets[numbers]
        sizes = self.offsets[numbers + 1] - begins
        offsets = np.concatenate([np.zeros(1, np.int64), sizes.cumsum()])
        places = np.repeat(begins - offsets[:-1], sizes) + np.arange(offsets[-1])
        return Words(self.text[places], offsets)


def read_word_list(path: Path, n_rows: int) -> Words:
    """Return the words of a list for so many rows; it may be compressed, or in an archive, as files of vectors may.

    Raises
    ------
    FormatError
        If a line is not UTF-8 or never ends, or there are far more of them.
    """
    with open_window(path) as opened:
        raw = b"".join(_pieces(opened, n_rows)).removeprefix(BYTE_ORDER_MARK)
        _check_utf8(raw)
    if b"\n" not in raw:
        raw = raw.replace(b"\r", b"\n")  # as old Macs end lines
    if raw and not raw.endswith(b"\n"):
        raw += b"\n"
    text = np.frombuffer(re.sub(rb"\r+\n", b"\n", raw) if b"\r" in raw else raw, np.uint8)
    ends = np.flatnonzero(text == _NEWLINE)
    offsets = np.zeros(len(ends) + 1, np.int64)
    offsets[1:] = ends - np.arange(len(ends))
    return Words(text[text != _NEWLINE], offsets)


def _pieces(opened: Opened, n_rows: int) -> Iterator[bytes]:
    """Yield all that is in a file, unless its memory would have no bound."""
    n_lines = n_bytes = n_spare = since_newline = 0
    while piece := opened.window.take():
        n_lines += piece.count(b"\n")
        n_bytes += len(piece)
        newline = piece.rfind(b"\n")
        since_newline = since_newline + len(piece) if newline < 0 else len(piece) - newline - 1
        n_spare += len(piece) if n_lines > n_rows else 0
        if since_newline > MAX_WORD_BYTES and b"\r" not in piece:
            raise FormatError(f"line {n_lines + 1}: longer than {MAX_WORD_BYTES} bytes: not a list of words")
        if n_spare > SPARE_BYTES:
            raise FormatError(f"it has more than {n_lines} words for {n_rows} rows")
        opened.report.check_ratio(n_bytes, SPARE_BYTES)
        yield piece


def _check_utf8(raw: bytes) -> None:
    try:
        raw.decode()  # no character reaches over a newline
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise FormatError(f"line {line}: not UTF-8 ({error})") from None
