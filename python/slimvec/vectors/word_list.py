"""Words as bytes and offsets; word lists: one word per line, in UTF-8."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from slimvec.errors import FormatError
from slimvec.vectors.lines import BYTE_ORDER_MARK

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_NEWLINE, _RETURN = b"\n\r"


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


def read_word_list(path: Path) -> Words:
    """Return the words of a list.

    Raises
    ------
    FormatError
        If a line is not UTF-8.
    """
    raw = path.read_bytes().removeprefix(BYTE_ORDER_MARK)
    _check_utf8(raw, path)
    if raw and not raw.endswith(b"\n"):
        raw += b"\n"
    text = np.frombuffer(raw, np.uint8)
    ends = np.flatnonzero(text == _NEWLINE)
    dropped = text == _NEWLINE
    while True:  # carriage returns before an end belong to it
        before = ends[ends > 0] - 1
        ends = before[(text[before] == _RETURN) & ~dropped[before]]
        if not len(ends):
            break
        dropped[ends] = True
    lengths = np.cumsum(~dropped)[np.flatnonzero(text == _NEWLINE)]
    return Words(text[~dropped], np.concatenate([np.zeros(1, np.int64), lengths.astype(np.int64)]))


def _check_utf8(raw: bytes, path: Path) -> None:
    try:
        raw.decode()  # no character reaches over a newline
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise FormatError(f"{path}: line {line}: not UTF-8 ({error})") from None
