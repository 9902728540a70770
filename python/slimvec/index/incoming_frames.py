"""Vectors that come in frames of pandas and polars, read by what these offer themselves: no other package is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.blocks import rows_per_block
from slimvec.index.checked_rows import Batch
from slimvec.index.columns import choose_columns
from slimvec.index.incoming_arrays import Cells, is_row, matrix_of
from slimvec.validation import as_matrix

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from slimvec.index.checked_rows import Incoming


class _Numbers:
    """Columns of numbers, one for each dimension."""

    def __init__(self, n_rows: int, columns: list[str], some: Callable[[int, int], Any], ids: Any, name: str) -> None:
        self.n_rows, self.dim, self.has_ids = n_rows, len(columns), ids is not None
        self.vector_columns = columns
        self._some, self._ids, self._name = some, ids, name

    def batches(self) -> Iterator[Batch]:
        size = rows_per_block(self.dim)
        for first in range(0, self.n_rows, size):
            ids = None if self._ids is None else self._ids[first : first + size]
            yield Batch(as_matrix(self._some(first, first + size), self._name), {}, ids)


def from_pandas(frame: Any, vectors: Any, ids: str | None, name: str) -> Incoming:
    """Return the rows of a pandas frame."""
    frame = frame.set_axis(list(map(str, frame.columns)), axis=1)  # which may be numbers
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise ValueError(f"{name} has several columns called {twice!r}; expected one of each name")
    lists = [column for column in frame.columns if _holds_rows(frame[column])]
    numbers = [column for column in frame.columns if frame[column].dtype.kind in "fiu"]
    columns = choose_columns(list(frame.columns), lists, numbers, vectors, ids, name)
    own = None if ids is None else frame[ids].to_list()
    if own is not None and frame[ids].isna().any():
        own = [None if missing else one for one, missing in zip(own, frame[ids].isna(), strict=True)]
        own = [int(one) if isinstance(one, float) and one.is_integer() else one for one in own]
    if columns.of_lists:
        return Cells(frame[columns.vectors[0]].to_numpy(object), name, own)
    chosen = frame[columns.vectors]

    def some(first: int, last: int) -> Any:
        return chosen.iloc[first:last].to_numpy(np.float64, na_value=np.nan)

    return _Numbers(len(frame), columns.vectors, some, own, name)


def _holds_rows(series: Any) -> bool:
    """Tell whether a pandas column is one of lists, by its first cell that is something."""
    if series.dtype.kind in "fiubMm":
        return False
    missing = series.isna()
    return not missing.all() and is_row(series[~missing].iloc[0])


class _PolarsLists:
    """A polars column of lists."""

    def __init__(self, series: Any, ids: Any, name: str) -> None:
        is_array = type(series.dtype).__name__ == "Array"
        self._series = series.arr.to_list() if is_array else series
        self._ids = ids
        self.n_rows, self.has_ids = len(series), ids is not None
        lengths = self._series.list.len().drop_nulls().to_numpy()
        if not lengths.any():
            raise ValueError(f"{name} holds no vectors in column {series.name!r}; expected lists of numbers")
        self.dim = int(lengths[np.argmax(lengths > 0)])

    def batches(self) -> Iterator[Batch]:
        size = rows_per_block(self.dim)
        for first in range(0, self.n_rows, size):
            part = self._series.slice(first, size)
            ids = None if self._ids is None else self._ids[first : first + size]
            yield Batch(*self._matrix(part), ids)

    def _matrix(self, part: Any) -> tuple[NDArray[Any], dict[int, str]]:
        if not part.null_count() and (part.list.len() == self.dim).all():
            flat = part.explode()
            if not flat.null_count():
                return flat.to_numpy().reshape(-1, self.dim), {}
        return matrix_of(part.to_list(), self.dim)


def from_polars(frame: Any, vectors: Any, ids: str | None, name: str) -> Incoming:
    """Return the rows of a polars frame."""
    lists, numbers = [], []
    for column, dtype in frame.schema.items():
        if type(dtype).__name__ in {"List", "Array"}:
            lists.append(column)
            if column == vectors and not dtype.inner.is_numeric():
                raise TypeError(f"{name}: column {column!r} is {dtype}; expected lists of numbers")
        elif dtype.is_numeric():
            numbers.append(column)
    columns = choose_columns(frame.columns, lists, numbers, vectors, ids, name)
    own = None if ids is None else frame[ids].to_list()
    if columns.of_lists:
        return _PolarsLists(frame[columns.vectors[0]], own, name)
    chosen = frame.select(columns.vectors)

    def some(first: int, last: int) -> Any:
        return chosen.slice(first, last - first).to_numpy()

    return _Numbers(len(frame), columns.vectors, some, own, name)
