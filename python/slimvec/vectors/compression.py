"""Compressed files: one row for each compression, told by its first bytes."""

from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING, NamedTuple

from slimvec.errors import FormatError
from slimvec.vectors.zstd import ZSTD_MAGIC, ZstdStream

if TYPE_CHECKING:
    from collections.abc import Callable
    from io import BufferedReader, FileIO

    from slimvec.vectors.ahead import Readable


class Compression(NamedTuple):
    """How a compression is told, and what decompresses a file of it."""

    magic: bytes
    open: Callable[[BufferedReader[FileIO]], Readable]


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


COMPRESSIONS = (Compression(b"\x1f\x8b", GzipStream), Compression(ZSTD_MAGIC, ZstdStream))


def decompressed(file: BufferedReader[FileIO]) -> Readable | None:
    """Return a stream of what a file holds, if it is compressed."""
    start = file.peek(max(len(row.magic) for row in COMPRESSIONS))  # peeking, not seeking: pipes are read too
    return next((row.open(file) for row in COMPRESSIONS if start.startswith(row.magic)), None)
