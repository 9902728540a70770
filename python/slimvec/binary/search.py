"""How a binary table answers a search: which stages a query goes through."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, get_args

from slimvec.binary.asymmetric import FloatQueries, Metric, as_originals, rescore, rescore_exactly, scan
from slimvec.binary.hamming import HammingIndex
from slimvec.validation import as_integer, as_matrix, as_threads

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from slimvec.binary.codes import BlockedCodes
    from slimvec.binary.encoder import Encoder
    from slimvec.binary.factors import Factors
    from slimvec.results import ScoreResult, SearchResult
    from slimvec.vectors import Vectors

SCAN_CANDIDATES = 100  # rows that a full scan hands to the originals, beyond k


@dataclass(frozen=True, eq=False)
class TableSearch:
    """One search over the parts of a table, which may lack an encoder or factors."""

    table: BlockedCodes
    encoder: Encoder | None
    factors: Factors | None
    metric: Metric
    mask: ArrayLike | None
    threads: int | None

    def __post_init__(self) -> None:
        if self.metric not in get_args(Metric):
            raise ValueError(f"metric={self.metric!r}; expected one of {get_args(Metric)}")

    def codes(self, queries: NDArray[np.uint8], k: int) -> SearchResult:
        """Search packed codes by Hamming distance."""
        return HammingIndex.from_blocks(self.table).search(queries, k, self.threads, self.mask)

    def floats(
        self, queries: ArrayLike | Vectors, k: int, oversample: int | None, originals: ArrayLike | None
    ) -> SearchResult | ScoreResult:
        """Search float vectors by as many stages as the table and the originals allow."""
        if self.encoder is None:
            raise ValueError("queries: this table has no encoder (mean and projection), so it takes packed codes only")
        rows = as_matrix(queries, "queries", len(self.encoder.mean))
        k = as_integer(k, "k", 1, self.table.n_codes, why=", the number of codes")
        oversample = None if oversample is None else as_integer(oversample, "oversample", 1)
        best: Callable[[int], SearchResult | ScoreResult]
        if self.factors is None:
            best = partial(self.codes, self.encoder.encode(rows, "queries"))
        else:
            prepared = FloatQueries.prepare(rows, self.encoder, self.factors, self.metric)
            best = partial(self._scores, prepared, self.factors, oversample)
        if originals is None:
            return best(k)
        matrix = as_originals(originals, self.table.n_codes, rows.shape[1])
        candidates = best(self._at_most_all(k + SCAN_CANDIDATES if oversample is None else oversample * k))
        return rescore_exactly(matrix, rows, candidates.indices, k, self.metric)

    def _scores(self, queries: FloatQueries, factors: Factors, oversample: int | None, k: int) -> ScoreResult:
        n_threads = as_threads(self.threads)
        if oversample is None:
            mask = None if self.mask is None else self.table.pack_mask(self.mask)
            return scan(self.table, factors, queries, k, self.metric, mask, n_threads)
        shortlist = self.codes(queries.codes, self._at_most_all(oversample * k)).indices
        return rescore(self.table, factors, queries, shortlist, k, self.metric, n_threads)

    def _at_most_all(self, n_rows: int) -> int:
        return min(n_rows, self.table.n_codes)
