"""Vectors of words from rows of their own and of their n-grams, and of any words: what fastText's models are for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from slimvec import _core, isa

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from slimvec.vectors.ngrams import NGrams
    from slimvec.vectors.quantized import QuantizedMatrix
    from slimvec.vectors.word_list import Words

GATHERED_BYTES = 1 << 20  # of rows that are summed at once: they stay in cache
WORDS_AT_ONCE = 1024


@dataclass(frozen=True, eq=False)
class PlainMatrix:
    """Rows of float32, mapped: as they may start at any byte, they are taken as bytes.

    Attributes
    ----------
    raw : ndarray of uint8, shape (n, 4 * dim)
    """

    raw: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.raw)

    @property
    def dim(self) -> int:
        """Width of the rows."""
        return int(self.raw.shape[1]) // 4

    @property
    def array(self) -> NDArray[np.float32]:
        """The rows as numbers."""
        return self.raw.view("<f4")

    def take(self, numbers: NDArray[np.integer]) -> NDArray[np.float32]:
        """Return some rows, by their numbers, which are inside."""
        # "clip" lets NumPy copy straight to the result, in half the time of indexing.
        return np.take(self.raw, numbers, 0, mode="clip").view("<f4").astype(np.float32, copy=False)


class SubwordModel:
    """What makes vectors of words: the mean of a word's own row, if it has one, and those of its n-grams.

    Parameters
    ----------
    matrix : PlainMatrix or QuantizedMatrix
        A row per word, then those of n-grams.
    ngrams : NGrams
    n_words : int
    """

    def __init__(self, matrix: PlainMatrix | QuantizedMatrix, ngrams: NGrams, n_words: int) -> None:
        self.matrix = matrix
        self.ngrams = ngrams
        self._n_words = n_words

    @property
    def dim(self) -> int:
        """Width of the vectors."""
        return self.matrix.dim

    def rows(self, words: Words, numbers: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the vectors of some of the model's words, by their numbers."""
        made = np.empty((len(numbers), self.dim), np.float32)
        for first in range(0, len(numbers), WORDS_AT_ONCE):
            some = numbers[first : first + WORDS_AT_ONCE]
            made[first : first + len(some)], _ = self.compose(words.some(some), some)
        return made

    def compose(self, words: Words, own: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return the vectors of words, given the rows of their own or -1, and of how many rows each is the mean.

        Sums and means are rounded as fastText rounds them. A word of which nothing is known has zeros.
        """
        buckets, offsets = self.ngrams.rows(words)
        known = own >= 0
        bounds = np.concatenate([np.zeros(1, np.int64), known.cumsum()]) + offsets
        of_ngrams = np.ones(bounds[-1], bool)
        of_ngrams[bounds[:-1][known]] = False
        numbers = np.empty(bounds[-1], np.int64)
        numbers[~of_ngrams], numbers[of_ngrams] = own[known], self._n_words + buckets
        sums, counts = self._sums(numbers, bounds), np.diff(bounds)
        sums *= (1 / np.maximum(counts, 1)).astype(np.float32)[:, None]
        return sums, counts

    def _sums(self, numbers: NDArray[np.int64], bounds: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the sum of each run of rows, ``numbers[bounds[i]:bounds[i + 1]]``."""
        sums = np.zeros((len(bounds) - 1, self.dim), np.float32)
        for begin, end in _pieces(bounds, max(1, GATHERED_BYTES // (4 * self.dim))):
            first, last = np.searchsorted(bounds, begin, "right") - 1, np.searchsorted(bounds, end)
            inner = np.clip(bounds[first : last + 1], begin, end) - begin
            rows = self.matrix.take(numbers[begin:end])
            every = np.arange(end - begin, dtype=np.uint32), np.ones(end - begin, np.float32)
            sums[first:last] += _core.sparse_lookup(isa.current(), inner, *every, rows, np.arange(last - first))
        return sums


def _pieces(bounds: NDArray[np.int64], size: int) -> Iterator[tuple[int, int]]:
    """Cut runs into pieces of at most ``size``: between runs, or within those that are longer."""
    begin, total = 0, int(bounds[-1])
    while begin < total:
        end = int(bounds[np.searchsorted(bounds, begin + size, "right") - 1])
        end = end if end > begin else min(begin + size, total)
        yield begin, end
        begin = end
