"""Rows in a second list each: codes of what its centroid leaves, by which a search finds a row in either list.

The second list is chosen so that its error goes another way than the error of the first (SOAR): what a query finds hard
to see in one list it then sees in the other. Whatever list a row is found in, it is scored by the code in its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np

from slimvec.binary.codes import BlockedCodes, check_padding
from slimvec.binary.partition import each_once, starts_from
from slimvec.errors import FormatError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slimvec.binary.factors import Factors
    from slimvec.binary.list_centroids import ListCentroids
    from slimvec.binary.partition import Partition
    from slimvec.binary.parts import BinaryParts
    from slimvec.files.table_file import Content


@dataclass(frozen=True, eq=False)
class Spilled:
    """The codes of rows in their second lists.

    Attributes
    ----------
    codes : BlockedCodes
        One for each row, list by list.
    factors : ndarray, shape (ceil(n / 16), 2 or 3, 16), float16
        See :class:`Factors`.
    starts : ndarray, shape (n_lists + 1,), int64
        As of a :class:`Partition`.
    positions : ndarray, shape (n,), uint32
        Where the row of each code lies in its own list.
    """

    codes: BlockedCodes
    factors: NDArray[np.float16]
    starts: NDArray[np.int64]
    positions: NDArray[np.uint32]

    @property
    def bits(self) -> int:
        """Stored bits of each code, with its factors and position."""
        return self.codes.n_bits + 16 * int(self.factors.shape[1]) + 8 * self.positions.itemsize

    def facts(self) -> dict[str, Any]:
        """Return what the header of a file says of it."""
        return {"spilled": {}}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what a file holds of it, by name."""
        return self.of_rows()

    def of_rows(self) -> dict[str, NDArray[Any]]:
        """Return the same: all of it is about rows."""
        lists: dict[str, NDArray[Any]] = {"spilled.starts": self.starts, "spilled.positions": self.positions}
        codes: dict[str, NDArray[Any]] = {"spilled.codes": self.codes.blocks, "spilled.factors": self.factors}
        return codes | lists

    def lists(self, partition: Partition, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the second list of each of ``rows``."""
        return self._list_at[partition.positions[rows]]

    @cached_property
    def _list_at(self) -> NDArray[np.int64]:
        """The second list of the row at each position."""
        lists = np.empty(len(self.positions), np.int64)
        lists[self.distinct_positions] = np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))
        return lists

    def for_core(self, encoder: ListCentroids) -> tuple[Any, ...]:
        """Return what the core takes of it."""
        own = self.codes.blocks, self.codes.n_codes, self.known_factors.view(np.uint16)
        return *own, self.starts, self.distinct_positions, encoder.rounded

    @cached_property
    def known_factors(self) -> NDArray[np.float16]:
        """The factors, for whatever scores by them: FormatError unless all are numbers."""
        if not np.isfinite(self.factors).all():
            raise FormatError("tensor 'spilled.factors' holds what are no numbers: damaged")
        return self.factors

    @cached_property
    def distinct_positions(self) -> NDArray[np.uint32]:
        """The positions, for whatever looks up rows by them: FormatError unless each is there once.

        Those of a mapped file are looked at before its first search of some lists.
        """
        return each_once(self.positions, "spilled.positions")

    @classmethod
    def from_content(cls, content: Content, parts: BinaryParts) -> Self:
        """Return what is spilled of a file's content, mapped, beside the parts of its table."""
        codes, partition = BlockedCodes.from_content(content, "spilled.codes"), cast("Partition", parts.partition)
        values = content.tensor("spilled.factors", np.float16, cast("Factors", parts.factors).values.shape)
        starts = starts_from(content, "spilled.starts", len(parts), partition.n_lists)
        positions = content.tensor("spilled.positions", np.uint32, partition.rows.shape)
        spilled = cls(codes, values, starts, positions)
        if content.thorough:
            check_padding(values, codes.n_codes, "spilled.factors")
            _ = spilled.known_factors, spilled.distinct_positions  # which look at all of them
        return spilled
