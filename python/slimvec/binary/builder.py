"""From rows to a table: encoded block by block, into memory or straight into a file."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from slimvec.binary.assigning import Assigning
from slimvec.binary.block_numbers import BlockNumbers
from slimvec.binary.calibrating import N_ASKING, calibrate
from slimvec.binary.codes import BlockedCodes
from slimvec.binary.factors import FactorsBuilder, check_lengths
from slimvec.binary.list_centroids import ListCentroids
from slimvec.binary.partition import Partition
from slimvec.binary.parts import BinaryParts
from slimvec.binary.queries import METRICS
from slimvec.binary.refinement import RefinementBuilder
from slimvec.binary.spilled import Spilled
from slimvec.blas import in_order, row_parts
from slimvec.blocks import even_blocks
from slimvec.files.table_writer import save_table, table_writer
from slimvec.norms import WideRows
from slimvec.validation import check_finite

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from slimvec.binary.encoder import Encoder
    from slimvec.binary.factors import Factors
    from slimvec.binary.queries import Metric
    from slimvec.binary.refinement import Refiner
    from slimvec.progress import Progress
    from slimvec.vectors.rows import Rows


@dataclass(frozen=True, eq=False)
class TableBuilder:
    """One pass over rows that turns them into a table of codes.

    Attributes
    ----------
    rows : Rows
    encoder : Encoder
    factor_norm : float or None
        Root mean square norm of the rows, at least roughly, if factors are to be made.
    made_by : dict
    progress : callable
    refiner : Refiner, optional
    first_row : int
        What errors call the first row.
    metrics : tuple of str
        By which some rows in lists ask for their neighbours, to tell how many lists find how much.
    """

    rows: Rows
    encoder: Encoder
    factor_norm: float | None
    made_by: dict[str, Any]
    progress: Progress
    refiner: Refiner | None = None
    first_row: int = 0
    metrics: tuple[Metric, ...] = METRICS

    @property
    def _n_bits(self) -> int:
        return self.encoder.n_bits

    def to_memory(self) -> BinaryParts:
        """Return the parts of a table."""
        if isinstance(self.encoder, ListCentroids):
            return self._in_lists(self.encoder)
        return self.share()[0]

    def share(self, weights: bool = False) -> tuple[BinaryParts, BlockNumbers]:
        """Return the parts of a table, and what those of which it is a share need to know of all rows.

        ``weights`` are kept even if all vectors of this share are of unit length.
        """
        beside = self._beside()
        codes = BlockedCodes.empty(len(self.rows), self._n_bits)
        for first, packed in self._packed(beside):
            codes.write(first, packed)
        return self._parts(codes, beside, weights=weights), beside.numbers

    def _in_lists(self, encoder: ListCentroids) -> BinaryParts:
        """Go over the rows twice: to see which lists they are in, and to put their codes there."""
        n = len(self.rows)
        assigning = Assigning(encoder, n, N_ASKING if self.metrics else 0)
        for first, block in self._blocks("assigning"):
            check_finite(block, "vectors", self.first_row + first)
            assigning.update(first, block)
        partition, nearest = assigning.partition(), assigning.nearest(self.factor_norm or 1.0, self.metrics)
        beside = self._beside()
        codes = BlockedCodes.empty(n, self._n_bits)
        spilling = None if assigning.second is None else self._spilling(assigning.second)
        for first, block in self._blocks("encoding"):
            here = slice(first, first + len(block))
            places = partition.positions[here]
            codes.scatter(places, beside.update(first, block, encoder, places, assigning.lists[here]))
            if spilling is not None:
                spilling.update(first, block)
            if nearest is not None:
                nearest.update(first, block)
        parts = self._parts(codes, beside, partition)
        if spilling is not None:
            parts = replace(parts, spilled=spilling.finish(parts))
        if nearest is None:
            return parts
        measured = calibrate(parts, nearest, self.progress)
        others = {metric: of for metric, of in measured.items() if metric != "cosine"}
        return replace(parts, partition=replace(partition, calibration=measured.get("cosine"), others=others))

    def _spilling(self, second: NDArray[np.int32]) -> _Spilling:
        encoder, n = cast("ListCentroids", self.encoder), len(self.rows)
        beside = _Beside(FactorsBuilder(n, encoder, self.factor_norm or 1.0), None, self.first_row)
        lists = Partition.of(second, len(encoder.centroids))
        return _Spilling(encoder, lists, second, BlockedCodes.empty(n, encoder.n_bits), beside)

    def to_file(self, path: str | os.PathLike[str]) -> None:
        """Write the file of a table; codes go into it as they are made, unless they lie in lists.

        Whatever goes wrong, the file that was there before stays, and nothing else is left behind.
        """
        if isinstance(self.encoder, ListCentroids):
            save_table(path, *self._in_lists(self.encoder).to_content())
            return
        beside = self._beside()
        with table_writer(path) as writer:
            blocks = (BlockedCodes.from_rows(packed, self._n_bits).blocks for _, packed in self._packed(beside))
            writer.write("codes", BlockedCodes.shape(len(self.rows), self._n_bits), blocks)
            nothing = BlockedCodes.empty(0, self._n_bits)
            writer.facts, tensors = self._parts(nothing, beside).to_content()
            writer.facts["rows"] = len(self.rows)
            writer.write_all({name: tensor for name, tensor in tensors.items() if name != "codes"})

    def _beside(self) -> _Beside:
        norm, n = self.factor_norm, len(self.rows)
        factors = None if norm is None else FactorsBuilder(n, self.encoder, norm)
        refinement = None if self.refiner is None else RefinementBuilder(n, self.refiner)
        return _Beside(factors, refinement, self.first_row)

    def _packed(self, beside: _Beside) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Yield (number of the first row, packed codes of a block)."""
        for first, block in self._blocks("encoding"):
            yield first, beside.update(first, block, self.encoder)

    def _blocks(self, stage: str) -> Iterator[tuple[int, NDArray[Any]]]:
        """Yield (number of the first row, block of rows), of whole blocks of codes, however the rows come."""
        first = 0
        for block in even_blocks(self.rows.blocks()):
            yield first, block
            first += len(block)
            self.progress(stage, first, len(self.rows))

    def _parts(
        self, codes: BlockedCodes, beside: _Beside, partition: Partition | None = None, *, weights: bool = False
    ) -> BinaryParts:
        made = None if beside.factors is None else beside.factors.finish(beside.numbers, weights)
        refined = None if beside.refinement is None or made is None else beside.refinement.finish(made.has_weights)
        words = self.rows.vocabulary
        return BinaryParts(
            codes, words, self.encoder, made, self.made_by, beside.numbers.norm(beside.n_rows), refined, partition
        )


@dataclass(eq=False)
class _Spilling:
    """Codes of rows in their second lists, in the making."""

    encoder: ListCentroids
    partition: Partition
    lists: NDArray[np.int32]
    codes: BlockedCodes
    beside: _Beside

    def update(self, first: int, block: NDArray[Any]) -> None:
        """Take in a block of rows."""
        here = slice(first, first + len(block))
        places = self.partition.positions[here]
        self.codes.scatter(places, self.beside.update(first, block, self.encoder, places, self.lists[here]))

    def finish(self, parts: BinaryParts) -> Spilled:
        """Return the codes beside those that rows have in their own lists."""
        factors, own = cast("FactorsBuilder", self.beside.factors), cast("Partition", parts.partition)
        made = factors.finish(self.beside.numbers, cast("Factors", parts.factors).has_weights)
        positions = own.positions[self.partition.rows].astype(np.uint32)
        return Spilled(self.codes, made.values, self.partition.starts, positions)


@dataclass(eq=False)
class _Beside:
    """What is gathered of the rows beside their codes."""

    factors: FactorsBuilder | None
    refinement: RefinementBuilder | None = None
    first_row: int = 0
    n_rows: int = 0
    _numbers: list[BlockNumbers] = field(default_factory=list)

    def update(
        self,
        first: int,
        block: NDArray[Any],
        encoder: Encoder,
        places: NDArray[np.int64] | None = None,
        lists: NDArray[np.int32] | None = None,
    ) -> NDArray[np.uint8]:
        """Return the codes of a block of rows, which come to lie at ``places`` if not at their own numbers.

        Each part of the rows is one thread's.
        """
        codes = np.empty((len(block), -(-encoder.n_bits // 8)), np.uint8)
        if places is None:
            places = np.arange(first, first + len(block))
        work = partial(self._code, first, block, encoder, places, lists, codes)
        self._numbers += in_order(work, row_parts(len(block)))
        self.n_rows += len(block)
        return codes

    def _code(
        self,
        first: int,
        block: NDArray[Any],
        encoder: Encoder,
        places: NDArray[np.int64],
        lists: NDArray[np.int32] | None,
        codes: NDArray[np.uint8],
        part: slice,
    ) -> BlockNumbers:
        """Code a part of a block, and return what it tells."""
        rows, number = block[part], self.first_row + first + part.start
        squares = _energy(rows, number)
        if self.factors is None:
            codes[part] = encoder.codes(rows, "vectors", number)
            return BlockNumbers([squares], [], False)
        norm = self.factors.norm
        with np.errstate(over="ignore", invalid="ignore"):  # of rows too long for factors
            quantized = encoder.quantize(rows, "vectors", number, norm, None if lists is None else lists[part])
            codes[part] = quantized.codes
            made = self.factors.update(places[part], rows, quantized)
        check_lengths(made.exact, number)
        if self.refinement is not None:
            self.refinement.update(first + part.start, rows, quantized, made.exact, norm)
        return BlockNumbers([squares], [made.energies], made.of_unit_length, made.n_short)

    @property
    def numbers(self) -> BlockNumbers:
        """What has been gathered of all rows."""
        return BlockNumbers.joined(self._numbers)


def _energy(block: NDArray[Any], first_row: int) -> float:
    """Return the sum of the squares of a block of rows, whose first has the number ``first_row``."""
    wide = WideRows.of(block, "vectors", first_row)
    norms = wide.norms if wide.exponents is None else np.ldexp(wide.norms, wide.exponents)
    return float(norms @ norms)
