"""Learning lists of rows from a sample: their centroids, and in which directions rows differ from these."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from slimvec.blas import gram, product
from slimvec.blocks import scale_of
from slimvec.centroids import Centroids, means_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slimvec.progress import Progress

N_ITER = 10
LISTS_PER_ROOT = 4  # times √n: twice as many hold half of the codes that a recall needs, and take longer to walk over
ROWS_PER_LIST = 32  # of the sample
MOST_ROWS = 262_144  # of the sample: 400 MB at 384 columns
PART_ROWS = 16_384  # of which copies are made
KEPT_ROWS = 65_536  # whose neighbours tell how long a shortlist must be: of fewer rows it comes out too short
MOST_LISTS = 1 << 20
UNKNOWN_ROWS = 131_072  # of a stream whose length is not known


def number_of_lists(partitions: int | str, n_rows: int) -> int:
    """Return how many lists n rows are put in."""
    return partitions if isinstance(partitions, int) else max(1, math.ceil(LISTS_PER_ROOT * math.sqrt(n_rows)))


def sample_size(partitions: int | str, n_rows: int | None) -> int:
    """Return how many rows lists are learnt from."""
    if n_rows is None:
        return UNKNOWN_ROWS if isinstance(partitions, str) else min(ROWS_PER_LIST * partitions, MOST_ROWS)
    return min(ROWS_PER_LIST * number_of_lists(partitions, n_rows), MOST_ROWS)


class TrainingLists(NamedTuple):
    """What a sample tells of lists.

    Attributes
    ----------
    centroids : ndarray, shape (n_lists, d), float32
    directions : ndarray, shape (d, r), float32
        In which rows differ from their centroids most, falling.
    variances : ndarray, shape (r,), float64
        Along them.
    rows, centres : ndarray, shape (n_kept, r), float32
        Some of the sampled rows less their centroids, and these less the mean, along the directions.
    """

    centroids: NDArray[np.float32]
    directions: NDArray[np.float32]
    variances: NDArray[np.float64]
    rows: NDArray[np.float32]
    centres: NDArray[np.float32]

    def along(self, frame: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the rows along directions ``(d, r')`` that these span."""
        along: NDArray[np.float32] = product(self.rows, self.directions.T @ frame)
        return along


def kmeans(
    rows: NDArray[np.float32], n_lists: int, generator: np.random.Generator, progress: Progress
) -> NDArray[np.float32]:
    """Return the centroids of ``n_lists`` lists, ``(n_lists, r)``, of sampled rows ``(n, r)``, n at least n_lists.

    Rows are of an ordinary scale, whose squares float32 adds up.

    They start at rows drawn at random. A list that loses all its rows starts anew at the row that is farthest from its
    centroid, unless that is no way from it. The same rows and generator give the same centroids for any number of
    threads.
    """
    centroids = rows[np.sort(generator.choice(len(rows), n_lists, replace=False))]
    for i in range(N_ITER):
        progress("finding lists", i, N_ITER)
        lists = Centroids.of(centroids).nearest(rows)
        means, known = means_of(rows, lists, n_lists)
        centroids[known] = means
        empty = np.flatnonzero(~known)
        if len(empty):
            parts = (slice(first, first + PART_ROWS) for first in range(0, len(rows), PART_ROWS))
            errors = np.concatenate([np.square(rows[part] - centroids[lists[part]]).sum(axis=1) for part in parts])
            farthest = np.argsort(-errors, kind="stable")[: len(empty)]
            farthest = farthest[errors[farthest] > 0]
            centroids[empty[: len(farthest)]] = rows[farthest]
    progress("finding lists", N_ITER, N_ITER)
    return centroids


def learn_lists(
    rows: NDArray[np.float32],
    mean: NDArray[np.float32],
    span: NDArray[np.float32],
    n_lists: int,
    generator: np.random.Generator,
    progress: Progress,
) -> TrainingLists:
    """Return lists of sampled rows, given less their mean along the directions ``span (d, r)``.

    The rows are scaled in place. At most ``KEPT_ROWS`` of them are kept for what comes after.
    """
    scale = scale_of(rows)
    if scale != 1:
        rows /= np.float32(scale)
    centroids = kmeans(rows, min(n_lists, len(rows)), generator, progress)
    lists = Centroids.of(centroids).nearest(rows)
    energies = np.zeros((rows.shape[1], rows.shape[1]))
    for first in range(0, len(rows), PART_ROWS):
        part = slice(first, first + PART_ROWS)
        energies += gram(rows[part] - centroids[lists[part]])
    variances, vectors = np.linalg.eigh(energies / len(rows))
    variances, vectors = np.maximum(variances[::-1], 0.0), vectors[:, ::-1]
    largest = vectors[np.abs(vectors).argmax(axis=0), np.arange(vectors.shape[1])]
    turned = (vectors * np.where(largest >= 0, 1.0, -1.0)).astype(np.float32)
    kept = slice(None, None, -(-len(rows) // KEPT_ROWS))
    return TrainingLists(
        np.asarray(mean + product(centroids, span.T) * scale, np.float32),
        product(span, turned),
        variances * scale**2,
        np.asarray(product(rows[kept] - centroids[lists[kept]], turned) * scale, np.float32),
        np.asarray(product(centroids, turned)[lists[kept]] * scale, np.float32),
    )
