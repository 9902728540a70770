"""Zstandard: by Python itself from 3.14 on, before by the package ``zstandard``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from slimvec.errors import FormatError, needs
from slimvec.vectors.frames import FrameStream

if TYPE_CHECKING:
    from slimvec.vectors.ahead import Readable

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
SKIPPABLE = tuple(b"%c\x2a\x4d\x18" % byte for byte in range(0x50, 0x60))  # of frames that hold no data
BLOCKS = 8  # decompressed at once: each holds at most 128 KB

_DICTIONARY_BYTES = (0, 1, 2, 4)  # by the two lowest bits of a frame's descriptor
_SIZE_BYTES = (0, 2, 4, 8)  # by its two highest bits
_RUN, _RESERVED = 1, 3  # types of blocks: one byte again and again; none


def zstd_stream(file: Readable) -> Readable:
    """Return what a file compressed by Zstandard holds, frame after frame.

    Raises
    ------
    ImportError
        If nothing here can decompress it; the message names the extra that can.
    """
    if sys.version_info >= (3, 14):
        from compression import zstd

        return FrameStream(file, "zstd", zstd.ZstdDecompressor, zstd.ZstdError)
    with needs("the package zstandard", "zstd"):
        import zstandard
    return _BlockStream(file, zstandard.ZstdDecompressor().decompressobj, zstandard.ZstdError)


class _BlockStream:
    """What a compressed file holds, a few blocks of a frame at a time.

    The package decompresses all that it is given at once, and 64 KB may stand for 2 GB. So it is given whole blocks, as
    RFC 8878 bounds them. A frame that asks for a window of more than 128 MB is refused by the package.
    """

    def __init__(self, file: Readable, new: Any, error: type[Exception]) -> None:
        self._file = file
        self._new, self._error = new, error
        self._frame: Any = None
        self._checked = 0  # bytes of the checksum at the end of the frame

    def read(self, _size: int) -> bytes:
        """Return the next piece, of whatever size it has, but at most a few blocks; nothing at the end.

        Raises
        ------
        FormatError
            If the data is damaged or truncated.
        """
        while True:
            compressed = self._blocks() if self._frame is not None else self._frame_header()
            if not compressed:
                return b""
            try:
                piece: bytes = self._frame.decompress(compressed)
            except self._error as error:
                remedy = "; unpack it by zstd -d --long=31" if "too much memory" in str(error) else ""
                raise FormatError(f"damaged zstd data ({error}){remedy}") from None
            if self._frame.eof:
                self._frame = None
            if piece:
                return piece

    def _frame_header(self) -> bytes:
        """Begin the next frame that holds data, and return its header; nothing if there is none."""
        while magic := self._file.read(1):
            magic += self._exactly(len(ZSTD_MAGIC) - 1)
            if magic in SKIPPABLE:
                self._skip(int.from_bytes(self._exactly(4), "little"))
                continue
            if magic != ZSTD_MAGIC:
                raise FormatError("damaged zstd data (what follows a frame is no frame)")
            (descriptor,) = first = self._exactly(1)
            single = descriptor >> 5 & 1
            size = (1 - single) + _DICTIONARY_BYTES[descriptor & 3] + max(_SIZE_BYTES[descriptor >> 6], single)
            self._frame = self._new()
            self._checked = 4 * (descriptor >> 2 & 1)
            return magic + first + self._exactly(size)
        return b""

    def _blocks(self) -> bytes:
        """Return the next blocks of the frame."""
        parts = []
        for _ in range(BLOCKS):
            parts.append(self._exactly(3))
            header = int.from_bytes(parts[-1], "little")
            kind = header >> 1 & 3
            if kind != _RESERVED:  # which is refused where it is decompressed
                parts.append(self._exactly(1 if kind == _RUN else header >> 3))
            if header & 1:
                parts.append(self._exactly(self._checked))
                break
        return b"".join(parts)

    def _skip(self, size: int) -> None:
        while size:
            size -= len(self._exactly(min(size, 1 << 16)))

    def _exactly(self, size: int) -> bytes:
        """Return the next bytes; FormatError if there are fewer."""
        data = self._file.read(size) if size else b""
        while len(data) < size:
            more = self._file.read(size - len(data))
            if not more:
                raise FormatError("damaged zstd data (the file ends within a frame: truncated)")
            data += more
        return data


def zstd_packer() -> Any:
    """Return what compresses one frame; ImportError, naming the extra, if nothing here can."""
    if sys.version_info >= (3, 14):
        from compression import zstd

        return zstd.ZstdCompressor()
    with needs("the package zstandard", "zstd"):
        import zstandard
    return zstandard.ZstdCompressor().compressobj()
