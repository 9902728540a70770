"""Compressed files: one row for each compression, told by its first bytes."""

from __future__ import annotations

import gzip
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from slimvec.errors import FormatError
from slimvec.vectors.zstd import ZSTD_MAGIC, ZstdStream, zstd_packer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from io import BufferedReader, FileIO

    from slimvec.vectors.ahead import Readable


class Writable(Protocol):
    """What takes bytes: a file, or what compresses them on the way to it."""

    def write(self, data: bytes, /) -> None:
        """Take bytes."""


class Compression(NamedTuple):
    """How a compression is told, what decompresses a file of it, and what compresses one.

    ``packer`` makes an object with ``compress(data)`` and ``flush()``, which return bytes to be written.
    """

    magic: bytes
    open: Callable[[BufferedReader[FileIO]], Readable]
    suffix: str
    packer: Callable[[], Any]


class GzipStream:
    """What a file compressed by gzip holds.

    Parameters
    ----------
    file : binary file
        At its beginning.
    """

    def __init__(self, file: BufferedReader[FileIO]) -> None:
        self._stream = gzip.GzipFile(fileobj=file)

    def read(self, size: int) -> bytes:
        """Return the next bytes; nothing at the end.

        Raises
        ------
        FormatError
            If the data is damaged or truncated.
        """
        try:
            return self._stream.read(size)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise FormatError(f"damaged gzip data ({error})") from None


def _gzip_packer() -> Any:
    return zlib.compressobj(wbits=31)  # a gzip file that names neither itself nor a time


GZIP = Compression(b"\x1f\x8b", GzipStream, ".gz", _gzip_packer)
ZSTD = Compression(ZSTD_MAGIC, ZstdStream, ".zst", zstd_packer)
COMPRESSIONS = (GZIP, ZSTD)


def decompressed(file: BufferedReader[FileIO]) -> Readable | None:
    """Return a stream of what a file holds, if it is compressed."""
    start = file.peek(max(len(row.magic) for row in COMPRESSIONS))  # peeking, not seeking: pipes are read too
    return next((row.open(file) for row in COMPRESSIONS if start.startswith(row.magic)), None)


def compression_named(suffix: str) -> Compression | None:
    """Return the compression of files whose names end in ``suffix``; None if they are plain."""
    return next((row for row in COMPRESSIONS if row.suffix == suffix.lower()), None)


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
    if row is None:
        yield file
        return
    packer = row.packer()
    yield _Packing(file, packer)
    file.write(packer.flush())
