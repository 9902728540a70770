"""Norms of rows of any scale: no square that float32 or float64 cannot hold makes them 0, infinite or NaN."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from slimvec.validation import check_finite

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST, MOST = 1e-280, 1e280  # sums of squares that float64 holds with all their digits
NEAR = 40  # a power of two: numbers up to so far from 1 are multiplied and added up in float32
FEW = 32  # numbers that Python compares faster than NumPy


class WideRows(NamedTuple):
    """Rows as float64, made anew, whose sums of squares are safe.

    Attributes
    ----------
    rows : ndarray, shape (m, d), float64
    norms : ndarray, shape (m,), float64
        Of these rows.
    exponents : ndarray, shape (m,), or None
        By which powers of two the rows given were longer. None, as nearly always: by none, and no row is zero.
    """

    rows: NDArray[np.float64]
    norms: NDArray[np.float64]
    exponents: NDArray[np.intc] | None

    @classmethod
    def of(cls, rows: NDArray[Any], name: str = "X", first_row: int = 0) -> WideRows:
        """Return rows ``(m, d)``, which errors call ``name``; NaN or infinity is refused."""
        wide = np.array(rows, np.float64, order="C")
        squares = np.einsum("ij,ij->i", wide, wide)
        if within(squares, LEAST, MOST):
            return cls(wide, np.sqrt(squares), None)
        check_finite(wide, name, first_row)
        wide, exponents = scaled_rows(wide)
        return cls(wide, np.sqrt(np.einsum("ij,ij->i", wide, wide)), exponents)

    def at_norm(self, norm: float) -> NDArray[np.float64]:
        """Bring the rows to a norm, in place, and return them; rows of zeros stay."""
        if self.exponents is None:
            factors = norm / self.norms
        else:
            factors = np.divide(norm, self.norms, out=np.zeros_like(self.norms), where=self.norms > 0)
        rows = self.rows
        rows *= factors[:, None]
        return rows


def unit_rows(rows: NDArray[Any], name: str = "X") -> NDArray[np.float32]:
    """Return rows at length one, whatever their scale; those of zeros stay. NaN or infinity is refused."""
    return WideRows.of(rows, name).at_norm(1.0).astype(np.float32)


def within(values: NDArray[np.float64], least: float, most: float) -> bool:
    """Tell whether all values lie between two others; NaN does not."""
    few: list[float] = values.tolist() if len(values) <= FEW else [values.min(), values.max()]
    return all(least < value < most for value in few)


def scaled_rows(rows: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.intc]]:
    """Return ``rows (..., d)`` brought near 1 by powers of two, and these as exponents: row = scaled · 2^exponent."""
    wide = np.asarray(rows, np.float64)
    exponents: NDArray[np.intc] = np.frexp(np.abs(wide).max(axis=-1, initial=0.0))[1]
    return np.ldexp(wide, -exponents[..., None]), exponents


def distances_between(rows: NDArray[Any], queries: NDArray[Any]) -> NDArray[np.float64]:
    """Return the Euclidean distances of ``queries (q, d)`` to their own ``rows (q, m, d)``, ``(q, m)``."""
    apart = rows.astype(np.float64) - queries.astype(np.float64)[:, None]
    scales = np.abs(apart).max(axis=2, initial=0)
    scales[scales == 0] = 1  # squares stay within float64
    apart /= scales[:, :, None]
    distances: NDArray[np.float64] = np.sqrt(np.einsum("qmd,qmd->qm", apart, apart)) * scales
    return distances


def near_rows(rows: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.intc]]:
    """Return ``rows (m, d)`` as float32 and exponents, as :func:`scaled_rows` does for rows that are far from 1."""
    exponents = np.frexp(np.abs(rows).max(axis=1, initial=0).astype(np.float64))[1]
    exponents[np.abs(exponents) <= NEAR] = 0
    if exponents.any():
        rows = np.ldexp(np.asarray(rows, np.float64), -exponents[:, None])
    return np.require(rows, np.float32, ["C", "A"]), exponents
