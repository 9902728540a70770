"""What lists of rows add to an encoder: their centroids, as rows and as queries meet them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from slimvec.binary.encoder import Encoder, less
from slimvec.binary.rounding import CENTROID_PEAK, InBytes, Rounded, Whole
from slimvec.blas import gram, product
from slimvec.blocks import scale_of
from slimvec.centroids import Centroids

if TYPE_CHECKING:
    from numpy.typing import NDArray

TOLD = 0.85  # of the squares of centroids: then twice as many lists as are read hold nearly all of the right ones
FEWEST = 1024  # lists: fewer are soon looked at whole


class Lead(NamedTuple):
    """Centroids along a few directions, which tell most of them: the first look that a query takes at lists.

    Attributes
    ----------
    directions : ndarray, shape (d, r), float32
    rows : InBytes
        ``(n_lists, r)``: a query reads all of them, and has a second look at the best.
    at_mean : ndarray, shape (r,), float32
        The mean along the directions.
    """

    directions: NDArray[np.float32]
    rows: InBytes
    at_mean: NDArray[np.float32]


class ListCentroids(Encoder):
    """An encoder that puts rows in lists, by the centroid nearest to each.

    Attributes
    ----------
    centroids : ndarray, shape (n_lists, d), float32
    """

    centroids: NDArray[np.float32]

    in_lists: ClassVar[bool] = True
    spills: bool = False

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what a file holds of it, by name."""
        return super().arrays() | {"centroids": self.centroids}

    @cached_property
    def rounded(self) -> Whole:
        """The centroids as queries meet them.

        Both are integers, so that which lists a query reads, and what these add to its scores, does not depend on the
        queries beside it.
        """
        return Whole.of(Rounded.of(self.centroids.astype(np.float64), CENTROID_PEAK), CENTROID_PEAK)

    def lead_at_mean(self, unit: float) -> NDArray[np.float32]:
        """Return the mean along the directions of the lead, in units; empty where there is none."""
        if self.lead is None:
            return np.empty(0, np.float32)
        return self.lead.at_mean if unit == 1 else self.lead.at_mean / np.float32(unit)

    @cached_property
    def lead(self) -> Lead | None:
        """What is looked at first; None where lists are few, or their centroids spread along most directions."""
        n, d = self.centroids.shape
        if n < FEWEST:
            return None
        energies, directions = np.linalg.eigh(gram(self.centroids))
        told = np.cumsum(energies[::-1]) >= TOLD * energies.sum()
        width = 32 * -(-(int(told.argmax()) + 1) // 32)  # integers fill whole registers
        if 2 * width > d:
            return None
        leading = np.asarray(directions[:, : -width - 1 : -1], np.float32)
        rows = InBytes.of(product(self.centroids, leading).astype(np.float64))
        return Lead(leading, rows, self.mean @ leading)

    @cached_property
    def frame(self) -> NDArray[np.float32]:
        """The directions of codes, then those of the lead."""
        own = super().frame
        return own if self.lead is None else np.hstack([own, self.lead.directions])

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
        """Return the list whose centroid is nearest to each row of a block, ``(m,)``; of very many, nearly so."""
        with np.errstate(over="ignore", invalid="ignore"):  # reported when the row is coded
            return self._grouped.nearest(less(block, self.mean).astype(np.float32) / self._scale)

    def assign_second(self, block: NDArray[Any], lists: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return another list for each row of a block than its own, ``(m,)``."""
        with np.errstate(over="ignore", invalid="ignore"):  # as above
            rows = less(block, self.mean).astype(np.float32) / self._scale
            return self._grouped.second(rows, lists)

    def squared_errors(self, block: NDArray[Any], lists: NDArray[np.int32]) -> NDArray[np.float64]:
        """Return for each list the sum of ‖x - c_l‖² over the rows of a block that are in it, for :meth:`spreads`."""
        with np.errstate(over="ignore", invalid="ignore"):  # reported when the row is coded
            rest = less(block, self.centroids[lists]).astype(np.float32) / self._scale
            squares = np.einsum("ij,ij->i", rest, rest, dtype=np.float64)
        sums: NDArray[np.float64] = np.bincount(lists, squares, len(self.centroids)).astype(np.float64)
        return sums

    def spreads(self, squared_errors: NDArray[np.float64], sizes: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the root mean square distance of the rows of each list from its centroid, ``(n_lists,)``."""
        with np.errstate(over="ignore"):
            return (np.sqrt(squared_errors / np.maximum(sizes, 1)) * self._scale).astype(np.float32)

    @cached_property
    def _grouped(self) -> Centroids:
        return Centroids.of(self.from_mean / self._scale)

    @cached_property
    def _scale(self) -> np.float32:
        """What rows are measured in where they meet centroids, so that float32 has room for their squares."""
        return np.float32(scale_of(self.from_mean))
