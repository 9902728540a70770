"""How a binary table answers a search: which stages a query goes through."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from slimvec.binary.asymmetric import FloatQueries, all_found, as_originals, rescore, rescore_exactly, scan
from slimvec.binary.hamming import HammingIndex
from slimvec.binary.neighbours import cosines_of
from slimvec.binary.queries import METRICS, Metric, QueryEncoder
from slimvec.results import ScoreResult, SearchResult, no_scores
from slimvec.validation import as_count, as_integer, as_threads, check_width
from slimvec.vectors.rows import as_rows, whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    from slimvec.binary.codes import BlockedCodes
    from slimvec.binary.encoder import Encoder
    from slimvec.binary.factors import Factors
    from slimvec.binary.parts import BinaryParts
    from slimvec.binary.refinement import Refinement
    from slimvec.vectors.rows import Rows

DEFAULT_OVERSAMPLE = 10
MEASURED_FOR = 10  # neighbours; fewer that are asked for need as long a shortlist
CANDIDATES = 1 << 22  # for refinement, at a time: 50 MB
SCAN_CANDIDATES = 100  # rows that a full scan hands to the originals, beyond k


Oversample = int | Literal["auto"] | None


class Reading(NamedTuple):
    """How much of a table with lists is read for each query.

    Attributes
    ----------
    n_lists : int or None
        None for all.
    n_rows : int
        If these hold fewer allowed rows, further ones are read.
    """

    n_lists: int | None
    n_rows: int


@dataclass(frozen=True)
class Shortlists:
    """How many rows each stage hands on to the next.

    Attributes
    ----------
    oversample : int, "auto" or None
        As users say it.
    measured : tuple of int, optional
        What suits a table whose codes are refined: to refinement, and from it to originals.
    """

    oversample: Oversample
    measured: tuple[int, int] | None

    def to_scores(self, k: int) -> int | None:
        """Return how many rows a shortlist by Hamming distance has; None for all."""
        times = DEFAULT_OVERSAMPLE if self.oversample == "auto" else self.oversample
        return None if times is None else times * k

    def to_refinement(self, k: int) -> int | None:
        """Return how many rows are refined; None for all."""
        if self.oversample == "auto" and self.measured is not None:
            return self.measured[0] * max(k, MEASURED_FOR)
        return self.to_scores(k)

    def to_originals(self, k: int) -> int:
        """Return how many rows are scored by originals."""
        if self.oversample == "auto" and self.measured is not None:
            return self.measured[1] * max(k, MEASURED_FOR)
        return self.to_scores(k) or k + SCAN_CANDIDATES


@dataclass(eq=False)  # not frozen: it is made for each search, and that takes longer
class TableSearch:
    """One search over the parts of a table, which may lack factors."""

    parts: BinaryParts
    encoder: Encoder
    metric: Metric
    allowed: NDArray[np.bool_] | None  # a bool per row
    threads: int | None
    probes: int | None = None
    recall: float | None = None

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise ValueError(f"metric={self.metric!r}; expected one of {METRICS}")

    @property
    def table(self) -> BlockedCodes:
        """The codes, by rows."""
        return self.parts.by_row

    @cached_property
    def mask(self) -> NDArray[np.uint8] | None:
        """Which rows may be found, as kernels take it."""
        return self.table.pack_mask(self.allowed)

    @cached_property
    def query_encoder(self) -> QueryEncoder:
        """What turns float queries into what codes meet."""
        return QueryEncoder(self.encoder, self.parts.norm, self.metric)

    def codes(self, queries: NDArray[np.uint8], k: int) -> SearchResult:
        """Search packed codes by Hamming distance."""
        return SearchResult(*self.table.search(queries, k, self.mask, as_threads(self.threads)))

    def floats(
        self, queries: Rows | ArrayLike, k: int, oversample: Oversample, originals: ArrayLike | None
    ) -> ScoreResult:
        """Search float vectors by as many stages as the table and the originals allow."""
        rows = whole(as_rows(queries, "queries"))
        may_be_vectors = rows.shape[1] == len(self.encoder.mean)
        if self._are_codes(rows) and not may_be_vectors and originals is None and self.metric == "cosine":
            # Here until the next minor release: 0.1 searched codes in this way, too.
            how = "search packed codes by table.search_codes; table.search is for vectors"
            warnings.warn(how, FutureWarning, stacklevel=3)
            index = HammingIndex.from_blocks(self.table)
            return index.search(rows, k, self.threads, self.allowed)  # type: ignore[return-value]
        self.check_queries(rows)
        k = as_count(k, len(self.parts), self.allowed)
        if k == 0:
            return no_scores(len(rows))
        factors, refinement = self.parts.factors, self.parts.refinement
        hand_on = Shortlists(_as_oversample(oversample), None if refinement is None else refinement.refiner.oversample)
        if self.encoder.of_signs:
            self.query_encoder.refuse_codes(rows, self.table)
        reading = Reading(self._n_lists(k, originals is not None), k)
        few = self._found_by_few(rows, k, hand_on, reading) if originals is None else None
        if few is not None:
            return few
        best: Callable[[int], ScoreResult]  # whose scores are in the metric's units once all are numbers
        prepared: FloatQueries | None = None
        if factors is None:
            if self.metric != "cosine" and originals is None:
                what = f'metric="{self.metric}" needs the lengths of rows'
                raise ValueError(f"{what}; expected a table with factors, or originals")
            codes, zero = self.query_encoder.encode(rows)
            best = partial(self._code_cosines, codes)
        else:
            prepared = FloatQueries.prepare(
                rows, self.query_encoder, factors, None if refinement is None else refinement.refiner
            )
            zero = prepared.zero
            best = partial(self._scores, prepared, factors, hand_on, reading)
            if refinement is not None:
                best = partial(self._refined, prepared, factors, refinement, hand_on, reading)
        if originals is None:
            found = all_found(*best(k))
            return self._in_order(found if prepared is None else prepared.result(found), zero)
        matrix = as_originals(originals, self.table.n_codes, rows.shape[1])
        candidates = best(self._at_most_all(hand_on.to_originals(k)))
        found = rescore_exactly(matrix, rows, candidates.indices, k, self.metric)
        return self._in_order(all_found(*found), zero)

    def _found_by_few(self, queries: NDArray[Any], k: int, hand_on: Shortlists, reading: Reading) -> ScoreResult | None:
        """Return what few queries for cosines find in lists; None where that takes the stages one by one."""
        if self.parts.partition is None or self.metric != "cosine":
            return None
        wide = k if self.parts.refinement is None else hand_on.to_refinement(k)
        wide = self._at_most_all(len(self.parts) if wide is None else wide)
        n_threads = as_threads(self.threads)
        mask = None if self.allowed is None else self.mask
        return self.parts.list_search.best(self.parts, queries, k, wide, reading.n_lists, mask, n_threads)

    def _n_lists(self, k: int, exactly: bool) -> int | None:
        """Return how many lists are read, None for all there are."""
        if self.probes is None and self.recall is None:
            return None
        from slimvec.binary.probing import lists_to_read

        share = 1.0 if self.allowed is None else float(self.allowed.mean())
        return lists_to_read(self.parts, self.probes, self.recall, k, exactly, self.metric, share)

    def _in_order(self, found: ScoreResult, zero: NDArray[np.bool_]) -> ScoreResult:
        """Answer queries of zeros, which are as similar to one row as to another: score 0, rows in order."""
        if self.metric != "l2" and zero.any():
            k = found.indices.shape[1]
            found.scores[zero] = 0
            found.indices[zero] = np.arange(k) if self.allowed is None else np.flatnonzero(self.allowed)[:k]
        return found

    def _are_codes(self, rows: NDArray[Any]) -> bool:
        return rows.dtype == np.uint8 and rows.shape[1] == -(-self.table.n_bits // 8)

    def check_queries(self, rows: NDArray[Any]) -> None:
        """Raise ValueError where queries are not as wide as vectors, or are packed codes."""
        width, d = rows.shape[1], len(self.encoder.mean)
        if self._are_codes(rows):
            also = "; vectors of integers are searched as queries.astype(np.float32)" if width == d else ""
            what = f"queries has {width} columns of uint8, as packed codes"
            raise ValueError(f"{what}; search them by search_codes{also}")
        check_width(width, "queries", d)

    def _code_cosines(self, codes: NDArray[np.uint8], k: int) -> ScoreResult:
        distances, rows = self.codes(codes, k)
        return ScoreResult(cosines_of(distances, self.table.n_bits).astype(np.float32), rows)

    def _scores(
        self, queries: FloatQueries, factors: Factors, hand_on: Shortlists, reading: Reading, k: int
    ) -> ScoreResult:
        n_threads = as_threads(self.threads)
        wide, signs = hand_on.to_scores(k), queries.signs
        if wide is None or signs is None or reading.n_lists is not None:
            # Distances between codes of several bits make no shortlist, and some lists need none: all rows are scored.
            return self._scanned(queries, factors, reading, k)
        shortlist = self.codes(signs, self._at_most_all(wide)).indices
        return rescore(self.table, factors, queries, shortlist, k, n_threads)

    def _scanned(self, queries: FloatQueries, factors: Factors, reading: Reading, k: int) -> ScoreResult:
        mask, n_threads = self.mask, as_threads(self.threads)
        if self.parts.partition is None:
            return scan(self.table, factors, queries, k, mask, n_threads)
        from slimvec.binary.probing import search_lists

        return search_lists(self.parts, factors, queries, reading, k, mask, n_threads)

    def _refined(
        self,
        queries: FloatQueries,
        factors: Factors,
        refinement: Refinement,
        hand_on: Shortlists,
        reading: Reading,
        k: int,
    ) -> ScoreResult:
        partition, n_threads = self.parts.partition, as_threads(self.threads)
        positions = None if partition is None or not factors.has_weights else partition.positions
        wide = hand_on.to_refinement(k)
        wide = self._at_most_all(self.table.n_codes if wide is None else wide)
        n_queries = len(queries.values)
        scores, rows = np.empty((n_queries, k), np.float32), np.empty((n_queries, k), np.int64)
        step = max(1, CANDIDATES // wide)
        for first in range(0, n_queries, step):
            place = slice(first, first + step)
            some = queries if step >= n_queries else queries.part(place)
            found = self._scanned(some, factors, reading, wide)
            scores[place], rows[place] = refinement.rescore(factors, some, found, k, positions, n_threads)
        return ScoreResult(scores, rows)

    def _at_most_all(self, n_rows: int) -> int:
        return as_count(n_rows, len(self.parts), self.allowed)


def _as_oversample(oversample: Any) -> Oversample:
    if isinstance(oversample, str) and oversample != "auto":
        raise ValueError(f'oversample={oversample!r}; expected an integer of at least 1, None or "auto"')
    return oversample if oversample is None or oversample == "auto" else as_integer(oversample, "oversample", 1)
