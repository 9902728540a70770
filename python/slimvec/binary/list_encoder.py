"""Encoders of rows in lists: of what is left when the centroid is taken off, and of signs of the rows themselves."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Self, cast

import numpy as np

from slimvec.binary.encoder import Columns, GridEncoder
from slimvec.binary.list_centroids import ListCentroids
from slimvec.blas import product

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slimvec.binary.levels import Quantized


@dataclass(frozen=True, eq=False)
class ListEncoder(ListCentroids, GridEncoder):
    """A grid over x - c_l, where c_l is the centroid nearest to x; one projection for all lists.

    With z = Pᵀ(x - c_l) ≈ s c a product is

        ⟨x, q⟩ ≈ s ⟨c, Pᵀ(q - m)⟩ + [⟨x - c_l, c_l⟩ - s ⟨c, Pᵀ(c_l - m)⟩] + ⟨c_l, q⟩,

    so that a query is projected once, the bracket is the bias of a row, and the list adds a number of its own.

    Attributes
    ----------
    centroids
        See :class:`ListCentroids`.
    spills : bool
        Whether rows have a code in a second list, too.
    """

    centroids: NDArray[np.float32]
    spills: bool = False

    @property
    def _scale(self) -> np.float32:
        return np.float32(self.grid.unit)

    @classmethod
    def over(cls, encoder: GridEncoder, centroids: NDArray[np.float32], spills: bool = False) -> Self:
        """Return what takes off centroids and then does as ``encoder``."""
        own = encoder.mean, encoder.projection, encoder.directions, encoder.grid, encoder.removed
        return cls(*own, centroids, spills)

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


@dataclass(frozen=True, eq=False)
class SignListEncoder(ListCentroids):
    """Signs of whole rows, of which lists say only where they lie: distances between codes go on meaning something.

    Attributes
    ----------
    centroids
        See :class:`ListCentroids`.
    """

    centroids: NDArray[np.float32]

    @cached_property
    def columns(self) -> Columns | None:
        """Of each bit its direction, where those of a lead come behind."""
        if self.lead is None:
            return None
        return Columns(np.arange(self.n_bits, dtype=np.uint32), np.ones(self.n_bits, np.float32))
