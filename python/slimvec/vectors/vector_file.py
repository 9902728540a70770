"""Vectors that stay in their file: what does not fit in memory is read block by block, as often as it is needed."""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from slimvec.blocks import BLOCK_ROWS
from slimvec.progress import Progress, ignore
from slimvec.vectors.mapped import mapped_format
from slimvec.vectors.opening import open_reader
from slimvec.vectors.reading import Source, check_options
from slimvec.vectors.repeated import keep_new, warn_of_repeated
from slimvec.vocabulary import VocabularyBuilder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from slimvec.vectors.opening import ByteReport, Reader
    from slimvec.vocabulary import Vocabulary


class VectorFile:
    r"""An embedding file to be read block by block, so that fitting and compressing it need little memory.

    The file is read more than once, so it must be a file, not a pipe. Words are kept once, as UTF-8 and a hash table.

    Parameters
    ----------
    path : str or path
        A word2vec text or binary file, a GloVe text file, a fastText ``.vec`` file, any of these compressed by gzip
        or Zstandard. (``.npy``, safetensors and fastText ``.bin`` files are mapped by :func:`read_vectors`, which takes
        no memory either.)
    format, limit, threads
        See :func:`read_vectors`.

    Attributes
    ----------
    vocabulary : Vocabulary or None
        The words, after a first pass.

    Raises
    ------
    ValueError
        If the options are wrong, or ``path`` is no such file.
    OSError
        If it does not exist.

    Examples
    --------
    >>> import os, tempfile
    >>> import slimvec as sv
    >>> path = os.path.join(tempfile.mkdtemp(), "tiny.txt")
    >>> with open(path, "w") as file:
    ...     _ = file.write("cat 0.5 -1\ndog 0.25 2\ncow 1 1\n")
    >>> table = sv.IIQ(n_remove=0).compress(sv.VectorFile(path))
    >>> table.most_similar("cat", k=1)[0][0] in {"dog", "cow"}
    True
    """

    sequential = True

    def __init__(
        self, path: Source, format: str | None = None, limit: int | None = None, *, threads: int | None = None
    ) -> None:
        self.path = Path(os.fsdecode(path))
        self._options = format, check_options(format, limit), threads
        self.path.stat()  # a missing file is said to be missing
        kind = mapped_format(self.path, format)
        if not self.path.is_file() or kind is not None:
            what = f"of format {kind}" if self.path.is_file() else "no ordinary file"
            raise ValueError(f"{self.path} is {what}; expected text or word2vec binary: use sv.read_vectors(path)")
        self.vocabulary: Vocabulary | None = None
        self._dim: int | None = None
        self._seen: tuple[object, ...] | None = None

    def __repr__(self) -> str:
        size = "not read yet" if self.vocabulary is None else f"{len(self.vocabulary)} words"
        return f"<slimvec.VectorFile: {self.path.name}, {size}>"

    def __len__(self) -> int:
        """Return the number of rows; the file is read for it if it has not been read yet."""
        if self.vocabulary is None:
            for _ in self.blocks():
                pass
        return len(cast("Vocabulary", self.vocabulary))

    @property
    def dim(self) -> int:
        """Width d of the vectors: the beginning of the file tells."""
        if self._dim is None:
            with open_reader(self.path, *self._options, ignore) as (reader, _):
                self._dim = reader.dim
        return self._dim

    def take(self, rows: NDArray[np.integer]) -> NDArray[np.float32]:  # noqa: ARG002
        """Refuse: a file is read in order.

        Parameters
        ----------
        rows : integer array

        Returns
        -------
        ndarray

        Raises
        ------
        TypeError
            Always; ``sequential`` says so.
        """
        raise TypeError(f"{self.path} is read in order; expected vectors in memory: use sv.read_vectors(path)")

    def blocks(self, progress: Progress = ignore) -> Iterator[NDArray[np.float32]]:
        """Read the file once, in blocks of rows; of words that come again the first is kept.

        Parameters
        ----------
        progress : callable, optional
            ``progress(stage, done, total)``, in bytes of the file.

        Returns
        -------
        iterator of ndarray, shape (4096, d), float32
            The last one may have fewer rows.

        Raises
        ------
        FormatError
            As from :func:`read_vectors`.
        OSError
            If the file is not what it was in an earlier pass.

        Warns
        -----
        UserWarning
            In the first pass, if words appear more than once.
        """
        builder = VocabularyBuilder()
        checksum = 0
        with open_reader(self.path, *self._options, progress) as (reader, report):
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
            warn_of_repeated(builder, os.fsdecode(self.path))

    def _compare(self, identity: tuple[int, ...], *checksums: int) -> None:
        """Raise OSError if the file, or what was read of it, differs from that of the first pass."""
        seen = (*identity, *checksums)
        if self._seen is not None and self._seen[: len(seen)] != seen:
            raise self._changed()

    def _changed(self) -> OSError:
        return OSError(f"{self.path} changed while it was being read; run again when nothing writes to it")


def _blocks(reader: Reader, builder: VocabularyBuilder, report: ByteReport) -> Iterator[NDArray[np.float32]]:
    """Yield rows in blocks of ``BLOCK_ROWS``, without those of repeated words."""
    while True:
        block = np.empty((BLOCK_ROWS, reader.dim), np.float32)
        filled = 0
        while filled < BLOCK_ROWS and (read := reader.read(block[filled:])).n_rows:
            filled += keep_new(block[filled : filled + read.n_rows], builder.add(read.text, read.offsets))
        report()
        if filled:
            yield block[:filled]
        if filled < BLOCK_ROWS:
            return
