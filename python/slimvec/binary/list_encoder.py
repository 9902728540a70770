"""An encoder that codes what is left of a row when the centroid of its list is taken off."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

import numpy as np

from slimvec.binary.encoder import GridEncoder, less
from slimvec.binary.rounding import Rounded
from slimvec.blas import nearest, product

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slimvec.binary.levels import Quantized

PEAK = 2047  # kCentroidPeak of cpp/kernels/kernels.hpp


@dataclass(frozen=True, eq=False)
class ListEncoder(GridEncoder):
    """A grid over x - c_l, where c_l is the centroid nearest to x; one projection for all lists.

    With z = Pᵀ(x - c_l) ≈ s c a product is

        ⟨x, q⟩ ≈ s ⟨c, Pᵀ(q - m)⟩ + [⟨x - c_l, c_l⟩ - s ⟨c, Pᵀ(c_l - m)⟩] + ⟨c_l, q⟩,

    so that a query is projected once, the bracket is the bias of a row, and the list adds a number of its own.

    Attributes
    ----------
    centroids : ndarray, shape (n_lists, d), float32
    """

    centroids: NDArray[np.float32]

    in_lists: ClassVar[bool] = True

    @classmethod
    def over(cls, encoder: GridEncoder, centroids: NDArray[np.float32]) -> Self:
        """Return what takes off centroids and then does as ``encoder``."""
        own = encoder.mean, encoder.projection, encoder.directions, encoder.grid, encoder.removed
        return cls(*own, centroids)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what a file holds of it, by name."""
        return super().arrays() | {"centroids": self.centroids}

    @cached_property
    def rounded(self) -> Rounded:
        """The centroids as queries meet them.

        Both are integers, so that which lists a query reads, and what these add to its scores, does not depend on the
        queries beside it.
        """
        return Rounded.of(self.centroids.astype(np.float64), PEAK)

    @cached_property
    def inverse_norms(self) -> NDArray[np.float32]:
        """1 / ‖c_l‖, ``(n_lists,)``; 1 for one of zeros."""
        norms = np.linalg.norm(self.centroids.astype(np.float64), axis=1)
        inverse: NDArray[np.float32] = np.divide(1, norms, out=np.ones_like(norms), where=norms > 0).astype(np.float32)
        return inverse

    @cached_property
    def half_squares(self) -> NDArray[np.float64]:
        """‖c_l‖² / 2, ``(n_lists,)``."""
        wide = self.centroids.astype(np.float64)
        halves: NDArray[np.float64] = np.einsum("ij,ij->i", wide, wide) / 2
        return halves

    @cached_property
    def from_mean(self) -> NDArray[np.float32]:
        """c_l - m, ``(n_lists, d)``."""
        return self.centroids - self.mean

    def assign(self, block: NDArray[Any]) -> NDArray[np.int32]:
        """Return the list whose centroid is nearest to each row of a block, ``(m,)``, ties to the first."""
        unit = np.float32(self.grid.unit)
        with np.errstate(over="ignore", invalid="ignore"):  # reported when the row is coded
            rows = less(block, self.mean).astype(np.float32) / unit
            return nearest(rows, self.from_mean / unit)

    def centres(self, lists: NDArray[np.integer] | None) -> NDArray[np.float32]:
        """Return the centroids of lists, which every row has."""
        centres: NDArray[np.float32] = self.centroids[cast("NDArray[np.integer]", lists)]
        return centres

    def biases(self, vectors: NDArray[np.float32], norm: float, made: Quantized) -> NDArray[np.float32]:
        """Return the bracket above of vectors, which are measured in ``norm``, as scales are."""
        centres = self.centres(made.lists) / np.float32(norm)
        coded = self.grid.values(made.codes, made.scales.astype(np.float16).astype(np.float32))
        shifts = self.shifts[cast("NDArray[np.int32]", made.lists)] / np.float32(norm)
        biases = np.einsum("ij,ij->i", vectors - centres, centres) - np.einsum("ij,ij->i", coded, shifts)
        return np.asarray(biases, np.float32)

    @cached_property
    def shifts(self) -> NDArray[np.float32]:
        """c_l - m along the directions, ``(n_lists, r)``."""
        shifts: NDArray[np.float32] = product(self.from_mean, self.directions)
        return shifts
