"""Vectors that come as arrays: in memory, mapped, of torch, sparse, or whatever keeps the protocol of rows."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.blocks import row_blocks, rows_per_block
from slimvec.index.checked_rows import Batch
from slimvec.validation import as_array, as_matrix

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from slimvec.vectors.rows import Rows


class IncomingRows:
    """Rows that keep the protocol: arrays, ``Vectors``, ``VectorFile``; words are their ids.

    Parameters
    ----------
    rows : Rows
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        if rows.sequential and rows.vocabulary is None:
            len(rows)  # reads them once: words of a file are known after that

    @property
    def dim(self) -> int:
        """Width of the vectors."""
        return self._rows.dim

    @property
    def n_rows(self) -> int | None:
        """Number of rows, where that is known without reading."""
        return None if self._rows.sequential else len(self._rows)

    @property
    def has_ids(self) -> bool:
        """Whether rows have words; of files that are read in order, known after the first pass."""
        return self._rows.vocabulary is not None

    def batches(self) -> Iterator[Batch]:
        """Walk over all rows; words that are known by then come along."""
        words = None if self._rows.vocabulary is None else iter(self._rows.vocabulary)
        for block in self._rows.blocks():
            yield Batch(block, {}, None if words is None else list(islice(words, len(block))))


class Sliced:
    """Rows of something that gives a few of them at a time as an array.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns.
    some : callable
        ``some(first, last)`` returns rows ``(last - first, d)``.
    """

    has_ids = False

    def __init__(self, shape: tuple[int, ...], some: Callable[[int, int], NDArray[Any]], name: str) -> None:
        if len(shape) != 2:
            raise ValueError(f"{name} has shape {tuple(shape)}; expected two dimensions, one row per vector")
        self.n_rows, self.dim = int(shape[0]), int(shape[1])
        self._some = some

    def batches(self) -> Iterator[Batch]:
        """Walk over all rows."""
        size = rows_per_block(self.dim)
        for first in range(0, self.n_rows, size):
            yield Batch(self._some(first, min(first + size, self.n_rows)), {})


def from_torch(tensor: Any, name: str) -> Sliced:
    """Return the rows of a tensor, wherever it lies and whatever its type."""
    if str(tensor.layout) != "torch.strided":
        raise TypeError(
            f"{name} is a tensor of layout {tensor.layout}; expected a dense one, X.to_dense(), or a matrix of "
            "scipy.sparse, which is filled up by blocks"
        )
    return from_slices(tensor, name)


def from_slices(matrix: Any, name: str) -> Sliced:
    """Return the rows of what is turned into numbers that NumPy has a few rows at a time."""
    return Sliced(tuple(matrix.shape), lambda first, last: as_matrix(matrix[first:last], name), name)


def from_sparse(matrix: Any, name: str) -> Sliced:
    """Return the rows of a sparse matrix, filled up a few at a time."""
    rows = matrix.tocsr()
    return Sliced(rows.shape, lambda first, last: as_matrix(rows[first:last].toarray(), name), name)


class Cells:
    """A column whose cells are rows: lists, arrays, or nothing.

    Parameters
    ----------
    cells : ndarray of object, or list
    name : str
    ids : array_like, optional
    """

    def __init__(self, cells: Any, name: str, ids: Any = None) -> None:
        self._cells, self._name, self._ids = cells, name, ids
        self.n_rows = len(cells)
        self.has_ids = ids is not None
        self.dim = first_width(cells, name)

    def batches(self) -> Iterator[Batch]:
        """Walk over all rows."""
        size = rows_per_block(self.dim)
        for first, block in row_blocks(self._cells, size):
            yield Batch(*matrix_of(block, self.dim), None if self._ids is None else self._ids[first : first + size])


def first_width(cells: Any, name: str) -> int:
    """Return the width of the first cell that is a row; ValueError if none is."""
    for cell in cells:
        if is_row(cell) and len(cell):
            return len(cell)
    raise ValueError(f"{name} holds no vectors; expected lists of numbers, one in each row")


def is_row(cell: Any) -> bool:
    """Tell whether a cell may be a row of numbers."""
    return isinstance(cell, list | tuple) or (hasattr(cell, "__array__") and getattr(cell, "ndim", 1) == 1)


def matrix_of(cells: Any, dim: int) -> tuple[NDArray[Any], dict[int, str]]:
    """Return cells as rows, and what is wrong with those that are none."""
    rows, faults = [], {}
    nothing = np.zeros(dim, np.float32)
    for place, cell in enumerate(cells):
        row, fault = _row_of(cell, dim)
        if fault:
            faults[place] = fault
        rows.append(nothing if row is None else row)
    dtype = np.result_type(np.float32, *{row.dtype for row in rows}) if rows else np.float32
    matrix = np.empty((len(rows), dim), dtype)
    for place, row in enumerate(rows):
        matrix[place] = row
    return matrix, faults


def _row_of(cell: Any, dim: int) -> tuple[NDArray[Any] | None, str]:  # noqa: PLR0911 - a fault each
    if cell is None or (isinstance(cell, float) and cell != cell):  # noqa: PLR0124 - NaN, as pandas has it
        return None, "is null"
    if not is_row(cell):
        return None, f"is {cell!r:.60}"
    if len(cell) != dim:
        return None, f"has {len(cell)} numbers, and the first vector {dim}"
    try:
        row = as_array(cell, "a row")
    except (TypeError, ValueError):
        return None, "holds what are no numbers"
    if row.dtype == object:
        return None, "holds null" if any(one is None for one in cell) else "holds what are no numbers"
    if row.dtype.kind not in "fiu" or row.shape != (dim,):
        return None, f"holds {row.dtype}, no numbers"
    return row, ""
