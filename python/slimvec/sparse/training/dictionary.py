"""Learning anchors: coding and updating in turns (MOD, approximate K-SVD), with an optional orthogonality penalty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from slimvec.blocks import scale_of
from slimvec.progress import Progress, ignore
from slimvec.sparse.solvers.atoms import to_unit

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Coder = Callable[[NDArray[np.float32], NDArray[np.float32]], Any]

UPDATES = ("mod", "ksvd")
RIDGE = 1e-6  # of the mean square of T's columns: keeps MOD solvable when anchors are hardly used
ORTHOGONALITY_STEPS = 10


class DirectionMoments:
    """TᵀT and TᵀX of the rows seen so far: all that the method of optimal directions needs, and it merges.

    Parameters
    ----------
    n_atoms, n_columns : int
        k and d.
    """

    def __init__(self, n_atoms: int, n_columns: int) -> None:
        self._squares = np.zeros((n_atoms, n_atoms))
        self._products = np.zeros((n_atoms, n_columns))

    def update(self, transform: Any, rows: NDArray[Any]) -> Self:
        """Add rows and their transform, SciPy CSR."""
        scale = scale_of(transform.data)
        if scale != 1.0:
            transform = transform.copy()
            transform.data /= np.float32(scale)
        self._squares += scale**2 * (transform.T @ transform).toarray().astype(np.float64)
        self._products += scale * (transform.T @ rows).astype(np.float64)
        return self

    def merge(self, other: DirectionMoments) -> Self:
        """Add what ``other`` has seen."""
        self._squares += other._squares
        self._products += other._products
        return self

    def finalize(self, anchors: NDArray[np.float32], orthogonality: float = 0.0) -> NDArray[np.float64]:
        """Return argmin_A ½‖X - TA‖² + μ Σ_{i≠j} |aᵢᵀaⱼ|, ``(k, d)``; anchors that no row uses stay as given.

        With μ = 0 this is (TᵀT)⁻¹TᵀX; otherwise that, then a few subgradient steps on the whole objective.
        """
        used = self._squares.diagonal() > 0
        squares = self._squares[np.ix_(used, used)]
        ridge = RIDGE * squares.diagonal().mean() if used.any() else 1.0
        updated = anchors.astype(np.float64)
        updated[used] = np.linalg.solve(squares + ridge * np.eye(len(squares)), self._products[used])
        if orthogonality > 0:
            step = 1.0 / (np.linalg.eigvalsh(self._squares)[-1] + ridge)
            for _ in range(ORTHOGONALITY_STEPS):
                signs = np.sign(updated @ updated.T)
                np.fill_diagonal(signs, 0)
                slope = self._squares @ updated - self._products + 2 * orthogonality * (signs @ updated)
                updated -= step * slope
        return updated


def ksvd_update(rows: NDArray[np.float32], anchors: NDArray[np.float32], transform: Any) -> NDArray[np.float64]:
    """Return anchors after one pass of approximate K-SVD [1]_: each in turn fitted to what the others leave.

    References
    ----------
    .. [1] R. Rubinstein, M. Zibulevsky, M. Elad, "Efficient Implementation of the K-SVD Algorithm using Batch
       Orthogonal Matching Pursuit", 2008, fig. 5.
    """
    updated = anchors.astype(np.float64)
    by_atom = transform.tocsc()
    residual = rows - transform @ anchors
    for atom in range(len(anchors)):
        entries = slice(by_atom.indptr[atom], by_atom.indptr[atom + 1])
        users, values = by_atom.indices[entries], by_atom.data[entries].astype(np.float64)
        if len(users) == 0:
            continue
        own = residual[users] + np.outer(values, updated[atom])
        direction = values @ own
        length = np.linalg.norm(direction)
        if length == 0:
            continue
        updated[atom] = direction / length
        values = own @ updated[atom]
        residual[users] = own - np.outer(values, updated[atom])
    return updated


def learn_anchors(
    rows: NDArray[np.float32],
    anchors: NDArray[np.float32],
    code: Coder,
    n_rounds: int,
    *,
    update: str = "mod",
    orthogonality: float = 0.0,
    replace_unused: bool = True,
    progress: Progress = ignore,
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return learnt anchors of length 1, ``(k, d)``, and the relative residual before each round's update.

    Parameters
    ----------
    rows : ndarray, shape (m, d), float32
        A sample of the vectors.
    anchors : ndarray, shape (k, d), float32
        Where to start.
    code : callable
        ``code(rows, anchors)`` gives T as SciPy CSR.
    n_rounds : int
    update : {"mod", "ksvd"}
    orthogonality : float
        μ, the weight of Σ_{i≠j} |aᵢᵀaⱼ|; with "mod" only.
    replace_unused : bool
        Anchors that no row uses become the rows that are worst represented.
    progress : callable, optional
        ``progress(stage, done, total)``.
    """
    length = _length(rows) or 1.0
    residuals = np.empty(n_rounds)
    for round_ in range(n_rounds):
        transform = code(rows, anchors)
        left = rows - transform @ anchors
        residuals[round_] = _length(left) / length
        if update == "ksvd":
            updated = ksvd_update(rows, anchors, transform)
        else:
            updated = DirectionMoments(*anchors.shape).update(transform, rows).finalize(anchors, orthogonality)
        if replace_unused:
            _replace_unused(updated, transform, rows, left)
        anchors = to_unit(updated.astype(np.float32))[0]
        progress("learning anchors", round_ + 1, n_rounds)
    return anchors, residuals


def _length(rows: NDArray[np.float32]) -> float:
    """Return the norm of all entries, whose squares float32 may not hold."""
    return float(np.sqrt(np.einsum("ij,ij->", rows, rows, dtype=np.float64)))


def _replace_unused(
    anchors: NDArray[np.float64], transform: Any, rows: NDArray[np.float32], left: NDArray[np.float32]
) -> None:
    """Put the rows that are worst represented in the place of anchors that no row uses."""
    unused = np.flatnonzero(np.bincount(transform.indices, minlength=len(anchors)) == 0)
    worst = np.argsort(-np.einsum("ij,ij->i", left, left, dtype=np.float64), kind="stable")[: len(unused)]
    anchors[unused[: len(worst)]] = rows[worst]
