"""Greedy solvers for X ≈ T A with so many non-zeros per row: orthogonal matching pursuit, least squares on a support.

Rows are coded independently, a block at a time: correlations C = X Aᵀ by one matrix product, then compiled loops over
C and the Gram matrix G = A Aᵀ, on several threads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.blas import product
from slimvec.errors import needs
from slimvec.progress import Progress, ignore
from slimvec.sparse.solvers.atoms import Atoms, to_unit
from slimvec.sparse.solvers.running import as_csr, in_threads, n_rows, sparse, stack
from slimvec.validation import as_integer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

    from slimvec.vectors import Vectors

SELECTIONS = ("ols", "omp")


def omp(
    X: ArrayLike | Vectors,
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
        slightly lower one), or the one most correlated with it ("omp", [1]_). Non-negative pursuit always takes the
        latter.
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
    >>> omp([[4.0, 0.0, -2.0, 0.5]], A, nonzeros=2).toarray().round(3)
    array([[ 4.,  0., -2.]], dtype=float32)
    """
    atoms = anchors if isinstance(anchors, Atoms) else Atoms.unit(anchors)
    limits = as_limits(nonzeros, atoms, n_rows(X))
    parts = []
    for first, columns, values, counts, _ in pursue_blocks(
        X, atoms, limits, nonnegative=nonnegative, selection=selection, tolerance=tolerance, threads=threads
    ):
        parts.append(as_csr(columns, values, counts, atoms.n_atoms))
        progress("coding", first + len(counts), n_rows(X))
    return stack(parts, atoms.n_atoms)


def as_limits(nonzeros: int | NDArray[np.integer], atoms: Atoms, n: int) -> int | NDArray[np.int64]:
    """Return the most atoms of a row, or of each of n rows, refusing more than there are."""
    why = f": there are {atoms.n_atoms} anchors"
    if isinstance(nonzeros, np.ndarray) and nonzeros.ndim:
        if nonzeros.dtype.kind not in "iu" or (nonzeros < 0).any() or (nonzeros > atoms.n_atoms).any():
            raise ValueError(f"nonzeros is {nonzeros!r}; expected integers between 0 and {atoms.n_atoms}{why}")
        if nonzeros.shape != (n,):  # the loops look at no bounds
            raise ValueError(f"nonzeros has shape {nonzeros.shape}; expected {(n,)}, one number per row")
        return nonzeros.astype(np.int64)
    return as_integer(nonzeros, "nonzeros", 1, atoms.n_atoms, why=why)


def pursue_blocks(
    X: ArrayLike | Vectors,
    atoms: Atoms,
    limits: int | NDArray[np.int64],
    *,
    nonnegative: bool,
    selection: str = "ols",
    tolerance: float = 0.0,
    threads: int | None = None,
) -> Iterator[tuple[int, NDArray[np.int32], NDArray[np.float32], NDArray[np.int64], NDArray[np.float64]]]:
    """Yield (first row, columns, values, counts, gains) block by block; row i uses the first ``counts[i]`` entries.

    ``gains[i, s]`` is how much atom s lowers the squared residual of row i.
    """
    if selection not in SELECTIONS:
        raise ValueError(f"selection={selection!r}; expected one of {SELECTIONS}")
    with needs("numba", "train"):
        from slimvec.sparse.solvers import loops_pursuit
    loop = loops_pursuit.pursue_nonnegative if nonnegative else loops_pursuit.pursue
    for first, block in atoms.blocks(X):
        unit, lengths = to_unit(block)
        m = len(block)
        most = np.full(m, limits, np.int64) if isinstance(limits, int) else limits[first : first + m]
        width = int(most.max(initial=1))
        columns, values = np.zeros((m, width), np.int32), np.zeros((m, width), np.float32)
        gains, counts = np.zeros((m, width), np.float32), np.zeros(m, np.int64)
        correlations = product(unit, atoms.rows.T)

        def work(
            part: slice,
            arrays: tuple[Any, ...] = (columns, values, gains, counts),
            correlations: NDArray[np.float32] = correlations,
            most: NDArray[np.int64] = most,
        ) -> None:
            outputs = [array[part] for array in arrays]
            loop(correlations[part], atoms.gram, most[part], selection == "ols", tolerance, *outputs)

        in_threads(work, m, threads)
        with np.errstate(over="ignore"):  # reported just below
            values = (values * (lengths[:, None] / atoms.lengths[columns])).astype(np.float32)
        if not np.isfinite(values).all():
            row = first + int(np.argmin(np.isfinite(values).all(axis=1)))
            raise ValueError(f"row {row} of X is so much longer than the anchors that T leaves float32; divide X first")
        yield first, columns, values, counts, gains * lengths[:, None] ** 2


def refit(X: ArrayLike | Vectors, anchors: ArrayLike | Atoms, transform: Any, *, nonnegative: bool = False) -> Any:
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
    >>> import numpy as np
    >>> from scipy.sparse import csr_array
    >>> refit([[3.0, 0.5]], np.eye(2), csr_array([[2.0, 0.0]])).toarray()
    array([[3., 0.]], dtype=float32)
    """
    atoms = anchors if isinstance(anchors, Atoms) else Atoms.given(anchors)
    fitted = sparse().csr_array(transform, dtype=np.float32, copy=True)
    fitted.sort_indices()
    if fitted.shape != (n_rows(X), atoms.n_atoms):
        raise ValueError(f"transform has shape {fitted.shape}; expected one row per row of X, {atoms.n_atoms} columns")
    with needs("numba", "train"):
        from slimvec.sparse.solvers import loops_pursuit
    columns = fitted.indices.astype(np.int32)
    for first, block in atoms.blocks(X):
        indptr = fitted.indptr[first : first + len(block) + 1].astype(np.int64)
        loops_pursuit.refit(atoms.correlate(block), atoms.gram, indptr, columns, fitted.data, nonnegative)
    fitted.eliminate_zeros()
    return fitted
