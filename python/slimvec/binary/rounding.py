"""Rows in integers, so that products with them are exact: the same on every instruction set, in whatever order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from slimvec import _core

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Rounded(NamedTuple):
    """Rows rounded to as many steps either side of 0 as their largest entry has.

    Attributes
    ----------
    values : ndarray, shape (n, d), int16
    peaks : ndarray, shape (n,)
        The largest magnitude of each row, which became the largest integer; 0 for a row of zeros.
    """

    values: NDArray[np.int16]
    peaks: NDArray[Any]

    @classmethod
    def of(cls, rows: NDArray[np.floating], largest: int) -> Self:
        """Return rows ``(n, d)`` of float32 or float64, whose largest entries become ± ``largest``.

        Steps are of the type of the rows, and halves go to even integers. NaN or infinity makes a row zeros, its peak
        NaN.
        """
        return cls(*_core.round_rows(np.ascontiguousarray(rows), largest))
