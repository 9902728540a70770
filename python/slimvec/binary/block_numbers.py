"""What a table of codes tells of all its rows, gathered part by part."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


class BlockNumbers(NamedTuple):
    """What a table tells of all its rows, part by part of its blocks, so that shares of them can be put together.

    Attributes
    ----------
    squares : list of float
        Sum of the squared lengths of the vectors of each part.
    energies : list of tuple of float
        See :func:`slimvec.binary.factors.shrinkage_of`; empty without factors.
    of_unit_length : bool
        Whether all vectors are.
    n_short : int
        See :class:`slimvec.binary.factors.Factors`.
    """

    squares: list[float]
    energies: list[tuple[float, float]]
    of_unit_length: bool
    n_short: int = 0

    @classmethod
    def joined(cls, shares: Iterable[BlockNumbers]) -> BlockNumbers:
        """Return the numbers of shares that follow each other."""
        shares = list(shares)
        squares = [own for share in shares for own in share.squares]
        energies = [own for share in shares for own in share.energies]
        n_short = sum(share.n_short for share in shares)
        return cls(squares, energies, all(share.of_unit_length for share in shares), n_short)

    def norm(self, n_rows: int) -> float:
        """Root mean square norm of the rows; 1 if all are zero, when no query is nearer than another."""
        total = 0.0
        for own in self.squares:
            total += own
        return (total / max(1, n_rows)) ** 0.5 or 1.0
