"""word2vec's binary files: a header line, then each word, a space, and its raw little-endian float32 numbers."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from slimvec.errors import FormatError
from slimvec.vectors.text import read_header

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

MAX_WORD_BYTES = 10_000  # a longer "word" means that the file is not what it claims
WORDS_PER_REPORT = 1000


def read_word2vec_binary(
    stream: BinaryIO, limit: int | None, report: Callable[[], None]
) -> tuple[list[str], NDArray[np.float32]]:
    """Read words and vectors; every error is a FormatError naming the word's number."""
    promised, dim = read_header(stream.readline(100))
    n_words = promised if limit is None else min(limit, promised)
    words: list[str] = []
    values = array("f")
    for number in range(1, n_words + 1):
        words.append(_read_word(stream, number, promised))
        raw = stream.read(4 * dim)
        if len(raw) < 4 * dim:
            raise FormatError(f"word {number} of {promised}: the file ends within its numbers: truncated")
        row = np.frombuffer(raw, "<f4")
        if not np.isfinite(row).all():
            raise FormatError(f"word {number} ({words[-1]!r}): NaN or infinity among its numbers")
        values.frombytes(raw)
        if number % WORDS_PER_REPORT == 0:
            report()
    if n_words == promised and stream.read(64).strip():
        raise FormatError(f"the header promised {promised} words, but there are more bytes after them")
    report()
    return words, np.frombuffer(values, "<f4").reshape(n_words, dim)


def _read_word(stream: BinaryIO, number: int, promised: int) -> str:
    """Read up to the space after a word; some writers put a newline before it."""
    word = bytearray()
    while (byte := stream.read(1)) != b" ":
        if not byte:
            raise FormatError(f"word {number} of {promised}: the file ends: truncated")
        if len(word) == MAX_WORD_BYTES:
            raise FormatError(
                f"word {number} of {promised}: no space within {MAX_WORD_BYTES} bytes: not word2vec binary"
            )
        word += byte
    try:
        return word.lstrip(b"\n").decode()
    except UnicodeDecodeError as error:
        raise FormatError(f"word {number} of {promised}: not UTF-8 ({error})") from None
