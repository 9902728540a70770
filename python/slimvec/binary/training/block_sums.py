"""Moments of many rows, added block by block in an order that the number of blocks alone decides.

Sums in float64 depend on their order. Here rows are cut where multiples of the block size lie, counted from the first
row of all, and the sums of eight blocks are added in order, those of eight such groups again in order, and so on: a
tree whose shape no worker changes. Who holds some consecutive rows adds up all groups that lie in them; the rows beside
whole blocks, and the groups that begin or end with somebody else, are handed on as they are. So the result has the same
bits for any number of workers, wherever their rows begin and end, and up to eight blocks are added one by one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from slimvec.binary.training.moments import Moments, shift_of
from slimvec.blocks import rows_per_block
from slimvec.validation import check_finite

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

FAN = 8  # sums that are added one by one; a stream keeps one sum for each level of the tree


@dataclass
class _Run:
    """Sums of one node of the tree, or of the first ones below a node, added in order.

    Attributes
    ----------
    level : int
        Of these nodes: 0 for blocks, 1 for groups of eight blocks.
    index : int
        Of the first of them.
    count : int
    sums : Moments
    """

    level: int
    index: int
    count: int
    sums: Moments


class BlockSums:
    """Moments of consecutive rows, which merge with those of the rows that follow them.

    Parameters
    ----------
    n_columns : int
        Width d of the rows.
    first_row : int
        Number of the first of them among all rows.
    shift : ndarray, shape (d,), float64, optional
        Of the first block of all (:func:`first_shift`). Needed where ``first_row`` is not 0.
    """

    def __init__(self, n_columns: int, first_row: int = 0, shift: NDArray[np.float64] | None = None) -> None:
        self.n_columns = n_columns
        self.next_row = first_row
        self._size = rows_per_block(n_columns)
        self._shift = shift
        self._before: list[NDArray[Any]] = []  # rows of a block that begins with somebody else
        self._runs: list[_Run] = []
        self._rest: list[NDArray[Any]] = []  # rows of a block that is not complete yet
        self._first_row = first_row
        self._first_block = -(-first_row // self._size)

    def update(self, rows: NDArray[Any]) -> Self:
        """Add the rows ``(m, d)`` that come next.

        Raises
        ------
        ValueError
            If they hold NaN or infinity; the message tells which of all rows does.
        """
        while len(rows):
            room = self._size - self.next_row % self._size
            piece, rows = rows[:room], rows[room:]
            is_before = self.next_row < self._first_block * self._size
            waiting = self._before if is_before else self._rest
            self.next_row += len(piece)
            waiting.append(piece)
            if len(piece) == room and not is_before:
                self._add_rest()
        return self

    def _add_rest(self) -> None:
        """Add the block that is waiting."""
        block = self._rest[0] if len(self._rest) == 1 else np.concatenate(self._rest)
        self._rest = []
        first = self.next_row - len(block)
        if self._shift is None:
            self._shift = _checked_shift(block, first)
        sums = Moments(self.n_columns, self._shift, first).update(block)
        self._push(_Run(0, first // self._size, 1, sums))

    def _push(self, node: _Run) -> None:
        """Add one node: to those before it, if it is not the first below a node, and they are here."""
        place = node.index % FAN
        last = self._runs[-1] if self._runs else None
        if (
            place == 0
            or last is None
            or (last.level, last.index, last.count) != (node.level, node.index - place, place)
        ):
            self._runs.append(node)
            return
        last.sums.merge(node.sums)
        last.count += 1
        if last.count == FAN:
            self._runs.pop()
            self._push(_Run(last.level + 1, last.index // FAN, 1, last.sums))

    def merge(self, following: BlockSums) -> Self:
        """Add the rows that come after these, which ``following`` has seen; it is of no use then."""
        if following._first_row != self.next_row:
            raise ValueError(f"sums from row {following._first_row} on do not follow those up to row {self.next_row}")
        for rows in following._before:
            self.update(rows)
        for run in following._runs:
            self._push(run)
        if following._runs:
            self.next_row = (following.next_row // self._size) * self._size
            self._shift = following._shift
        for rows in following._rest:
            self.update(rows)
        return self

    def finalize(self) -> Moments:
        """Return the moments of all rows, from row 0 on."""
        if self._rest:
            self._add_rest()
        if not self._runs:
            return Moments(self.n_columns)
        *runs, last = self._runs
        total = last.sums
        for run in reversed(runs):
            total = run.sums.merge(total)
        return total


def first_shift(blocks: Iterable[NDArray[Any]]) -> NDArray[np.float64] | None:
    """Return the shift of rows that begin with these blocks, of which no more than needed are read; None without rows.

    Raises
    ------
    ValueError
        If they hold NaN or infinity.
    """
    pieces: list[NDArray[Any]] = []
    n_rows = 0
    for block in blocks:
        size = rows_per_block(block.shape[1])
        pieces.append(block[: size - n_rows])
        n_rows += len(pieces[-1])
        if n_rows == size:
            break
    if not n_rows:
        return None
    return _checked_shift(np.concatenate(pieces), 0)


def _checked_shift(rows: NDArray[Any], first_row: int) -> NDArray[np.float64]:
    """Return the shift of the first block of all, unless it holds NaN or infinity."""
    check_finite(rows, "X", first_row)
    return shift_of(rows.astype(np.result_type(rows, np.float32), order="C"))
