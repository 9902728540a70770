"""One setting of codes, tried on a sample: how many neighbours it misses, and how long it takes."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.binary.asymmetric import FloatQueries, rescore
from slimvec.binary.codes import BLOCK_CODES
from slimvec.binary.methods.transform_coding import TransformCoding
from slimvec.binary.queries import QueryEncoder
from slimvec.binary.table import BinaryTable
from slimvec.validation import as_threads

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from slimvec.binary.parts import BinaryParts
    from slimvec.recommending.choices import Choice
    from slimvec.recommending.sample import Sample

ALONE, BATCH, TURNS = 20, 200, 3  # queries that are timed one by one, and together, so often
FEWER = 8  # times: rows of a smaller table, which tells what a search costs whatever it goes over


@dataclass(frozen=True, eq=False)
class Timing:
    """Milliseconds of searches, by how many rows they go over.

    Attributes
    ----------
    rows : tuple of int
        Two numbers of rows.
    alone, batch : tuple of float
        Of one query that comes alone, and of one in a batch, for these.
    """

    rows: tuple[int, int]
    alone: tuple[float, float]
    batch: tuple[float, float]

    def at(self, n: float) -> tuple[float, float]:
        """Return both for n rows: what a search costs whatever it goes over, and what every row adds."""
        few, many = self.rows
        made = []
        for short, long in (self.alone, self.batch):
            per_row = (long - short) / (many - few) if many > few else long / many
            per_row = min(max(per_row, 0.0), long / many)  # the rest is noise
            made.append(long + per_row * (n - many))
        return made[0], made[1]


@dataclass(frozen=True, eq=False)
class Trial:
    """What a choice of codes does on a sample.

    Attributes
    ----------
    choice : Choice
    misses : ndarray, shape (n_levels, n_groups)
        Which share of the neighbours was not found, among so many rows as the sample tells, by groups of queries.
    timing : Timing
    """

    choice: Choice
    misses: NDArray[np.float64]
    timing: Timing

    @classmethod
    def of(cls, sample: Sample, choice: Choice) -> Trial:
        """Learn codes from the sample, and order what is near to each query by them.

        Rows that are not near are left out: codes that take one of them for a neighbour miss more than anyone asks for.
        """
        coding = TransformCoding(choice.n_bits, refine_bits=choice.refine_bits).fit(sample.base)
        parts = coding.to_table(sample.near)._parts
        misses = sample.misses(_order(parts, sample))
        few = len(parts) // FEWER // BLOCK_CODES * BLOCK_CODES
        tables = [BinaryTable.from_parts(parts.part(0, few)), BinaryTable.from_parts(parts)]
        (alone_few, few_ms), (alone, ms) = (timed(partial(table.search, k=sample.k), sample) for table in tables)
        return cls(choice, misses, Timing((few, len(parts)), (alone_few, alone), (few_ms, ms)))


def timed(search: Callable[[NDArray[Any]], object], sample: Sample) -> tuple[float, float]:
    """Return the milliseconds that a search takes for one query, and for one of many.

    The least of several times: what is slower was waiting for others, which numbers of rows would multiply.
    """

    def seconds(queries: NDArray[Any]) -> float:
        start = time.perf_counter()
        search(queries)
        return time.perf_counter() - start

    batch = sample.queries[:BATCH]
    took = [seconds(query) for query in sample.queries[:ALONE, None]]
    together = [seconds(batch) for _ in range(TURNS)]
    return 1e3 * min(took), 1e3 * min(together) / len(batch)


def _order(parts: BinaryParts, sample: Sample) -> NDArray[np.int64]:
    """Return the order in which codes put the rows near to each query, ``(q, w)``."""
    assert parts.encoder is not None and parts.factors is not None  # noqa: S101, PT018
    encoder, n_threads = QueryEncoder(parts.encoder, parts.norm, "cosine"), as_threads(None)
    refinement = parts.refinement
    refiner = None if refinement is None else refinement.refiner
    queries = FloatQueries.prepare(sample.queries, encoder, parts.factors, refiner)
    shortlist, width = np.ascontiguousarray(sample.places), sample.places.shape[1]
    found = rescore(parts.codes, parts.factors, queries, shortlist, width, n_threads)
    if refinement is not None:
        found = refinement.rescore(parts.factors, queries, found, width, None, n_threads)
    by_place, ordered = np.argsort(sample.places, axis=1), np.empty_like(sample.places)
    for query, (own, places) in enumerate(zip(by_place, sample.places, strict=True)):
        ordered[query] = own[np.searchsorted(places[own], found.indices[query])]
    return ordered
