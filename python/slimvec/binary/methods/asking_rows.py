"""Rows of a sample that ask for their nearest others by cosine: how learnt codes are tried."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


NOTHING = 1e-5  # of the squares that cancel: float32 leaves some ten millionths


@dataclass(frozen=True, eq=False)
class AskingRows:
    """Sampled rows, of which some ask.

    Attributes
    ----------
    values : ndarray, shape (n, r), float32
        Sampled rows, centred, along directions in which rows vary.
    mean : ndarray, shape (r,), float32
        What was taken off them.
    places : ndarray, shape (n_asking,), int64
        Which of them ask.
    """

    values: NDArray[np.float32]
    mean: NDArray[np.float32]
    places: NDArray[np.int64]

    @classmethod
    def of(cls, values: NDArray[np.float32], mean: NDArray[np.float32], most: int) -> AskingRows:
        """Return a sample of which at most so many rows ask, from everywhere in it."""
        n = len(values)
        return cls(values, mean, np.unique(np.linspace(0, n - 1, min(n, most)).astype(np.int64)))

    @cached_property
    def weights(self) -> NDArray[np.float32]:
        """1 / ‖x‖ of all rows; 0 for one of zeros, which is the mean less itself but for rounding."""
        terms = np.einsum("ij,ij->i", self.values, self.values) + self.mean @ self.mean
        squares = terms + 2 * self._offsets
        norms = np.sqrt(np.where(squares > NOTHING * terms, squares, 0))
        weights: NDArray[np.float32] = np.divide(1, norms, out=np.zeros_like(norms), where=norms > 0)
        return weights

    def scores(self, some: NDArray[np.int64], rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what some that ask score with estimates of all rows, up to their own length; never with themselves."""
        found: NDArray[np.float32] = self.values[some] @ rows.T
        found += self._offsets
        found += self._offsets[some, None] + self.mean @ self.mean
        found *= self.weights
        found[np.arange(len(some)), some] = -np.inf
        return found

    @cached_property
    def _offsets(self) -> NDArray[np.float32]:
        offsets: NDArray[np.float32] = self.values @ self.mean
        return offsets
