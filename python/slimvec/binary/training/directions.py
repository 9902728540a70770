"""The principal directions of rows, from their moments, and how many of them stand out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slimvec.binary.training.moments import Moments

LARGEST, SMALLEST = 1e37, 1e-40  # of rows that float32 holds with digits enough
SHARED = 0.1  # of the spread: what rounding the mean to float32 may take from it
GAP = 1.2
SHARE = 20


def principal_directions(moments: Moments) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float32]]:
    """Return the mean ``(d,)``, the singular values of the centred rows, largest first, and directions ``(d, d)``.

    Directions are columns, each with its largest entry positive: LAPACK leaves the signs open, and fixing them makes a
    run repeatable across builds of it.
    """
    mean, scatter = moments.finalize()
    variances = scatter.diagonal().clip(0) / moments.count
    check_scale(mean, variances)
    columns = told_apart(mean, variances)
    eigenvalues, vectors = np.linalg.eigh(scatter[np.ix_(columns, columns)])
    eigenvalues, vectors = np.maximum(eigenvalues[::-1], 0.0), vectors[:, ::-1]
    largest = vectors[np.abs(vectors).argmax(axis=0), np.arange(vectors.shape[1])]
    directions, singular_values = np.zeros(scatter.shape, np.float32), np.zeros(len(mean))
    directions[columns, : len(columns)] = vectors * np.where(largest >= 0, 1.0, -1.0)
    singular_values[: len(columns)] = np.sqrt(eigenvalues)
    return mean.astype(np.float32), singular_values, directions


def told_apart(mean: NDArray[np.float64], variances: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the columns that codes are made of: all but those that are constant, and whose mean float32 rounds away.

    What rounding the mean leaves in a constant column would be added to all rows alike, and drown what differs.

    Raises
    ------
    ValueError
        If float32, in which codes are made, cannot tell the rows from their mean.
    """
    spread = float(variances.sum()) ** 0.5
    with np.errstate(under="ignore"):
        rounding = np.abs(mean - mean.astype(np.float32))
    varies = variances > (1e-6 * rounding) ** 2  # less is float64's own rounding
    if not varies.any() or np.linalg.norm(rounding) <= SHARED * spread:
        return np.arange(len(mean))
    if np.linalg.norm(rounding[varies]) > SHARED * spread:
        raise ValueError(
            f"the mean of X, of scale {np.linalg.norm(mean):.1e}, is so large beside its spread of {spread:.1e} that "
            "float32 cannot tell the rows apart; subtract it from X first"
        )
    return np.flatnonzero(varies)


def check_scale(mean: NDArray[np.float64], variances: NDArray[np.float64]) -> None:
    """Raise ValueError if rows of such means and variances leave the range of float32, in which codes are made."""
    scale = float(variances.sum()) ** 0.5 + float(np.linalg.norm(mean))
    if scale > LARGEST:
        raise ValueError(
            f"X holds values too large for float32 sums: their scale is {scale:.1e}, and at most {LARGEST:g} can be; "
            "divide it by a constant first"
        )
    scale = max(scale, float(np.abs(mean).max(initial=0)))  # where squares are below float64, too
    if 0 < scale < SMALLEST:
        raise ValueError(
            f"X holds values too small for float32: their scale is {scale:.1e}, and below {SMALLEST:g} it has no "
            "digits; multiply it by a constant first"
        )


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
