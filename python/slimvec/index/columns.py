"""Which columns of a frame or file are vectors and ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


class Columns(NamedTuple):
    """Names of columns.

    Attributes
    ----------
    vectors : list of str
        One of lists, or several of numbers.
    of_lists : bool
    ids : str or None
    """

    vectors: list[str]
    of_lists: bool
    ids: str | None

    @property
    def all(self) -> list[str]:
        """Every column that is read."""
        others = [] if self.ids is None or self.ids in self.vectors else [self.ids]
        return [*self.vectors, *others]


def choose_columns(
    names: Sequence[str], lists: Sequence[str], numbers: Sequence[str], vectors: Any, ids: str | None, source: str
) -> Columns:
    """Return the columns to read, as users name them, or the only ones that can be meant.

    Parameters
    ----------
    names, lists, numbers : sequence of str
        All columns, those of lists, and those of numbers.
    vectors : str, list of str, or None
    ids : str or None
    source : str
        What errors call the source.
    """
    there = f"its columns are {', '.join(map(repr, names))}"
    if ids is not None and ids not in names:
        raise ValueError(f"ids={ids!r} is no column of {source}; {there}")
    if vectors is None:
        rest = [name for name in names if name != ids]
        if len(lists) == 1:
            return Columns([lists[0]], True, ids)
        if not lists and rest and set(rest) <= set(numbers):
            return Columns(rest, False, ids)
        raise ValueError(f"vectors is None, and {source} does not tell which columns are vectors; {there}")
    if isinstance(vectors, str):
        if vectors not in names:
            raise ValueError(f"vectors={vectors!r} is no column of {source}; {there}")
        if vectors in lists:
            return Columns([vectors], True, ids)
        if vectors in numbers:
            return Columns([vectors], False, ids)
        raise TypeError(f"vectors={vectors!r} is a column of {source}, but holds no lists of numbers")
    return Columns(_several(names, numbers, vectors, source, there), False, ids)


def _several(names: Sequence[str], numbers: Sequence[str], vectors: Any, source: str, there: str) -> list[str]:
    """Return the names of columns of numbers, checked."""
    if not (isinstance(vectors, list | tuple) and vectors and all(isinstance(name, str) for name in vectors)):
        raise TypeError(f"vectors={vectors!r:.60} names no columns; expected the name of one, or a list of names")
    for name in vectors:
        if name not in numbers:
            what = "column of numbers" if name in names else "column"
            raise ValueError(f"vectors holds {name!r}, which is no {what} of {source}; {there}")
    return list(vectors)
