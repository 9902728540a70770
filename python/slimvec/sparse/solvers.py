"""Solvers for E ≈ T A with A given: soft-thresholding, pursuit, lasso, FISTA, least squares on a support.

Rows are coded independently, a block at a time: correlations C = X Aᵀ by one matrix product, then compiled loops over
C and the Gram matrix G = A Aᵀ, on several threads.
"""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.errors import missing_extra
from slimvec.progress import Progress, ignore
from slimvec.sparse.atoms import Atoms, no_rows, to_unit
from slimvec.validation import as_integer, as_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from numpy.typing import ArrayLike, NDArray

SELECTIONS = ("ols", "omp")
MAX_ROUNDS = 1000  # of the lasso's active set, per row; rows of real embeddings take 5 to 20
FEWEST_ROWS = 64  # per thread: below, starting it costs more than it saves


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
        return np.maximum(values - threshold, 0)
    return np.sign(values) * np.maximum(np.abs(values) - threshold, 0)


def omp(
    X: ArrayLike,
    anchors: ArrayLike | Atoms,
    nonzeros: int | NDArray[np.integer],
    *,
    nonnegative: bool = False,
    selection: str = "ols",
    tolerance: float = 0.0,
    threads: int | None = None,
    progress: Progress = ignore,
) -> Any:
    """Code rows by at most ``nonzeros`` anchors each, chosen greedily: orthogonal matching pursuit.

    Parameters
    ----------
    X : array_like, shape (n, d)
    anchors : array_like, shape (k, d)
        Of any length: choices do not depend on it. An anchor that is zero, or depends on those already chosen, is
        never taken.
    nonzeros : int or integer array, shape (n,)
        The most atoms of a row, of all rows or of each.
    nonnegative : bool
        Values ≥ 0: non-negative OMP, with non-negative least squares after each step.
    selection : {"ols", "omp"}
        The next atom is the one that lowers the residual most ("ols", orthogonal least squares [2]_: at the same cost a
        residual about one per cent lower), or the one most correlated with it ("omp", [1]_). Non-negative
        pursuit always takes the latter.
    tolerance : float
        A row is done when its squared residual is at most this part of its squared length.
    threads : int, optional
        By default one per CPU. The result does not depend on it.
    progress : callable, optional
        ``progress(stage, done, total)``.

    Returns
    -------
    scipy.sparse.csr_array, shape (n, k), float32
        T, with the least-squares values on each row's support. Rows are X ≈ T A.

    Raises
    ------
    ValueError
        For NaN, wrong widths, more non-zeros than anchors.

    References
    ----------
    .. [1] R. Rubinstein, M. Zibulevsky, M. Elad, "Efficient Implementation of the K-SVD Algorithm using Batch
       Orthogonal Matching Pursuit", 2008.
    .. [2] L. Rebollo-Neira, D. Lowe, "Optimized orthogonal matching pursuit approach", 2002.

    Examples
    --------
    >>> import numpy as np
    >>> A = np.eye(4)[[0, 1, 2]]
    >>> omp([[3.0, 0.0, -1.0, 0.5]], A, nonzeros=2).toarray()
    array([[ 3.,  0., -1.]], dtype=float32)
    """
    atoms = anchors if isinstance(anchors, Atoms) else Atoms.unit(anchors)
    limits = as_limits(nonzeros, atoms)
    parts = []
    for first, columns, values, counts, _ in pursue_blocks(
        X, atoms, limits, nonnegative=nonnegative, selection=selection, tolerance=tolerance, threads=threads
    ):
        parts.append(_as_csr(columns, values, counts, atoms.n_atoms))
        progress("coding", first + len(counts), len(np.asarray(getattr(X, "matrix", X))))
    return _stack(parts, atoms.n_atoms)


def as_limits(nonzeros: int | NDArray[np.integer], atoms: Atoms) -> int | NDArray[np.int64]:
    """Return the most atoms of a row, or of each row, refusing more than there are."""
    why = f": there are {atoms.n_atoms} anchors"
    if isinstance(nonzeros, np.ndarray) and nonzeros.ndim:
        if nonzeros.dtype.kind not in "iu" or (nonzeros < 0).any() or (nonzeros > atoms.n_atoms).any():
            raise ValueError(f"nonzeros is {nonzeros!r}; expected integers between 0 and {atoms.n_atoms}{why}")
        return nonzeros.astype(np.int64)
    return as_integer(nonzeros, "nonzeros", 1, atoms.n_atoms, why=why)


def pursue_blocks(
    X: ArrayLike,
    atoms: Atoms,
    limits: int | NDArray[np.int64],
    *,
    nonnegative: bool,
    selection: str = "ols",
    tolerance: float = 0.0,
    threads: int | None = None,
) -> Iterator[
    tuple[int, NDArray[np.int32], NDArray[np.float32], NDArray[np.int64], NDArray[np.float64]]
]:
    """Yield (first row, columns, values, counts, gains) block by block; row i uses the first ``counts[i]`` entries.

    ``gains[i, s]`` is how much atom s lowers the squared residual of row i.
    """
    if selection not in SELECTIONS:
        raise ValueError(f"selection={selection!r}; expected one of {SELECTIONS}")
    loops = _pursuit_loops()
    loop = loops.pursue_nonnegative if nonnegative else loops.pursue
    for first, block in atoms.blocks(X):
        unit, lengths = to_unit(block)
        m = len(block)
        most = np.full(m, limits, np.int64) if isinstance(limits, int) else limits[first : first + m]
        width = int(most.max(initial=1))
        columns, values = np.zeros((m, width), np.int32), np.zeros((m, width), np.float32)
        gains, counts = np.zeros((m, width), np.float32), np.zeros(m, np.int64)
        correlations = unit @ atoms.rows.T

        def work(
            part: slice,
            arrays: tuple[Any, ...] = (columns, values, gains, counts),
            correlations: NDArray[np.float32] = correlations,
            most: NDArray[np.int64] = most,
        ) -> None:
            outputs = [array[part] for array in arrays]
            loop(correlations[part], atoms.gram, most[part], selection == "ols", tolerance, *outputs)

        _in_threads(work, m, threads)
        values = (values * (lengths[:, None] / atoms.lengths[columns])).astype(np.float32)
        yield first, columns, values, counts, gains * lengths[:, None] ** 2


def lasso(
    X: ArrayLike,
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
    from scipy.sparse import csr_array

    atoms = anchors if isinstance(anchors, Atoms) else Atoms.given(anchors)
    penalty = as_penalty(l1)
    n = len(np.asarray(getattr(X, "matrix", X)))
    offsets = csr_array((n, atoms.n_atoms), dtype=np.float32) if offsets is None else csr_array(offsets)
    if offsets.shape != (n, atoms.n_atoms):
        raise ValueError(f"offsets has shape {offsets.shape}; expected {(n, atoms.n_atoms)}: rows by anchors")
    loop = _lasso_loops().coordinate_descent
    parts, unsettled = [], 0
    for first, block in atoms.blocks(X):
        solution, settled = block @ atoms.rows.T, np.zeros(len(block), np.bool_)
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

        _in_threads(work, len(block), threads)
        unsettled += int((~settled).sum())
        parts.append(csr_array(solution))
        progress("coding", first + len(block), n)
    if unsettled:
        warnings.warn(f"the lasso of {unsettled} rows did not settle in {max_rounds} rounds", stacklevel=2)
    return _stack(parts, atoms.n_atoms)


def fista(
    X: ArrayLike,
    anchors: ArrayLike | Atoms,
    l1: float,
    *,
    offsets: Any = None,
    nonnegative: bool = False,
    tolerance: float = 1e-6,
    max_iter: int = 2000,
) -> Any:
    """Solve the problem of :func:`lasso` by accelerated proximal gradient steps [1]_ with restarts.

    About a thousand times the work of coordinate descent, all of it matrix products: the choice for few anchors, and
    the check of the other solver.

    Parameters
    ----------
    X, anchors, l1, offsets, nonnegative
        See :func:`lasso`.
    tolerance : float
        Stops when no entry of T moves by more than this part of the largest.
    max_iter : int
        Steps at most.

    Returns
    -------
    scipy.sparse.csr_array, shape (n, k), float32

    References
    ----------
    .. [1] A. Beck, M. Teboulle, "A Fast Iterative Shrinkage-Thresholding Algorithm for Linear Inverse Problems", 2009.

    Examples
    --------
    >>> fista([[3.0, 0.5]], [[1.0, 0.0], [0.0, 1.0]], l1=1.0, nonnegative=True).toarray()
    array([[2., 0.]], dtype=float32)
    """
    from scipy.sparse import csr_array

    atoms = anchors if isinstance(anchors, Atoms) else Atoms.given(anchors)
    penalty = as_penalty(l1)
    gram = atoms.gram.astype(np.float64)
    step = 1.0 / max(float(np.linalg.eigvalsh(gram)[-1]), 1e-30)
    parts = []
    for first, block in atoms.blocks(X):
        thresholds = np.full((len(block), atoms.n_atoms), penalty)
        if offsets is not None:
            thresholds = np.maximum(thresholds + csr_array(offsets)[first : first + len(block)].toarray(), 0)
        correlations = block.astype(np.float64) @ atoms.rows.T
        current = ahead = np.zeros_like(correlations)
        momentum = 1.0
        for _ in range(max_iter):
            moved = ahead + step * (correlations - ahead @ gram)
            new = soft_threshold(moved, step * thresholds, nonnegative=nonnegative)
            change = new - current
            following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
            if ((ahead - new) * change).sum() > 0:  # going back: O'Donoghue & Candès (2015) start over
                following = momentum = 1.0
            ahead = new + (momentum - 1) / following * change
            current, momentum = new, following
            if np.abs(change).max() <= tolerance * np.abs(new).max():
                break
        parts.append(csr_array(current.astype(np.float32)))
    return _stack(parts, atoms.n_atoms)


def refit(X: ArrayLike, anchors: ArrayLike | Atoms, transform: Any, *, nonnegative: bool = False) -> Any:
    """Replace the values of T by least squares on each row's support: what the lasso chose, without its bias.

    Parameters
    ----------
    X : array_like, shape (n, d)
    anchors : array_like, shape (k, d)
    transform : scipy.sparse array, shape (n, k)
        Its supports are kept, its values replaced. An anchor that depends on others of the row leaves it.
    nonnegative : bool
        Non-negative least squares: anchors whose value would be negative leave the row.

    Returns
    -------
    scipy.sparse.csr_array, shape (n, k), float32

    Examples
    --------
    >>> A = [[1.0, 0.0], [0.0, 1.0]]
    >>> refit([[3.0, 0.5]], A, lasso([[3.0, 0.5]], A, l1=1.0)).toarray()
    array([[3., 0.]], dtype=float32)
    """
    from scipy.sparse import csr_array

    atoms = anchors if isinstance(anchors, Atoms) else Atoms.given(anchors)
    fitted = csr_array(transform, dtype=np.float32, copy=True)
    fitted.sort_indices()
    if fitted.shape != (len(np.asarray(getattr(X, "matrix", X))), atoms.n_atoms):
        raise ValueError(f"transform has shape {fitted.shape}; expected one row per row of X, {atoms.n_atoms} columns")
    loop = _pursuit_loops().refit
    columns = fitted.indices.astype(np.int32)
    for first, block in atoms.blocks(X):
        indptr = fitted.indptr[first : first + len(block) + 1].astype(np.int64)
        loop(block @ atoms.rows.T, atoms.gram, indptr, columns, fitted.data, nonnegative)
    fitted.eliminate_zeros()
    return fitted


def as_penalty(l1: float) -> float:
    """Return λ as a float, refusing what is negative or not finite."""
    if isinstance(l1, bool) or not isinstance(l1, int | float | np.integer | np.floating):
        raise TypeError(f"l1={l1!r} is not a number")
    if not 0 <= l1 < np.inf:
        raise ValueError(f"l1={l1}; expected a finite penalty λ of at least 0")
    return float(l1)


def _pursuit_loops() -> ModuleType:
    try:
        from slimvec.sparse import loops_pursuit
    except ImportError:
        raise missing_extra("numba", "train") from None
    return loops_pursuit


def _lasso_loops() -> ModuleType:
    try:
        from slimvec.sparse import loops_lasso
    except ImportError:
        raise missing_extra("numba", "train") from None
    return loops_lasso


def _in_threads(work: Callable[[slice], None], n_rows: int, threads: int | None) -> None:
    """Call ``work`` on slices that make up all rows, at once; the loops release the GIL."""
    count = max(1, min(as_threads(threads), n_rows // FEWEST_ROWS))
    bounds = np.linspace(0, n_rows, count + 1).astype(int).tolist()
    parts = [slice(begin, end) for begin, end in zip(bounds, bounds[1:], strict=False)]
    if count == 1:
        work(parts[0])
        return
    with ThreadPoolExecutor(count) as pool:
        list(pool.map(work, parts))  # list: raises what a thread raised


def _as_csr(
    columns: NDArray[np.int32], values: NDArray[np.float32], counts: NDArray[np.int64], n_atoms: int
) -> Any:
    from scipy.sparse import csr_array

    used = np.arange(columns.shape[1]) < counts[:, None]
    indptr = np.concatenate([[0], np.cumsum(counts)])
    block = csr_array((values[used], columns[used], indptr), shape=(len(counts), n_atoms))
    block.sort_indices()
    return block


def _stack(parts: list[Any], n_atoms: int) -> Any:
    from scipy.sparse import vstack

    return vstack(parts, format="csr") if parts else no_rows(n_atoms)
