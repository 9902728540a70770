"""Rows of several sources, one after the other, and pieces of them that workers can read by themselves."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from slimvec.blocks import row_blocks, rows_per_block
from slimvec.estimator import is_lazy
from slimvec.progress import Progress, ignore
from slimvec.spread.executing import check_executor, in_order_by
from slimvec.vectors.rows import MatrixRows, as_rows
from slimvec.vectors.vector_file import VectorFile
from slimvec.vocabulary import Vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Executor

    from numpy.typing import NDArray

    from slimvec.vectors.rows import Rows

TASK_BLOCKS = 64  # of rows, in a task: some 100 MB that are read, a multiple of what sums are grouped by


class Piece(NamedTuple):
    """Consecutive rows of a source, as a worker gets them: what it opens, and which rows.

    ``to_end`` says that the source has no further ones.
    """

    source: Any
    first: int
    n_rows: int
    to_end: bool

    def blocks(self) -> Iterator[NDArray[Any]]:
        """Read the rows, block by block."""
        rows = _opened(self.source)
        matrix = getattr(rows, "matrix", None)
        end = self.first + self.n_rows
        if matrix is not None:
            yield from (block for _, block in row_blocks(matrix[self.first : end], rows_per_block(rows.dim)))
        elif not rows.sequential:
            yield from (rows.take(some) for _, some in row_blocks(np.arange(self.first, end)))
        else:
            yield from self._in_order(rows)

    def _in_order(self, rows: Rows) -> Iterator[NDArray[Any]]:
        """Read rows that can be read from the beginning only, as far as they are wanted."""
        start, end = 0, self.first + self.n_rows
        for block in rows.blocks():
            stop = start + len(block)
            if stop > self.first:
                yield block[max(0, self.first - start) : end - start]
            start = stop
            if start >= end and not self.to_end:  # else it is read to its end, where files are checked
                return
        if start != end:
            raise OSError(f"{self.source} changed while it was being read; run again when nothing writes to it")


def read_pieces(pieces: list[Piece]) -> Iterator[NDArray[Any]]:
    """Read pieces, one after the other."""
    for piece in pieces:
        yield from piece.blocks()


def _opened(source: Any) -> Rows:
    return VectorFile(source) if isinstance(source, str) else as_rows(source, "X")


def _counted(source: Any) -> tuple[int, Vocabulary | None]:
    """Read a file to its end, and return how many rows it has, and their words."""
    rows = _opened(source)
    return len(rows), rows.vocabulary


@dataclass(frozen=True, eq=False)
class Sources:
    """Rows of all sources, in a row.

    Attributes
    ----------
    names : list of str
        As errors call them.
    given : list
        What workers are told: paths as text, or the rows themselves.
    opened : list of Rows
    lengths : list of int
    vocabularies : list of Vocabulary or None
    """

    names: list[str]
    given: list[Any]
    opened: list[Rows]
    lengths: list[int]
    vocabularies: list[Vocabulary | None]

    @classmethod
    def of(cls, X: Any, name: str, executor: Executor | None, n_columns: int | None = None) -> Sources:
        """Return a list of sources, or a single one, opened; files that are read in order are counted by workers."""
        if executor is not None:
            check_executor(executor)
        if is_lazy(X):
            raise TypeError(f"{name} is held by Dask, whose own workers go over it; leave out executor=")
        listed = X if isinstance(X, list | tuple) else [X]
        names = [f"{name}[{i}]" for i in range(len(listed))] if isinstance(X, list | tuple) else [name]
        if not listed:
            raise ValueError(f"{name} is an empty list; expected sources of rows: paths, arrays, Vectors")
        given: list[Any] = []
        opened: list[Rows] = []
        for i, (one, called) in enumerate(zip(listed, names, strict=True)):
            if isinstance(one, str | os.PathLike):
                names[i] = os.path.abspath(os.fsdecode(one))  # noqa: PTH100 - workers may stand elsewhere
                opened.append(VectorFile(names[i]))
                given.append(names[i])
            else:
                if np.ndim(one) == 1 and not hasattr(one, "blocks"):
                    raise ValueError(f"{called} is a row; expected sources of rows in a list: paths, arrays, Vectors")
                opened.append(as_rows(one, called))
                given.append(opened[-1])
        _check_alike(names, opened, n_columns)
        counted = {i: (len(rows), rows.vocabulary) for i, rows in enumerate(opened) if not rows.sequential}
        ordered = [i for i, rows in enumerate(opened) if rows.sequential]
        for number, found in in_order_by(executor, _counted, ((given[i],) for i in ordered)):
            counted[ordered[number]] = found
        lengths = [counted[i][0] for i in range(len(opened))]
        return cls(names, given, opened, lengths, [counted[i][1] for i in range(len(opened))])

    @property
    def dim(self) -> int:
        """Width d."""
        return self.opened[0].dim

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """Number of the first row of each source, and of all rows."""
        return np.cumsum([0, *self.lengths], dtype=np.int64)

    def __len__(self) -> int:
        return int(self.starts[-1])

    @cached_property
    def vocabulary(self) -> Vocabulary | None:
        """The words of all rows.

        Raises
        ------
        ValueError
            If some sources have words and others have none, or two have the same.
        """
        without = [vocabulary is None for vocabulary in self.vocabularies]
        if all(without):
            return None
        if any(without):
            some, none = self.names[without.index(False)], self.names[without.index(True)]
            raise ValueError(f"{some} has words, and {none} has none; expected words in all sources, or in none")
        if len(self.vocabularies) == 1:
            return self.vocabularies[0]
        return Vocabulary(word for vocabulary in self.vocabularies if vocabulary is not None for word in vocabulary)

    def blocks(self, progress: Progress = ignore) -> Iterator[NDArray[Any]]:  # noqa: ARG002
        """Walk over all rows here."""
        return read_pieces(self.pieces(0, len(self)))

    def tasks(self, aligned: bool = False) -> Iterator[tuple[int, list[Piece]]]:
        """Cut all rows into tasks of whole blocks: number of the first row, and the pieces of each.

        Sources that are read in order are a task each, so that no part of them is read twice; ``aligned``, but for what
        completes the last block of the task before.
        """
        size = rows_per_block(self.dim)
        step = TASK_BLOCKS * size
        cuts = {0, len(self), *range(0, len(self), step)}
        for rows, first, end in zip(self.opened, self.starts[:-1].tolist(), self.starts[1:].tolist(), strict=True):
            if rows.sequential:
                begin, stop = (min(-(-cut // size) * size, len(self)) if aligned else cut for cut in (first, end))
                cuts = {cut for cut in cuts if not begin < cut < stop} | {begin, stop}
        for first, end in pairwise(sorted(cuts)):
            yield first, self.pieces(first, end)

    def pieces(self, first: int, end: int) -> list[Piece]:
        """Return the pieces of rows ``first ... end - 1``."""
        found = []
        for given, rows, start, stop in zip(
            self.given, self.opened, self.starts[:-1].tolist(), self.starts[1:].tolist(), strict=True
        ):
            begin, last = max(first, start), min(end, stop)
            if begin >= last:
                continue
            matrix = getattr(rows, "matrix", None)
            if not isinstance(given, str) and matrix is not None:  # no worker gets rows of another
                found.append(Piece(MatrixRows(matrix[begin - start : last - start]), 0, last - begin, True))
            else:
                found.append(Piece(given, begin - start, last - begin, last == stop))
        return found


def _check_alike(names: list[str], opened: list[Any], n_columns: int | None) -> None:
    """Raise unless all sources are as wide, and hold numbers of one type."""
    width = opened[0].dim if n_columns is None else n_columns
    for called, rows in zip(names, opened, strict=True):
        if rows.dim != width:
            expected = f"as {names[0]} has" if n_columns is None else "those of the vectors that were fitted"
            raise ValueError(f"{called} has {rows.dim} columns; expected {width}, {expected}")
    dtypes = [None if (matrix := getattr(rows, "matrix", None)) is None else matrix.dtype for rows in opened]
    dtypes = [np.dtype(np.float32) if dtype is None else dtype for dtype in dtypes]
    for called, dtype in zip(names, dtypes, strict=True):
        if dtype != dtypes[0]:
            raise TypeError(f"{called} holds {dtype}, and {names[0]} {dtypes[0]}; expected one dtype in all sources")
