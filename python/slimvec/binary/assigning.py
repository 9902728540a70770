"""What a first pass over rows tells that are to lie in lists: which list each is in, and what is measured of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.binary.factors import UNIT_TOLERANCE
from slimvec.binary.partition import Partition
from slimvec.binary.true_neighbours import NearestByMetric

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slimvec.binary.list_centroids import ListCentroids
    from slimvec.binary.queries import Metric


class Assigning:
    """Rows on their way into lists.

    Parameters
    ----------
    encoder : ListCentroids
    n_rows : int
    n_asking : int
        Of these rows, so many ask for their neighbours.

    Attributes
    ----------
    lists : ndarray, shape (n_rows,), int32
    second : ndarray, shape (n_rows,), int32, or None
        The second list of each row, if rows are to have one.
    """

    def __init__(self, encoder: ListCentroids, n_rows: int, n_asking: int) -> None:
        self.lists = np.empty(n_rows, np.int32)
        self.second = np.empty(n_rows, np.int32) if encoder.spills and len(encoder.centroids) > 1 else None
        self._encoder = encoder
        self._asking = np.unique(np.linspace(0, max(0, n_rows - 1), min(n_rows, n_asking)).astype(np.int64))
        self._vectors: list[NDArray[Any]] = []
        self._squared_errors = np.zeros(len(encoder.centroids))
        self._of_unit_length = True

    def update(self, first: int, block: NDArray[Any]) -> None:
        """See a block of rows, whose first has the number ``first``."""
        own = self._encoder.assign(block)
        self.lists[first : first + len(block)] = own
        if self.second is not None:
            self.second[first : first + len(block)] = self._encoder.assign_second(block, own)
        if not len(self._asking):
            return
        here = self._asking - first
        self._vectors.append(block[here[(here >= 0) & (here < len(block))]])
        self._squared_errors += self._encoder.squared_errors(block, own)
        with np.errstate(over="ignore"):  # reported when the row is coded
            norms = np.sqrt(np.einsum("ij,ij->i", block, block, dtype=np.float64, casting="same_kind"))
        self._of_unit_length &= bool((np.abs(norms - 1) < UNIT_TOLERANCE).all())

    def partition(self) -> Partition:
        """Return which rows are in which list."""
        made = Partition.of(self.lists, len(self._encoder.centroids))
        if self._of_unit_length:
            return made
        return replace(made, spreads=self._encoder.spreads(self._squared_errors, np.diff(made.starts)))

    def nearest(self, norm: float, metrics: tuple[Metric, ...]) -> NearestByMetric | None:
        """Return what gathers the true neighbours of the rows that ask, whose lengths are about ``norm``.

        Rows of one length ask by cosine alone.
        """
        if not len(self._asking):
            return None
        vectors = np.concatenate(self._vectors)
        return NearestByMetric(self._asking, vectors, norm or 1.0, ("cosine",) if self._of_unit_length else metrics)
