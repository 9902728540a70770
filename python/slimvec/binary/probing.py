"""Which lists of a table a query reads, and the walk over them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

from slimvec import _core, isa
from slimvec.binary.asymmetric import FloatQueries
from slimvec.binary.queries import QueryEncoder
from slimvec.results import ScoreResult, offsets_of
from slimvec.validation import as_integer, is_number

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from slimvec.binary.factors import Factors
    from slimvec.binary.list_centroids import ListCentroids
    from slimvec.binary.partition import Partition
    from slimvec.binary.parts import BinaryParts
    from slimvec.binary.queries import Metric
    from slimvec.binary.rounding import Whole
    from slimvec.binary.search import Reading

Read = tuple["NDArray[np.int32]", "NDArray[np.float32]"]  # lists, and what each adds to scores: (n_queries, n_read)

Arrays = TypeVar("Arrays", bound=tuple[Any, ...])  # of which each has an entry for every query

PRODUCTS = 1 << 22  # of queries and centroids, at a time: 16 MB, and twice that to order them
DEVIATIONS = 4  # of rows from their centroid along a query: so far out its best one is to be expected
FURTHER = 4  # times as many lists are read where those asked for hold too few rows


def lists_to_read(
    parts: BinaryParts, probes: int | None, recall: float | None, k: int, exactly: bool, metric: str, share: float
) -> int:
    """Return how many lists a search reads, as users say it: by their number or by the recall.

    ``share`` is that of the rows which may be found, of those that there were when recall was measured.

    Raises
    ------
    ValueError
        If both are said, or the table does not know.
    """
    partition = parts.partition
    if probes is not None and recall is not None:
        raise ValueError("probes and recall both say how many lists are read; expected one of them")
    if partition is None:
        name = "probes" if recall is None else "recall"
        raise ValueError(f"{name}: there are no lists, and all rows are read; make them with partitions=")
    if recall is None:
        return min(as_integer(probes, "probes", 1), partition.n_lists)
    if not (is_number(recall) and 0 < recall <= 1):
        raise ValueError(f"recall={recall!r}; expected a share above 0, at most 1")
    calibration = partition.calibration
    if calibration is None:
        raise ValueError(f"recall={recall!r}: the table has too few rows for it to have been measured; expected probes")
    if metric != "cosine" and cast("Factors", parts.factors).has_weights:  # otherwise the order is that of cosines
        calibration = partition.others.get(metric)
        if calibration is None:
            remedy = "expected probes, or a table that is made anew"
            raise ValueError(f'recall={recall!r}: it was not measured for metric="{metric}"; {remedy}')
    return calibration.probes_for(recall, k, exactly, share)


def search_lists(
    parts: BinaryParts,
    factors: Factors,
    queries: FloatQueries,
    reading: Reading,
    k: int,
    mask: NDArray[np.uint8] | None,
    n_threads: int,
) -> ScoreResult:
    """Return the k best rows in the lists nearest to each query, scores as kernels give them.

    Where these lists hold fewer, scores end with minus infinity, and indices with -1.
    """
    partition = cast("Partition", parts.partition)
    n_queries, n_lists, spreads = len(queries.values), partition.n_lists, partition.spreads
    encoder = cast("ListCentroids", parts.encoder)
    wanted = n_lists if reading.n_lists is None else reading.n_lists
    last = min(reading.n_rows, k) - 1
    step = max(1, PRODUCTS // n_lists)
    parts_found = []
    for first in range(0, max(1, n_queries), step):
        place = slice(first, min(first + step, n_queries))

        def find(left: NDArray[np.intp] | None, n_read: int, place: slice = place) -> ScoreResult:
            which = place if left is None else place.start + left
            read = nearest_lists(encoder, factors, queries, which, n_read, spreads)
            return search_in(parts, factors, queries, which, read, k, mask, n_threads)

        parts_found.append(read_further(find, wanted, n_lists, lambda found: found.indices[:, last] < 0))
    if len(parts_found) == 1:
        return parts_found[0]
    return ScoreResult(*(np.concatenate(of) for of in zip(*parts_found, strict=True)))


def read_further(
    find: Callable[[NDArray[np.intp] | None, int], Arrays],
    n_read: int,
    n_lists: int,
    is_short: Callable[[Arrays], NDArray[np.bool_]],
) -> Arrays:
    """Return what queries find in ``n_read`` lists each and, where that is too little, in further ones.

    ``find(which, n_read)`` tells that of some queries, None for all; ``is_short`` tells of which it is too little.
    """
    found = find(None, n_read)
    while n_read < n_lists and len(left := np.flatnonzero(is_short(found))):
        n_read = min(FURTHER * n_read, n_lists)
        for all_of, more in zip(found, find(left, n_read), strict=True):
            all_of[left] = more
    return found


def search_in(
    parts: BinaryParts,
    factors: Factors,
    queries: FloatQueries,
    which: slice | NDArray[np.intp],
    read: Read,
    k: int,
    mask: NDArray[np.uint8] | None,
    n_threads: int,
) -> ScoreResult:
    """Return what some queries find in the lists that each of them reads; -1 where these hold fewer than k rows."""
    spilled = None
    if parts.spilled is not None and read[0].shape[1] < len(parts.spilled.starts) - 1:  # of all, rows are in their own
        asking = cast("Whole", queries.asking).part(which)
        spilled = parts.spilled.for_core(cast("ListCentroids", parts.encoder)), asking
    arguments = _arguments(parts, factors, queries, which, read, spilled, k, mask, n_threads)
    return ScoreResult(*_core.partition_search(*arguments))


def search_all_lists_above(
    parts: BinaryParts,
    factors: Factors,
    queries: FloatQueries,
    limits: NDArray[np.float32],
    mask: NDArray[np.uint8] | None,
    n_threads: int,
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
    """Return offsets, scores as kernels give them, and all rows that score above the limit of each query."""
    encoder, n_lists = cast("ListCentroids", parts.encoder), cast("Partition", parts.partition).n_lists
    counts, scores, rows = [np.empty(0, np.int64)], [np.empty(0, np.float32)], [np.empty(0, np.int64)]
    step = max(1, PRODUCTS // n_lists)
    for first in range(0, len(queries.values), step):
        which = slice(first, min(first + step, len(queries.values)))
        read = nearest_lists(encoder, factors, queries, which, n_lists)
        offsets, of_queries, indices = _core.partition_range_search(
            *_arguments(parts, factors, queries, which, read, limits[which], mask, n_threads)
        )
        counts.append(np.diff(offsets))
        scores.append(of_queries)
        rows.append(indices)
    return offsets_of(np.concatenate(counts)), np.concatenate(scores), np.concatenate(rows)


def _arguments(
    parts: BinaryParts,
    factors: Factors,
    queries: FloatQueries,
    which: slice | NDArray[np.intp],
    read: Read,
    *others: Any,
) -> Any:
    """Return what the core is told of the table, some of the queries, the lists that they read, and others."""
    partition = cast("Partition", parts.partition)
    lists = partition.starts, partition.distinct_rows
    asked = queries.values[which], queries.units[which], *read
    return parts.codes.scored_by(factors, queries, *lists, *asked, *others)


def nearest_lists(
    encoder: ListCentroids,
    factors: Factors,
    queries: FloatQueries,
    which: slice | NDArray[np.intp],
    n_read: int,
    spreads: NDArray[np.float32] | None = None,
) -> Read:
    """Return the lists nearest to some queries, nearest first, and what each adds to its scores.

    The nearest for cosines are those whose centroid points the way of the query, since that is what rows are ordered
    by: a centroid is the shorter, the more the rows of a list differ. Rows of one length are in that order whatever the
    metric. Of others the largest products are not in the lists whose centroid has the largest, but where rows are long
    and differ most: a few deviations are added to it.
    """
    asking, leading = cast("Whole", queries.asking), queries.leading
    metric = queries.metric if factors.has_weights else "cosine"
    inverse_norms = encoder.inverse_norms if metric == "cosine" else None
    half_squares = None
    if metric == "l2":
        half_squares = (encoder.half_squares / np.square(np.float64(factors.norm))).astype(np.float32)
    more = None
    if metric == "dot" and spreads is not None:
        more = spreads * (np.float32(DEVIATIONS) / np.sqrt(np.float32(encoder.centroids.shape[1])))
    lead = None if encoder.lead is None or leading is None else (encoder.lead.rows, leading.part(which))
    own = encoder.rounded, inverse_norms, half_squares, more
    lists, products = _core.nearest_lists(isa.current(), *own, asking.part(which), lead, n_read)
    if encoder.of_signs:  # codes of rows themselves, to which lists add nothing
        products = np.repeat(queries.offsets[which][:, None], n_read, axis=1)
    return lists, products


def probe_order(parts: BinaryParts, vectors: NDArray[Any], metric: Metric) -> NDArray[np.int32]:
    """Return all lists in the order in which queries read them, ``(n_queries, n_lists)``."""
    encoder, factors = cast("ListCentroids", parts.encoder), cast("Factors", parts.factors)
    spreads = cast("Partition", parts.partition).spreads
    queries = FloatQueries.prepare(vectors, QueryEncoder(encoder, parts.norm, metric), factors)
    return nearest_lists(encoder, factors, queries, np.arange(len(vectors)), len(encoder.centroids), spreads)[0]
