"""Blocks of rows that Dask holds, and what has to be known of them before they are gone over."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import dask
import numpy as np
from dask.delayed import Delayed, delayed

from slimvec.validation import as_matrix

if TYPE_CHECKING:
    from numpy.typing import NDArray


def computed(what: Any, client: Any) -> Any:
    """Return what a delayed object stands for: by a client, the current one, or threads of this process."""
    (made,) = dask.compute(what) if client is None else dask.compute(what, scheduler=client)
    return made


class LazyBlocks(NamedTuple):
    """Blocks of rows that follow each other.

    Attributes
    ----------
    blocks : list of Delayed
    lengths : list of int
    n_columns : int
    """

    blocks: list[Any]
    lengths: list[int]
    n_columns: int

    @classmethod
    def of(cls, X: Any, client: Any) -> LazyBlocks:
        """Return the blocks of a Dask array, or of delayed ones, which are counted first."""
        if hasattr(X, "numblocks"):
            check_array(X)
            if any(math.isnan(length) for length in X.chunks[0]):
                raise ValueError(
                    "X has chunks of unknown sizes (nan); expected numbers of rows: call X.compute_chunk_sizes() first"
                )
            return cls(X.to_delayed().ravel().tolist(), [int(length) for length in X.chunks[0]], int(X.shape[1]))
        if str(getattr(X, "dtype", "")) in {"string", "str"}:
            raise TypeError(
                "X is a column of text, which Dask makes of lists; expected vectors: make the frame under "
                'dask.config.set({"dataframe.convert-string": False})'
            )
        blocks = list(X.to_delayed()) if hasattr(X, "to_delayed") else list(X)
        for number, block in enumerate(blocks):
            if not isinstance(block, Delayed):
                raise TypeError(f"X[{number}] is {type(block).__name__}; expected delayed blocks of rows, all of them")
        shapes: list[tuple[int, int]] = computed([delayed(_shape)(block, i) for i, block in enumerate(blocks)], client)
        width = shapes[0][1]
        for number, (_, own) in enumerate(shapes):
            if own != width:
                raise ValueError(f"block {number} of X has {own} columns; expected {width}, as block 0 has")
        return cls(blocks, [length for length, _ in shapes], width)

    @property
    def starts(self) -> NDArray[np.int64]:
        """Number of the first row of each block, and of all rows."""
        return np.cumsum([0, *self.lengths], dtype=np.int64)


def check_array(X: Any) -> None:
    """Raise ValueError unless a Dask array is a matrix whose rows are whole in their blocks."""
    if X.ndim != 2:
        raise ValueError(f"X has shape {X.shape}; expected two dimensions, (n, d)")
    if X.numblocks[1] != 1:
        raise ValueError(
            f"X has its columns in {X.numblocks[1]} chunks; expected whole rows in each chunk: X.rechunk({{1: -1}})"
        )


def as_block(block: Any, number: int) -> NDArray[Any]:
    """Return a block as an array, on the worker that holds it."""
    return as_matrix(block, f"block {number} of X")


def taken(blocks: LazyBlocks, client: Any, numbers: NDArray[np.int64]) -> NDArray[Any]:
    """Return some rows, in the order of their numbers; blocks that have none of them are not read."""
    order = np.argsort(numbers, kind="stable")
    wanted = numbers[order]
    parts = []
    for number, (start, end) in enumerate(pairwise(blocks.starts)):
        begin, last = np.searchsorted(wanted, [start, end])
        if begin < last:
            task = delayed(_some, pure=True)
            parts.append(task(blocks.blocks[number], number, wanted[begin:last] - start, int(end - start)))
    found = np.concatenate(computed(parts, client))
    rows = np.empty_like(found)
    rows[order] = found
    return rows


def _some(block: Any, number: int, rows: NDArray[np.int64], length: int) -> NDArray[Any]:
    held = as_block(block, number)
    if len(held) != length:
        raise ValueError(f"block {number} of X has {len(held)} rows; expected {length}, as it was told")
    return held[rows]


def _shape(block: Any, number: int) -> tuple[int, int]:
    rows, columns = as_block(block, number).shape
    return rows, columns
