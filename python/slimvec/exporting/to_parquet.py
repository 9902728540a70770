"""Parquet: ids, and a column of bytes or of vectors, as DuckDB and everything else reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slimvec.bulk.result_files import Stream
from slimvec.errors import needs

if TYPE_CHECKING:
    from pathlib import Path

    from slimvec.exporting.payload import Payload
    from slimvec.files.atomic import NamedFile

GROUP_ROWS = 65_536


def write_parquet(file: NamedFile, payload: Payload, target: Path) -> None:  # noqa: ARG001
    """Write columns ``id`` and ``code`` (bytes of fixed size) or ``vector`` (a list of fixed size)."""
    with needs("pyarrow", "arrow"):
        import pyarrow as pa
        import pyarrow.parquet
    kind: Any
    if payload.n_bits is None:
        name, kind = "vector", pa.list_(pa.float32(), payload.width)
    else:
        name, kind = "code", pa.binary(payload.width)
    id_type = pa.string() if payload.has_texts else pa.int64()
    facts = {} if payload.n_bits is None else {"n_bits": str(payload.n_bits), "bit_order": "least significant first"}
    schema = pa.schema([("id", id_type), (name, kind)], metadata=facts)
    with pyarrow.parquet.ParquetWriter(pa.PythonFile(Stream(file), "w"), schema) as writer:
        for own, rows in payload.blocks(GROUP_ROWS):
            if payload.n_bits is None:
                column = pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), payload.width)
            else:
                column = pa.FixedSizeBinaryArray.from_buffers(kind, len(rows), [None, pa.py_buffer(rows)])
            ids = pa.array(own.tolist() if payload.has_texts else own, id_type)
            writer.write_table(pa.Table.from_arrays([ids, column], schema=schema))
