"""The rows of E = T A in use: looked up, averaged and searched, from the factors alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.keyed import Keyed
from slimvec.results import ScoreResult
from slimvec.validation import as_integer, as_matrix, as_threads, check_finite
from slimvec.vocabulary import allowed_rows, resolve_row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from slimvec.sparse.product import Factors
    from slimvec.vectors import Vectors
    from slimvec.vocabulary import Vocabulary


class SparseRows(Keyed):
    """What :class:`slimvec.SparseTable` answers about its rows.

    Parameters
    ----------
    factors : Factors
    inverse_norms : ndarray, shape (n,), float32
        1 / ‖row‖ of every row, 0 for zero rows: what makes an inner product a cosine.
    vocabulary : Vocabulary or None
        As many words as rows.
    """

    def __init__(self, factors: Factors, inverse_norms: NDArray[np.float32], vocabulary: Vocabulary | None) -> None:
        super().__init__(factors.n_rows, vocabulary)
        self._factors = factors
        self._inverse_norms = inverse_norms

    @property
    def dim(self) -> int:
        """Length of the rows that :meth:`lookup` returns: d."""
        return int(self._factors.anchors.shape[1])

    def lookup(self, keys: Sequence[str | int] | NDArray[np.integer]) -> NDArray[np.float32]:
        """Return the vectors of words or rows.

        Parameters
        ----------
        keys : sequence of str and int, or integer array
            Words, row numbers, or both. An int64 array is the fastest.

        Returns
        -------
        ndarray, shape (len(keys), d), float32
            The same bits on every instruction set.

        Raises
        ------
        KeyError
            For an unknown word; the message names near spellings.
        IndexError
            For a row number outside the table.

        Examples
        --------
        >>> import slimvec as sv
        >>> from scipy.sparse import csr_array
        >>> sv.SparseTable([[1.0, 2.0]], csr_array([[2.0]]), words=["cat"]).lookup(["cat", 0])
        array([[2., 4.],
               [2., 4.]], dtype=float32)
        """
        return self._factors.lookup(self._kernel_rows(keys, "keys"))

    def __getitem__(self, key: str | int) -> NDArray[np.float32]:
        """Return the vector of one word or row, ``(d,)``."""
        row = resolve_row(key, "key", len(self), self.vocabulary)
        vector: NDArray[np.float32] = self._factors.lookup(np.array([row], np.int64))[0]
        return vector

    def mean(
        self, bags: Sequence[Sequence[str | int]] | NDArray[np.integer], weights: Any = None
    ) -> NDArray[np.float32]:
        """Return the mean vector of each bag of words: a sentence vector.

        Parameters
        ----------
        bags : sequence of sequences of str and int, or integer array of shape (n_bags, size)
            Words that the table does not hold are skipped.
        weights : sequence of sequences of float, optional
            One for every key of every bag. The result is then Σ w e / Σ w, over the words that the table holds.

        Returns
        -------
        ndarray, shape (len(bags), d), float32
            Zeros for a bag of which nothing is known, or whose weights add up to 0.

        Raises
        ------
        TypeError
            If a bag is a string: split sentences into words first.
        ValueError
            If ``weights`` does not fit ``bags``, or holds NaN or infinity.
        IndexError
            For a row number outside the table.

        Examples
        --------
        >>> import slimvec as sv
        >>> from scipy.sparse import csr_array
        >>> table = sv.SparseTable([[1.0, 2.0]], csr_array([[1.0], [3.0]]), words=["good", "film"])
        >>> table.mean([["a", "good", "film"], ["dull"]])
        array([[2., 4.],
               [0., 0.]], dtype=float32)
        >>> table.mean([["a", "good", "film"]], weights=[[9, 3, 1]])
        array([[1.5, 3. ]], dtype=float32)
        """
        if weights is not None and not isinstance(bags, str | np.ndarray):
            bags = list(bags)  # gone through twice
        rows, offsets = self._bags(bags)
        return self._factors.bag_mean(rows, offsets, None if weights is None else self._bag_weights(bags, weights))

    def search(
        self,
        queries: ArrayLike | Vectors,
        k: int = 10,
        *,
        metric: str = "cosine",
        threads: int | None = None,
        mask: ArrayLike | None = None,
    ) -> ScoreResult:
        """Find the ``k`` rows that are most similar to each query.

        T (A q) is computed instead of (T A) q: a query costs k d + nnz multiplications instead of n d.

        Parameters
        ----------
        queries : array_like, shape (n_queries, d)
        k : int
            Neighbours per query, from 1 to the number of rows.
        metric : {"cosine", "dot"}
            Score. The cosine with a zero vector is 0.
        threads : int, optional
            At most this many threads; by default as many as the process may use. Small searches use fewer.
        mask : array_like, optional
            Which rows may be found: a bool per row, or row numbers.

        Returns
        -------
        ScoreResult
            ``scores`` (float32) and ``indices`` (int64 rows), both ``(n_queries, k)``, ordered by (score descending,
            row): the same bits for any number of threads, on any instruction set, alone or in a batch. Where ``mask``
            allows fewer than ``k`` rows, the rest is index -1 and score -infinity.

        Raises
        ------
        ValueError
            For a wrong width, NaN, an unknown metric, or ``k`` out of range.
        IndexError
            If ``mask`` holds a row number outside the table.

        Examples
        --------
        >>> import slimvec as sv
        >>> from scipy.sparse import csr_array
        >>> table = sv.SparseTable([[1.0, 0.0], [0.0, 1.0]], csr_array([[1.0, 0.0], [1.0, 1.0], [0.0, 2.0]]))
        >>> table.search([[0.0, 1.0]], k=2, metric="dot")
        ScoreResult(scores=array([[2., 1.]], dtype=float32), indices=array([[2, 1]]))
        """
        rows = as_matrix(queries, "queries", self.dim)
        with np.errstate(over="ignore"):  # reported just below
            vectors = np.require(rows, np.float32, ["C", "A"])
        check_finite(vectors, "queries", 0)
        if metric not in {"cosine", "dot"}:
            raise ValueError(f"metric={metric!r}; expected 'cosine' or 'dot'")
        k = as_integer(k, "k", 1, len(self), why=", the number of rows")
        allowed = None if mask is None else np.packbits(allowed_rows(mask, "mask", len(self), "row"), bitorder="little")
        scales = self._inverse_norms if metric == "cosine" else None
        if scales is not None:
            vectors = _unit(vectors)
        return ScoreResult(*self._factors.search(vectors, k, scales, allowed, as_threads(threads)))

    def most_similar(
        self, query: str | int | Sequence[str | int] | NDArray[Any], k: int = 10
    ) -> list[tuple[str | int, float]]:
        """Return the rows most similar to a word, to several words, or to a vector.

        Parameters
        ----------
        query : str, int, sequence of str and int, or float array of shape (d,)
            A word or row; several, whose mean vector is the query; or a vector.
        k : int
            How many to return.

        Returns
        -------
        list of (word, similarity)
            Most similar first, the query's own words left out; row numbers where the table has no words. The
            similarity is the cosine.

        Raises
        ------
        KeyError
            For an unknown word; the message names near spellings.
        ValueError
            If ``k`` is below 1 or above the number of rows that are not in the query.
        """
        if isinstance(query, np.ndarray) and query.dtype.kind == "f":
            own: set[int] = set()
            vectors = query[None] if query.ndim == 1 else query
            if len(vectors) != 1:
                raise ValueError(f"query has shape {query.shape}; expected one vector, (d,)")
        else:
            rows = self._query_rows(query)
            own = set(rows.tolist())
            vectors = self._factors.lookup(rows).mean(axis=0, dtype=np.float64, keepdims=True)
        k = as_integer(k, "k", 1, len(self) - len(own), why=", the number of rows that are not in the query")
        found = self.search(vectors, k + len(own))  # its own rows may take as many of the first places
        best = zip(found.indices[0].tolist(), found.scores[0].tolist(), strict=True)
        return [(self._name(row), score) for row, score in best if row not in own][:k]


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return vectors divided by their norms; zeros stay."""
    wide = vectors.astype(np.float64)
    norms = np.sqrt(np.einsum("ij,ij->i", wide, wide))[:, None]
    unit: NDArray[np.float32] = np.divide(wide, norms, out=wide, where=norms > 0).astype(np.float32)
    return unit
