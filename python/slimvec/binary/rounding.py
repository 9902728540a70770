"""Rows in integers, so that products with them are exact: the same on every instruction set, in whatever order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from slimvec import _core

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

QUERY_PEAK, CENTROID_PEAK = 8191, 2047  # kQueryPeak and kCentroidPeak of cpp/kernels/kernels.hpp
BYTE_PEAK = 127


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


class Whole(NamedTuple):
    """Rows in integers: entry j of row i is values[i, j] * steps[i], so nearly as :class:`Rounded` can tell it.

    Attributes
    ----------
    values : ndarray, shape (n, d), int16
    steps : ndarray, shape (n,), float64
    """

    values: NDArray[np.int16]
    steps: NDArray[np.float64]

    @classmethod
    def of(cls, rounded: tuple[NDArray[np.int16], NDArray[np.float64]], largest: int, unit: float = 1.0) -> Self:
        """Return ``unit`` times rows that were :class:`Rounded` to that largest integer."""
        return cls(rounded[0], rounded[1] * (unit / largest))

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Return the rows of parts one after the other."""
        return cls(*map(np.concatenate, zip(*parts, strict=True)))

    def part(self, place: Any) -> Self:
        """Return some of the rows."""
        return type(self)(self.values[place], self.steps[place])


class InBytes(NamedTuple):
    """Rows in integers of half the memory: entry j of row i is about values[i, j] * steps[i].

    Attributes
    ----------
    values : ndarray, shape (n, d), int8
    steps : ndarray, shape (n,), float64
    """

    values: NDArray[np.int8]
    steps: NDArray[np.float64]

    @classmethod
    def of(cls, rows: NDArray[np.float64]) -> Self:
        """Return rows ``(n, d)``, by 127 steps either side of 0."""
        values, peaks = Rounded.of(rows, BYTE_PEAK)
        return cls(values.astype(np.int8), peaks / BYTE_PEAK)
