"""How much the error along a row itself weighs in its code: so much that rows found near score what they should.

The weight μ (:mod:`slimvec.binary.levels`) decides how far the scale of a row makes up for what its code leaves out.
Where queries meet rows at small angles, or codes leave out much, scores of the nearest come out too low with a small
weight, and too high with a large one. That at which they are right on average lets more of them be found, too.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from slimvec.binary.methods.asking_rows import AskingRows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slimvec.binary.levels import Grid

NEAREST = 10  # of all rows; of a sample, as many times fewer as it is smaller
ROWS, ASKING = 5000, 500  # that are looked at, and that ask for their nearest
RIGHT = 0.002  # error of a cosine that is none: at two bits, to be rid of the rest would cost some recall
OCTAVES = 5  # up and down from where the weight is without this, at most


def weigh_parallel(
    grid: Grid,
    values: NDArray[np.float32],
    mean: NDArray[np.float32],
    n_rows: int,
    centres: NDArray[np.float32] | None = None,
) -> Grid:
    """Return a grid with the weight at which scores of the rows found nearest are right on average.

    Parameters
    ----------
    grid : Grid
    values : ndarray, shape (n, r + r'), float32
        Sampled rows, centred, along the grid's directions and others in which rows vary.
    mean : ndarray, shape (r + r',), float32
    n_rows : int
        Of which these were drawn.
    centres : ndarray, shape (n, r + r'), float32, optional
        What was taken off these rows beside the mean.
    """
    some = slice(None, None, -(-len(values) // ROWS))
    unit = np.float32(grid.unit)
    coded = values[some] / unit
    rows = coded if centres is None else coded + centres[some] / unit
    if len(rows) <= 2 * NEAREST:
        return grid
    energies = np.einsum("ij,ij->i", coded, coded, dtype=np.float64)
    k = max(1, round(NEAREST * len(rows) / n_rows))
    sample = AskingRows.of(rows, mean / unit, ASKING)
    asking = sample.places
    exact, lengths = sample.scores(asking, rows), sample.weights[asking, None]
    first = np.ascontiguousarray(coded[:, : len(grid.bits)])

    def weighed(octaves: float) -> Grid:
        return replace(grid, parallel=grid.parallel * 2.0**octaves)

    def bias(octaves: float) -> float:
        made = weighed(octaves).quantize(first, energies)
        estimates = rows - coded
        estimates[:, : first.shape[1]] += grid.values(made.codes, made.scales)
        scores = sample.scores(asking, estimates)
        best = np.argpartition(-scores, k - 1, axis=1)[:, :k]
        errors = np.take_along_axis(scores, best, axis=1) - np.take_along_axis(exact, best, axis=1)
        return float((errors * lengths).mean(dtype=np.float64))

    error = bias(0.0)
    step = -1.0 if error > 0 else 1.0
    here, excess = 0.0, abs(error) - RIGHT
    while excess > 0 and abs(here) < OCTAVES:
        beyond = -step * bias(here + step) - RIGHT
        if beyond <= 0:
            return weighed(here + step * excess / (excess - beyond))
        here, excess = here + step, beyond
    return weighed(here)
