"""A window of bytes that moves over a file: what is parsed in place lies in one piece."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

WINDOW_BYTES = 1 << 22  # a few milliseconds of parsing: waking threads is lost in it, and the bytes stay in cache
FIRST_BYTES = 1 << 16  # enough to recognise what is then not read at all, but mapped


class ByteSource(Protocol):
    """Where bytes come from: an open file, or what decompresses one."""

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Fill the buffer as far as the next piece goes; 0 at the end."""


class Window:
    """The bytes of a source from a position on, as many as are needed at once.

    Files are read into the window, not mapped: that costs little, takes pipes and compressed data
    alike, counts no mapped page as memory of the process, and a file that shrinks is an error instead of a crash.

    Parameters
    ----------
    source : ByteSource
    """

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self._bytes = bytearray(FIRST_BYTES)
        self._begin = self._end = 0
        self.at_end = False

    def __len__(self) -> int:
        return self._end - self._begin

    def view(self, size: int | None = None) -> NDArray[np.uint8]:
        """Return the next ``size`` bytes, by default all in the window, without copying them."""
        return np.frombuffer(self._bytes, np.uint8, len(self) if size is None else size, self._begin)

    def peek(self, size: int) -> bytes:
        """Return a copy of the next ``size`` bytes, or of as many as there are."""
        while len(self) < size and self.more():
            pass
        return bytes(self._bytes[self._begin : min(self._begin + size, self._end)])

    def skip(self, size: int) -> None:
        """Move on by ``size`` bytes, which are in the window."""
        self._begin += size

    def more(self) -> bool:
        """Read on; views of the window must be gone. Tell whether there was more."""
        if self.at_end:
            return False
        if self._end and len(self._bytes) < WINDOW_BYTES:
            self._bytes.extend(bytes(WINDOW_BYTES - len(self._bytes)))
        if self._begin:
            self._bytes[: len(self)] = self._bytes[self._begin : self._end]
            self._begin, self._end = 0, len(self)
        if self._end == len(self._bytes):
            self._bytes.extend(bytes(len(self._bytes)))
        with memoryview(self._bytes) as whole, whole[self._end :] as free:
            read = self._source.readinto(free) or 0
        self._end += read
        self.at_end = read == 0
        return not self.at_end

    def whole_lines(self) -> int:
        """Return how many of the next bytes are whole lines, after reading on if there is none; 0 at the end.

        The last line of a file need not end in a newline.
        """
        searched = 0
        while True:
            end = self._bytes.rfind(b"\n", self._begin + searched, self._end) + 1
            if end:
                return end - self._begin
            searched = len(self)
            if not self.more():
                return len(self)

    def line(self) -> bytes:
        """Return the next line and move behind it; nothing at the end."""
        whole = self.whole_lines()
        newline = self._bytes.find(b"\n", self._begin, self._begin + whole)
        end = self._begin + whole if newline < 0 else newline + 1
        line = bytes(self._bytes[self._begin : end])
        self._begin = end
        return line

    def peek_lines(self, count: int) -> list[bytes]:
        """Return the next lines, at most ``count``, without moving."""
        while self._bytes.count(b"\n", self._begin, self._end) < count and self.more():
            pass
        return bytes(self._bytes[self._begin : self._end]).split(b"\n", count)[:count]
