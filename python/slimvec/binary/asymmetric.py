"""Searching codes with float queries: Hamming shortlist, scores from bits and factors, exact scores from originals."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.binary.rounding import CENTROID_PEAK, QUERY_PEAK, Whole
from slimvec.blocks import row_blocks
from slimvec.errors import FormatError
from slimvec.norms import distances_between, near_rows, scaled_rows
from slimvec.results import ScoreResult, as_distances, as_products
from slimvec.validation import as_matrix

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from slimvec.binary.codes import BlockedCodes
    from slimvec.binary.factors import Factors
    from slimvec.binary.queries import Metric, QueryEncoder
    from slimvec.binary.refinement import Refiner

GATHERED_VALUES = 1 << 23  # of the originals, at a time: 32 MB as float32
FAR_UNIT = 2.0**100  # between the norm of a table and that of its factors, which are about the same
SAFE_SQUARES = (1e-25, 1e30)  # sums of squares that float32 is trusted with, and products with them


@dataclass(frozen=True, eq=False)
class FloatQueries:
    """Queries as the kernels take them: score = ((unit · dot) · scale + bias + offset) · weight · multiplier.

    Distances are made of what kernels give for them, ⟨x, q⟩ - ‖x‖² / 2 in units of R²: see :meth:`scores`.

    Attributes
    ----------
    values : ndarray, shape (n_queries, n_bits), int16
        Projections Pᵀ(q - m), rounded to 8191 steps either side of 0: of no weight beside the one bit of the codes,
        and sums of integers are the same on every instruction set.
    units, offsets : ndarray, shape (n_queries,), float32
    multipliers : ndarray, shape (n_queries, 1), float64
        0 for a query of zeros.
    metric : {"cosine", "dot", "l2"}
    squares : ndarray, shape (n_queries, 1), float64
        For distances ‖q‖², and ‖x‖² too where rows are of unit length; otherwise 0.
    signs : ndarray, shape (n_queries, ceil(n_bits / 8)), uint8, or None
        The queries' own codes, where codes are signs.
    asking, leading : Whole or None
        What chooses lists, where the table has any: the queries themselves, and along the directions of a lead.
    second : Whole or None
        Projections along the grid of second codes, rounded as ``values`` are, where codes are refined.
    """

    values: NDArray[np.int16]
    units: NDArray[np.float32]
    offsets: NDArray[np.float32]
    multipliers: NDArray[np.float64]
    metric: Metric
    squares: NDArray[np.float64]
    signs: NDArray[np.uint8] | None
    asking: Whole | None
    leading: Whole | None
    second: Whole | None

    @classmethod
    def prepare(
        cls, queries: NDArray[Any], encoder: QueryEncoder, factors: Factors, refiner: Refiner | None = None
    ) -> FloatQueries:
        """Return ``queries (n_queries, d)`` against a table of that encoder and those factors, refined or not."""
        if encoder.metric == "l2":
            factors.require_lengths()
        unit = encoder.unit / factors.norm
        own = 1.0 if factors.has_weights else factors.norm  # what stands for the norms of the rows
        cosine = own * (factors.norm / (encoder.norm or factors.norm))
        if not (math.isfinite(cosine) and 1 / FAR_UNIT < unit < FAR_UNIT):
            raise FormatError("the norms of its vectors are too far apart: the table is damaged")
        parts = []
        for block in encoder.blocks(queries):
            made = encoder.prepare(block, refiner=refiner)
            multipliers, squares = np.empty((len(block.vectors), 1)), np.zeros((len(block.vectors), 1))
            if encoder.metric == "cosine":
                multipliers[:, 0] = cosine if block.multiples is None else np.where(block.multiples > 0, cosine, 0.0)
            else:
                with np.errstate(over="ignore"):  # products beyond float64 are beyond float32, too, and refused
                    square = np.square(np.float64(factors.norm))
                    multipliers[:, 0] = square if block.multiples is None else block.multiples * square
            if encoder.metric == "l2":
                squares[:, 0] = made.squares * np.square(np.float64(encoder.unit)) + (not factors.has_weights)
            part = cls(
                made.values[0],
                made.values[1] * (unit / QUERY_PEAK),
                (made.at_mean * unit**2).astype(np.float32),
                multipliers,
                encoder.metric,
                squares,
                made.codes(encoder.encoder.n_bits) if encoder.encoder.of_signs else None,
                None if made.asking is None else Whole.of(made.asking, CENTROID_PEAK, unit / factors.norm),
                None if made.leading is None else Whole.of(made.leading, CENTROID_PEAK, unit / factors.norm),
                None if made.second is None else Whole.of(made.second, QUERY_PEAK, unit),
            )
            parts.append(part)
        return parts[0] if len(parts) == 1 else cls._joined(parts)

    @classmethod
    def _joined(cls, parts: list[FloatQueries]) -> FloatQueries:
        """Return queries one after the other."""
        together: dict[str, Any] = {}
        for name, first in _arrays(parts[0]):
            each = [getattr(part, name) for part in parts]
            together[name] = Whole.joined(each) if isinstance(first, Whole) else np.concatenate(each)
        return replace(parts[0], **together)

    @property
    def zero(self) -> NDArray[np.bool_]:
        """Which queries are zero: their products with all rows are."""
        is_zero: NDArray[np.bool_] = self.multipliers[:, 0] == 0
        return is_zero

    def part(self, place: slice) -> FloatQueries:
        """Return some of the queries."""
        some: dict[str, Any] = {}
        for name, own in _arrays(self):
            some[name] = own.part(place) if isinstance(own, Whole) else own[place]
        return replace(self, **some)

    def result(self, found: ScoreResult) -> ScoreResult:
        """Return what the kernels found in the metric's own units; an estimate beyond 1 keeps its place."""
        return ScoreResult(self.scores(found[0]), found[1])

    def scores(self, raw: NDArray[np.float32], owners: NDArray[np.intp] | slice = slice(None)) -> NDArray[np.float32]:
        """Return scores of kernels, ``(n_owners, k)``, in the metric's units: of all queries, or each of one."""
        values = raw * self.multipliers[owners]
        if self.metric == "l2":
            values = -np.sqrt(np.maximum(self.squares[owners] - 2 * values, 0))
        return as_scores(values, self.metric)


def _arrays(queries: FloatQueries) -> list[tuple[str, Any]]:
    """Return what is kept for each query, by name."""
    kept = [(field.name, getattr(queries, field.name)) for field in fields(queries)]
    return [(name, own) for name, own in kept if isinstance(own, (np.ndarray, Whole))]


def scan(
    codes: BlockedCodes,
    factors: Factors,
    queries: FloatQueries,
    k: int,
    mask: NDArray[np.uint8] | None,
    n_threads: int,
) -> ScoreResult:
    """Return the k best of all allowed codes, with scores as kernels give them: see :meth:`FloatQueries.result`."""
    return all_found(*codes.scan(factors, queries, k, mask, n_threads))


def rescore(
    codes: BlockedCodes,
    factors: Factors,
    queries: FloatQueries,
    shortlist: NDArray[np.int64],
    k: int,
    n_threads: int,
) -> ScoreResult:
    """Return the k best of ``shortlist (n_queries, m)``, where -1 stands for none; scores as :func:`scan` does."""
    return all_found(*codes.rescore(factors, queries, shortlist, k, n_threads))


def all_found(scores: NDArray[np.float32], rows: NDArray[np.int64]) -> ScoreResult:
    """Return what kernels found, who keep no score that is no number: where rows are missing, the table is damaged."""
    if (rows < 0).any():
        raise FormatError("factors of some rows are no numbers: the table is damaged")
    return ScoreResult(scores, rows)


def rescore_exactly(
    originals: NDArray[Any], queries: NDArray[Any], shortlist: NDArray[np.int64], k: int, metric: Metric
) -> ScoreResult:
    """Return the k best of ``shortlist (n_queries, m)`` by the original vectors; only the rows on it are read.

    -1 stands for none.
    """
    n_queries, m = shortlist.shape
    scores = np.empty((n_queries, k), np.float32)
    indices = np.empty((n_queries, k), np.int64)
    step = max(1, GATHERED_VALUES // max(1, m * originals.shape[1]))
    for first, rows in row_blocks(shortlist, step):
        place = slice(first, first + len(rows))
        read = np.where(rows < 0, rows[:, :1], rows)  # what is missing comes last, and a row is there in its place
        if metric == "l2":
            exact = _distances(originals, read, queries[place])
        else:
            exact = _products(originals, read, queries[place], metric)
        exact[rows < 0] = -np.inf
        best = np.lexsort((rows, -exact), axis=1)[:, :k]
        scores[place] = np.take_along_axis(exact, best, axis=1)
        indices[place] = np.take_along_axis(rows, best, axis=1)
    return ScoreResult(scores, indices)


def _products(
    originals: NDArray[Any], rows: NDArray[np.int64], queries: NDArray[Any], metric: Metric
) -> NDArray[np.float32]:
    """Return cosines or inner products of ``queries (q, d)`` with ``rows (q, m)`` of the originals, ``(q, m)``."""
    asked, exponents = near_rows(queries)
    exponents = exponents[:, None]
    with np.errstate(over="ignore", invalid="ignore"):  # seen just below
        vectors = originals[rows.ravel()].astype(np.float32, copy=False).reshape(*rows.shape, -1)
        squares = np.einsum("qmd,qmd->qm", vectors, vectors)
    if not ((squares > SAFE_SQUARES[0]) & (squares < SAFE_SQUARES[1])).all():
        wide = originals[rows.ravel()].reshape(vectors.shape)
        bad = rows[~np.isfinite(wide).all(axis=2)]
        if bad.size:
            raise ValueError(f"originals holds NaN or infinity in row {bad[0]}")
        wide, own = scaled_rows(wide)
        vectors, exponents = wide.astype(np.float32), exponents + own
        squares = np.einsum("qmd,qmd->qm", vectors, vectors)
    products = np.matmul(vectors, asked[:, :, None])[:, :, 0].astype(np.float64)
    if metric == "dot":
        with np.errstate(over="ignore"):  # refused by as_products
            return as_scores(np.ldexp(products, exponents), metric)
    lengths = np.sqrt(squares, dtype=np.float64) * np.linalg.norm(asked.astype(np.float64), axis=1)[:, None]
    return as_scores(np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0), metric)


def _distances(originals: NDArray[Any], rows: NDArray[np.int64], queries: NDArray[Any]) -> NDArray[np.float32]:
    """Return the negated distances of ``queries (q, d)`` to ``rows (q, m)`` of the originals, ``(q, m)``."""
    vectors = originals[rows.ravel()].reshape(*rows.shape, -1)
    bad = rows[~np.isfinite(vectors).all(axis=2)]
    if bad.size:
        raise ValueError(f"originals holds NaN or infinity in row {bad[0]}")
    return as_scores(-distances_between(vectors, queries), "l2")


def as_scores(values: NDArray[np.float64], metric: Metric) -> NDArray[np.float32]:
    """Return cosines, none beyond 1, inner products, or negated distances."""
    if metric == "dot":
        return as_products(values)
    if metric == "l2":
        return as_distances(values)
    np.minimum(values, 1, out=values)  # as np.clip does it, in half the time of a few values
    return np.maximum(values, -1, out=values).astype(np.float32)


def as_originals(originals: ArrayLike, n_rows: int, n_columns: int) -> NDArray[Any]:
    """Return the original vectors as they are, after checking that they can be those of a table."""
    matrix = as_matrix(originals, "originals", n_columns)
    if len(matrix) != n_rows:
        raise ValueError(f"originals has {len(matrix)} rows; expected {n_rows}, one per row of the table")
    return matrix
