"""Methods that code a row by the centroids near it: vocabulary quantisation and Post-SH."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.sparse.methods.base import CodingEstimator
from slimvec.sparse.solvers.atoms import blocks_for, sample_rows, to_unit
from slimvec.sparse.solvers.running import sparse, stack
from slimvec.sparse.training.kmeans import kmeans, nearest
from slimvec.validation import as_anchor_count, as_generator, as_integer, as_steps

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slimvec.progress import Progress
    from slimvec.vectors.rows import MatrixRows


DEFAULT_TRAIN_ROWS = 20_000


class _Clustered(CodingEstimator):
    """Anchors are centroids; how rows are written by them is the subclass's."""

    n_anchors: int
    n_iter: int
    max_train_rows: int | None
    random_state: int | np.random.Generator | np.random.RandomState | None

    def _fit(self, X: MatrixRows, progress: Progress) -> None:
        rows = X.matrix
        k = as_anchor_count(self.n_anchors, len(rows))
        self._check(k)
        generator = as_generator(self.random_state)
        sample, _ = sample_rows(rows, self.max_train_rows, k, generator)
        n_iter = as_steps(self.n_iter, "n_iter", 0)
        self.anchors_ = kmeans(self._prepare(sample), k, generator, n_iter, progress)
        self._after_clustering(sample)
        self.transform_ = self._code(rows, progress)

    def _code(self, rows: NDArray[Any], progress: Progress) -> Any:  # noqa: ARG002 - clustering is what takes time
        k = len(self.anchors_)
        parts = []
        for _, block in blocks_for(self.anchors_, rows):
            columns, values = self._nearest(block)
            indptr = np.arange(len(block) + 1) * columns.shape[1]
            parts.append(sparse().csr_array((values.ravel(), columns.ravel(), indptr), shape=(len(block), k)))
            parts[-1].sort_indices()
        return stack(parts, k)

    def _check(self, k: int) -> None:
        """Raise ValueError or TypeError for what other parameters do not go with so many anchors."""

    def _prepare(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return rows as they are clustered."""
        return rows

    def _after_clustering(self, sample: NDArray[np.float32]) -> None:
        """Set what else coding needs."""

    def _nearest(self, rows: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the columns and values of some rows of T, both ``(m, s)``."""
        raise NotImplementedError


@dataclass(eq=False, repr=False)
class VocabularyQuantization(_Clustered):
    """Every row becomes the nearest of k centroids, with a weight: ANT with one non-zero per row.

    Parameters
    ----------
    n_anchors : int
        k.
    weighted : bool
        Cluster directions, and store how far each row goes along its centroid's, as model2vec's
        ``vocabulary_quantization`` keeps a weight per token. Without, plain k-means: values are 1.
    n_iter : int
        Iterations of k-means.
    max_train_rows : int, optional
        Rows that are clustered, drawn at random; ``None`` takes all.
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None

    Attributes
    ----------
    anchors_ : ndarray, shape (k, d), float32
    transform_ : scipy.sparse.csr_array, shape (n, k), float32

    Raises
    ------
    ValueError
        From ``fit``: more centroids than rows, an empty matrix, NaN.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 3.0]])
    >>> quantized = VocabularyQuantization(n_anchors=2).fit(X)
    >>> (quantized.transform_ @ quantized.anchors_).round(3).tolist()
    [[1.0, 0.0], [2.0, 0.0], [0.0, 3.0]]
    """

    n_anchors: int = 1000
    _: KW_ONLY
    weighted: bool = True
    n_iter: int = 25
    max_train_rows: int | None = DEFAULT_TRAIN_ROWS
    random_state: int | np.random.Generator | np.random.RandomState | None = 0

    def _prepare(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        return to_unit(rows)[0] if self.weighted else rows

    def _after_clustering(self, sample: NDArray[np.float32]) -> None:  # noqa: ARG002
        self._of_directions = self.weighted  # as the centroids are, whatever is set later

    def _nearest(self, rows: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        columns, _ = nearest(to_unit(rows)[0] if self._of_directions else rows, self.anchors_)
        if not self._of_directions:
            return columns, np.ones((len(rows), 1), np.float32)
        chosen = self.anchors_[columns[:, 0]]
        along = np.einsum("ij,ij->i", rows, chosen)
        squares = np.maximum(np.einsum("ij,ij->i", chosen, chosen), np.float32(1e-30))
        return columns, (along / squares)[:, None].astype(np.float32)


@dataclass(eq=False, repr=False)
class PostSH(_Clustered):
    r"""Every row becomes a mean of the s centroids nearest to it, weighted by similarity: Post-SH (Guo et al. 2017).

    Parameters
    ----------
    n_anchors : int
        Clusters; the ANT paper runs 500 and 1000.
    nonzeros : int
        s, how many centroids a row uses: 10 and 20 there.
    n_iter, max_train_rows, random_state
        See :class:`VocabularyQuantization`.

    Attributes
    ----------
    anchors_ : ndarray, shape (k, d), float32
    transform_ : scipy.sparse.csr_array, shape (n, k), float32
        Non-negative rows that sum to 1.
    bandwidth_ : float
        σ: the mean squared distance of a row to its s-th centroid.

    Raises
    ------
    ValueError
        From ``fit``: more centroids than rows, more non-zeros than centroids, an empty matrix, NaN.

    Notes
    -----
    Weights are exp(-‖x - a‖² / σ), divided by their sum. Guo et al. leave the bandwidth to the user.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).standard_normal((50, 4))
    >>> T = PostSH(n_anchors=8, nonzeros=3).fit_transform(X)
    >>> bool(np.allclose(T.sum(axis=1), 1)), T.nnz
    (True, 150)
    """

    n_anchors: int = 1000
    nonzeros: int = 10
    _: KW_ONLY
    n_iter: int = 25
    max_train_rows: int | None = DEFAULT_TRAIN_ROWS
    random_state: int | np.random.Generator | np.random.RandomState | None = 0

    def _check(self, k: int) -> None:
        as_integer(self.nonzeros, "nonzeros", 1, k, why=f": there are {k} anchors")

    def _after_clustering(self, sample: NDArray[np.float32]) -> None:
        self.bandwidth_ = float(nearest(sample, self.anchors_, self.nonzeros)[1][:, -1].mean()) or 1.0

    def _nearest(self, rows: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        columns, distances = nearest(rows, self.anchors_, self.nonzeros)
        weights = np.exp((distances[:, :1] - distances) / self.bandwidth_)  # relative to the nearest: no underflow
        return columns, (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
