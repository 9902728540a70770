"""From rows to a table: encoded block by block, into memory or straight into a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slimvec.binary.codes import BlockedCodes, pack
from slimvec.binary.factors import FactorsBuilder
from slimvec.binary.parts import BinaryParts
from slimvec.blocks import even_blocks
from slimvec.files.table_writer import table_writer

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from slimvec.binary.encoder import Encoder
    from slimvec.progress import Progress
    from slimvec.vectors.rows import Rows


@dataclass(frozen=True, eq=False)
class TableBuilder:
    """One pass over rows that turns them into a table of codes.

    Attributes
    ----------
    rows : Rows
    encoder : Encoder
    norm : float or None
        Root mean square norm of the rows, if factors are to be made.
    made_by : dict
    progress : callable
    """

    rows: Rows
    encoder: Encoder
    norm: float | None
    made_by: dict[str, Any]
    progress: Progress

    @property
    def _n_bits(self) -> int:
        return int(self.encoder.projection.shape[1])

    def to_memory(self) -> BinaryParts:
        """Return the parts of a table."""
        factors = self._factors()
        codes = BlockedCodes.empty(len(self.rows), self._n_bits)
        for first, packed in self._packed(factors):
            codes.write(first, packed)
        return self._parts(codes, factors)

    def to_file(self, path: str | os.PathLike[str]) -> None:
        """Write the file of a table; codes go into it as they are made.

        Whatever goes wrong, the file that was there before stays, and nothing else is left behind.
        """
        factors = self._factors()
        with table_writer(path) as writer:
            blocks = (BlockedCodes.from_rows(packed, self._n_bits).blocks for _, packed in self._packed(factors))
            writer.write("codes", BlockedCodes.shape(len(self.rows), self._n_bits), blocks)
            nothing = BlockedCodes.empty(0, self._n_bits)
            writer.facts, tensors = self._parts(nothing, factors).to_content()
            writer.facts["rows"] = len(self.rows)
            writer.write_all({name: tensor for name, tensor in tensors.items() if name != "codes"})

    def _factors(self) -> FactorsBuilder | None:
        return None if self.norm is None else FactorsBuilder(len(self.rows), self.encoder.mean, self.norm)

    def _packed(self, factors: FactorsBuilder | None) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Yield (number of the first row, packed codes of a block)."""
        first = 0
        for block in even_blocks(self.rows.blocks()):  # whole blocks of codes, however the rows come
            projected = self.encoder.project_finite(block, "vectors", first)
            if factors is not None:
                factors.update(first, block, projected)
            yield first, pack(projected)
            first += len(block)
            self.progress("encoding", first, len(self.rows))

    def _parts(self, codes: BlockedCodes, factors: FactorsBuilder | None) -> BinaryParts:
        made = None if factors is None else factors.finish()
        return BinaryParts(codes, self.rows.vocabulary, self.encoder, made, self.made_by)
