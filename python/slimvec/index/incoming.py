"""Whatever an index is built from: a row for each kind of source, tried in order."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from slimvec.index import incoming_arrow as arrow
from slimvec.index.checked_rows import CheckedRows
from slimvec.index.incoming_arrays import Cells, IncomingRows, Sliced, from_slices, from_sparse, from_torch, is_row
from slimvec.index.incoming_frames import from_pandas, from_polars
from slimvec.index.kept_values import GivenColumns, check_names
from slimvec.validation import as_matrix
from slimvec.vectors.rows import as_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from slimvec.index.checked_rows import Incoming, Keep, OnBad

NAME = "source"
PARQUET, IPC = {".parquet", ".pq", ".parq"}, {".arrow", ".arrows", ".feather", ".ipc"}
OF_ARRAYS = {".npz", ".h5", ".hdf5", ".safetensors"}  # that have names


class Kind(NamedTuple):
    """A kind of source: how it is recognised, and what makes rows of it, given columns of vectors and of ids."""

    recognises: Callable[[Any], bool]
    open: Callable[[Any, Any, str | None], Incoming]
    has_columns: Callable[[Any], bool] = lambda _: False


def _of(package: str, *names: str) -> Callable[[Any], bool]:
    """Return what tells objects of these classes, or derived from them, of a package, without importing it."""

    def tell(source: Any) -> bool:
        return any(one.__module__.split(".")[0] == package and one.__name__ in names for one in type(source).__mro__)

    return tell


def _is_path(source: Any) -> bool:
    return isinstance(source, str | os.PathLike)


def _are_paths(source: Any) -> bool:
    return isinstance(source, list | tuple) and bool(source) and all(map(_is_path, source))


def _is_column(source: Any) -> bool:
    """Tell whether it is a column of objects: of pandas, or an array."""
    return getattr(source, "dtype", None) == np.dtype(object) and getattr(source, "ndim", 0) == 1 and len(source) > 0


def _are_uneven(source: Any) -> bool:
    """Tell whether it is a list of rows some of which are missing, or of other lengths."""
    if not isinstance(source, list | tuple) or not any(map(is_row, source)):
        return False
    return len({len(one) if is_row(one) else None for one in source}) > 1


def _is_short(source: Any) -> bool:
    """Tell whether it is an array of bfloat16, of ml_dtypes or JAX."""
    return getattr(getattr(source, "dtype", None), "kind", "") == "V" and source.dtype.names is None


def _always(_: Any) -> bool:
    return True


KINDS = (
    Kind(_is_path, lambda source, vectors, ids: _from_paths(_expanded(source), vectors, ids), _always),
    Kind(_are_paths, lambda source, vectors, ids: _from_paths(_expanded(*source), vectors, ids), _always),
    Kind(_of("pandas", "DataFrame"), lambda source, vectors, ids: from_pandas(source, vectors, ids, NAME), _always),
    Kind(_of("polars", "DataFrame"), lambda source, vectors, ids: from_polars(source, vectors, ids, NAME), _always),
    Kind(
        _of("polars", "LazyFrame"),
        lambda source, vectors, ids: from_polars(source.collect(), vectors, ids, NAME),
        _always,
    ),
    Kind(_of("polars", "Series"), lambda source, *_: from_polars(source.to_frame("x"), "x", None, NAME)),
    Kind(
        _of("datasets", "Dataset"), lambda source, vectors, ids: arrow.from_dataset(source, vectors, ids, NAME), _always
    ),
    Kind(_of("pyarrow", "Table"), lambda source, vectors, ids: arrow.from_table(source, vectors, ids, NAME), _always),
    Kind(
        _of("pyarrow", "Array", "ChunkedArray"),
        lambda source, *_: arrow.from_table(arrow.pyarrow().table({"x": source}), "x", None, NAME),
    ),
    Kind(_of("pyarrow", "Dataset"), lambda source, vectors, ids: arrow.from_scans(source, vectors, ids, NAME), _always),
    Kind(_of("torch", "Tensor"), lambda source, *_: from_torch(source, NAME)),
    Kind(lambda source: hasattr(source, "tocsr"), lambda source, *_: from_sparse(source, NAME)),
    Kind(_is_short, lambda source, *_: from_slices(source, NAME)),
    Kind(_is_column, lambda source, *_: Cells(np.asarray(source), NAME)),
    Kind(_are_uneven, lambda source, *_: Cells(source, NAME)),
    Kind(
        lambda source: hasattr(source, "__arrow_c_stream__") and not isinstance(source, np.ndarray),
        lambda source, vectors, ids: arrow.from_stream(source, vectors, ids, NAME),
        _always,
    ),
    Kind(_always, lambda source, *_: IncomingRows(as_rows(source, NAME))),
)


def checked_rows(source: Any, vectors: Any, ids: Any, on_bad: OnBad, keep: Any = None) -> CheckedRows:
    """Return the rows of a source, with their ids and kept columns, as :meth:`slimvec.Index.build` takes them.

    Raises
    ------
    TypeError, ValueError
        If it is no source of vectors, or has no such columns.
    OSError
        If a file does not exist.
    """
    kind = next(kind for kind in KINDS if kind.recognises(source))
    has_columns = kind.has_columns(source)
    if vectors is not None and not has_columns:
        raise ValueError(f"vectors={vectors!r} names a column, and source, {type(source).__name__}, has none")
    column = ids if isinstance(ids, str) and has_columns else None
    if isinstance(ids, str) and not has_columns:
        raise ValueError(f"ids={ids!r} names a column, and source, {type(source).__name__}, has none")
    incoming = kind.open(source, vectors, column)
    if incoming.dim == 0 or incoming.n_rows == 0:
        raise ValueError(f"{NAME} is empty: {incoming.n_rows} rows of {incoming.dim} numbers; expected vectors")
    names = [] if keep is None else check_names(keep)
    of_columns = None if keep is None else _kept(source, incoming, vectors, keep, names, has_columns)
    return CheckedRows(incoming, None if column is not None else ids, on_bad, NAME, of_columns, names)


def _kept(source: Any, incoming: Any, vectors: Any, keep: Any, names: list[str], has_columns: bool) -> Keep:
    """Return where the values of kept columns come from."""
    if isinstance(keep, Mapping):
        return GivenColumns(keep)
    both = [name for name in names if name in getattr(incoming, "vector_columns", [])]
    if both and vectors is None:
        raise ValueError(
            f"keep holds {both[0]!r}, a column of numbers as those that are taken for the vectors; expected vectors= "
            "to name these"
        )
    if hasattr(incoming, "blocks"):
        _require(names, incoming.column_names)
        of_arrow: Keep = incoming
        return of_arrow
    if not has_columns or not hasattr(source, "columns"):
        what = type(source).__name__
        raise ValueError(
            f"keep={names!r} names columns, and source, {what}, has none; expected a dict, such as "
            f"keep={{{names[0]!r}: values}}, with a value for each row"
        )
    frame = source.collect() if hasattr(source, "collect") else source
    _require(names, [name for name in frame.columns if isinstance(name, str)])
    return GivenColumns({name: frame[name] for name in names})


def _require(names: list[str], there: list[str]) -> None:
    for name in names:
        if name not in there:
            listed = ", ".join(map(repr, there))
            raise ValueError(f"keep holds {name!r}, which is no column of {NAME}; its columns are {listed}")


def _expanded(*paths: Any) -> list[Path]:
    """Return the files of paths, of folders and of patterns, sorted within each."""
    files = []
    for given in paths:
        path = Path(given)
        if path.is_dir() and not (path / "words.txt").exists():
            own = sorted(one for one in path.rglob("*") if one.suffix.lower() in PARQUET | {".npy"})
            if not own:
                raise ValueError(f"{path} is a folder without .parquet and .npy files; expected some")
            files += own
        elif not path.exists() and glob.has_magic(str(path)):
            own = sorted(map(Path, glob.glob(str(path), recursive=True)))  # noqa: PTH207 - of absolute patterns, too
            if not own:
                raise FileNotFoundError(f"no file is called {path}")
            files += own
        elif not path.exists():
            raise FileNotFoundError(f"{path} does not exist")
        else:
            files.append(path)
    return files


def _from_paths(paths: list[Path], vectors: Any, ids: str | None) -> Incoming:
    suffixes = {path.suffix.lower() for path in paths}
    name = paths[0].name if len(paths) == 1 else f"{paths[0].name} and {len(paths) - 1} more"
    if suffixes <= PARQUET:
        return arrow.from_parquet(paths, vectors, ids, name)
    if suffixes <= IPC:
        return arrow.from_ipc(paths, vectors, ids, name)
    if ids is not None or not (vectors is None or (isinstance(vectors, str) and suffixes <= OF_ARRAYS)):
        raise ValueError(f"{name} has no columns; expected Parquet or Arrow files where vectors or ids name some")
    if suffixes == {".npy"} and (len(paths) > 1 or not paths[0].with_name("words.txt").exists()):
        return _from_npy(paths, name)
    if len(paths) > 1:
        raise ValueError(f"source names {name}, of {', '.join(sorted(suffixes))}; expected Parquet or .npy files alone")
    from slimvec.vectors.reading import read_vectors
    from slimvec.vectors.vector_file import VectorFile

    if paths[0].is_dir():
        return IncomingRows(read_vectors(paths[0]))
    try:
        return IncomingRows(VectorFile(paths[0], tensor=vectors))
    except ValueError as error:  # which array is meant is told by another argument here
        raise type(error)(str(error).replace("tensor=", "vectors=").replace("--tensor", "--vectors")) from None


def _from_npy(paths: list[Path], name: str) -> Incoming:
    matrices: list[Any] = []
    for path in paths:
        try:
            matrix = as_matrix(np.load(path, mmap_mode="r", allow_pickle=False), path.name)
        except (ValueError, EOFError) as error:
            raise ValueError(f"{path}: {error}") from None
        if matrices and matrix.shape[1] != matrices[0].shape[1]:
            raise ValueError(f"{path} has {matrix.shape[1]} columns, and {paths[0]} {matrices[0].shape[1]}")
        matrices.append(matrix)
    bounds = np.cumsum([0, *map(len, matrices)])

    def some(first: int, last: int) -> Any:
        own = range(int(np.searchsorted(bounds, first, "right")) - 1, int(np.searchsorted(bounds, last, "left")))
        return np.concatenate([matrices[i][max(0, first - int(bounds[i])) : last - int(bounds[i])] for i in own])

    return Sliced((int(bounds[-1]), matrices[0].shape[1]), some, name)
