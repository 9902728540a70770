"""A table of sparse combinations of anchors: what ANT and its relatives make, what files hold, what users query."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.errors import FormatError
from slimvec.files.table_file import register
from slimvec.results import others_than
from slimvec.sparse.mixture import mixture
from slimvec.sparse.parts import SparseParts
from slimvec.sparse.product import Product
from slimvec.sparse.search import search
from slimvec.table import Table
from slimvec.validation import as_integer
from slimvec.vectors.rows import as_rows, whole
from slimvec.vocabulary import optional_vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import ArrayLike, DTypeLike, NDArray

    from slimvec.files.table_file import Content
    from slimvec.keys import Name
    from slimvec.results import ScoreResult
    from slimvec.vectors.rows import Rows


INT64 = np.dtype(np.int64)
PLAIN = 0x0001 | 0x0100  # NPY_ARRAY_C_CONTIGUOUS and NPY_ARRAY_ALIGNED


class SparseTable(Table):
    """Embeddings E = T A: a few anchors, and for every row a few weights.

    Made by :class:`slimvec.ANT`, opened by :func:`slimvec.open`, or built by hand. A row is summed up when asked for.

    Parameters
    ----------
    anchors : array_like, shape (k, d)
        A: the anchors' own vectors.
    transform : SciPy sparse matrix, shape (n, k)
        T: any format. Rows may be empty: they are zero vectors.
    words : iterable of str, optional
        One distinct word per row.
    anchor_words : iterable of str, optional
        One distinct name per anchor, where anchors stand for words.
    dtype : {"float32", "float16", "int4"}
        How the numbers of A and T are stored. ``"int4"`` rounds the weights of a row to multiples of 1/7 of its
        largest, keeps A in float16, and takes about 1.5 bytes per entry and 6 per row, where float16 takes 3 to 4 per
        entry: more entries then say more in as many bytes. Sums are float32 in any case.
    solver : dict, optional
        How rows were coded on the anchors (such as ``{"nonzeros": 10}``), for :meth:`encode`.

    Raises
    ------
    TypeError, ValueError
        If the parts do not fit each other, or hold NaN or infinity.

    Examples
    --------
    >>> import slimvec as sv
    >>> from scipy.sparse import csr_array
    >>> transform = csr_array([[1.0, 0.0], [0.5, 0.5], [0.0, 2.0]])
    >>> table = sv.SparseTable([[4.0, 0.0, 0.0], [0.0, 2.0, 0.0]], transform, words=["cat", "dog", "sea"])
    >>> table.lookup(["dog", 0])
    array([[2., 1., 0.],
           [4., 0., 0.]], dtype=float32)
    >>> [(word, round(similarity, 3)) for word, similarity in table.most_similar("cat", k=2)]
    [('dog', 0.894), ('sea', 0.0)]
    """

    kind = SparseParts.kind
    _parts: SparseParts

    def __init__(
        self,
        anchors: ArrayLike,
        transform: Any,
        words: Iterable[str] | None = None,
        anchor_words: Iterable[str] | None = None,
        dtype: DTypeLike = "float32",
        solver: Mapping[str, Any] | None = None,
    ) -> None:
        product = Product.from_csr(anchors, transform, dtype)
        named = optional_vocabulary(words, product.n_rows, "words")
        anchors_named = optional_vocabulary(anchor_words, len(product.anchors), "anchor_words")
        how = None if solver is None else dict(solver)
        super().__init__(SparseParts(product, product.inverse_norms(), named, anchors_named, how))

    def _set_parts(self, parts: SparseParts) -> None:
        super()._set_parts(parts)
        self._product = parts.product
        self._take = parts.product.lookup

    @classmethod
    def from_content(cls, content: Content) -> SparseTable:
        """Return the table that a file's content describes, mapped, after checking that its parts fit each other."""
        return cls.from_parts(SparseParts.from_content(content))

    @classmethod
    def mixture(
        cls,
        anchors: Sequence[ArrayLike],
        transforms: Sequence[Any],
        words: Iterable[str] | None = None,
        dtype: DTypeLike = "float32",
    ) -> SparseTable:
        """Return the table of a nonlinear mixture: row i is the sum over components m of softmax(T_m)_i A_m.

        Exactly, and as fast as sparse rows: the zeros of a row act through the sum of the anchors alone.

        Parameters
        ----------
        anchors : sequence of array_like, each of shape (k_m, d)
        transforms : sequence of SciPy sparse matrices, each of shape (n, k_m)
        words : iterable of str, optional
            One distinct word per row.
        dtype : {"float32", "float16", "int4"}

        Returns
        -------
        SparseTable
            With the anchors of each component followed by their sum.

        Raises
        ------
        TypeError, ValueError
            If the parts do not fit each other, or hold NaN or infinity.

        Examples
        --------
        >>> import slimvec as sv
        >>> from scipy.sparse import csr_array
        >>> table = sv.SparseTable.mixture([[[0.0], [1.0]]], [csr_array([[0.0, 0.0], [0.0, 9.0]])])
        >>> table.lookup([0, 1]).round(2)
        array([[0.5],
               [1. ]], dtype=float32)
        """
        table = cls(*mixture(anchors, transforms), words=words, dtype=dtype)
        made_by = {"method": "mixture", "parameters": {"n_components": len(anchors)}}
        return cls.from_parts(replace(table._parts, made_by=made_by))

    @property
    def dim(self) -> int:
        """Width of the rows that :meth:`lookup` returns: d."""
        return int(self._product.anchors.shape[1])

    @property
    def n_anchors(self) -> int:
        """Number of anchors: k."""
        return len(self._product.anchors)

    @property
    def n_entries(self) -> int:
        """Entries of T that are stored."""
        return self._product.n_entries

    @property
    def n_parameters(self) -> int:
        """Numbers that make the table, as the ANT paper counts them: k d for the anchors, and the entries of T."""
        return self._product.anchors.size + self._product.n_entries

    @property
    def anchors(self) -> NDArray[np.floating]:
        """A, as stored: ``(k, d)`` float32 or float16."""
        return self._product.anchors

    @property
    def anchor_words(self) -> tuple[str, ...] | None:
        """The names of the anchors, or None."""
        return None if self._parts.anchor_words is None else self._parts.anchor_words.words

    @property
    def transform(self) -> Any:
        """T, as a SciPy ``csr_array (n, k)`` float32, made anew (needs SciPy)."""
        return self._product.to_scipy()

    @property
    def compression_ratio(self) -> float:
        """Numbers of the dense matrix over ``n_parameters``, as the ANT paper counts."""
        return len(self) * self.dim / self.n_parameters

    def __repr__(self) -> str:
        words = "" if self.vocabulary is None else ", with words"
        return f"<slimvec.SparseTable: {len(self)} rows of {self.dim} floats from {self.n_anchors} anchors{words}>"

    def info(self) -> dict[str, Any]:
        """Describe the table.

        Returns
        -------
        dict
            As :meth:`BinaryTable.info`, with ``anchors``, ``nonzeros``, ``n_parameters`` and ``solver``.
        """
        product, solver = self._product, self._parts.solver
        sizes = {
            "anchors": product.anchors.nbytes,
            "transform": product.transform_bytes,
            "norms": self._parts.inverse_norms.nbytes,
        }
        return self._info(
            sizes, self.dim, anchors=self.n_anchors, nonzeros=product.n_entries, n_parameters=self.n_parameters,
            solver=None if solver is None else dict(solver),
        )  # fmt: skip

    def _shape(self, info: dict[str, Any]) -> tuple[str, str]:
        per_row = info["nonzeros"] / info["rows"] if info["rows"] else 0
        return "anchors", f"{info['anchors']:,} of {info['dimension']} floats, {per_row:.1f} per row"

    def _counted(self, info: dict[str, Any]) -> str:
        return f"{info['n_parameters']:,} numbers"

    def lookup(self, keys: Sequence[Name] | NDArray[np.integer], *, original: bool = False) -> NDArray[np.float32]:  # noqa: ARG002
        """Return the vectors of words or rows.

        Parameters
        ----------
        keys : sequence of str and int, or integer array
            Words, row numbers, or both. An int64 array is the fastest.
        original : bool
            Makes no difference: rows are vectors of the original space.

        Returns
        -------
        ndarray, shape (len(keys), d), float32

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
        if type(keys) is np.ndarray and keys.dtype is INT64 and keys.ndim == 1 and keys.flags.num & PLAIN == PLAIN:
            return self._product.lookup(keys)  # not behind one more call, which one lookup would feel
        return self._product.lookup(self._rows(keys, "keys"))

    def _bag_mean(self, rows: Any, offsets: Any, weights: Any, original: bool) -> NDArray[np.float32]:  # noqa: ARG002
        return self._product.bag_mean(rows, offsets, weights)

    def encode(self, vectors: Rows | ArrayLike) -> Any:
        """Return the transform of new vectors, coded on the table's anchors as its own rows were.

        Parameters
        ----------
        vectors : array_like, shape (m, d), or Vectors, VectorFile or other Rows

        Returns
        -------
        scipy.sparse.csr_array, shape (m, k), float32

        Raises
        ------
        ValueError
            If the table does not know its solver, the width is wrong, or a value is not finite.
        """
        if self._parts.solver is None:
            raise ValueError("this table does not know how its rows were coded; give solver=... when making it")
        from slimvec.sparse.solvers.solver import encode  # brings SciPy and numba, which using a table does not need

        rows = whole(as_rows(vectors, "vectors"))
        return encode(rows, self.anchors.astype(np.float32, copy=False), dict(self._parts.solver))

    def associations(self, anchor: str | int, k: int = 10) -> list[tuple[str | int, float]]:
        """Return the rows in which an anchor weighs most.

        Parameters
        ----------
        anchor : int or str
            Number of the anchor, or its name where anchors have names.
        k : int
            At most how many to return: rows without the anchor are never among them.

        Returns
        -------
        list of (word, weight)
            Largest entry of T first, ties by row; row numbers where the table has no words.

        Raises
        ------
        KeyError, ValueError
            For an unknown name, or a number outside ``0 ... n_anchors - 1``.

        Examples
        --------
        >>> import slimvec as sv
        >>> from scipy.sparse import csr_array
        >>> table = sv.SparseTable([[1.0], [2.0]], csr_array([[0.0, 3.0], [1.0, 5.0]]), ["cat", "dog"], ["fur", "bark"])
        >>> table.associations("bark")
        [('dog', 5.0), ('cat', 3.0)]
        """
        found = self._product.entries().largest(self._parts.anchor(anchor), as_integer(k, "k", 1))
        return [(self._name(row), weight) for row, _, weight in found]

    def largest_pairs(self, k: int = 10) -> list[tuple[str | int, str | int, float]]:
        """Return the largest entries of T: which words lean most on which anchors.

        Parameters
        ----------
        k : int
            At most how many to return.

        Returns
        -------
        list of (word, anchor, weight)
            Largest first, ties by row; numbers where the table has no words, or its anchors no names. Table 4 of the
            ANT paper shows such pairs.

        Examples
        --------
        >>> import slimvec as sv
        >>> from scipy.sparse import csr_array
        >>> sv.SparseTable([[1.0], [2.0]], csr_array([[0.0, 3.0], [1.0, 5.0]])).largest_pairs(2)
        [(1, 1, 5.0), (0, 1, 3.0)]
        """
        found = self._product.entries().largest(None, as_integer(k, "k", 1))
        names: Any = range(self.n_anchors) if self._parts.anchor_words is None else self._parts.anchor_words
        return [(self._name(row), names[anchor], weight) for row, anchor, weight in found]

    def search(
        self,
        queries: Rows | ArrayLike,
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
        queries : array_like, shape (n_queries, d), or Vectors, VectorFile or other Rows
        k : int
            Neighbours per query; of fewer rows, or fewer that may be found, all.
        metric : {"cosine", "dot"}
            Score. The cosine with a zero vector is 0.
        threads : int, optional
            At most this many threads; by default as many as the process may use. Small searches use fewer.
        mask : array_like, optional
            Which rows may be found: a bool per row, or words and row numbers.

        Returns
        -------
        ScoreResult
            ``scores`` (float32) and ``indices`` (int64 rows), both ``(n_queries, k)``, best first, ties by row, the
            same bits in any setting.

        Raises
        ------
        ValueError
            For a wrong width, NaN, an unknown metric, or ``k`` below 1.
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
        rows = whole(as_rows(queries, "queries", self.dim))
        return search(self._product, self._parts.inverse_norms, rows, k, metric, threads, self._allowed(mask))

    def _nearest_to_vector(self, vector: NDArray[Any], k: int) -> tuple[NDArray[np.integer], NDArray[np.floating]]:
        scores, rows = self.search(vector, k)
        return rows[0], scores[0]

    def _nearest_to_rows(
        self, own: NDArray[np.int64], signs: NDArray[np.float64], k: int
    ) -> tuple[NDArray[np.integer], NDArray[np.floating]]:
        rows = self._product.lookup(own)
        if not np.isfinite(rows).all():  # they were when the table was made
            raise FormatError(f"a row among {own.tolist()} holds NaN or infinity: the table is damaged")
        if set(signs.tolist()) != {1.0}:
            rows *= signs[:, None].astype(np.float32)
        scores, found = self.search(rows.mean(axis=0, dtype=np.float64, keepdims=True), k + len(own))
        others = others_than(own, found[0], k)  # its own rows may take as many of the first places
        return found[0, others], scores[0, others]


register(SparseTable)
