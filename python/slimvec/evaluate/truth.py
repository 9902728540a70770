"""The true neighbours of queries, and which part of them was found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.blocks import row_blocks
from slimvec.norms import distances_between, near_rows, scaled_rows
from slimvec.results import largest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slimvec.binary.queries import Metric

QUERIES_AT_ONCE = 256
ROWS_AT_ONCE = 16_384  # with 256 queries: 17 MB of products
GATHERED_VALUES = 1 << 21  # of the vectors, at a time: 16 MB as float64
ROUNDING = 1e-6  # what float32 rounds of a product, at most, over the lengths of both vectors


def recall(found: NDArray[np.int64], truth: NDArray[np.int64]) -> float:
    """Return the mean share of each row of ``truth`` that is in the same row of ``found``."""
    shares = [len(np.intersect1d(mine, true)) / len(true) for mine, true in zip(found, truth, strict=True)]
    return float(np.mean(shares)) if shares else 0.0


def recall_with_ties(
    found: NDArray[np.int64], truth: NDArray[np.int64], queries: NDArray[Any], vectors: NDArray[Any], metric: Metric
) -> float:
    """Return the mean share of rows of ``found (n_queries, k)`` that are as near as the last of ``truth`` is.

    Which of several rows at the same distance are the true ones is chance: copies of one text, say. A row counts if its
    score, in float64, reaches that of the last true neighbour, minus what float32 rounds. It is never below
    :func:`recall`. A -1 stands for a row that was not found.
    """
    k = truth.shape[1]
    both = np.hstack([truth, found])
    n_found = 0
    for first, rows in row_blocks(both, max(1, GATHERED_VALUES // max(1, both.shape[1] * vectors.shape[1]))):
        asked = queries[first : first + len(rows)]
        scores, rounded = _distances(asked, vectors[rows]) if metric == "l2" else _scores(asked, vectors[rows], metric)
        last = scores[:, :k].argmin(axis=1)[:, None]
        limits = np.take_along_axis(scores - rounded, last, axis=1)
        n_found += int(np.count_nonzero((scores[:, k:] >= limits) & (rows[:, k:] >= 0)))
    return n_found / truth.size if truth.size else 0.0


def _distances(queries: NDArray[Any], rows: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the negated distances of ``rows (q, m, d)``, and what float32 rounds of them, ``(q, m)``."""
    nothing = np.zeros(queries.shape)
    own = distances_between(queries[:, None], nothing)
    return -distances_between(rows, queries), ROUNDING * (own + distances_between(rows, nothing))


def _scores(
    queries: NDArray[Any], rows: NDArray[Any], metric: Metric
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what orders ``rows (q, m, d)`` for each query, and what float32 rounds of it, ``(q, m)``."""
    asked, _ = scaled_rows(queries)  # by a power of two, which changes no order
    near, exponents = scaled_rows(rows)
    rounded = ROUNDING * np.linalg.norm(asked, axis=1)[:, None]
    products = np.einsum("qmd,qd->qm", near, asked)
    lengths = np.sqrt(np.einsum("qmd,qmd->qm", near, near))
    if metric == "cosine":
        return np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0), rounded * np.sign(lengths)
    beside = exponents - exponents.max(axis=1, keepdims=True)
    return np.ldexp(products, beside), rounded * np.ldexp(lengths, beside)


def exact_neighbours(queries: NDArray[Any], vectors: NDArray[Any], k: int, metric: Metric) -> NDArray[np.int64]:
    """Return the k rows of ``vectors`` nearest to each query, by a metric of searches, ``(n_queries, k)``."""
    found = np.empty((len(queries), k), np.int64)
    for first, block in row_blocks(queries, QUERIES_AT_ONCE):
        asked, own = near_rows(block)
        scores, rows = np.empty((len(block), 0), np.float32), np.empty((len(block), 0), np.int64)
        for start, part in row_blocks(vectors, ROWS_AT_ONCE):
            products = _products(asked, own, part, metric)
            numbers = np.broadcast_to(np.arange(start, start + len(part)), products.shape)
            # The best so far come first, so that of equal scores the lower row stays.
            scores, rows = np.hstack([scores, products]), np.hstack([rows, numbers])
            best = np.array([largest(of_query, min(k, scores.shape[1])) for of_query in scores])
            scores, rows = np.take_along_axis(scores, best, axis=1), np.take_along_axis(rows, best, axis=1)
        found[first : first + len(block)] = rows
    return found


def _products(
    asked: NDArray[np.float32], own: NDArray[np.intc], part: NDArray[Any], metric: Metric
) -> NDArray[np.floating[Any]]:
    """Return what orders rows for each query ``asked · 2^own``.

    Inner products, these over the norms of the rows, or less half the squared norms.
    """
    if metric == "l2":
        wide = part.astype(np.float64)
        halves = np.einsum("ij,ij->i", wide, wide) / 2
        return np.asarray(np.ldexp(asked.astype(np.float64), own[:, None]) @ wide.T - halves)
    rows, exponents = near_rows(part)
    if metric == "cosine":
        lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64)).astype(np.float32)[:, None]
        rows = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
    products: NDArray[np.floating[Any]] = asked @ rows.T
    if metric == "dot" and (own.any() or exponents.any()):
        products = np.ldexp(products.astype(np.float64), own[:, None] + exponents)
    return products
