"""Writing table files: atomically, tensor after tensor, from memory or as they are made."""

from __future__ import annotations

import json
import math
import os
import zlib
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import io
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

FORMAT_VERSION = 1
ALIGNMENT = 64
DTYPES = {"U8": np.uint8, "U16": np.uint16, "U32": np.uint32, "I64": np.int64, "F16": np.float16, "F32": np.float32}
STREAM_HEADER_BYTES = 1 << 12  # kept free where the header is known only at the end; codes take 1 KB of it

_CODES = {np.dtype(dtype): code for code, dtype in DTYPES.items()}


def save_table(path: str | os.PathLike[str], facts: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> None:
    """Write a table file atomically: beside its place, flushed to disk, then renamed."""
    entries = [_Entry.of(name, tensor) for name, tensor in tensors.items()]
    header = _header(facts, entries, 0)
    with replacing(checked_target(path)) as file:
        file.write(header)
        for tensor in tensors.values():
            file.write(np.ascontiguousarray(tensor).data)
            file.write(bytes(-tensor.nbytes % ALIGNMENT))


@contextmanager
def table_writer(path: str | os.PathLike[str]) -> Iterator[TableWriter]:
    """Open a table file for writing; it appears under its name only when the block ends well."""
    target = checked_target(path)
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
        self._entries: list[_Entry] = []

    def write(self, name: str, shape: tuple[int, ...], pieces: Iterable[NDArray[Any]]) -> None:
        """Write a tensor of the given shape from pieces of it, in order, all of one dtype."""
        entry = _Entry(name, shape)
        for piece in pieces:
            entry.add(piece)
            self._file.write(np.ascontiguousarray(piece).data)
        if entry.n_bytes != math.prod(shape) * entry.dtype.itemsize:
            raise ValueError(f"{name} came in {entry.n_bytes} bytes; expected {shape} {entry.dtype}")
        self._file.write(bytes(-entry.n_bytes % ALIGNMENT))
        self._entries.append(entry)

    def write_all(self, tensors: Mapping[str, NDArray[Any]]) -> None:
        """Write whole tensors."""
        for name, tensor in tensors.items():
            self.write(name, tensor.shape, [tensor])

    def close(self) -> None:
        """Write the header."""
        header = _header(self.facts, self._entries, STREAM_HEADER_BYTES)
        if len(header) > STREAM_HEADER_BYTES:
            raise ValueError(f"the header takes {len(header)} bytes; {STREAM_HEADER_BYTES} were kept for it")
        self._file.seek(0)
        self._file.write(header)


class _Entry:
    """Name, type, shape and checksum of one tensor."""

    def __init__(self, name: str, shape: tuple[int, ...]) -> None:
        self.name, self.shape = name, shape
        self.dtype: np.dtype[Any] = np.dtype(np.uint8)
        self.n_bytes = self.checksum = 0

    @classmethod
    def of(cls, name: str, tensor: NDArray[Any]) -> _Entry:
        entry = cls(name, tensor.shape)
        entry.add(tensor)
        return entry

    def add(self, piece: NDArray[Any]) -> None:
        self.dtype = piece.dtype
        self.n_bytes += piece.nbytes
        self.checksum = zlib.crc32(np.ascontiguousarray(piece).data, self.checksum)


def _header(facts: Mapping[str, Any], tensors: list[_Entry], size: int) -> bytes:
    """Return the header, at least ``size`` bytes with its length in front."""
    entries: dict[str, Any] = {
        "__metadata__": {
            "format": "slimvec",
            "format_version": str(FORMAT_VERSION),
            "facts": json.dumps({**facts, "crc32": {tensor.name: tensor.checksum for tensor in tensors}}),
        }
    }
    offset = 0
    for number, tensor in enumerate(tensors):
        end = offset + tensor.n_bytes
        place = {"dtype": _CODES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [offset, end]}
        entries[tensor.name] = place
        gap = -end % ALIGNMENT
        if gap:
            entries[f"_padding{number}"] = {"dtype": "U8", "shape": [gap], "data_offsets": [end, end + gap]}
        offset = end + gap
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * max(-(8 + len(text)) % ALIGNMENT, size - 8 - len(text))
    return len(text).to_bytes(8, "little") + text


class NamedFile:
    """An unbuffered file whose errors tell its name: the system says that a disk is full, not which."""

    def __init__(self, raw: io.FileIO, target: Path) -> None:
        self._raw = raw
        self._target = target

    def write(self, data: bytes | memoryview) -> None:
        view = memoryview(data)
        rest = view.cast("B") if view.nbytes else memoryview(b"")  # a shape with a zero cannot be cast
        with self._naming():
            while len(rest):  # the system may take less than all at once
                rest = rest[self._raw.write(rest) :]

    def seek(self, place: int) -> None:
        self._raw.seek(place)

    def sync(self) -> None:
        with self._naming():
            os.fsync(self._raw.fileno())

    @contextmanager
    def _naming(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self._target)) from None


@contextmanager
def replacing(target: Path) -> Iterator[NamedFile]:
    """Open a file beside ``target`` that takes its place when the block ends well, and is gone when it does not."""
    temporary = target.with_name(f".slimvec-{os.urandom(6).hex()}.tmp")
    try:
        with open(temporary, "xb", buffering=0) as raw:
            if target.exists():
                temporary.chmod(target.stat().st_mode & 0o777)
            file = NamedFile(raw, target)
            yield file
            file.sync()
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _flush_directory(target.parent)


def checked_target(path: str | os.PathLike[str]) -> Path:
    """Return where a table for ``path`` is to be written, after making sure that a file can be there.

    Raises
    ------
    OSError
        If the folder does not exist, or something other than a file has that name.
    """
    target = Path(os.path.realpath(os.fsdecode(path)))  # a link stays a link
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{target.parent} is not a folder to write {target.name} to")
    if target.is_dir():
        raise IsADirectoryError(f"{target} is a directory; expected the name of a file")
    if target.exists() and not target.is_file():
        raise FileExistsError(f"{target} is no ordinary file; it is not replaced")
    return target


def _flush_directory(directory: Path) -> None:
    """Make the rename durable; not every system lets a directory be opened."""
    with suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
