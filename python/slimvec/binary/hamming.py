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
        array = np.asarray(codes)
        whole_bytes = 8 * max(array.shape[1], 1) if array.ndim == 2 else 8
        n_bits = whole_bytes if n_bits is None else as_integer(n_bits, "n_bits", 1)
        self._codes = BlockedCodes.from_rows(as_codes(array, "codes", n_bits), n_bits)

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

    def search(self, codes: ArrayLike, k: int = 10, threads: int | None = None) -> SearchResult:
        """Find the ``k`` nearest codes of each query.

        Parameters
        ----------
        codes : array_like, shape (n_queries, ceil(n_bits / 8)), uint8
            Packed queries.
        k : int
            Neighbours per query, from 1 to the number of codes.
        threads : int, optional
            At most this many threads; by default as many as the process may use. Small searches use fewer.

        Returns
        -------
        SearchResult
            The same for any number of threads and on any instruction set.

        Raises
        ------
        TypeError
            If ``codes`` is not uint8.
        ValueError
            If the width of ``codes`` does not fit, or ``k`` or ``threads`` is out of range.

        Examples
        --------
        >>> import slimvec as sv
        >>> index = sv.HammingIndex(sv.pack([[1, 1, -1], [1, -1, -1]]), n_bits=3)
        >>> index.search(sv.pack([[1, -1, 1]]), k=2).distances
        array([[1, 2]], dtype=int32)
        """
        queries = as_codes(codes, "codes", self.n_bits)
        k = as_integer(k, "k", 1, len(self), why=", the number of codes")
        return SearchResult(*self._codes.search(queries, k, as_threads(threads)))
