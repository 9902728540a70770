"""A table of sparse combinations of anchors: what ANT and its relatives make, what files hold, what users query."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.errors import FormatError, needs
from slimvec.files.storage import register
from slimvec.files.writing import save_table
from slimvec.pages import resident_bytes
from slimvec.sparse.mixture import mixture
from slimvec.sparse.product import Factors
from slimvec.sparse.rows import SparseRows
from slimvec.validation import as_integer
from slimvec.vocabulary import optional_vocabulary

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import ArrayLike, DTypeLike, NDArray

    from slimvec.files.storage import Content
    from slimvec.sparse.product import Entries
    from slimvec.vectors import Vectors
    from slimvec.vocabulary import Vocabulary


class SparseTable(SparseRows):
    """Embeddings E = T A: a few anchors, and for every row a few weights.

    Made by :class:`slimvec.ANT` and its relatives, opened by :func:`slimvec.open`, or built by hand. A row is summed up
    when it is asked for; E itself is never made.

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

    kind = "sparse"

    def __init__(
        self,
        anchors: ArrayLike,
        transform: Any,
        words: Iterable[str] | None = None,
        anchor_words: Iterable[str] | None = None,
        dtype: DTypeLike = "float32",
        solver: Mapping[str, Any] | None = None,
    ) -> None:
        factors = Factors.from_csr(anchors, transform, dtype)
        self._set_parts(
            factors,
            factors.inverse_norms(),
            optional_vocabulary(words, factors.n_rows, "words"),
            optional_vocabulary(anchor_words, len(factors.anchors), "anchor_words"),
            None if solver is None else dict(solver),
            {},
        )

    @classmethod
    def from_parts(
        cls,
        factors: Factors,
        inverse_norms: NDArray[np.float32],
        words: Vocabulary | None,
        anchor_words: Vocabulary | None,
        solver: dict[str, Any] | None,
        made_by: dict[str, Any],
    ) -> SparseTable:
        """Return a table over parts that fit each other already; nothing is copied."""
        table = cls.__new__(cls)
        table._set_parts(factors, inverse_norms, words, anchor_words, solver, made_by)
        return table

    def _set_parts(
        self,
        factors: Factors,
        inverse_norms: NDArray[np.float32],
        words: Vocabulary | None,
        anchor_words: Vocabulary | None,
        solver: dict[str, Any] | None,
        made_by: dict[str, Any],
    ) -> None:
        super().__init__(factors, inverse_norms, words)
        self._anchor_words = anchor_words
        self._solver = solver
        self._made_by = made_by

    @classmethod
    def mixture(
        cls,
        anchors: Sequence[ArrayLike],
        transforms: Sequence[Any],
        words: Iterable[str] | None = None,
        dtype: DTypeLike = "float32",
    ) -> SparseTable:
        """Return the table of a nonlinear mixture: row i is the sum over components m of softmax(T_m)_i A_m.

        A softmax gives every anchor a weight, also where T is zero; the rows are summed up exactly and as fast as
        sparse ones all the same, because the zeros of a row act through the sum of the anchors alone.

        Parameters
        ----------
        anchors : sequence of array_like, each of shape (k_m, d)
        transforms : sequence of SciPy sparse matrices, each of shape (n, k_m)
        words : iterable of str, optional
            One distinct word per row.
        dtype : {"float32", "float16", "int4"}
            How numbers are stored.

        Returns
        -------
        SparseTable
            Its anchors are those of each component followed by their sum, its transform the weights that belong to
            them: both count in ``n_parameters``.

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
        table._made_by = {"method": "mixture", "parameters": {"n_components": len(anchors)}}
        return table

    # ---- what it holds

    @property
    def n_anchors(self) -> int:
        """Number of anchors: k."""
        return len(self._factors.anchors)

    @property
    def n_parameters(self) -> int:
        """Numbers that make the table, as the ANT paper counts them: k d for the anchors, and the entries of T."""
        return self._factors.anchors.size + self._factors.n_entries

    @property
    def anchors(self) -> NDArray[np.floating]:
        """A, as stored: ``(k, d)`` float32 or float16."""
        return self._factors.anchors

    @property
    def anchor_words(self) -> tuple[str, ...] | None:
        """The names of the anchors, or None."""
        return None if self._anchor_words is None else self._anchor_words.words

    @property
    def transform(self) -> Any:
        """T, as a SciPy ``csr_array (n, k)`` float32, made anew (needs SciPy)."""
        with needs("SciPy", "train"):
            from scipy.sparse import csr_array
        indptr, indices, values = self._factors.entries()
        index = np.int32 if max(len(values), self.n_anchors) < 1 << 31 else np.int64
        parts = (values.astype(np.float32), indices.astype(index), indptr.astype(index))
        return csr_array(parts, shape=(len(self), self.n_anchors))

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
            ``kind``, ``rows``, ``dimension``, ``anchors``, ``nonzeros``, ``n_parameters``, ``made_by`` (method and
            parameters), ``solver``, ``bytes`` (on disk, of ``anchors``, ``transform``, ``norms`` and ``words``),
            ``resident`` (bytes that lie in physical memory now; see :meth:`BinaryTable.info`), ``compression_ratio``
            (as the paper counts) and ``stored_ratio`` (float32 matrix over all that is stored, words apart).
        """
        factors = self._factors
        stored = factors.anchors.nbytes + factors.transform_bytes + self._inverse_norms.nbytes
        vocabularies = [words for words in (self.vocabulary, self._anchor_words) if words is not None]
        arrays = [*factors.to_tensors().values(), self._inverse_norms]
        return {
            "kind": self.kind,
            "rows": len(self),
            "dimension": self.dim,
            "anchors": self.n_anchors,
            "nonzeros": factors.n_entries,
            "n_parameters": self.n_parameters,
            "made_by": dict(self._made_by),
            "solver": None if self._solver is None else dict(self._solver),
            "bytes": {
                "anchors": factors.anchors.nbytes,
                "transform": factors.transform_bytes,
                "norms": self._inverse_norms.nbytes,
                "words": sum(words.nbytes for words in vocabularies),
            },
            "resident": resident_bytes([*arrays, *(array for words in vocabularies for array in words.arrays)]),
            "compression_ratio": self.compression_ratio,
            "stored_ratio": 4 * len(self) * self.dim / stored,
        }

    # ---- what the anchors mean

    def encode(self, X: ArrayLike | Vectors) -> Any:
        """Return the transform of new vectors, coded on the table's anchors as its own rows were.

        Parameters
        ----------
        X : array_like, shape (m, d)

        Returns
        -------
        scipy.sparse.csr_array, shape (m, k), float32

        Raises
        ------
        ValueError
            If the table does not know its solver, the width is wrong, or a value is not finite.
        """
        if self._solver is None:
            raise ValueError("this table does not know how its rows were coded; give solver=... when making it")
        from slimvec.sparse.solvers.solver import encode  # brings SciPy and numba, which using a table does not need

        return encode(X, self.anchors.astype(np.float32, copy=False), dict(self._solver))

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
        number = self._anchor(anchor)
        entries = self._factors.entries()
        found = self._largest(entries, np.flatnonzero(entries.indices == number), k)
        return [(word, weight) for word, _, weight in found]

    def _anchor(self, anchor: str | int) -> int:
        if not isinstance(anchor, str):
            return as_integer(anchor, "anchor", 0, self.n_anchors - 1)
        if self._anchor_words is None:
            raise KeyError(f"unknown anchor {anchor!r}: anchors have no names here, only 0 ... {self.n_anchors - 1}")
        return self._anchor_words.row(anchor)

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
        entries = self._factors.entries()
        return self._largest(entries, np.arange(len(entries.values)), k)

    def _largest(self, entries: Entries, some: NDArray[np.int64], k: int) -> list[tuple[str | int, str | int, float]]:
        """Return (word, anchor, weight) of the k largest of some entries of T."""
        rows, anchors, weights = entries.largest(some, as_integer(k, "k", 1))
        names: Any = range(self.n_anchors) if self._anchor_words is None else self._anchor_words
        found = zip(rows.tolist(), anchors.tolist(), weights.tolist(), strict=True)
        return [(self._name(row), names[anchor], weight) for row, anchor, weight in found]

    # ---- files

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the table to a file that :func:`slimvec.open` maps.

        The file is a valid ``.safetensors`` file. It is written beside its final place and renamed when complete, so
        that a failure or an interrupt leaves an older file as it was.

        Parameters
        ----------
        path : str or path

        Raises
        ------
        OSError
            If the place cannot be written.
        """
        save_table(path, *self.to_content())

    def to_content(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return the facts and tensors of a file, for files that hold more besides; see :meth:`from_content`."""
        tensors = self._factors.to_tensors() | {"inverse_norms": self._inverse_norms}
        for name, vocabulary in (("words", self.vocabulary), ("anchor_words", self._anchor_words)):
            if vocabulary is not None:
                tensors |= vocabulary.to_tensors(name)
        facts: dict[str, Any] = {
            "kind": self.kind, "rows": len(self), "anchors": self.n_anchors, "dimension": self.dim,
            "solver": self._solver, "made_by": self._made_by,
        }  # fmt: skip
        return facts, tensors

    @classmethod
    def from_content(cls, content: Content) -> SparseTable:
        """Return the table that a file's content describes, mapped, after checking that its parts fit each other.

        What the offsets and indices of T say is checked by the kernels, for the rows that they touch.
        """
        n_rows, n_anchors = content.integer("rows", 0), content.integer("anchors", 1)
        factors = Factors.from_content(content, n_rows, n_anchors)
        solver = content.facts.get("solver")
        if solver is not None and not isinstance(solver, dict):
            raise FormatError(f"solver is {solver!r}; expected an object or nothing")
        norms = content.tensor("inverse_norms", np.float32, (n_rows,))
        words, anchor_words = content.words("words", n_rows), content.words("anchor_words", n_anchors)
        return cls.from_parts(factors, norms, words, anchor_words, solver, content.made_by())


register(SparseTable)
