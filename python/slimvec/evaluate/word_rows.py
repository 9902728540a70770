"""Words as the rows of whatever is judged: a table of codes, a table of anchors, or the floats."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from slimvec.blocks import BLOCK_ROWS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from slimvec.vocabulary import Vocabulary

LEMMA = re.compile(".+-[nvjar]")  # a word and its part of speech


@runtime_checkable
class Judged(Protocol):
    """What can be judged: a table of any kind, or :class:`slimvec.Vectors`.

    Codes count as vectors of -1 and +1, anchors as E = T A.
    """

    @property
    def vocabulary(self) -> Vocabulary | None: ...
    @property
    def dim(self) -> int: ...
    def __len__(self) -> int: ...
    def __contains__(self, word: object) -> bool: ...
    def lookup(self, keys: Any) -> NDArray[np.float32]:
        """Return the vectors of words or rows."""


class WordRows:
    """The vectors of words, and what stands for the words that are missing.

    Parameters
    ----------
    table : BinaryTable, SparseTable or Vectors
        With words.

    Raises
    ------
    TypeError
        If it is something else.
    ValueError
        If it has no words.
    """

    def __init__(self, table: Judged) -> None:
        if not isinstance(table, Judged):
            raise TypeError(f"table is {type(table).__name__}; expected a BinaryTable, a SparseTable or Vectors")
        if table.vocabulary is None:
            raise ValueError("table has no words, only rows; expected one made from vectors with words")
        self._table = table
        self.vocabulary: Vocabulary = table.vocabulary

    def __len__(self) -> int:
        return len(self._table)

    def rows(self, words: Iterable[str]) -> NDArray[np.int64]:
        """Return the row of each word, or else of the word in lower case, or else -1.

        Where none is there and all are lemmas as MEN and BLESS write them ("sun-n"), what is before the tag is sought.
        """
        listed = list(words)
        rows = [self._row(word) for word in listed]
        if max(rows, default=0) < 0 and all(LEMMA.fullmatch(word) for word in listed):
            rows = [self._row(word[:-2]) for word in listed]
        return np.array(rows, np.int64)

    def _row(self, word: str) -> int:
        for spelling in (word, word.lower()):  # "Jerusalem" in a lower-case table
            if spelling in self.vocabulary:
                return self.vocabulary.row(spelling)
        return -1

    def lookup(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the vectors of rows, ``(len(rows), width)``."""
        return self._table.lookup(rows)

    def blocks(self, limit: int | None = None) -> Iterable[tuple[int, NDArray[np.float32]]]:
        """Yield (number of the first row, vectors) of all rows, or of the first ``limit``, block by block."""
        n_rows = len(self) if limit is None else min(limit, len(self))
        for first in range(0, n_rows, BLOCK_ROWS):
            yield first, self.lookup(np.arange(first, min(first + BLOCK_ROWS, n_rows)))

    @cached_property
    def mean(self) -> NDArray[np.float32]:
        """The mean of all vectors: of codes, a vector of real numbers and not of signs."""
        total = sum(block.sum(axis=0, dtype=np.float64) for _, block in self.blocks())
        mean: NDArray[np.float32] = np.asarray(total / max(len(self), 1), np.float32)
        return mean

    def vectors(self, words: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return a vector per word, the mean for those that are missing, and which ones are there."""
        rows = self.rows(words)
        known = rows >= 0
        found = np.tile(self.mean, (len(rows), 1))
        found[known] = self.lookup(rows[known])
        return found, known


def unit(vectors: NDArray[Any]) -> NDArray[np.float32]:
    """Return vectors of length one; a zero vector stays zero, so that its cosine with anything is 0."""
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)  # squares may leave float32
    scaled: NDArray[np.float32] = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    return scaled


def cosines(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.float64]:
    """Return the cosine of each vector with the one of the same place, 0 with a zero vector.

    In float64, before anything is divided: of codes, the products are whole numbers, and equal ones stay equal.
    """
    wide, other = first.astype(np.float64), second.astype(np.float64)
    products = np.einsum("ij,ij->i", wide, other)
    lengths = np.linalg.norm(wide, axis=1) * np.linalg.norm(other, axis=1)
    found: NDArray[np.float64] = np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)
    return found
