"""k-means: the centroids that Post-SH and vocabulary quantisation are built on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from slimvec.blas import product
from slimvec.blocks import row_blocks, scale_of
from slimvec.progress import Progress, ignore
from slimvec.sparse.training.anchors import kmeans_plus_plus

if TYPE_CHECKING:
    from numpy.typing import NDArray


def nearest(
    rows: NDArray[np.float32], centroids: NDArray[np.float32], s: int = 1
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the ``s`` nearest centroids of each row, nearest first, and their squared distances, both ``(n, s)``."""
    columns, distances = np.empty((len(rows), s), np.int64), np.empty((len(rows), s))
    scale = np.float32(scale_of(centroids))
    centroids = centroids / scale
    squares = np.einsum("ij,ij->i", centroids, centroids, dtype=np.float64)
    for first, block in row_blocks(rows):
        part = slice(first, first + len(block))
        block = block / scale  # noqa: PLW2901
        own = np.einsum("ij,ij->i", block, block, dtype=np.float64)
        apart = own[:, None] + squares - 2.0 * product(block, centroids.T)
        best = np.sort(np.argpartition(apart, s - 1, axis=1)[:, :s], axis=1)
        found = np.take_along_axis(apart, best, axis=1)
        order = np.argsort(found, axis=1, kind="stable")
        columns[part] = np.take_along_axis(best, order, axis=1)
        distances[part] = np.maximum(np.take_along_axis(found, order, axis=1), 0.0)
    return columns, distances * float(scale) ** 2


def kmeans(
    rows: NDArray[np.float32],
    k: int,
    generator: np.random.Generator,
    n_iter: int = 25,
    progress: Progress = ignore,
) -> NDArray[np.float32]:
    """Return ``k`` centroids, ``(k, d)``: k-means++ seeding, then Lloyd's iterations until nothing moves.

    A centroid that loses all its rows moves to the row that is furthest from its own.
    """
    centroids = rows[kmeans_plus_plus(rows, k, generator, progress=progress)].astype(np.float32)
    assigned = np.full(len(rows), -1)
    for iteration in range(n_iter):
        columns, distances = nearest(rows, centroids)
        if np.array_equal(columns[:, 0], assigned):
            break
        assigned = columns[:, 0]
        centroids = _means(rows, assigned, centroids)
        lost = np.flatnonzero(np.bincount(assigned, minlength=k) == 0)
        centroids[lost] = rows[np.argsort(-distances[:, 0], kind="stable")[: len(lost)]]
        progress("clustering", iteration + 1, n_iter)
    progress("clustering", n_iter, n_iter)
    return centroids


def _means(
    rows: NDArray[np.float32], assigned: NDArray[np.int64], centroids: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the mean of the rows of each cluster; a cluster without rows keeps its centroid."""
    order = np.argsort(assigned, kind="stable")
    used, starts = np.unique(assigned[order], return_index=True)
    sums = np.add.reduceat(rows[order].astype(np.float64), starts, axis=0)
    means = centroids.copy()
    means[used] = sums / np.diff([*starts, len(rows)])[:, None]
    return means
