"""A table of binary codes: what IIQ and its relatives make, what files hold, what users query."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.binary.codes import BlockedCodes
from slimvec.binary.encoder import Encoder
from slimvec.binary.hamming import HammingIndex, SearchResult
from slimvec.binary.similarity import largest, similarities
from slimvec.keyed import Keyed
from slimvec.storage import register, save_table
from slimvec.validation import as_codes, as_integer
from slimvec.vocabulary import Vocabulary

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from slimvec.storage import Content
    from slimvec.vectors import Vectors


class BinaryTable(Keyed):
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
        self._set_parts(BlockedCodes.from_rows(packed, n_bits), vocabulary, encoder, {})

    @classmethod
    def from_parts(
        cls, codes: BlockedCodes, words: Vocabulary | None, encoder: Encoder | None, made_by: dict[str, Any]
    ) -> BinaryTable:
        """Return a table over parts that fit each other already; nothing is copied."""
        table = cls.__new__(cls)
        table._set_parts(codes, words, encoder, made_by)
        return table

    def _set_parts(
        self, codes: BlockedCodes, words: Vocabulary | None, encoder: Encoder | None, made_by: dict[str, Any]
    ) -> None:
        super().__init__(codes.n_codes, words)
        self._codes = codes
        self._encoder = encoder
        self._made_by = made_by

    # ---- what it holds

    @property
    def n_bits(self) -> int:
        """Bits per code, and the width of the rows that :meth:`lookup` returns."""
        return self._codes.n_bits

    def __repr__(self) -> str:
        words = "" if self.vocabulary is None else ", with words"
        return f"<slimvec.BinaryTable: {len(self)} codes of {self.n_bits} bits{words}>"

    @property
    def compression_ratio(self) -> float | None:
        """Bits of a float32 row over bits of a code, as the IIQ paper counts; None if the dimension is not known."""
        return None if self._encoder is None else 32 * len(self._encoder.mean) / self.n_bits

    def info(self) -> dict[str, Any]:
        """Describe the table.

        Returns
        -------
        dict
            ``kind``, ``rows``, ``bits``, ``dimension`` (of the original vectors, or None), ``made_by`` (method and
            parameters), ``bytes`` (stored bytes of ``codes``, ``encoder`` and ``words``), ``compression_ratio`` (as the
            paper counts: 32 d / bits) and ``stored_ratio`` (float32 matrix over codes and encoder as stored, words
            apart; None where the dimension is not known).
        """
        encoder = self._encoder
        encoder_bytes = 0 if encoder is None else encoder.mean.nbytes + encoder.projection.nbytes
        dimension = None if encoder is None else len(encoder.mean)
        stored = self._codes.blocks.nbytes + encoder_bytes
        return {
            "kind": self.kind,
            "rows": len(self),
            "bits": self.n_bits,
            "dimension": dimension,
            "made_by": dict(self._made_by),
            "bytes": {
                "codes": self._codes.blocks.nbytes,
                "encoder": encoder_bytes,
                "words": 0 if self.vocabulary is None else self.vocabulary.nbytes,
            },
            "compression_ratio": self.compression_ratio,
            "stored_ratio": 4 * len(self) * dimension / stored if dimension and stored else None,
        }

    # ---- codes as vectors

    def lookup(self, keys: Sequence[str | int] | NDArray[np.integer]) -> NDArray[np.float32]:
        """Return the codes of words or rows as vectors.

        Parameters
        ----------
        keys : sequence of str and int, or integer array
            Words, row numbers, or both.

        Returns
        -------
        ndarray, shape (len(keys), n_bits), float32
            Entries -1 and +1.

        Raises
        ------
        KeyError
            For an unknown word; the message names near spellings.
        IndexError
            For a row number outside the table.

        Examples
        --------
        >>> import slimvec as sv
        >>> table = sv.BinaryTable(sv.pack([[1, -1]]), 2, words=["cat"])
        >>> table.lookup(["cat", 0])
        array([[ 1., -1.],
               [ 1., -1.]], dtype=float32)
        """
        return self._codes.lookup(self._rows(keys, "keys"))

    def __getitem__(self, key: str | int) -> NDArray[np.float32]:
        """Return the code of one word or row as a vector of -1 and +1, ``(n_bits,)``."""
        row: NDArray[np.float32] = self.lookup([key])[0]
        return row

    def codes(self, keys: Sequence[str | int] | NDArray[np.integer] | None = None) -> NDArray[np.uint8]:
        """Return packed codes, of all rows or of some.

        Parameters
        ----------
        keys : sequence of str and int, or integer array, optional
            By default all rows.

        Returns
        -------
        ndarray, shape (len(keys), ceil(n_bits / 8)), uint8
            As faiss ``IndexBinaryFlat`` and usearch take them.

        Examples
        --------
        >>> import slimvec as sv
        >>> sv.BinaryTable(sv.pack([[1, -1], [1, 1]]), 2).codes()
        array([[1],
               [3]], dtype=uint8)
        """
        return self._codes.read(np.arange(len(self)) if keys is None else self._rows(keys, "keys"))

    def mean(self, bags: Sequence[Sequence[str | int]]) -> NDArray[np.float32]:
        """Return the mean code of each bag of words: a sentence vector.

        Parameters
        ----------
        bags : sequence of sequences of str and int
            Words that the table does not hold are skipped.

        Returns
        -------
        ndarray, shape (len(bags), n_bits), float32
            Means of -1 and +1; zeros for a bag of which nothing is known.

        Raises
        ------
        TypeError
            If a bag is a string: split sentences into words first.
        IndexError
            For a row number outside the table.

        Examples
        --------
        >>> import slimvec as sv
        >>> table = sv.BinaryTable(sv.pack([[1, -1], [1, 1]]), 2, words=["good", "film"])
        >>> table.mean([["a", "good", "film"], ["dull"]])
        array([[1., 0.],
               [0., 0.]], dtype=float32)
        """
        return self._codes.bag_mean(*self._bags(bags))

    def encode(self, vectors: ArrayLike | Vectors) -> NDArray[np.uint8]:
        """Return the packed codes of new float vectors, made as the table's own were.

        Parameters
        ----------
        vectors : array_like, shape (m, d)
            In the space of the original vectors.

        Returns
        -------
        ndarray, shape (m, ceil(n_bits / 8)), uint8

        Raises
        ------
        ValueError
            If the table has no encoder, the width is wrong, or a value is not finite.
        """
        return self._encode(vectors, "vectors")

    def _encode(self, vectors: ArrayLike | Vectors, name: str) -> NDArray[np.uint8]:
        if self._encoder is None:
            raise ValueError(f"{name}: this table has no encoder (mean and projection), so it takes packed codes only")
        return self._encoder.encode(vectors, name)

    # ---- search

    def search(
        self,
        queries: ArrayLike | Vectors,
        k: int = 10,
        threads: int | None = None,
        mask: ArrayLike | None = None,
    ) -> SearchResult:
        """Find the ``k`` rows whose codes are nearest to each query by Hamming distance.

        Parameters
        ----------
        queries : array_like
            Float vectors ``(n_queries, d)``, which are encoded first, or packed codes
            ``(n_queries, ceil(n_bits / 8))`` uint8.
        k : int
            Neighbours per query, from 1 to the number of rows.
        threads : int, optional
            At most this many threads; by default as many as the process may use.
        mask : array_like, optional
            Which rows may be found: a bool per row, or row numbers; see :meth:`HammingIndex.search`.

        Returns
        -------
        SearchResult
            ``distances`` (int32 bit counts) and ``indices`` (int64 rows), both ``(n_queries, k)``, ordered by
            (distance, row): the same for any number of threads and on any instruction set.

        Raises
        ------
        ValueError
            For a wrong width, NaN, or ``k`` out of range.

        Examples
        --------
        >>> import slimvec as sv
        >>> table = sv.BinaryTable(sv.pack([[1, 1, -1], [1, -1, -1]]), 3)
        >>> table.search(sv.pack([[1, -1, 1]]), k=1)
        SearchResult(distances=array([[1]], dtype=int32), indices=array([[1]]))
        """
        is_packed = isinstance(queries, np.ndarray) and queries.dtype == np.uint8
        codes: Any = queries if is_packed else self._encode(queries, "queries")
        return HammingIndex.from_blocks(self._codes).search(codes, k, threads, mask)

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
            one = isinstance(query, str) or np.ndim(query) == 0
            rows = np.unique(self._rows([query] if one else query, "query"))
            if len(rows) == 0:
                raise ValueError("query is empty; expected at least one word, row or vector")
            codes = self._codes.read(rows)
        k = as_integer(k, "k", 1, len(self) - len(rows), why=", the number of rows that are not in the query")
        cosines = similarities(self._codes, codes)
        cosines[rows] = -np.inf
        return [(self._name(row), float(cosines[row])) for row in largest(cosines, k).tolist()]

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
        tensors: dict[str, NDArray[Any]] = {"codes": self._codes.blocks}
        if self._encoder is not None:
            tensors |= {"mean": self._encoder.mean, "projection": self._encoder.projection}
        if self.vocabulary is not None:
            text, offsets = self.vocabulary.to_text()
            tensors |= {"words.text": text, "words.offsets": offsets}
        facts = {"kind": self.kind, "rows": len(self), "bits": self.n_bits, "made_by": self._made_by}
        save_table(path, facts, tensors)

    @classmethod
    def from_content(cls, content: Content) -> BinaryTable:
        """Return the table that a file's content describes, mapped, after checking that its parts fit each other."""
        n_codes, n_bits = content.integer("rows", 0), content.integer("bits", 1)
        codes = BlockedCodes(content.tensor("codes", np.uint32, BlockedCodes.shape(n_codes, n_bits)), n_codes, n_bits)
        encoder = None
        if "mean" in content.tensors:
            mean = content.tensor("mean", np.float32, (None,))
            encoder = Encoder(mean, content.tensor("projection", np.float32, (len(mean), n_bits)))
        return cls.from_parts(codes, content.words("words", n_codes), encoder, content.made_by())


register(BinaryTable)
