"""One budget of non-zeros for a whole table, spent where it lowers the residual most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.progress import Progress, ignore
from slimvec.sparse.solvers.atoms import Atoms
from slimvec.sparse.solvers.pursuit import as_limits, omp, pursue_blocks
from slimvec.sparse.solvers.running import n_rows
from slimvec.validation import as_integer

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from slimvec.vectors import Vectors


def allocate(gains: NDArray[Any], budget: int, weights: ArrayLike | None = None) -> NDArray[np.int64]:
    """Return how many atoms each row gets when ``budget`` atoms go where they gain most.

    Parameters
    ----------
    gains : ndarray, shape (n, k)
        ``gains[i, s]``: what atom s of row i lowers the squared residual by; 0 where the row has no more atoms.
    budget : int
    weights : array_like, shape (n,), optional
        What the residual of each row counts, such as how often its word occurs.

    Returns
    -------
    ndarray, shape (n,), int64
        Sums to ``budget``, or to the number of gains above 0 if that is less.

    Notes
    -----
    A row's atoms come in order, so a gain counts as no more than the smallest before it in its row. Where gains fall
    along every row, as they nearly always do, this is the best way to spend the budget on the given pursuits.

    Examples
    --------
    >>> import numpy as np
    >>> allocate(np.array([[9.0, 4.0, 1.0], [3.0, 2.0, 0.0]]), budget=3)
    array([2, 1])
    """
    worth = np.minimum.accumulate(np.asarray(gains, np.float64), axis=1)
    if weights is not None:
        worth = worth * as_weights(weights, len(worth))[:, None]
    flat = worth.ravel()
    budget = min(as_integer(budget, "budget", 0), int((flat > 0).sum()))
    if budget == 0:
        return np.zeros(len(worth), np.int64)
    last = np.partition(flat, len(flat) - budget)[len(flat) - budget]
    chosen = flat > last
    ties = np.flatnonzero(flat == last)[: budget - int(chosen.sum())]  # lower rows first, and in a row earlier atoms
    chosen[ties] = True
    return np.asarray(chosen.reshape(worth.shape).sum(axis=1), np.int64)


def as_weights(weights: ArrayLike, n_rows: int, name: str = "weights") -> NDArray[np.float64]:
    """Return one non-negative finite weight per row."""
    values = np.asarray(weights, np.float64)
    if values.shape != (n_rows,):
        raise ValueError(f"{name} has shape {values.shape}; expected {(n_rows,)}, one per row")
    if not np.isfinite(values).all() or (values < 0).any():
        raise ValueError(f"{name} holds NaN, infinity or a negative number; expected counts or other weights ≥ 0")
    return values


def omp_within(
    X: ArrayLike | Vectors,
    anchors: ArrayLike | Atoms,
    budget: int,
    most: int,
    *,
    weights: ArrayLike | None = None,
    nonnegative: bool = False,
    threads: int | None = None,
    progress: Progress = ignore,
) -> Any:
    """Code rows by ``budget`` anchors in all, at most ``most`` a row: :func:`slimvec.sparse.solvers.pursuit.omp` twice.

    The first pass finds what each atom of each row gains, the second stops every row where :func:`allocate` says.

    Parameters
    ----------
    X : array_like, shape (n, d)
    anchors : array_like, shape (k, d)
    budget : int
        Non-zeros of T.
    most : int
        The most atoms of one row.
    weights : array_like, shape (n,), optional
        See :func:`allocate`.
    nonnegative, threads
        See :func:`slimvec.sparse.solvers.pursuit.omp`.
    progress : callable, optional
        ``progress(stage, done, total)``.

    Returns
    -------
    scipy.sparse.csr_array, shape (n, k), float32
        With ``budget`` non-zeros, or fewer where the rows need no more.

    Examples
    --------
    >>> import numpy as np
    >>> omp_within([[5.0, 4.0, 3.0], [1.0, 0.5, 0.0]], np.eye(3), budget=4, most=3).indptr.tolist()
    [0, 3, 4]
    """
    atoms = anchors if isinstance(anchors, Atoms) else Atoms.unit(anchors)
    n = n_rows(X)
    limit = as_limits(most, atoms, n)
    gains = np.zeros((n, most))  # squares of the rows' scale
    for first, _, _, counts, block in pursue_blocks(X, atoms, limit, nonnegative=nonnegative, threads=threads):
        gains[first : first + len(counts), : block.shape[1]] = block
        progress("spending the budget", first + len(counts), n)
    limits = allocate(gains, budget, weights)
    return omp(X, atoms, limits, nonnegative=nonnegative, threads=threads, progress=progress)
