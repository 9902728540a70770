"""What every estimator of the sparse wing shares: anchors, a transform, a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from slimvec.blocks import row_blocks
from slimvec.estimator import Estimator
from slimvec.progress import Progress, ignore

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from slimvec.vectors import Vectors


class SparseEstimator(Estimator):
    """Base of the methods that write embeddings as E = T A. Subclasses have ``fit``, which sets both."""

    anchors_: NDArray[np.float32]
    transform_: Any

    def fit(self, X: ArrayLike | Vectors, y: None = None, *, progress: Progress = ignore) -> Self:
        """Learn anchors and transform; each subclass has its own."""
        raise NotImplementedError

    def fit_transform(self, X: ArrayLike | Vectors, y: None = None) -> Any:
        """Fit, and return the transform of the same vectors.

        Parameters
        ----------
        X : array_like, shape (n, d), or Vectors
        y : None
            Ignored.

        Returns
        -------
        scipy.sparse.csr_array, shape (n, k), float32
            ``transform_``.
        """
        return self.fit(X, y).transform_

    def compress(self, vectors: Vectors | ArrayLike, *, progress: Progress = ignore, **fit_arguments: Any) -> Any:
        """Fit on vectors and return them as a table of anchors and a sparse transform.

        Parameters
        ----------
        vectors : Vectors or array_like, shape (n, d)
            With words, the table answers by word; a bare matrix gives a table whose rows are numbers.
        progress : callable, optional
            ``progress(stage, done, total)``.
        **fit_arguments
            Passed to ``fit``.

        Returns
        -------
        SparseTable
        """
        from slimvec.sparse.table import SparseTable

        self.fit(vectors, progress=progress, **fit_arguments)
        return SparseTable(self.anchors_, self.transform_, words=getattr(vectors, "words", None))

    @property
    def n_parameters_(self) -> int:
        """Numbers that define the embeddings, as the ANT paper counts them: k d for the anchors, and T's non-zeros."""
        self._require_fitted("transform_")
        return int(self.anchors_.size + self.transform_.nnz)


def relative_residual(rows: NDArray[Any], anchors: NDArray[np.float32], transform: Any) -> float:
    """Return ‖X - TA‖ / ‖X‖, block by block; 0 for rows that are all zero."""
    left = whole = 0.0
    for first, block in row_blocks(rows):
        exact = block.astype(np.float64)
        left += float(((exact - transform[first : first + len(block)] @ anchors) ** 2).sum())
        whole += float((exact**2).sum())
    return (left / whole) ** 0.5 if whole > 0 else 0.0
