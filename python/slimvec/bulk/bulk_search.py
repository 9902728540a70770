"""The neighbours of all vectors of a file, written to a file, block by block."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from slimvec.bulk.result_files import Found, check_format, write_results
from slimvec.files.atomic import checked_target, replacing
from slimvec.files.table_file import open_table
from slimvec.progress import Progress, ignore
from slimvec.table import Table
from slimvec.validation import as_integer
from slimvec.vectors.archives import split_member
from slimvec.vectors.opening import is_read, place_of
from slimvec.vectors.rows import as_rows
from slimvec.vectors.vector_file import VectorFile

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from slimvec.vectors.rows import Rows

JOB = "job.json"


def search_to_file(
    table: Any,
    queries: Any,
    output: str | os.PathLike[str],
    k: int = 10,
    *,
    executor: Any = None,
    progress: Progress = ignore,
    **options: Any,
) -> int:
    """Write the rows most similar to each of many vectors to a file, in memory for a block of them.

    Parameters
    ----------
    table : str, path, or a table
        A file of a table, a folder of shards, or a table itself: what takes vectors, and no index.
    queries : str, path, array_like of shape (n_queries, d), or Vectors, VectorFile or other Rows
        Read block by block.
    output : str or path
        Ends in ``.npz`` (arrays ``indices`` and ``scores``, which ``numpy.load`` reads), ``.jsonl`` (an object for each
        query) or ``.parquet`` (extra ``arrow``); the last two name queries and rows by their words, if they have any.
        The file appears when it is complete.
    k : int
        Neighbours per query.
    executor : concurrent.futures.Executor or distributed.Client, optional
        Whose workers search the shards of a table in shards: see :meth:`slimvec.ShardedTable.by`.
    progress : callable, optional
        ``progress(stage, done, total)``.
    **options
        Of the table's ``search``, such as ``metric``, ``oversample`` or ``recall``.

    Returns
    -------
    int
        How many queries there were.

    Raises
    ------
    TypeError
        If ``table`` is no such table, or is not in shards, though there is an executor.
    ValueError
        If the name of ``output`` tells no format, or is that of what is read, and as from ``search``; a bad query is
        named by its row.
    OSError
        If files cannot be read or written.

    Notes
    -----
    What is found lies in a folder beside the output until all is. Where table and queries are paths, the folder stays
    when the search is interrupted, and the same call goes on with the block that it stopped at, unless one of these has
    changed.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> import slimvec as sv
    >>> X = np.random.default_rng(0).standard_normal((500, 64), dtype=np.float32)
    >>> path = os.path.join(tempfile.mkdtemp(), "found.npz")
    >>> sv.search_to_file(sv.IIQ(n_remove=0).compress(X), X[:20], path, k=3)
    20
    >>> np.load(path)["indices"].shape
    (20, 3)
    """
    target = checked_target(output)
    check_format(target)
    paths = [one for one in (table, queries) if isinstance(one, str | os.PathLike)]
    if is_read(target, *paths):
        raise ValueError(f"output={target.name!r} is what is read; expected another name")
    k = as_integer(k, "k", 1)
    # Every block of queries is searched by them: what can be read once, such as a mask of words, is read now.
    options = {name: list(value) if isinstance(value, Iterator) else value for name, value in options.items()}
    job = _job(paths, k, options)
    opened = open_table(table) if isinstance(table, str | os.PathLike) else table
    if not isinstance(opened, Table):
        raise TypeError(f"table is {opened!r}; expected a table that takes vectors")
    if executor is not None:
        if not hasattr(opened, "by"):
            raise TypeError(f"table is {opened!r}; expected one in shards, which workers search: see slimvec split")
        opened = cast("Any", opened).by(executor)
    rows: Any = VectorFile(queries) if isinstance(queries, str | os.PathLike) else as_rows(queries, "queries")
    folder = target.with_name(f"{target.name}.partial")
    _prepare(folder, job)
    try:
        lengths = [len(found.indices) for found in _searched(opened, rows, folder, k, options, progress)]
        n = sum(lengths)
        write_results(target, lambda: _stored(folder, len(lengths)), n, opened.vocabulary, rows.vocabulary)
    except BaseException:
        if job is None:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder)
    return n


def _job(paths: list[Any], k: int, options: dict[str, Any]) -> str | None:
    """Return what is searched for in what, as text; None where that is not known by files and plain options."""
    plain = all(value is None or isinstance(value, str | int | float) for value in options.values())
    if len(paths) < 2 or not plain:
        return None
    states: list[Any] = []
    for path, member in (split_member(place_of(one)) for one in paths):
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        states += [[str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns] for file in files]
        states += [member] * bool(member)
    return json.dumps([states, k, sorted(options.items())])


def _prepare(folder: Path, job: str | None) -> None:
    """Make the folder for what is found; what another search has left there goes."""
    place = folder / JOB
    if folder.is_dir() and any(folder.iterdir()) and not place.is_file():
        raise FileExistsError(f"{folder} holds what no search has left there; expected no such folder")
    if folder.is_dir() and not (job is not None and place.is_file() and place.read_text() == job):
        shutil.rmtree(folder)
    folder.mkdir(exist_ok=True)
    with replacing(place) as file:
        file.write((job or "").encode())


def _searched(
    table: Any, rows: Rows, folder: Path, k: int, options: dict[str, Any], progress: Progress
) -> Iterator[Found]:
    """Yield what is found for each block of queries, after it was stored, now or in an earlier run."""
    first = 0
    for number, block in enumerate(_blocks(rows, progress)):
        place = _place(folder, number)
        if place.is_file():
            found = _load(place)
        else:
            found = _found(table, block, first, k, options)
            with replacing(place) as file:
                file.write(np.array([len(found.indices), found.indices.shape[1]], np.int64).data)
                file.write(np.ascontiguousarray(found.indices).data)
                file.write(np.ascontiguousarray(found.scores).data)
        yield found
        first += len(block)
        if not rows.sequential:
            progress("searching", first, len(rows))


def _blocks(rows: Rows, progress: Progress) -> Iterator[NDArray[Any]]:
    """Yield the blocks of queries: one without any if there are none, of which what is found has k columns, too."""
    block = None
    for block in rows.blocks(progress):
        yield block
    if block is None:
        yield np.empty((0, rows.dim), np.float32)


def _found(table: Any, block: NDArray[Any], first: int, k: int, options: dict[str, Any]) -> Found:
    finite = np.isfinite(block).all(axis=1)
    if not finite.all():
        raise ValueError(f"queries holds NaN or infinity in row {first + int(np.argmin(finite))}")
    scores, indices = table.search(block, k, **options)
    return Found(indices, scores)


def _place(folder: Path, number: int) -> Path:
    return folder / f"block-{number:06}"


def _load(place: Path) -> Found:
    """Return what was stored of a block."""
    data = place.read_bytes()
    n, k = np.frombuffer(data, np.int64, 2).tolist()
    indices = np.frombuffer(data, np.int64, n * k, 16).reshape(n, k)
    return Found(indices, np.frombuffer(data, np.float32, n * k, 16 + indices.nbytes).reshape(n, k))


def _stored(folder: Path, n_blocks: int) -> Iterator[Found]:
    return (_load(_place(folder, number)) for number in range(n_blocks))
