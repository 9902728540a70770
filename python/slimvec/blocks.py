"""Walking over a matrix in blocks of rows, so that nothing the size of the whole is ever made."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

BLOCK_ROWS = 4096  # 300 float32 columns: 4.9 MB
ORDINARY = (1e-6, 1e6)  # magnitudes whose squares float32 adds up with all its digits
BLOCK_NUMBERS = 1 << 24  # of rows wider than 4096 there are fewer in a block that is read, or put together


def row_blocks(rows: NDArray[Any], size: int = BLOCK_ROWS) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield (number of the first row, block of rows), in order."""
    for first in range(0, len(rows), size):
        yield first, rows[first : first + size]


def scale_of(values: NDArray[Any]) -> float:
    """Return the power of two below the largest magnitude, to divide by before squares and sums in float32.

    It is 1 where that is ordinary, or zero: nothing then needs to be divided, or is rounded anew.
    """
    largest = max(float(values.max(initial=0)), -float(values.min(initial=0)))
    if ORDINARY[0] <= largest <= ORDINARY[1] or not 0 < largest < math.inf:
        return 1.0
    return 2.0 ** (math.frexp(largest)[1] - 1)


def rows_per_block(width: int) -> int:
    """Return how many rows of this width are read at once: whole blocks of codes, for which 64 will do."""
    return min(BLOCK_ROWS, max(1, BLOCK_NUMBERS // 64 // max(width, 1)) * 64)


def even_blocks(blocks: Iterable[NDArray[Any]], size: int | None = None) -> Iterator[NDArray[Any]]:
    """Yield the rows of blocks of any sizes in blocks of ``size`` rows; the last one may be shorter.

    Sums are rounded block by block: cut alike, the same rows give the same bits however they came.
    """
    waiting: list[NDArray[Any]] = []
    n_waiting = 0
    for block in blocks:
        if size is None:
            size = rows_per_block(block.shape[1])
        for _, piece in _cut(block, size - n_waiting, size):
            waiting.append(piece)
            n_waiting += len(piece)
            if n_waiting == size:
                yield waiting[0] if len(waiting) == 1 else np.concatenate(waiting)
                waiting, n_waiting = [], 0
    if n_waiting:
        yield np.concatenate(waiting)


def _cut(block: NDArray[Any], first_size: int, size: int) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield the first rows of a block, and then the others in blocks of ``size``."""
    if len(block):
        yield 0, block[:first_size]
    yield from row_blocks(block[first_size:], size)
