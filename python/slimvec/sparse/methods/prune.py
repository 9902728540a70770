"""Magnitude pruning: the largest entries stay, the others become zero."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.sparse.methods.base import CodingEstimator
from slimvec.sparse.solvers.atoms import float32_blocks
from slimvec.sparse.solvers.running import sparse

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slimvec.progress import Progress
    from slimvec.vectors.rows import MatrixRows


@dataclass(eq=False, repr=False)
class Prune(CodingEstimator):
    """Keep the largest entries of the whole matrix by magnitude: ANT with A = I.

    Parameters
    ----------
    sparsity : float
        The part of all entries that becomes zero, from 0 to below 1; the IIQ paper takes .95. One threshold for all
        rows ("class-blind" in [1]_), so a row may keep none.

    Attributes
    ----------
    anchors_ : ndarray, shape (d, d), float32
        The identity.
    transform_ : scipy.sparse.csr_array, shape (n, d), float32
        What is left of the matrix.
    threshold_ : float
        The smallest magnitude kept.

    Raises
    ------
    ValueError
        From ``fit``: a sparsity out of bounds, an empty matrix, NaN.

    References
    ----------
    .. [1] A. See, M.-T. Luong, C. D. Manning, "Compression of Neural Machine Translation Models via Pruning", 2016.

    Examples
    --------
    >>> Prune(sparsity=0.5).fit_transform([[3.0, -1.0], [0.5, -2.0]]).toarray()
    array([[ 3.,  0.],
           [ 0., -2.]], dtype=float32)
    """

    sparsity: float = 0.95

    def _fit(self, X: MatrixRows, progress: Progress) -> None:
        rows = X.matrix
        if not 0 <= self.sparsity < 1:
            raise ValueError(f"sparsity={self.sparsity}; expected at least 0 and below 1")
        magnitudes = np.empty(rows.shape, np.float32)
        for first, block in float32_blocks(rows):
            np.abs(block, out=magnitudes[first : first + len(block)])
        kept = max(1, round((1 - self.sparsity) * rows.size))
        magnitudes.ravel().partition(rows.size - kept)
        self.threshold_ = float(magnitudes.ravel()[rows.size - kept])
        self.anchors_ = np.eye(rows.shape[1], dtype=np.float32)
        self.transform_ = self._code(rows, progress)

    def _code(self, rows: NDArray[Any], progress: Progress) -> Any:  # noqa: ARG002 - it takes no time
        parts = [
            sparse().csr_array(np.where(np.abs(block) >= self.threshold_, block, np.float32(0)))
            for _, block in float32_blocks(rows)
        ]
        return sparse().vstack(parts, format="csr") if parts else sparse().csr_array(rows.shape, dtype=np.float32)

    @property
    def n_parameters_(self) -> int:
        """Numbers that define the embeddings: the entries left. The identity needs none."""
        self._require_fitted("transform_")
        return int(self.transform_.nnz)
