"""From float vectors to codes: centre, project, take signs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.binary.codes import pack
from slimvec.blas import product
from slimvec.validation import check_finite
from slimvec.vectors.rows import as_rows

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from slimvec.vectors.rows import Rows


@dataclass(frozen=True, eq=False)
class Encoder:
    """What turns vectors into codes; stored with a table, so that new vectors meet old codes.

    Attributes
    ----------
    mean : ndarray, shape (d,), float32
        Subtracted first.
    projection : ndarray, shape (d, n_bits), float32
        Multiplied next; the codes are the signs.
    """

    mean: NDArray[np.float32]
    projection: NDArray[np.float32]

    def project(self, block: NDArray[Any]) -> NDArray[np.float32]:
        """Return (x - mean)ᵀ projection for each row x of a block, ``(m, n_bits)`` float32."""
        centred = np.subtract(block, self.mean, dtype=np.result_type(block, np.float32), order="C")
        projected: NDArray[np.float32] = product(centred.astype(np.float32, copy=False), self.projection)
        return projected

    def reconstruct(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return mean + projection · z for rows z ``(m, n_bits)``: vectors in the original space, ``(m, d)``."""
        rows: NDArray[np.float32] = values @ self.projection.T
        rows += self.mean
        return rows

    def encode(self, vectors: Rows | ArrayLike, name: str) -> NDArray[np.uint8]:
        """Return the packed codes of ``vectors (n, d)``, which errors call ``name``."""
        codes, first = [], 0
        for block in as_rows(vectors, name, len(self.mean)).blocks():
            codes.append(pack(self.project_finite(block, name, first)))
            first += len(block)
        return np.concatenate(codes) if codes else pack(np.empty((0, self.projection.shape[1]), np.float32))

    def project_finite(self, block: NDArray[Any], name: str, first_row: int) -> NDArray[np.float32]:
        """Return :meth:`project` of one block of ``name``, refusing what is not finite.

        Its first row has the number ``first_row``.
        """
        with np.errstate(over="ignore", invalid="ignore"):  # reported just below
            values = self.project(block)
        check_finite(values, name, first_row)
        return values
