"""All that IIQ learns of the rows it sees: their moments, and a sample of them; gathered block by block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np

from slimvec.binary.training.moments import Moments
from slimvec.validation import as_generator, as_integer, as_matrix

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from slimvec.vectors import Vectors

KEYS_AT_ONCE = 1 << 20  # drawn: of many rows, the sample alone is kept


def sampled_rows(n_rows: int, size: int, keys: np.random.Generator) -> NDArray[np.int64]:
    """Return ``size`` of the numbers 0 ... n_rows - 1, drawn at random, in order.

    Row i gets the i-th number of the generator as its key, and the rows of the smallest keys are taken. So a stream
    whose length is not known draws the same rows as an array: whatever comes, it keeps the smallest keys so far.
    """
    kept, numbers = np.empty(0), np.empty(0, np.int64)
    for first in range(0, n_rows, KEYS_AT_ONCE):
        kept = np.concatenate([kept, keys.random(min(KEYS_AT_ONCE, n_rows - first))])
        numbers = np.concatenate([numbers, np.arange(first, min(first + KEYS_AT_ONCE, n_rows))])
        chosen = _smallest(kept, size)
        kept, numbers = kept[chosen], numbers[chosen]
    return np.sort(numbers)


def _smallest(keys: NDArray[np.float64], size: int) -> NDArray[np.intp]:
    return np.argpartition(keys, size)[:size] if size < len(keys) else np.arange(len(keys))


class RowSample:
    """The rows that :func:`sampled_rows` would draw from a matrix that comes block by block.

    Parameters
    ----------
    size : int or None
        How many rows to keep; None keeps all.
    keys : numpy.random.Generator
    first_row : int
        Number of the first row that will come; others may be with other workers.
    """

    def __init__(self, size: int | None, keys: np.random.Generator, first_row: int = 0) -> None:
        self._size = size
        self._keys = keys
        self._next_row = first_row
        if first_row:  # of PCG64, which every generator made from a seed has: one step per key
            cast("np.random.PCG64", keys.bit_generator).advance(first_row)
        self._bound = np.inf  # larger keys are out already
        self._kept: list[tuple[NDArray[np.float64], NDArray[np.int64], NDArray[Any]]] = []
        self._n_kept = 0

    def update(self, block: NDArray[Any]) -> Self:
        """See more rows, ``(m, d)``."""
        keys = self._keys.random(len(block))
        chosen = np.flatnonzero(keys < self._bound)
        self._keep(keys[chosen], chosen + self._next_row, block[chosen])
        self._next_row += len(block)
        return self

    def merge(self, other: RowSample) -> Self:
        """See the rows that ``other`` has seen."""
        for part in other._kept:
            self._keep(*part)
        return self

    def _keep(self, keys: NDArray[np.float64], numbers: NDArray[np.int64], rows: NDArray[Any]) -> None:
        self._kept.append((keys, numbers, rows))
        self._n_kept += len(keys)
        if self._size is not None and self._n_kept > 2 * self._size:
            self._shrink()

    def _shrink(self) -> None:
        keys, numbers, rows = (np.concatenate(parts) for parts in zip(*self._kept, strict=True))
        chosen = np.arange(len(keys)) if self._size is None else _smallest(keys, self._size)
        chosen = chosen[np.argsort(numbers[chosen])]
        self._kept = [(keys[chosen], numbers[chosen], rows[chosen])]
        self._n_kept = len(chosen)
        if self._n_kept == self._size:
            self._bound = float(keys[chosen].max())

    def finalize(self) -> NDArray[Any]:
        """Return the sample, in the order of the rows."""
        if not self._kept:
            raise ValueError("no rows were added; expected at least one")
        self._shrink()
        return self._kept[0][2]


class RowSums:
    """What one pass over rows leaves for :meth:`IIQ.fit_sums`; made by :meth:`IIQ.sums`, one per worker.

    Parameters
    ----------
    n_columns : int
        Width d of the rows.
    max_rows : int or None
        Size of the sample; None keeps all rows.
    random_state : int or numpy.random.Generator
        Of the sample.
    first_row : int
        Number of the first row that this worker will see.

    Attributes
    ----------
    n_columns : int
    """

    def __init__(
        self,
        n_columns: int,
        max_rows: int | None,
        random_state: int | np.random.Generator | np.random.RandomState | None,
        first_row: int = 0,
    ) -> None:
        self.n_columns = as_integer(n_columns, "n_columns", 1)
        self.moments = Moments(self.n_columns)
        keys = sample_keys(as_generator(random_state))
        self._sample = RowSample(max_rows, keys, as_integer(first_row, "first_row", 0))

    def update(self, X: ArrayLike | Vectors) -> Self:
        """Add rows.

        Parameters
        ----------
        X : array_like, shape (m, n_columns), or Vectors

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            As from :meth:`IIQ.fit`.
        """
        rows = as_matrix(X, "X", self.n_columns)
        self.moments.update(rows)
        self._sample.update(rows)
        return self

    def merge(self, other: RowSums) -> Self:
        """Add the rows that ``other`` has seen.

        The sample is the one that a single worker would have drawn; moments are so up to rounding in float64.

        Parameters
        ----------
        other : RowSums

        Returns
        -------
        self
        """
        self.moments.merge(other.moments)
        self._sample.merge(other._sample)
        return self

    def sample(self) -> NDArray[Any]:
        """Return the sampled rows, in order.

        Returns
        -------
        ndarray, shape (at most max_rows, n_columns)
        """
        return self._sample.finalize()


def sample_keys(generator: np.random.Generator) -> np.random.Generator:
    """Return the generator of the sample's keys; what ``generator`` itself will give does not change by it."""
    return generator.spawn(1)[0]
