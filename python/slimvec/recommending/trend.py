"""From the misses among some rows to those among more: they grow by a power of the number of rows.

The k-th neighbour of a query comes the nearer the more rows there are, and the rows around it lie the denser, so that
an error of the same size passes over more of them. How much denser is a matter of the rows and not of the codes: the
exponent is taken from all trials together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

TELLING = (0.002, 0.4)  # misses that tell the exponent: fewer are chance, more cannot double
LARGEST = 0.5  # exponent either way: beyond lies chance


class Expected(NamedTuple):
    """A recall that was not measured.

    Attributes
    ----------
    recall, error : float
        The error is a standard error: of the queries, and of the exponent.
    """

    recall: float
    error: float


def expected(misses: list[NDArray[np.float64]], sizes: NDArray[np.float64], n_rows: int) -> list[Expected]:
    """Return the recall of each trial among ``n_rows`` rows.

    Parameters
    ----------
    misses : list of ndarray, shape (n_levels, n_groups)
        Of each trial: shares of the neighbours not found among so many rows, by groups of queries.
    sizes : ndarray, shape (n_levels,)
        Falling numbers of rows.
    n_rows : int
    """
    return [grown(of[0], misses, sizes, n_rows) for of in misses]


def grown(
    own: NDArray[np.float64], misses: list[NDArray[np.float64]], sizes: NDArray[np.float64], n_rows: int
) -> Expected:
    """Return the recall among ``n_rows`` rows of what misses ``own (n_groups,)`` among the most rows that were tried.

    The error is that of the jackknife: each group of queries is left out in turn, here and in all trials.
    """

    def missed(groups: NDArray[np.bool_]) -> float:
        growth = (n_rows / sizes[0]) ** exponent_of([of[:, groups].mean(axis=1) for of in misses], sizes)
        return min(1.0, float(own[groups].mean() * growth))

    n_groups = len(own)
    without = np.array([missed(np.arange(n_groups) != group) for group in range(n_groups)])
    error = float(np.sqrt((n_groups - 1) * without.var()))
    return Expected(1 - missed(np.ones(n_groups, np.bool_)), error)


def exponent_of(misses: list[NDArray[np.float64]], sizes: NDArray[np.float64]) -> float:
    """Return by which power of the number of rows misses grow; 0 where they do not tell.

    Each trial is a line in logarithms, all of the same slope; those of more misses count more.
    """
    told = [of for of in misses if len(of) > 1 and TELLING[0] <= of.min() and of.max() <= TELLING[1]]
    if not told:
        return 0.0
    x = np.log(sizes) - np.log(sizes).mean()
    slopes = [float(x @ np.log(of) / (x @ x)) for of in told]
    slope = float(np.average(slopes, weights=[of.mean() for of in told]))
    return max(-LARGEST, min(LARGEST, slope))
