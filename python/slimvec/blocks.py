"""Walking over a matrix in blocks of rows, so that nothing the size of the whole is ever made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

BLOCK_ROWS = 4096  # 300 float32 columns: 4.9 MB


def row_blocks(rows: NDArray[Any], size: int = BLOCK_ROWS) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield (number of the first row, block of rows), in order."""
    for first in range(0, len(rows), size):
        yield first, rows[first : first + size]
