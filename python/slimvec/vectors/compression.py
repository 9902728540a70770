"""Compressed files: one row for each compression, told by its first bytes."""

from __future__ import annotations

import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from slimvec.vectors.frames import GzipStream, bz2_stream, xz_stream
from slimvec.vectors.zstd import SKIPPABLE, ZSTD_MAGIC, zstd_packer, zstd_stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from slimvec.vectors.ahead import Readable


class Writable(Protocol):
    """What takes bytes: a file, or what compresses them on the way to it."""

    def write(self, data: bytes, /) -> None:
        """Take bytes."""


class Compression(NamedTuple):
    """How a compression is told, what decompresses a file of it, and, if it is written, what compresses one.

    ``packer`` makes an object with ``compress(data)`` and ``flush()``, which return bytes to be written.
    """

    magic: tuple[bytes, ...]
    open: Callable[[Readable], Readable]
    suffix: str
    packer: Callable[[], Any] | None = None


def _gzip_packer() -> Any:
    return zlib.compressobj(wbits=31)  # a gzip file that names neither itself nor a time


COMPRESSIONS = (
    Compression((b"\x1f\x8b",), GzipStream, ".gz", _gzip_packer),
    Compression((ZSTD_MAGIC, *SKIPPABLE), zstd_stream, ".zst", zstd_packer),
    Compression(tuple(b"BZh%d1AY&SY" % size for size in range(1, 10)), bz2_stream, ".bz2"),
    Compression((b"\xfd7zXZ\0",), xz_stream, ".xz"),
)
MAGIC_BYTES = max(len(magic) for row in COMPRESSIONS for magic in row.magic)


def compression_of(start: bytes) -> Compression | None:
    """Return the compression of a file that begins with these bytes, :data:`MAGIC_BYTES` of them; None if none."""
    return next((row for row in COMPRESSIONS if start.startswith(row.magic)), None)


def compression_named(suffix: str) -> Compression | None:
    """Return the compression in which files whose names end in ``suffix`` are written; None if they are plain."""
    return next((row for row in COMPRESSIONS if row.suffix == suffix.lower() and row.packer is not None), None)


class _Packing:
    """Compresses what is written, on its way to a file."""

    def __init__(self, file: Writable, packer: Any) -> None:
        self._file = file
        self._packer = packer

    def write(self, data: bytes, /) -> None:
        self._file.write(self._packer.compress(data))


@contextmanager
def packing(file: Writable, suffix: str) -> Iterator[Writable]:
    """Compress what is written to a file, if the end of its name says so; it is whole when the block ends well."""
    row = compression_named(suffix)
    if row is None or row.packer is None:
        yield file
        return
    packer = row.packer()
    yield _Packing(file, packer)
    file.write(packer.flush())
