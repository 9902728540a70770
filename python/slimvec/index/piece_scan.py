"""What a search reads of one segment: all of its codes, those that a mask lets through, or a few rows by themselves."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from slimvec.binary.asymmetric import rescore, scan
from slimvec.binary.probing import nearest_lists, search_in
from slimvec.binary.search import CANDIDATES
from slimvec.index.where import n_allowed, rows_of
from slimvec.results import ScoreResult

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slimvec.binary.asymmetric import FloatQueries
    from slimvec.binary.factors import Factors
    from slimvec.binary.list_centroids import ListCentroids
    from slimvec.binary.parts import BinaryParts
    from slimvec.binary.probing import Read
    from slimvec.index.coder import Coder
    from slimvec.index.segments import Piece

FEW = 32  # a scan reads so many rows in the time that one is looked up
FEW_IN_LISTS = 128  # or is put with others into lists of their own


@dataclass(frozen=True, eq=False)
class PieceScan:
    """A segment, and which of its rows may be found.

    Attributes
    ----------
    piece : Piece
    allowed : ndarray or None
        As :func:`slimvec.index.where.allowed_rows_of` gives it.
    start : int
        Position of the first row.
    coder : Coder
    """

    piece: Piece
    allowed: NDArray[Any] | None
    start: int
    coder: Coder

    @cached_property
    def n_allowed(self) -> int:
        """How many rows may be found."""
        return n_allowed(self.piece, self.allowed)

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """The rows that may be found."""
        return rows_of(self.piece, self.allowed)

    @property
    def parts(self) -> BinaryParts:
        """The segment's codes and what belongs to them."""
        return self.piece.parts

    @property
    def factors(self) -> Factors:
        """The segment's factors, which those of an index all have."""
        return cast("Factors", self.parts.factors)

    @property
    def end(self) -> int:
        """Position past the last row."""
        return self.start + len(self.parts)

    @cached_property
    def _mask(self) -> NDArray[np.uint8] | None:
        if self.allowed is None:
            return self.piece.mask
        allowed = self.allowed
        if allowed.dtype != bool:
            allowed = np.zeros(len(self.parts), np.bool_)
            allowed[self.allowed] = True
        return self.parts.codes.pack_mask(allowed)

    @cached_property
    def _few(self) -> BinaryParts | None:
        """Copies of the rows that may be found, in lists of their own, where these are few."""
        return self.coder.join([(self.parts, self.rows)]) if self.n_allowed * FEW_IN_LISTS < len(self.parts) else None

    def best(self, queries: FloatQueries, k: int, n_threads: int) -> ScoreResult:
        """Return the k best rows by first codes, at most as many as may be found, with scores as kernels give them."""
        k, codes = min(k, self.n_allowed), self.parts.codes
        if self.n_allowed * FEW >= len(self.parts):
            return scan(codes, self.factors, queries, k, self._mask, n_threads)
        n_queries, at_once = len(queries.values), max(1, CANDIDATES // self.n_allowed)
        scores, rows = np.empty((n_queries, k), np.float32), np.empty((n_queries, k), np.int64)
        for first in range(0, n_queries, at_once):
            place = slice(first, min(first + at_once, n_queries))
            shortlist = np.ascontiguousarray(np.broadcast_to(self.rows, (place.stop - first, self.n_allowed)))
            some = queries.part(place)
            scores[place], rows[place] = rescore(codes, self.factors, some, shortlist, k, n_threads)
        return ScoreResult(scores, rows)

    def best_of_few(
        self, queries: NDArray[Any], k: int, n_shortlist: int, n_read: int, n_threads: int
    ) -> ScoreResult | None:
        """Return the k best rows of so many lists, by all stages at once, at their positions; None if it cannot."""
        if self._few is not None:
            return None
        search = self.parts.list_search
        found = search.best(self.parts, queries, k, n_shortlist, n_read, self._mask, n_threads)
        return None if found is None else ScoreResult(found.scores, found.indices + self.start)

    def best_in(
        self, queries: FloatQueries, which: slice | NDArray[np.intp], read: Read, k: int, n_threads: int
    ) -> ScoreResult:
        """Return the k best rows of the lists that some queries read; -1 where these hold fewer.

        Of rows that are few all are looked at, in whatever lists they are.
        """
        k = min(k, self.n_allowed)
        if self._few is None:
            return search_in(self.parts, self.factors, queries, which, read, k, self._mask, n_threads)
        few, encoder = self._few, cast("ListCentroids", self.coder.encoder)
        read = nearest_lists(encoder, self.factors, queries, which, len(encoder.centroids))
        found = search_in(few, cast("Factors", few.factors), queries, which, read, k, None, n_threads)
        return ScoreResult(found.scores, np.where(found.indices < 0, -1, self.rows[found.indices]))
