"""Exact nearest codes by Hamming distance."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from slimvec.binary.codes import BlockedCodes, holds_more
from slimvec.files.pages import resident_bytes
from slimvec.files.table_file import register
from slimvec.keys import allowed_rows, resolve_rows
from slimvec.results import RangeResult, SearchResult
from slimvec.table import Stored
from slimvec.validation import as_codes, as_count, as_integer, as_threads

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from slimvec.files.table_file import Content


class HammingIndex(Stored):
    """Packed codes without a vocabulary, searched exactly.

    Parameters
    ----------
    codes : array_like, shape (n, ceil(n_bits / 8)), uint8
        Packed codes (:func:`slimvec.pack`).
    n_bits : int, optional
        Bits per code; by default 8 per byte. Any number from 1 on.

    Attributes
    ----------
    n_bits : int

    Raises
    ------
    TypeError
        If ``codes`` is not uint8.
    ValueError
        If the width does not fit ``n_bits``, or padding bits are set.

    Examples
    --------
    >>> import numpy as np
    >>> import slimvec as sv
    >>> values = np.random.default_rng(0).standard_normal((1000, 75))
    >>> codes = sv.pack(values)
    >>> index = sv.HammingIndex(codes, n_bits=75)
    >>> distances, indices = index.search(codes[:2], k=1)
    >>> indices
    array([[0],
           [1]])
    """

    kind = "hamming"

    def __init__(self, codes: ArrayLike, n_bits: int | None = None) -> None:
        shape = np.shape(codes)
        whole_bytes = 8 * max(shape[1], 1) if len(shape) == 2 else 8
        n_bits = whole_bytes if n_bits is None else as_integer(n_bits, "n_bits", 1)
        self._set(BlockedCodes.from_rows(as_codes(codes, "codes", n_bits), n_bits))

    @classmethod
    def from_blocks(cls, codes: BlockedCodes) -> HammingIndex:
        """Return an index over codes that are in the blocked layout already; nothing is copied."""
        index = cls.__new__(cls)
        index._set(codes)
        return index

    def _set(self, codes: BlockedCodes) -> None:
        self._codes = codes
        self._room = codes  # the same codes and, after them, room for more
        self._changing = Lock()

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled: the codes, without the room after them and without the lock."""
        with self._changing:
            state = dict(vars(self))
        del state["_room"], state["_changing"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._set(self._codes)

    def __copy__(self) -> Self:
        """Return an index over the same codes; the room after them is neither's: who adds makes room anew."""
        other = self.__new__(type(self))
        with self._changing:
            self._room = self._codes
            vars(other).update(vars(self))
        other._set(other._codes)
        return other

    @property
    def n_bits(self) -> int:
        """Bits per code."""
        return self._codes.n_bits

    def __len__(self) -> int:
        return self._codes.n_codes

    def __repr__(self) -> str:
        return f"<slimvec.HammingIndex: {len(self)} codes of {self.n_bits} bits>"

    def search(
        self, codes: ArrayLike, k: int = 10, threads: int | None = None, mask: ArrayLike | None = None
    ) -> SearchResult:
        """Find the ``k`` nearest codes of each query.

        Parameters
        ----------
        codes : array_like, shape (n_queries, ceil(n_bits / 8)), uint8
            Packed queries.
        k : int
            Neighbours per query; of fewer codes, or fewer that may be found, all.
        threads : int, optional
            At most this many threads; by default as many as the process may use. Small searches use fewer.
        mask : array_like, optional
            Which codes may be found: a bool per code, or row numbers. Blocks of 16 codes of which none may be found
            are not read.

        Returns
        -------
        SearchResult
            The same for any number of threads and on any instruction set. It has k columns, or one for each code of
            the index, or of those that ``mask`` allows, where these are fewer.

        Raises
        ------
        TypeError
            If ``codes`` is not uint8, or ``mask`` holds neither bools nor integers.
        ValueError
            If the width of ``codes`` or the length of ``mask`` does not fit, or ``k`` or ``threads`` is below 1.
        IndexError
            If ``mask`` holds a row number outside the index.

        Examples
        --------
        >>> import slimvec as sv
        >>> index = sv.HammingIndex(sv.pack([[1, 1, -1], [1, -1, -1]]), n_bits=3)
        >>> index.search(sv.pack([[1, -1, 1]]), k=2).distances
        array([[1, 2]], dtype=int32)
        >>> index.search(sv.pack([[1, -1, 1]]), k=1, mask=[True, False]).indices
        array([[0]])
        """
        queries = as_codes(codes, "codes", self.n_bits)
        table = self._codes
        allowed = None if mask is None else allowed_rows(mask, "mask", table.n_codes, "code")
        k = as_count(k, table.n_codes, allowed)
        if k == 0:
            return SearchResult(np.empty((len(queries), 0), np.int32), np.empty((len(queries), 0), np.int64))
        return SearchResult(*table.search(queries, k, table.pack_mask(allowed), as_threads(threads)))

    def range_search(
        self, codes: ArrayLike, radius: int, threads: int | None = None, mask: ArrayLike | None = None
    ) -> RangeResult:
        """Find all codes within a Hamming distance of each query.

        Parameters
        ----------
        codes : array_like, shape (n_queries, ceil(n_bits / 8)), uint8
            Packed queries.
        radius : int
            Greatest distance, in bits; 0 finds equal codes. The same distance as :meth:`search` returns.
        threads : int, optional
            See :meth:`search`.
        mask : array_like, optional
            See :meth:`search`.

        Returns
        -------
        RangeResult
            The same for any number of threads and on any instruction set.

        Raises
        ------
        TypeError, ValueError, IndexError
            As :meth:`search`, and if ``radius`` is negative or no integer.

        Examples
        --------
        >>> import slimvec as sv
        >>> index = sv.HammingIndex(sv.pack([[1, 1, -1], [1, -1, -1], [-1, -1, 1]]), n_bits=3)
        >>> found = index.range_search(sv.pack([[1, -1, 1], [1, 1, 1]]), radius=1)
        >>> found.indices[found.offsets[0] : found.offsets[1]]
        array([1, 2])
        """
        queries = as_codes(codes, "codes", self.n_bits)
        radius = min(as_integer(radius, "radius", 0), self.n_bits)
        table = self._codes
        return RangeResult(*table.range_search(queries, radius, table.pack_mask(mask), as_threads(threads)))

    def distances(self, codes: ArrayLike, indices: ArrayLike) -> NDArray[np.int32]:
        """Return the Hamming distances of each query to rows of its own.

        Parameters
        ----------
        codes : array_like, shape (n_queries, ceil(n_bits / 8)), uint8
            Packed queries.
        indices : array_like, shape (n_queries, m) or (m,), integers
            Row numbers: for each query, or the same for all.

        Returns
        -------
        ndarray, shape (n_queries, m), int32
            Number of bits that differ.

        Raises
        ------
        TypeError, ValueError
            As :meth:`search`, and if the shape of ``indices`` does not fit.
        IndexError
            If ``indices`` holds a row number outside the index.

        Examples
        --------
        >>> import slimvec as sv
        >>> index = sv.HammingIndex(sv.pack([[1, 1, -1], [1, -1, -1], [-1, -1, 1]]), n_bits=3)
        >>> index.distances(sv.pack([[1, -1, 1]]), [2, 0])
        array([[1, 2]], dtype=int32)
        """
        queries = as_codes(codes, "codes", self.n_bits)
        given = np.asarray(indices)
        if given.ndim not in {1, 2} or (given.ndim == 2 and len(given) != len(queries)):
            raise ValueError(f"indices has shape {given.shape}; expected (m,) or ({len(queries)}, m)")
        table = self._codes
        rows = resolve_rows(given.ravel() if given.size else [], "indices", table.n_codes, None).reshape(given.shape)
        each = np.broadcast_to(rows, (len(queries), given.shape[-1]))
        return table.distances(queries, np.ascontiguousarray(each))

    def pairwise(self, codes: ArrayLike | None = None, threads: int | None = None) -> NDArray[np.int32]:
        """Return the Hamming distances of each query to every code.

        Parameters
        ----------
        codes : array_like, shape (n_queries, ceil(n_bits / 8)), uint8, optional
            Packed queries; by default the codes of the index itself.
        threads : int, optional
            See :meth:`search`.

        Returns
        -------
        ndarray, shape (n_queries, n), int32
            Number of bits that differ; 4 bytes each, so mind the size.

        Raises
        ------
        TypeError, ValueError
            As :meth:`search`.

        Examples
        --------
        >>> import slimvec as sv
        >>> sv.HammingIndex(sv.pack([[1, 1, -1], [1, -1, -1]]), n_bits=3).pairwise()
        array([[0, 1],
               [1, 0]], dtype=int32)
        """
        table = self._codes
        own = codes is None
        queries = table.read(np.arange(table.n_codes)) if own else as_codes(codes, "codes", self.n_bits)
        return table.pairwise(queries, as_threads(threads))

    def add(self, codes: ArrayLike) -> NDArray[np.int64]:
        """Append codes.

        Room grows by half when it is full, so that adding one by one costs constant time each. A search in another
        thread sees the index as it was or as it is, never something in between.

        Parameters
        ----------
        codes : array_like, shape (m, ceil(n_bits / 8)), uint8
            Packed codes.

        Returns
        -------
        ndarray, shape (m,), int64
            Their row numbers.

        Raises
        ------
        TypeError, ValueError
            As the constructor.

        Examples
        --------
        >>> import slimvec as sv
        >>> index = sv.HammingIndex(sv.pack([[1, 1, -1]]), n_bits=3)
        >>> index.add(sv.pack([[1, -1, -1], [-1, -1, 1]]))
        array([1, 2])
        """
        packed = as_codes(codes, "codes", self.n_bits)
        with self._changing:
            first = len(self)
            self._room = self._room.with_space(first + len(packed), self._codes)
            self._room.write(first, packed)
            self._codes = self._room.first(first + len(packed))
        return np.arange(first, first + len(packed))

    def remove(self, indices: ArrayLike) -> int:
        """Remove codes; those that follow move up, as in ``numpy.delete``.

        All others are copied, so remove many at once rather than one by one.

        Parameters
        ----------
        indices : array_like
            Which: row numbers, or a bool per code.

        Returns
        -------
        int
            How many were removed.

        Raises
        ------
        TypeError, ValueError, IndexError
            As ``mask`` in :meth:`search`.

        Examples
        --------
        >>> import slimvec as sv
        >>> index = sv.HammingIndex(sv.pack([[1, 1, -1], [1, -1, -1], [-1, -1, 1]]), n_bits=3)
        >>> index.remove([0])
        1
        >>> index.search(sv.pack([[-1, -1, 1]]), k=1).indices
        array([[1]])
        """
        with self._changing:
            kept = np.flatnonzero(~allowed_rows(indices, "indices", len(self), "code"))
            removed = len(self) - len(kept)
            self._codes = self._room = self._codes.select(kept)
        return removed

    def info(self) -> dict[str, Any]:
        """Describe the index.

        Returns
        -------
        dict
            ``kind``, ``rows``, ``bits``, ``bytes`` (on disk, of ``codes``) and ``resident`` (bytes that lie in physical
            memory now; see :meth:`BinaryTable.info`).
        """
        codes = self._codes
        sizes = {"codes": codes.blocks.nbytes}
        resident = resident_bytes([codes.blocks])
        return {"kind": self.kind, "rows": codes.n_codes, "bits": codes.n_bits, "bytes": sizes, "resident": resident}

    def _shape(self, info: dict[str, Any]) -> tuple[str, str]:
        return codes_shape(info)

    def _counted(self, info: dict[str, Any]) -> str:  # noqa: ARG002
        return "bits"

    def to_content(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return the facts and tensors of a file."""
        with self._changing:
            codes = self._room = self._codes  # who adds makes room anew: what is being written stays as it is
        if holds_more(codes.blocks, codes.n_codes):  # of an addition that was interrupted
            codes = codes.select(np.arange(codes.n_codes))
        return {"kind": self.kind, "rows": codes.n_codes, "bits": codes.n_bits}, {"codes": codes.blocks}

    @classmethod
    def from_content(cls, content: Content) -> HammingIndex:
        """Return the index that a file's content describes, mapped."""
        return cls.from_blocks(BlockedCodes.from_content(content))


def codes_shape(info: dict[str, Any]) -> tuple[str, str]:
    """Return what rows of codes are, as a label and a text."""
    dimension = info.get("dimension")
    return "bits", f"{info['bits']} per row" + (f", from {dimension} floats" if dimension else "")


register(HammingIndex)
