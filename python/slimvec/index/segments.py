"""The segments of an index, and what a search sees of them: a state that does not change while it is read."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.index.marks import Marks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from slimvec.binary.parts import BinaryParts
    from slimvec.index.coder import Coder
    from slimvec.index.ids import Id, IdKind, Ids
    from slimvec.index.kept_columns import KeptColumns
    from slimvec.index.kept_values import ColumnKinds


@dataclass(frozen=True, eq=False)
class Piece:
    """A segment as a search sees it.

    Attributes
    ----------
    parts : BinaryParts
    ids : Ids
    alive : ndarray of bool, or None
        Which rows are there; None for all.
    columns : KeptColumns, optional
    """

    parts: BinaryParts
    ids: Ids
    alive: NDArray[np.bool_] | None
    columns: KeptColumns | None = None

    @cached_property
    def n_alive(self) -> int:
        """How many rows are there."""
        return len(self.parts) if self.alive is None else int(np.count_nonzero(self.alive))

    @cached_property
    def mask(self) -> NDArray[np.uint8] | None:
        """Which rows are there, as kernels take it."""
        return self.parts.codes.pack_mask(self.alive)

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """The rows that are there."""
        return np.arange(len(self.parts)) if self.alive is None else np.flatnonzero(self.alive)

    def find_many(self, wanted: NDArray[Any]) -> NDArray[np.int64]:
        """Return the row of each id that is there, or -1."""
        rows = self.ids.find_many(wanted)
        if self.alive is not None:
            known = np.flatnonzero(rows >= 0)
            rows[known[~self.alive[rows[known]]]] = -1
        return rows


@dataclass(eq=False)
class Segment:
    """Rows that were added together: they never change, but some may be marked as removed.

    Attributes
    ----------
    parts : BinaryParts
    ids : Ids
    marks : Marks
        The writer's own; none to begin with.
    columns : KeptColumns, optional
    """

    parts: BinaryParts
    ids: Ids
    marks: Marks = None  # type: ignore[assignment]
    columns: KeptColumns | None = None
    _piece: Piece | None = None

    def __post_init__(self) -> None:
        if self.marks is None:
            self.marks = Marks(len(self.parts))

    def __len__(self) -> int:
        return len(self.parts)

    @property
    def piece(self) -> Piece:
        """What a search sees from now on: a copy of the marks, made again only when they have changed."""
        if self._piece is None:
            alive = self.marks.alive
            self._piece = Piece(self.parts, self.ids, None if alive is None else alive.copy(), self.columns)
        return self._piece

    def find(self, wanted: Id) -> int:
        """Return the row of an id that is there, or -1."""
        row = self.ids.find(wanted)
        return row if row < 0 or self.marks.is_alive(row) else -1

    def remove(self, row: int) -> None:
        """Mark one row as removed."""
        self.marks.remove(row)
        self._piece = None

    def remove_many(self, rows: NDArray[np.int64]) -> None:
        """Mark rows as removed."""
        self.marks.remove_many(rows)
        self._piece = None

    def restore(self, rows: NDArray[np.int64]) -> None:
        """Take back the marks of rows."""
        self.marks.restore(rows)
        self._piece = None

    def copy(self) -> Segment:
        """Return the same rows with marks of their own."""
        return Segment(self.parts, self.ids, self.marks.copy(), self.columns)


@dataclass(frozen=True, eq=False)
class View:
    """All segments at one moment. Rows have positions: those of a segment follow those of the segments before it.

    Attributes
    ----------
    pieces : tuple of Piece
    coder : Coder
    kind : {"integers", "texts"}
        Of the ids.
    columns : dict of str to str or None, or None
        Names of kept columns and kinds of their values.
    """

    pieces: tuple[Piece, ...]
    coder: Coder
    kind: IdKind
    columns: ColumnKinds | None = None

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """Position of the first row of each piece, and of what would come next."""
        return np.cumsum([0, *(len(piece.parts) for piece in self.pieces)])

    @cached_property
    def n_alive(self) -> int:
        """How many rows there are, without removed ones."""
        return sum(piece.n_alive for piece in self.pieces)

    @property
    def n_measured(self) -> int:
        """How many rows there were when the recall of lists was measured; of an older file, so many as it holds."""
        fitted = self.coder.fitted
        return int(self.starts[-1]) if fitted is None else fitted.n_rows

    def ids(self) -> NDArray[Any]:
        """Return all ids, in the order of rows."""
        own = [piece.ids.values if piece.alive is None else piece.ids.values[piece.rows] for piece in self.pieces]
        return own[0] if len(own) == 1 else np.concatenate(own)

    def places(self, wanted: NDArray[Any]) -> NDArray[np.int64]:
        """Return the position of each id, or -1."""
        positions = np.full(len(wanted), -1, np.int64)
        for start, piece in zip(self.starts[:-1], self.pieces, strict=True):
            left = np.flatnonzero(positions < 0)
            if not len(left):
                break
            rows = piece.find_many(wanted[left])
            positions[left[rows >= 0]] = rows[rows >= 0] + start
        return positions

    def ids_at(self, positions: NDArray[np.int64]) -> list[Id]:
        """Return the ids of rows by position."""
        if len(self.pieces) == 1:
            return self.pieces[0].ids.at(positions)
        found: list[Id] = [0] * len(positions)
        for piece, places, rows in self._owners(positions):
            for place, name in zip(places.tolist(), piece.ids.at(rows), strict=True):
                found[place] = name
        return found

    def columns_at(self, positions: NDArray[np.int64]) -> dict[str, list[Any]]:
        """Return the values of kept columns of rows by position."""
        kinds = self.columns or {}
        found: dict[str, list[Any]] = {name: [None] * len(positions) for name in kinds}
        for piece, places, rows in self._owners(positions) if kinds else ():
            assert piece.columns is not None  # noqa: S101
            for name, values in piece.columns.at(rows, kinds).items():
                for place, value in zip(places.tolist(), values, strict=True):
                    found[name][place] = value
        return found

    def _owners(self, positions: NDArray[np.int64]) -> Iterator[tuple[Piece, NDArray[np.int64], NDArray[np.int64]]]:
        """Yield each piece that has some of the positions, their places among all, and their rows."""
        owners = np.searchsorted(self.starts, positions, "right") - 1
        for number in np.unique(owners).tolist():
            places = np.flatnonzero(owners == number)
            yield self.pieces[number], places, positions[places] - self.starts[number]
