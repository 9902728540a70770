"""Rows of vectors, wherever they come from: what estimators learn from and tables are made of.

:class:`Rows` is the one contract. Whatever keeps it, inside this package or outside, can be fitted, streamed and
compressed; nothing else asks what it is.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from slimvec.blocks import row_blocks, rows_per_block
from slimvec.progress import Progress, ignore
from slimvec.validation import as_matrix, check_width
from slimvec.vocabulary import Vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray


@runtime_checkable
class Rows(Protocol):
    """Rows of one width that can be walked more than once, block by block, and are the same each time.

    ``len`` tells how many there are; where that is known only after a pass, it makes one.

    Attributes
    ----------
    dim : int
        Width d.
    vocabulary : Vocabulary or None
        A word for each row, known once all rows have been walked.
    sequential : bool
        Whether rows can be read in order only. If not, :meth:`take` gives any of them.
    """

    @property
    def dim(self) -> int: ...
    @property
    def vocabulary(self) -> Vocabulary | None: ...
    @property
    def sequential(self) -> bool: ...
    def __len__(self) -> int: ...
    def blocks(self, progress: Progress = ignore) -> Iterator[NDArray[Any]]:
        """Walk over all rows, in order, in blocks ``(m, d)`` of real numbers; ``progress`` is told of the reading."""

    def take(self, rows: NDArray[np.integer]) -> NDArray[Any]:
        """Return some rows, by their numbers."""


class MatrixRows:
    """Rows of an array, in memory or mapped.

    Parameters
    ----------
    matrix : ndarray, shape (n, d)
    vocabulary : Vocabulary, optional
    """

    sequential = False

    def __init__(self, matrix: NDArray[Any], vocabulary: Vocabulary | None = None) -> None:
        self.matrix = matrix
        self.vocabulary = vocabulary

    @property
    def dim(self) -> int:
        """Width d of the vectors."""
        return int(self.matrix.shape[1])

    def __len__(self) -> int:
        return len(self.matrix)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.matrix, dtype=dtype, copy=copy)

    def blocks(self, progress: Progress = ignore) -> Iterator[NDArray[Any]]:  # noqa: ARG002 - nothing is read
        """Walk over the rows in blocks.

        Parameters
        ----------
        progress : callable, optional
            Not called: nothing is read.

        Returns
        -------
        iterator of ndarray, shape (at most 4096, d)
        """
        return (block for _, block in row_blocks(self.matrix, rows_per_block(self.dim)))

    def take(self, rows: NDArray[np.integer]) -> NDArray[Any]:
        """Return some rows.

        Parameters
        ----------
        rows : integer array, shape (m,)

        Returns
        -------
        ndarray, shape (m, d)
        """
        picked: NDArray[Any] = self.matrix[rows]
        return picked


def as_rows(X: Rows | ArrayLike, name: str, n_columns: int | None = None) -> Rows:
    """Return whatever an estimator was given as rows; errors call it ``name``.

    Raises
    ------
    TypeError, ValueError
        If it is neither :class:`Rows` nor a matrix of real numbers, or of another width than ``n_columns``.
    """
    rows: Rows
    if isinstance(X, np.ndarray):  # asking an array whether it keeps a protocol takes longer than a small search
        rows = MatrixRows(as_matrix(X, name))
    elif isinstance(X, Rows) and callable(X.blocks):  # and not a data frame with columns of these names
        rows = X
    elif hasattr(X, "index_to_key"):  # gensim's KeyedVectors
        keyed: Any = X
        rows = MatrixRows(as_matrix(keyed.vectors, name), Vocabulary(keyed.index_to_key))
    else:
        rows = MatrixRows(as_matrix(X, name))
    if n_columns is not None:
        check_width(rows.dim, name, n_columns)
    return rows


def as_training_rows(X: Rows | ArrayLike) -> Rows:
    """Return :func:`as_rows` of X, refusing what has no rows or no columns."""
    rows = as_rows(X, "X")
    if not rows.sequential and len(rows) * rows.dim == 0:
        raise ValueError(f"X is empty: shape ({len(rows)}, {rows.dim}); expected at least one row and one column")
    return rows


def whole(rows: Rows, progress: Progress = ignore) -> NDArray[Any]:
    """Return all rows as one array: their own, where they have one, or read into memory."""
    matrix: NDArray[Any] | None = getattr(rows, "matrix", None)
    if matrix is not None:
        return matrix
    blocks: list[Any] = list(rows.blocks(progress))
    matrix = np.empty((sum(map(len, blocks)), rows.dim), blocks[0].dtype if blocks else np.float32)
    filled = 0
    for number, block in enumerate(blocks):
        matrix[filled : filled + len(block)] = block
        filled += len(block)
        blocks[number] = None  # given back as it is copied: both together never take twice the memory
    return matrix


def checksum(rows: Rows) -> tuple[int, int, int]:
    """Return what tells rows from others: their number, their width, and a CRC-32 of all that they hold."""
    total = 0
    for block in rows.blocks():
        total = zlib.crc32(np.ascontiguousarray(block).data, total)
    return len(rows), rows.dim, total


def reported(rows: Rows, stage: str, progress: Progress) -> Iterator[NDArray[Any]]:
    """Yield the blocks of rows, and report how many went by; what is read in order reports that itself."""
    if rows.sequential:
        yield from rows.blocks(progress)
        return
    done = 0
    for block in rows.blocks():
        yield block
        done += len(block)
        progress(stage, done, len(rows))
