"""The settings of codes that are to choose from, and the bytes that each takes per row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from slimvec.binary.codes import WORD_BITS
from slimvec.binary.row_bytes import FACTOR_BYTES, WORD_BYTES
from slimvec.binary.training.allocation import LARGEST

UNREFINED = (0.25, 0.5, 0.75, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 6)  # bits per direction in which rows vary
REFINED = (1, 1.5, 2)  # the same of first codes, where second ones follow: with more the second gain little
SECOND = (1, 2, 3, 4, 5, 6, 7, 8)
FOR_LISTS = 0.2  # of what a recall leaves: codes that find so much more leave that to lists which are not read


class Choice(NamedTuple):
    """Parameters of :class:`slimvec.TransformCoding`.

    Attributes
    ----------
    n_bits, refine_bits : int
    """

    n_bits: int
    refine_bits: int


@dataclass(frozen=True)
class Shape:
    """What of rows decides how many bytes their codes take.

    Attributes
    ----------
    rank : int
        Directions in which rows vary.
    n_factors : int
        2, or 3 unless all rows are of unit length.
    """

    rank: int
    n_factors: int

    def bytes_of(self, choice: Choice) -> int:
        """Return what is kept of each row: codes in whole words, factors, and the second code with its numbers."""
        factors = FACTOR_BYTES * self.n_factors
        first = WORD_BYTES * -(-choice.n_bits // WORD_BITS) + factors
        return first + (-(-choice.refine_bits * self.rank // 8) + factors if choice.refine_bits else 0)

    def bits(self, share: float) -> int:
        """Return the bits of a code of ``share`` bits per direction, in whole words where there are as many."""
        words = max(1, round(share * self.rank / WORD_BITS))
        return min(WORD_BITS * words, LARGEST * self.rank)

    def choices(self) -> list[Choice]:
        """Return all that there is to choose from, by bytes; of as many bytes, the smallest first code first."""
        found = {Choice(self.bits(share), 0) for share in UNREFINED}
        found |= {Choice(self.bits(share), second) for share in REFINED for second in SECOND}
        return sorted(found, key=lambda choice: (self.bytes_of(choice), choice))
