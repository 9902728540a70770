"""What a file comes wrapped in, and perhaps that again: compressions, archives, text of other widths."""

from __future__ import annotations

import io
import os
import stat
import tempfile
from typing import IO, TYPE_CHECKING, Any

from slimvec.errors import FormatError
from slimvec.vectors.ahead import PIECE_BYTES
from slimvec.vectors.archives import ZIP_MAGIC, open_member
from slimvec.vectors.compression import MAGIC_BYTES, compression_of
from slimvec.vectors.wide_text import WideText, marked_encoding

if TYPE_CHECKING:
    from contextlib import ExitStack

    from slimvec.vectors.ahead import Readable

BUFFER_BYTES = 1 << 16
MAX_WRAPPINGS = 4  # one in the other, such as a zip archive of gzip files
FREE_BYTES = 1 << 30  # that a file may unpack to on disk, however small it is
MAX_RATIO = 100  # of what it unpacks to beyond that; floats hardly reach 10


def is_wrapped(start: bytes) -> bool:
    """Tell whether what begins with these bytes would be unwrapped."""
    return start.startswith(ZIP_MAGIC) or compression_of(start) is not None or marked_encoding(start) is not None


class Peeked:
    """A stream whose first bytes can be looked at."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._start = b""
        self.n_read = 0

    def peek(self, size: int) -> bytes:
        while len(self._start) < size and (more := self._stream.read(size - len(self._start))):
            self._start += more
            self.n_read += len(more)
        return self._start[:size]

    def read(self, size: int) -> bytes:
        if not self._start:
            data: bytes = self._stream.read(size)
            self.n_read += len(data)
            return data
        data, self._start = self._start[:size], self._start[size:]
        return data

    def readinto(self, buffer: memoryview) -> int:
        if not self._start:
            size = int(self._stream.readinto(buffer) or 0)
            self.n_read += size
            return size
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class Wrapped:
    """A file on the way from what lies on disk to what it holds.

    Attributes
    ----------
    source : Peeked
    depth : int
        How often it was unwrapped.
    is_ordinary : bool
        Whether it can be opened again, and read at any place.
    begin, size : int
        Where the bytes lie in the file on disk that are read, as far as is known: of an archive, those of its member.
    """

    def __init__(self, raw: io.FileIO, name: str, member: str, stack: ExitStack) -> None:
        status = os.fstat(raw.fileno())
        self._on_disk = self.source = Peeked(io.BufferedReader(raw, BUFFER_BYTES))
        self.is_ordinary = stat.S_ISREG(status.st_mode)
        self._file: Any = raw if self.is_ordinary else None  # where archives can be looked up
        self._name, self._member, self._stack = name, member, stack
        self._n_bytes = self.size = status.st_size if self.is_ordinary else 0
        self.begin = self.depth = 0
        self._is_text = False

    def unwrap(self, encoding: str | None) -> None:
        """Go on until there is nothing to be unwrapped."""
        while self._unwrap():
            if self.depth > MAX_WRAPPINGS:
                raise FormatError(f"it is compressed more than {MAX_WRAPPINGS} times over; unpack it first")
        if self._member:
            raise FormatError(f"expected a zip archive that holds {self._member!r}, found a file that is none")
        if encoding is not None and not self._is_text:
            self._push(WideText(self.source, encoding))

    def _unwrap(self) -> bool:
        start = self.source.peek(MAGIC_BYTES)
        compression = compression_of(start)
        if compression is not None:
            self._push(compression.open(self.source))
        elif start.startswith(ZIP_MAGIC):
            return self._open_archive()
        elif (encoding := marked_encoding(start)) is not None:
            self._push(WideText(self.source, encoding))
            self._is_text = True  # a mark told so
        else:
            return False
        return True

    def _push(self, stream: Readable) -> None:
        self.source, self._file = Peeked(stream), None
        self.depth += 1

    def _open_archive(self) -> bool:
        if self._file is None:
            self._file = self._stack.enter_context(tempfile.TemporaryFile(prefix="slimvec-"))  # noqa: SIM115
            while piece := self.source.read(PIECE_BYTES):
                write_temporary(self._file, piece)
                self.check_ratio(self._file.tell())
            self._file.seek(0)
            self.source = Peeked(self._file)
            self.depth += 1
        at = self._file.tell()
        member = open_member(self._file, self._name, self._member)
        if member is None:
            self._file.seek(at)
            return False
        self._member = member.rest
        if self.depth == 0:
            self.begin, self.size = member.place
        self._push(member.stream)
        return True

    def check_ratio(self, n_bytes: int, free: int | None = None) -> None:
        """Raise FormatError if far more bytes come out than went in; the first ``free`` bytes may."""
        if n_bytes > (FREE_BYTES if free is None else free) + MAX_RATIO * max(self._n_bytes, self._on_disk.n_read):
            raise FormatError(f"it unpacks to more than {MAX_RATIO} times its size; unpack it first if that is right")


def write_temporary(file: IO[bytes], data: Any) -> None:
    """Write to a temporary file; the error of a disk that is full names where it is."""
    try:
        file.write(data)
    except OSError as error:
        raise OSError(error.errno, error.strerror, tempfile.gettempdir()) from None
