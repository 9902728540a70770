"""The rotation of directions of as many bits each that loses least on their grid: alternating Procrustes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from slimvec.binary.training.rotation import polar_factor
from slimvec.blas import in_order, one_thread, row_parts
from slimvec.progress import Progress, ignore

if TYPE_CHECKING:
    from numpy.typing import NDArray

SMALLEST = 2.0**-64


def learn_grid_rotation(
    projected: NDArray[np.float32],
    rotation: NDArray[np.float32],
    step: float,
    bits: int,
    n_iter: int,
    progress: Progress = ignore,
) -> NDArray[np.float32]:
    """Alternate C = grid(YW) and W = argmin ‖C - YW‖² from a given start.

    Parameters
    ----------
    projected : ndarray, shape (n, r), float32
        Y: centred rows in the directions.
    rotation : ndarray, shape (r, r), float32
        Orthogonal W to start from.
    step : float
        From one level to the next.
    bits : int
        Of each direction.
    n_iter : int
    progress : callable
        See :data:`slimvec.progress.Progress`.

    Returns
    -------
    ndarray, shape (r, r), float32
    """
    limit = (2**bits - 1) / 2
    if step < SMALLEST:  # whose inverse is beyond float32
        projected, step = projected / np.float32(SMALLEST), step / SMALLEST
    for iteration in range(n_iter):
        rotation = polar_factor(_correlation(projected, rotation / np.float32(step), limit))[0]
        progress("learning rotation", iteration + 1, n_iter)
    return rotation


def _correlation(projected: NDArray[np.float32], scaled: NDArray[np.float32], limit: float) -> NDArray[np.float64]:
    """Return YᵀC, up to the step, for the nearest levels C of Y times the rotation, ``scaled`` by the step."""

    def correlate(part: slice) -> NDArray[np.float32]:
        levels = np.floor(projected[part] @ scaled)
        levels += np.float32(0.5)
        products: NDArray[np.float32] = projected[part].T @ np.clip(levels, -limit, limit, out=levels)
        return products

    total = np.zeros(scaled.shape)
    with one_thread():
        for products in in_order(correlate, row_parts(len(projected))):
            total += products
    return total
