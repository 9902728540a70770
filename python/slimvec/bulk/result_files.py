"""Files of neighbours: arrays, lines of JSON, Parquet; written block by block."""

from __future__ import annotations

import io
import json
import zipfile
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from slimvec.errors import needs
from slimvec.files.atomic import replacing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from slimvec.files.atomic import NamedFile
    from slimvec.vocabulary import Vocabulary


class Found(NamedTuple):
    """Neighbours of some queries: rows and scores, ``(m, k)``."""

    indices: NDArray[np.int64]
    scores: NDArray[np.float32]


class Results(NamedTuple):
    """All that is written.

    Attributes
    ----------
    blocks : callable
        Returns an iterator over what was found, from the beginning; it is asked more than once.
    n_queries : int
    words : Vocabulary or None
        Of the table's rows.
    names : Vocabulary or None
        Of the queries.
    """

    blocks: Callable[[], Iterator[Found]]
    n_queries: int
    words: Vocabulary | None
    names: Vocabulary | None

    def named(self) -> Iterator[tuple[list[Any], list[list[Any]] | None, Found]]:
        """Yield names or numbers of queries, words of their rows if there are any, and what was found, by block."""
        names: Iterator[Any] = iter(range(self.n_queries) if self.names is None else self.names)
        for found in self.blocks():
            words = self.words
            named = None if words is None else [[words[row] for row in rows] for rows in found.indices.tolist()]
            yield list(islice(names, len(found.indices))), named, found


def check_format(path: Path) -> None:
    """Raise unless results can be written to a file of this name."""
    if path.suffix not in WRITERS:
        raise ValueError(f"output={path.name!r}; expected a name that ends in {', '.join(WRITERS)}")
    if path.suffix == ".parquet":
        _pyarrow()


def write_results(
    path: Path,
    blocks: Callable[[], Iterator[Found]],
    n_queries: int,
    words: Vocabulary | None,
    names: Vocabulary | None,
) -> None:
    """Write a file, which appears when it is complete."""
    with replacing(path) as file:
        WRITERS[path.suffix](file, Results(blocks, n_queries, words, names))


def _write_arrays(file: NamedFile, results: Results) -> None:
    """Write an archive of arrays, none of which is whole in memory."""
    k = next((found.indices.shape[1] for found in results.blocks()), 0)
    with zipfile.ZipFile(Stream(file), "w", zipfile.ZIP_STORED) as archive:
        for name, dtype in (("indices", "<i8"), ("scores", "<f4")):
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                shape = {"descr": dtype, "fortran_order": False, "shape": (results.n_queries, k)}
                np.lib.format.write_array_header_1_0(member, shape)
                for found in results.blocks():
                    member.write(np.ascontiguousarray(getattr(found, name), dtype).tobytes())


def _write_lines(file: NamedFile, results: Results) -> None:
    """Write an object for each query."""
    for names, words, found in results.named():
        lines = []
        for i, (name, rows, scores) in enumerate(
            zip(names, found.indices.tolist(), found.scores.tolist(), strict=True)
        ):
            line: dict[str, Any] = {"query": name, "rows": rows, "scores": [float(f"{score:.9g}") for score in scores]}
            if words is not None:
                line["words"] = words[i]
            lines.append(json.dumps(line, ensure_ascii=False))
        file.write("".join(f"{line}\n" for line in lines).encode())


def _write_parquet(file: NamedFile, results: Results) -> None:
    """Write a row for each query, a group of rows for each block."""
    pa = _pyarrow()
    import pyarrow.parquet

    fields = [
        ("query", pa.int64() if results.names is None else pa.string()),
        ("rows", pa.list_(pa.int64())),
        ("scores", pa.list_(pa.float32())),
    ]
    if results.words is not None:
        fields.append(("words", pa.list_(pa.string())))
    schema = pa.schema(fields)
    with pyarrow.parquet.ParquetWriter(pa.PythonFile(Stream(file), "w"), schema) as writer:
        for names, words, found in results.named():
            columns = [names, found.indices.tolist(), found.scores.tolist(), words][: len(fields)]
            arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))


def _pyarrow() -> Any:
    with needs("pyarrow", "arrow"):
        import pyarrow as pa
        import pyarrow.parquet
    return pa


class Stream(io.RawIOBase):
    """A file as other libraries write to it, from its beginning to its end.

    Parameters
    ----------
    file : NamedFile
    """

    def __init__(self, file: NamedFile) -> None:
        super().__init__()
        self._file, self._place = file, 0

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: Any) -> int:
        """Write all of it."""
        view = memoryview(data)
        self._file.write(view)
        self._place += view.nbytes
        return view.nbytes

    def tell(self) -> int:
        """Return how much was written."""
        return self._place


WRITERS: dict[str, Callable[[NamedFile, Results], None]] = {
    ".npz": _write_arrays,
    ".jsonl": _write_lines,
    ".parquet": _write_parquet,
}
