"""Rows that Dask holds, written by its workers as shards of a table."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from dask.delayed import delayed

from slimvec.binary.methods.base import BinaryEstimator
from slimvec.dask.blocks_of import LazyBlocks, as_block, computed
from slimvec.progress import Progress, ignore
from slimvec.shards import SHARD_ROWS
from slimvec.shards.shard_manifest import prepare_folder
from slimvec.shards.writing import (
    BlockRows,
    Coding,
    Written,
    commit,
    refuse_lists,
    shard_starts,
    write_shard,
)

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from slimvec.shards.sharded_table import ShardedTable


def to_shards(
    estimator: Any,
    X: Any,
    folder: str | os.PathLike[str],
    *,
    factors: bool = False,
    shard_rows: int = SHARD_ROWS,
    client: Any = None,
    progress: Progress = ignore,
) -> ShardedTable:
    """Write rows that Dask holds as a table in several files, by the workers that have them.

    Parameters
    ----------
    estimator : IIQ or another method of codes
        Fitted.
    X : dask.array.Array, shape (n, d)
        In chunks of whole rows. Where these are not those of the files, rows go to the worker that writes them: chunks
        of ``shard_rows`` rows, a multiple of 4096, stay where they are.
    folder, factors, shard_rows
        See :meth:`slimvec.IIQ.to_shards`.
    client : distributed.Client, optional
        By default the current one, or else threads of this process.
    progress : callable, optional
        ``progress(stage, done, total)``, when all is encoded.

    Returns
    -------
    ShardedTable

    Raises
    ------
    TypeError
        If X is no array of Dask's, or the method does not know the norm of rows, which factors need.
    ValueError
        If not fitted, the width is another, or rows would lie in lists (``partitions=``).
    OSError
        If the folder holds a table or something else already.

    Examples
    --------
    >>> import os, tempfile
    >>> import dask.array as da
    >>> import numpy as np
    >>> import slimvec as sv
    >>> X = np.random.default_rng(0).standard_normal((9000, 16), dtype=np.float32)
    >>> iiq = sv.IIQ(n_bits=32).fit(X)
    >>> folder = os.path.join(tempfile.mkdtemp(), "table")
    >>> iiq.to_shards(da.from_array(X, chunks=(1000, 16)), folder, shard_rows=4096)
    <slimvec.ShardedTable: 9000 codes of 32 bits in 3 files>
    """
    if not isinstance(estimator, BinaryEstimator) or not hasattr(X, "rechunk"):
        raise TypeError(f"X is {type(X).__name__}; expected a dask.array, and a method of codes")
    encoder = estimator._encoder()
    refuse_lists(encoder.in_lists)
    if (factors or not encoder.of_signs) and not hasattr(estimator, "singular_values_"):
        raise TypeError(f"factors=True: {type(estimator).__name__} does not know the norm of rows; use IIQ or ITQ")
    d = len(encoder.mean)
    lazy = LazyBlocks.of(X, client)
    if lazy.n_columns != d:
        raise ValueError(f"X has {lazy.n_columns} columns; expected {d}, as the vectors that were fitted")
    n = int(lazy.starts[-1])
    starts = shard_starts(n, shard_rows, d)
    path = prepare_folder(folder)
    blocks = X.rechunk({0: tuple(np.diff(starts).tolist())}).to_delayed().ravel().tolist()
    coding = delayed(
        Coding(encoder, estimator._refiner, estimator._factor_norm(None, factors), estimator._description())
    )

    def write(numbers: Iterable[int], weights: bool) -> Iterable[Written]:
        task = delayed(_write)
        spans = list(pairwise(starts))
        tasks = [task(blocks[i], str(path.resolve()), i, coding, *spans[i], weights) for i in numbers]
        written: list[Written] = computed(tasks, client) if tasks else []
        return written

    table = commit(path, write, len(starts) - 1, estimator._description())
    progress("encoding", n, n)
    return table


def _write(block: Any, folder: str, number: int, coding: Coding, first: int, end: int, weights: bool) -> Written:
    rows = as_block(block, number)
    d = len(coding.encoder.mean)
    if rows.shape != (end - first, d):
        raise ValueError(f"rows {first} to {end} of X have shape {rows.shape}; expected ({end - first}, {d})")
    return write_shard(folder, number, coding, BlockRows([rows], end - first, d), first, weights)
