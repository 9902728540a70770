"""Hashing: every row shares a few of the anchors, at places that only its number decides."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING

import numpy as np

from slimvec.sparse.methods.base import SparseEstimator
from slimvec.sparse.solvers.atoms import float32_blocks
from slimvec.sparse.solvers.pursuit import refit
from slimvec.sparse.solvers.running import sparse
from slimvec.sparse.training.dictionary import DirectionMoments
from slimvec.validation import as_anchor_count, as_generator, as_integer, as_steps

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from slimvec.progress import Progress
    from slimvec.vectors.rows import MatrixRows


@dataclass(eq=False, repr=False)
class HashEmbedding(SparseEstimator):
    """Rows as sums of the anchors that hashing gives them, E_w = Σ_i p_w^(i) A[h_i(w)]: ANT with a fixed support.

    Parameters
    ----------
    n_anchors : int
        Buckets.
    n_hashes : int
        Hash functions. 1 without importance is plain bucketing, the hashing trick.
    importance : bool
        Learn the p_w^(i) [1]_; otherwise all are 1.
    n_rounds : int
        Rounds of least squares in turns: anchors given importances, importances given anchors.
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None
        Chooses the hash functions.

    Attributes
    ----------
    anchors_ : ndarray, shape (n_anchors, d), float32
    transform_ : scipy.sparse.csr_array, shape (n, n_anchors), float32

    Raises
    ------
    ValueError
        From ``fit``: no bucket, more hashes than buckets, an empty matrix, NaN.

    Notes
    -----
    Fitted to the vectors after the fact, where the paper trains with the task. The hash functions are random tables,
    one entry per row; two hashes of a row never fall in the same bucket.

    References
    ----------
    .. [1] D. Svenstrup, J. M. Hansen, O. Winther, "Hash Embeddings for Efficient Word Representations", NIPS 2017.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).standard_normal((60, 4))
    >>> HashEmbedding(n_anchors=10, n_hashes=2).fit(X).transform_.nnz
    120
    """

    n_anchors: int = 1000
    n_hashes: int = 2
    _: KW_ONLY
    importance: bool = True
    n_rounds: int = 5
    random_state: int | np.random.Generator | np.random.RandomState | None = 0

    def _fit(self, X: MatrixRows, progress: Progress) -> None:
        rows = X.matrix
        k = as_anchor_count(self.n_anchors, None)
        n_hashes = as_integer(self.n_hashes, "n_hashes", 1, k, why=f": there are {k} anchors")
        n_rounds = as_steps(self.n_rounds, "n_rounds", 0) if self.importance else 0
        generator = as_generator(self.random_state)
        transform = _hash(len(rows), k, n_hashes, self.importance, generator)
        anchors = self._fit_anchors(rows, transform)
        for round_ in range(n_rounds):
            transform = refit(rows, anchors, transform)
            anchors = self._fit_anchors(rows, transform)
            progress("learning importances", round_ + 1, n_rounds)
        self.anchors_, self.transform_ = anchors, transform

    @staticmethod
    def _fit_anchors(rows: NDArray[Any], transform: Any) -> NDArray[np.float32]:
        """Return the anchors that fit best; one that no row uses is zero."""
        k, d = transform.shape[1], rows.shape[1]
        moments = DirectionMoments(k, d)
        for first, block in float32_blocks(rows):
            moments.update(transform[first : first + len(block)], block)
        return moments.finalize(np.zeros((k, d), np.float32)).astype(np.float32)


def _hash(n: int, k: int, n_hashes: int, signed: bool, generator: np.random.Generator) -> Any:
    """Return a transform with ``n_hashes`` distinct columns per row.

    Values are 1, or, where they are to be learnt, random signs: from equal values no round of learning could leave.
    """
    columns = generator.integers(0, k, (n, 1))
    for i in range(1, n_hashes):  # the i-th column is drawn from the k - i buckets that are left
        fresh = generator.integers(0, k - i, n)
        for taken in np.sort(columns, axis=1).T:
            fresh += fresh >= taken
        columns = np.column_stack([columns, fresh])
    values = generator.choice([-1.0, 1.0], columns.shape) if signed else np.ones(columns.shape)
    indptr = np.arange(n + 1) * n_hashes
    transform = sparse().csr_array((values.astype(np.float32).ravel(), columns.ravel(), indptr), shape=(n, k))
    transform.sort_indices()
    return transform
