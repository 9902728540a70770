"""Which rows of a segment were removed: a bool for each in memory, a few kilobytes of bits at a time in a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHUNK_ROWS = 1 << 14  # whose bits, 2 KiB, are saved together: a removal changes one page of a database, or two


class Marks:
    """Rows that are there, and those that are not.

    Any thread may ask :meth:`is_alive`; everything else is for who holds the lock of the index.

    Parameters
    ----------
    n_rows : int
    stored : dict of int to bytes, optional
        Chunks of which rows were removed, as :meth:`chunk` gives them; none of the others.

    Attributes
    ----------
    changed : set of int
        Chunks that are no longer as they were saved.
    """

    def __init__(self, n_rows: int, stored: dict[int, bytes] | None = None) -> None:
        self._n_rows = n_rows
        self._stored = stored or {}
        self._alive: NDArray[np.bool_] | None = None
        self.changed: set[int] = set()

    @property
    def alive(self) -> NDArray[np.bool_] | None:
        """Which rows are there; None for all. What was stored is unpacked when it is first asked for."""
        if self._alive is None and self._stored:
            alive = np.ones(self._n_rows, np.bool_)
            for number, packed in self._stored.items():
                own = alive[number * CHUNK_ROWS : (number + 1) * CHUNK_ROWS]
                bits = np.unpackbits(np.frombuffer(packed, np.uint8), count=len(own), bitorder="little")
                np.logical_not(bits, out=own)
            self._alive = alive
        return self._alive

    def is_alive(self, row: int) -> bool:
        """Tell whether a row is there; nothing is unpacked for it."""
        if self._alive is not None:
            return bool(self._alive[row])
        packed = self._stored.get(row // CHUNK_ROWS)
        return packed is None or not packed[row % CHUNK_ROWS // 8] >> row % 8 & 1

    def remove(self, row: int) -> None:
        """Mark one row."""
        self._writable()[row] = False
        self.changed.add(row // CHUNK_ROWS)

    def remove_many(self, rows: NDArray[np.int64]) -> None:
        """Mark rows."""
        self._writable()[rows] = False
        self.changed.update(np.unique(rows // CHUNK_ROWS).tolist())

    def restore(self, rows: NDArray[np.int64]) -> None:
        """Take back the marks of rows."""
        self._writable()[rows] = True

    def chunk(self, number: int) -> bytes:
        """Return the bits of a chunk, set for removed rows, the lowest first."""
        alive = self.alive
        n_rows = chunk_length(number, self._n_rows)
        own = np.ones(n_rows, np.bool_) if alive is None else alive[number * CHUNK_ROWS :][:n_rows]
        return np.packbits(~own, bitorder="little").tobytes()

    def chunks(self) -> set[int]:
        """Return the numbers of all chunks with removed rows."""
        alive = self.alive
        return set() if alive is None else set((np.flatnonzero(~alive) // CHUNK_ROWS).tolist())

    def copy(self) -> Marks:
        """Return a copy."""
        twin = Marks(self._n_rows, self._stored)
        twin._alive = None if self._alive is None else self._alive.copy()
        twin.changed = set(self.changed)
        return twin

    def _writable(self) -> NDArray[Any]:
        if self.alive is None:
            self._alive = np.ones(self._n_rows, np.bool_)
        assert self._alive is not None  # noqa: S101
        return self._alive


def chunk_length(number: int, n_rows: int) -> int:
    """Return how many of ``n_rows`` rows are in a chunk."""
    return max(0, min(CHUNK_ROWS, n_rows - number * CHUNK_ROWS))
