"""Norms of rows of any scale: no square that float32 or float64 cannot hold makes them 0, infinite or NaN."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAFE_SQUARES = (1e-280, 1e280)  # sums of squares that float64 holds with all their digits
NEAR = 40  # a power of two: numbers up to so far from 1 are multiplied and added up in float32


def row_norms(rows: NDArray[Any]) -> NDArray[np.float64]:
    """Return ‖row‖ of each row of ``rows (m, d)``; NaN or infinity where a row is not finite, or too long to tell."""
    return _split(rows)[1]


def unit_rows(rows: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return ``rows (m, d)`` at norm 1, made anew, zeros where a row is zero, and their norms as :func:`row_norms`."""
    scaled, norms, lengths = _split(rows)
    with np.errstate(invalid="ignore"):  # of rows that are not finite
        return np.divide(scaled, lengths[:, None], out=scaled, where=lengths[:, None] > 0), norms


def scaled_rows(rows: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.intc]]:
    """Return ``rows (..., d)`` brought near 1 by powers of two, and these as exponents: row = scaled · 2^exponent."""
    wide = np.asarray(rows, np.float64)
    exponents: NDArray[np.intc] = np.frexp(np.abs(wide).max(axis=-1, initial=0.0))[1]
    return np.ldexp(wide, -exponents[..., None]), exponents


def near_rows(rows: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.intc]]:
    """Return ``rows (m, d)`` as float32 and exponents, as :func:`scaled_rows` does for rows that are far from 1."""
    exponents = np.frexp(np.abs(rows).max(axis=1, initial=0).astype(np.float64))[1]
    exponents[np.abs(exponents) <= NEAR] = 0
    if exponents.any():
        rows = np.ldexp(np.asarray(rows, np.float64), -exponents[:, None])
    return np.require(rows, np.float32, ["C", "A"]), exponents


def _split(rows: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return multiples of the rows, made anew, the norms of the rows, and those of the multiples."""
    wide = np.array(rows, np.float64, order="C")
    with np.errstate(over="ignore", invalid="ignore"):  # seen just below
        squares = np.einsum("ij,ij->i", wide, wide)
        if ((squares > SAFE_SQUARES[0]) & (squares < SAFE_SQUARES[1])).all():
            norms = np.sqrt(squares)
            return wide, norms, norms
        wide, exponents = scaled_rows(wide)
        lengths = np.sqrt(np.einsum("ij,ij->i", wide, wide))
        return wide, np.ldexp(lengths, exponents), lengths
