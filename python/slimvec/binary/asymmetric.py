"""Searching codes with float queries: Hamming shortlist, scores from bits and factors, exact scores from originals."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from slimvec.binary.codes import pack_signs
from slimvec.binary.rounding import Rounded, Whole
from slimvec.blocks import row_blocks
from slimvec.errors import FormatError
from slimvec.norms import distances_between, near_rows, scaled_rows
from slimvec.results import ScoreResult, as_distances, as_products
from slimvec.validation import as_matrix

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from slimvec.binary.codes import BlockedCodes
    from slimvec.binary.factors import Factors
    from slimvec.binary.list_encoder import ListEncoder
    from slimvec.binary.queries import Metric, QueryEncoder
    from slimvec.binary.refinement import Refiner

QUERY_PEAK = 8191  # kQueryPeak of cpp/kernels/kernels.hpp
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
    second : ndarray, shape (n_queries, r2), int16, or None
        Projections along the grid of second codes, rounded as ``values`` are, where codes are refined.
    second_units : ndarray, shape (n_queries,), float64
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
    second: NDArray[np.int16] | None
    second_units: NDArray[np.float64]

    @classmethod
    def prepare(
        cls, queries: NDArray[Any], encoder: QueryEncoder, factors: Factors, refiner: Refiner | None = None
    ) -> FloatQueries:
        """Return ``queries (n_queries, d)`` against a table of that encoder and those factors, refined or not."""
        if encoder.metric == "l2":
            factors.require_lengths()
        n, n_bits = len(queries), encoder.encoder.projection.shape[1]
        values = np.empty((n, n_bits), np.int16)
        signs = np.empty((n, -(-n_bits // 8)), np.uint8) if encoder.encoder.of_signs else None
        second = None if refiner is None else np.empty((n, len(refiner.order)), np.int16)
        units, offsets, multiples, second_units = np.empty((4, n))
        squares = np.zeros((n, 1))
        unit = encoder.unit / factors.norm
        own = 1.0 if factors.has_weights else factors.norm  # what stands for the norms of the rows
        cosine = own * (factors.norm / (encoder.norm or factors.norm))
        if not (math.isfinite(cosine) and 1 / FAR_UNIT < unit < FAR_UNIT):
            raise FormatError("the norms of its vectors are too far apart: the table is damaged")
        mean = encoder.mean.astype(np.float64)
        asking: list[tuple[Whole, Whole | None]] = []
        # One product serves first codes, second ones and the choice of lists.
        for block in encoder.blocks(queries, frame=(refiner or encoder.encoder).frame):
            projected = encoder.encoder.of_bits(block.along)
            if signs is not None:
                signs[block.place] = pack_signs(projected)
            values[block.place], peaks = Rounded.of(projected, QUERY_PEAK)
            units[block.place] = peaks * (unit / QUERY_PEAK)
            offsets[block.place] = block.vectors @ mean * unit**2
            multiples[block.place] = block.multiples
            if encoder.metric == "l2":
                lengths = np.einsum("ij,ij->i", block.vectors, block.vectors) * encoder.unit**2
                squares[block.place, 0] = lengths + (not factors.has_weights)
            if encoder.encoder.in_lists:
                lists = cast("ListEncoder", encoder.encoder)
                asking.append(lists.asking(block.vectors, block.along, encoder.unit, factors.norm))
            if refiner is not None and second is not None:
                second[block.place], peaks = Rounded.of(refiner.of_second(block.along), QUERY_PEAK)
                second_units[block.place] = peaks * (unit / QUERY_PEAK)
        if encoder.metric == "cosine":
            multipliers = np.where(multiples > 0, cosine, 0.0)
        else:
            with np.errstate(over="ignore"):  # products beyond float64 are beyond float32, too, and refused
                multipliers = multiples * np.square(factors.norm)
        numbers = units.astype(np.float32), offsets.astype(np.float32), multipliers[:, None]
        of_lists = map(Whole.joined, zip(*asking, strict=True)) if asking else (None, None)
        return cls(values, *numbers, encoder.metric, squares, signs, *of_lists, second, second_units)

    @property
    def zero(self) -> NDArray[np.bool_]:
        """Which queries are zero: their products with all rows are."""
        is_zero: NDArray[np.bool_] = self.multipliers[:, 0] == 0
        return is_zero

    def part(self, place: slice) -> FloatQueries:
        """Return some of the queries."""
        parts: dict[str, Any] = {}
        for field in fields(self):
            own = getattr(self, field.name)
            if field.name != "metric" and own is not None:
                parts[field.name] = own.part(place) if isinstance(own, Whole) else own[place]
        return replace(self, **parts)

    def result(self, found: ScoreResult) -> ScoreResult:
        """Return what the kernels found in the metric's own units; an estimate beyond 1 keeps its place."""
        return ScoreResult(self.scores(found[0]), found[1])

    def scores(self, raw: NDArray[np.float32], owners: NDArray[np.intp] | slice = slice(None)) -> NDArray[np.float32]:
        """Return scores of kernels, ``(n_owners, k)``, in the metric's units: of all queries, or each of one."""
        values = raw * self.multipliers[owners]
        if self.metric == "l2":
            values = -np.sqrt(np.maximum(self.squares[owners] - 2 * values, 0))
        return as_scores(values, self.metric)


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
    """Return the k best of ``shortlist (n_queries, m)`` by the original vectors; only the rows on it are read."""
    n_queries, m = shortlist.shape
    scores = np.empty((n_queries, k), np.float32)
    indices = np.empty((n_queries, k), np.int64)
    step = max(1, GATHERED_VALUES // max(1, m * originals.shape[1]))
    for first, rows in row_blocks(shortlist, step):
        place = slice(first, first + len(rows))
        if metric == "l2":
            exact = _distances(originals, rows, queries[place])
        else:
            exact = _products(originals, rows, queries[place], metric)
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
