"""What every method that writes rows as sums of anchors shares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from slimvec.blocks import row_blocks
from slimvec.estimator import VectorEstimator, is_lazy, lazily
from slimvec.files.atomic import table_target
from slimvec.files.table_file import open_table
from slimvec.progress import Progress, ignore
from slimvec.sparse.parts import SparseParts
from slimvec.sparse.product import Product
from slimvec.sparse.table import SparseTable
from slimvec.validation import as_matrix
from slimvec.vectors.rows import MatrixRows, as_rows, as_training_rows, checksum, whole
from slimvec.vocabulary import Vocabulary

if TYPE_CHECKING:
    import os

    from numpy.typing import ArrayLike, DTypeLike, NDArray

    from slimvec.vectors.rows import Rows


class SparseEstimator(VectorEstimator):
    """Base of the methods that write embeddings as E = T A; ``_fit`` sets both.

    Their rows are in memory or mapped: files that can be read in order only are read whole.
    """

    anchors_: NDArray[np.float32]
    transform_: Any
    anchor_rows_: NDArray[np.int64] | None = None
    anchor_words_: tuple[str, ...] | None = None

    _seen: tuple[int, int, int] | None = None  # checksum of the rows that were fitted, if transform_ is of them

    def fit_transform(self, X: Rows | ArrayLike, y: None = None) -> Any:
        """Fit, and return the transform of the same vectors.

        Parameters
        ----------
        X : array_like, shape (n, d), or Vectors, VectorFile or other Rows
        y : None
            Ignored.

        Returns
        -------
        scipy.sparse.csr_array, shape (n, k), float32
            ``transform_``.
        """
        return self.fit(X, y)._contained(self.transform_, X)

    def inverse_transform(self, X: Any) -> NDArray[np.float32]:
        """Return the rows that a transform stands for, E = T A.

        Parameters
        ----------
        X : scipy.sparse array or array_like, shape (n, k)
            As ``transform`` or ``fit_transform`` gives it.

        Returns
        -------
        ndarray, shape (n, d), float32

        Raises
        ------
        ValueError
            If not fitted, or of another width.
        """
        self._require_fitted("anchors_")
        transform = X if hasattr(X, "tocsr") else as_matrix(X, "X")
        if transform.ndim != 2 or transform.shape[1] != len(self.anchors_):
            raise ValueError(f"X has shape {transform.shape}; expected (n, {len(self.anchors_)}), a column an anchor")
        return np.asarray(transform @ self.anchors_, np.float32)

    @property
    def _n_features_out(self) -> int:
        return len(self.anchors_)

    def compress(
        self,
        vectors: Rows | ArrayLike,
        *,
        dtype: DTypeLike = "float32",
        output: str | os.PathLike[str] | None = None,
        progress: Progress = ignore,
        **fit_arguments: Any,
    ) -> SparseTable:
        """Fit on vectors and return them as a table of anchors and a sparse transform: ``fit``, then :meth:`to_table`.

        Parameters
        ----------
        vectors : array_like, shape (n, d), or Vectors, VectorFile or other Rows
            With words, the table answers by word; a bare matrix gives a table whose rows are numbers.
        dtype, output, progress
            See :meth:`to_table`.
        **fit_arguments
            Passed to ``fit``.

        Returns
        -------
        SparseTable
            Where anchors are words, they are named; where the method can code new vectors, so can the table.

        Raises
        ------
        TypeError, ValueError
            As from ``fit``.
        OSError
            If the output cannot be written.
        """
        if output is not None:
            table_target(output)  # better said now than after an hour
        if is_lazy(vectors):
            return self.fit(vectors, progress=progress, **fit_arguments).to_table(vectors, dtype=dtype, output=output)
        rows = as_rows(vectors, "vectors")
        self.fit(rows, progress=progress, **fit_arguments)._remember_names(vectors)
        return self._table(self.transform_, rows.vocabulary, dtype, output)

    def to_table(
        self,
        source: Rows | ArrayLike,
        *,
        dtype: DTypeLike = "float32",
        output: str | os.PathLike[str] | None = None,
        progress: Progress = ignore,
    ) -> SparseTable:
        """Return vectors as a table on the anchors that were learnt before, from these vectors or from others.

        Parameters
        ----------
        source : array_like, shape (n, d), or Vectors, VectorFile or other Rows
            The rows that were fitted get ``transform_``; others are coded as ``transform`` does.
        dtype : {"float32", "float16", "int4"}
            How the table stores the numbers of A and T: see :class:`slimvec.SparseTable`.
        output : str or path, optional
            Write the table to this file, and return it opened.
        progress : callable, optional
            ``progress(stage, done, total)``.

        Returns
        -------
        SparseTable

        Raises
        ------
        ValueError
            If not fitted, of the wrong width, or not finite; or if the rows were not fitted, and the method can code no
            others.
        OSError
            If the output cannot be written.
        """
        self._require_fitted("anchors_")
        if output is not None:
            table_target(output)
        if is_lazy(source):
            return self._table(lazily().transform(self, source).compute(), None, dtype, output)
        self._check_names(source)
        rows = as_rows(source, "vectors", self.n_features_in_)
        held = MatrixRows(whole(rows, progress))
        transform = self.transform_ if checksum(held) == self._seen else self._code(held.matrix, progress)
        return self._table(transform, rows.vocabulary, dtype, output)

    def _learn_from(self, X: Rows | ArrayLike, progress: Progress, **extra: Any) -> Self:
        if is_lazy(X):
            self._require_no_extra(extra)
            return super()._learn_from(X, progress)
        rows = as_training_rows(X)
        matrix = whole(rows, progress)
        super()._learn_from(MatrixRows(matrix, rows.vocabulary), progress, **extra)
        self._remember_names(X)
        return self

    def _require_no_extra(self, extra: dict[str, Any]) -> None:
        for name, value in extra.items():
            if value is not None:
                raise TypeError(f"{name} is of all rows, and X is held by Dask in pieces; fit on a part of them")

    def _finish(self, rows: Rows) -> None:
        super()._finish(rows)
        self._seen = checksum(rows)
        words, named = rows.vocabulary, self.anchor_rows_
        self.anchor_words_ = None if words is None or named is None else tuple(words[row] for row in named.tolist())

    def _code(self, rows: NDArray[Any], progress: Progress) -> Any:  # noqa: ARG002 - for methods that can
        """Return the transform of rows that were not fitted."""
        name = type(self).__name__
        raise ValueError(
            f"vectors are not those that this {name} was fitted on, and it can code no others; use compress, which fits"
        )

    def _table(
        self,
        transform: Any,
        words: Vocabulary | None,
        dtype: DTypeLike,
        output: str | os.PathLike[str] | None,
    ) -> SparseTable:
        product = Product.from_csr(self.anchors_, transform, dtype)
        anchor_words = None if words is None or self.anchor_words_ is None else Vocabulary(self.anchor_words_)
        solver, made_by = self._solver_parameters(), self._description()
        parts = SparseParts(product, product.inverse_norms(), words, anchor_words, solver, made_by)
        table = SparseTable.from_parts(parts)
        if output is None:
            return table
        table.save(output)
        opened: SparseTable = open_table(output)
        return opened

    def _solver_parameters(self) -> dict[str, Any] | None:
        """Return how new vectors are coded, in JSON's types, for the table; None if it cannot code any."""
        return None

    @property
    def n_parameters_(self) -> int:
        """Numbers that define the embeddings, as the ANT paper counts them: k d for the anchors, and T's non-zeros."""
        self._require_fitted("transform_")
        return int(self.anchors_.size + self.transform_.nnz)


class CodingEstimator(SparseEstimator):
    """Base of methods that can code new rows; ``_code`` says how."""

    def transform(self, X: Rows | ArrayLike, *, progress: Progress = ignore) -> Any:
        """Code vectors on the fitted anchors.

        Parameters
        ----------
        X : array_like, shape (m, d), or Vectors, VectorFile or other Rows
            Of a ``dask.array`` the transform is one, too, whose blocks are ``csr_array``.
        progress : callable, optional
            ``progress(stage, done, total)``.

        Returns
        -------
        scipy.sparse.csr_array, shape (m, k), float32

        Raises
        ------
        ValueError
            If not fitted, of the wrong width, or not finite.
        """
        self._require_fitted("anchors_")
        if is_lazy(X):
            return lazily().transform(self, X)
        self._check_names(X)
        return self._contained(self._code(whole(as_rows(X, "X", self.n_features_in_), progress), progress), X)


class CountingEstimator(SparseEstimator):
    """Base of methods that may be told how often the objects of the rows occur; ``_fit`` takes ``counts``."""

    def fit(
        self,
        X: Rows | ArrayLike,
        y: None = None,  # noqa: ARG002
        *,
        counts: ArrayLike | None = None,
        progress: Progress = ignore,
    ) -> Self:
        """Learn from vectors.

        Parameters
        ----------
        X : array_like, shape (n, d), or Vectors, VectorFile or other Rows
        y : None
            Ignored, for scikit-learn's pipelines.
        counts : array_like, shape (n,), optional
            How often each row's object occurs; by default the first rows are the most frequent.
        progress : callable, optional
            ``progress(stage, done, total)``.

        Returns
        -------
        self
        """
        return self._learn_from(X, progress, counts=counts)


def relative_residual(rows: NDArray[Any], anchors: NDArray[np.float32], transform: Any) -> float:
    """Return ‖X - TA‖ / ‖X‖, block by block; 0 for rows that are all zero."""
    left = energy = 0.0
    for first, block in row_blocks(rows):
        exact = block.astype(np.float64)
        left += float(((exact - transform[first : first + len(block)] @ anchors) ** 2).sum())
        energy += float((exact**2).sum())
    return (left / energy) ** 0.5 if energy > 0 else 0.0
