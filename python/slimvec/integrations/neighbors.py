"""For scikit-learn: nearest neighbours by an index, as its ``NearestNeighbors`` and ``KNeighborsTransformer``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from slimvec.index.index import Index
from slimvec.validation import as_integer

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

MODES = ("distance", "connectivity")


class SlimNeighbors(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Nearest neighbours by cosine distance, estimated from codes.

    In a pipeline it is a transformer: its sparse graph is what estimators with ``metric="precomputed"`` take.

    Parameters
    ----------
    n_neighbors : int
    mode : {"distance", "connectivity"}
        What the graph of ``transform`` holds: distances, of one neighbour more, since a row is its own, or ones.
    recall : float, optional
        See :meth:`slimvec.Index.build`.
    n_bits, refine_bits : int, optional
        See :meth:`slimvec.Index.build`.

    Attributes
    ----------
    index_ : Index
        With the numbers of the fitted rows as ids.
    n_samples_fit_ : int
    n_features_in_ : int

    Examples
    --------
    >>> import numpy as np
    >>> from slimvec.integrations.neighbors import SlimNeighbors
    >>> X = np.random.default_rng(0).standard_normal((500, 64))
    >>> found = SlimNeighbors(n_neighbors=3).fit(X)
    >>> distances, rows = found.kneighbors(X[:2])
    >>> rows[:, 0]
    array([0, 1])
    """

    def __init__(
        self,
        n_neighbors: int = 5,
        *,
        mode: str = "distance",
        recall: float | None = None,
        n_bits: int | None = None,
        refine_bits: int | None = None,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.mode = mode
        self.recall = recall
        self.n_bits = n_bits
        self.refine_bits = refine_bits

    def fit(self, X: ArrayLike, y: Any = None) -> Self:  # noqa: ARG002
        """Make an index of rows.

        Parameters
        ----------
        X : array_like, shape (n, d)
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            For parameters out of range, and as :meth:`slimvec.Index.build`.
        """
        as_integer(self.n_neighbors, "n_neighbors", 1)
        if self.mode not in MODES:
            raise ValueError(f"mode={self.mode!r}; expected one of {MODES}")
        rows = validate_data(self, X, dtype=[np.float64, np.float32])
        self.index_ = Index.build(rows, recall=self.recall, n_bits=self.n_bits, refine_bits=self.refine_bits)
        self.n_samples_fit_ = len(rows)
        self._fitted = rows if rows.base is None else rows.copy()
        return self

    def kneighbors(
        self, X: ArrayLike | None = None, n_neighbors: int | None = None, return_distance: bool = True
    ) -> Any:
        """Find the rows nearest to each query.

        Parameters
        ----------
        X : array_like, shape (m, d), optional
            By default the fitted rows, none of which is then its own neighbour.
        n_neighbors : int, optional
        return_distance : bool

        Returns
        -------
        distances : ndarray, shape (m, n_neighbors), float64
            1 - cosine, estimated, from 0 to 2. Only if ``return_distance``.
        indices : ndarray, shape (m, n_neighbors), int64

        Raises
        ------
        TypeError, ValueError
            If not fitted, for another width, NaN, and more neighbours than there are rows.
        """
        check_is_fitted(self)
        k = as_integer(self.n_neighbors if n_neighbors is None else n_neighbors, "n_neighbors", 1)
        own = X is None
        queries = self._fitted if X is None else validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        most = self.n_samples_fit_ - own
        if k > most:
            raise ValueError(f"Expected n_neighbors <= n_samples_fit, but n_neighbors={k}, n_samples_fit={most}")
        hits = self.index_.search(queries, k + own)
        rows, scores = np.array(hits.ids, np.int64), np.stack(hits.scores)
        if own:
            rows, scores = _without_own(rows, scores)
        distances = np.maximum(1 - scores.astype(np.float64), 0)
        return (distances, rows) if return_distance else rows

    def kneighbors_graph(
        self, X: ArrayLike | None = None, n_neighbors: int | None = None, mode: str = "connectivity"
    ) -> csr_matrix:
        """Return the neighbours as a sparse graph.

        Parameters
        ----------
        X, n_neighbors
            See :meth:`kneighbors`.
        mode : {"connectivity", "distance"}

        Returns
        -------
        csr_matrix, shape (m, n)

        Raises
        ------
        TypeError, ValueError
            For another mode, and as :meth:`kneighbors`.
        """
        if mode not in MODES:
            raise ValueError(f"mode={mode!r}; expected one of {MODES}")
        distances, rows = self.kneighbors(X, n_neighbors)
        values = distances.ravel() if mode == "distance" else np.ones(rows.size)
        starts = np.arange(0, rows.size + 1, rows.shape[1])
        return csr_matrix((values, rows.ravel(), starts), shape=(len(rows), self.n_samples_fit_))

    def transform(self, X: ArrayLike) -> csr_matrix:
        """Return the graph of neighbours, as ``KNeighborsTransformer`` does.

        Parameters
        ----------
        X : array_like, shape (m, d)

        Returns
        -------
        csr_matrix, shape (m, n)
        """
        check_is_fitted(self)
        return self.kneighbors_graph(X, self.n_neighbors + (self.mode == "distance"), self.mode)

    @property
    def _n_features_out(self) -> int:
        return int(self.n_samples_fit_)


def _without_own(rows: NDArray[np.int64], scores: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return neighbours without each row itself, or, where it is not among them, without the last one."""
    is_own = rows == np.arange(len(rows))[:, None]
    is_own[~is_own.any(axis=1), -1] = True
    shape = len(rows), rows.shape[1] - 1
    return rows[~is_own].reshape(shape), scores[~is_own].reshape(shape)
