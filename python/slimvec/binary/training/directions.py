"""The principal directions of rows, from their moments, and how many of them stand out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slimvec.binary.training.moments import Moments

LARGEST = 1e30
GAP = 1.2
SHARE = 20


def principal_directions(moments: Moments) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float32]]:
    """Return the mean ``(d,)``, the singular values of the centred rows, largest first, and directions ``(d, d)``.

    Directions are columns, each with its largest entry positive: LAPACK leaves the signs open, and fixing them makes a
    run repeatable across builds of it.
    """
    mean, scatter = moments.finalize()
    eigenvalues, vectors = np.linalg.eigh(scatter)
    eigenvalues, vectors = np.maximum(eigenvalues[::-1], 0.0), vectors[:, ::-1]
    largest = vectors[np.abs(vectors).argmax(axis=0), np.arange(vectors.shape[1])]
    _check_range(mean, eigenvalues.sum() / moments.count)
    directions = (vectors * np.where(largest >= 0, 1.0, -1.0)).astype(np.float32)
    return mean.astype(np.float32), np.sqrt(eigenvalues), directions


def _check_range(mean: NDArray[np.float64], variance: float) -> None:
    """Raise ValueError if float32, in which codes are made, cannot hold the rows or tell them from their mean."""
    if variance**0.5 + np.linalg.norm(mean) > LARGEST:
        raise ValueError(
            f"X holds values too large for float32 sums (above {LARGEST:g}); divide it by a constant first"
        )
    rounding = np.linalg.norm(mean - mean.astype(np.float32))
    if rounding > 0.1 * variance**0.5:
        raise ValueError("the mean of X is so large that float32 cannot tell the rows apart; subtract it from X first")


def common_directions(singular_values: NDArray[np.float64]) -> int:
    """Return how many of the strongest directions stand out: D for ``n_remove="auto"``.

    D is the last place among the first d / 20 where the variance falls by more than a factor of 1.2 from one direction
    to the next; 0 if it never does. Spectra of embeddings decay smoothly but for the few directions that
    words share; those are what All-but-the-Top removes, and what IIQ is named for.

    The factor was set on Numberbatch (D = 1), a GloVe table (2) and GoogleNews (2), where that D is the best of 0 to 3
    on MEN, SimLex999 and WS353, or within a standard deviation of it; it has not been tried on others. Neighbour
    preservation on held-out rows, the other criterion that needs no labels, answers 0 on the first two.

    Parameters
    ----------
    singular_values : ndarray, shape (d,), float64
        Of the centred rows, largest first.

    Returns
    -------
    int
        Below d.

    Examples
    --------
    >>> import numpy as np
    >>> common_directions(np.sqrt([9.0, 4, 2, 1.9, 1.8, 1.7] + 34 * [1.0]))
    2
    """
    variances = singular_values**2
    candidates = len(variances) // SHARE
    above, below = variances[:candidates], variances[1 : candidates + 1]
    falls = np.flatnonzero(above > GAP * below)
    return int(falls[-1]) + 1 if len(falls) else 0
