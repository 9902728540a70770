"""Opening a file, whatever it comes wrapped in: its bytes in a window, and how far it is read."""

from __future__ import annotations

import io
import os
import re
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from slimvec.errors import FormatError, naming
from slimvec.progress import Progress, ignore
from slimvec.vectors.ahead import ReadAhead
from slimvec.vectors.archives import split_member
from slimvec.vectors.window import Window
from slimvec.vectors.wrappings import Wrapped, write_temporary

if TYPE_CHECKING:
    from collections.abc import Iterator

STANDARD_INPUT = Path("/dev/stdin")


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
    def mappable(self, path: Path) -> Iterator[Path]:
        """Give an ordinary file of these bytes: that of ``path``, or a temporary one, of which what is mapped stays."""
        if self.plain:
            yield path
            return
        with tempfile.NamedTemporaryFile(prefix="slimvec-") as file:
            while piece := self.window.take():
                write_temporary(file, piece)
                self.report.check_ratio(file.tell())
                self.report()
            file.flush()
            yield Path(file.name)


def place_of(source: str | os.PathLike[str]) -> Path:
    """Return where a file is that vectors are to be read from; ``"-"`` is the standard input.

    Raises
    ------
    FormatError
        If it is a URL.
    """
    text = os.fsdecode(source)
    if source == "-":
        return STANDARD_INPUT
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", text) and not os.path.lexists(text):
        raise FormatError(f"{text} is a URL; download it, and read the file: slimvec does not fetch")
    return Path(text)


def file_of(source: str | os.PathLike[str]) -> Path:
    """Return the file of a source, which may be a member of it."""
    return split_member(place_of(source))[0]


def is_read(output: Path, *sources: str | os.PathLike[str]) -> bool:
    """Tell whether what is to be written would replace a file that is read."""
    return output.exists() and any(file.exists() and output.samefile(file) for file in map(file_of, sources))


def is_ordinary(source: str | os.PathLike[str]) -> bool:
    """Tell whether a source is an ordinary file, or a member of one, which can be read more than once."""
    return file_of(source).is_file()


@contextmanager
def open_window(path: Path, progress: Progress = ignore, encoding: str | None = None) -> Iterator[Opened]:
    """Open a file; every FormatError that leaves the block names it.

    Text of two or four bytes to a letter, in ``encoding`` or with a mark that tells, comes as UTF-8.
    """
    file, member = split_member(path)
    with io.FileIO(file) as raw, ExitStack() as stack, naming(path):
        wrapped = Wrapped(raw, file.name, member, stack)
        wrapped.unwrap(encoding)
        report = ByteReport(raw, wrapped, progress)
        source: Any = wrapped.source if wrapped.depth == 0 else stack.enter_context(ReadAhead(wrapped.source))
        yield Opened(Window(source), report, wrapped.depth == 0 and wrapped.is_ordinary)


class ByteReport:
    """Reports the position in the file on disk: compressed bytes, for a compressed one. Silent for pipes."""

    def __init__(self, raw: io.FileIO, wrapped: Wrapped, progress: Progress) -> None:
        self._raw = raw
        self._begin, self._size = wrapped.begin, wrapped.size
        self._progress = progress
        self.check_ratio = wrapped.check_ratio

    def __call__(self) -> None:
        if self._size:
            self._progress("reading vectors", self._done(), self._size)

    def _done(self) -> int:
        return min(max(self._raw.tell() - self._begin, 0), self._size)

    def expect(self, n_read: int, n_rows: int | None) -> int:
        """Return how many rows the file will have, going by those read, and by what its header promises at most.

        A promise alone would let a small file take any amount of memory.
        """
        done = self._done() if self._size else 0
        expected = 0 if done == 0 else n_read * self._size // done + n_read // 50  # 2 % more: words grow longer
        return expected if n_rows is None else min(expected, n_rows)

    def identity(self) -> tuple[int, ...]:
        """Return what changes when the file is written to or replaced."""
        now = os.fstat(self._raw.fileno())
        return now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns
