"""What workers gather of their rows for a fit, sums and a sample, and how it is put together: functions of blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from slimvec.binary.training.block_sums import BlockSums, first_shift
from slimvec.blas import alone
from slimvec.blocks import rows_per_block
from slimvec.spread.executing import in_order_by
from slimvec.spread.pieces import read_pieces

if TYPE_CHECKING:
    from collections.abc import Iterable
    from concurrent.futures import Executor

    from numpy.typing import NDArray

    from slimvec.progress import Progress
    from slimvec.spread.pieces import Piece, Sources


class Gathered(NamedTuple):
    """What is gathered of consecutive rows: their sums, and the sampled ones among them, ``(m, d)``, in order."""

    sums: BlockSums
    sample: NDArray[Any]


def gather(
    blocks: Iterable[NDArray[Any]],
    n_columns: int,
    first_row: int,
    shift: NDArray[np.float64] | None,
    wanted: NDArray[np.int64],
) -> Gathered:
    """Gather consecutive rows, whose first has the number ``first_row``, that come in blocks of any sizes.

    ``wanted`` are the numbers of the sampled rows among them.
    """
    sums = BlockSums(n_columns, first_row, shift)
    sample = []
    first = first_row
    for block in blocks:
        sums.update(block)
        begin, end = np.searchsorted(wanted, [first, first + len(block)])
        sample.append(block[wanted[begin:end] - first])
        first += len(block)
    return Gathered(sums, np.concatenate(sample) if sample else np.empty((0, n_columns), np.float32))


def merge(parts: list[Gathered]) -> Gathered:
    """Put together what was gathered of rows that follow each other."""
    sums = parts[0].sums
    for part in parts[1:]:
        sums.merge(part.sums)
    samples = [part.sample for part in parts if len(part.sample)] or [parts[0].sample]
    return Gathered(sums, np.concatenate(samples))


def _gather_pieces(
    pieces: list[Piece], n_columns: int, first_row: int, shift: NDArray[np.float64] | None, wanted: NDArray[np.int64]
) -> Gathered:
    with alone():
        return gather(read_pieces(pieces), n_columns, first_row, shift, wanted)


def _shift_of_pieces(pieces: list[Piece]) -> NDArray[np.float64] | None:
    return first_shift(read_pieces(pieces))


def gather_by(executor: Executor, sources: Sources, wanted: NDArray[np.int64], progress: Progress) -> Gathered:
    """Let an executor gather rows; those that the first block takes are read once more."""
    d, n = sources.dim, len(sources)
    shift = executor.submit(_shift_of_pieces, sources.pieces(0, min(n, rows_per_block(d)))).result()

    def tasks() -> Iterable[tuple[Any, ...]]:
        for first, pieces in sources.tasks():
            begin, end = np.searchsorted(wanted, [first, first + sum(piece.n_rows for piece in pieces)])
            yield pieces, d, first, shift, wanted[begin:end]

    sums, samples = BlockSums(d, 0, shift), []
    for _, part in in_order_by(executor, _gather_pieces, tasks()):
        sums.merge(part.sums)
        samples.append(part.sample)
        progress("finding directions", sums.next_row, n)
    return Gathered(sums, np.concatenate(samples))
