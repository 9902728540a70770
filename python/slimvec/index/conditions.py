"""Conditions on kept columns, in SQL: SQLite says what they mean, and this module that they do nothing but read."""

from __future__ import annotations

import re
import string
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slimvec.errors import FormatError
from slimvec.index.ids import as_texts
from slimvec.index.kept_columns import TABLE, quoted, schema_of
from slimvec.index.kept_values import ID, ROW, ColumnKinds, check_parameters

if TYPE_CHECKING:
    from collections.abc import Iterator

VALUE = "the value of where"  # what a column of results is called, if where is an expression and no more
# Texts, names in their three kinds of quotes, of which those in double ones are told apart, and comments.
LETTERS = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)  # all that SQLite takes for the same
TOKENS = re.compile(
    r"""'(?:[^']|'')*'|"((?:[^"]|"")*)"|`(?:[^`]|``)*`|\[[^\]]*\]|--[^\n]*|/\*.*?(?:\*/|\Z)""", re.DOTALL
)


@dataclass(frozen=True)
class Condition:
    """An expression that was found to read columns and nothing else.

    Attributes
    ----------
    where : str
    parameters : tuple or dict
        For each of its ``?``, or ``:name``.
    """

    where: str
    parameters: Any

    @property
    def of_rows(self) -> str:
        """The statement that finds rows."""
        return f"SELECT {quoted(ROW)} FROM {TABLE} WHERE (\n{self.where}\n)"  # noqa: S608 - checked by check

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Turn errors of SQLite into such as say what is wrong with ``where``."""
        import sqlite3

        try:
            yield
        except (sqlite3.Error, sqlite3.Warning, UnicodeError, OverflowError) as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
                raise FormatError(f"kept columns: {error}: damaged") from None
            if isinstance(error, sqlite3.ProgrammingError) and "binding" in str(error).lower():
                raise ValueError(f"parameters do not fit where={self.where!r:.200}: {error}") from None
            raise ValueError(f"where={self.where!r:.200}: {error}") from None


def condition_of(where: str, parameters: Any, kinds: ColumnKinds | None) -> Condition:
    """Return a condition, checked on a table without rows.

    Raises
    ------
    TypeError, ValueError
        If it is no expression of SQL, reads other things than the columns, does more than to read, or has another
        number of parameters.
    """
    if kinds is None:
        raise ValueError(
            f"where={where!r:.200} is a condition, and this index keeps no columns (keep= of Index.build); ids are "
            "given as a list"
        )
    there = ", ".join([ID, *kinds])
    known = {name.translate(LETTERS) for name in (ID, *kinds)}
    condition = Condition(where, check_parameters(parameters))
    for match in TOKENS.finditer(where):
        name = match[1]
        if name is not None and name.replace('""', '"').translate(LETTERS) not in known:
            raise ValueError(
                f"where={where!r:.200} holds {match[0]}, in double quotes as a name is, and there is no such column; "
                f"strings stand in single quotes, or come as parameters; columns are {there}"
            )
    import sqlite3

    with closing(sqlite3.connect(":memory:", isolation_level=None)) as database:
        database.execute(schema_of(kinds, as_texts([])))
        guard = _Guard(known)
        database.set_authorizer(guard)
        try:
            with condition.telling():
                guard.begin()
                database.execute(f"SELECT 1 FROM {TABLE} WHERE (\n{where}\n)", condition.parameters)  # noqa: S608
                guard.begin()
                # Where it is an expression, and does not end what stands around it, the name behind it is read.
                value = f"SELECT (\n{where}\n) AS {quoted(VALUE)} FROM {TABLE}"  # noqa: S608
                described = database.execute(value, condition.parameters).description
        except ValueError as error:
            if guard.refused:
                raise ValueError(f"where={where!r:.200} {guard.refused}; columns are {there}") from None
            raise ValueError(f"{error}; expected a condition of SQL on columns {there}") from None
        if [column[0] for column in described] != [VALUE]:
            raise ValueError(f"where={where!r:.200} is more than one expression; expected a condition of SQL")
    return condition


class _Guard:
    """What SQLite asks before it does anything: whether it may."""

    def __init__(self, names: set[str]) -> None:
        self._names, self.refused, self._n_selects = names, "", 0

    def begin(self) -> None:
        """Begin with the next statement, of one SELECT."""
        self._n_selects = 0

    def __call__(self, action: int, first: Any, second: Any, *_: Any) -> int:
        import sqlite3

        if action == sqlite3.SQLITE_SELECT:
            self._n_selects += 1
            if self._n_selects == 1:
                return sqlite3.SQLITE_OK
            self.refused = "holds a SELECT; expected a condition on the columns of one row"
        elif action == sqlite3.SQLITE_READ:
            if first == TABLE and (not second or second.translate(LETTERS) in self._names):
                return sqlite3.SQLITE_OK
            self.refused = f"reads {second!r} of {first!r}"
        elif action == sqlite3.SQLITE_FUNCTION:
            if second.lower() != "load_extension":
                return sqlite3.SQLITE_OK
            self.refused = f"calls {second}"
        else:
            self.refused = "does more than to read columns"
        return sqlite3.SQLITE_DENY
