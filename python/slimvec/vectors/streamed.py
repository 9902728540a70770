"""Rows that are read from a file in order, block by block, as often as they are needed."""

from __future__ import annotations

import os
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

import numpy as np

from slimvec.blocks import rows_per_block
from slimvec.progress import Progress, ignore
from slimvec.vectors.opening import open_window
from slimvec.vectors.repeated import keep_new, warn_of_repeated
from slimvec.vocabulary import VocabularyBuilder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from slimvec.vectors.faults import Faults
    from slimvec.vectors.formats import Format
    from slimvec.vectors.opening import ByteReport
    from slimvec.vectors.readers import Reader
    from slimvec.vocabulary import Vocabulary


class StreamedRows:
    """Rows of a file, and their words, which are known after a first pass over it.

    Parameters
    ----------
    path : Path
    row : Format
        One that has a reader.
    limit : int, optional
        Rows to read at most.
    threads : int, optional
    faults : Faults
        What becomes of rows that cannot be read.
    """

    sequential = True

    def __init__(self, path: Path, row: Format, limit: int | None, threads: int | None, faults: Faults) -> None:
        self.path = path
        self.vocabulary: Vocabulary | None = None
        self._options = row, limit, threads
        self._faults = faults
        self._dim: int | None = None
        self._seen: tuple[object, ...] | None = None

    @contextmanager
    def _open(self, progress: Progress, faults: Faults) -> Iterator[tuple[Reader, ByteReport]]:
        row, limit, threads = self._options
        with open_window(self.path, progress, faults.wide) as opened:
            yield row.start(opened.window, limit, threads, faults), opened.report

    @property
    def dim(self) -> int:
        if self._dim is None:
            with self._open(ignore, self._faults.fresh()) as (reader, _):
                self._dim = reader.dim
        return self._dim

    def __len__(self) -> int:
        if self.vocabulary is None:
            for _ in self.blocks():
                pass
        return len(cast("Vocabulary", self.vocabulary))

    def take(self, rows: NDArray[np.integer]) -> NDArray[np.float32]:  # noqa: ARG002
        """Refuse, which ``sequential`` announces."""
        raise TypeError(f"{self.path} is read in order; expected vectors in memory: use sv.read_vectors(path)")

    def blocks(self, progress: Progress = ignore) -> Iterator[NDArray[np.float32]]:
        """Read the file once; OSError if it is not what it was in an earlier pass."""
        builder = VocabularyBuilder()
        checksum = 0
        faults = self._faults.fresh()
        with self._open(progress, faults) as (reader, report):
            identity = report.identity()
            self._compare(identity)
            for block in _blocks(reader, builder, report):
                if self.vocabulary is not None and builder.n_words > len(self.vocabulary):
                    raise self._changed()
                checksum = zlib.crc32(block.data, checksum)
                yield block
            if report.identity() != identity:
                raise self._changed()
        self._compare(identity, checksum, builder.checksum())
        if self.vocabulary is None:
            self._seen = *identity, checksum, builder.checksum()
            self.vocabulary = builder.finish()
            faults.warn(os.fsdecode(self.path))
            warn_of_repeated(builder, os.fsdecode(self.path))

    def _compare(self, identity: tuple[int, ...], *checksums: int) -> None:
        """Raise OSError if the file, or what was read of it, differs from that of the first pass."""
        seen = (*identity, *checksums)
        if self._seen is not None and self._seen[: len(seen)] != seen:
            raise self._changed()

    def _changed(self) -> OSError:
        return OSError(f"{self.path} changed while it was being read; run again when nothing writes to it")


def _blocks(reader: Reader, builder: VocabularyBuilder, report: ByteReport) -> Iterator[NDArray[np.float32]]:
    """Yield rows in blocks, without those of repeated words."""
    size = rows_per_block(reader.dim)
    while True:
        block = np.empty((size, reader.dim), np.float32)
        filled = 0
        while filled < size and (read := reader.read(block[filled:])).n_rows:
            filled += keep_new(block[filled : filled + read.n_rows], builder.add(read.text, read.offsets))
        report()
        if filled:
            yield block[:filled]
        if filled < size:
            return
