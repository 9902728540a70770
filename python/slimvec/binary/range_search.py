"""All rows of a binary table whose score reaches a bound: a search whose answer is as long as it needs to be."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.binary.asymmetric import FloatQueries
from slimvec.binary.hamming import HammingIndex
from slimvec.binary.neighbours import cosines_of
from slimvec.binary.queries import QueryEncoder
from slimvec.binary.search import CANDIDATES
from slimvec.blocks import row_blocks
from slimvec.results import ScoreRangeResult, offsets_of
from slimvec.validation import as_threads, is_number
from slimvec.vectors.rows import as_rows, whole

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from slimvec.binary.factors import Factors
    from slimvec.binary.search import TableSearch
    from slimvec.vectors.rows import Rows

Found = tuple["NDArray[np.int64]", "NDArray[np.float32]", "NDArray[np.int64]"]  # offsets, scores, rows


def range_search(search: TableSearch, queries: Rows | ArrayLike, min_score: float) -> ScoreRangeResult:
    """Return all rows whose estimated score reaches ``min_score``, as the table's ``search`` over all rows has them."""
    rows = whole(as_rows(queries, "queries"))
    search.check_queries(rows)
    bound = as_bound(min_score)
    encoder = QueryEncoder(search.encoder, search.parts.norm, search.metric)
    if search.encoder.of_signs:
        encoder.refuse_codes(rows, search.table)
    factors = search.parts.factors
    if factors is None:
        found, zero = _by_distance(search, encoder, rows, bound)
    elif search.parts.refinement is not None:
        return _of_all(search, rows, bound)
    else:
        asked = FloatQueries.prepare(rows, encoder, factors)
        found, zero = _by_score(search, factors, asked, bound), asked.zero
    return ScoreRangeResult(*_with_zero_queries(found, zero, _all_rows(search) if bound <= 0 else None))


def as_bound(min_score: float) -> np.float32:
    """Return a bound on scores as these are given, in float32; TypeError or ValueError if it is no finite number."""
    if not is_number(min_score):
        raise TypeError(f"min_score has type {type(min_score).__name__}; expected a number")
    if not math.isfinite(min_score):
        raise ValueError(f"min_score={min_score}; expected a finite number")
    with np.errstate(over="ignore"):
        return np.float32(min_score)


def _all_rows(search: TableSearch) -> NDArray[np.int64]:
    n = search.table.n_codes
    return np.arange(n) if search.allowed is None else np.flatnonzero(search.allowed)


def _by_score(search: TableSearch, factors: Factors, queries: FloatQueries, bound: np.float32) -> Found:
    mask, n_threads = search.mask, as_threads(search.threads)
    limits = _limits(queries, bound)
    if search.parts.partition is None:
        offsets, raw, rows = search.table.scan_above(factors, queries, limits, mask, n_threads)
    else:
        from slimvec.binary.probing import search_all_lists_above

        offsets, raw, rows = search_all_lists_above(search.parts, factors, queries, limits, mask, n_threads)
    owners = np.repeat(np.arange(len(limits)), np.diff(offsets))
    scores = queries.scores(raw[:, None], owners)[:, 0]
    kept = scores >= bound
    return offsets_of(np.bincount(owners[kept], minlength=len(limits))), scores[kept], rows[kept]


def _limits(queries: FloatQueries, bound: np.float32) -> NDArray[np.float32]:
    """Return what scores as kernels give them exceed where they reach the bound: a little less than that."""
    if queries.metric == "cosine" and bound <= -1:  # estimates below -1 are given as -1
        limits = np.full(len(queries.units), -np.inf, np.float32)
    elif queries.metric == "l2" and bound > 0:  # no distance is less than 0
        limits = np.full(len(queries.units), np.inf, np.float32)
    else:
        below, lowest = np.float64(np.nextafter(bound, np.float32(-np.inf))), np.float32(-np.inf)
        least = (queries.squares[:, 0] - below**2) / 2 if queries.metric == "l2" else below
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            limits = (least / queries.multipliers[:, 0]).astype(np.float32)
        limits = np.nextafter(limits, lowest)
    limits[queries.zero] = np.inf  # these are answered apart
    return limits


def _by_distance(
    search: TableSearch, encoder: QueryEncoder, rows: NDArray[Any], bound: np.float32
) -> tuple[Found, NDArray[np.bool_]]:
    """Search codes without factors, whose scores are the cosines of codes."""
    if search.metric != "cosine":
        raise ValueError(f'metric="{search.metric}" needs the lengths of rows; expected a table with factors')
    codes, zero = encoder.encode(rows)
    n_bits = search.table.n_bits
    cosines = cosines_of(np.arange(n_bits + 1), n_bits).astype(np.float32)  # fall with distances
    radius = int((cosines >= bound).sum()) - 1
    if radius < 0:
        return (np.zeros(len(rows) + 1, np.int64), np.empty(0, np.float32), np.empty(0, np.int64)), zero
    index = HammingIndex.from_blocks(search.table)
    offsets, distances, indices = index.range_search(codes, radius, search.threads, search.allowed)
    return (offsets, cosines[distances], indices), zero


def _of_all(search: TableSearch, queries: NDArray[Any], bound: np.float32) -> ScoreRangeResult:
    """Refine every row: no bound on scores of first codes is certain to let the rows through that refinement raises."""
    n_rows = len(_all_rows(search))
    counts, scores, rows = [np.empty(0, np.int64)], [np.empty(0, np.float32)], [np.empty(0, np.int64)]
    for _, block in row_blocks(queries, max(1, CANDIDATES // max(1, n_rows))):
        found = search.floats(block, max(1, n_rows), None, None)
        kept = found.scores >= bound
        counts.append(kept.sum(axis=1))
        scores.append(found.scores[kept])
        rows.append(found.indices[kept])
    return ScoreRangeResult(offsets_of(np.concatenate(counts)), np.concatenate(scores), np.concatenate(rows))


def _with_zero_queries(found: Found, zero: NDArray[np.bool_], every: NDArray[np.int64] | None) -> Found:
    """Answer queries of zeros, to which all rows are alike: by every row, in order, with score 0, or by none."""
    offsets, scores, rows = found
    if not zero.any():
        return found
    none = np.empty(0, np.int64) if every is None else every
    pieces = [
        (np.zeros(len(none), np.float32), none) if is_zero else (scores[start:end], rows[start:end])
        for is_zero, start, end in zip(zero, offsets[:-1], offsets[1:], strict=True)
    ]
    counts = np.array([len(piece[1]) for piece in pieces], np.int64)
    return (
        offsets_of(counts),
        np.concatenate([piece[0] for piece in pieces]),
        np.concatenate([piece[1] for piece in pieces]),
    )
