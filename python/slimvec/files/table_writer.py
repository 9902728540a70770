"""Writing table files: tensor after tensor, from memory or as they are made."""

from __future__ import annotations

import json
import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.files.atomic import replacing, table_target
from slimvec.files.safetensors import TABLE_FORMAT, Entry, header, padding
from slimvec.files.table_file import CHECKSUM, CHECKSUMS, checksum_of

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from slimvec.files.atomic import NamedFile

STREAM_HEADER_BYTES = 1 << 12  # kept free where the header is known only at the end; codes take 1 KB of it


def save_table(path: str | os.PathLike[str], facts: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> int:
    """Write a table file atomically: beside its place, flushed to disk, then renamed. Return its header's checksum."""
    entries = [Entry.of(name, tensor) for name, tensor in tensors.items()]
    said = _said(facts, entries)
    write_table(path, header(_metadata(said), entries), tensors)
    checksum: int = said[CHECKSUM]
    return checksum


def table_header(facts: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> bytes:
    """Return how the file of a table begins, with a checksum of each tensor: so, equal beginnings mean equal files."""
    entries = [Entry.of(name, tensor) for name, tensor in tensors.items()]
    return header(_metadata(_said(facts, entries)), entries)


def write_table(path: str | os.PathLike[str], start: bytes, tensors: Mapping[str, NDArray[Any]]) -> None:
    """Write :func:`table_header` and the tensors, atomically."""
    with replacing(table_target(path)) as file:
        file.write(start)
        for tensor in tensors.values():
            file.write(np.ascontiguousarray(tensor).data)
            file.write(padding(tensor.nbytes))


@contextmanager
def table_writer(path: str | os.PathLike[str]) -> Iterator[TableWriter]:
    """Open a table file for writing; it appears under its name only when the block ends well."""
    target = table_target(path)
    with replacing(target) as file:
        file.write(bytes(STREAM_HEADER_BYTES))
        writer = TableWriter(file)
        yield writer
        writer.close()


class TableWriter:
    """Writes tensors one after the other, and the header, which tells their sizes, at the end.

    Parameters
    ----------
    file : NamedFile
        Behind the space kept for the header.

    Attributes
    ----------
    facts : dict
        What the header will say of the table.
    """

    def __init__(self, file: NamedFile) -> None:
        self.facts: dict[str, Any] = {}
        self._file = file
        self._entries: list[Entry] = []

    def write(self, name: str, shape: tuple[int, ...], pieces: Iterable[NDArray[Any]]) -> None:
        """Write a tensor of the given shape from pieces of it, in order, all of one dtype."""
        entry = Entry(name, shape)
        for piece in pieces:
            entry.add(piece)
            self._file.write(np.ascontiguousarray(piece).data)
        if entry.n_bytes != math.prod(shape) * entry.dtype.itemsize:
            raise ValueError(f"{name} came in {entry.n_bytes} bytes; expected {shape} {entry.dtype}")
        self._file.write(padding(entry.n_bytes))
        self._entries.append(entry)

    def write_all(self, tensors: Mapping[str, NDArray[Any]]) -> None:
        """Write whole tensors."""
        for name, tensor in tensors.items():
            self.write(name, tensor.shape, [tensor])

    def close(self) -> None:
        """Write the header."""
        start = header(_metadata(_said(self.facts, self._entries)), self._entries, STREAM_HEADER_BYTES)
        if len(start) > STREAM_HEADER_BYTES:
            raise ValueError(f"the header takes {len(start)} bytes; {STREAM_HEADER_BYTES} were kept for it")
        self._file.seek(0)
        self._file.write(start)


def _said(facts: Mapping[str, Any], tensors: list[Entry]) -> dict[str, Any]:
    """Return all facts of a header, checksums included."""
    written = json.dumps({**facts, CHECKSUMS: {tensor.name: tensor.checksum for tensor in tensors}})
    said: dict[str, Any] = json.loads(written, parse_constant=str)  # infinity is a text there: JSON has none
    said[CHECKSUM] = checksum_of(said, {tensor.name: tensor for tensor in tensors})
    return said


def _metadata(said: dict[str, Any]) -> dict[str, str]:
    """Return what the header says of the table."""
    # The oldest that will do: older programs read what they can.
    versions = {5: {"n_tags"}, 4: {"spilled"}, 3: {"refinement", "partition"}, 2: {"grid"}}
    version = next((one for one, names in versions.items() if said.keys() & names), 1)
    return {"format": TABLE_FORMAT, "format_version": str(version), "facts": json.dumps(said)}
