"""The principal directions of rows, from their moments."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slimvec.moments import Moments

LARGEST = 1e30


def principal_directions(moments: Moments) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float32]]:
    """Return the mean ``(d,)``, the singular values of the centred rows, largest first, and directions ``(d, d)``.

    Directions are columns, each with its largest entry positive: LAPACK leaves the signs open, and fixing them makes a
    run repeatable across builds of it.
    """
    mean, scatter = moments.finalize()
    eigenvalues, vectors = np.linalg.eigh(scatter)
    eigenvalues, vectors = np.maximum(eigenvalues[::-1], 0.0), vectors[:, ::-1]
    largest = vectors[np.abs(vectors).argmax(axis=0), np.arange(vectors.shape[1])]
    _check_range(mean, eigenvalues.sum() / moments.count)
    directions = (vectors * np.where(largest >= 0, 1.0, -1.0)).astype(np.float32)
    return mean.astype(np.float32), np.sqrt(eigenvalues), directions


def _check_range(mean: NDArray[np.float64], variance: float) -> None:
    """Raise ValueError if float32, in which codes are made, cannot hold the rows or tell them from their mean."""
    if variance**0.5 + np.linalg.norm(mean) > LARGEST:
        raise ValueError(
            f"X holds values too large for float32 sums (above {LARGEST:g}); divide it by a constant first"
        )
    rounding = np.linalg.norm(mean - mean.astype(np.float32))
    if rounding > 0.1 * variance**0.5:
        raise ValueError("the mean of X is so large that float32 cannot tell the rows apart; subtract it from X first")
