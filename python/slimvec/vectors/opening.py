"""Opening a file, compressed or not: its bytes in a window, and how far it is read."""

from __future__ import annotations

import io
import os
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, NamedTuple

from slimvec.errors import naming
from slimvec.progress import Progress, ignore
from slimvec.vectors.ahead import ReadAhead
from slimvec.vectors.compression import decompressed
from slimvec.vectors.window import Window

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BUFFER_BYTES = 1 << 16


class Opened(NamedTuple):
    """An open file.

    Attributes
    ----------
    window : Window
        At the beginning of its bytes, decompressed.
    report : ByteReport
    plain : bool
        Whether these bytes lie in an ordinary file as they are, so that it can be mapped.
    """

    window: Window
    report: ByteReport
    plain: bool


@contextmanager
def open_window(path: Path, progress: Progress = ignore) -> Iterator[Opened]:
    """Open a file; every FormatError that leaves the block names it."""
    with io.FileIO(path) as raw, ExitStack() as stack, naming(path):
        buffered = io.BufferedReader(raw, BUFFER_BYTES)
        stream = decompressed(buffered)
        source = buffered if stream is None else stack.enter_context(ReadAhead(stream))
        yield Opened(Window(source), ByteReport(raw, progress), stream is None and raw.seekable())


class ByteReport:
    """Reports the position in the file on disk: compressed bytes, for a compressed one. Silent for pipes."""

    def __init__(self, raw: io.FileIO, progress: Progress) -> None:
        self._raw = raw
        self._size = os.fstat(raw.fileno()).st_size if raw.seekable() else 0
        self._progress = progress

    def __call__(self) -> None:
        if self._size:
            self._progress("reading vectors", min(self._raw.tell(), self._size), self._size)

    def expect(self, n_read: int, n_rows: int | None) -> int:
        """Return how many rows the file will have, going by those read, and by what its header promises at most.

        A promise alone would let a small file take any amount of memory.
        """
        done = self._raw.tell() if self._size else 0
        expected = 0 if done == 0 else n_read * self._size // done + n_read // 50  # 2 % more: words grow longer
        return expected if n_rows is None else min(expected, n_rows)

    def identity(self) -> tuple[int, ...]:
        """Return what changes when the file is written to or replaced."""
        now = os.fstat(self._raw.fileno())
        return now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns
