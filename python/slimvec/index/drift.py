"""``Drift``: how far rows that were added to an index are from those that its codes were learnt from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from slimvec.index.fit_sums import Sums


@dataclass(frozen=True)
class Drift:
    """How far what was added to an index is from what its codes were fitted to.

    Made by :meth:`slimvec.Index.drift`. Losses are shares of ‖x - m‖², where m is the mean of the rows that were
    fitted, x a row, and what is lost is ‖x - y‖² for the vector y that :meth:`slimvec.Index.vectors` gives for it.

    Attributes
    ----------
    n_fitted, n_added : int
        Rows that codes were learnt from, and rows that came since by ``add`` and ``update``, also if they are removed
        by now.
    loss_fitted, loss_added : float
        What codes lose of each. NaN if nothing was added, as are all that follow.
    mean_shift : float
        Between the means of both, in units of the root mean square distance of fitted rows from theirs.
    shift_by_chance : float
        What that would be, on the average, if what was added were of the same kind.
    spread_ratio : float
        The root mean square distance of added rows from their mean, in the same units: 1 for rows of the same kind, 0
        for a single row.

    Examples
    --------
    >>> import numpy as np
    >>> import slimvec as sv
    >>> X = np.random.default_rng(0).standard_normal((3000, 32), dtype=np.float32)
    >>> index = sv.Index.build(X[:2000], n_bits=64, refine_bits=0)
    >>> index.add(X[2000:])
    >>> round(index.drift().spread_ratio, 1)
    1.0
    >>> index.add(3 * X[:1000] + 2, ids=range(5000, 6000))
    >>> round(index.drift().mean_shift, 1)
    1.0
    """

    n_fitted: int
    n_added: int
    loss_fitted: float
    loss_added: float
    mean_shift: float
    shift_by_chance: float
    spread_ratio: float

    @classmethod
    def between(cls, fitted: Sums, added: Sums) -> Self:
        """Return the drift from some rows to others."""
        if not added.n_rows:
            return cls(fitted.n_rows, 0, fitted.loss, math.nan, math.nan, math.nan, math.nan)
        spread = math.sqrt(fitted.variance)
        moved = added.mean - fitted.mean
        return cls(
            fitted.n_rows,
            added.n_rows,
            fitted.loss,
            added.loss,
            _ratio(math.sqrt(float(moved @ moved)), spread),
            math.sqrt(1 / added.n_rows + 1 / fitted.n_rows),
            _ratio(math.sqrt(added.variance), spread),
        )

    def __repr__(self) -> str:
        fitted = f"{self.n_fitted:,} rows were fitted, and codes lose {self.loss_fitted:.2%} of them"
        if not self.n_added:
            return f"<slimvec.Drift: {fitted}; none were added since>"
        return (
            f"<slimvec.Drift: {fitted}; {self.n_added:,} were added since: codes lose {self.loss_added:.2%}, the mean "
            f"moved by {self.mean_shift:.2f} (by chance {self.shift_by_chance:.2f}), the spread is "
            f"{self.spread_ratio:.2f} of what it was>"
        )


def _ratio(a: float, b: float) -> float:
    """Return a / b, also where all fitted rows were equal."""
    if b:
        return a / b
    return math.inf if a else 0.0
