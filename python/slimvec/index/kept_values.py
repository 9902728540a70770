"""Values of columns that an index keeps: of one kind in each column, as SQLite holds them and users get them back."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

ColumnKind = Literal["bools", "integers", "floats", "texts"]
KINDS: tuple[ColumnKind, ...] = get_args(ColumnKind)
ColumnKinds = dict[str, "ColumnKind | None"]  # by name; None where all values are None so far
OF_TYPE: dict[type, ColumnKind] = {bool: "bools", int: "integers", float: "floats", str: "texts"}
LONGEST = 1 << 63
ID = "id"  # what conditions call the ids
ROW = "row of the segment"  # the key of tables, which conditions do not see
EXPECTED = "expected integers, floats, bools, strings or None"


class GivenColumns:
    """Columns that come as values for each row.

    Parameters
    ----------
    columns : mapping of str to array_like
    """

    def __init__(self, columns: Mapping[str, Any]) -> None:
        self._columns = {name: as_values(values, name) for name, values in columns.items()}
        lengths = {name: len(values) for name, values in self._columns.items()}
        for name, length in lengths.items():
            if length != next(iter(lengths.values())):
                raise ValueError(f"keep has {length} values of {name!r}; expected as many as of the others: {lengths}")

    def blocks(self, names: list[str]) -> Iterator[list[list[Any]]]:
        """Yield the values of some rows, a list for each column."""
        yield [self._columns[name] for name in names]


def as_values(values: Any, name: str) -> list[Any]:
    """Return a column of whatever kind as a list; what is missing is None."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "mM":  # of which NumPy makes integers in some units
        raise TypeError(f"keep: column {name!r} has dtype {values.dtype}; {EXPECTED}")
    if hasattr(values, "isna") and hasattr(values, "tolist"):  # of pandas
        listed, missing = values.tolist(), values.isna().tolist()
        return [None if gone else value for value, gone in zip(listed, missing, strict=True)]
    for way in ("to_pylist", "tolist", "to_list"):
        if hasattr(values, way):
            made = getattr(values, way)()
            if isinstance(made, list):
                return made
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise TypeError(f"keep has {type(values).__name__} as {name!r}; expected a value for each row")
    return list(values)


def check_names(names: Any) -> list[str]:
    """Return names of columns that a condition can tell from each other; TypeError or ValueError otherwise."""
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise TypeError(f"keep is {names!r:.60}; expected a list of names of columns, or a dict of names to values")
    listed = list(names)
    for name in listed:
        if not isinstance(name, str):
            raise TypeError(f"keep holds {name!r:.60}; expected names of columns")
        if not name or "\0" in name or not name.isprintable():
            raise ValueError(f"keep holds {name!r}; expected names that can be printed")
        if name.lower() in {ID, ROW}:
            raise ValueError(
                f"keep holds {name!r}, which is what conditions call the ids of rows: they are there anyway"
            )
    if len({name.lower() for name in listed}) < len(listed):
        raise ValueError(
            f"keep holds {listed!r:.200}; expected each once: SQL does not tell capitals from small letters"
        )
    if not listed:
        raise ValueError("keep names no columns; expected some, or None")
    return listed


def check_values(values: list[Any], name: str, first: int) -> tuple[list[Any], ColumnKind | None]:
    """Return values as SQLite takes them, NaN as None, and of which kind they are.

    Raises
    ------
    TypeError, ValueError
        If they are of several kinds, or none that is kept; the message has the row, of which the first is ``first``.
    """
    types = set(map(type, values))
    if not types <= {*OF_TYPE, type(None)}:
        values = [_plain(value, name, first + row) for row, value in enumerate(values)]
        types = set(map(type, values))
    if float in types:
        values = [None if value != value else value for value in values]  # noqa: PLR0124 - NaN
        left = set(map(type, values))
        types = types if int in left else left  # beside integers NaN makes floats of them, as elsewhere
    if int in types and any(type(value) is int and not -LONGEST <= value < LONGEST for value in values):
        raise ValueError(f"keep: column {name!r} holds an integer of more than 64 bits")
    kind = None
    for one in types - {type(None)}:
        kind = _combined(kind, OF_TYPE[one], name)
    return values, kind


def combined_kinds(held: ColumnKinds, new: ColumnKinds) -> ColumnKinds:
    """Return the kinds of columns with rows of both; TypeError if they do not go together."""
    return {name: _combined(kind, new[name], name) for name, kind in held.items()}


def as_held(values: list[Any], kind: ColumnKind | None) -> list[Any]:
    """Return values of SQLite as they were put in."""
    if kind == "bools":
        return [None if value is None else bool(value) for value in values]
    if kind == "floats":
        return [None if value is None else float(value) for value in values]
    return values


def check_parameters(parameters: Any) -> Any:
    """Return what stands for the ? or :names of a condition, as SQLite takes it."""
    if isinstance(parameters, Mapping):
        return {name: _parameter(value, repr(name)) for name, value in parameters.items()}
    if parameters is None:
        return ()
    if isinstance(parameters, str | bytes) or not isinstance(parameters, Iterable):
        raise TypeError(f"parameters is {parameters!r:.60}; expected a list, a value for each ? in where")
    return tuple(_parameter(value, str(number)) for number, value in enumerate(parameters))


def _parameter(value: Any, which: str) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if not isinstance(value, bool | int | float | str | None):
        raise TypeError(f"parameters holds {value!r:.60} ({which}); {EXPECTED}")
    if isinstance(value, float) and math.isnan(value):
        raise ValueError(f"parameters holds NaN ({which}), which is equal to nothing; where may say IS NULL")
    if isinstance(value, int) and not -LONGEST <= value < LONGEST:
        raise ValueError(f"parameters holds {value} ({which}); expected integers of 64 bits")
    return value


def _combined(a: ColumnKind | None, b: ColumnKind | None, name: str) -> ColumnKind | None:
    if a is None or b is None or a == b:
        return a or b
    if {a, b} == {"integers", "floats"}:
        return "floats"
    raise TypeError(f"keep: column {name!r} holds {min(a, b)} and {max(a, b)}; expected values of one kind")


def _plain(value: Any, name: str, row: int) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    for one in OF_TYPE:
        if isinstance(value, one):
            return one(value)
    if value is None:
        return None
    raise TypeError(f"keep: column {name!r} holds {type(value).__name__} in row {row}; {EXPECTED}")
