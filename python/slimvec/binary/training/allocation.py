"""How many bits each principal direction gets, and how far apart its levels lie."""

from __future__ import annotations

from heapq import heapify, heapreplace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Of a Gaussian of variance 1 on the best uniform grid of 2^b levels: the mean squared error, and the step.
DISTORTIONS = (1.0, 0.3634, 0.1188, 0.03744, 0.01154, 0.003495, 0.00104, 0.000304, 0.0000877)
STEPS = (np.nan, 1.596, 0.9957, 0.5860, 0.3352, 0.1881, 0.1041, 0.0569, 0.0308)
LARGEST = 6  # of codes that are scanned; refinement takes all

# Of the variance, by which errors along a direction weigh: at so many bits for each direction that varies, and between
# them in between. It is measured, not derived: codes of fewer bits tell more if they leave fewer directions out.
BITS, POWERS = (0.5, 1.0), (1.2, 1.4)


def allocate(variances: NDArray[np.float64], n_bits: int, most: int, power: float | None = None) -> NDArray[np.uint8]:
    """Return the bits of each direction: one after the other goes where it saves most.

    Parameters
    ----------
    variances : ndarray, shape (d,), float64
        Falling.
    n_bits : int
        To be given, at most ``most`` for each direction that varies.
    most : int
        Of one direction; from 1 to 8.
    power : float, optional
        Of the variance, by which errors along a direction weigh; by default what suits so many bits.

    Returns
    -------
    ndarray, shape (d,), uint8

    Notes
    -----
    The next bit goes to the direction where λ^power (D(b) - D(b + 1)) is largest, ties to the first. D falls ever more
    slowly, so going one by one is optimal for that sum.

    Examples
    --------
    >>> import numpy as np
    >>> allocate(np.array([9.0, 4, 1, 0.1, 0]), 6, most=6)
    array([3, 2, 1, 0, 0], dtype=uint8)
    """
    if power is None:
        power = float(np.interp(n_bits / max(1, int(np.count_nonzero(variances))), BITS, POWERS))
    worth = (variances / variances.max()) ** power if variances.max() > 0 else variances
    bits = np.zeros(len(variances), np.uint8)
    gains = [(-worth[j] * (DISTORTIONS[0] - DISTORTIONS[1]), j) for j in range(len(worth)) if worth[j] > 0]
    heapify(gains)
    for _ in range(n_bits):
        if not gains or gains[0][0] > 0:
            raise ValueError("more bits than the directions take")
        j = gains[0][1]
        bits[j] += 1
        b = int(bits[j])
        gain = worth[j] * (DISTORTIONS[b] - DISTORTIONS[b + 1]) if b < most else -1.0
        heapreplace(gains, (-gain, j))
    return bits
