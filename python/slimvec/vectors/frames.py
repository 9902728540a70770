"""What compressed files hold, in pieces of a bounded size: a few kilobytes may stand for gigabytes."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

from slimvec.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Callable

    from slimvec.vectors.ahead import Readable

INPUT_BYTES = 1 << 16
XZ_MEMORY = 256 << 20  # xz -9 takes 65 MB


class FrameStream:
    """What a compressed file holds, frame after frame, zeros between them left out.

    Parameters
    ----------
    file : Readable
        At the beginning of the first frame.
    title : str
        Of the compression, for messages.
    new : callable
        Makes what decompresses one frame, such as :class:`bz2.BZ2Decompressor`.
    errors : tuple of exception classes
        What that raises for damaged data.
    """

    def __init__(self, file: Readable, title: str, new: Callable[[], Any], *errors: type[Exception]) -> None:
        self._file = file
        self._title = title
        self._new, self._errors = new, errors
        self._frame = new()

    def read(self, size: int) -> bytes:
        """Return the next bytes, at most ``size``; nothing at the end.

        Raises
        ------
        FormatError
            If the data is damaged or truncated.
        """
        while True:
            compressed = b""
            if self._frame.eof:
                compressed = self._next_frame()
                if not compressed:
                    return b""
                self._frame = self._new()
            elif self._frame.needs_input:
                compressed = self._file.read(INPUT_BYTES)
                if not compressed:
                    raise FormatError(f"damaged {self._title} data (the file ends within a frame: truncated)")
            try:
                piece: bytes = self._frame.decompress(compressed, size)
            except self._errors as error:
                raise FormatError(f"damaged {self._title} data ({error})") from None
            if piece:
                return piece

    def _next_frame(self) -> bytes:
        """Return the beginning of the next frame; nothing if there is none."""
        rest: bytes = self._frame.unused_data.lstrip(b"\0")
        while not rest and (more := self._file.read(INPUT_BYTES)):
            rest = more.lstrip(b"\0")
        return rest


class GzipStream:
    """What a file compressed by gzip holds, member after member.

    Parameters
    ----------
    file : Readable
        At its beginning.
    """

    def __init__(self, file: Readable) -> None:
        import gzip

        self._stream = gzip.GzipFile(fileobj=file, mode="rb")  # type: ignore[call-overload] # it is only read from

    def read(self, size: int) -> bytes:
        """Return the next bytes; nothing at the end.

        Raises
        ------
        FormatError
            If the data is damaged or truncated.
        """
        from gzip import BadGzipFile

        try:
            data: bytes = self._stream.read(size)
        except (EOFError, BadGzipFile, zlib.error) as error:
            raise FormatError(f"damaged gzip data ({error})") from None
        return data


def bz2_stream(file: Readable) -> FrameStream:
    """Return what a file compressed by bzip2 holds."""
    import bz2

    return FrameStream(file, "bzip2", bz2.BZ2Decompressor, OSError)


def xz_stream(file: Readable) -> FrameStream:
    """Return what a file compressed by xz holds."""
    import lzma

    return FrameStream(file, "xz", lambda: lzma.LZMADecompressor(memlimit=XZ_MEMORY), lzma.LZMAError)
