"""Codes of several shards that are searched and read as one: each shard is asked, and answers are merged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from slimvec.binary.codes import BLOCK_CODES, BlockedCodes
from slimvec.binary.factors import SCALE, Factors
from slimvec.keys import allowed_rows
from slimvec.results import offsets_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from slimvec.binary.asymmetric import FloatQueries
    from slimvec.shards.asking import Asks, Question


class ShardedMask(NamedTuple):
    """Which rows of each shard may be found, as kernels take it, and how many these are."""

    packed: list[NDArray[np.uint8] | None]
    counts: list[int]


@dataclass(frozen=True, eq=False)
class Spans:
    """Where the rows of each shard lie among all rows.

    Attributes
    ----------
    starts : ndarray, shape (n_shards + 1,), int64
    """

    starts: NDArray[np.int64]

    def owners(self, rows: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.intp], NDArray[np.int64]]]:
        """Yield, for each shard that holds some of ``rows (m,)``: its number, their places there, its own rows."""
        found = np.searchsorted(self.starts, rows, "right") - 1
        for shard in np.unique(found).tolist():
            places = np.flatnonzero(found == shard)
            yield shard, places, rows[places] - self.starts[shard]

    def take(
        self, rows: NDArray[np.int64], shape: tuple[int, ...], dtype: Any, of: Callable[[int, NDArray[np.int64]], Any]
    ) -> NDArray[Any]:
        """Return what ``of(shard, its rows)`` gives for rows, each ``shape``, in their order."""
        made = np.empty((len(rows), *shape), dtype)
        for shard, places, own in self.owners(rows):
            made[places] = of(shard, own)
        return made

    def shortlists(self, rows: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.intp], NDArray[np.int64]]]:
        """Split shortlists ``(n_queries, m)``: number of a shard, columns to take of each, its own rows or -1."""
        for shard, (start, end) in enumerate(zip(self.starts[:-1].tolist(), self.starts[1:].tolist(), strict=True)):
            own = (rows >= start) & (rows < end)
            most = int(own.sum(axis=1).max(initial=0))
            if most == 0:
                continue
            columns = np.argsort(~own, axis=1, kind="stable")[:, :most]
            taken = np.take_along_axis(rows, columns, axis=1) - start
            yield shard, columns, np.where(np.take_along_axis(own, columns, axis=1), taken, -1)


def best_of(
    found: Sequence[tuple[NDArray[Any], NDArray[np.int64], int]], k: int, n_queries: int, dtype: Any, sign: int
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Merge what shards found, ``(values, rows, first row)`` in the order of rows: the k best, ties by row.

    ``sign`` is 1 where small values are best and -1 where large ones are; a row of -1 stands for none.
    """
    if not found:
        shape = n_queries, 0 if n_queries else k
        return np.empty(shape, dtype), np.empty(shape, np.int64)
    values = np.hstack([own for own, _, _ in found])
    rows = np.hstack([np.where(own >= 0, own + start, -1) for _, own, start in found])
    missing = rows < 0
    # Of each shard values are in order, and shards are in the order of rows: a stable sort keeps ties by row.
    keys = np.where(missing, np.inf, sign * values.astype(np.float64))
    order = np.argsort(keys, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(values, order, axis=1), np.take_along_axis(rows, order, axis=1)


@dataclass(frozen=True, eq=False)
class ShardedFactors(Factors):
    """Factors of several shards; ``values`` are those of the first, all of which have as many.

    Attributes
    ----------
    of_shards : list of Factors
    spans : Spans
    """

    of_shards: list[Factors]
    spans: Spans

    def scales(self, rows: NDArray[np.int64], shrunk: bool = True) -> NDArray[np.float32]:
        """Return ρ s of ``rows``, with ρ of all shards together."""

        def halves(shard: int, own: NDArray[np.int64]) -> NDArray[np.float16]:
            found: NDArray[np.float16] = self.of_shards[shard].values[own // BLOCK_CODES, SCALE, own % BLOCK_CODES]
            return found

        unit = self.norm * self.shrinkage if shrunk else self.norm
        scales = self.spans.take(rows, (), np.float16, halves).astype(np.float32) * np.float32(unit)
        return np.asarray(scales, np.float32)


@dataclass(frozen=True, eq=False)
class ShardedCodes:
    """Codes of several shards, with the calls of :class:`slimvec.binary.codes.BlockedCodes`.

    Attributes
    ----------
    shards : list of BlockedCodes
    spans : Spans
    asks : Asks
        Who searches them.
    """

    shards: list[BlockedCodes]
    spans: Spans
    asks: Asks

    @property
    def n_codes(self) -> int:
        """Of all shards."""
        return int(self.spans.starts[-1])

    @property
    def n_bits(self) -> int:
        """Bits of a code."""
        return self.shards[0].n_bits

    def pack_mask(self, mask: Any) -> ShardedMask | None:
        """Return a mask for each shard."""
        if mask is None:
            return None
        allowed = np.split(allowed_rows(mask, "mask", self.n_codes, "code"), self.spans.starts[1:-1])
        packed = [shard.pack_mask(own) for shard, own in zip(self.shards, allowed, strict=True)]
        return ShardedMask(packed, [int(np.count_nonzero(own)) for own in allowed])

    def _each(self, mask: ShardedMask | None) -> Iterator[tuple[int, NDArray[np.uint8] | None, int]]:
        """Yield number, mask and number of rows that may be found of each shard that has any."""
        for number, shard in enumerate(self.shards):
            count = shard.n_codes if mask is None else mask.counts[number]
            if count:
                yield number, None if mask is None else mask.packed[number], count

    def search(
        self, queries: NDArray[np.uint8], k: int, mask: ShardedMask | None, n_threads: int
    ) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Return distances and rows of the k nearest allowed codes of each packed query."""
        each = list(self._each(mask))
        questions = ((number, "search", (queries, min(k, count), own, n_threads)) for number, own, count in each)
        return best_of(self._found(questions, each), k, len(queries), np.int32, 1)

    def range_search(
        self, queries: NDArray[np.uint8], radius: int, mask: ShardedMask | None, n_threads: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int64]]:
        """Return offsets, distances and rows of all allowed codes within ``radius`` of each packed query."""
        each = list(self._each(mask))
        questions = ((number, "range_search", (queries, radius, own, n_threads)) for number, own, _ in each)
        return self._all_found(questions, each, len(queries), np.int32, 1)

    def scan_above(
        self,
        factors: ShardedFactors,  # noqa: ARG002
        queries: FloatQueries,
        limits: NDArray[np.float32],
        mask: ShardedMask | None,
        n_threads: int,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
        """Return offsets, scores and rows of all allowed codes that score above the limit of each query."""
        each = list(self._each(mask))
        questions = ((number, "scan_above", (queries, limits, own, n_threads)) for number, own, _ in each)
        return self._all_found(questions, each, len(limits), np.float32, -1)

    def _all_found(
        self, questions: Iterator[Question], each: list[Any], n_queries: int, dtype: Any, sign: int
    ) -> tuple[NDArray[np.int64], NDArray[Any], NDArray[np.int64]]:
        """Merge answers of ``(offsets, values, rows)``: small values first if ``sign`` is 1, large ones if it is -1."""
        asked, values, rows = [np.empty(0, np.int64)], [np.empty(0, dtype)], [np.empty(0, np.int64)]
        for (number, *_), (offsets, own, found) in zip(each, self.asks.answers(questions), strict=True):
            asked.append(np.repeat(np.arange(n_queries), np.diff(offsets)))
            values.append(own)
            rows.append(found + self.spans.starts[number])
        query, value, row = np.concatenate(asked), np.concatenate(values), np.concatenate(rows)
        order = np.lexsort((row, sign * value, query))
        return offsets_of(np.bincount(query, minlength=n_queries)), value[order], row[order]

    def scan(
        self,
        factors: ShardedFactors,  # noqa: ARG002 - each shard has its own
        queries: FloatQueries,
        k: int,
        mask: ShardedMask | None,
        n_threads: int,
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return scores and rows of the k allowed codes of the highest score."""
        each = list(self._each(mask))
        questions = ((number, "scan", (queries, min(k, count), own, n_threads)) for number, own, count in each)
        return best_of(self._found(questions, each), k, len(queries.values), np.float32, -1)

    def rescore(
        self,
        factors: ShardedFactors,  # noqa: ARG002
        queries: FloatQueries,
        shortlist: NDArray[np.int64],
        k: int,
        n_threads: int,
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return :meth:`scan` among ``shortlist (n_queries, m)``."""
        each = list(self.spans.shortlists(shortlist))
        questions = (
            (number, "rescore", (queries, np.ascontiguousarray(own), min(k, own.shape[1]), n_threads))
            for number, _, own in each
        )
        return best_of(self._found(questions, each), k, len(queries.values), np.float32, -1)

    def _found(self, questions: Iterator[Question], each: list[Any]) -> list[tuple[Any, Any, int]]:
        """Return answers of ``(values, rows)``, and the first row of each shard asked."""
        answers = self.asks.answers(questions)
        return [(*made, int(self.spans.starts[one[0]])) for one, made in zip(each, answers, strict=True)]

    def read(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the packed codes of ``rows``."""
        return self.spans.take(rows, (-(-self.n_bits // 8),), np.uint8, lambda shard, own: self.shards[shard].read(own))

    def lookup(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the codes of ``rows`` as -1 / +1."""
        return self.spans.take(rows, (self.n_bits,), np.float32, lambda shard, own: self.shards[shard].lookup(own))

    def bag_mean(self, rows: NDArray[np.int64], offsets: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the mean -1 / +1 code of each bag."""
        used, places = np.unique(rows, return_inverse=True)
        return BlockedCodes.from_rows(self.read(used), self.n_bits).bag_mean(places.astype(np.int64), offsets)

    def pairwise(self, queries: NDArray[np.uint8], n_threads: int) -> NDArray[np.int32]:
        """Return the Hamming distances of packed queries to every code."""
        return np.hstack([shard.pairwise(queries, n_threads) for shard in self.shards])
