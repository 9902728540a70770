"""Exact nearest codes by Hamming distance."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from slimvec.binary.codes import BlockedCodes
from slimvec.validation import as_codes, as_integer, as_threads

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


class SearchResult(NamedTuple):
    """Nearest rows of each query, nearest first.

    Attributes
    ----------
    distances : ndarray, shape (n_queries, k), int32
        Number of bits that differ (an integer; SciPy's ``hamming`` is this divided by ``n_bits``).
    indices : ndarray, shape (n_queries, k), int64
        Row numbers. Equal distances are ordered by row number.
    """

    distances: NDArray[np.int32]
    indices: NDArray[np.int64]


class RangeResult(NamedTuple):
    """All rows within a radius of each query, nearest first, one query after the other.

    Those of query q are ``distances[offsets[q]:offsets[q + 1]]`` and ``indices[offsets[q]:offsets[q + 1]]``.

    Attributes
    ----------
    offsets : ndarray, shape (n_queries + 1,), int64
    distances : ndarray, shape (offsets[-1],), int32
        Number of bits that differ.
    indices : ndarray, shape (offsets[-1],), int64
        Row numbers. Equal distances are ordered by row number.
    """

    offsets: NDArray[np.int64]
    distances: NDArray[np.int32]
    indices: NDArray[np.int64]


class HammingIndex:
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

    def __init__(self, codes: ArrayLike, n_bits: int | None = None) -> None:
        shape = np.shape(codes)
        whole_bytes = 8 * max(shape[1], 1) if len(shape) == 2 else 8
        n_bits = whole_bytes if n_bits is None else as_integer(n_bits, "n_bits", 1)
        self._codes = BlockedCodes.from_rows(as_codes(codes, "codes", n_bits), n_bits)

    @classmethod
    def from_blocks(cls, codes: BlockedCodes) -> HammingIndex:
        """Return an index over codes that are in the blocked layout already; nothing is copied."""
        index = cls.__new__(cls)
        index._codes = codes
        return index

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
            Neighbours per query, from 1 to the number of codes.
        threads : int, optional
            At most this many threads; by default as many as the process may use. Small searches use fewer.
        mask : array_like, optional
            Which codes may be found: a bool per code, or row numbers. Blocks of 16 codes of which none may be found
            are not read.

        Returns
        -------
        SearchResult
            The same for any number of threads and on any instruction set. Where ``mask`` allows fewer than ``k``
            codes, the rest is index -1 and distance 2**31 - 1.

        Raises
        ------
        TypeError
            If ``codes`` is not uint8, or ``mask`` holds neither bools nor integers.
        ValueError
            If the width of ``codes`` or the length of ``mask`` does not fit, or ``k`` or ``threads`` is out of range.
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
        k = as_integer(k, "k", 1, len(self), why=", the number of codes")
        return SearchResult(*self._codes.search(queries, k, self._mask(mask), as_threads(threads)))

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
        return RangeResult(*self._codes.range_search(queries, radius, self._mask(mask), as_threads(threads)))

    def _mask(self, mask: ArrayLike | None) -> NDArray[np.uint8] | None:
        return None if mask is None else self._codes.pack_mask(mask)
