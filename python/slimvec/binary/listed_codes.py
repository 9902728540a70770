"""Codes that lie list by list, asked as if they lay row by row."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import numpy as np

from slimvec import _core, isa
from slimvec.binary.codes import BlockedCodes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slimvec.binary.asymmetric import FloatQueries
    from slimvec.binary.factors import Factors
    from slimvec.binary.partition import Partition


@dataclass(frozen=True, eq=False)
class ListedCodes(BlockedCodes):
    """Codes whose rows are those of a partition: what users number, what masks allow, what ties are broken by.

    Attributes
    ----------
    partition : Partition
    """

    partition: Partition = field(kw_only=True)

    @classmethod
    def over(cls, codes: BlockedCodes, partition: Partition) -> Self:
        """Return codes by their rows; nothing is copied."""
        return cls(codes.blocks, codes.n_codes, codes.n_bits, codes.is_checked, partition=partition)

    def read(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the packed codes of ``rows``, ``(len(rows), ceil(n_bits / 8))``."""
        return super().read(self._places(rows))

    def lookup(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the codes of ``rows`` as -1 / +1, ``(len(rows), n_bits)``."""
        return super().lookup(self._places(rows))

    def bag_mean(self, rows: NDArray[np.int64], offsets: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the mean -1 / +1 code of each bag ``rows[offsets[b]:offsets[b + 1]]``, ``(n_bags, n_bits)``."""
        return super().bag_mean(self._places(rows), offsets)

    def search(
        self, queries: NDArray[np.uint8], k: int, mask: NDArray[np.uint8] | None, n_threads: int
    ) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Return distances and rows of the k nearest allowed codes of each packed query, both ``(n_queries, k)``."""
        own = isa.current(), self.comparable, self.n_codes, self.n_bits
        rows = self.partition.distinct_rows
        return _core.hamming_search(*own, queries, k, self._by_place(mask), n_threads, rows)

    def range_search(
        self, queries: NDArray[np.uint8], radius: int, mask: NDArray[np.uint8] | None, n_threads: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int64]]:
        """Return offsets, distances and rows of all allowed codes within ``radius`` of each packed query."""
        own = isa.current(), self.comparable, self.n_codes, self.n_bits
        rows = self.partition.distinct_rows
        return _core.hamming_range_search(*own, queries, radius, self._by_place(mask), n_threads, rows)

    def rescore(
        self, factors: Factors, queries: FloatQueries, shortlist: NDArray[np.int64], k: int, n_threads: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return scores and rows of the k best of ``shortlist (n_queries, m)``, where -1 stands for none."""
        places = np.where(shortlist < 0, -1, self._places(shortlist))
        asked = queries.values, queries.units, queries.offsets
        rows = self.partition.distinct_rows
        return _core.asymmetric_rescore(*self.scored_by(factors, queries, places, *asked, k, n_threads, rows))

    def pairwise(self, queries: NDArray[np.uint8], n_threads: int) -> NDArray[np.int32]:
        """Return the Hamming distances of packed queries to every code, ``(n_queries, n_codes)``."""
        return super().pairwise(queries, n_threads)[:, self.partition.positions]

    def distances(self, queries: NDArray[np.uint8], rows: NDArray[np.int64]) -> NDArray[np.int32]:
        """Return the Hamming distances of packed queries to ``rows (n_queries, m)``, in the shape of ``rows``."""
        return super().distances(queries, self._places(rows))

    def _places(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        return self.partition.positions[rows]

    def _by_place(self, mask: NDArray[np.uint8] | None) -> NDArray[np.uint8] | None:
        """Return a packed mask of rows as one of where they lie."""
        if mask is None:
            return None
        allowed = np.unpackbits(mask, count=self.n_codes, bitorder="little")[self.partition.distinct_rows]
        packed = np.packbits(allowed, bitorder="little")
        return np.pad(packed, (0, len(mask) - len(packed)))
