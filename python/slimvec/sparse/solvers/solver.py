"""Coding new vectors as a table's rows were: what a table keeps of its solver, and how it is run again."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from slimvec.sparse.solvers.atoms import Atoms
from slimvec.sparse.solvers.lasso import as_penalty, lasso
from slimvec.sparse.solvers.pursuit import omp, refit
from slimvec.validation import as_integer

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from slimvec.progress import Progress
    from slimvec.vectors import Vectors


@dataclass(frozen=True)
class Solver:
    """How rows are coded on given anchors: by a number of non-zeros, or by a penalty.

    Attributes
    ----------
    nonzeros : int or None
        The most non-zeros per row.
    l1 : float or None
        λ of the lasso; exactly one of both is given.
    nonnegative : bool
        T ≥ 0.
    refit : bool
        Least squares on the support that the lasso chose.
    """

    nonzeros: int | None = None
    l1: float | None = None
    nonnegative: bool = True
    refit: bool = False

    def __post_init__(self) -> None:
        if (self.nonzeros is None) == (self.l1 is None):
            raise ValueError(f"nonzeros={self.nonzeros!r} and l1={self.l1!r}; expected one of the two")
        if self.nonzeros is not None:
            object.__setattr__(self, "nonzeros", as_integer(self.nonzeros, "nonzeros", 1))
        if self.l1 is not None:
            object.__setattr__(self, "l1", as_penalty(self.l1))
        for name in ("nonnegative", "refit"):
            if not isinstance(getattr(self, name), bool):
                raise TypeError(f"{name}={getattr(self, name)!r} is not True or False")

    @classmethod
    def from_parameters(cls, parameters: dict[str, Any]) -> Solver:
        """Return the solver that :meth:`to_parameters` described."""
        unknown = set(parameters) - {field.name for field in fields(cls)}
        if unknown:
            raise ValueError(f"parameters holds {sorted(unknown)}, which this version does not know")
        return cls(**parameters)

    def to_parameters(self) -> dict[str, Any]:
        """Return a description that JSON can hold."""
        return asdict(self)

    def check(self, n_anchors: int) -> None:
        """Raise ValueError if rows cannot be coded on so few anchors."""
        if self.nonzeros is not None:
            as_integer(self.nonzeros, "nonzeros", 1, n_anchors, why=f": there are {n_anchors} anchors")

    def prepare(self, anchors: ArrayLike) -> Atoms:
        """Return anchors as the solver wants them."""
        return Atoms.unit(anchors) if self.l1 is None else Atoms.given(anchors)

    def code(
        self, X: ArrayLike | Vectors, anchors: ArrayLike | Atoms, *, offsets: Any = None, threads: int | None = None,
        progress: Progress | None = None,
    ) -> Any:  # fmt: skip
        """Return T of X on anchors, SciPy CSR ``(n, k)``; ``offsets`` change λ entry by entry, with ``l1`` only."""
        shared: dict[str, Any] = {"nonnegative": self.nonnegative, "threads": threads}
        if progress is not None:
            shared["progress"] = progress
        atoms = anchors if isinstance(anchors, Atoms) else self.prepare(anchors)
        if self.l1 is None:
            return omp(X, atoms, int(self.nonzeros or 0), **shared)
        transform = lasso(X, atoms, self.l1, offsets=offsets, **shared)
        return refit(X, atoms, transform, nonnegative=self.nonnegative) if self.refit else transform


def encode(X: ArrayLike | Vectors, anchors: ArrayLike, parameters: dict[str, Any]) -> Any:
    """Code vectors on the anchors of a table.

    Parameters
    ----------
    X : array_like, shape (m, d)
    anchors : array_like, shape (k, d)
    parameters : dict
        ``nonzeros`` or ``l1``, ``nonnegative``, ``refit``: as :class:`Solver` describes itself.

    Returns
    -------
    scipy.sparse.csr_array, shape (m, k), float32

    Raises
    ------
    ValueError
        For parameters that are not known or contradict each other, NaN, wrong widths.

    Examples
    --------
    >>> encode([[0.0, 2.0]], [[1.0, 0.0], [0.0, 1.0]], {"nonzeros": 1}).toarray()
    array([[0., 2.]], dtype=float32)
    """
    return Solver.from_parameters(parameters).code(X, anchors)
