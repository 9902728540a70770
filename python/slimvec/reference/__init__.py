"""The NumPy twin of every compiled function: slow, obvious, and the specification that the tests compare with."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from slimvec.reference.row_levels import grid_codes, refined_products  # noqa: F401
from slimvec.reference.words import append_words, find_word, index_words, parse_lines, parse_records  # noqa: F401

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK_CODES = 16  # codes per block of the blocked layout
WORD_BITS = 32  # bits per word of the blocked layout


def pack_signs(rows: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Rows ``(n, n_bits)`` -> codes ``(n, ceil(n_bits / 8))``: bit j is ``value_j >= 0``, least significant first."""
    return np.packbits(rows >= 0, axis=1, bitorder="little")


def unpack_bits(codes: NDArray[np.uint8], n_bits: int) -> NDArray[np.uint8]:
    """Codes -> one 0 or 1 per bit, ``(n, n_bits)``."""
    return np.unpackbits(codes, axis=1, count=n_bits, bitorder="little")


def unpack(codes: NDArray[np.uint8], n_bits: int, scales: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
    """Codes -> ``+scales[i]`` where the bit is set and ``-scales[i]`` where it is not, ``(n, n_bits)``."""
    scale = np.ones(len(codes), np.float32) if scales is None else scales
    return np.where(unpack_bits(codes, n_bits), scale[:, None], -scale[:, None])


def write_blocks(
    codes: NDArray[np.uint8], n_bits: int, first_row: int, blocks: NDArray[np.uint32], n_codes: int
) -> None:
    """Put codes into places ``first_row ...`` of ``blocks (ceil(n_codes / 16), ceil(n_bits / 32), 16)``, in place."""
    # A specification may state its domain.
    assert first_row + len(codes) <= n_codes  # noqa: S101
    assert blocks.shape[1] == -(-n_bits // WORD_BITS)  # noqa: S101
    padded = np.zeros((len(codes), blocks.shape[1] * 4), np.uint8)
    padded[:, : codes.shape[1]] = codes
    rows = first_row + np.arange(len(codes))
    blocks[rows // BLOCK_CODES, :, rows % BLOCK_CODES] = padded.view("<u4")


def read_blocks(blocks: NDArray[np.uint32], n_codes: int, n_bits: int, ids: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return the codes ``ids``, ``(len(ids), ceil(n_bits / 8))``."""
    assert ((ids >= 0) & (ids < n_codes)).all()  # noqa: S101
    words = np.ascontiguousarray(blocks[ids // BLOCK_CODES, :, ids % BLOCK_CODES], "<u4")
    return words.view(np.uint8)[:, : -(-n_bits // 8)]


def lookup(blocks: NDArray[np.uint32], n_codes: int, n_bits: int, ids: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the codes ``ids`` as -1 / +1 floats, ``(len(ids), n_bits)``."""
    return unpack(read_blocks(blocks, n_codes, n_bits, ids), n_bits)


def bag_mean(
    blocks: NDArray[np.uint32], n_codes: int, n_bits: int, ids: NDArray[np.int64], offsets: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return the mean of the -1 / +1 codes of each bag ``ids[offsets[b]:offsets[b + 1]]``; zeros for an empty bag."""
    means = np.zeros((len(offsets) - 1, n_bits), np.float32)
    for bag, (begin, end) in enumerate(pairwise(offsets)):
        if end > begin:
            rows = lookup(blocks, n_codes, n_bits, ids[begin:end])
            means[bag] = rows.sum(axis=0, dtype=np.float64) / (end - begin)
    return means


def hamming_pairwise(
    blocks: NDArray[np.uint32], n_codes: int, n_bits: int, queries: NDArray[np.uint8]
) -> NDArray[np.int32]:
    """Return how many bits differ between each query and every code, ``(n_queries, n_codes)``."""
    codes = read_blocks(blocks, n_codes, n_bits, np.arange(n_codes))
    distances = np.empty((len(queries), n_codes), np.int32)
    for q, query in enumerate(queries):
        distances[q] = np.bitwise_count(codes ^ query).sum(axis=1, dtype=np.int32)
    return distances


def hamming_distances(
    blocks: NDArray[np.uint32], n_codes: int, n_bits: int, queries: NDArray[np.uint8], ids: NDArray[np.int64]
) -> NDArray[np.int32]:
    """Return the distances of each query to the codes of its row of ``ids (n_queries, m)``."""
    return np.take_along_axis(hamming_pairwise(blocks, n_codes, n_bits, queries), ids, axis=1)


def allowed_codes(n_codes: int, mask: NDArray[np.uint8] | None) -> NDArray[np.intp]:
    """Return which codes a packed mask allows: bit i for code i, least significant first; None allows all."""
    if mask is None:
        return np.arange(n_codes)
    return np.flatnonzero(np.unpackbits(mask, count=n_codes, bitorder="little"))


def hamming_search(
    blocks: NDArray[np.uint32],
    n_codes: int,
    n_bits: int,
    queries: NDArray[np.uint8],
    k: int,
    mask: NDArray[np.uint8] | None,
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return distances and indices of the k nearest allowed codes of each query, nearest first, then by lower index.

    Where the mask allows fewer than k codes, the rest is distance 2**31 - 1 and index -1.
    """
    distances = np.full((len(queries), k), np.iinfo(np.int32).max, np.int32)
    indices = np.full((len(queries), k), -1, np.int64)
    allowed = allowed_codes(n_codes, mask)
    for q, query in enumerate(queries):
        all_distances = hamming_pairwise(blocks, n_codes, n_bits, query[None])[0]
        nearest = allowed[np.argsort(all_distances[allowed], kind="stable")[:k]]
        indices[q, : len(nearest)] = nearest
        distances[q, : len(nearest)] = all_distances[nearest]
    return distances, indices


def hamming_range_search(
    blocks: NDArray[np.uint32],
    n_codes: int,
    n_bits: int,
    queries: NDArray[np.uint8],
    radius: int,
    mask: NDArray[np.uint8] | None,
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int64]]:
    """Return offsets, distances and indices of all allowed codes within ``radius`` of each query, nearest first."""
    found_distances, found_indices = [np.empty(0, np.int32)], [np.empty(0, np.int64)]
    allowed = allowed_codes(n_codes, mask)
    for query in queries:
        all_distances = hamming_pairwise(blocks, n_codes, n_bits, query[None])[0, allowed]
        order = np.argsort(all_distances, kind="stable")[: int((all_distances <= radius).sum())]
        found_distances.append(all_distances[order])
        found_indices.append(allowed[order].astype(np.int64))
    offsets = np.cumsum([len(found) for found in found_indices], dtype=np.int64)
    return offsets, np.concatenate(found_distances), np.concatenate(found_indices)


def asymmetric_scores(
    blocks: NDArray[np.uint32],
    n_codes: int,
    n_bits: int,
    factors: NDArray[np.uint16],
    weigh: bool,
    queries: NDArray[np.int16],
    units: NDArray[np.float32],
    offsets: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Return ((unit · dot) · scale + bias + offset) · weight of every query and code, ``(n_queries, n_codes)``.

    dot is the sum of +query[j] where bit j is set and -query[j] where it is not. ``factors`` holds the float16 scale,
    bias and, if there are three, weight of each code, as bits, ``(n_blocks, 2 or 3, 16)``.
    """
    signs = lookup(blocks, n_codes, n_bits, np.arange(n_codes)).astype(np.int64)
    dots = (queries.astype(np.int64) @ signs.T).astype(np.float32)
    per_code = factors.view(np.float16).astype(np.float32).transpose(1, 0, 2).reshape(factors.shape[1], -1)[:, :n_codes]
    scores: NDArray[np.float32] = units[:, None] * dots * per_code[0] + per_code[1] + offsets[:, None]
    return scores * per_code[2] if weigh and len(per_code) == 3 else scores


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
    weigh: bool,
    queries: NDArray[np.int16],
    units: NDArray[np.float32],
    offsets: NDArray[np.float32],
    k: int,
    mask: NDArray[np.uint8] | None,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return scores and indices of the k allowed codes of the highest score, ``(n_queries, k)``."""
    scores = asymmetric_scores(blocks, n_codes, n_bits, factors, weigh, queries, units, offsets)
    allowed = allowed_codes(n_codes, mask).astype(np.int64)
    best = [_highest(row[allowed], allowed, k) for row in scores]
    return np.array([row for row, _ in best]).reshape(-1, k), np.array([ids for _, ids in best]).reshape(-1, k)


def asymmetric_rescore(
    blocks: NDArray[np.uint32],
    n_codes: int,
    n_bits: int,
    factors: NDArray[np.uint16],
    weigh: bool,
    ids: NDArray[np.int64],
    queries: NDArray[np.int16],
    units: NDArray[np.float32],
    offsets: NDArray[np.float32],
    k: int,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return :func:`asymmetric_search` among ``ids (n_queries, m)``, where -1 stands for none."""
    scores = asymmetric_scores(blocks, n_codes, n_bits, factors, weigh, queries, units, offsets)
    best = [_highest(row[mine[mine >= 0]], mine[mine >= 0], k) for row, mine in zip(scores, ids, strict=True)]
    return np.array([row for row, _ in best]).reshape(-1, k), np.array([ids for _, ids in best]).reshape(-1, k)


def centroid_dots(centroids: NDArray[np.int16], queries: NDArray[np.int16]) -> NDArray[np.int64]:
    """Return the product of every query with every centroid, ``(n_queries, n_centroids)``."""
    return queries.astype(np.int64) @ centroids.astype(np.int64).T


def partition_search(
    blocks: NDArray[np.uint32],
    n_codes: int,
    n_bits: int,
    factors: NDArray[np.uint16],
    weigh: bool,
    starts: NDArray[np.int64],
    rows: NDArray[np.uint32],
    queries: NDArray[np.int16],
    units: NDArray[np.float32],
    lists: NDArray[np.int32],
    offsets: NDArray[np.float32],
    k: int,
    mask: NDArray[np.uint8] | None,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return scores and rows of the k allowed rows of the highest score in ``lists (n_queries, n_probes)``.

    Positions ``starts[l]`` to ``starts[l + 1]`` make up list l and hold the codes of ``rows``; ``offsets`` are those of
    each query in each of its lists.
    """
    allowed = np.isin(rows, allowed_codes(n_codes, mask))
    best = []
    for q, asked in enumerate(lists):
        found, at = [np.empty(0, np.float32)], [np.empty(0, np.int64)]
        for probe, own in enumerate(asked):
            offset = offsets[q, probe : probe + 1]
            one = queries[q : q + 1], units[q : q + 1], offset
            scores = asymmetric_scores(blocks, n_codes, n_bits, factors, weigh, *one)[0]
            here = np.arange(starts[own], starts[own + 1])
            here = here[allowed[here]]
            found.append(scores[here])
            at.append(rows[here].astype(np.int64))
        best.append(_highest(np.concatenate(found), np.concatenate(at), k))
    return np.array([row for row, _ in best]).reshape(-1, k), np.array([ids for _, ids in best]).reshape(-1, k)


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


def add_sparse_row(
    total: NDArray[np.float32],
    row: int,
    indptr: NDArray[np.integer],
    indices: NDArray[np.unsignedinteger],
    values: NDArray[np.floating],
    anchors: NDArray[np.floating],
    weight: np.float32,
) -> None:
    """Add ``weight`` times row ``row`` of T A to ``total``, entry after entry, every step rounded to float32."""
    for entry in range(int(indptr[row]), int(indptr[row + 1])):
        total += weight * np.float32(values[entry]) * anchors[indices[entry]].astype(np.float32)


def unpack_sparse_rows(
    indptr: NDArray[np.integer], packed: NDArray[np.uint8]
) -> tuple[NDArray[np.int64], NDArray[np.uint32], NDArray[np.float32]]:
    """Return the ``(indptr, indices, values)`` of packed rows, one entry after the other."""
    starts, indices, values = [0], [], []
    for begin, end in pairwise(indptr.tolist()):
        row = packed[begin:end]
        n = max(len(row) - 2, 0) * 2 // 3
        column = 0
        for entry in range(n):
            column += int(row[2 + entry])
            half = int(row[2 + n + entry // 2]) >> 4 * (entry % 2) & 15
            weight = half - 16 if half >= 8 else half
            indices.append(column)
            values.append(np.float32(row[:2].copy().view("<f2")[0]) * np.float32(weight))
        starts.append(len(indices))
    return np.array(starts), np.array(indices, np.uint32), np.array(values, np.float32)


def sparse_lookup(
    indptr: NDArray[np.integer],
    indices: NDArray[np.unsignedinteger],
    values: NDArray[np.floating],
    anchors: NDArray[np.floating],
    ids: NDArray[np.int64],
) -> NDArray[np.float32]:
    """Return the rows ``ids`` of T A, ``(len(ids), d)``."""
    out = np.zeros((len(ids), anchors.shape[1]), np.float32)
    for total, row in zip(out, ids, strict=True):
        add_sparse_row(total, row, indptr, indices, values, anchors, np.float32(1))
    return out


def sparse_bag_mean(
    indptr: NDArray[np.integer],
    indices: NDArray[np.unsignedinteger],
    values: NDArray[np.floating],
    anchors: NDArray[np.floating],
    ids: NDArray[np.int64],
    offsets: NDArray[np.int64],
    weights: NDArray[np.float32] | None,
) -> NDArray[np.float32]:
    """Return the weighted mean of the rows of each bag ``ids[offsets[b]:offsets[b + 1]]``; zeros without weight."""
    scales = np.ones(len(ids), np.float32) if weights is None else weights
    means = np.zeros((len(offsets) - 1, anchors.shape[1]), np.float32)
    for mean, (begin, end) in zip(means, pairwise(offsets), strict=True):
        for i in range(begin, end):
            add_sparse_row(mean, ids[i], indptr, indices, values, anchors, scales[i])
        divisor = np.float32(sum(scales[begin:end].tolist()))
        mean[:] = mean / divisor if divisor else 0
    return means


def sparse_scores(
    indptr: NDArray[np.integer],
    indices: NDArray[np.unsignedinteger],
    values: NDArray[np.floating],
    row_scales: NDArray[np.float32] | None,
    anchor_scores: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Return the score of every row for every query, ``(n_queries, n_rows)``: T s, times ``row_scales``."""
    scores = sparse_lookup(indptr, indices, values, anchor_scores.T, np.arange(len(indptr) - 1)).T
    return scores if row_scales is None else scores * row_scales


def sparse_search(
    indptr: NDArray[np.integer],
    indices: NDArray[np.unsignedinteger],
    values: NDArray[np.floating],
    row_scales: NDArray[np.float32] | None,
    anchor_scores: NDArray[np.float32],
    k: int,
    mask: NDArray[np.uint8] | None,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return scores and rows of the k best allowed rows of each query, by (score descending, row), NaN last.

    Where the mask allows fewer than k rows, the rest is score -infinity and row -1.
    """
    scores = np.full((len(anchor_scores), k), -np.inf, np.float32)
    rows = np.full((len(anchor_scores), k), -1, np.int64)
    allowed = allowed_codes(len(indptr) - 1, mask)
    for q, all_scores in enumerate(sparse_scores(indptr, indices, values, row_scales, anchor_scores)):
        best = allowed[np.argsort(-all_scores[allowed], kind="stable")[:k]]
        rows[q, : len(best)] = best
        scores[q, : len(best)] = all_scores[best] + 0  # -0 becomes 0
    return scores, rows
