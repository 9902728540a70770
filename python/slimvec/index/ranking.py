"""How an index answers a search: segments are scanned one by one, and compared as if they were one table.

First codes of all segments hand on the best rows of all of them together; second codes score these again. So the
answers are those of one table with the same rows in the same order.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from slimvec.binary.asymmetric import FloatQueries, rescore, scan
from slimvec.binary.queries import QueryEncoder
from slimvec.binary.search import CANDIDATES, Shortlists
from slimvec.blocks import row_blocks
from slimvec.index.where import n_allowed, rows_of
from slimvec.results import ScoreResult

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slimvec.binary.factors import Factors
    from slimvec.index.segments import Piece, View

FEW = 32  # a scan reads so many rows in the time that one is looked up


class _Found(NamedTuple):
    """Rows for each query, ``(n_queries, m)``: scores as kernels give them, times what makes them comparable."""

    raw: NDArray[np.float32]
    scores: NDArray[np.float64]
    positions: NDArray[np.int64]

    def best(self, k: int) -> _Found:
        """Return the k best, ties by position."""
        order = np.lexsort((self.positions, -self.scores), axis=1)[:, :k]
        return _Found(
            np.take_along_axis(self.raw, order, axis=1),
            np.take_along_axis(self.scores, order, axis=1),
            np.take_along_axis(self.positions, order, axis=1),
        )


@dataclass(frozen=True, eq=False)
class Ranking:
    """A search of a view.

    Attributes
    ----------
    view : View
    allowed : list of ndarray or None
        For each piece, as :func:`slimvec.index.where.allowed_rows_of` gives it.
    n_threads : int
    """

    view: View
    allowed: list[NDArray[Any] | None]
    n_threads: int

    @cached_property
    def _counts(self) -> list[int]:
        return [n_allowed(piece, own) for piece, own in zip(self.view.pieces, self.allowed, strict=True)]

    def best(self, queries: NDArray[Any], k: int) -> ScoreResult:
        """Return scores and positions of the k best rows for ``queries (n, d)``, or of as many as may be found."""
        total = sum(self._counts)
        k = min(k, total)
        scores, positions = np.empty((len(queries), k), np.float32), np.empty((len(queries), k), np.int64)
        if k == 0:
            return ScoreResult(scores, positions)
        encoder = QueryEncoder(self.view.coder.encoder, self.view.coder.norm, "cosine")
        refiner = self.view.coder.refiner
        wide = k
        if refiner is not None:
            wide = min(total, Shortlists("auto", refiner.oversample).to_refinement(k) or total)
        at_once = max(1, CANDIDATES // sum(min(wide, count) for count in self._counts))
        for first, block in row_blocks(queries, at_once):
            place = slice(first, first + len(block))
            found, zero = self._of_block(block, encoder, k, wide)
            if zero.any():  # as similar to one row as to another
                found.scores[zero], found.positions[zero] = 0, self._first(k)
            scores[place], positions[place] = np.clip(found.scores, -1, 1), found.positions
        return ScoreResult(scores, positions)

    def reaching(self, queries: NDArray[Any], bound: np.float32) -> list[ScoreResult]:
        """Return scores and positions of all rows whose score reaches a bound, best first, for each query.

        Every row is ranked: no bound on scores of first codes is certain to let through what refinement raises.
        """
        total = sum(self._counts)
        found = []
        for _, block in row_blocks(queries, max(1, CANDIDATES // max(1, total))):  # as large as those of ``best``
            scores, positions = self.best(block, total)
            counts = (scores >= bound).sum(axis=1).tolist()
            # Copies: what is found is little, and would keep everything that was ranked.
            found += [ScoreResult(scores[i, :n].copy(), positions[i, :n].copy()) for i, n in enumerate(counts)]
        return found

    def _first(self, k: int) -> NDArray[np.int64]:
        """Return the positions of the first k rows that may be found."""
        parts = zip(self.view.pieces, self.allowed, self.view.starts[:-1], strict=True)
        return np.concatenate([rows_of(piece, own)[:k] + start for piece, own, start in parts])[:k]

    def _of_block(
        self, block: NDArray[Any], encoder: QueryEncoder, k: int, wide: int
    ) -> tuple[_Found, NDArray[np.bool_]]:
        prepared: dict[bool, FloatQueries] = {}
        found = []
        for number, piece in enumerate(self.view.pieces):
            if not self._counts[number]:
                continue
            factors = _factors(piece)
            if factors.has_weights not in prepared:
                prepared[factors.has_weights] = FloatQueries.prepare(block, encoder, factors, self.view.coder.refiner)
            queries = prepared[factors.has_weights]
            result = self._scanned(number, queries, factors, min(wide, self._counts[number]))
            found.append(self._comparable(number, queries, result))
        together = found[0] if len(found) == 1 else _Found(*map(np.hstack, zip(*found, strict=True))).best(wide)
        zero = next(iter(prepared.values())).zero
        if self.view.coder.refiner is None:
            return together, zero
        refined = [
            self._refined(number, together, prepared[_factors(piece).has_weights])
            for number, piece in enumerate(self.view.pieces)
            if self._counts[number]
        ]
        refined = [one for one in refined if one is not None]
        return _Found(*map(np.hstack, zip(*refined, strict=True))).best(k), zero

    def _scanned(self, number: int, queries: FloatQueries, factors: Factors, k: int) -> ScoreResult:
        piece, allowed = self.view.pieces[number], self.allowed[number]
        codes = piece.parts.codes
        if self._counts[number] * FEW < codes.n_codes:
            rows = rows_of(piece, allowed)
            shortlist = np.ascontiguousarray(np.broadcast_to(rows, (len(queries.values), len(rows))))
            return rescore(codes, factors, queries, shortlist, k, self.n_threads)
        if allowed is not None and allowed.dtype != bool:
            mask = np.zeros(codes.n_codes, np.bool_)
            mask[allowed] = True
            allowed = mask
        packed = piece.mask if allowed is None else codes.pack_mask(allowed)
        return scan(codes, factors, queries, k, packed, self.n_threads)

    def _comparable(self, number: int, queries: FloatQueries, found: ScoreResult) -> _Found:
        scores = found.scores * queries.multipliers
        return _Found(found.scores, scores, found.indices + self.view.starts[number])

    def _refined(self, number: int, found: _Found, queries: FloatQueries) -> _Found | None:
        """Return what second codes say of those rows that are of one piece; what fills up has score -inf."""
        start, end = self.view.starts[number : number + 2]
        parts = self.view.pieces[number].parts
        assert parts.factors is not None and parts.refinement is not None  # noqa: S101, PT018
        own = (found.positions >= start) & (found.positions < end)
        most = int(own.sum(axis=1).max())
        if most == 0:
            return None
        if own.all():
            shortlist = ScoreResult(found.raw, found.positions - start)
            return self._comparable(
                number,
                queries,
                parts.refinement.rescore(parts.factors, queries, shortlist, most, None, self.n_threads),
            )
        # Queries with fewer rows of this piece repeat their first one, or, with none, ask for any.
        order = np.argsort(~own, axis=1, kind="stable")[:, :most]
        is_own = np.take_along_axis(own, order, axis=1)
        order = np.where(is_own, order, order[:, :1])
        rows = np.where(is_own[:, :1], np.take_along_axis(found.positions, order, axis=1) - start, 0)
        shortlist = ScoreResult(np.take_along_axis(found.raw, order, axis=1), rows)
        result = parts.refinement.rescore(parts.factors, queries, shortlist, most, None, self.n_threads)
        made = self._comparable(number, queries, result)
        surplus = np.repeat(~is_own[:, :1], most, axis=1)
        surplus[:, 1:] |= (
            made.positions[:, 1:] == made.positions[:, :-1]
        )  # the same row, at the same score: side by side
        made.scores[surplus], made.positions[surplus] = -np.inf, end
        return made


def _factors(piece: Piece) -> Factors:
    assert piece.parts.factors is not None  # noqa: S101
    return piece.parts.factors
