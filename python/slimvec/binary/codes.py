"""Packed binary codes: the one place that states bit order and layout.

**Row layout.** A code of ``n_bits`` bits is ``ceil(n_bits / 8)`` bytes. Bit j is ``value_j >= 0`` (so sgn(0) = +1),
least significant bit first, and the padding bits of the last byte are zero. These are the bytes of
``numpy.packbits(values >= 0, axis=1, bitorder="little")``: faiss ``IndexBinaryFlat`` and usearch take them as they are.

**Blocked layout.** What the kernels scan and what files store: blocks of 16 codes, word-major (word 0 of the 16 codes
as 16 uint32, then word 1, ...), ``ceil(n_bits / 32)`` words per code, the last block padded with zero codes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec import _core, isa
from slimvec.blocks import row_blocks
from slimvec.errors import FormatError
from slimvec.files import pages
from slimvec.keys import allowed_rows
from slimvec.validation import as_array, as_codes, as_integer, as_matrix

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from slimvec.binary.asymmetric import FloatQueries
    from slimvec.binary.factors import Factors
    from slimvec.files.table_file import Content

BLOCK_CODES = 16
WORD_BITS = 32
MAX_BITS = (1 << 24) - 1  # kMaxBits of cpp/core/blocked_codes.hpp


def pack(values: ArrayLike) -> NDArray[np.uint8]:
    """Pack the signs of the rows of a matrix into codes.

    Parameters
    ----------
    values : array_like, shape (n, n_bits)
        Real numbers of a signed type; ``n_bits >= 1``. A NaN packs to 0. Bits that are 0 and 1 already are packed by
        ``numpy.packbits(bits, axis=1, bitorder="little")``.

    Returns
    -------
    ndarray, shape (n, ceil(n_bits / 8)), uint8
        Bit j of a code is ``value_j >= 0``, least significant bit first, padded with zeros.

    Raises
    ------
    ValueError
        If ``values`` is not two-dimensional or has no columns.
    TypeError
        If ``values`` does not hold real numbers, or holds unsigned ones or bools: none of them is negative, and every
        bit would be set.

    Examples
    --------
    >>> import slimvec as sv
    >>> sv.pack([[0.5, -1.0, 0.0]])  # bits 1, 0, 1
    array([[5]], dtype=uint8)
    """
    given = as_array(values, "values")
    if given.dtype.kind in "bu":
        raise TypeError(
            f"values has dtype {given.dtype}, which holds nothing negative, so that every bit would be set; pack zeros "
            'and ones by np.packbits(values, axis=1, bitorder="little"), or subtract the midpoint from numbers first: '
            "values.astype(np.float32) - values.mean()"
        )
    rows = as_matrix(given if given.ndim else values, "values")
    if rows.shape[1] == 0:
        raise ValueError(f"values has shape {rows.shape}; expected at least one column, because a code has n_bits >= 1")
    # A cast would round a tiny negative float64 to -0.0, whose sign counts as +: signs are cast instead.
    wide = rows.dtype.kind == "f" and rows.dtype.itemsize > 4
    signs = np.where(rows >= 0, np.float32(1), np.float32(-1)) if wide else rows
    return pack_signs(np.require(signs, np.float32, ["C", "A"]))


def pack_signs(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Pack the signs of values that are as the kernel takes them."""
    return _core.pack_signs(isa.current(), values)


def unpack(codes: ArrayLike, n_bits: int, scale: ArrayLike | None = None) -> NDArray[np.float32]:
    """Unpack codes into rows of -1 and +1.

    Parameters
    ----------
    codes : array_like, shape (n, ceil(n_bits / 8)), uint8
        Packed codes.
    n_bits : int
        Bits per code.
    scale : float or array_like, shape (n,), optional
        What a set bit becomes, for all codes or for each; a clear bit becomes its negative. Default 1.

    Returns
    -------
    ndarray, shape (n, n_bits), float32

    Raises
    ------
    TypeError
        If ``codes`` is not uint8.
    ValueError
        If a shape does not fit, or padding bits are set.

    Examples
    --------
    >>> import slimvec as sv
    >>> sv.unpack(sv.pack([[0.5, -1.0, 0.0]]), n_bits=3, scale=0.25)
    array([[ 0.25, -0.25,  0.25]], dtype=float32)
    """
    n_bits = as_integer(n_bits, "n_bits", 1)
    packed = as_codes(codes, "codes", n_bits)
    if scale is None:
        return _core.unpack(isa.current(), packed, n_bits)
    scales = np.asarray(scale, np.float32)
    if scales.shape not in {(), (len(packed),)}:
        raise ValueError(f"scale has shape {scales.shape}; expected one number, or one per code: ({len(packed)},)")
    return _core.unpack(
        isa.current(), packed, n_bits, np.require(np.broadcast_to(scales, len(packed)), None, ["C", "A"])
    )


@dataclass(frozen=True, eq=False)
class BlockedCodes:
    """Codes in the blocked layout: what tables and indexes hold, in memory or mapped from a file.

    Attributes
    ----------
    blocks : ndarray, shape (ceil(n_codes / 16), ceil(n_bits / 32), 16), uint32
    n_codes : int
    n_bits : int
    is_checked : bool
        Whether the bits past ``n_bits`` are known to be zero. Those of a file are looked at before the first search,
        which reads all codes anyway: set, they would count in distances.
    """

    blocks: NDArray[np.uint32]
    n_codes: int
    n_bits: int
    is_checked: bool = True

    @classmethod
    def empty(cls, n_codes: int, n_bits: int) -> BlockedCodes:
        """Return room for ``n_codes`` codes, all bits clear."""
        return cls(pages.zeros(cls.shape(n_codes, n_bits)), n_codes, n_bits)

    @classmethod
    def from_rows(cls, codes: NDArray[np.uint8], n_bits: int) -> BlockedCodes:
        """Return the blocked form of packed codes ``(n, ceil(n_bits / 8))``."""
        blocked = cls.empty(len(codes), n_bits)
        blocked.write(0, codes)
        return blocked

    @staticmethod
    def shape(n_codes: int, n_bits: int) -> tuple[int, int, int]:
        """Return the shape of ``blocks``."""
        return -(-n_codes // BLOCK_CODES), -(-n_bits // WORD_BITS), BLOCK_CODES

    @classmethod
    def from_content(cls, content: Content, name: str = "codes") -> BlockedCodes:
        """Return the codes of a file's content, mapped."""
        n_codes, n_bits = content.integer("rows", 0), content.integer("bits", 1)
        if n_bits > MAX_BITS:
            raise FormatError(f"bits is {n_bits}; expected at most {MAX_BITS}")
        codes = cls(content.tensor(name, np.uint32, cls.shape(n_codes, n_bits)), n_codes, n_bits, False)
        check_padding(codes.blocks, n_codes, name)
        _check_bits(codes.blocks[0 if content.thorough else -1 :], n_bits)
        return codes

    @cached_property
    def comparable(self) -> NDArray[np.uint32]:
        """The blocks, for whatever counts bits: FormatError if a bit is set past ``n_bits``."""
        if not self.is_checked:
            _check_bits(self.blocks, self.n_bits)
        return self.blocks

    def first(self, n_codes: int) -> BlockedCodes:
        """Return the first codes; nothing is copied."""
        blocks = self.blocks[: self.shape(n_codes, self.n_bits)[0]]
        return BlockedCodes(blocks, n_codes, self.n_bits, self.is_checked)

    def select(self, rows: NDArray[np.int64]) -> BlockedCodes:
        """Return a copy of some codes."""
        selected = self.empty(len(rows), self.n_bits)
        for first, part in row_blocks(rows):
            selected.write(first, self.read(part))
        return selected

    def with_space(self, n_codes: int, used: BlockedCodes) -> BlockedCodes:
        """Return room for ``n_codes`` codes that begins with those ``used`` here: this, or a larger copy of them."""
        if n_codes <= self.n_codes and self.blocks.flags.writeable:
            return self
        larger = self.empty(max(n_codes, used.n_codes + used.n_codes // 2), self.n_bits)
        larger.blocks[: len(used.blocks)] = used.comparable
        return larger

    def write(self, first_row: int, codes: NDArray[np.uint8]) -> None:
        """Overwrite the codes from ``first_row`` on with packed codes."""
        _core.write_blocks(codes, self.n_bits, first_row, self.blocks, self.n_codes)

    def scatter(self, rows: NDArray[np.int64], codes: NDArray[np.uint8]) -> None:
        """Overwrite the codes of ``rows`` with packed codes."""
        words = np.zeros((len(codes), self.blocks.shape[1], WORD_BITS // 8), np.uint8)
        words.reshape(len(codes), -1)[:, : codes.shape[1]] = codes
        self.blocks[rows // BLOCK_CODES, :, rows % BLOCK_CODES] = words.view("<u4")[:, :, 0]

    def read(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the packed codes of ``rows``, ``(len(rows), ceil(n_bits / 8))``."""
        codes = _core.read_blocks(self.blocks, self.n_codes, self.n_bits, rows)
        if not self.is_checked and self.n_bits % 8 and (codes[:, -1] >> (self.n_bits % 8)).any():
            raise _set_past(self.n_bits)
        return codes

    def lookup(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the codes of ``rows`` as -1 / +1, ``(len(rows), n_bits)``."""
        return _core.lookup(isa.current(), self.blocks, self.n_codes, self.n_bits, rows)

    def bag_mean(self, rows: NDArray[np.int64], offsets: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the mean -1 / +1 code of each bag ``rows[offsets[b]:offsets[b + 1]]``, ``(n_bags, n_bits)``."""
        return _core.bag_mean(isa.current(), self.blocks, self.n_codes, self.n_bits, rows, offsets)

    def search(
        self, queries: NDArray[np.uint8], k: int, mask: NDArray[np.uint8] | None, n_threads: int
    ) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Return distances and rows of the k nearest allowed codes of each packed query, both ``(n_queries, k)``."""
        return _core.hamming_search(
            isa.current(), self.comparable, self.n_codes, self.n_bits, queries, k, mask, n_threads
        )

    def range_search(
        self, queries: NDArray[np.uint8], radius: int, mask: NDArray[np.uint8] | None, n_threads: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int64]]:
        """Return offsets, distances and rows of all allowed codes within ``radius`` of each packed query."""
        return _core.hamming_range_search(
            isa.current(), self.comparable, self.n_codes, self.n_bits, queries, radius, mask, n_threads
        )

    def scored_by(self, factors: Factors, queries: FloatQueries, *others: Any) -> Any:
        """Return what searches by scores tell the core: the table, its factors, what these estimate, and others."""
        own = self.blocks, self.n_codes, self.n_bits, factors.values.view(np.uint16)  # bits past n_bits score nothing
        return isa.current(), *own, queries.metric, *others

    def scan(
        self, factors: Factors, queries: FloatQueries, k: int, mask: NDArray[np.uint8] | None, n_threads: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return scores and rows of the k allowed codes of the highest score, -1 for what is no number."""
        asked = queries.values, queries.units, queries.offsets
        return _core.asymmetric_search(*self.scored_by(factors, queries, *asked, k, mask, n_threads))

    def scan_above(
        self,
        factors: Factors,
        queries: FloatQueries,
        limits: NDArray[np.float32],
        mask: NDArray[np.uint8] | None,
        n_threads: int,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
        """Return offsets, scores and rows of all allowed codes that score above the limit of each query."""
        asked = queries.values, queries.units, queries.offsets
        return _core.asymmetric_range_search(*self.scored_by(factors, queries, *asked, limits, mask, n_threads))

    def rescore(
        self, factors: Factors, queries: FloatQueries, shortlist: NDArray[np.int64], k: int, n_threads: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return :meth:`scan` among ``shortlist (n_queries, m)``, where -1 stands for none."""
        asked = queries.values, queries.units, queries.offsets
        return _core.asymmetric_rescore(*self.scored_by(factors, queries, shortlist, *asked, k, n_threads))

    def pack_mask(self, mask: ArrayLike | None) -> NDArray[np.uint8] | None:
        """Return a mask as the kernels take it: one bit per code, two bytes per block.

        Parameters
        ----------
        mask : array_like, shape (n_codes,), bool, or integer row numbers; or None
            Rows that may be found; None, which stays None, allows all.
        """
        if mask is None:
            return None
        packed = np.zeros(2 * len(self.blocks), np.uint8)
        bits = np.packbits(allowed_rows(mask, "mask", self.n_codes, "code"), bitorder="little")
        packed[: len(bits)] = bits
        return packed

    def pairwise(self, queries: NDArray[np.uint8], n_threads: int) -> NDArray[np.int32]:
        """Return the Hamming distances of packed queries to every code, ``(n_queries, n_codes)``."""
        return _core.hamming_pairwise(isa.current(), self.comparable, self.n_codes, self.n_bits, queries, n_threads)

    def distances(self, queries: NDArray[np.uint8], rows: NDArray[np.int64]) -> NDArray[np.int32]:
        """Return the Hamming distances of packed queries to ``rows (n_queries, m)``, in the shape of ``rows``."""
        return _core.hamming_distances(isa.current(), self.comparable, self.n_codes, self.n_bits, queries, rows)


def holds_more(blocks: NDArray[Any], n_codes: int) -> bool:
    """Tell whether the last block holds anything past the last code."""
    rest = n_codes % BLOCK_CODES
    return rest > 0 and bool(blocks[-1, :, rest:].any())


def check_padding(blocks: NDArray[Any], n_codes: int, name: str) -> None:
    """Raise FormatError unless what the last block of ``name`` holds past the last code is zero."""
    if holds_more(blocks, n_codes):
        raise FormatError(f"tensor {name!r} holds more than the {n_codes} codes that the header tells of: damaged")


def _check_bits(blocks: NDArray[np.uint32], n_bits: int) -> None:
    used = n_bits % WORD_BITS
    if used and len(blocks) and np.bitwise_or.reduce(blocks[:, -1], axis=None) >> used:
        raise _set_past(n_bits)


def _set_past(n_bits: int) -> FormatError:
    return FormatError(f"codes have bits set past bit {n_bits - 1}: the table is damaged")
