"""The rows of an index as its writer has them: segments that are added, marked, and put together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.index.fit_sums import Sums
from slimvec.index.given_ids import LARGEST, as_ids, plain, require_known
from slimvec.index.ids import Numbers, ids_of
from slimvec.index.kept_columns import KeptColumns
from slimvec.index.segments import Segment, View
from slimvec.validation import check_width

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slimvec.binary.parts import BinaryParts
    from slimvec.index.checked_rows import CheckedRows
    from slimvec.index.coder import Coder
    from slimvec.index.ids import Id, IdKind, Ids
    from slimvec.index.kept_values import ColumnKinds
    from slimvec.progress import Progress


@dataclass(eq=False)
class State:
    """What an index holds. Whoever calls what changes it holds the index's lock.

    Attributes
    ----------
    coder : Coder
    kind : {"integers", "texts"}
        Of the ids.
    segments : list of Segment
    next_number : int or None
        Of the next row, where the index numbers its rows itself; None, too, after the largest of all integers.
    n_skipped : int
        Bad rows that were left out.
    changed : bool
        Whether it is other than what was last saved or opened.
    columns : dict of str to str or None, or None
        Names of kept columns and kinds of their values.
    added : Sums or None
        Over rows that came since the codes were learnt; None if that is not known.
    seen : View or None
        What searches see, if it was asked for since the last change.
    """

    coder: Coder
    kind: IdKind
    segments: list[Segment]
    next_number: int | None
    n_skipped: int = 0
    changed: bool = True
    columns: ColumnKinds | None = None
    added: Sums | None = None
    seen: View | None = None

    def view(self) -> View:
        """Return the rows as they are now, for as long as that is needed."""
        if self.seen is None:
            self.seen = View(tuple(segment.piece for segment in self.segments), self.coder, self.kind, self.columns)
        return self.seen

    def copy(self) -> State:
        """Return the same rows, of which others can be removed."""
        return replace(self, segments=[segment.copy() for segment in self.segments], seen=None)

    def place(self, one: Id) -> tuple[Segment, int] | None:
        """Return where the row of an id is, if it is there."""
        for segment in self.segments:
            row = segment.find(one)
            if row >= 0:
                return segment, row
        return None

    def require_alike(self, rows: CheckedRows) -> None:
        """Raise an error for rows of another width, or with ids of another kind."""
        check_width(rows.dim, "source", self.coder.dim)
        if rows.has_ids and len(rows) and rows.ids.kind != self.kind:
            as_ids(rows.ids.values, "ids", self.kind)

    def require_fitting(self, rows: CheckedRows) -> None:
        """Raise an error for rows that are not alike, or bring other columns than are kept."""
        self.require_alike(rows)
        check_kept(rows.kept, self.columns)

    def new_ids(self, rows: CheckedRows) -> Ids:
        """Return the ids of new rows, none of which is there."""
        self.require_fitting(rows)
        n = len(rows)
        if not rows.has_ids:
            if self.next_number is None:
                raise ValueError("ids is None, and the rows of this index have ids of their own; expected ids")
            if self.next_number + n > LARGEST + 1:
                there = f"from {self.next_number} on there are no {n} integers of 64 bits"
                raise ValueError(f"ids is None, and {there}; expected ids")
            return Numbers(self.next_number, n)
        own = rows.ids
        positions = self.view().places(own.values)
        if (positions >= 0).any():
            there = own.values[np.argmax(positions >= 0)]
            raise ValueError(f"ids holds {plain(there)!r}, which is there already; index.update replaces rows")
        return own

    def append(self, rows: CheckedRows, own: Ids, progress: Progress, replacing: bool = False) -> None:
        """Add rows with the given ids, which are there (``replacing``) or not."""
        if not len(own):
            self.n_skipped += rows.n_skipped
            self.changed = self.changed or rows.n_skipped > 0
            return
        kept, columns = made_columns(rows, own, self.columns)
        parts, sums = self.coder.encode(rows, progress)
        made = Segment(parts, own, columns=kept)
        was_changed, replaced = self.changed, self.remove_all(own.values) if replacing else []
        try:
            segments = self._followed_by(made, columns)
        except BaseException:
            for segment, gone in replaced:
                segment.restore(gone)
            self.changed, self.seen = was_changed, None
            raise
        self.segments, self.columns = segments, columns
        self.added = None if self.added is None else self.added + sums
        self._now_changed()
        if self.next_number is not None and len(own.values):
            following = max(self.next_number, int(own.values.max()) + 1)
            self.next_number = following if following <= LARGEST else None
        self.n_skipped += rows.n_skipped

    def remove_one(self, one: Id) -> None:
        """Mark a row as removed; KeyError if there is none."""
        place = self.place(one)
        if place is None:
            raise KeyError(f"ids holds {one!r}, which is no id of this index")
        place[0].remove(place[1])
        self._now_changed()

    def _followed_by(self, made: Segment, columns: ColumnKinds | None) -> list[Segment]:
        """Return the segments with another behind them."""
        segments = [*(segment for segment in self.segments if segment.piece.n_alive), made]
        # Those that came one by one are put together, each row about as often as its number of rows was doubled.
        while len(segments) > 2 and len(segments[-2]) <= 2 * len(segments[-1]):
            segments[-2:] = [self._joined(segments[-2:], columns)]
        return segments

    def remove_all(self, wanted: NDArray[Any]) -> list[tuple[Segment, NDArray[np.int64]]]:
        """Mark rows as removed, all or, where an id is not there, none; return which these are of each segment."""
        view = self.view()
        positions = view.places(wanted)
        require_known(wanted, positions)
        positions = np.unique(positions)
        bounds = np.searchsorted(positions, view.starts)
        each = zip(self.segments, bounds[:-1], bounds[1:], view.starts[:-1], strict=True)
        removed = [(segment, positions[a:b] - start) for segment, a, b, start in each if b > a]
        for segment, rows in removed:
            segment.remove_many(rows)
        if removed:
            self._now_changed()
        return removed

    def compact(self) -> None:
        """Put all rows that are there together, unless they are."""
        whole = self.whole()
        if self.segments != [whole]:
            self.segments = [whole]
            self._now_changed()

    def whole(self) -> Segment:
        """Return all rows that are there as one segment: the only one, if it is whole."""
        only = self.segments[0]
        is_whole = len(self.segments) == 1 and only.marks.alive is None
        return only if is_whole else self._joined(self.segments, self.columns)

    def recode(self, coder: Coder, parts: BinaryParts) -> None:
        """Put other codes, made by another encoder, in the place of those of all rows that are there."""
        values, columns = self._beside(self.segments, self.columns)
        self.coder, self.segments = coder, [Segment(parts, ids_of(values), columns=columns)]
        self.added = Sums.none(coder.dim)
        self._now_changed()

    def saved(self) -> None:
        """Note that it is what was saved."""
        self.changed = False
        for segment in self.segments:
            segment.marks.changed.clear()

    def _joined(self, segments: list[Segment], kinds: ColumnKinds | None) -> Segment:
        """Return the rows of segments that are there as one segment."""
        values, columns = self._beside(segments, kinds)
        parts = self.coder.join([(segment.parts, segment.piece.rows) for segment in segments])
        return Segment(parts, ids_of(values), columns=columns)

    def _beside(self, segments: list[Segment], kinds: ColumnKinds | None) -> tuple[NDArray[Any], KeptColumns | None]:
        """Return the ids of all rows of segments that are there, and what is kept of these, of such kinds."""
        view = View(tuple(segment.piece for segment in segments), self.coder, self.kind)
        values = view.ids()
        kept = [(piece.columns, piece.rows) for piece in view.pieces if piece.columns is not None]
        return values, None if kinds is None else KeptColumns.joined(kept, kinds, values)

    def _now_changed(self) -> None:
        self.changed, self.seen = True, None


def made_columns(
    rows: CheckedRows, own: Ids, columns: ColumnKinds | None
) -> tuple[KeptColumns | None, ColumnKinds | None]:
    """Return what is kept beside rows, and of which kinds it is, given what is known of these."""
    return (None, None) if columns is None else KeptColumns.made(columns, own.values, rows.kept_blocks(list(columns)))


def check_kept(names: list[str], columns: ColumnKinds | None) -> None:
    """Raise ValueError unless rows bring the columns that an index keeps."""
    if names and columns is None:
        raise ValueError(f"keep has {', '.join(map(repr, names))}, and this index keeps no columns (Index.build)")
    if set(names) != set(columns or ()):
        raise ValueError(f"keep has {', '.join(map(repr, names))}; expected {', '.join(map(repr, columns or ()))}")
