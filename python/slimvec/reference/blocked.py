"""The NumPy twins of what is done with codes: packing, blocks, rows, and Hamming distances."""

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
    rows: NDArray[np.uint32] | None = None,
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return distances and indices of the k nearest allowed codes of each query, nearest first, then by lower index.

    Where the mask allows fewer than k codes, the rest is distance 2**31 - 1 and index -1. ``rows`` are the indices of
    codes, their positions by default, which the mask is by.
    """
    distances = np.full((len(queries), k), np.iinfo(np.int32).max, np.int32)
    indices = np.full((len(queries), k), -1, np.int64)
    allowed = allowed_codes(n_codes, mask)
    for q, query in enumerate(queries):
        all_distances = hamming_pairwise(blocks, n_codes, n_bits, query[None])[0]
        known_by = allowed if rows is None else rows[allowed]
        nearest = allowed[np.lexsort((known_by, all_distances[allowed]))[:k]]
        indices[q, : len(nearest)] = nearest if rows is None else rows[nearest]
        distances[q, : len(nearest)] = all_distances[nearest]
    return distances, indices


def hamming_range_search(
    blocks: NDArray[np.uint32],
    n_codes: int,
    n_bits: int,
    queries: NDArray[np.uint8],
    radius: int,
    mask: NDArray[np.uint8] | None,
    rows: NDArray[np.uint32] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int64]]:
    """Return offsets, distances and indices of all allowed codes within ``radius`` of each query, nearest first.

    ``rows`` as in :func:`hamming_search`.
    """
    found_distances, found_indices = [np.empty(0, np.int32)], [np.empty(0, np.int64)]
    allowed = allowed_codes(n_codes, mask)
    for query in queries:
        all_distances = hamming_pairwise(blocks, n_codes, n_bits, query[None])[0, allowed]
        known_by = (allowed if rows is None else rows[allowed]).astype(np.int64)
        order = np.lexsort((known_by, all_distances))[: int((all_distances <= radius).sum())]
        found_distances.append(all_distances[order])
        found_indices.append(known_by[order])
    offsets = np.cumsum([len(found) for found in found_indices], dtype=np.int64)
    return offsets, np.concatenate(found_distances), np.concatenate(found_indices)
