"""Zstandard: by Python itself from 3.14 on, before by the package ``zstandard``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from slimvec.errors import FormatError, needs

if TYPE_CHECKING:
    from io import BufferedReader, FileIO

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
INPUT_BYTES = 1 << 16


class ZstdStream:
    """What a compressed file holds, frame after frame.

    Parameters
    ----------
    file : binary file
        At the beginning of the first frame.

    Raises
    ------
    ImportError
        If nothing here can decompress it; the message names the extra that can.
    """

    def __init__(self, file: BufferedReader[FileIO]) -> None:
        self._file = file
        self._new, self._error = _decompressor()
        self._frame = self._new()
        self._rest = b""
        self._fresh = True  # nothing of this frame came yet

    def read(self, _size: int) -> bytes:
        """Return the next piece, of whatever size it has; nothing at the end.

        Raises
        ------
        FormatError
            If the data is damaged or truncated.
        """
        while True:
            compressed = self._rest or self._file.read(INPUT_BYTES)
            if not compressed:
                if self._fresh:
                    return b""
                raise FormatError("damaged zstd data (the file ends within a frame: truncated)")
            try:
                piece: bytes = self._frame.decompress(compressed)
            except self._error as error:
                raise FormatError(f"damaged zstd data ({error})") from None
            self._rest, self._fresh = b"", False
            if self._frame.eof:
                self._rest, self._frame, self._fresh = self._frame.unused_data, self._new(), True
            if piece:
                return piece


def _decompressor() -> tuple[Any, Any]:
    """Return what makes a decompressor of one frame, and its error."""
    if sys.version_info >= (3, 14):
        from compression import zstd

        return zstd.ZstdDecompressor, zstd.ZstdError
    with needs("the package zstandard", "zstd"):
        import zstandard
    return zstandard.ZstdDecompressor().decompressobj, zstandard.ZstdError


def zstd_packer() -> Any:
    """Return what compresses one frame; ImportError, naming the extra, if nothing here can."""
    if sys.version_info >= (3, 14):
        from compression import zstd

        return zstd.ZstdCompressor()
    with needs("the package zstandard", "zstd"):
        import zstandard
    return zstandard.ZstdCompressor().compressobj()
