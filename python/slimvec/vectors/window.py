"""A window of bytes that moves over a file: what is parsed in place lies in one piece."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from slimvec.errors import FormatError
from slimvec.vectors.lines import line_end

if TYPE_CHECKING:
    from numpy.typing import NDArray

WINDOW_BYTES = 1 << 22  # a few milliseconds of parsing: waking threads is lost in it, and the bytes stay in cache
FIRST_BYTES = 1 << 16  # enough to recognise what is then not read at all, but mapped
MAX_LINE_BYTES = 64 << 20  # as long as nobody knows how wide rows are
MAX_BLANK_BYTES = 64 << 20  # of lines one after the other: a kilobyte may stand for gigabytes of them


class ByteSource(Protocol):
    """Where bytes come from: an open file, or what decompresses one."""

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Fill the buffer as far as the next piece goes; 0 at the end."""


class EndlessLineError(FormatError):
    """A line is longer than any of its file should be."""


class Window:
    """The bytes of a source from a position on, as many as are needed at once.

    Files are read into the window, not mapped: that costs little, takes pipes and compressed data
    alike, counts no mapped page as memory of the process, and a file that shrinks is an error instead of a crash.

    Parameters
    ----------
    source : ByteSource

    Attributes
    ----------
    max_line : int
        Bytes of a line that is looked for, at most.
    """

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self._bytes = bytearray(FIRST_BYTES)
        self._begin = self._end = 0
        self._returns = False  # carriage returns end lines
        self.max_line = MAX_LINE_BYTES
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

    def take(self) -> bytes:
        """Return the next bytes, as many as are at hand, and move behind them; nothing at the end."""
        if not len(self):
            self.more()
        data = self.peek(len(self))
        self._begin = self._end
        return data

    def more(self) -> bool:
        """Read on; views of the window must be gone. Tell whether there was more."""
        if self.at_end:
            return False
        if self._end == len(self._bytes) < WINDOW_BYTES:
            self._bytes.extend(bytes(WINDOW_BYTES - len(self._bytes)))
        if self._begin:
            self._bytes[: len(self)] = self._bytes[self._begin : self._end]
            self._begin, self._end = 0, len(self)
        if self._end == len(self._bytes):
            self._bytes.extend(bytes(len(self._bytes)))
        with memoryview(self._bytes) as whole, whole[self._end :] as free:
            read = self._source.readinto(free) or 0
        self._end += read
        if self._returns:
            self._end_lines(self._end - read)
        self.at_end = read == 0
        return not self.at_end

    def settle_line_ends(self) -> None:
        """Take carriage returns for newlines, if the beginning has no other line ends: as old Macs wrote text."""
        if line_end(self.peek(FIRST_BYTES)) == b"\r":
            self._returns = True
            self._end_lines(self._begin)

    def _end_lines(self, first: int) -> None:
        new = np.frombuffer(self._bytes, np.uint8, self._end - first, first)
        new[new == ord("\r")] = ord("\n")

    def whole_lines(self) -> int:
        """Return how many of the next bytes are whole lines, after reading on if there is none; 0 at the end.

        The last line of a file need not end in a newline.

        Raises
        ------
        EndlessLineError
            If there is no newline for longer than any line should be.
        """
        searched = 0
        while True:
            end = self._bytes.rfind(b"\n", self._begin + searched, self._end) + 1
            if end:
                return end - self._begin
            searched = len(self)
            if searched >= self.max_line:
                raise EndlessLineError(f"longer than {self.max_line} bytes: not a line of a word and its numbers")
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

    def skip_line(self) -> None:
        """Move behind the next newline, without keeping what is before it; EndlessLineError if that is too much."""
        skipped = 0
        while (at := self._bytes.find(b"\n", self._begin, self._end)) < 0:
            skipped += len(self)
            if skipped > MAX_LINE_BYTES:
                raise EndlessLineError(f"longer than {MAX_LINE_BYTES} bytes: not a line of a word and its numbers")
            self._begin = self._end
            if not self.more():
                return
        self._begin = at + 1

    def skip_blank_lines(self) -> int:
        """Move to the next line that is not blank; return how many newlines were left behind."""
        skipped = n_lines = 0
        while True:
            rest = bytes(self._bytes[self._begin : self._end])
            blank = len(rest) - len(rest.lstrip(b" \t\r\n"))
            whole = blank if blank == len(rest) and self.at_end else rest.rfind(b"\n", 0, blank) + 1
            n_lines += rest.count(b"\n", 0, whole)
            skipped += whole
            self._begin += whole
            if blank < len(rest) or not self.more():
                return n_lines
            if max(skipped, len(self)) > MAX_BLANK_BYTES:
                raise FormatError(f"more than {MAX_BLANK_BYTES} bytes of blank lines")

    def peek_lines(self, count: int) -> list[bytes]:
        """Return the next lines, at most ``count``, without moving."""
        lines: list[bytes] = []
        known = searched = 0  # of the next bytes: those in ``lines``, and those known to hold no further newline
        while len(lines) < count:
            newline = self._bytes.find(b"\n", self._begin + searched, self._end)
            if newline >= 0:
                lines.append(bytes(self._bytes[self._begin + known : newline]))
                known = searched = newline + 1 - self._begin
                continue
            searched = len(self)
            if searched >= self.max_line or not self.more():
                lines.append(bytes(self._bytes[self._begin + known : self._end]))
                break
        return lines
