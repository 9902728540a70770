"""The NumPy twin of every compiled function: slow, obvious, and the specification that the tests compare with."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

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


def hamming_distances(
    blocks: NDArray[np.uint32], n_codes: int, n_bits: int, query: NDArray[np.uint8]
) -> NDArray[np.int32]:
    """Return how many bits differ between ``query (1, code_size)`` and every code, ``(n_codes,)``."""
    codes = read_blocks(blocks, n_codes, n_bits, np.arange(n_codes))
    differing: NDArray[np.uint8] = np.bitwise_count(codes ^ query)
    distances: NDArray[np.int32] = differing.sum(axis=1, dtype=np.int32)
    return distances


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
        all_distances = hamming_distances(blocks, n_codes, n_bits, query[None])
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
        all_distances = hamming_distances(blocks, n_codes, n_bits, query[None])[allowed]
        order = np.argsort(all_distances, kind="stable")[: int((all_distances <= radius).sum())]
        found_distances.append(all_distances[order])
        found_indices.append(allowed[order].astype(np.int64))
    offsets = np.cumsum([len(found) for found in found_indices], dtype=np.int64)
    return offsets, np.concatenate(found_distances), np.concatenate(found_indices)


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
