"""The product E = T A, its factors as the kernels take them; the one place that chooses their types."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from slimvec import _core, isa
from slimvec.blocks import row_blocks
from slimvec.errors import FormatError, needs
from slimvec.results import largest
from slimvec.sparse.packed import LARGEST_WEIGHT, pack_rows, packed_counts, unpack_rows
from slimvec.validation import as_matrix, check_finite

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike, NDArray

    from slimvec.files.table_file import Content

INDEX_TYPES = (np.uint8, np.uint16, np.uint32)
OFFSET_TYPES = (np.uint32, np.int64)
FLOAT_TYPES = (np.float32, np.float16)
PACKED = "int4"
LINE_BYTES = 64
CACHED_BYTES = 8 << 20  # more anchors than this come from memory, whatever their place


class CsrParts(NamedTuple):
    """A sparse matrix without SciPy: what :meth:`Product.from_csr` reads of one."""

    shape: tuple[int, int]
    indptr: NDArray[np.integer]
    indices: NDArray[np.integer]
    data: NDArray[Any]

    def tocsr(self) -> Self:
        """Return itself, as SciPy's matrices do."""
        return self


class CsrEntries(NamedTuple):
    """T as plain CSR arrays."""

    indptr: NDArray[np.integer]
    indices: NDArray[np.integer]
    values: NDArray[np.floating]

    def largest(self, anchor: int | None, k: int) -> list[tuple[int, int, float]]:
        """Return row, anchor and value of the k largest entries, of one anchor or all, largest first, ties by row."""
        some = np.arange(len(self.values)) if anchor is None else np.flatnonzero(self.indices == anchor)
        k = min(k, len(some))
        if k:
            some = some[largest(self.values[some].astype(np.float64), k)]
        rows: NDArray[np.int64] = np.searchsorted(self.indptr, some, "right") - 1
        return list(zip(rows.tolist(), self.indices[some].tolist(), self.values[some].tolist(), strict=True))


@dataclass(frozen=True, eq=False)
class Product:
    """Anchors A and a transform T in CSR form, in memory or mapped from a file.

    Attributes
    ----------
    anchors : ndarray, shape (k, d), float32 or float16
    indptr : ndarray, shape (n + 1,), uint32 or int64
        Row i has the entries ``indptr[i]`` to ``indptr[i + 1] - 1``; where rows are packed, these bytes.
    indices : ndarray, shape (nnz,), uint8, uint16 or uint32
        Anchor numbers: the smallest type that holds k of them. Where rows are packed, their bytes.
    values : ndarray, shape (nnz,), float32 or float16; or None
        None where rows are packed (``sparse/packed.py``).
    """

    anchors: NDArray[Any]
    indptr: NDArray[Any]
    indices: NDArray[Any]
    values: NDArray[Any] | None

    @classmethod
    def from_csr(cls, anchors: ArrayLike, transform: Any, dtype: DTypeLike) -> Product:
        """Return the product of anchors and a SciPy sparse matrix ``(n, k)``, checked, numbers stored as ``dtype``."""
        is_packed = isinstance(dtype, str) and dtype == PACKED
        number = np.dtype(np.float16 if is_packed else dtype)
        if number not in FLOAT_TYPES:
            raise ValueError(f"dtype={dtype!r}; expected 'float32', 'float16' or 'int4'")
        matrix = as_matrix(anchors, "anchors")
        if matrix.size == 0:
            raise ValueError(f"anchors has shape {matrix.shape}; expected at least one row and one column")
        stored = _as_floats(matrix, number)
        _check_digits(matrix, number, dtype, "anchors")
        check_finite(stored, "anchors", 0)
        csr = _as_csr(transform, len(stored))
        indptr, n_entries = csr.indptr, int(csr.indptr[-1])
        values = _as_floats(csr.data[:n_entries], number)
        bad = np.flatnonzero(~np.isfinite(values))
        if len(bad):
            row = int(np.searchsorted(indptr, bad[0], "right")) - 1
            raise ValueError(f"transform holds NaN, infinity or a value too large for {number} in row {row}")
        _check_digits(csr.data[:n_entries], number, dtype, "transform", LARGEST_WEIGHT if is_packed else 1)
        if is_packed:
            offsets, packed = pack_rows(indptr, csr.indices[:n_entries], csr.data[:n_entries])
            return cls(stored, _as_offsets(offsets), packed, None)
        indices = np.ascontiguousarray(csr.indices[:n_entries], index_type(len(stored)))
        return cls(stored, _as_offsets(indptr), indices, values)

    @classmethod
    def from_content(cls, content: Content, n_rows: int, n_anchors: int) -> Product:
        """Return the product in a file, mapped, after checking that their sizes fit each other."""
        anchors = content.tensor("anchors", FLOAT_TYPES, (n_anchors, content.integer("dimension", 1)))
        indptr = content.tensor("indptr", OFFSET_TYPES, (n_rows + 1,))
        values: NDArray[Any] | None = None
        if "packed" in content.tensors:
            indices = content.tensor("packed", np.uint8, (None,))
        else:
            indices = content.tensor("indices", index_type(n_anchors), (None,))
            values = content.tensor("values", FLOAT_TYPES, (None,))
        n_entries = len(indices if values is None else values)
        if not indptr[0] == 0 <= indptr[-1] == len(indices) == n_entries:
            raise FormatError("the entries of the transform do not fit the offsets of its rows")
        return cls(anchors, indptr, indices, values)

    def to_tensors(self) -> dict[str, NDArray[Any]]:
        """Return what a file holds, by name."""
        tensors = {"anchors": self.anchors, "indptr": self.indptr}
        if self.values is None:
            return tensors | {"packed": self.indices}
        return tensors | {"indices": self.indices, "values": self.values}

    @property
    def n_rows(self) -> int:
        """Rows of T."""
        return len(self.indptr) - 1

    @cached_property
    def n_entries(self) -> int:
        """Entries of T that are stored."""
        return len(self.values) if self.values is not None else int(packed_counts(self.indptr).sum())

    @property
    def transform_bytes(self) -> int:
        """What T takes, offsets included."""
        return sum(part.nbytes for part in (self.indptr, self.indices, self.values) if part is not None)

    def entries(self) -> CsrEntries:
        """Return T for code that trusts its entries, such as SciPy's.

        Raises
        ------
        FormatError
            Unless every entry lies inside.
        """
        if not offsets_fit(self.indptr, len(self.indices)):
            raise FormatError("the offsets of the transform's rows fall or overrun: the table is damaged")
        if self.values is None:
            entries = CsrEntries(*unpack_rows(self.indptr, self.indices))
        else:
            entries = CsrEntries(self.indptr, self.indices, self.values)
        if len(entries.indices) and entries.indices.max() >= len(self.anchors):
            raise FormatError(f"the transform names more than the {len(self.anchors)} anchors: the table is damaged")
        return entries

    def to_scipy(self) -> Any:
        """Return T as a SciPy ``csr_array`` of float32, made anew."""
        with needs("SciPy", "train"):
            from scipy.sparse import csr_array
        indptr, indices, values = self.entries()
        index = np.int32 if max(len(values), len(self.anchors)) < 1 << 31 else np.int64
        parts = (values.astype(np.float32), indices.astype(index), indptr.astype(index))
        return csr_array(parts, shape=(self.n_rows, len(self.anchors)))

    def lookup(self, rows: NDArray[Any]) -> NDArray[np.float32]:
        """Return ``rows`` of T A, ``(len(rows), d)``; int64 in one piece, whose numbers are checked."""
        return _core.sparse_lookup(isa.current(), self.indptr, self.indices, self.values, self._aligned, rows)

    def bag_mean(
        self, rows: NDArray[np.int64], offsets: NDArray[np.int64], weights: NDArray[np.float32] | None
    ) -> NDArray[np.float32]:
        """Return the weighted mean of each bag ``rows[offsets[b]:offsets[b + 1]]`` of T A, ``(n_bags, d)``."""
        return _core.sparse_bag_mean(
            isa.current(), self.indptr, self.indices, self.values, self._aligned, rows, offsets, weights
        )

    def search(
        self,
        queries: NDArray[np.float32],
        k: int,
        row_scales: NDArray[np.float32] | None,
        mask: NDArray[np.uint8] | None,
        n_threads: int,
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return scores and rows of the k best allowed rows of T A for each query, both ``(n_queries, k)``."""
        return _core.sparse_search(
            isa.current(),
            self.indptr,
            self.indices,
            self.values,
            row_scales,
            self.anchor_scores(queries),
            k,
            mask,
            n_threads,
        )

    def anchor_scores(self, queries: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return A q for each query, ``(n_queries, k)``.

        By the gather kernel, to which a query is a full row over the columns of A: unlike a BLAS, it gives the same
        bits on every machine, and to a query alone and in a batch.
        """
        m, d = queries.shape
        indptr = np.arange(m + 1) * d
        columns = np.tile(np.arange(d, dtype=index_type(d)), m)
        return _core.sparse_lookup(isa.current(), indptr, columns, queries.ravel(), self._columns, np.arange(m))

    @cached_property
    def _aligned(self) -> NDArray[Any]:
        """The anchors, each at the start of a cache line where that is worth a copy.

        AVX-512 loads then cross no lines. float16 loads are half as wide and gained nothing.
        """
        k, d = self.anchors.shape
        per_line = LINE_BYTES // self.anchors.itemsize
        if self.anchors.dtype != np.float32 or d < per_line or self.anchors.nbytes > CACHED_BYTES:
            return self.anchors
        stride = -(-d // per_line) * per_line
        room = np.zeros(k * stride + per_line, np.float32)
        first = -room.ctypes.data % LINE_BYTES // room.itemsize
        aligned = room[first : first + k * stride].reshape(k, stride)[:, :d]
        aligned[:] = self.anchors
        return aligned

    @cached_property
    def _columns(self) -> NDArray[Any]:
        return np.ascontiguousarray(self.anchors.T)

    def inverse_norms(self) -> NDArray[np.float32]:
        """Return 1 / ‖row‖ of every row of T A, ``(n,)``; 0 for a row of zeros."""
        scales = np.zeros(self.n_rows, np.float32)
        limit = float(np.finfo(np.float32).max)
        for first, rows in row_blocks(np.arange(self.n_rows)):
            block = self.lookup(rows)
            check_finite(block, "transform @ anchors", first)
            norms = np.sqrt(np.einsum("ij,ij->i", block, block, dtype=np.float64))
            inverse = np.divide(1, norms, out=np.zeros_like(norms), where=norms > 0)
            scales[rows] = np.minimum(inverse, limit)
        return scales


def index_type(n: int) -> type[np.unsignedinteger]:
    """Return the smallest unsigned type that holds 0 ... n - 1."""
    if n > 1 << 32:
        raise ValueError(f"there are {n} anchors; expected at most 2**32")
    return next(dtype for dtype in INDEX_TYPES if n - 1 <= np.iinfo(dtype).max)


def _as_offsets(offsets: NDArray[np.integer]) -> NDArray[Any]:
    return np.ascontiguousarray(offsets, np.uint32 if offsets[-1] < 1 << 32 else np.int64)


def _as_floats(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    if values.dtype.kind not in "fiu":
        raise TypeError(f"transform has dtype {values.dtype}; expected real numbers")
    with np.errstate(over="ignore", invalid="ignore"):  # reported by the caller
        return np.require(values, dtype, ["C", "A"])


def _check_digits(values: NDArray[Any], number: np.dtype[Any], dtype: Any, name: str, steps: int = 1) -> None:
    """Raise ValueError if a step of the largest value is too small for float16's digits: most others would become 0."""
    if number == np.float16:
        largest = max(float(values.max(initial=0)), -float(values.min(initial=0)))
        if 0 < largest < steps * float(np.finfo(np.float16).tiny):
            raise ValueError(
                f"dtype={dtype!r}: {name} holds no value above {largest:.1e}, where float16 has few digits or none; "
                "multiply the vectors by a constant first, or take dtype='float32'"
            )


def offsets_fit(indptr: NDArray[Any], n_entries: int) -> bool:
    """Tell whether offsets of rows begin with 0, never fall, and end where the entries do."""
    return bool(indptr[0] == 0 and indptr[-1] == n_entries and not (indptr[1:] < indptr[:-1]).any())


def _as_csr(transform: Any, n_anchors: int) -> Any:
    """Return ``transform`` as CSR whose parts may be trusted, whoever filled them in."""
    if not hasattr(transform, "tocsr"):
        raise TypeError(
            f"transform is {type(transform).__name__}; expected a SciPy sparse matrix (n, k), "
            f"such as scipy.sparse.csr_array(transform)"
        )
    csr = transform.tocsr()
    if len(csr.shape) != 2 or csr.shape[1] != n_anchors:
        raise ValueError(f"transform has shape {csr.shape}; expected (n, {n_anchors}), one column per anchor")
    indptr, indices = csr.indptr, csr.indices
    fits = len(indptr) == csr.shape[0] + 1 and indptr[0] == 0 and indptr[-1] <= min(len(indices), len(csr.data))
    if not fits or (np.diff(indptr) < 0).any():
        raise ValueError("transform is no valid CSR matrix: its indptr falls or does not fit its shape and entries")
    used = indices[: indptr[-1]]
    if len(used) and not 0 <= used.min() <= used.max() < n_anchors:
        raise ValueError(f"transform is no valid CSR matrix: its indices lie outside 0 ... {n_anchors - 1}")
    return csr
