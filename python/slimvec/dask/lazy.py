"""Estimators over Dask: sums and a sample go through its graph, codes stay where their rows are."""

from __future__ import annotations

import math
from copy import copy, deepcopy
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from dask.delayed import delayed

from slimvec.binary.methods.base import BinaryEstimator
from slimvec.binary.methods.streaming import StreamingEstimator
from slimvec.binary.training import gathering
from slimvec.binary.training.block_sums import first_shift
from slimvec.blas import alone
from slimvec.blocks import row_blocks, rows_per_block
from slimvec.dask.blocks_of import LazyBlocks, as_block, check_array, computed
from slimvec.progress import Progress, ignore

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slimvec.binary.encoder import Encoder

TOGETHER = 8  # sums that one task merges


def fit(estimator: Any, X: Any, *, client: Any = None, progress: Progress = ignore) -> Any:
    """Fit an estimator on rows that Dask holds, in one pass over them.

    Parameters
    ----------
    estimator : IIQ, ITQ or TransformCoding
        Fitted in place, and an ordinary one afterwards.
    X : dask.array.Array, shape (n, d), list of Delayed, or dask.dataframe column
        Real numbers, of one dtype, in chunks of whole rows; rows of these may be of any number, or none. Blocks whose
        lengths are not known, as of delayed ones and of data frames, are counted first, in a pass of its own.
    client : distributed.Client, optional
        By default the current one, or else threads of this process.
    progress : callable, optional
        ``progress(stage, done, total)``, of what is learnt after the pass.

    Returns
    -------
    The estimator.

    Raises
    ------
    ValueError
        If columns are in several chunks, or chunks of an array have unknown sizes; and as ``fit`` does.
    TypeError
        If the method cannot learn from sums.

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> import slimvec as sv
    >>> X = np.random.default_rng(0).standard_normal((500, 64), dtype=np.float32)
    >>> iiq = sv.dask.fit(sv.IIQ(n_bits=32), da.from_array(X, chunks=(130, 64)))
    >>> bool(np.array_equal(iiq.projection_, sv.IIQ(n_bits=32).fit(X).projection_))
    True
    """
    if not isinstance(estimator, StreamingEstimator):
        raise TypeError(
            f"{type(estimator).__name__} learns from all rows at once, which Dask holds in pieces; fit it on a part of "
            "them, X[:100_000].compute(), or take IIQ, ITQ or TransformCoding, which learn from sums"
        )
    blocks = LazyBlocks.of(X, client)
    draft = copy(estimator)
    draft._learn_apart(int(blocks.starts[-1]), blocks.n_columns, partial(_gathered, blocks, client), progress)
    vars(estimator).update(vars(draft))
    return estimator


def _gathered(blocks: LazyBlocks, client: Any, wanted: NDArray[np.int64], progress: Progress) -> gathering.Gathered:
    """Let Dask gather the sums of all blocks, and merge those of neighbours."""
    starts, d = blocks.starts, blocks.n_columns
    first = int(np.searchsorted(starts, rows_per_block(d)))  # blocks in which the first rows lie
    shift = delayed(_shift, pure=True)(blocks.blocks[:first])
    parts = []
    for number, (block, start, end) in enumerate(zip(blocks.blocks, starts[:-1], starts[1:], strict=True)):
        begin, last = np.searchsorted(wanted, [start, end])
        gather = delayed(_gather_block, pure=True)
        parts.append(gather(block, number, int(end - start), d, int(start), shift, wanted[begin:last]))
    while len(parts) > 1:
        merge = delayed(_merge, pure=True)
        parts = [merge(parts[i : i + TOGETHER]) for i in range(0, len(parts), TOGETHER)]
    gathered: gathering.Gathered = computed(parts[0], client)
    progress("finding directions", int(starts[-1]), int(starts[-1]))
    return gathered


def _shift(blocks: list[Any]) -> NDArray[np.float64] | None:
    return first_shift(as_block(block, number) for number, block in enumerate(blocks))


def _gather_block(
    block: Any,
    number: int,
    length: int,
    n_columns: int,
    first_row: int,
    shift: NDArray[np.float64],
    wanted: NDArray[np.int64],
) -> gathering.Gathered:
    rows = as_block(block, number)
    if rows.shape != (length, n_columns):
        raise ValueError(
            f"block {number} of X has shape {rows.shape}; expected ({length}, {n_columns}), as it was told"
        )
    with alone():
        return gathering.gather([rows], n_columns, first_row, shift, wanted)


def _merge(parts: list[gathering.Gathered]) -> gathering.Gathered:
    return gathering.merge(deepcopy(parts))  # those of a task may be asked for again


def transform(estimator: Any, X: Any) -> Any:
    """Return the codes of a Dask array as another one, which is computed when it is asked for.

    Parameters
    ----------
    estimator : IIQ or another method of codes
        Fitted.
    X : dask.array.Array, shape (n, d)
        In chunks of whole rows.

    Returns
    -------
    dask.array.Array, shape (n, ceil(n_bits / 8)), uint8
        In the same chunks of rows: ``estimator.transform`` of each.

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> import slimvec as sv
    >>> X = np.random.default_rng(0).standard_normal((500, 64), dtype=np.float32)
    >>> iiq = sv.IIQ(n_bits=32).fit(X)
    >>> codes = iiq.transform(da.from_array(X, chunks=(200, 64)))
    >>> codes
    dask.array<_codes, shape=(500, 4), dtype=uint8, chunksize=(200, 4), chunktype=numpy.ndarray>
    """
    if not isinstance(estimator, BinaryEstimator) or not hasattr(X, "map_blocks") or not hasattr(X, "numblocks"):
        raise TypeError(f"X is {type(X).__name__}; expected a dask.array, and a method of codes")
    encoder = estimator._encoder()
    check_array(X)
    if X.shape[1] != len(encoder.mean):
        raise ValueError(f"X has {X.shape[1]} columns; expected {len(encoder.mean)}, as the vectors that were fitted")
    width = -(-encoder.n_bits // 8)
    return X.map_blocks(
        _codes,
        encoder=delayed(encoder),
        dtype=np.uint8,
        chunks=(X.chunks[0], (width,)),
        meta=np.empty((0, width), np.uint8),
    )


def _codes(block: Any, encoder: Encoder, block_info: Any = None) -> NDArray[np.uint8]:
    place = block_info[0]
    number, first = place["chunk-location"][0], place["array-location"][0][0]
    first = 0 if math.isnan(first) else int(first)  # of chunks of unknown sizes
    found = [np.empty((0, -(-encoder.n_bits // 8)), np.uint8)]
    with alone():
        for start, rows in row_blocks(as_block(block, number), rows_per_block(len(encoder.mean))):
            found.append(encoder.codes(rows, "X", first + start))
    return np.concatenate(found)
