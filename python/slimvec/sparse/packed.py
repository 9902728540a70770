"""Rows of a sparse transform in few bytes: weights of four bits, columns as the distance from the one before.

A row of n entries is 2 + n + ceil(n / 2) bytes: its scale as float16; a byte per entry, by how much its column lies
above that of the entry before (of the first, above 0); then the weights, two to a byte, low half first, as signed
integers that the scale multiplies. Where a column lies more than 255 above the last, entries of weight 0 stand between.
A row without entries takes no bytes, so that its length tells how many entries a row has.

Ten float16 weights with two-byte columns take as much as 25 such entries, which say more: rounding a weight to a
fifteenth of the largest costs less than leaving it out (``benchmarks/results/anchors.md``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SCALE_BYTES = 2
LARGEST_WEIGHT = 7
LARGEST_GAP = 255


def packed_sizes(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the bytes that rows of so many entries take."""
    sizes: NDArray[np.int64] = np.where(counts > 0, SCALE_BYTES + counts + (counts + 1) // 2, 0)
    return sizes


def packed_counts(indptr: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return how many entries the rows have whose bytes start at ``indptr``."""
    sizes = np.diff(indptr.astype(np.int64))
    counts: NDArray[np.int64] = np.maximum(sizes - SCALE_BYTES, 0) * 2 // 3
    return counts


def pack_rows(
    indptr: NDArray[np.integer], indices: NDArray[np.integer], values: NDArray[np.floating]
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Return offsets ``(n + 1,)`` and bytes of the rows of a CSR matrix, weights rounded to multiples of the scale."""
    n_rows = len(indptr) - 1
    rows = np.repeat(np.arange(n_rows), np.diff(indptr))
    order = np.lexsort((indices, rows))
    columns, values = indices[order].astype(np.int64), values[order].astype(np.float32)
    scales = _scales(rows, values, n_rows)
    scale = scales.astype(np.float32)[rows]
    weights = np.rint(np.divide(values, scale, out=np.zeros_like(values), where=scale > 0)).astype(np.int64)
    kept = weights != 0
    rows, gaps, weights = _with_steps(rows[kept], columns[kept], weights[kept].clip(-LARGEST_WEIGHT, LARGEST_WEIGHT))

    counts = np.bincount(rows, minlength=n_rows)
    offsets = np.concatenate([[0], np.cumsum(packed_sizes(counts))])
    packed = np.zeros(offsets[-1], np.uint8)
    starts = offsets[:-1][counts > 0]
    packed[starts[:, None] + np.arange(SCALE_BYTES)] = scales[counts > 0].astype("<f2")[:, None].view(np.uint8)
    place, first_weight = _places(rows, counts, offsets)
    packed[offsets[rows] + SCALE_BYTES + place] = gaps
    halves = weights & 15
    low = place % 2 == 0
    packed[(first_weight + place // 2)[low]] = halves[low]
    packed[(first_weight + place // 2)[~low]] |= (halves[~low] << 4).astype(np.uint8)
    return offsets, packed


def unpack_rows(
    indptr: NDArray[np.integer], packed: NDArray[np.uint8]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Return the CSR matrix, ``(indptr, indices, values)``, that packed rows stand for."""
    counts = packed_counts(indptr)
    offsets = indptr.astype(np.int64)
    entries = np.concatenate([[0], np.cumsum(counts)])
    rows = np.repeat(np.arange(len(counts)), counts)
    place, first_weight = _places(rows, counts, offsets)
    steps = np.cumsum(packed[offsets[rows] + SCALE_BYTES + place], dtype=np.int64)
    before = np.concatenate([[0], steps])[entries[:-1]]  # of each row, the steps of all rows above it
    halves = packed[first_weight + place // 2] >> (4 * (place % 2)).astype(np.uint8) & 15
    starts = offsets[:-1][rows]
    scales = (packed[starts] | packed[starts + 1].astype(np.uint16) << 8).view(np.float16).astype(np.float32)
    weights = (halves.astype(np.int8) ^ 8) - 8
    return entries, steps - before[rows], scales * weights.astype(np.float32)


def _scales(rows: NDArray[Any], values: NDArray[np.float32], n_rows: int) -> NDArray[np.float16]:
    """Return of each row the weight that counts as 1."""
    largest = np.zeros(n_rows, np.float32)
    np.maximum.at(largest, rows, np.abs(values))
    return (largest / LARGEST_WEIGHT).astype(np.float16)


def _with_steps(
    rows: NDArray[Any], columns: NDArray[np.int64], weights: NDArray[np.int64]
) -> tuple[NDArray[Any], NDArray[np.int64], NDArray[np.int64]]:
    """Return rows, gaps and weights of the entries, and of those of weight 0 that long gaps need."""
    before = np.concatenate([[0], columns[:-1]])
    before[np.flatnonzero(np.diff(rows, prepend=-1))] = 0
    distance = columns - before
    extra = np.maximum(distance - 1, 0) // LARGEST_GAP
    last = np.cumsum(extra + 1) - 1
    gaps, filled = np.full(len(rows) + extra.sum(), LARGEST_GAP), np.zeros(len(rows) + extra.sum(), np.int64)
    gaps[last] = distance - extra * LARGEST_GAP
    filled[last] = weights
    return np.repeat(rows, extra + 1), gaps, filled


def _places(
    rows: NDArray[Any], counts: NDArray[np.int64], offsets: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return of each entry its number in its row, and where the weights of that row start."""
    first = np.concatenate([[0], np.cumsum(counts)])[:-1]
    return np.arange(len(rows)) - first[rows], (offsets[:-1] + SCALE_BYTES + counts)[rows]
