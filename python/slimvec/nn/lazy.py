"""Lazy rows: which rows of a transform are behind, and by how much."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.nn.clock import Clock

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass
class Lazy:
    """A transform whose untouched rows wait: its clock, and the step up to which each row is done.

    Attributes
    ----------
    transform : DenseTransform or SlotTransform
    clock : Clock
    stamps : ndarray, shape (n,), int32
    """

    transform: Any
    clock: Clock = field(default_factory=Clock)
    stamps: NDArray[np.int32] = field(init=False)

    def __post_init__(self) -> None:
        self.stamps = np.zeros(self.transform.n_rows, np.int32)

    def behind(self, rows: NDArray[np.int64] | None) -> NDArray[np.int64]:
        """Return those of ``rows`` (None: of all) that have missed steps."""
        if rows is None:
            return np.flatnonzero(self.stamps != self.clock.now)
        return rows[self.stamps[rows] != self.clock.now]

    def done(self, rows: NDArray[np.int64] | None) -> None:
        """Note that ``rows`` are up to date; if all are, start afresh."""
        if rows is None:
            self.stamps[:] = 0
            self.clock.restart()
        else:
            self.stamps[rows] = self.clock.now
