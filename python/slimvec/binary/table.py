"""A table of binary codes: what IIQ and its relatives make, what files hold, what users query."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.binary.codes import BlockedCodes
from slimvec.binary.encoder import Encoder
from slimvec.binary.lookup import CodeRows
from slimvec.binary.parts import BinaryParts
from slimvec.binary.search import TableSearch
from slimvec.binary.similarity import most_similar
from slimvec.files.storage import register
from slimvec.files.writing import save_table
from slimvec.pages import resident_bytes
from slimvec.validation import as_codes, as_integer
from slimvec.vocabulary import Vocabulary

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from slimvec.binary.asymmetric import Metric
    from slimvec.files.storage import Content
    from slimvec.results import ScoreResult, SearchResult
    from slimvec.vectors import Vectors


class BinaryTable(CodeRows):
    """Binary codes with, optionally, the words they stand for and the encoder that made them.

    Made by :meth:`slimvec.IIQ.compress`, opened by :func:`slimvec.open`, or built by hand from codes.

    Parameters
    ----------
    codes : array_like, shape (n, ceil(n_bits / 8)), uint8
        Packed codes (:func:`slimvec.pack`).
    n_bits : int
        Bits per code.
    words : iterable of str, optional
        One distinct word per row.
    mean : array_like, shape (d,), optional
    projection : array_like, shape (d, n_bits), optional
        Encoder of float vectors: the code of x is the signs of ``(x - mean) @ projection``. Both or neither.

    Raises
    ------
    TypeError, ValueError
        If the parts do not fit each other.

    Examples
    --------
    >>> import slimvec as sv
    >>> table = sv.BinaryTable(sv.pack([[1, 1, -1], [1, -1, -1], [-1, -1, 1]]), 3, words=["cat", "dog", "sea"])
    >>> table.lookup(["sea", 0])
    array([[-1., -1.,  1.],
           [ 1.,  1., -1.]], dtype=float32)
    >>> [(word, round(similarity, 3)) for word, similarity in table.most_similar("cat", k=2)]
    [('dog', 0.333), ('sea', -1.0)]
    """

    kind = "binary"

    def __init__(
        self,
        codes: ArrayLike,
        n_bits: int,
        words: Iterable[str] | None = None,
        mean: ArrayLike | None = None,
        projection: ArrayLike | None = None,
    ) -> None:
        n_bits = as_integer(n_bits, "n_bits", 1)
        packed = as_codes(codes, "codes", n_bits)
        if (mean is None) != (projection is None):
            raise ValueError("mean and projection make an encoder together; expected both or neither")
        encoder = None
        if mean is not None and projection is not None:
            encoder = Encoder(np.asarray(mean, np.float32), np.ascontiguousarray(projection, np.float32))
            if encoder.mean.ndim != 1 or encoder.projection.shape != (len(encoder.mean), n_bits):
                raise ValueError(
                    f"mean has shape {encoder.mean.shape} and projection {encoder.projection.shape}; "
                    f"expected (d,) and (d, {n_bits})"
                )
        vocabulary = None if words is None else Vocabulary(words)
        if vocabulary is not None and len(vocabulary) != len(packed):
            raise ValueError(f"there are {len(vocabulary)} words for {len(packed)} codes; expected one each")
        super().__init__(BinaryParts(BlockedCodes.from_rows(packed, n_bits), vocabulary, encoder))

    def __repr__(self) -> str:
        words = "" if self.vocabulary is None else ", with words"
        return f"<slimvec.BinaryTable: {len(self)} codes of {self.n_bits} bits{words}>"

    @property
    def compression_ratio(self) -> float | None:
        """Bits of a float32 row over bits of a code and its factors; None if the dimension is not known."""
        encoder = self._parts.encoder
        return None if encoder is None else 32 * len(encoder.mean) / (self.n_bits + self._factor_bits)

    @property
    def _factor_bits(self) -> int:
        return 0 if self._parts.factors is None else self._parts.factors.bits

    def info(self) -> dict[str, Any]:
        """Describe the table.

        Returns
        -------
        dict
            ``kind``, ``rows``, ``bits``, ``dimension`` (of the original vectors, or None), ``made_by`` (method and
            parameters), ``bytes`` (on disk, of ``codes``, ``factors``, ``encoder`` and ``words``), ``resident`` (bytes
            of all these that lie in physical memory now, None where the system does not tell: of a mapped file those
            that were used, by anybody), ``compression_ratio`` (as the paper counts: 32 d over the bits per row) and
            ``stored_ratio`` (float32 matrix over all that is stored but the words; None where the dimension is not
            known).
        """
        encoder = self._parts.encoder
        dimension = None if encoder is None else len(encoder.mean)
        sizes = {
            "codes": self._parts.codes.blocks.nbytes,
            "factors": 0 if self._parts.factors is None else self._parts.factors.values.nbytes,
            "encoder": 0 if encoder is None else encoder.mean.nbytes + encoder.projection.nbytes,
        }
        stored = sum(sizes.values())
        return {
            "kind": self.kind,
            "rows": len(self),
            "bits": self.n_bits,
            "dimension": dimension,
            "made_by": dict(self._parts.made_by),
            "bytes": {**sizes, "words": 0 if self.vocabulary is None else self.vocabulary.nbytes},
            "resident": resident_bytes(self._parts.arrays()),
            "compression_ratio": self.compression_ratio,
            "stored_ratio": 4 * len(self) * dimension / stored if dimension and stored else None,
        }

    # ---- search

    def search(
        self,
        queries: ArrayLike | Vectors,
        k: int = 10,
        *,
        oversample: int | None = 10,
        metric: Metric = "cosine",
        originals: ArrayLike | None = None,
        threads: int | None = None,
        mask: ArrayLike | None = None,
    ) -> SearchResult | ScoreResult:
        """Find the ``k`` rows nearest to each query.

        Packed codes are compared by Hamming distance. So are float queries, once encoded, if the table has no factors.
        With factors (``compress(..., factors=True)``) a float query keeps its precision: a shortlist by Hamming
        distance is scored by estimated cosines, from the bits of each code and its factors.

        Parameters
        ----------
        queries : array_like
            Float vectors ``(n_queries, d)``, or packed codes ``(n_queries, ceil(n_bits / 8))`` uint8.
        k : int
            Neighbours per query, from 1 to the number of rows.
        oversample : int, optional
            Each stage hands on this many times as many rows as the next one returns. ``None`` scores every row by its
            bits and factors: the last percent of recall, at several times the time.
        metric : {"cosine", "dot"}
            What scores estimate.
        originals : array_like, shape (n, d), optional
            The vectors that the table was made from, in memory or mapped, float32, float16 or int8. The best
            ``oversample * k`` rows (100 more than k if ``oversample`` is None) are scored exactly by them; only these
            rows are read.
        threads : int, optional
            At most this many threads; by default as many as the process may use.
        mask : array_like, optional
            Which rows may be found: a bool per row, or row numbers; see :meth:`HammingIndex.search`.

        Returns
        -------
        SearchResult or ScoreResult
            ``distances`` (int32 bit counts) or, of float queries with factors or originals, ``scores`` (float32), and
            ``indices`` (int64 rows), all ``(n_queries, k)``, best first, ties by row: the same for any number of
            threads and on any instruction set.

        Raises
        ------
        ValueError
            For a wrong width, NaN, ``k`` out of range, or options that do not fit the queries.

        Notes
        -----
        The estimate of ⟨x, q⟩ is s ⟨b, Pᵀ(q - m)⟩ + ⟨x - m, m⟩ + ⟨m, q⟩ (:mod:`slimvec.binary.factors`). It leaves out
        directions that were removed: make tables for retrieval with ``n_remove=0``.
        ``benchmarks/results/search.md`` shows recall and time of each way.

        Examples
        --------
        >>> import numpy as np
        >>> import slimvec as sv
        >>> X = np.random.default_rng(0).standard_normal((500, 64), dtype=np.float32)
        >>> table = sv.IIQ(n_remove=0).compress(X, factors=True)
        >>> scores, rows = table.search(X[:2], k=3)
        >>> rows[:, 0]
        array([0, 1])
        >>> table.search(table.codes([7]), k=1).distances
        array([[0]], dtype=int32)
        """
        search = TableSearch(self._parts.codes, self._parts.encoder, self._parts.factors, metric, mask, threads)
        if isinstance(queries, np.ndarray) and queries.dtype == np.uint8:
            if originals is not None:
                raise ValueError("originals cannot score packed codes; pass float queries")
            return search.codes(queries, k)
        return search.floats(queries, k, oversample, originals)

    def most_similar(
        self, query: str | int | Sequence[str | int] | NDArray[Any], k: int = 10
    ) -> list[tuple[str | int, float]]:
        """Return the rows most similar to a word, to several words, or to a vector.

        Parameters
        ----------
        query : str, int, sequence of str and int, or float array of shape (d,)
            A word or row; several, whose mean code is the query; or a vector in the space of the original ones.
        k : int
            How many to return.

        Returns
        -------
        list of (word, similarity)
            Most similar first, the query's own words left out; row numbers where the table has no words. The
            similarity is the cosine of the codes as -1 / +1 vectors: 1 - 2 · Hamming distance / n_bits for one word.

        Raises
        ------
        KeyError
            For an unknown word; the message names near spellings.
        ValueError
            If ``k`` is below 1 or above the number of rows that are not in the query.
        """
        if isinstance(query, np.ndarray) and query.dtype.kind == "f":
            rows = np.empty(0, np.int64)
            codes = self._encode(query[None] if query.ndim == 1 else query, "query")
            if len(codes) != 1:
                raise ValueError(f"query has shape {query.shape}; expected one vector, (d,)")
        else:
            rows = self._query_rows(query)
            codes = self._parts.codes.read(rows)
        k = as_integer(k, "k", 1, len(self) - len(rows), why=", the number of rows that are not in the query")
        best, cosines = most_similar(self._parts.codes, codes, rows, k)
        return [(self._name(row), cosine) for row, cosine in zip(best.tolist(), cosines.tolist(), strict=True)]

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
        save_table(path, *self._parts.to_content(self.kind))

    @classmethod
    def from_parts(cls, parts: BinaryParts) -> BinaryTable:
        """Return a table over parts that fit each other already; nothing is copied."""
        table = cls.__new__(cls)
        CodeRows.__init__(table, parts)
        return table

    @classmethod
    def from_content(cls, content: Content) -> BinaryTable:
        """Return the table that a file's content describes, mapped, after checking that its parts fit each other."""
        return cls.from_parts(BinaryParts.from_content(content))


register(BinaryTable)
