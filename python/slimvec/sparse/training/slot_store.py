"""A transform that takes the memory of its non-zeros while it is trained (ANT paper, §3.4 and appendix C)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.errors import needs
from slimvec.sparse.product import CsrParts

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

CHUNK = 1024  # rows at a time: their dense steps need room for every entry
SPARE = 1.5  # of what is in use, when the arena grows
MOST_COLUMNS = 1 << 16


class SlotStore:
    """The non-zeros of T, ``(n, k)``, row by row in one arena; zeros take no room, and no state.

    A row has slots for a power of two of entries. One that outgrows them moves to the end of the arena; when that is
    full, rows are copied to a new one, without the gaps.

    Parameters
    ----------
    parts : CsrParts
        What T starts as, columns rising in each row.
    free : ndarray, shape (m, 2), int64, optional
        Entries without penalty, in order of (row, column).
    nonnegative : bool
        T ≥ 0.
    dtype : {"float32", "float64"}
        Of the numbers.

    Examples
    --------
    >>> import numpy as np
    >>> store = SlotStore(CsrParts((2, 3), np.array([0, 1, 1]), np.array([2]), np.array([1.5], np.float32)))
    >>> store.step(np.array([1]), np.array([[0.5, -2.0, 0.0]], np.float32), np.array([1.0]), np.array([1.0]))
    >>> store.shrink(np.array([0]), np.array([1.0]), np.array([1.0]))
    >>> store.read(np.array([0, 1]))
    array([[0. , 0. , 0.5],
           [0. , 1. , 0. ]], dtype=float32)
    """

    def __init__(
        self,
        parts: CsrParts,
        free: NDArray[np.int64] | None = None,
        *,
        nonnegative: bool = True,
        dtype: DTypeLike = np.float32,
    ) -> None:
        n, k = parts.shape
        if k > MOST_COLUMNS:
            raise ValueError(f"n_anchors={k}; expected at most {MOST_COLUMNS} with slots")
        self.nonnegative, self.dtype = nonnegative, np.dtype(dtype)
        self._number: Any = self.dtype.type
        with needs("numba", "train"):
            from slimvec.sparse.training import loops_slots
        self._loops: Any = loops_slots
        self._hold(parts)
        listed = np.empty((0, 2), np.int64) if free is None else free
        self._free_starts = np.searchsorted(listed[:, 0], np.arange(n + 1)).astype(np.int64)
        self._free_columns = listed[:, 1].astype(np.uint16)

    def _hold(self, parts: CsrParts) -> None:
        """Copy the entries of a transform, without room between its rows."""
        self.shape = parts.shape
        self._counts = np.diff(parts.indptr).astype(np.int32)
        self._rooms = self._counts.copy()
        self._starts = np.asarray(parts.indptr[:-1], np.int64).copy()
        self._columns = np.array(parts.indices, np.uint16)
        self._values = np.array(parts.data, self.dtype)
        self._tail = len(self._values)
        self._scratch = np.empty(parts.shape[1], self.dtype)

    @property
    def nnz(self) -> int:
        """Entries that are stored."""
        return int(self._counts.sum(dtype=np.int64))

    @property
    def nbytes(self) -> int:
        """Bytes that the store takes."""
        parts = (self._counts, self._rooms, self._starts, self._columns, self._values, self._free_starts)
        return sum(part.nbytes for part in parts)

    def layout(self) -> tuple[Any, ...]:
        """Return starts, counts, columns and values, as the compiled loops take them."""
        return self._starts, self._counts, self._columns, self._values

    def combine(self, rows: NDArray[np.int64], anchors: NDArray[Any]) -> NDArray[Any]:
        """Return ``rows`` of T A, ``(m, d)``."""
        out = np.zeros((len(rows), anchors.shape[1]), self.dtype)
        self._loops.combine(rows, *self.layout(), np.ascontiguousarray(anchors), out)
        return out

    def read(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return ``rows`` of T, dense."""
        return self.combine(rows, np.eye(self.shape[1], dtype=self.dtype))

    def anchor_gradient(self, rows: NDArray[np.int64], G: NDArray[Any]) -> NDArray[Any]:
        """Return T_Iᵀ G, ``(k, d)``."""
        out = np.zeros((self.shape[1], G.shape[1]), self.dtype)
        self._loops.add_transposed(rows, *self.layout(), np.ascontiguousarray(G), out)
        return out

    def scores(self, U: NDArray[Any]) -> NDArray[Any]:
        """Return T U, ``(n, b)``, for U ``(k, b)``."""
        out = np.zeros((self.shape[0], U.shape[1]), self.dtype)
        self._loops.scores(*self.layout(), np.ascontiguousarray(U), out)
        return out

    def shrink(self, rows: NDArray[np.int64], thresholds: NDArray[Any], ratios: NDArray[Any]) -> None:
        """Threshold the entries of distinct rows, and multiply them by a ratio: the steps that they have missed."""
        self._loops.shrink(
            rows, np.asarray(thresholds, self.dtype), np.asarray(ratios, self.dtype), self.nonnegative,
            *self.layout(), self._free_starts, self._free_columns,
        )  # fmt: skip

    def step(
        self,
        rows: NDArray[np.int64],
        gradient: NDArray[Any],
        sizes: NDArray[Any],
        thresholds: NDArray[Any],
        ratio: float = 1.0,
        *,
        zeros_stay: bool = False,
    ) -> None:
        """Take a proximal step in distinct rows: t ← ratio × soft-threshold(t - size × gradient, threshold).

        Parameters
        ----------
        rows : ndarray, shape (m,), int64
        gradient : ndarray, shape (m, k)
            Of all entries, stored or not: what is born is told by it.
        sizes, thresholds : ndarray, shape (m,)
        ratio : float
            The L2 factor.
        zeros_stay : bool
            Nothing is born.
        """
        sizes, thresholds = np.asarray(sizes, self.dtype), np.asarray(thresholds, self.dtype)
        for first in range(0, len(rows), CHUNK):
            part = slice(first, first + CHUNK)
            self._make_room(2 * self.shape[1] * len(rows[part]) + 4 * len(rows[part]))
            self._tail = self._loops.step(
                rows[part], np.ascontiguousarray(gradient[part], self.dtype), sizes[part], thresholds[part],
                self._number(ratio), self.nonnegative, zeros_stay, self._starts, self._counts, self._rooms,
                self._columns, self._values, self._free_starts, self._free_columns, self._scratch, self._tail,
            )  # fmt: skip

    def step_output(
        self,
        G: NDArray[Any],
        U: NDArray[Any],
        size: float,
        l1: float,
        ratio: float = 1.0,
        rows: NDArray[np.int64] | None = None,
        gradient: NDArray[Any] | None = None,
        *,
        zeros_stay: bool = False,
    ) -> int:
        """Take a proximal step in all rows of an output layer, whose gradient is G Uᵀ; return how many were made dense.

        A zero entry of row v stays zero as long as Σ_b abs(g_bv) max_j abs(u_bj) ≤ λ, which bounds its gradient. Only
        the other rows, and those with unpenalised entries, need a dense gradient; of all others the stored entries do.
        The result is that of dense steps; the paper leaves the rows out that no target names (appendix C).

        Parameters
        ----------
        G : ndarray, shape (n, b)
            Gradient of the logits, transposed.
        U : ndarray, shape (k, b)
            Aᵀh, transposed.
        size, l1, ratio : float
            As in :meth:`step`; the threshold is size × λ.
        rows, gradient : ndarray, optional
            Rising rows that have a gradient besides, and that gradient: tied input embeddings.
        zeros_stay : bool
            Nothing is born.

        Returns
        -------
        int
        """
        G, U = np.ascontiguousarray(G, self.dtype), np.ascontiguousarray(U, self.dtype)
        bounds = np.abs(G) @ np.abs(U).max(axis=0, initial=0)
        dense = (bounds * (1 + 1e-5) > l1) | (np.diff(self._free_starts) > 0)  # float32 sums may be short by an ulp
        if zeros_stay:
            dense[:] = False
        also = np.empty(0, np.int64) if rows is None else rows
        dense[also] = True
        threshold, others = self._number(size * l1), np.flatnonzero(~dense)
        self._loops.step_stored(
            others, G, U, self._number(size), threshold, self._number(ratio), self.nonnegative, *self.layout(),
            self._free_starts, self._free_columns,
        )  # fmt: skip
        screened = np.flatnonzero(dense)
        for first in range(0, len(screened), CHUNK):
            some = screened[first : first + CHUNK]
            total = G[some] @ U.T
            both, here, there = np.intersect1d(some, also, assume_unique=True, return_indices=True)
            if gradient is not None and len(both):
                total[here] += gradient[there]
            sizes, thresholds = np.full(len(some), size), np.full(len(some), threshold)
            self.step(some, total, sizes, thresholds, ratio, zeros_stay=zeros_stay)
        return len(screened)

    def _make_room(self, n: int) -> None:
        """Make sure that ``n`` more entries fit after the tail."""
        if self._tail + n <= len(self._values):
            return
        self._loops.trim(self._counts, self._rooms)
        used = int(self._rooms.sum(dtype=np.int64))
        size = int(SPARE * used) + n
        columns, values = np.empty(size, np.uint16), np.empty(size, self.dtype)
        layout = (self._starts, self._counts, self._rooms, self._columns, self._values)
        self._tail = self._loops.move(*layout, columns, values)
        self._columns, self._values = columns, values

    def column_sums(self) -> NDArray[np.float64]:
        """Return Σ_i abs(t_ij) for each column, ``(k,)``."""
        parts = self.to_csr()
        sums = np.zeros(self.shape[1])
        np.add.at(sums, parts.indices, np.abs(parts.data))
        return sums

    def resize_columns(self, kept: NDArray[np.int64], n_new: int) -> None:
        """Keep some columns, rising, and put new ones of zeros after them; for a T without entries free of penalty."""
        parts, place = self.to_csr(), np.full(self.shape[1], -1)
        place[kept] = np.arange(len(kept))
        columns = place[parts.indices]
        shape = (self.shape[0], len(kept) + n_new)
        self._hold(_some_entries(CsrParts(shape, parts.indptr, columns, parts.data), columns >= 0))

    def keep(self, kept: NDArray[np.bool_]) -> None:
        """Keep those of the entries, row by row, that a mask names."""
        self._hold(_some_entries(self.to_csr(), kept))

    def to_csr(self) -> CsrParts:
        """Return T in CSR form, copied."""
        indptr = np.zeros(self.shape[0] + 1, np.int64)
        np.cumsum(self._counts, out=indptr[1:])
        columns, values = np.empty(indptr[-1], np.uint16), np.empty(indptr[-1], self.dtype)
        starts = self._starts.copy()
        self._loops.move(starts, self._counts, self._counts, self._columns, self._values, columns, values)
        return CsrParts(self.shape, indptr, columns, values)


def _some_entries(parts: CsrParts, kept: NDArray[np.bool_]) -> CsrParts:
    """Return a transform with some of the entries."""
    indptr = np.concatenate([[0], np.cumsum(kept)])[parts.indptr]
    return CsrParts(parts.shape, indptr, parts.indices[kept], parts.data[kept])


def random_parts(
    shape: tuple[int, int],
    nonzeros: int,
    generator: np.random.Generator,
    *,
    anchor_rows: NDArray[np.int64] | None = None,
    empty: int | None = None,
    nonnegative: bool = True,
) -> CsrParts:
    """Return a transform with ``nonzeros`` entries per row, in columns drawn at random, and N(0, 1) / √nonzeros.

    A row that an anchor stands for is that anchor alone. Columns drawn twice are one entry; the row ``empty`` has none.
    """
    n, k = shape
    count = min(nonzeros, k)
    columns = np.sort(generator.integers(k, size=(n, count), dtype=np.uint16 if k < MOST_COLUMNS else np.int64), axis=1)
    values = generator.standard_normal((n, count), dtype=np.float32) / np.float32(max(count, 1) ** 0.5)
    if nonnegative:
        np.abs(values, out=values)
    kept = np.ones((n, count), bool)
    kept[:, 1:] = columns[:, 1:] != columns[:, :-1]
    if anchor_rows is not None:
        columns[anchor_rows], values[anchor_rows] = np.arange(k)[:, None], 1
        kept[anchor_rows] = np.arange(count) == 0
    if empty is not None:
        kept[empty] = False
    indptr = np.zeros(n + 1, np.int64)
    np.cumsum(kept.sum(axis=1), out=indptr[1:])
    return CsrParts(shape, indptr, columns[kept], values[kept])
