"""Columns that are kept beside the rows of a segment: a table of SQLite, which never changes, as the bytes of a file.

So they lie in the segment's own file, with its checksums, and go where it goes: a search sees those of its rows,
however often the index was saved since.
"""

from __future__ import annotations

import threading
from contextlib import closing, contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.errors import FormatError
from slimvec.index.kept_values import ID, ROW, ColumnKinds, as_held, check_values, combined_kinds

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from slimvec.files.table_file import Content
    from slimvec.index.conditions import Condition
    from slimvec.index.ids import IdKind

TABLE = "kept"
PIECE = "piece"  # a database beside the one that rows are put into
AT_ONCE = 500  # rows that one statement looks up
TEXT, NUMERIC = "TEXT", "NUMERIC"  # what literals are brought to before they are compared: year > '1990' is no trap


class KeptColumns:
    """The kept columns of some rows.

    Parameters
    ----------
    image : ndarray of uint8
        The bytes of a database.
    n_rows : int
    schema : str
        Of its table, as :func:`schema_of` gives it.
    """

    def __init__(self, image: NDArray[np.uint8], n_rows: int, schema: str) -> None:
        self.image, self._n_rows, self.schema = image, n_rows, schema
        self._database: sqlite3.Connection | None = None
        self._lock = threading.Lock()  # of the connection, which any thread may ask

    def __getstate__(self) -> dict[str, Any]:
        return {"image": np.asarray(self.image), "_n_rows": self._n_rows, "schema": self.schema}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _database=None, _lock=threading.Lock())

    @classmethod
    def made(
        cls, kinds: ColumnKinds, ids: NDArray[Any], blocks: Iterable[list[list[Any]]]
    ) -> tuple[KeptColumns, ColumnKinds]:
        """Return the columns of rows, and of which kinds they are.

        Parameters
        ----------
        kinds : dict of str to str or None
            What is known of them.
        ids : ndarray
        blocks : iterable of list of list
            The values of some rows, a list for each column.
        """
        known = dict(kinds)

        def rows() -> Iterator[tuple[Any, ...]]:
            nonlocal known
            first = 0
            for block in blocks:
                checked = [check_values(values, name, first) for name, values in zip(known, block, strict=True)]
                known = combined_kinds(known, {name: kind for name, (_, kind) in zip(known, checked, strict=True)})
                n = len(block[0])
                own = ids[first : first + n].tolist()
                yield from zip(range(first, first + n), own, *(values for values, _ in checked), strict=True)
                first += n

        names = f"{quoted(ROW)}, {ID}, {', '.join(map(quoted, kinds))}"
        with closing(_connected()) as database:
            # The type of a column is known after its rows: until then they lie in a table whose columns have none.
            database.execute("ATTACH ':memory:' AS beside")
            try:
                _insert(database, "beside", f"CREATE TABLE beside.{TABLE} ({names})", rows(), len(kinds))
            except UnicodeEncodeError as error:
                raise ValueError(f"keep holds a character that UTF-8 cannot write: {error}") from None
            schema = schema_of(known, ids)
            database.execute(schema)
            database.execute(f"INSERT INTO main.{TABLE} SELECT * FROM beside.{TABLE} ORDER BY 1")  # noqa: S608
            return cls(_image(database), len(ids), schema), known

    @classmethod
    def joined(cls, pieces: list[tuple[KeptColumns, NDArray[np.int64]]], kinds: ColumnKinds, ids: Any) -> KeptColumns:
        """Return the columns of some rows of several, one after the other, whose ids are ``ids``.

        Of each they are told by their numbers, which rise.
        """
        names = ", ".join(map(quoted, kinds))
        with closing(_connected()) as database:
            schema, first = schema_of(kinds, ids), 0
            database.execute(schema)
            for columns, own in pieces:
                with _telling():
                    columns._attach(database)
                    database.execute(f"CREATE TABLE {PIECE}.gone (number INTEGER PRIMARY KEY)")
                    gone = np.ones(columns._n_rows, np.bool_)
                    gone[own] = False
                    removed = zip(np.flatnonzero(gone).tolist())
                    database.execute("BEGIN")
                    database.executemany(f"INSERT INTO {PIECE}.gone VALUES (?)", removed)  # noqa: S608
                    number = f"row_number() OVER (ORDER BY {quoted(ROW)}) - 1" if gone.any() else quoted(ROW)
                    found = database.execute(
                        f"INSERT INTO main.{TABLE} SELECT ? + {number}, {ID}, {names} FROM {PIECE}.{TABLE} "  # noqa: S608
                        f"WHERE {quoted(ROW)} NOT IN {PIECE}.gone ORDER BY {quoted(ROW)}",
                        (first,),
                    )
                    database.execute("COMMIT")
                    database.execute(f"DETACH {PIECE}")
                if found.rowcount != len(own):
                    raise FormatError("kept columns lack rows: damaged")
                first += len(own)
            return cls(_image(database), len(ids), schema)

    def rows_where(self, condition: Condition) -> NDArray[np.int64]:
        """Return the rows for which a condition holds, in order."""
        with self._lock, condition.telling():
            found = self._opened().execute(condition.of_rows, condition.parameters)
            rows = np.fromiter(chain.from_iterable(found), np.int64)
        rows.sort()
        if len(rows) and not (rows[0] >= 0 and rows[-1] < self._n_rows):
            raise FormatError("kept columns are of rows that are not there: damaged")
        return rows

    def at(self, rows: NDArray[np.int64], kinds: ColumnKinds) -> dict[str, list[Any]]:
        """Return the values of rows, in their order."""
        wanted = rows.tolist()
        found: dict[int, list[Any]] = {}
        columns = ", ".join(map(quoted, kinds))
        with self._reading() as database:
            for first in range(0, len(wanted), AT_ONCE):
                some = wanted[first : first + AT_ONCE]
                marks = ", ".join("?" * len(some))
                query = f"SELECT {quoted(ROW)}, {columns} FROM {TABLE} WHERE {quoted(ROW)} IN ({marks})"  # noqa: S608
                found |= {row: values for row, *values in database.execute(query, some)}
        if len(found) < len(set(wanted)):
            raise FormatError("kept columns lack rows: damaged")
        values = [[found[row][number] for row in wanted] for number in range(len(kinds))]
        return {name: as_held(own, kind) for (name, kind), own in zip(kinds.items(), values, strict=True)}

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock, _telling():
            yield self._opened()

    def _opened(self) -> sqlite3.Connection:
        """Return the database, from which statements can only read; it is made when it is first asked for."""
        if self._database is None:
            database = _connected()
            try:
                with _telling():
                    self._fill(database, "main")
                    database.execute("PRAGMA query_only = ON")
            except FormatError:
                database.close()
                raise
            self._database = database
        return self._database

    def _attach(self, database: sqlite3.Connection) -> None:
        """Let a database see these columns as those of PIECE."""
        database.execute(f"ATTACH ':memory:' AS {PIECE}")
        self._fill(database, PIECE)

    def _fill(self, database: sqlite3.Connection, place: str) -> None:
        """Put a copy of these columns into a database, after checking that they are what the index tells of."""
        database.deserialize(self.image.data, name=place)  # copies: the bytes of a file stay as they are
        database.execute("PRAGMA trusted_schema = OFF")
        held = [sql for (sql,) in database.execute(f"SELECT sql FROM {place}.sqlite_master")]  # noqa: S608
        (last,) = database.execute(f"SELECT max({quoted(ROW)}) FROM {place}.{TABLE}").fetchone()  # noqa: S608
        if held != [self.schema] or last != (self._n_rows - 1 if self._n_rows else None):
            raise FormatError("kept columns are other than the index tells of: damaged")

    def to_content(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return the facts and tensors of a file; :func:`columns_from` reads them."""
        return {"columns": self.schema}, {"columns": self.image}


@contextmanager
def _telling() -> Iterator[None]:
    """Turn errors of SQLite over the bytes of a file into FormatErrors."""
    import sqlite3

    try:
        yield
    except sqlite3.Error as error:
        raise FormatError(f"kept columns: {error}: damaged") from None


def _connected() -> sqlite3.Connection:
    """Return a database in memory, without rows."""
    import sqlite3

    return sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)


def _insert(database: sqlite3.Connection, place: str, schema: str, rows: Iterator[Any], n_columns: int) -> None:
    """Make a table, and put rows into it."""
    database.execute(schema)
    marks = ", ".join("?" * (n_columns + 2))
    database.execute("BEGIN")
    database.executemany(f"INSERT INTO {place}.{TABLE} VALUES ({marks})", rows)  # noqa: S608 - marks alone
    database.execute("COMMIT")


def _image(database: sqlite3.Connection) -> NDArray[np.uint8]:
    return np.frombuffer(database.serialize(), np.uint8)


def columns_from(content: Content, n_rows: int, kinds: ColumnKinds | None, kind: IdKind) -> KeptColumns | None:
    """Return the kept columns of a file's content, mapped."""
    schema = content.facts.get("columns")
    if kinds is None:
        if schema is not None:
            raise FormatError("it has columns, and the index keeps none")
        return None
    # A column that was nothing but None when it was written may hold texts elsewhere.
    known = [(name, [TEXT, NUMERIC] if own == "texts" else [NUMERIC]) for name, own in kinds.items()]
    if not isinstance(schema, str) or not _fits(schema, known, kind):
        raise FormatError(f"its columns are {schema!r:.200}; expected {', '.join(kinds)}")
    return KeptColumns(content.tensor("columns", np.uint8, (None,)), n_rows, schema)


def _fits(schema: str, known: list[tuple[str, list[str]]], kind: IdKind) -> bool:
    """Tell whether a schema is of these columns, each of one of its types."""
    rest = _head(kind)
    if not schema.startswith(rest):
        return False
    place = len(rest)
    for name, types in known:
        own = next(
            (f", {quoted(name)} {one}" for one in types if schema.startswith(f", {quoted(name)} {one}", place)), ""
        )
        if not own:
            return False
        place += len(own)
    return schema[place:] == ")"


def _head(kind: IdKind) -> str:
    return f"CREATE TABLE {TABLE} ({quoted(ROW)} INTEGER PRIMARY KEY, {ID} {TEXT if kind == 'texts' else NUMERIC}"


def schema_of(kinds: ColumnKinds, ids: NDArray[Any]) -> str:
    """Return the statement that makes a table of such columns."""
    columns = "".join(f", {quoted(name)} {TEXT if kind == 'texts' else NUMERIC}" for name, kind in kinds.items())
    return f"{_head('integers' if ids.dtype.kind == 'i' else 'texts')}{columns})"


def quoted(name: str) -> str:
    """Return a name as SQL takes it, whatever it is."""
    return '"' + name.replace('"', '""') + '"'
