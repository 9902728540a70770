"""The database of a saved index: which files make it up, in order, and which of their rows were removed.

One transaction per save, so that it is there whole or not at all: SQLite sees to that, and to there being one writer at
a time. What stands in the database has a checksum of its own; files are told from others by that of their headers.
"""

from __future__ import annotations

import errno
import json
import os
import re
import zlib
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from slimvec.errors import FormatError
from slimvec.index.fit_sums import sums_from
from slimvec.index.kept_values import KINDS, check_names
from slimvec.index.marks import chunk_length

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from slimvec.index.fit_sums import Sums
    from slimvec.index.ids import IdKind
    from slimvec.index.kept_values import ColumnKinds

DATABASE = "index.sqlite"
APPLICATION = 0x736C696D  # "slim", where ``file`` and others look for it
VERSIONS = 1, 2  # that are read; 2 keeps columns
WAITING = 30.0  # seconds, while another process saves
FILE_NAME = re.compile(r"(?:encoder|rows)-[0-9a-f]{16}\.slim")
TABLES = {
    "facts": "CREATE TABLE facts (name TEXT PRIMARY KEY, value)",
    "segments": "CREATE TABLE segments (place INTEGER PRIMARY KEY, file TEXT, rows INTEGER, checksum INTEGER)",
    "removed": "CREATE TABLE removed (file TEXT, chunk INTEGER, bits BLOB, crc32 INTEGER, PRIMARY KEY (file, chunk))",
}
INTEGERS = "generation", "encoder_checksum", "skipped"
TEXTS = "token", "encoder", "ids"


class StoredFile(NamedTuple):
    """A file of an index: its name, and the checksum of its header."""

    name: str
    checksum: int


class StoredRows(NamedTuple):
    """The file of a segment, how many rows it has, and chunks of which of them were removed."""

    file: StoredFile
    n_rows: int
    removed: dict[int, bytes]


class Manifest(NamedTuple):
    """What a save has made.

    Attributes
    ----------
    generation : int
        How many saves there were.
    token : str
        Of this one alone.
    encoder : StoredFile
    kind : {"integers", "texts"}
    next_number : int or None
    n_skipped : int
    segments : tuple of StoredRows
        In order.
    columns : dict of str to str or None, or None
        Names of kept columns and kinds of their values.
    added : Sums or None
        Over rows that came since the codes were learnt; None where an older slimvec saved.
    """

    generation: int
    token: str
    encoder: StoredFile
    kind: IdKind
    next_number: int | None
    n_skipped: int
    segments: tuple[StoredRows, ...]
    columns: ColumnKinds | None = None
    added: Sums | None = None

    @property
    def names(self) -> set[str]:
        """The names of all its files."""
        return {self.encoder.name, *(one.file.name for one in self.segments)}


@contextmanager
def reading(folder: Path) -> Iterator[sqlite3.Connection]:
    """Open the database of a folder, to see one state of it."""
    with _connected(folder, "rw") as database:  # a save that was killed is undone by whoever opens it next
        database.execute("BEGIN")
        yield database


@contextmanager
def writing(folder: Path, new: bool = False) -> Iterator[sqlite3.Connection]:
    """Open the database of a folder for a save: what is changed in the block is there when it ends well, or not at all.

    Nobody else writes meanwhile; others read what was there.
    """
    with _connected(folder, "rwc" if new else "rw") as database:
        database.execute("PRAGMA synchronous = EXTRA")
        database.execute("BEGIN IMMEDIATE")
        if new:
            for made in TABLES.values():
                database.execute(made)
            database.execute(f"PRAGMA application_id = {APPLICATION}")
        yield database
        database.execute("COMMIT")


@contextmanager
def _connected(folder: Path, mode: str) -> Iterator[sqlite3.Connection]:
    import sqlite3  # takes longer than to open a table

    place = folder / DATABASE
    with _telling(place):
        # Every transaction is begun by name; one that is not committed is undone when the connection is closed.
        connection = sqlite3.connect(f"{place.as_uri()}?mode={mode}", WAITING, isolation_level=None, uri=True)
        with closing(connection) as database:
            database.execute("PRAGMA trusted_schema = OFF")
            yield database


@contextmanager
def _telling(place: Path) -> Iterator[None]:
    """Turn errors of SQLite into such as files have."""
    import sqlite3

    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", None)
        name = os.fspath(place)
        match None if code is None else code & 0xFF:  # of extended codes, what they extend
            case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
                message = f"{name} has been in use for {WAITING:.0f} seconds: another process saves"
                raise TimeoutError(message) from None
            case sqlite3.SQLITE_FULL | sqlite3.SQLITE_IOERR:
                full = code == sqlite3.SQLITE_FULL
                raise OSError(errno.ENOSPC if full else errno.EIO, str(error), name) from None
            case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_AUTH:
                raise PermissionError(errno.EACCES, str(error), name) from None
        raise FormatError(f"{name}: {error}: no database of an index, or damaged") from None
    except FormatError as error:
        raise FormatError(f"{place}: {error}") from None


def read_manifest(database: sqlite3.Connection) -> Manifest:
    """Return what the last save has made.

    Raises
    ------
    FormatError
        If this is no such database, or damaged.
    """
    (application,) = database.execute("PRAGMA application_id").fetchone()
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION:
        raise FormatError("it is no database of an index of slimvec")
    if version not in VERSIONS:
        read = " and ".join(map(str, VERSIONS))
        raise FormatError(f"its format version is {version}, made by a newer slimvec; this one reads {read}: update it")
    if {row[0] for row in database.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")} != {
        *TABLES.values()
    }:
        raise FormatError("its tables are not those of an index: damaged")
    facts = dict(database.execute("SELECT name, value FROM facts").fetchall())
    segments = database.execute("SELECT file, rows, checksum FROM segments ORDER BY place").fetchall()
    removed = database.execute("SELECT file, chunk, bits, crc32 FROM removed ORDER BY file, chunk").fetchall()
    for file, chunk, bits, checksum in removed:
        if not isinstance(bits, bytes) or zlib.crc32(bits) != checksum:
            raise FormatError(f"removed rows of {file!r}, chunk {chunk!r}, do not match their checksum: damaged")
    said = facts.pop("checksum", None)
    try:
        expected = _checksum(facts, segments, [(file, chunk, checksum) for file, chunk, _, checksum in removed])
    except (TypeError, ValueError):  # what JSON cannot hold
        raise FormatError("it holds other things than texts and integers: damaged") from None
    if said != expected:
        raise FormatError("it does not match its checksum: damaged")
    if version == 1 and "columns" in facts:
        raise FormatError("it keeps columns, which its format version does not: damaged")
    return _checked(facts, segments, removed)


def _checked(facts: dict[str, Any], segments: list[Any], removed: list[Any]) -> Manifest:
    """Return rows of the tables as a manifest; they say what they said when they were written, by whomever."""
    typed = [type(facts.get(name)) is int and facts[name] >= 0 for name in INTEGERS]
    typed += [type(facts.get(name)) is str for name in TEXTS]
    typed += [type(facts.get("next_number")) in {int, type(None)}]
    if not all(typed) or facts["ids"] not in {"integers", "texts"} or not segments:
        raise FormatError(f"its facts are {facts!r:.200}, of {len(segments)} files: damaged")
    chunks: dict[str, dict[int, bytes]] = {}
    for file, chunk, bits, _ in removed:
        chunks.setdefault(file, {})[chunk] = bits
    rows = []
    for file, n_rows, checksum in segments:
        if type(n_rows) is not int or n_rows < 0 or type(checksum) is not int:
            raise FormatError(f"it tells of {n_rows!r} rows in {file!r}: damaged")
        own = chunks.pop(file, {})
        for chunk, bits in own.items():
            length = chunk_length(chunk, n_rows) if type(chunk) is int and chunk >= 0 else 0
            if length == 0 or len(bits) != -(-length // 8):
                raise FormatError(f"it tells of removed rows that {file!r} does not have: damaged")
        rows.append(StoredRows(StoredFile(file, checksum), n_rows, own))
    encoder = StoredFile(facts["encoder"], facts["encoder_checksum"])
    found = Manifest(
        facts["generation"],
        facts["token"],
        encoder,
        facts["ids"],
        facts["next_number"],
        facts["skipped"],
        tuple(rows),
        columns_of(facts["columns"]) if "columns" in facts else None,
        _sums_of(facts["added"]) if "added" in facts else None,
    )
    names = [encoder.name, *(one.file.name for one in rows)]
    if (
        chunks
        or len(set(names)) < len(names)
        or not all(type(one) is str and FILE_NAME.fullmatch(one) for one in names)
    ):
        raise FormatError("its files have other names than an index gives them: damaged")
    return found


def columns_of(text: Any) -> ColumnKinds:
    """Return names and kinds of kept columns, as :func:`write_manifest` has written them."""
    try:
        pairs = json.loads(text)
        names = check_names(name for name, _ in pairs)
        known = dict(pairs)
    except (TypeError, ValueError):
        raise FormatError(f"its columns are {text!r:.200}: damaged") from None
    if not all(kind is None or kind in KINDS for kind in known.values()):
        raise FormatError(f"its columns are {text!r:.200}: damaged")
    return {name: known[name] for name in names}


def _sums_of(text: Any) -> Sums:
    """Return sums over added rows, as :func:`write_manifest` has written them."""
    try:
        fact = json.loads(text)
    except (TypeError, ValueError):
        raise FormatError(f"its sums are {text!r:.200}: damaged") from None
    return sums_from(fact)


def write_manifest(database: sqlite3.Connection, manifest: Manifest, kept: Iterable[str]) -> None:
    """Put a manifest in the place of what was there.

    ``kept`` are files whose removed rows stay as they are, but for the chunks that the manifest brings.
    """
    facts = {
        "generation": manifest.generation,
        "token": manifest.token,
        "encoder": manifest.encoder.name,
        "encoder_checksum": manifest.encoder.checksum,
        "ids": manifest.kind,
        "next_number": manifest.next_number,
        "skipped": manifest.n_skipped,
    }
    if manifest.columns is not None:
        facts["columns"] = json.dumps([*manifest.columns.items()])
    if manifest.added is not None:  # an older slimvec that saves leaves it out, which tells that it is not known
        facts["added"] = json.dumps(manifest.added.to_fact())
    database.execute(f"PRAGMA user_version = {1 if manifest.columns is None else 2}")
    segments = [(one.file.name, one.n_rows, one.file.checksum) for one in manifest.segments]
    stays = set(kept)
    for (file,) in database.execute("SELECT DISTINCT file FROM removed").fetchall():
        if file not in stays:
            database.execute("DELETE FROM removed WHERE file = ?", (file,))
    changed = [
        (one.file.name, chunk, bits, zlib.crc32(bits))
        for one in manifest.segments
        for chunk, bits in one.removed.items()
    ]
    database.executemany("INSERT OR REPLACE INTO removed VALUES (?, ?, ?, ?)", changed)
    chunks = database.execute("SELECT file, chunk, crc32 FROM removed ORDER BY file, chunk").fetchall()
    checksum = _checksum(facts, segments, chunks)
    database.execute("DELETE FROM facts")
    database.executemany("INSERT INTO facts VALUES (?, ?)", [*facts.items(), ("checksum", checksum)])
    database.execute("DELETE FROM segments")
    database.executemany("INSERT INTO segments VALUES (?, ?, ?, ?)", [(i, *row) for i, row in enumerate(segments)])


def _checksum(facts: dict[str, Any], segments: list[Any], chunks: list[Any]) -> int:
    """Return the CRC-32 of all that the tables say, of removed rows of their checksums."""
    return zlib.crc32(json.dumps([facts, segments, chunks], sort_keys=True).encode())
