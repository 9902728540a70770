"""A script of SQL that makes a table of PostgreSQL with pgvector, as ``psql -f`` runs it."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from slimvec.exporting.payload import Payload
    from slimvec.files.atomic import NamedFile

ESCAPED = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
LONGEST_NAME = 63  # of PostgreSQL's identifiers

HEAD = """\
-- {n} rows for PostgreSQL with pgvector: psql -f {file}
-- The nearest rows to {what}, all of them compared:
--   SELECT id FROM {table} ORDER BY {column} {operator} {literal} LIMIT 10;
-- With more than some 100,000 rows, a graph finds most of them faster:
--   CREATE INDEX ON {table} USING hnsw ({column} {operators});
\\set ON_ERROR_STOP on
SET client_encoding = 'UTF8';
BEGIN;
CREATE EXTENSION IF NOT EXISTS vector;
CREATE TABLE {table} (id {id_type} PRIMARY KEY, {column} {type} NOT NULL);
COPY {table} (id, {column}) FROM STDIN;
"""


def write_sql(file: NamedFile, payload: Payload, target: Path) -> None:
    """Write a table named like the file, with columns ``id`` and ``code bit(n)``, or ``embedding vector(d)``.

    Bit j of a code is character j.
    """
    name = _identifier(target.stem)
    facts = {"n": f"{len(payload):,}", "file": _one_line(target.name), "table": name}
    facts["id_type"] = "text" if payload.has_texts else "bigint"
    if payload.n_bits is None:
        facts |= {"what": "a vector", "column": "embedding", "type": f"vector({payload.width})", "operator": "<=>"}
        facts |= {"literal": "'[...]'", "operators": "vector_cosine_ops"}
    else:
        facts |= {"what": "a code", "column": "code", "type": f"bit({payload.n_bits})", "operator": "<~>"}
        facts |= {"literal": "B'...'", "operators": "bit_hamming_ops"}
    file.write(HEAD.format(**facts).encode())
    for own, rows in payload.blocks():
        texts = _vectors(rows) if payload.n_bits is None else _bits(rows, payload.n_bits)
        ids = [_escaped(one) for one in own.tolist()] if payload.has_texts else own.tolist()
        file.write("".join(f"{one}\t{text}\n" for one, text in zip(ids, texts, strict=True)).encode())
    file.write(b"\\.\nCOMMIT;\n")


def _bits(rows: NDArray[np.uint8], n_bits: int) -> list[str]:
    characters = np.unpackbits(rows, axis=1, count=n_bits, bitorder="little") + ord("0")
    return [row.tobytes().decode() for row in characters]


def _vectors(rows: NDArray[np.float32]) -> list[str]:
    return ["[" + ",".join(f"{number:.9g}" for number in row) + "]" for row in rows.tolist()]


def _escaped(one: str) -> str:
    if "\0" in one:
        raise ValueError(f"ids holds {one!r}, and PostgreSQL keeps no zero bytes in texts")
    return one.translate(ESCAPED)


def _identifier(stem: str) -> str:
    """Return a name for a table; it is quoted, for some names are words of SQL, but may be asked for without."""
    name = re.sub(r"[^a-z0-9_]+", "_", stem.lower())[:LONGEST_NAME].strip("_")
    name = name if name and not name[0].isdigit() else f"t_{name}"[:LONGEST_NAME]
    return f'"{name}"'


def _one_line(text: str) -> str:
    """Return the name of a file for a comment, whatever bytes it has."""
    return re.sub(r"\s", " ", os.fsencode(text).decode(errors="replace"))
