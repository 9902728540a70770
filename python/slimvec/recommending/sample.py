"""A sample of rows to learn from, and rows that ask, with their nearest others among all that there are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.binary.factors import UNIT_TOLERANCE
from slimvec.binary.methods.transform_coding import VARIES, TransformCoding
from slimvec.binary.true_neighbours import SAME, NearestRows
from slimvec.norms import WideRows
from slimvec.progress import ignore
from slimvec.recommending.choices import Shape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from slimvec.progress import Progress
    from slimvec.vectors.rows import Rows

SAMPLE_ROWS = 20_000
LOOKED_AT = 1_000_000  # rows, of more, among which neighbours are looked for: 15 seconds
NEAR, LEAST_NEAR = 4, 32  # times as many rows as are asked for, and rows: what codes find lies among them
ENCODED = 40_000  # of all that are near to one that asks
ROWS_PER_QUERY = 5  # of few rows, so many for each that asks
GROUPS = 10  # of queries: what differs between them tells the error
LEAST_ROWS, LEAST_PER_NEIGHBOUR = 200, 12
MOST_NEIGHBOURS = 200
SEED = 0


@dataclass(frozen=True, eq=False)
class Sample:
    """What codes are tried on.

    Attributes
    ----------
    base : ndarray, shape (m, d)
        Rows to learn from.
    queries : ndarray, shape (q, d)
        None of these.
    near : ndarray, shape (u, d)
        All rows that are near to a query.
    places : ndarray, shape (q, w), int64
        Which of them are the nearest of each query, nearest first.
    cosines : ndarray, shape (q, w), float32
        Theirs.
    n_rows, n_seen : int
        How many rows there are, and among how many of them those were looked for.
    k : int
        Neighbours that are asked for.
    """

    base: NDArray[Any]
    queries: NDArray[Any]
    near: NDArray[Any]
    places: NDArray[np.int64]
    cosines: NDArray[np.float32]
    n_rows: int
    n_seen: int
    k: int

    @classmethod
    def of(cls, rows: Rows, k: int, progress: Progress) -> Sample:
        """Draw rows at random, and look for the nearest of some.

        Raises
        ------
        ValueError
            If there are too few, or too many neighbours are asked for.
        """
        n = len(rows)
        if k > MOST_NEIGHBOURS:
            raise ValueError(f"k={k}; expected at most {MOST_NEIGHBOURS}, of which recall can be measured")
        least = max(LEAST_ROWS, LEAST_PER_NEIGHBOUR * k)
        if n < least:
            raise ValueError(
                f"source has {n} rows; expected at least {least} to measure the recall of {k} neighbours. n_bits= and "
                "refine_bits= of Index.build choose codes for fewer"
            )
        generator = np.random.default_rng(SEED)
        seen = None if n <= LOOKED_AT else np.sort(generator.choice(n, LOOKED_AT, replace=False))
        n_seen = n if seen is None else len(seen)
        width = max(LEAST_NEAR, NEAR * k)
        n_queries = min(ENCODED // width, n_seen // ROWS_PER_QUERY)
        drawn = generator.choice(n_seen, min(n_seen, SAMPLE_ROWS + n_queries), replace=False)
        asking = np.sort(drawn[:n_queries])
        queries = _picked(rows, seen, asking)
        base = _picked(rows, seen, np.sort(drawn[n_queries:]))
        nearest = NearestRows(asking, queries, width)
        first = 0
        for block in _some(rows, seen):
            nearest.update(first, block)
            first += len(block)
            progress("looking for neighbours", first, n_seen)
        numbers, cosines = nearest.best(width)
        wanted, places = np.unique(numbers, return_inverse=True)
        near = _picked(rows, seen, wanted)
        return cls(base, queries, near, places.reshape(numbers.shape), cosines, n, n_seen, k)

    @cached_property
    def shape(self) -> Shape:
        """What decides on the bytes of codes."""
        norms = WideRows.of(self.base, "source").norms
        n_factors = 2 if (np.abs(norms - 1) < UNIT_TOLERANCE).all() else 3
        variances = TransformCoding(1, n_iter=0, n_passes=0).fit(self.base).singular_values_ ** 2
        rank = np.count_nonzero(variances > VARIES * variances.max())
        return Shape(int(rank) or self.base.shape[1], n_factors)

    @property
    def is_all(self) -> bool:
        """Whether neighbours were looked for among all rows."""
        return self.n_seen == self.n_rows

    @cached_property
    def sizes(self) -> NDArray[np.float64]:
        """Among how many rows recall is measured: all that were looked at and, unless these are all, half of them."""
        return np.array([self.n_seen] if self.is_all else [self.n_seen, self.n_seen / 2], np.float64)

    def misses(self, order: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return which shares of the neighbours are not found, ``(n_levels, n_groups)``, by groups of queries.

        Parameters
        ----------
        order : ndarray, shape (q, w), int64
            Which of the rows near to each query codes call the nearest, the next, and so on.
        """
        levels = [self._missed(order, np.ones(len(self.near), np.bool_))]
        if not self.is_all:
            half = np.random.default_rng(SEED).random(len(self.near)) < 1 / 2
            levels.append((self._missed(order, half) + self._missed(order, ~half)) / 2)
        return np.array([[level[own].mean() for own in self.groups()] for level in levels])

    def groups(self) -> Iterator[slice]:
        """Yield which queries are of each group."""
        bounds = np.linspace(0, len(self.queries), GROUPS + 1).astype(int).tolist()
        return (slice(first, end) for first, end in pairwise(bounds))

    def _missed(self, order: NDArray[np.int64], there: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return which share each query does not find, if only some of the near rows are there.

        A row that is as near as the last true neighbour counts as one.
        """
        exact = np.where(there[self.places], self.cosines, -np.inf)
        last = -np.sort(-exact, axis=1)[:, self.k - 1]
        found = np.take_along_axis(exact, order, axis=1)
        first = np.cumsum(np.isfinite(found), axis=1) <= self.k
        hits = (first & (found >= last[:, None] - SAME) & np.isfinite(found)).sum(axis=1)
        return np.asarray(1 - hits / self.k, np.float64)


def _some(rows: Rows, seen: NDArray[np.int64] | None) -> Iterator[NDArray[Any]]:
    """Yield the blocks of rows, of those rows only that are seen: by rising numbers, None for all."""
    first = 0
    for block in rows.blocks(ignore):
        if seen is None:
            yield block
        else:
            own = seen[np.searchsorted(seen, first) : np.searchsorted(seen, first + len(block))]
            yield block[own - first]
        first += len(block)


def _picked(rows: Rows, seen: NDArray[np.int64] | None, numbers: NDArray[np.int64]) -> NDArray[Any]:
    """Return some of the rows that are seen, by their rising numbers among these."""
    picked, first = [], 0
    for block in _some(rows, seen):
        own = numbers[np.searchsorted(numbers, first) : np.searchsorted(numbers, first + len(block))]
        picked.append(block[own - first])
        first += len(block)
    return np.concatenate(picked)
