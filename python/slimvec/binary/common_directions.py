"""How many directions stand out of a spectrum."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

GAP = 1.2
SHARE = 20


def common_directions(singular_values: NDArray[np.float64]) -> int:
    """Return how many of the strongest directions stand out: D for ``n_remove="auto"``.

    D is the last place among the first d / 20 where the variance falls by more than a factor of 1.2 from one direction
    to the next; 0 if it never does. Spectra of embeddings decay smoothly, by 1 to 15 % a step, but for the few
    directions that words share; those are what All-but-the-Top removes, and what IIQ is named for.

    The factor was set on the four tables of ``benchmarks/results/quality.md``, where any from 1.16 to 1.2 gives the
    same D, and the best or within one standard deviation of it; it has not been tried on others. Neighbour
    preservation on held-out rows, the other criterion that needs no labels, was tried too: it answers 0 on all four.

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
