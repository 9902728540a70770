"""Measuring how many lists find how much: rows of a table ask for their nearest others, which are known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from slimvec.binary.calibration import Calibration
from slimvec.binary.probing import probe_order
from slimvec.binary.search import TableSearch
from slimvec.norms import WideRows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slimvec.binary.list_centroids import ListCentroids
    from slimvec.binary.partition import Partition
    from slimvec.binary.parts import BinaryParts
    from slimvec.progress import Progress

ASKED = (1, 10, 100)  # neighbours that are measured
N_ASKING = 1024  # rows that ask: the deviation of a recall of 10 neighbours is then .005
FEWER = 4  # times, of many neighbours each
SATISFIED = 0.0005  # below the recall of all lists: a share that no further list raises
SPARE = 32  # rows beyond those that may score as the last of them does
SAME = 1e-6  # cosines that differ by rounding only


def calibrate(parts: BinaryParts, nearest: NearestRows, progress: Progress) -> Calibration | None:
    """Let the rows of a table that know their true neighbours ask for them; None where rows are too few."""
    partition, n_rows = cast("Partition", parts.partition), len(parts)
    asked = [k for k in ASKED if k < n_rows - 1]
    if not asked:
        return None
    n_lists = partition.n_lists
    probes = [1 << i for i in range(n_lists.bit_length()) if 1 << i < n_lists] + [n_lists]
    order = probe_order(parts, nearest.vectors)
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(n_lists)[None], axis=1)
    recall, reach = {}, {}
    for done, k in enumerate(asked):
        progress("calibrating", done, len(asked))
        n_asking = -(-N_ASKING // (1 if k < ASKED[-1] else FEWER))
        true = nearest.of(k)[:n_asking]
        held = [ranks[q, partition.lists(rows)] for q, rows in enumerate(true)]
        reach[k] = tuple(float(np.mean([(of < n_read).mean() for of in held])) for n_read in probes)
        most = _recall(parts, n_lists, k, nearest, true)
        shares: list[float] = []
        for n_read in probes:  # further lists cost much, and find nothing more
            enough = bool(shares) and shares[-1] >= most - SATISFIED
            shares.append(most if enough or n_read == n_lists else _recall(parts, n_read, k, nearest, true))
        recall[k] = tuple(shares)
    progress("calibrating", len(asked), len(asked))
    return Calibration(tuple(probes), recall, reach)


def _recall(parts: BinaryParts, n_read: int, k: int, nearest: NearestRows, true: list[NDArray[np.int64]]) -> float:
    """Return which share of the true neighbours a search of so many lists finds, for the first rows that ask."""
    search = TableSearch(parts, cast("ListCentroids", parts.encoder), "cosine", None, None, n_read)
    found = search.floats(nearest.vectors[: len(true)], k + 1, "auto", None).indices
    others = [rows[rows != own][:k] for rows, own in zip(found, nearest.numbers, strict=False)]
    return float(np.mean([np.isin(rows, near).mean() for rows, near in zip(others, true, strict=True)]))


class NearestRows:
    """The true neighbours of some rows among all, gathered block by block.

    Parameters
    ----------
    numbers : ndarray, shape (q,), int64
        Of the rows that ask.
    vectors : ndarray, shape (q, d)
    most : int
        Neighbours of each that are kept.
    """

    def __init__(self, numbers: NDArray[np.int64], vectors: NDArray[Any], most: int = ASKED[-1] + SPARE) -> None:
        self.numbers, self.vectors, self._most = numbers, vectors, most
        self._asking = _of_unit_length(vectors)
        self._scores = np.empty((len(numbers), 0), np.float32)
        self._rows = np.empty((len(numbers), 0), np.int64)

    def update(self, first_row: int, block: NDArray[Any]) -> None:
        """See a block of rows, whose first has the number ``first_row``."""
        scores = self._asking @ _of_unit_length(block).T
        own = self.numbers - first_row
        here = np.flatnonzero((own >= 0) & (own < len(block)))
        scores[here, own[here]] = -np.inf  # no row is its own neighbour
        scores = np.hstack([self._scores, scores])
        rows = np.arange(first_row, first_row + len(block))
        rows = np.hstack([self._rows, np.broadcast_to(rows, (len(self.numbers), len(block)))])
        kept = min(scores.shape[1], self._most)
        best = np.argpartition(-scores, kept - 1, axis=1)[:, :kept]
        self._scores, self._rows = np.take_along_axis(scores, best, axis=1), np.take_along_axis(rows, best, axis=1)

    def of(self, k: int) -> list[NDArray[np.int64]]:
        """Return the k nearest rows of each that asks, and those that are as near as the last of them."""
        kth = -np.partition(-self._scores, k - 1, axis=1)[:, k - 1]
        return [rows[scores >= least - SAME] for rows, scores, least in zip(self._rows, self._scores, kth, strict=True)]

    def best(self, k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the k nearest rows of each that asks, nearest first, ties by row, and their cosines."""
        order = np.lexsort((self._rows, -self._scores), axis=1)[:, :k]
        return np.take_along_axis(self._rows, order, axis=1), np.take_along_axis(self._scores, order, axis=1)


def _of_unit_length(rows: NDArray[Any]) -> NDArray[np.float32]:
    return WideRows.of(rows, "vectors").at_norm(1.0).astype(np.float32)
