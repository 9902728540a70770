"""How an index answers a search: segments are scanned one by one, and compared as if they were one table.

First codes of all segments hand on the best rows of all of them together; second codes score these again. So the
answers are those of one table with the same rows in the same order.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from slimvec.binary.asymmetric import FloatQueries
from slimvec.binary.probing import PRODUCTS, lists_to_read, nearest_lists, read_further
from slimvec.binary.queries import QueryEncoder
from slimvec.binary.search import CANDIDATES, Shortlists
from slimvec.blocks import row_blocks
from slimvec.errors import FormatError
from slimvec.index.piece_scan import PieceScan
from slimvec.results import ScoreResult

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from slimvec.binary.list_centroids import ListCentroids
    from slimvec.binary.refinement import Refinement
    from slimvec.index.segments import View

NOWHERE = np.iinfo(np.int64).max  # the position of a row that is missing


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
    probes, recall : optional
        How many lists are read, as users say it; by default all.
    """

    view: View
    allowed: list[NDArray[Any] | None]
    n_threads: int
    probes: int | None = None
    recall: float | None = None

    @cached_property
    def _scans(self) -> list[PieceScan]:
        """The pieces with rows that may be found."""
        each = zip(self.view.pieces, self.allowed, self.view.starts[:-1].tolist(), strict=True)
        scans = [PieceScan(piece, own, start, self.view.coder) for piece, own, start in each]
        return [one for one in scans if one.n_allowed]

    def best(self, queries: NDArray[Any], k: int) -> ScoreResult:
        """Return scores and positions of the k best rows for ``queries (n, d)``, or of as many as may be found."""
        total = sum(one.n_allowed for one in self._scans)
        reading = self._reading(k, total)
        k = min(k, total)
        scores, positions = np.empty((len(queries), k), np.float32), np.empty((len(queries), k), np.int64)
        if k == 0:
            return ScoreResult(scores, positions)
        encoder = QueryEncoder(self.view.coder.encoder, self.view.coder.norm, "cosine")
        refiner = self.view.coder.refiner
        wide = k
        if refiner is not None:
            wide = min(total, Shortlists("auto", refiner.oversample).to_refinement(k) or total)
        few = self._found_by_few(queries, k, wide, reading)
        if few is not None:
            return few
        at_once = max(1, CANDIDATES // sum(min(wide, one.n_allowed) for one in self._scans))
        if reading is not None:
            at_once = max(1, min(at_once, PRODUCTS // (self.view.coder.n_lists or 1)))
        for first, block in row_blocks(queries, at_once):
            place = slice(first, first + len(block))
            found, zero = self._of_block(block, encoder, k, wide, reading)
            if zero.any():  # as similar to one row as to another
                found.scores[zero], found.positions[zero] = 0, self._first(k)
            scores[place], positions[place] = np.clip(found.scores, -1, 1), found.positions
        if (positions == NOWHERE).any():
            raise FormatError("factors of some rows are no numbers: the index is damaged")
        return ScoreResult(scores, positions)

    def _found_by_few(self, queries: NDArray[Any], k: int, wide: int, reading: int | None) -> ScoreResult | None:
        """Return what few queries find in lists of a single segment; None where that takes the stages one by one."""
        if reading is None or len(self._scans) != 1:
            return None
        return self._scans[0].best_of_few(queries, k, wide, reading, self.n_threads)

    def reaching(self, queries: NDArray[Any], bound: np.float32) -> list[ScoreResult]:
        """Return scores and positions of all rows whose score reaches a bound, best first, for each query.

        Every row is ranked: no bound on scores of first codes is certain to let through what refinement raises.
        """
        total = sum(one.n_allowed for one in self._scans)
        found = []
        for _, block in row_blocks(queries, max(1, CANDIDATES // max(1, total))):  # as large as those of ``best``
            scores, positions = self.best(block, max(1, total))
            counts = (scores >= bound).sum(axis=1).tolist()
            # Copies: what is found is little, and would keep everything that was ranked.
            found += [ScoreResult(scores[i, :n].copy(), positions[i, :n].copy()) for i, n in enumerate(counts)]
        return found

    def _reading(self, k: int, total: int) -> int | None:
        """Return how many lists are read for k rows of ``total`` that may be found; None of rows in no lists."""
        if self.probes is None and self.recall is None:
            return self.view.coder.n_lists
        # Of rows that were removed since the recall was measured neighbours lie as far off as of those left out now.
        share = total / max(1, self.view.n_alive, self.view.n_measured)
        return lists_to_read(self.view.coder.empty, self.probes, self.recall, k, False, "cosine", share)

    def _first(self, k: int) -> NDArray[np.int64]:
        """Return the positions of the first k rows that may be found."""
        return np.concatenate([one.rows[:k] + one.start for one in self._scans])[:k]

    def _of_block(
        self, block: NDArray[Any], encoder: QueryEncoder, k: int, wide: int, reading: int | None
    ) -> tuple[_Found, NDArray[np.bool_]]:
        asked: dict[bool, FloatQueries] = {}  # by whether rows have weights
        for one in self._scans:
            if one.factors.has_weights not in asked:
                prepared = FloatQueries.prepare(block, encoder, one.factors, self.view.coder.refiner)
                asked[one.factors.has_weights] = prepared
        zero = next(iter(asked.values())).zero
        if reading is None:
            together = self._together(asked, slice(None), wide, lambda one, own: one.best(own, wide, self.n_threads))
        else:
            together = self._in_lists(asked, k, wide, reading)
        if self.view.coder.refiner is None:
            return together.best(k), zero
        refined = [self._refined(one, together, asked[one.factors.has_weights]) for one in self._scans]
        refined = [one for one in refined if one is not None]
        return _Found(*map(np.hstack, zip(*refined, strict=True))).best(k), zero

    def _in_lists(self, asked: dict[bool, FloatQueries], k: int, wide: int, n_read: int) -> _Found:
        """Return the best rows of the lists nearest to each query, and of further ones where these hold fewer than k.

        Fewer than ``wide`` end with a score of minus infinity.
        """

        def find(left: NDArray[np.intp] | None, n_read: int) -> _Found:
            return self._in_nearest(asked, slice(None) if left is None else left, wide, n_read)

        n_lists = cast("int", self.view.coder.n_lists)
        return read_further(find, n_read, n_lists, lambda found: found.scores[:, k - 1] == -np.inf)

    def _in_nearest(
        self, asked: dict[bool, FloatQueries], which: slice | NDArray[np.intp], wide: int, n_read: int
    ) -> _Found:
        """Return what some queries find in so many lists each."""
        first, encoder = self._scans[0].factors, cast("ListCentroids", self.view.coder.encoder)
        read = nearest_lists(encoder, first, asked[first.has_weights], which, n_read)
        return self._together(asked, which, wide, lambda one, own: one.best_in(own, which, read, wide, self.n_threads))

    def _together(
        self,
        asked: dict[bool, FloatQueries],
        which: slice | NDArray[np.intp],
        wide: int,
        best_of: Callable[[PieceScan, FloatQueries], ScoreResult],
    ) -> _Found:
        """Return the best rows of all pieces for some queries, given those of each."""
        found = []
        for one in self._scans:
            queries = asked[one.factors.has_weights]
            found.append(_comparable(one, queries.multipliers[which], best_of(one, queries)))
        return found[0] if len(found) == 1 else _Found(*map(np.hstack, zip(*found, strict=True))).best(wide)

    def _refined(self, one: PieceScan, found: _Found, queries: FloatQueries) -> _Found | None:
        """Return what second codes say of those rows that are of one piece; what fills up has score -inf."""
        refinement = cast("Refinement", one.parts.refinement)
        partition = one.parts.partition
        places = None if partition is None or not one.factors.has_weights else partition.positions
        own = (found.positions >= one.start) & (found.positions < one.end)
        most = int(own.sum(axis=1).max())
        if most == 0:
            return None
        if own.all():
            shortlist = ScoreResult(found.raw, found.positions - one.start)
            result = refinement.rescore(one.factors, queries, shortlist, most, places, self.n_threads)
            return _comparable(one, queries.multipliers, result)
        # Queries with fewer rows of this piece repeat their first one, or, with none, ask for any.
        order = np.argsort(~own, axis=1, kind="stable")[:, :most]
        is_own = np.take_along_axis(own, order, axis=1)
        order = np.where(is_own, order, order[:, :1])
        rows = np.where(is_own[:, :1], np.take_along_axis(found.positions, order, axis=1) - one.start, 0)
        shortlist = ScoreResult(np.take_along_axis(found.raw, order, axis=1), rows)
        result = refinement.rescore(one.factors, queries, shortlist, most, places, self.n_threads)
        made = _comparable(one, queries.multipliers, result)
        surplus = np.repeat(~is_own[:, :1], most, axis=1)
        # The same row has the same score, so that it is side by side with itself.
        surplus[:, 1:] |= made.positions[:, 1:] == made.positions[:, :-1]
        made.scores[surplus], made.positions[surplus] = -np.inf, NOWHERE
        return made


def _comparable(one: PieceScan, multipliers: NDArray[np.float64], found: ScoreResult) -> _Found:
    """Return what kernels found, -1 for nothing, in units and at positions that are the same for all pieces."""
    missing = found.indices < 0
    with np.errstate(invalid="ignore"):  # minus infinity, of what is missing, times 0, of a query of zeros
        made = _Found(found.scores, found.scores * multipliers, found.indices + one.start)
    if missing.any():
        made.scores[missing], made.positions[missing] = -np.inf, NOWHERE
    return made
