"""Learning what refines codes: bits of the errors that first codes leave, and how many rows are worth refining."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from slimvec.binary.levels import MOST_BITS, Grid
from slimvec.binary.methods.asking_rows import AskingRows
from slimvec.binary.refinement import Refiner
from slimvec.binary.training.allocation import STEPS, allocate
from slimvec.blocks import row_blocks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slimvec.binary.encoder import GridEncoder

POWER_OF_ROWS = 0.4  # of the variance of rows, beside that of the errors; measured, as in allocation
ASKED, ASKING = 10, 400  # neighbours that shortlists are measured by, and rows that ask for them
AT_ONCE = 50  # rows that ask: 13 MB beside the largest samples
CERTAIN = 0.995  # share of the true neighbours that half of a shortlist is to hold: more cost more than they find
SAFETY = 2  # times as many: a table may hold more rows than the sample, and queries are not rows
AT_LEAST, AT_MOST = 2, 100  # times as many rows as are asked for
UNKNOWN = 20  # times, where the sample is too small to tell


def learn_refiner(
    encoder: GridEncoder,
    rest: NDArray[np.float32],
    values: NDArray[np.float32],
    refine_bits: int,
    centres: NDArray[np.float32] | None = None,
) -> Refiner:
    """Return what refines the codes of an encoder.

    Parameters
    ----------
    encoder : GridEncoder
    rest : ndarray, shape (d, r'), float32
        Further directions in which rows vary.
    values : ndarray, shape (n, r + r'), float32
        Sampled rows, centred, along the encoder's directions and these.
    refine_bits : int
        Per direction, on the average.
    centres : ndarray, shape (n, r + r'), float32, optional
        What was taken off these rows beside the mean, along the directions.
    """
    unit = np.float32(encoder.grid.unit)
    scaled = values / unit
    n_first = len(encoder.grid.bits)
    made = encoder.grid.quantize(
        np.ascontiguousarray(scaled[:, :n_first]), np.einsum("ij,ij->i", scaled, scaled, dtype=np.float64)
    )
    first = np.zeros_like(scaled)
    first[:, :n_first] = encoder.grid.values(made.codes, made.scales)
    errors = scaled - first
    lengths = np.linalg.norm(errors, axis=1, keepdims=True)
    unit_errors = np.divide(errors, lengths, out=np.zeros_like(errors), where=lengths > 0)
    spread = np.square(unit_errors, dtype=np.float64).mean(axis=0)
    spread = np.maximum(spread, 1e-12 * (spread.max() or 1.0))
    variances = np.square(scaled, dtype=np.float64).mean(axis=0)
    variances = np.maximum(variances, 1e-12 * (variances.max() or 1.0))
    bits = allocate(spread * variances**POWER_OF_ROWS, refine_bits * len(spread), MOST_BITS, power=1.0)
    order = np.argsort(-bits.astype(np.int64), kind="stable")[: np.count_nonzero(bits)].astype(np.uint32)
    bits = bits[order]
    steps = np.array(STEPS)[bits] * np.sqrt(spread[order])
    weights = variances[order] / variances[order].mean()
    grid = Grid(bits, steps.astype(np.float32), weights.astype(np.float32), 0.0, encoder.grid.n_passes)
    refiner = Refiner(encoder, rest, order, grid, (UNKNOWN, UNKNOWN))
    second = refiner.values(*refiner.quantize(errors))
    mean = (encoder.mean @ refiner.directions) / unit
    estimates = [first, first + second]
    if centres is not None:
        scaled, estimates = scaled + centres / unit, [rows + centres / unit for rows in estimates]
    needed = _needed(scaled, estimates, mean)
    return replace(refiner, oversample=(needed[0], needed[1]))


def _needed(values: NDArray[np.float32], estimates: list[NDArray[np.float32]], mean: NDArray[np.float32]) -> list[int]:
    """Return, for each estimate of rows, how many times as many as are asked for hold nearly all true neighbours.

    Some of the rows ask for their nearest others by cosine. How far errors carry a row is a matter of how steeply the
    number of rows rises with the score, which is much the same in a sample.
    """
    if len(values) <= 2 * ASKED:
        return [UNKNOWN for _ in estimates]
    sample = AskingRows.of(values, mean, ASKING)
    ranks: list[list[NDArray[np.int64]]] = [[] for _ in estimates]
    for _, some in row_blocks(sample.places, AT_ONCE):
        nearest = np.argpartition(-sample.scores(some, values), ASKED - 1, axis=1)[:, :ASKED]
        for of_estimate, rows in zip(ranks, estimates, strict=True):
            found = sample.scores(some, rows)
            own = np.take_along_axis(found, nearest, axis=1)
            of_estimate += [(of_query > own[i][:, None]).sum(axis=1) + 1 for i, of_query in enumerate(found)]
    enough = [float(np.quantile(np.concatenate(of_estimate), CERTAIN)) / ASKED for of_estimate in ranks]
    return [int(np.clip(np.ceil(SAFETY * one), AT_LEAST, AT_MOST)) for one in enough]
