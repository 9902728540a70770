"""A second code of each row, of what the first one leaves; stored row by row, and read for a shortlist only.

With z = Pᵀ(x - m) along all directions and s c what the first code says of it, e = z - s c is coded on a grid of its
own after it is brought to length one: e ≈ s' c'. Products with a query then gain s' ⟨c', Pᵀ(q - m)⟩. What float16 cut
off the factors of a row is kept, too, since the better estimate would feel it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from slimvec import _core, isa
from slimvec.binary.codes import BLOCK_CODES
from slimvec.binary.encoder import Columns, less
from slimvec.binary.factors import BIAS, SCALE, WEIGHT, Factors
from slimvec.blas import product
from slimvec.results import ScoreResult

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slimvec.binary.asymmetric import FloatQueries
    from slimvec.binary.encoder import GridEncoder
    from slimvec.binary.levels import Grid, Quantized
    from slimvec.binary.list_encoder import ListEncoder
    from slimvec.binary.rounding import Whole


@dataclass(frozen=True, eq=False)
class Refiner:
    """How rows are refined: the directions that first codes leave out, and a grid over all of them.

    Attributes
    ----------
    encoder : GridEncoder
        Of first codes.
    rest : ndarray, shape (d, r'), float32
        Orthonormal directions besides the encoder's.
    order : ndarray, shape (r2,), uint32
        Which of the encoder's directions and these, in a row, the grid is over: those of most bits first.
    grid : Grid
        For rows of length one.
    oversample : tuple of int
        Of ten rows that are asked for, how many times as many first codes, and refined ones, should hand on.
    """

    encoder: GridEncoder
    rest: NDArray[np.float32]
    order: NDArray[np.uint32]
    grid: Grid
    oversample: tuple[int, int]

    @cached_property
    def directions(self) -> NDArray[np.float32]:
        """All directions, the encoder's first, ``(d, r + r')``."""
        return np.hstack([self.encoder.directions, self.rest])

    @cached_property
    def frame(self) -> NDArray[np.float32]:
        """The directions along which queries are told: all of these, then what the encoder asks for besides its own."""
        besides = self.encoder.frame[:, self.encoder.row_width :]
        return np.hstack([self.directions, besides]) if besides.size else self.directions

    @cached_property
    def columns(self) -> Columns:
        """Which of these directions the grid is over, and times what they are in its units."""
        return Columns(self.order, self.grid.steps.astype(np.float64) / self.grid.unit)

    @cached_property
    def shifts(self) -> NDArray[np.float32]:
        """Of an encoder with lists, c_l - m along all directions, ``(n_lists, r + r')``."""
        shifts: NDArray[np.float32] = product(cast("ListEncoder", self.encoder).from_mean, self.directions)
        return shifts

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what a file holds of it, by name."""
        grid: dict[str, NDArray[Any]] = {
            "refinement.bits": self.grid.bits,
            "refinement.steps": self.grid.steps,
            "refinement.weights": self.grid.weights,
        }
        return {"refinement.rest": self.rest, "refinement.order": self.order} | grid

    def quantize(self, errors: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Return packed codes and scales of e, ``(n, r + r')``."""
        lengths = np.linalg.norm(errors, axis=1).astype(np.float32)
        divisors = lengths * np.float32(self.grid.unit)
        picked = np.take(errors, self.order, axis=1)
        values = np.divide(picked, divisors[:, None], out=np.zeros_like(picked), where=divisors[:, None] > 0)
        made = self.grid.quantize(values, np.zeros(len(values)))
        return made.codes, made.scales * divisors

    def values(self, codes: NDArray[np.uint8], scales: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return s' c' along all directions."""
        rows = np.zeros((len(codes), self.directions.shape[1]), np.float32)
        rows[:, self.order] = self.grid.values(codes, scales)
        return rows


@dataclass(frozen=True, eq=False)
class Refinement:
    """The second codes of a table.

    Attributes
    ----------
    codes : ndarray, shape (n, ceil(bits / 8)), uint8
        Packed, row by row.
    numbers : ndarray, shape (n, 2 or 3), float16
        In units of the factors: the scale s', what float16 cut off the bias and, where there are weights, off these.
    refiner : Refiner
    """

    codes: NDArray[np.uint8]
    numbers: NDArray[np.float16]
    refiner: Refiner

    @property
    def bits(self) -> int:
        """Stored bits per row."""
        return self.refiner.grid.n_bits + 16 * int(self.numbers.shape[1])

    def facts(self) -> dict[str, Any]:
        """Return what the header of a file says of it."""
        return {"refinement": {"oversample": list(self.refiner.oversample), "passes": self.refiner.grid.n_passes}}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what a file holds of it, by name."""
        return self.of_rows() | self.refiner.arrays()

    def of_rows(self) -> dict[str, NDArray[Any]]:
        """Return those of its arrays that are about rows."""
        return {"refinement.codes": self.codes, "refinement.numbers": self.numbers}

    def with_rows(self, arrays: dict[str, NDArray[Any]]) -> Refinement:
        """Return the second codes of other rows, whose arrays are given by name."""
        return replace(self, codes=arrays["refinement.codes"], numbers=arrays["refinement.numbers"])

    def part(self, rows: slice) -> Refinement:
        """Return that of some rows."""
        return replace(self, codes=self.codes[rows], numbers=self.numbers[rows])

    def values(self, rows: NDArray[np.int64], norm: float) -> NDArray[np.float32]:
        """Return s' c' of rows along all directions, in the units of vectors."""
        scales = self.numbers[rows, 0].astype(np.float32) * np.float32(norm)
        return self.refiner.values(self.codes[rows], scales)

    def rescore(
        self,
        factors: Factors,
        queries: FloatQueries,
        shortlist: ScoreResult,
        k: int,
        positions: NDArray[np.int64] | None,
        n_threads: int,
    ) -> ScoreResult:
        """Return the k best of a shortlist with the scores that the kernels gave it.

        ``positions`` are those of rows among the factors, where these lie otherwise.

        Products of levels and rounded queries are sums of half integers: exact, in whatever order.
        """
        first, ratios, weights = shortlist.scores, None, None
        if queries.metric != "dot" and factors.has_weights:
            kept, whole = self._weights(shortlist.indices, factors, positions)
            if queries.metric == "cosine":
                ratios, weights = np.divide(whole, kept, out=np.zeros_like(kept), where=kept > 0), whole
            else:
                first = (first + _half_squares(kept) - _half_squares(whole)).astype(np.float32)
        scores, indices = _core.refined_search(
            isa.current(),
            self.codes,
            self.refiner.grid.bits,
            self.numbers.view(np.uint16),
            *cast("Whole", queries.second),
            shortlist.indices,
            first,
            ratios,
            weights,
            k,
            n_threads,
        )
        return ScoreResult(scores, indices)

    def _weights(
        self, rows: NDArray[np.int64], factors: Factors, positions: NDArray[np.int64] | None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the weights of rows as float16 keeps them, and as they are."""
        places = rows if positions is None else positions[rows]
        kept = factors.values[places // BLOCK_CODES, WEIGHT, places % BLOCK_CODES].astype(np.float64)
        return kept, kept + self.numbers[rows, 2].astype(np.float64)


def _half_squares(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return half the squared lengths that weights tell of."""
    squares = weights * weights
    halves: NDArray[np.float64] = np.divide(0.5, squares, out=np.zeros_like(squares), where=squares > 0)
    return halves


class RefinementBuilder:
    """Second codes in the making, some rows at a time, also by several threads.

    Parameters
    ----------
    n_rows : int
    refiner : Refiner
    """

    def __init__(self, n_rows: int, refiner: Refiner) -> None:
        self._refiner = refiner
        self._codes = np.empty((n_rows, -(-refiner.grid.n_bits // 8)), np.uint8)
        self._numbers = np.zeros((n_rows, 3), np.float16)

    def update(
        self, first_row: int, block: NDArray[Any], made: Quantized, factors: NDArray[np.float32], norm: float
    ) -> None:
        """Take in vectors, whose first has the number ``first_row``, with first codes and exact factors ``(3, m)``."""
        place = slice(first_row, first_row + len(block))
        encoder = self._refiner.encoder
        centred = less(block, encoder.centres(made.lists))
        values = (np.divide(centred, norm, dtype=np.float64).astype(np.float32)) @ self._refiner.directions
        halves = factors.astype(np.float16)
        first = encoder.grid.values(made.codes, halves[SCALE].astype(np.float32))
        values[:, : first.shape[1]] -= first
        self._codes[place], scales = self._refiner.quantize(values)
        self._numbers[place, 0] = scales
        lost = factors[1:] - halves[1:].astype(np.float32)
        if made.lists is not None:
            # Queries meet these codes less the mean of all rows, too, not less the centroid of the list.
            second = self._refiner.values(self._codes[place], scales.astype(np.float16).astype(np.float32))
            shifts = self._refiner.shifts[made.lists] / np.float32(norm)
            lost[BIAS - 1] -= np.einsum("ij,ij->i", second, shifts)
        self._numbers[place, 1:] = lost.T

    def finish(self, has_weights: bool) -> Refinement:
        """Return the refinement."""
        numbers = np.ascontiguousarray(self._numbers[:, : 3 if has_weights else 2])
        return Refinement(self._codes, numbers, self._refiner)
