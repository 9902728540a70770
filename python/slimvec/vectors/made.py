"""Rows that lie in a file in another form, and are made when they are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from slimvec.blocks import BLOCK_ROWS
from slimvec.progress import Progress, ignore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from slimvec.vocabulary import Vocabulary


class MadeRows:
    """Rows made from what a file holds, whichever are asked for; all of them are never in memory at once.

    Parameters
    ----------
    make : callable
        ``make(numbers)`` returns those rows of the file as float32, ``(len(numbers), dim)``.
    numbers : int or ndarray of int64
        Of the rows, in the file: all of so many, or these.
    dim : int
    vocabulary : Vocabulary, optional
    """

    sequential = False

    def __init__(
        self,
        make: Callable[[NDArray[np.int64]], NDArray[np.float32]],
        numbers: int | NDArray[np.int64],
        dim: int,
        vocabulary: Vocabulary | None = None,
    ) -> None:
        self._make = make
        self._numbers = numbers
        self.dim = dim
        self.vocabulary = vocabulary

    def __len__(self) -> int:
        return self._numbers if isinstance(self._numbers, int) else len(self._numbers)

    @property
    def shape(self) -> tuple[int, int]:
        """Of all rows, if they were an array."""
        return len(self), self.dim

    def kept(self, rows: int | NDArray[np.int64], vocabulary: Vocabulary | None) -> MadeRows:
        """Return the first rows, or some by their numbers, and the words of these."""
        numbers = (
            rows if isinstance(self._numbers, int) else self._numbers[slice(rows) if isinstance(rows, int) else rows]
        )
        return MadeRows(self._make, numbers, self.dim, vocabulary)

    def take(self, rows: NDArray[np.integer]) -> NDArray[np.float32]:
        """Return some rows.

        Parameters
        ----------
        rows : integer array, shape (m,)

        Returns
        -------
        ndarray, shape (m, d), float32

        Raises
        ------
        IndexError
            For a row number outside ``0 ... n - 1``.
        """
        numbers = np.asarray(rows, np.int64)
        if numbers.size and not 0 <= numbers.min() <= numbers.max() < len(self):
            raise IndexError(f"rows {numbers.min()} ... {numbers.max()} are not all of 0 ... {len(self) - 1}")
        return self._make(numbers if isinstance(self._numbers, int) else self._numbers[numbers])

    def blocks(self, progress: Progress = ignore) -> Iterator[NDArray[np.float32]]:
        """Walk over the rows in blocks.

        Parameters
        ----------
        progress : callable, optional
            ``progress(stage, done, total)``, in rows.

        Returns
        -------
        iterator of ndarray, shape (at most 4096, d), float32
        """
        for first in range(0, len(self), BLOCK_ROWS):
            block = self.take(np.arange(first, min(first + BLOCK_ROWS, len(self))))
            yield block
            progress("reading vectors", first + len(block), len(self))
