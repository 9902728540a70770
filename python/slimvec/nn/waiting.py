"""Which rows no batch has touched, and what they have missed: the penalties of the steps since, in closed form."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

    from slimvec.nn.rule import Rule
    from slimvec.nn.transform import Transform

Floats = NDArray[np.float64]

SMALLEST = 1e-100  # of the product of the L2 factors, before its inverse loses meaning
LONGEST = 1 << 20  # steps remembered: 24 MB
NEGLIGIBLE = 1e-20  # part of a momentum that no float64 sum notices
BLOCK = 4096  # stamps at a time


class Clock:
    """Counts steps from the last time that all rows were up to date.

    A step of an untouched entry is t ← f sgn(t) max(abs(t) - c, 0), c its threshold and f = 1 / (1 + ημ) its L2 factor.
    Steps compose: with P_t = Π f_s and Q_t = Σ c_s / P_{s-1}, those after τ amount to

        t ← (P_t / P_τ) sgn(t) max(abs(t) - P_τ (Q_t - Q_τ), 0)

    so two sums per step, and a stamp τ per row, are all that has to be kept (the cumulative penalty of Tsuruoka et al.,
    ACL 2009; with L2, Lipton & Elkan, arXiv:1505.06449).

    Examples
    --------
    >>> clock = Clock()
    >>> for threshold in (1.0, 2.0, 4.0):
    ...     clock.tick(threshold)
    >>> ratio, excess = clock.since(np.array([0, 1, 3]))
    >>> excess
    array([7., 6., 0.])
    """

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Forget all steps: every row is up to date."""
        self.now = 0
        self._products, self._sums, self._sizes = np.ones(64), np.zeros(64), np.zeros(64)

    @property
    def spent(self) -> bool:
        """Whether all rows had better be brought up to date, and the clock restarted."""
        return self.now >= LONGEST or self._products[self.now] < SMALLEST

    def tick(self, threshold: float, factor: float = 1.0, size: float = 0.0) -> None:
        """Count a step with a threshold c, an L2 factor f and, where momentum moves rows, a step size."""
        if self.now + 1 == len(self._sums):
            parts = (self._products, self._sums, self._sizes)
            self._products, self._sums, self._sizes = (np.concatenate([part, part]) for part in parts)
        before, self.now = self.now, self.now + 1
        self._sums[self.now] = self._sums[before] + threshold / self._products[before]
        self._products[self.now] = self._products[before] * factor
        self._sizes[self.now] = size

    def since(self, stamps: NDArray[np.int64]) -> tuple[Floats, Floats]:
        """Return ratio and excess of rows that were last up to date at ``stamps``: t ← ratio × shrunk by excess."""
        then = self._products[stamps]
        return self._products[self.now] / then, then * (self._sums[self.now] - self._sums[stamps])

    def momentum_since(self, stamps: NDArray[np.int64], beta: float) -> tuple[Floats, Floats]:
        """Return Σ_k size_{τ+k} βᵏ, what a momentum has moved rows by since τ, and β^(now - τ), what is left of it."""
        gaps = self.now - stamps
        longest = int(gaps.max(initial=0))
        n_terms = min(longest, int(np.log(NEGLIGIBLE) / np.log(beta)) + 1) if beta > 0 else 0
        later = np.arange(1, n_terms + 1)
        powers = beta**later
        moved = np.zeros(len(stamps))
        for first in range(0, len(stamps), BLOCK):
            places = stamps[first : first + BLOCK, None] + later
            reached = np.where(places <= self.now, self._sizes[np.minimum(places, self.now)], 0.0)
            moved[first : first + BLOCK] = reached @ powers
        return moved, beta ** gaps.astype(np.float64)


class Missed(NamedTuple):
    """Rows that have missed steps, and the time on the clock when each was up to date."""

    rows: NDArray[np.int64]
    stamps: NDArray[np.int64]
    clock: Clock


class LazyRows:
    """The rows of a transform that wait: its clock, and the time on it when each row was up to date.

    Attributes
    ----------
    transform : Transform
    clock : Clock
    stamps : ndarray, shape (n,), int32
    """

    def __init__(self, transform: Transform) -> None:
        self.transform, self.clock = transform, Clock()
        self.stamps = np.zeros(transform.n_rows, np.int32)

    def missed(self, rows: Tensor | None) -> Missed:
        """Return those of ``rows`` (None: of all) that have missed steps."""
        if rows is None:
            behind = np.flatnonzero(self.stamps != self.clock.now)
        else:
            listed: NDArray[np.int64] = rows.cpu().numpy()
            behind = listed[self.stamps[listed] != self.clock.now]
        return Missed(behind, self.stamps[behind].astype(np.int64), self.clock)

    def tick(self, rows: Tensor | None, rule: Rule) -> None:
        """Count a step, which ``rows`` (None: all) have taken."""
        self.clock.tick(rule.threshold, rule.factor, rule.size)
        self.done(None if rows is None else rows.cpu().numpy())

    def done(self, rows: NDArray[np.int64] | None) -> None:
        """Note that ``rows`` are up to date; if all are, start afresh."""
        if rows is None:
            self.stamps[:] = 0
            self.clock.restart()
        else:
            self.stamps[rows] = self.clock.now
