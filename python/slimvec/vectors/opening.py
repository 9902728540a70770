"""Opening a file of vectors: compressed or not, and which format it is."""

from __future__ import annotations

import gzip
import io
import os
import zlib
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from slimvec.errors import FormatError
from slimvec.validation import as_threads
from slimvec.vectors.ahead import ReadAhead
from slimvec.vectors.lines import looks_like_text, parse_header
from slimvec.vectors.readers import RecordReader, TextReader
from slimvec.vectors.window import Window
from slimvec.vectors.zstd import ZSTD_MAGIC, ZstdStream

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from slimvec.progress import Progress

SAMPLE_BYTES = 1 << 16  # looked at to recognise a format

_GZIP_MAGIC = b"\x1f\x8b"

Reader = TextReader | RecordReader


@contextmanager
def open_reader(
    path: Path, format: str | None, limit: int | None, threads: int | None, progress: Progress
) -> Iterator[tuple[Reader, ByteReport]]:
    """Open a file: yields its reader, and what reports how far it is.

    Every FormatError that leaves the block names the file.
    """
    with io.FileIO(path) as raw, ExitStack() as stack:
        try:
            buffered = io.BufferedReader(raw, SAMPLE_BYTES)
            source: ReadAhead | io.BufferedReader[io.FileIO] = buffered
            magic = buffered.peek(len(ZSTD_MAGIC))  # peeking, not seeking: pipes are read too
            if magic.startswith(_GZIP_MAGIC):
                source = stack.enter_context(ReadAhead(gzip.GzipFile(fileobj=buffered)))
            elif magic.startswith(ZSTD_MAGIC):
                source = stack.enter_context(ReadAhead(ZstdStream(buffered)))
            window = Window(source)
            yield _reader(window, format, limit, threads), ByteReport(raw, progress)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise FormatError(f"{path}: damaged gzip data ({error})") from None
        except FormatError as error:
            raise FormatError(f"{path}: {error}") from None


def _reader(window: Window, format: str | None, limit: int | None, threads: int | None) -> Reader:
    sample = window.peek(SAMPLE_BYTES)
    if not sample.strip():
        raise FormatError("the file is empty")
    kind = format or _recognise(sample)
    if kind == "word2vec-binary":
        return RecordReader(window, limit)
    return TextReader(window, kind != "glove", limit, as_threads(threads))


def _recognise(sample: bytes) -> str:
    """Return the format of a file that begins with ``sample``."""
    first, _, rest = sample.partition(b"\n")
    header = parse_header(first)
    if header is None:
        return "glove"
    return "word2vec" if looks_like_text(rest) else "word2vec-binary"


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
