"""What turns rows into segments of an index, at any time: one encoder, learnt once, and the units of its numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from slimvec.binary.builder import TableBuilder
from slimvec.binary.codes import BLOCK_CODES, BlockedCodes
from slimvec.binary.factors import LARGEST_HALF, WEIGHT, Factors
from slimvec.binary.list_centroids import ListCentroids
from slimvec.binary.partition import Partition
from slimvec.binary.parts import BinaryParts
from slimvec.binary.refinement import Refinement
from slimvec.blas import one_thread
from slimvec.blocks import row_blocks
from slimvec.index.fit_sums import SummedRows, Sums
from slimvec.progress import Progress, ignore

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slimvec.binary.calibration import Calibration
    from slimvec.binary.encoder import Encoder
    from slimvec.binary.methods.transform_coding import TransformCoding
    from slimvec.binary.refinement import Refiner
    from slimvec.vectors.rows import Rows


@dataclass(frozen=True, eq=False)
class Coder:
    """The stored encoder of an index.

    Attributes
    ----------
    encoder : Encoder
    refiner : Refiner or None
    unit : float
        What factors are measured in: the same for all rows, whenever they come, so that scores are comparable.
    norm : float
        To which queries are brought.
    shrinkage : float
        See :class:`slimvec.binary.factors.Factors`.
    made_by : dict
    fitted : Sums or None
        Over the rows that it was learnt from; None of an older file.
    calibration : Calibration or None
        Where rows lie in lists: how many of these found how much of the rows that it was learnt from.
    """

    encoder: Encoder
    refiner: Refiner | None
    unit: float
    norm: float
    shrinkage: float
    made_by: dict[str, Any]
    fitted: Sums | None = None
    calibration: Calibration | None = None

    @classmethod
    def of(cls, parts: BinaryParts, fitted: Sums | None = None) -> Coder:
        """Return what made a table that has factors."""
        assert parts.encoder is not None and parts.factors is not None and parts.norm is not None  # noqa: S101, PT018
        refiner = None if parts.refinement is None else parts.refinement.refiner
        factors = parts.factors
        calibration = None if parts.partition is None else parts.partition.calibration
        own = factors.norm, parts.norm, factors.shrinkage, parts.made_by
        return cls(parts.encoder, refiner, *own, fitted, calibration)

    @classmethod
    def learnt(cls, rows: Rows, coding: TransformCoding, progress: Progress = ignore) -> tuple[Coder, BinaryParts]:
        """Learn codes from rows; return what makes them, and those of these rows."""
        coding.fit(rows, progress=progress)
        summed = SummedRows(rows, coding.mean_)
        with one_thread():  # an index is asked by no other metric
            parts = coding._builder(summed, False, progress, metrics=("cosine",)).to_memory()
        return cls.of(parts, summed.sums(parts)), parts

    @property
    def n_lists(self) -> int | None:
        """How many lists rows lie in; None if in none."""
        return len(self.encoder.centroids) if isinstance(self.encoder, ListCentroids) else None

    @property
    def dim(self) -> int:
        """Width d of vectors."""
        return len(self.encoder.mean)

    def encode(self, rows: Rows, progress: Progress = ignore) -> tuple[BinaryParts, Sums]:
        """Return rows as the parts of a table, and the sums over them."""
        summed = SummedRows(rows, self.encoder.mean)
        with one_thread():
            made = TableBuilder(
                summed, self.encoder, self.unit, self.made_by, progress, self.refiner, metrics=()
            ).to_memory()
            parts = self._alike(made)
            return parts, summed.sums(parts)

    def _alike(self, parts: BinaryParts) -> BinaryParts:
        """Return parts with the numbers that all segments share."""
        assert parts.factors is not None  # noqa: S101
        return replace(parts, factors=replace(parts.factors, shrinkage=self.shrinkage), norm=self.norm)

    @cached_property
    def empty(self) -> BinaryParts:
        """The parts of a table without rows."""
        return self.join([])

    def join(self, pieces: list[tuple[BinaryParts, NDArray[np.int64] | None]]) -> BinaryParts:
        """Return copies of rows of several segments (None: all of them), one after the other."""
        chosen = [(parts, np.arange(len(parts)) if rows is None else rows) for parts, rows in pieces]
        n = sum(len(rows) for _, rows in chosen)
        n_factors = max((parts.factors.n_factors for parts, _ in chosen if parts.factors is not None), default=2)
        codes = BlockedCodes.empty(n, self.encoder.n_bits)
        values = np.zeros((len(codes.blocks), n_factors, BLOCK_CODES), np.float16)
        partition = self._partition(chosen)
        second = None
        if self.refiner is not None:
            n_bytes = -(-self.refiner.grid.n_bits // 8)
            second = np.empty((n, n_bytes), np.uint8), np.zeros((n, n_factors), np.float16)
        first = 0
        for parts, own in chosen:
            for _, some in row_blocks(own):
                rows = np.arange(first, first + len(some))
                places = rows if partition is None else partition.positions[rows]
                packed = parts.codes.read(parts.positions(some))
                if partition is None:
                    codes.write(first, packed)
                else:
                    codes.scatter(places, packed)
                made, beside = self._numbers(parts, some, n_factors)
                values[places // BLOCK_CODES, :, places % BLOCK_CODES] = made
                if second is not None and parts.refinement is not None:
                    second[0][rows] = parts.refinement.codes[some]
                    second[1][rows] = beside
                first += len(some)
        refinement = None
        if second is not None and self.refiner is not None:
            refinement = Refinement(*second, self.refiner)
        factors = Factors(values, self.unit, self.shrinkage, None)
        return BinaryParts(codes, None, self.encoder, factors, self.made_by, self.norm, refinement, partition)

    def _partition(self, pieces: list[tuple[BinaryParts, NDArray[np.int64]]]) -> Partition | None:
        """Return in which lists rows lie, if in any."""
        if self.n_lists is None:
            return None
        lists = [cast("Partition", parts.partition).lists(rows) for parts, rows in pieces]
        together = np.concatenate([np.empty(0, np.int64), *lists])
        return replace(Partition.of(together, self.n_lists), calibration=self.calibration)

    def _numbers(
        self, parts: BinaryParts, rows: NDArray[np.int64], n_factors: int
    ) -> tuple[NDArray[np.float16], NDArray[np.float16]]:
        """Return factors of rows, and what refinement keeps beside them, with weights where others have them."""
        assert parts.factors is not None  # noqa: S101
        places = parts.positions(rows)
        factors = parts.factors.values[places // BLOCK_CODES, :, places % BLOCK_CODES]
        beside = np.zeros_like(factors) if parts.refinement is None else parts.refinement.numbers[rows]
        if factors.shape[1] < n_factors:  # of unit length: their weight is the unit itself
            weight = np.full((len(rows), n_factors - WEIGHT), min(self.unit, LARGEST_HALF))
            factors = np.hstack([factors, weight.astype(np.float16)])
            beside = np.hstack([beside, (weight - factors[:, WEIGHT:].astype(np.float64)).astype(np.float16)])
        return factors, beside
