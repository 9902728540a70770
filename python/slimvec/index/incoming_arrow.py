"""Vectors that come in Arrow's columns of lists: tables, streams, Parquet files, and what exports such streams."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.blocks import rows_per_block
from slimvec.errors import FormatError, needs
from slimvec.index.checked_rows import Batch
from slimvec.index.columns import Columns, choose_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from numpy.typing import NDArray

READ_ROWS = 4096
IPC_FILE = b"ARROW1"  # how a file begins; a stream begins otherwise
READ_BYTES = 1 << 20  # of a column of Parquet, where all of it at once may be a whole file


def pyarrow() -> ModuleType:
    """Return pyarrow; ImportError with what to install if it is not there."""
    with needs("pyarrow", "arrow"):
        import pyarrow as pa
    module: ModuleType = pa
    return module


class IncomingArrow:
    """Rows of Arrow record batches.

    Parameters
    ----------
    schema : pyarrow.Schema
    walk : callable
        ``walk(names)`` yields record batches with the columns of these names.
    vectors, ids
        See :meth:`slimvec.Index.build`; ``ids`` is the name of a column, or None.
    n_rows : int, optional
    name : str
        What errors call the source.
    """

    def __init__(
        self,
        schema: Any,
        walk: Callable[[list[str]], Iterator[Any]],
        vectors: Any,
        ids: str | None,
        n_rows: int | None,
        name: str,
    ) -> None:
        pa = pyarrow()
        lists, numbers = [], []
        for field in schema:
            stored = _storage(field.type)
            if _is_list(stored):
                lists.append(field.name)
            elif pa.types.is_floating(stored) or pa.types.is_integer(stored):
                numbers.append(field.name)
        self._columns: Columns = choose_columns(schema.names, lists, numbers, vectors, ids, name)
        self._walk, self._name, self.column_names = walk, name, list(schema.names)
        self.vector_columns = self._columns.vectors
        self.n_rows, self.has_ids = n_rows, ids is not None
        if self._columns.of_lists:
            _check_values(schema.field(self._columns.vectors[0]).type, self._columns.vectors[0], name)
            self.dim = self._first_width(schema)
        else:
            self.dim = len(self._columns.vectors)

    def batches(self) -> Iterator[Batch]:
        """Walk over all rows."""
        at_once = rows_per_block(self.dim)
        for whole in self._walk(self._columns.all):
            for first in range(0, whole.num_rows, at_once):
                batch = whole.slice(first, at_once)
                ids = None if self._columns.ids is None else _ids_of(batch.column(self._columns.ids), self._name)
                if self._columns.of_lists:
                    yield Batch(*rows_of_lists(batch.column(self._columns.vectors[0]), self.dim), ids)
                    continue
                made = [_numbers_of(batch.column(one)) for one in self._columns.vectors]
                yield Batch(np.stack(made, axis=1), {}, ids)

    def blocks(self, names: list[str]) -> Iterator[list[list[Any]]]:
        """Yield the values of columns, some rows at a time."""
        for batch in self._walk(names):
            yield [batch.column(name).to_pylist() for name in names]

    def _first_width(self, schema: Any) -> int:
        stored = _storage(schema.field(self._columns.vectors[0]).type)
        if hasattr(stored, "list_size"):
            return int(stored.list_size)
        for batch in self._walk([self._columns.vectors[0]]):
            lengths = _parts(batch.column(0))[2]
            if lengths.any():
                return int(lengths[np.argmax(lengths > 0)])
        raise ValueError(f"{self._name} holds no vectors in column {self._columns.vectors[0]!r}; expected lists")


def from_table(table: Any, vectors: Any, ids: str | None, name: str) -> IncomingArrow:
    """Return the rows of a pyarrow table or of a chunk of one."""

    def walk(names: list[str]) -> Iterator[Any]:
        yield from table.select(names).to_batches(max_chunksize=READ_ROWS)

    return IncomingArrow(table.schema, walk, vectors, ids, table.num_rows, name)


def from_stream(source: Any, vectors: Any, ids: str | None, name: str) -> IncomingArrow:
    """Return the rows of whatever exports a stream by Arrow's C interface; it does so once for every walk."""
    pa = pyarrow()
    if isinstance(source, pa.RecordBatchReader):  # which can be read once only
        return from_table(source.read_all(), vectors, ids, name)

    def walk(names: list[str]) -> Iterator[Any]:
        for batch in pa.RecordBatchReader.from_stream(source):
            yield batch.select(names)

    return IncomingArrow(pa.RecordBatchReader.from_stream(source).schema, walk, vectors, ids, None, name)


def from_parquet(paths: list[Any], vectors: Any, ids: str | None, name: str) -> IncomingArrow:
    """Return the rows of Parquet files, one after the other, read by row groups."""
    pyarrow()
    import pyarrow.parquet as pq

    schemas, n_rows = [], 0
    for path in paths:
        with pq.ParquetFile(path) as file:
            schemas.append(file.schema_arrow)
            n_rows += file.metadata.num_rows
    _require_columns(paths, schemas, vectors, ids)

    def walk(names: list[str]) -> Iterator[Any]:
        for path in paths:
            with pq.ParquetFile(path, buffer_size=READ_BYTES, pre_buffer=False) as file:
                yield from file.iter_batches(READ_ROWS, columns=names)

    return IncomingArrow(schemas[0], walk, vectors, ids, n_rows, name)


def _require_columns(paths: list[Any], schemas: list[Any], vectors: Any, ids: str | None) -> None:
    """Raise ValueError unless each file has the columns that are named."""
    wanted = {one for one in [*([vectors] if isinstance(vectors, str) else vectors or []), ids] if one is not None}
    for path, schema in zip(paths, schemas, strict=True):
        missing = wanted - set(schema.names)
        if missing:
            raise ValueError(f"{path} has no column {min(missing)!r}; its columns are {', '.join(schema.names)}")


def from_ipc(paths: list[Any], vectors: Any, ids: str | None, name: str) -> IncomingArrow:
    """Return the rows of Arrow files and streams, one after the other, mapped."""
    schemas = []
    for path in paths:
        with _mapped(path) as (schema, _):
            schemas.append(schema)
    _require_columns(paths, schemas, vectors, ids)

    def walk(names: list[str]) -> Iterator[Any]:
        for path in paths:
            with _mapped(path) as (_, batches):
                for batch in batches:
                    yield batch.select(names)

    return IncomingArrow(schemas[0], walk, vectors, ids, None, name)


@contextmanager
def _mapped(path: Any) -> Iterator[tuple[Any, Iterator[Any]]]:
    """Give the schema of an Arrow file, or of a stream in a file, and its record batches."""
    pa = pyarrow()
    with pa.memory_map(str(path)) as mapped:
        is_file = mapped.read(len(IPC_FILE)) == IPC_FILE
        mapped.seek(0)
        try:
            reader = pa.ipc.open_file(mapped) if is_file else pa.ipc.open_stream(mapped)
            some = map(reader.get_batch, range(reader.num_record_batches)) if is_file else iter(reader)
            yield reader.schema, some
        except pa.ArrowInvalid as error:
            raise FormatError(f"{path}: neither a file nor a stream of Arrow, or damaged: {error}") from None


def from_scans(dataset: Any, vectors: Any, ids: str | None, name: str) -> IncomingArrow:
    """Return the rows of a dataset of pyarrow, such as Lance has."""

    def walk(names: list[str]) -> Iterator[Any]:
        yield from dataset.to_batches(columns=names, batch_size=READ_ROWS)

    return IncomingArrow(dataset.schema, walk, vectors, ids, None, name)


def from_dataset(dataset: Any, vectors: Any, ids: str | None, name: str) -> IncomingArrow:
    """Return the rows of a dataset of Hugging Face."""
    arrow = dataset.with_format("arrow")

    def walk(names: list[str]) -> Iterator[Any]:
        for table in arrow.select_columns(names).iter(READ_ROWS):
            yield from table.to_batches()

    return IncomingArrow(dataset.features.arrow_schema, walk, vectors, ids, len(dataset), name)


def rows_of_lists(column: Any, dim: int) -> tuple[NDArray[Any], dict[int, str]]:
    """Return a column of lists as rows, and what is wrong with those that are none."""
    values, starts, lengths, null = _parts(column)
    n = len(lengths)
    faults: dict[int, str] = {}
    if (lengths == dim).all() and not null.any() and (starts == starts[:1] + dim * np.arange(n)).all():
        flat = values.slice(int(starts[0]) if n else 0, n * dim)
        matrix = flat.to_numpy(zero_copy_only=False).reshape(n, dim)
        where_null = flat
    else:
        good = (lengths == dim) & ~null
        taken = (starts[good, None] + np.arange(dim)).ravel()
        where_null = values.take(pyarrow().array(taken))
        some = where_null.to_numpy(zero_copy_only=False).reshape(-1, dim)
        matrix = np.zeros((n, dim), some.dtype)
        matrix[good] = some
        for place in np.flatnonzero(~good).tolist():
            is_null = bool(null[place])
            faults[place] = "is null" if is_null else f"has {lengths[place]} numbers, and the first vector {dim}"
        if where_null.null_count:
            places = np.flatnonzero(good)
            holds = where_null.is_null().to_numpy(zero_copy_only=False).reshape(-1, dim).any(axis=1)
            faults |= dict.fromkeys(places[holds].tolist(), "holds null")
        return matrix, faults
    if where_null.null_count:
        holds = where_null.is_null().to_numpy(zero_copy_only=False).reshape(n, dim).any(axis=1)
        faults = dict.fromkeys(np.flatnonzero(holds).tolist(), "holds null")
    return matrix, faults


def _parts(column: Any) -> tuple[Any, NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Return the values of all lists, where each list starts, how long it is, and which are null."""
    pa = pyarrow()
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    null = column.is_null().to_numpy(zero_copy_only=False)
    if pa.types.is_fixed_size_list(column.type):
        size = column.type.list_size
        starts = (column.offset + np.arange(len(column))) * size
        return column.values, starts, np.where(null, 0, size), null
    offsets = column.offsets.to_numpy(zero_copy_only=False).astype(np.int64)
    if _is_view(column.type):
        return column.values, offsets, np.where(null, 0, column.sizes.to_numpy(zero_copy_only=False)), null
    return column.values, offsets[:-1], np.where(null, 0, np.diff(offsets)), null


def _numbers_of(column: Any) -> NDArray[Any]:
    """Return a column of numbers; what is null becomes NaN."""
    numbers: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return numbers


def _ids_of(column: Any, name: str) -> Any:
    """Return a column of ids: an array, or a list where some are missing, or texts."""
    pa = pyarrow()
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_integer(column.type) and not column.null_count:
        return column.to_numpy(zero_copy_only=False)
    if pa.types.is_integer(column.type) or pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return column.to_pylist()
    if str(column.type) == "string_view":
        return column.to_pylist()
    raise TypeError(f"{name}: the column of ids is {column.type}; expected integers or strings")


def _storage(of: Any) -> Any:
    return getattr(of, "storage_type", of)


def _is_list(of: Any) -> bool:
    types = pyarrow().types
    return bool(types.is_list(of) or types.is_large_list(of) or types.is_fixed_size_list(of) or _is_view(of))


def _is_view(of: Any) -> bool:
    """Tell whether it is a type of lists that may lie in any order, each with a size of its own."""
    return str(of).startswith(("list_view<", "large_list_view<"))


def _check_values(of: Any, column: str, name: str) -> None:
    """Raise TypeError unless a list holds numbers."""
    types = pyarrow().types
    values = _storage(of).value_type
    if not (types.is_floating(values) or types.is_integer(values)):
        raise TypeError(f"{name}: column {column!r} is {of}; expected lists of numbers")
