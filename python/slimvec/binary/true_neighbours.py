"""The true neighbours of some rows among all, gathered block by block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.norms import unit_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slimvec.binary.queries import Metric

MOST_ASKED = 100  # neighbours
SPARE = 32  # rows beyond those that may score as the last of them does
SAME = 1e-6  # cosines that differ by rounding only


class NearestRows:
    """The neighbours by cosine of some rows among all.

    Parameters
    ----------
    numbers : ndarray, shape (q,), int64
        Of the rows that ask.
    vectors : ndarray, shape (q, d)
    most : int
        Neighbours of each that are kept.
    """

    def __init__(self, numbers: NDArray[np.int64], vectors: NDArray[Any], most: int = MOST_ASKED + SPARE) -> None:
        self.numbers, self.vectors, self._most = numbers, vectors, most
        self._asking = unit_rows(vectors, "vectors")
        self._scores = np.empty((len(numbers), 0), np.float32)
        self._rows = np.empty((len(numbers), 0), np.int64)

    def update(self, first_row: int, block: NDArray[Any]) -> None:
        """See a block of rows, whose first has the number ``first_row``."""
        self.take(first_row, self._asking @ unit_rows(block, "vectors").T)

    def take(self, first_row: int, scores: NDArray[np.float32]) -> None:
        """See the scores of a block of rows, ``(q, m)``, which are changed."""
        own = self.numbers - first_row
        here = np.flatnonzero((own >= 0) & (own < scores.shape[1]))
        scores[here, own[here]] = -np.inf  # no row is its own neighbour
        rows = np.arange(first_row, first_row + scores.shape[1])
        if self._scores.shape[1] == self._most:  # soon few rows of a block are among the best of any
            better = (scores > self._scores.min(axis=1, keepdims=True)).any(axis=0)
            scores, rows = scores[:, better], rows[better]
        scores = np.hstack([self._scores, scores])
        rows = np.hstack([self._rows, np.broadcast_to(rows, (len(self.numbers), len(rows)))])
        kept = min(scores.shape[1], self._most)
        best = np.argpartition(-scores, kept - 1, axis=1)[:, :kept]
        self._scores, self._rows = np.take_along_axis(scores, best, axis=1), np.take_along_axis(rows, best, axis=1)

    def of(self, k: int) -> list[NDArray[np.int64]]:
        """Return the k nearest rows of each that asks, and those that are as near as the last of them."""
        kth = -np.partition(-self._scores, k - 1, axis=1)[:, k - 1]
        least = kth - SAME * np.maximum(1, np.abs(kth))
        return [rows[scores >= enough] for rows, scores, enough in zip(self._rows, self._scores, least, strict=True)]

    def best(self, k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the k nearest rows of each that asks, nearest first, ties by row, and their cosines."""
        order = np.lexsort((self._rows, -self._scores), axis=1)[:, :k]
        return np.take_along_axis(self._rows, order, axis=1), np.take_along_axis(self._scores, order, axis=1)


class NearestByMetric:
    """The neighbours of some rows by each metric that has its own.

    Parameters
    ----------
    numbers, vectors
        See :class:`NearestRows`.
    norm : float
        Root mean square norm of the rows, at least roughly.
    metrics : tuple of str
        The cosine, or all three.

    Attributes
    ----------
    by_metric : dict of str to NearestRows
    """

    def __init__(
        self, numbers: NDArray[np.int64], vectors: NDArray[Any], norm: float, metrics: tuple[Metric, ...]
    ) -> None:
        self.numbers, self.vectors, self._norm = numbers, vectors, norm
        self.by_metric = {metric: NearestRows(numbers, vectors) for metric in metrics}

    def update(self, first_row: int, block: NDArray[Any]) -> None:
        """See a block of rows, whose first has the number ``first_row``."""
        if list(self.by_metric) == ["cosine"]:
            self.by_metric["cosine"].update(first_row, block)
            return
        asking, rows = self._scaled(self.vectors), self._scaled(block)
        products = asking @ rows.T
        squares = np.einsum("ij,ij->i", rows, rows)
        self.by_metric["l2"].take(first_row, 2 * products - squares)
        lengths = np.outer(np.linalg.norm(asking, axis=1), np.sqrt(squares))
        cosines = np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)
        self.by_metric["cosine"].take(first_row, cosines)
        self.by_metric["dot"].take(first_row, products)

    def _scaled(self, rows: NDArray[Any]) -> NDArray[np.float32]:
        # The norm may be beyond float32.
        scaled: NDArray[np.float32] = np.divide(rows, self._norm, dtype=np.float64).astype(np.float32)
        return scaled
