"""What every estimator of the sparse wing shares: anchors, a transform, a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from slimvec.blocks import row_blocks
from slimvec.estimator import Estimator
from slimvec.progress import Progress, ignore
from slimvec.vocabulary import Vocabulary

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike, NDArray

    from slimvec.sparse.table import SparseTable
    from slimvec.vectors import Vectors


PLAIN = bool | int | float | str


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

    def compress(
        self,
        vectors: Vectors | ArrayLike,
        *,
        dtype: DTypeLike = "float32",
        progress: Progress = ignore,
        **fit_arguments: Any,
    ) -> SparseTable:
        """Fit on vectors and return them as a table of anchors and a sparse transform.

        Parameters
        ----------
        vectors : Vectors or array_like, shape (n, d)
            With words, the table answers by word; a bare matrix gives a table whose rows are numbers.
        dtype : {"float32", "float16", "int4"}
            How the table stores the numbers of A and T: see :class:`slimvec.SparseTable`.
        progress : callable, optional
            ``progress(stage, done, total)``.
        **fit_arguments
            Passed to ``fit``.

        Returns
        -------
        SparseTable
            Where anchors are words, they are named; where the method can code new vectors, so can the table.
        """
        from slimvec.sparse.product import Factors
        from slimvec.sparse.table import SparseTable

        self.fit(vectors, progress=progress, **fit_arguments)
        factors = Factors.from_csr(self.anchors_, self.transform_, dtype)
        words = getattr(vectors, "vocabulary", None)
        named = getattr(self, "anchor_rows_", None)
        anchor_words = None if words is None or named is None else Vocabulary(words[row] for row in named.tolist())
        return SparseTable.from_parts(
            factors, factors.inverse_norms(), words, anchor_words, self.coding_parameters(), self._description()
        )

    def coding_parameters(self) -> dict[str, Any] | None:
        """Return how new vectors are coded, in JSON's types, for the table; None if it cannot code any.

        Returns
        -------
        dict or None
            What :func:`slimvec.sparse.solvers.solver.encode` takes.
        """
        return None

    def _description(self) -> dict[str, Any]:
        """Return how the table was made, in JSON's types; parameters that JSON cannot hold are left out."""
        parameters = {name: value for name, value in self.get_params().items() if isinstance(value, PLAIN | None)}
        return {"method": type(self).__name__, "parameters": parameters}

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
