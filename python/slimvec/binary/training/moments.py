"""Mean and scatter matrix of rows, gathered block by block and mergeable across streams, threads or machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from slimvec.blas import gram
from slimvec.validation import check_finite

if TYPE_CHECKING:
    from numpy.typing import NDArray


SAFE_SQUARES = (1e-25, 1e30)  # largest sum of squares of a column that float32 is trusted with; others need float64


def shift_of(rows: NDArray[Any]) -> NDArray[np.float64]:
    """Return what rows ``(m, d)`` are taken relative to: their mean, as float32 holds it."""
    with np.errstate(over="ignore", invalid="ignore"):  # what is too large is told where it is squared
        shift: NDArray[np.float64] = rows.mean(axis=0, dtype=np.float64).astype(np.float32).astype(np.float64)
    return shift


class Moments:
    """Count, sum and second moments of the rows seen so far.

    Parts of blocks are multiplied in their own precision (float16 and float32 as float32, float64 as float64) and added
    up in float64. Rows are taken relative to the rounded mean of the first block, so that a mean that is large against
    the spread costs no digits.

    Parameters
    ----------
    n_columns : int
        Width d of the rows.
    shift : ndarray, shape (d,), float64, optional
        What rows are taken relative to, in place of that mean: that of others, with whom sums then merge unrounded.
    first_row : int
        What errors call the first row that will come.

    Attributes
    ----------
    n_columns : int
    count : int
        Rows seen.
    """

    def __init__(self, n_columns: int, shift: NDArray[np.float64] | None = None, first_row: int = 0) -> None:
        self.n_columns = n_columns
        self.count = 0
        self._first_row = first_row
        self._is_shifted = shift is not None
        self._shift = np.zeros(n_columns) if shift is None else shift
        self._sum = np.zeros(n_columns)
        self._products = np.zeros((n_columns, n_columns))

    def update(self, block: NDArray[Any]) -> Self:
        """Add the rows of ``block (m, d)``.

        Raises
        ------
        ValueError
            If the block holds NaN or infinity; the message counts rows from the first one ever added.
        """
        if len(block) == 0:
            return self
        rows = block.astype(np.result_type(block, np.float32), order="C")  # one order, one rounding
        with np.errstate(over="ignore", invalid="ignore"):  # told apart below
            if self.count == 0 and not self._is_shifted:
                self._shift = shift_of(rows)
            rows -= self._shift.astype(rows.dtype)
            total = rows.sum(axis=0, dtype=np.float64)
            products = gram(rows)
            if not SAFE_SQUARES[0] < products.diagonal().max() < SAFE_SQUARES[1]:
                rows = rows.astype(np.float64)
                products = gram(rows)
        if not (np.isfinite(total).all() and np.isfinite(products).all()):
            check_finite(block, "X", self._first_row + self.count)
            largest = max(float(block.max()), -float(block.min()))
            raise ValueError(f"X holds values up to {largest:.1e}, too large to square; divide it by a constant first")
        self.count += len(block)
        self._sum += total
        self._products += products
        return self

    def merge(self, other: Moments) -> Self:
        """Add the rows that ``other`` has seen."""
        if self.count == 0:
            self._shift = other._shift.copy()
        offset = other._shift - self._shift
        self._products += other._products
        self._sum += other._sum
        if offset.any():  # re-base the other's sums from its shift to ours: x - ours = (x - theirs) + offset
            cross = np.outer(other._sum, offset)
            self._products += cross + cross.T + other.count * np.outer(offset, offset)
            self._sum += other.count * offset
        self.count += other.count
        return self

    def finalize(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the mean ``(d,)`` and the scatter matrix of the centred rows, Σ (x - mean)(x - mean)ᵀ, ``(d, d)``.

        Raises
        ------
        ValueError
            If no row has been added.
        """
        if self.count == 0:
            raise ValueError("no rows were added")
        mean = self._sum / self.count
        return mean + self._shift, self._products - self.count * np.outer(mean, mean)
