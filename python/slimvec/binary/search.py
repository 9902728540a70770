"""How a binary table answers a search: which stages a query goes through."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from slimvec.binary.asymmetric import FloatQueries, as_originals, rescore, rescore_exactly, scan
from slimvec.binary.hamming import HammingIndex
from slimvec.binary.neighbours import cosines_of
from slimvec.binary.queries import Metric, QueryEncoder
from slimvec.results import ScoreResult, SearchResult, no_scores
from slimvec.validation import as_count, as_integer, as_threads, check_width
from slimvec.vectors.rows import as_rows, whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    from slimvec.binary.codes import BlockedCodes
    from slimvec.binary.encoder import Encoder
    from slimvec.binary.factors import Factors
    from slimvec.vectors.rows import Rows

SCAN_CANDIDATES = 100  # rows that a full scan hands to the originals, beyond k


@dataclass(frozen=True, eq=False)
class TableSearch:
    """One search over the parts of a table, which may lack factors."""

    table: BlockedCodes
    encoder: Encoder
    factors: Factors | None
    norm: float | None  # of the table's vectors, where it is known
    metric: Metric
    allowed: NDArray[np.bool_] | None  # a bool per row
    threads: int | None

    def __post_init__(self) -> None:
        if self.metric not in get_args(Metric):
            raise ValueError(f"metric={self.metric!r}; expected one of {get_args(Metric)}")

    def codes(self, queries: NDArray[np.uint8], k: int) -> SearchResult:
        """Search packed codes by Hamming distance."""
        mask, n_threads = self.table.pack_mask(self.allowed), as_threads(self.threads)
        return SearchResult(*self.table.search(queries, k, mask, n_threads))

    def floats(
        self, queries: Rows | ArrayLike, k: int, oversample: int | None, originals: ArrayLike | None
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
        self._check_queries(rows)
        k = as_count(k, self.table.n_codes, self.allowed)
        if k == 0:
            return no_scores(len(rows))
        oversample = None if oversample is None else as_integer(oversample, "oversample", 1)
        encoder = QueryEncoder(self.encoder, self.norm, self.metric)
        if self.encoder.of_signs:
            encoder.refuse_codes(rows, self.table)
        best: Callable[[int], ScoreResult]
        if self.factors is None:
            if self.metric == "dot" and originals is None:
                raise ValueError('metric="dot" needs the lengths of rows; expected a table with factors, or originals')
            codes, zero = encoder.encode(rows)
            best = partial(self._code_cosines, codes)
        else:
            prepared = FloatQueries.prepare(rows, encoder, self.factors)
            zero = prepared.zero
            # Distances between codes of several bits make no shortlist: every row is scored.
            shortlist = oversample if self.encoder.of_signs else None
            best = partial(self._scores, prepared, self.factors, shortlist)
        if originals is None:
            return self._in_order(best(k), zero)
        matrix = as_originals(originals, self.table.n_codes, rows.shape[1])
        candidates = best(self._at_most_all(k + SCAN_CANDIDATES if oversample is None else oversample * k))
        return self._in_order(rescore_exactly(matrix, rows, candidates.indices, k, self.metric), zero)

    def _in_order(self, found: ScoreResult, zero: NDArray[np.bool_]) -> ScoreResult:
        """Answer queries of zeros, which are as similar to one row as to another: score 0, rows in order."""
        if zero.any():
            k = found.indices.shape[1]
            found.scores[zero] = 0
            found.indices[zero] = np.arange(k) if self.allowed is None else np.flatnonzero(self.allowed)[:k]
        return found

    def _are_codes(self, rows: NDArray[Any]) -> bool:
        return rows.dtype == np.uint8 and rows.shape[1] == -(-self.table.n_bits // 8)

    def _check_queries(self, rows: NDArray[Any]) -> None:
        width, d = rows.shape[1], len(self.encoder.mean)
        if self._are_codes(rows):
            also = "; vectors of integers are searched as queries.astype(np.float32)" if width == d else ""
            what = f"queries has {width} columns of uint8, as packed codes"
            raise ValueError(f"{what}; search them by search_codes{also}")
        check_width(width, "queries", d)

    def _code_cosines(self, codes: NDArray[np.uint8], k: int) -> ScoreResult:
        distances, rows = self.codes(codes, k)
        return ScoreResult(cosines_of(distances, self.table.n_bits).astype(np.float32), rows)

    def _scores(self, queries: FloatQueries, factors: Factors, oversample: int | None, k: int) -> ScoreResult:
        n_threads = as_threads(self.threads)
        if oversample is None:
            mask = self.table.pack_mask(self.allowed)
            return scan(self.table, factors, queries, k, mask, n_threads)
        shortlist = self.codes(queries.codes, self._at_most_all(oversample * k)).indices
        return rescore(self.table, factors, queries, shortlist, k, n_threads)

    def _at_most_all(self, n_rows: int) -> int:
        return as_count(n_rows, self.table.n_codes, self.allowed)
