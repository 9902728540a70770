"""Lists of near rows, of which a search reads some: an inverted file over the codes of a table.

Codes and factors lie list by list, each at its *position*; everything else goes on meaning rows as users number them.
A file keeps which row is at each position, which searches need; the inverse, for lookups, is made when first asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from slimvec.binary.calibration import Calibration
from slimvec.errors import FormatError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slimvec.files.table_file import Content


@dataclass(frozen=True, eq=False)
class Partition:
    """Which rows are in which list.

    Attributes
    ----------
    starts : ndarray, shape (n_lists + 1,), int64
        List l holds the positions ``starts[l]`` to ``starts[l + 1]``.
    rows : ndarray, shape (n,), uint32
        The row at each position; rising within a list.
    calibration : Calibration or None
        How many lists find how much by cosine.
    others : dict of str to Calibration
        The same by metric, of rows of many lengths: "dot" and "l2", where it was measured.
    spreads : ndarray, shape (n_lists,), float32, or None
        Root mean square distance of the rows of each list from its centroid, where lengths differ.
    """

    starts: NDArray[np.int64]
    rows: NDArray[np.uint32]
    calibration: Calibration | None = None
    others: dict[str, Calibration] = field(default_factory=dict)
    spreads: NDArray[np.float32] | None = None

    @classmethod
    def of(cls, lists: NDArray[np.integer], n_lists: int) -> Self:
        """Return the partition of rows whose lists are given, ``(n,)``."""
        starts = np.zeros(n_lists + 1, np.int64)
        np.cumsum(np.bincount(lists, minlength=n_lists), out=starts[1:])
        return cls(starts, np.argsort(lists, kind="stable").astype(np.uint32))

    @property
    def bits(self) -> int:
        """Stored bits per row."""
        return 8 * self.rows.itemsize

    @property
    def n_lists(self) -> int:
        """How many lists there are; some may be empty."""
        return len(self.starts) - 1

    @cached_property
    def distinct_rows(self) -> NDArray[np.uint32]:
        """The rows, for whatever must find none twice: FormatError unless each row of the table is there once.

        Those of a mapped file are looked at before its first search.
        """
        return each_once(self.rows, "partition.rows")

    @cached_property
    def positions(self) -> NDArray[np.int64]:
        """The position of each row, ``(n,)``."""
        positions = np.empty(len(self.rows), np.int64)
        positions[self.distinct_rows] = np.arange(len(self.rows))
        return positions

    def lists(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the list that each of ``rows`` is in."""
        return np.searchsorted(self.starts, self.positions[rows], "right") - 1

    def facts(self) -> dict[str, Any]:
        """Return what the header of a file says of it."""
        said: dict[str, Any] = {"calibration": None if self.calibration is None else self.calibration.facts()}
        if self.others:
            said["calibrations"] = {metric: other.facts() for metric, other in self.others.items()}
        return {"partition": said}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what a file holds of it, by name."""
        return self.of_rows()

    def of_rows(self) -> dict[str, NDArray[Any]]:
        """Return the same: all of it is about rows."""
        arrays: dict[str, NDArray[Any]] = {"partition.starts": self.starts, "partition.rows": self.rows}
        return arrays if self.spreads is None else arrays | {"partition.spreads": self.spreads}

    @classmethod
    def from_content(cls, content: Content, n_rows: int, n_lists: int) -> Self:
        """Return the partition of a file's content, mapped."""
        facts = content.facts["partition"]
        if not isinstance(facts, dict):
            raise FormatError(f"partition is {facts!r}; expected an object")
        starts = starts_from(content, "partition.starts", n_rows, n_lists)
        rows = content.tensor("partition.rows", np.uint32, (n_rows,))
        spreads = None
        if "partition.spreads" in content.tensors:
            spreads = content.tensor("partition.spreads", np.float32, (n_lists,))
            if not (np.isfinite(spreads).all() and spreads.min() >= 0):
                raise FormatError("tensor 'partition.spreads' holds what are no distances: damaged")
        calibration = Calibration.from_facts(facts.get("calibration"), n_lists)
        partition = cls(starts, rows, calibration, _others_from(facts.get("calibrations", {}), n_lists), spreads)
        if content.thorough:
            _ = partition.distinct_rows  # which looks at all of them
        return partition


def starts_from(content: Content, name: str, n_rows: int, n_lists: int) -> NDArray[np.int64]:
    """Return where lists of all rows start, and the last one ends."""
    starts = content.tensor(name, np.int64, (n_lists + 1,))
    if starts[0] != 0 or starts[-1] != n_rows or (starts[1:] < starts[:-1]).any():
        raise FormatError(f"tensor {name!r} does not rise from 0 to {n_rows}: damaged")
    return starts


def each_once(rows: NDArray[np.uint32], name: str) -> NDArray[np.uint32]:
    """Return the rows of a tensor, or their positions, ``(n,)``; FormatError unless each of n is there once."""
    seen = np.zeros(len(rows), np.bool_)
    if len(seen) and int(rows.max()) >= len(seen):
        raise FormatError(f"tensor {name!r} names rows that the table does not have: damaged")
    seen[rows] = True
    if not seen.all():
        raise FormatError(f"tensor {name!r} names some rows twice, and others not at all: damaged")
    return rows


def _others_from(facts: Any, n_lists: int) -> dict[str, Calibration]:
    if not isinstance(facts, dict) or not facts.keys() <= {"dot", "l2"} or None in facts.values():
        raise FormatError(f"calibrations is {facts!r}; expected an object with those of other metrics")
    read = {metric: Calibration.from_facts(of, n_lists) for metric, of in facts.items()}
    return {metric: of for metric, of in read.items() if of is not None}
