"""The segments of an index, and what a search sees of them: a state that does not change while it is read."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.index.marks import Marks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slimvec.binary.parts import BinaryParts
    from slimvec.index.coder import Coder
    from slimvec.index.ids import Id, IdKind, Ids


@dataclass(frozen=True, eq=False)
class Piece:
    """A segment as a search sees it.

    Attributes
    ----------
    parts : BinaryParts
    ids : Ids
    alive : ndarray of bool, or None
        Which rows are there; None for all.
    """

    parts: BinaryParts
    ids: Ids
    alive: NDArray[np.bool_] | None

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
    """

    parts: BinaryParts
    ids: Ids
    marks: Marks = None  # type: ignore[assignment]
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
            self._piece = Piece(self.parts, self.ids, None if alive is None else alive.copy())
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

    def copy(self) -> Segment:
        """Return the same rows with marks of their own."""
        return Segment(self.parts, self.ids, self.marks.copy())


@dataclass(frozen=True, eq=False)
class View:
    """All segments at one moment. Rows have positions: those of a segment follow those of the segments before it.

    Attributes
    ----------
    pieces : tuple of Piece
    coder : Coder
    kind : {"integers", "texts"}
        Of the ids.
    """

    pieces: tuple[Piece, ...]
    coder: Coder
    kind: IdKind

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """Position of the first row of each piece, and of what would come next."""
        return np.cumsum([0, *(len(piece.parts) for piece in self.pieces)])

    @cached_property
    def n_alive(self) -> int:
        """How many rows there are, without removed ones."""
        return sum(piece.n_alive for piece in self.pieces)

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
        owners = np.searchsorted(self.starts, positions, "right") - 1
        for number in np.unique(owners).tolist():
            places = np.flatnonzero(owners == number)
            names = self.pieces[number].ids.at(positions[places] - self.starts[number])
            for place, name in zip(places.tolist(), names, strict=True):
                found[place] = name
        return found
