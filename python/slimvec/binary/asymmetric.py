"""Searching codes with float queries: Hamming shortlist, scores from bits and factors, exact scores from originals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from slimvec import _core, isa
from slimvec.binary.codes import pack
from slimvec.blocks import row_blocks
from slimvec.results import ScoreResult
from slimvec.validation import as_matrix

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from slimvec.binary.codes import BlockedCodes
    from slimvec.binary.encoder import Encoder
    from slimvec.binary.factors import Factors

Metric = Literal["cosine", "dot"]
QUERY_PEAK = 8191  # kQueryPeak of cpp/kernels/kernels.hpp
GATHERED_VALUES = 1 << 23  # of the originals, at a time: 32 MB as float32


@dataclass(frozen=True, eq=False)
class FloatQueries:
    """Queries as the kernels take them: score = ((unit · dot) · scale + bias + offset) · weight · multiplier.

    Attributes
    ----------
    codes : ndarray, shape (n_queries, ceil(n_bits / 8)), uint8
        The queries' own codes.
    values : ndarray, shape (n_queries, n_bits), int16
        Projections Pᵀ(q - m), rounded to 8191 steps either side of 0: of no weight beside the one bit of the codes,
        and sums of integers are the same on every instruction set.
    units, offsets : ndarray, shape (n_queries,), float32
    multipliers : ndarray, shape (n_queries, 1), float64
    """

    codes: NDArray[np.uint8]
    values: NDArray[np.int16]
    units: NDArray[np.float32]
    offsets: NDArray[np.float32]
    multipliers: NDArray[np.float64]

    @classmethod
    def prepare(cls, queries: NDArray[Any], encoder: Encoder, factors: Factors, metric: Metric) -> FloatQueries:
        """Return ``queries (n_queries, d)`` against a table of that encoder and those factors."""
        projected = np.empty((len(queries), encoder.projection.shape[1]), np.float32)
        products, lengths = np.empty(len(queries)), np.empty(len(queries))
        for first, block in row_blocks(queries):
            place = slice(first, first + len(block))
            projected[place] = encoder.project_finite(block, "queries", first)
            vectors = block.astype(np.float64) / factors.norm
            products[place] = vectors @ (encoder.mean.astype(np.float64) / factors.norm)
            lengths[place] = np.linalg.norm(vectors, axis=1)
        peaks = np.abs(projected).max(axis=1, initial=0.0)
        steps = np.where(peaks > 0, QUERY_PEAK / np.where(peaks > 0, peaks, 1), 0.0)
        multipliers = np.full(len(queries), factors.norm**2)
        if metric == "cosine":
            own = 1.0 if factors.has_weights else factors.norm  # what stands for the norms of the rows
            multipliers = np.divide(own, lengths, out=np.zeros_like(lengths), where=lengths > 0)
        return cls(
            pack(projected),
            np.rint(projected * steps[:, None]).astype(np.int16),
            (peaks / QUERY_PEAK / factors.norm).astype(np.float32),
            products.astype(np.float32),
            multipliers[:, None],
        )

    def result(self, found: tuple[NDArray[np.float32], NDArray[np.int64]]) -> ScoreResult:
        """Return what the kernels found in the metric's own units."""
        return ScoreResult((found[0] * self.multipliers).astype(np.float32), found[1])


def scan(
    codes: BlockedCodes,
    factors: Factors,
    queries: FloatQueries,
    k: int,
    metric: Metric,
    mask: NDArray[np.uint8] | None,
    n_threads: int,
) -> ScoreResult:
    """Return the k best of all allowed codes."""
    return queries.result(
        _core.asymmetric_search(
            isa.current(),
            codes.comparable,
            codes.n_codes,
            codes.n_bits,
            factors.values.view(np.uint16),
            metric == "cosine",
            queries.values,
            queries.units,
            queries.offsets,
            k,
            mask,
            n_threads,
        )
    )


def rescore(
    codes: BlockedCodes,
    factors: Factors,
    queries: FloatQueries,
    shortlist: NDArray[np.int64],
    k: int,
    metric: Metric,
    n_threads: int,
) -> ScoreResult:
    """Return the k best of ``shortlist (n_queries, m)``, where -1 stands for none."""
    return queries.result(
        _core.asymmetric_rescore(
            isa.current(),
            codes.comparable,
            codes.n_codes,
            codes.n_bits,
            factors.values.view(np.uint16),
            metric == "cosine",
            shortlist,
            queries.values,
            queries.units,
            queries.offsets,
            k,
            n_threads,
        )
    )


def rescore_exactly(
    originals: NDArray[Any], queries: NDArray[Any], shortlist: NDArray[np.int64], k: int, metric: Metric
) -> ScoreResult:
    """Return the k best of ``shortlist (n_queries, m)`` by the original vectors; only the rows on it are read."""
    n_queries, m = shortlist.shape
    scores = np.empty((n_queries, k), np.float32)
    indices = np.empty((n_queries, k), np.int64)
    step = max(1, GATHERED_VALUES // max(1, m * originals.shape[1]))
    for first, rows in row_blocks(shortlist, step):
        vectors = originals[rows.ravel()].astype(np.float32).reshape(*rows.shape, -1)
        bad = rows[~np.isfinite(vectors).all(axis=2)]
        if bad.size:
            raise ValueError(f"originals holds NaN or infinity in row {bad[0]} (or a value too large for float32)")
        asked = queries[first : first + len(rows)].astype(np.float32)
        exact = _products(vectors, asked, metric)
        best = np.lexsort((rows, -exact), axis=1)[:, :k]
        scores[first : first + len(rows)] = np.take_along_axis(exact, best, axis=1)
        indices[first : first + len(rows)] = np.take_along_axis(rows, best, axis=1)
    return ScoreResult(scores, indices)


def _products(vectors: NDArray[np.float32], queries: NDArray[np.float32], metric: Metric) -> NDArray[np.float32]:
    """Return cosines or inner products of ``queries (q, d)`` with ``vectors (q, m, d)``, ``(q, m)``."""
    products: NDArray[np.float32] = np.matmul(vectors, queries[:, :, None])[:, :, 0]
    if metric == "dot":
        return products
    lengths = np.linalg.norm(vectors, axis=2) * np.linalg.norm(queries, axis=1)[:, None]
    cosines: NDArray[np.float32] = np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)
    return cosines


def as_originals(originals: ArrayLike, n_rows: int, n_columns: int) -> NDArray[Any]:
    """Return the original vectors as they are, after checking that they can be those of a table."""
    matrix = as_matrix(originals, "originals", n_columns)
    if len(matrix) != n_rows:
        raise ValueError(f"originals has {len(matrix)} rows; expected {n_rows}, one per row of the table")
    return matrix
