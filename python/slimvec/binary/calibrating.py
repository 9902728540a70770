"""Measuring how many lists find how much: rows of a table ask for their nearest others, which are known."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from slimvec.binary.asymmetric import SAFE_SQUARES
from slimvec.binary.calibration import Calibration
from slimvec.binary.probing import probe_order
from slimvec.binary.search import TableSearch
from slimvec.binary.true_neighbours import MOST_ASKED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slimvec.binary.factors import Factors
    from slimvec.binary.list_centroids import ListCentroids
    from slimvec.binary.partition import Partition
    from slimvec.binary.parts import BinaryParts
    from slimvec.binary.queries import Metric
    from slimvec.binary.true_neighbours import NearestByMetric, NearestRows
    from slimvec.progress import Progress

ASKED = (1, 10, MOST_ASKED)  # neighbours that are measured
N_ASKING = 1024  # rows that ask: the deviation of a recall of 10 neighbours is then .005
FEWER = 4  # times, of many neighbours each
SATISFIED = 0.0005  # below the recall of all lists: a share that no further list raises


def calibrate(parts: BinaryParts, nearest: NearestByMetric, progress: Progress) -> dict[str, Calibration]:
    """Let the rows of a table that know their true neighbours ask for them; none where rows are too few."""
    asked = [k for k in ASKED if k < len(parts) - 1]
    metrics = list(nearest.by_metric) if asked else []
    factors = cast("Factors", parts.factors)
    if factors.n_short:  # then distances are refused
        metrics = [metric for metric in metrics if metric != "l2"]
    if not SAFE_SQUARES[0] < factors.norm**2 < SAFE_SQUARES[1]:  # products of such rows may be beyond float32
        metrics = [metric for metric in metrics if metric != "dot"]
    made: dict[str, Calibration] = {}
    for done, metric in enumerate(metrics):
        progress("calibrating", done, len(metrics))
        own = asked if metric == "cosine" else asked[1:] or asked  # by others, what finds ten is to find one
        made[metric] = _calibrated(parts, nearest.by_metric[metric], metric, own)
    if metrics:
        progress("calibrating", len(metrics), len(metrics))
    return made


def _calibrated(parts: BinaryParts, nearest: NearestRows, metric: Metric, asked: list[int]) -> Calibration:
    partition = cast("Partition", parts.partition)
    n_lists = partition.n_lists
    probes = [1 << i for i in range(n_lists.bit_length()) if 1 << i < n_lists] + [n_lists]
    order = probe_order(parts, nearest.vectors, metric)
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(n_lists)[None], axis=1)
    recall, reach = {}, {}
    for k in asked:
        n_asking = -(-N_ASKING // (1 if k < ASKED[-1] else FEWER))
        true = nearest.of(k)[:n_asking]
        asking, rows = _of_each(true)
        held = _first_of_lists(parts, ranks, asking, rows)
        reached = [np.bincount(asking[held < n_read], minlength=len(true)) for n_read in probes]
        reach[k] = tuple(float((counted / np.bincount(asking)).mean()) for counted in reached)
        most = _recall(parts, n_lists, k, nearest, metric, true)
        shares: list[float] = []
        for n_read in probes:  # further lists cost much, and find nothing more
            enough = bool(shares) and shares[-1] >= most - SATISFIED
            last = enough or n_read == n_lists
            shares.append(most if last else _recall(parts, n_read, k, nearest, metric, true))
        recall[k] = tuple(shares)
    return Calibration(tuple(probes), recall, reach)


def _first_of_lists(
    parts: BinaryParts, ranks: NDArray[np.int32], asking: NDArray[np.int64], rows: NDArray[np.int64]
) -> NDArray[np.int32]:
    """Return when the first list comes that each of ``rows`` is in, for that which asks for it."""
    partition = cast("Partition", parts.partition)
    own: NDArray[np.int32] = ranks[asking, partition.lists(rows)]
    return own if parts.spilled is None else np.minimum(own, ranks[asking, parts.spilled.lists(partition, rows)])


def _recall(
    parts: BinaryParts, n_read: int, k: int, nearest: NearestRows, metric: Metric, true: list[NDArray[np.int64]]
) -> float:
    """Return which share of the true neighbours a search of so many lists finds, for the first rows that ask."""
    search = TableSearch(parts, cast("ListCentroids", parts.encoder), metric, None, None, n_read)
    found = search.floats(nearest.vectors[: len(true)], k + 1, "auto", None).indices
    is_own = found == nearest.numbers[: len(true), None]
    others = np.take_along_axis(found, np.argsort(is_own, axis=1, kind="stable")[:, :k], axis=1)
    asking, near = _of_each(true)
    n_places = len(parts) + 1  # of each that asks: every row, and none, which is -1
    had = np.arange(len(true))[:, None] * n_places + others
    return float(np.isin(had, asking * n_places + near).mean(axis=1).mean())


def _of_each(rows: list[NDArray[np.int64]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return all rows in one array, and beside each the number of the list that it is from."""
    return np.repeat(np.arange(len(rows)), [len(of) for of in rows]), np.concatenate(rows)
