"""The NumPy twins of searches by estimated scores: float queries against code bits and factors, lists, second codes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.reference.blocked import allowed_codes, read_blocks, unpack_bits
from slimvec.reference.row_levels import refined_products

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Whole = tuple[NDArray[np.int16], NDArray[np.float64]]  # rows of integers, and what each counts


def asymmetric_scores(
    blocks: NDArray[np.uint32],
    n_codes: int,
    n_bits: int,
    factors: NDArray[np.uint16],
    metric: str,
    queries: NDArray[np.int16],
    units: NDArray[np.float32],
    offsets: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Return the scores of every query and code, ``(n_queries, n_codes)``.

    With p = (unit · dot) · scale + bias + offset they are p · weight for cosines, p for inner products, and for
    distances p - ½ / weight², or p where the weight is 0.

    dot is the sum of +query[j] where bit j is set and -query[j] where it is not. ``factors`` holds the float16 scale,
    bias and, if there are three, weight of each code, as bits, ``(n_blocks, 2 or 3, 16)``.
    """
    bits = unpack_bits(read_blocks(blocks, n_codes, n_bits, np.arange(n_codes)), n_bits)
    values = queries.astype(np.float64)  # exact, as all are integers far below 2**53
    dots = (2 * values @ bits.T.astype(np.float64) - values.sum(axis=1, keepdims=True)).astype(np.float32)
    per_code = factors.view(np.float16).astype(np.float32).transpose(1, 0, 2).reshape(factors.shape[1], -1)[:, :n_codes]
    scores: NDArray[np.float32] = units[:, None] * dots * per_code[0] + per_code[1] + offsets[:, None]
    if metric == "dot" or len(per_code) == 2:
        return scores
    weights = per_code[2]
    if metric == "cosine":
        scores *= weights
    else:
        scores -= np.divide(np.float32(0.5), weights * weights, out=np.zeros_like(weights), where=weights != 0)
    return scores


def _highest(
    scores: NDArray[np.float32], ids: NDArray[np.int64], k: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the k highest scores and their ids, highest first, then by lower id; -inf and -1 where there are fewer."""
    best = np.lexsort((ids, -scores))[:k]
    missing = k - len(best)
    return np.pad(scores[best], (0, missing), constant_values=-np.inf), np.pad(
        ids[best], (0, missing), constant_values=-1
    )


def asymmetric_search(
    blocks: NDArray[np.uint32],
    n_codes: int,
    n_bits: int,
    factors: NDArray[np.uint16],
    metric: str,
    queries: NDArray[np.int16],
    units: NDArray[np.float32],
    offsets: NDArray[np.float32],
    k: int,
    mask: NDArray[np.uint8] | None,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return scores and indices of the k allowed codes of the highest score, ``(n_queries, k)``."""
    scores = asymmetric_scores(blocks, n_codes, n_bits, factors, metric, queries, units, offsets)
    allowed = allowed_codes(n_codes, mask).astype(np.int64)
    best = [_highest(row[allowed], allowed, k) for row in scores]
    return np.array([row for row, _ in best]).reshape(-1, k), np.array([ids for _, ids in best]).reshape(-1, k)


def _one_after_the_other(
    found: list[tuple[NDArray[np.float32], NDArray[np.int64]]],
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
    """Return offsets, scores and ids of what each query has found, highest first, ties by id."""
    ordered = [(scores[order], ids[order]) for scores, ids in found for order in [np.lexsort((ids, -scores))]]
    offsets = np.cumsum([0, *(len(ids) for _, ids in ordered)], dtype=np.int64)
    scores = np.concatenate([np.empty(0, np.float32), *(scores for scores, _ in ordered)])
    return offsets, scores, np.concatenate([np.empty(0, np.int64), *(ids for _, ids in ordered)])


def asymmetric_range_search(
    blocks: NDArray[np.uint32],
    n_codes: int,
    n_bits: int,
    factors: NDArray[np.uint16],
    metric: str,
    queries: NDArray[np.int16],
    units: NDArray[np.float32],
    offsets: NDArray[np.float32],
    limits: NDArray[np.float32],
    mask: NDArray[np.uint8] | None,
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
    """Return offsets, scores and indices of all allowed codes that score above the limit of each query."""
    scores = asymmetric_scores(blocks, n_codes, n_bits, factors, metric, queries, units, offsets)
    allowed = allowed_codes(n_codes, mask).astype(np.int64)
    above = [row[allowed] > limit for row, limit in zip(scores, limits, strict=True)]
    return _one_after_the_other([(row[allowed][own], allowed[own]) for row, own in zip(scores, above, strict=True)])


def asymmetric_rescore(
    blocks: NDArray[np.uint32],
    n_codes: int,
    n_bits: int,
    factors: NDArray[np.uint16],
    metric: str,
    ids: NDArray[np.int64],
    queries: NDArray[np.int16],
    units: NDArray[np.float32],
    offsets: NDArray[np.float32],
    k: int,
    rows: NDArray[np.uint32] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return :func:`asymmetric_search` among ``ids (n_queries, m)``, where -1 stands for none.

    ``rows`` are what codes are known by, their positions by default, which ``ids`` are.
    """
    scores = asymmetric_scores(blocks, n_codes, n_bits, factors, metric, queries, units, offsets)
    known_by = np.arange(n_codes) if rows is None else rows.astype(np.int64)
    some = [mine[mine >= 0] for mine in ids]
    best = [_highest(row[mine], known_by[mine], k) for row, mine in zip(scores, some, strict=True)]
    return np.array([row for row, _ in best]).reshape(-1, k), np.array([ids for _, ids in best]).reshape(-1, k)


def partition_search(
    blocks: NDArray[np.uint32],
    n_codes: int,
    n_bits: int,
    factors: NDArray[np.uint16],
    metric: str,
    starts: NDArray[np.int64],
    rows: NDArray[np.uint32],
    queries: NDArray[np.int16],
    units: NDArray[np.float32],
    lists: NDArray[np.int32],
    offsets: NDArray[np.float32],
    spilled: tuple[tuple[Any, ...], Whole] | None,
    k: int,
    mask: NDArray[np.uint8] | None,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return scores and rows of the k allowed rows of the highest score in ``lists (n_queries, n_probes)``.

    Positions ``starts[l]`` to ``starts[l + 1]`` make up list l and hold the codes of ``rows``; ``offsets`` are those of
    each query in each of its lists.

    ``spilled`` are the same of second codes, whose "rows" are the positions of first ones; the centroids of lists and
    the queries as these meet, integers and their steps. The rows of the best 40 second codes, or k, are there, too,
    with the scores of their first codes.
    """
    table = blocks, n_codes, n_bits, factors, metric
    allowed = allowed_codes(n_codes, mask).astype(np.uint32)
    found = _in_lists(*table, starts, rows, queries, units, lists, offsets, allowed)
    if spilled is not None:
        second, (asked, steps) = spilled
        *others, its_starts, positions, (centroids, their_steps) = second
        its_table = others[0], others[1], n_bits, others[2], metric
        numbers = np.arange(len(positions), dtype=np.uint32)
        known = numbers[np.isin(rows[positions], allowed)]
        more = _in_lists(*its_table, its_starts, numbers, queries, units, lists, offsets, known)
        list_at = np.repeat(np.arange(len(starts) - 1), np.diff(starts))  # of each position
        for q, ((own, own_rows), (scores, at)) in enumerate(zip(found, more, strict=True)):
            met = np.lexsort((own_rows, -own))[:k]
            places = positions[at[np.lexsort((positions[at], -scores))[: max(k, 40)]]].astype(np.int64)
            places = places[~np.isin(rows[places], own_rows[met])]
            dots = centroids.astype(np.int64) @ asked[q].astype(np.int64)
            products = (dots * their_steps * steps[q]).astype(np.float32)
            of_lists = asymmetric_scores(*table, queries[[q] * len(products)], units[[q] * len(products)], products)
            computed = of_lists[list_at[places], places]
            found[q] = np.append(own[met], computed), np.append(own_rows[met], rows[places].astype(np.int64))
    best = [_highest(scores, ids, k) for scores, ids in found]
    return np.array([row for row, _ in best]).reshape(-1, k), np.array([ids for _, ids in best]).reshape(-1, k)


def _in_lists(
    blocks: NDArray[np.uint32],
    n_codes: int,
    n_bits: int,
    factors: NDArray[np.uint16],
    metric: str,
    starts: NDArray[np.int64],
    rows: NDArray[np.uint32],
    queries: NDArray[np.int16],
    units: NDArray[np.float32],
    lists: NDArray[np.int32],
    offsets: NDArray[np.float32],
    allowed: NDArray[np.uint32],
) -> list[tuple[NDArray[np.float32], NDArray[np.int64]]]:
    """Return scores and rows of all that the lists of each query hold, if they are ``allowed``."""
    may_be_found = np.isin(rows, allowed)
    of_queries = []
    for q, asked in enumerate(lists):
        found, at = [np.empty(0, np.float32)], [np.empty(0, np.int64)]
        again = np.full(len(asked), q)  # the same query once for each of its lists, with the offset of the list
        of_lists = asymmetric_scores(blocks, n_codes, n_bits, factors, metric, queries[again], units[again], offsets[q])
        for scores, own in zip(of_lists, asked, strict=True):
            here = np.arange(starts[own], starts[own + 1])
            here = here[may_be_found[here]]
            found.append(scores[here])
            at.append(rows[here].astype(np.int64))
        of_queries.append((np.concatenate(found), np.concatenate(at)))
    return of_queries


def partition_range_search(
    blocks: NDArray[np.uint32],
    n_codes: int,
    n_bits: int,
    factors: NDArray[np.uint16],
    metric: str,
    starts: NDArray[np.int64],
    rows: NDArray[np.uint32],
    queries: NDArray[np.int16],
    units: NDArray[np.float32],
    lists: NDArray[np.int32],
    offsets: NDArray[np.float32],
    limits: NDArray[np.float32],
    mask: NDArray[np.uint8] | None,
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
    """Return offsets, scores and rows of all in ``lists (n_queries, n_probes)`` that score above each query's limit."""
    table = blocks, n_codes, n_bits, factors, metric
    allowed = allowed_codes(n_codes, mask).astype(np.uint32)
    found = _in_lists(*table, starts, rows, queries, units, lists, offsets, allowed)
    return _one_after_the_other(
        [(scores[scores > limits[q]], ids[scores > limits[q]]) for q, (scores, ids) in enumerate(found)]
    )


def refined_search(
    codes: NDArray[np.uint8],
    bits: NDArray[np.uint8],
    numbers: NDArray[np.uint16],
    values: NDArray[np.int16],
    units: NDArray[np.float64],
    ids: NDArray[np.int64],
    first: NDArray[np.float32],
    ratios: NDArray[np.float64] | None,
    weights: NDArray[np.float64] | None,
    k: int,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return scores and rows of the k highest of first · ratio + (unit · product · number + number') · weight."""
    products = refined_products(codes, bits, values, ids)
    own = numbers.view(np.float16)[ids].astype(np.float64)
    gained = units[:, None] * products * own[:, :, 0] + own[:, :, 1]
    one = np.ones(ids.shape)
    before = first.astype(np.float64) * (one if ratios is None else ratios)
    scores = (before + gained * (one if weights is None else weights)).astype(np.float32)
    best = [_highest(row[mine >= 0], mine[mine >= 0], k) for row, mine in zip(scores, ids, strict=True)]
    return np.array([row for row, _ in best]).reshape(-1, k), np.array([of for _, of in best]).reshape(-1, k)
