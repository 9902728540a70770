"""Estimators over Dask: sums and a sample go through its graph, codes stay where their rows are."""

from __future__ import annotations

import math
from copy import copy, deepcopy
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from dask.delayed import delayed
from scipy.sparse import csr_array

from slimvec.binary.methods.base import BinaryEstimator
from slimvec.binary.methods.streaming import StreamingEstimator
from slimvec.binary.training import gathering
from slimvec.binary.training.block_sums import first_shift
from slimvec.blas import alone, one_thread
from slimvec.blocks import row_blocks, rows_per_block
from slimvec.dask.blocks_of import LazyBlocks, as_block, check_array, computed, taken
from slimvec.progress import Progress, ignore
from slimvec.sparse.methods.ant import ANT
from slimvec.sparse.methods.base import CodingEstimator
from slimvec.validation import check_finite

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slimvec.binary.encoder import Encoder

TOGETHER = 8  # sums that one task merges


def fit(estimator: Any, X: Any, *, client: Any = None, progress: Progress = ignore) -> Any:
    """Fit an estimator on rows that Dask holds, in one pass over them.

    Parameters
    ----------
    estimator : IIQ, ITQ, TransformCoding or ANT
        Fitted in place, and an ordinary one afterwards. Of ``ANT`` the anchors are learnt, on the rows that it samples;
        it then has no ``transform_``, which would be of all rows: ``transform`` and ``to_table`` code them in blocks.
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
    if not isinstance(estimator, StreamingEstimator | ANT):
        raise TypeError(
            f"{type(estimator).__name__} learns from all rows at once, which Dask holds in pieces; fit it on a part of "
            "them, X[:100_000].compute(), or take IIQ, ITQ or TransformCoding, which learn from sums, or ANT, which "
            "learns from a sample"
        )
    blocks = LazyBlocks.of(X, client)
    n, d = int(blocks.starts[-1]), blocks.n_columns
    draft = copy(estimator)
    if isinstance(draft, StreamingEstimator):
        draft._learn_apart(n, d, partial(_gathered, blocks, client), progress)
    else:
        with one_thread():
            draft._learn_from_some(n, d, partial(taken, blocks, client), progress)
    estimator.__dict__ = vars(draft)
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
    estimator : IIQ or another method of codes, ANT or another method of anchors that codes new rows
        Fitted.
    X : dask.array.Array, shape (n, d)
        In chunks of whole rows.

    Returns
    -------
    dask.array.Array, shape (n, ceil(n_bits / 8)), uint8, or (n, k), float32
        In the same chunks of rows: ``estimator.transform`` of each; of anchors they are ``scipy.sparse.csr_array``.

    Raises
    ------
    TypeError
        If X is no array of Dask's, or the method codes no new rows.
    ValueError
        If not fitted, columns are in several chunks, or the width is another.

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
    is_array = hasattr(X, "map_blocks") and hasattr(X, "numblocks")
    if not is_array or not isinstance(estimator, BinaryEstimator | CodingEstimator):
        raise TypeError(
            f"X is {type(X).__name__}, for a {type(estimator).__name__}; expected a dask.array, and a method of codes, "
            "or of anchors that codes new rows"
        )
    check_array(X)
    meta: Any
    code: Any
    by: Any
    if isinstance(estimator, BinaryEstimator):
        encoder = estimator._encoder()
        d, meta = len(encoder.mean), np.empty((0, -(-encoder.n_bits // 8)), np.uint8)
        code, by = _codes, delayed(encoder)
    else:
        estimator._require_fitted("anchors_")
        d, meta = estimator.n_features_in_, csr_array((0, len(estimator.anchors_)), dtype=np.float32)
        code, by = _entries, delayed(_without_rows(estimator))
    if X.shape[1] != d:
        raise ValueError(f"X has {X.shape[1]} columns; expected {d}, as the vectors that were fitted")
    return X.map_blocks(code, by=by, dtype=meta.dtype, chunks=(X.chunks[0], (meta.shape[1],)), meta=meta)


def _place(block_info: Any) -> tuple[int, int]:
    """Return the number of a block, and of its first row."""
    place = block_info[0]
    first = place["array-location"][0][0]
    return place["chunk-location"][0], 0 if math.isnan(first) else int(first)  # of chunks of unknown sizes


def _codes(block: Any, by: Encoder, block_info: Any = None) -> NDArray[np.uint8]:
    number, first = _place(block_info)
    found = [np.empty((0, -(-by.n_bits // 8)), np.uint8)]
    with alone():
        for start, rows in row_blocks(as_block(block, number), rows_per_block(len(by.mean))):
            found.append(by.codes(rows, "X", first + start))
    return np.concatenate(found)


def _entries(block: Any, by: CodingEstimator, block_info: Any = None) -> Any:
    number, first = _place(block_info)
    rows = as_block(block, number)
    check_finite(rows, "X", first)
    with alone():
        return by.transform(rows) if len(rows) else csr_array((0, len(by.anchors_)), dtype=np.float32)


def _without_rows(estimator: CodingEstimator) -> CodingEstimator:
    """Return what codes rows, without the transform of those that were fitted, which would travel with each task."""
    made = copy(estimator)
    vars(made).pop("transform_", None)
    return made
