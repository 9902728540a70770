"""Matrices in product quantization, as fastText's ``.ftz`` files hold them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

N_CENTROIDS = 256  # of each part: a byte names one


@dataclass(frozen=True, eq=False)
class QuantizedMatrix:
    """Rows cut into parts, each of which is one of 256 centroids.

    Attributes
    ----------
    codes : ndarray of uint8, shape (n, n_parts)
    centroids : ndarray of float32, shape (dim * 256,)
        Of the first part, of the second, and so on; the last part may be narrower.
    dim, width : int
        Width of the rows, and of their parts.
    norms : ndarray of float32, shape (n,), optional
        What rows are multiplied by.
    """

    codes: NDArray[np.uint8]
    centroids: NDArray[np.float32]
    dim: int
    width: int
    norms: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, numbers: NDArray[np.integer]) -> NDArray[np.float32]:
        """Return some rows, by their numbers."""
        codes = self.codes[numbers]
        rows = np.empty((len(codes), self.dim), np.float32)
        for part, first in enumerate(range(0, self.dim, self.width)):
            columns = slice(first, min(first + self.width, self.dim))
            own = self.centroids[N_CENTROIDS * columns.start : N_CENTROIDS * columns.stop]
            rows[:, columns] = own.reshape(N_CENTROIDS, -1)[codes[:, part]]
        if self.norms is not None:
            rows *= self.norms[numbers][:, None]
        return rows
