"""The NumPy twin of every compiled function: slow, obvious, and the specification that the tests compare with."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from slimvec.reference.asked import at_norm, nearest_lists, prepare_queries, round_rows  # noqa: F401
from slimvec.reference.blocked import (  # noqa: F401
    BLOCK_CODES,
    WORD_BITS,
    allowed_codes,
    bag_mean,
    hamming_distances,
    hamming_pairwise,
    hamming_range_search,
    hamming_search,
    lookup,
    pack_signs,
    read_blocks,
    unpack,
    unpack_bits,
    write_blocks,
)
from slimvec.reference.estimates import (  # noqa: F401
    asymmetric_range_search,
    asymmetric_rescore,
    asymmetric_scores,
    asymmetric_search,
    partition_range_search,
    partition_search,
    refined_search,
)
from slimvec.reference.row_levels import grid_codes, refined_products  # noqa: F401
from slimvec.reference.words import append_words, find_word, index_words, parse_lines, parse_records  # noqa: F401

if TYPE_CHECKING:
    from numpy.typing import NDArray


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
