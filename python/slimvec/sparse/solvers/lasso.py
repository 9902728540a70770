"""Soft-thresholding, and the lasso, min ½‖X - TA‖² + Σ λ_ij |t_ij|, by coordinate descent."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.errors import needs
from slimvec.progress import Progress, ignore
from slimvec.sparse.solvers.atoms import Atoms
from slimvec.sparse.solvers.running import in_threads, n_rows, sparse, stack
from slimvec.validation import is_number

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from slimvec.vectors import Vectors

MAX_ROUNDS = 1000  # of the active set, per row; numberbatch on 1,000 anchors takes up to 15


def soft_threshold(values: ArrayLike, threshold: ArrayLike, *, nonnegative: bool = False) -> NDArray[Any]:
    """Shrink values towards zero: the prox of Σ threshold |value|, eq. 4 of [1]_.

    Parameters
    ----------
    values : array_like
    threshold : array_like, broadcastable to ``values``
        Per entry: 0 where an entry is not penalised (eq. 5).
    nonnegative : bool
        Also drop what is negative (the ReLU of line 10 of Algorithm 1), on unpenalised entries too.

    Returns
    -------
    ndarray, shape of ``values``

    Raises
    ------
    ValueError
        If a threshold is negative.

    References
    ----------
    .. [1] P. P. Liang et al., "Anchor & Transform: Learning Sparse Representations of Discrete Objects", 2020.

    Examples
    --------
    >>> soft_threshold([-2.0, 0.5, 3.0], 1.0)
    array([-1.,  0.,  2.])
    >>> soft_threshold([-2.0, 0.5, 3.0], [1.0, 0.0, 1.0], nonnegative=True)
    array([0. , 0.5, 2. ])
    """
    values, threshold = np.asarray(values), np.asarray(threshold)
    if (threshold < 0).any():
        raise ValueError(f"threshold holds {threshold.min()}; expected nothing below 0")
    if nonnegative:
        return np.asarray(np.maximum(values - threshold, 0))
    return np.asarray(np.sign(values) * np.maximum(np.abs(values) - threshold, 0))


def lasso(
    X: ArrayLike | Vectors,
    anchors: ArrayLike | Atoms,
    l1: float,
    *,
    offsets: Any = None,
    nonnegative: bool = False,
    tolerance: float = 1e-4,
    max_rounds: int = MAX_ROUNDS,
    threads: int | None = None,
    progress: Progress = ignore,
) -> Any:
    """Solve min ½‖X - TA‖² + Σ λ_ij |t_ij| by coordinate descent with active sets and covariance updates [1]_.

    Parameters
    ----------
    X : array_like, shape (n, d)
    anchors : array_like, shape (k, d)
    l1 : float
        λ, the same for all entries but those in ``offsets``.
    offsets : scipy.sparse array, shape (n, k), optional
        Added to λ entry by entry, and cut at 0: -λ for an entry that is not penalised.
    nonnegative : bool
        Only T ≥ 0.
    tolerance : float
        How far the KKT conditions may be broken, as a part of a row's largest |⟨x, a_j⟩|.
    max_rounds : int
        Rounds of the active set per row before it is given up, with a warning.
    threads : int, optional
        By default one per CPU. The result does not depend on it.
    progress : callable, optional
        ``progress(stage, done, total)``.

    Returns
    -------
    scipy.sparse.csr_array, shape (n, k), float32

    Raises
    ------
    ValueError
        For negative λ, NaN, wrong shapes.

    References
    ----------
    .. [1] J. Friedman, T. Hastie, R. Tibshirani, "Regularization Paths for Generalized Linear Models via Coordinate
       Descent", 2010.

    Examples
    --------
    >>> lasso([[3.0, 0.5], [-2.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]], l1=1.0).toarray()
    array([[ 2.,  0.],
           [-1.,  0.]], dtype=float32)
    """
    atoms = anchors if isinstance(anchors, Atoms) else Atoms.given(anchors)
    penalty = as_penalty(l1)
    n = n_rows(X)
    offsets = (
        sparse().csr_array((n, atoms.n_atoms), dtype=np.float32) if offsets is None else sparse().csr_array(offsets)
    )
    if offsets.shape != (n, atoms.n_atoms):
        raise ValueError(f"offsets has shape {offsets.shape}; expected {(n, atoms.n_atoms)}: rows by anchors")
    with needs("numba", "train"):
        from slimvec.sparse.solvers import loops_lasso
    loop: Any = loops_lasso.coordinate_descent
    parts, unsettled = [], 0
    for first, block in atoms.blocks(X):
        solution, settled = atoms.correlate(block), np.zeros(len(block), np.bool_)
        indptr = offsets.indptr[first : first + len(block) + 1].astype(np.int64)
        entries = (offsets.indices.astype(np.int32), offsets.data.astype(np.float32))

        def work(
            part: slice,
            solution: NDArray[np.float32] = solution,
            settled: NDArray[np.bool_] = settled,
            indptr: NDArray[np.int64] = indptr,
            entries: tuple[Any, ...] = entries,
        ) -> None:
            bounds = indptr[part.start : part.stop + 1]
            rules = (nonnegative, tolerance, max_rounds)
            loop(solution[part], atoms.gram, penalty, bounds, *entries, *rules, settled[part])

        in_threads(work, len(block), threads)
        unsettled += int((~settled).sum())
        parts.append(sparse().csr_array(solution))
        progress("coding", first + len(block), n)
    if unsettled:
        warnings.warn(f"the lasso of {unsettled} rows did not settle in {max_rounds} rounds", stacklevel=2)
    return stack(parts, atoms.n_atoms)


def as_penalty(value: float, name: str = "l1") -> float:
    """Return λ, or another weight of this name, as a float, refusing what is negative or not finite."""
    if not is_number(value):
        raise TypeError(f"{name}={value!r} is not a number")
    if not 0 <= value < np.inf:
        raise ValueError(f"{name}={value}; expected a finite {'penalty λ' if name == 'l1' else 'weight'} of at least 0")
    return float(value)
