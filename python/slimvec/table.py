"""What all tables share: rows reached by word or by number, means, neighbours, files, a description."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from slimvec.files.pages import resident_bytes
from slimvec.files.table_writer import save_table
from slimvec.keys import Name, allowed_rows, bag_rows, bag_weights, resolve_row, resolve_rows
from slimvec.validation import as_integer

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import ArrayLike, NDArray

    from slimvec.files.table_file import Content
    from slimvec.results import ScoreResult
    from slimvec.vectors.rows import Rows
    from slimvec.vocabulary import Vocabulary


BYTES = (np.uint8, np.int8)  # of embeddings; row numbers are wider


class Stored(ABC):
    """What files hold and :func:`slimvec.open` returns: tables, and indexes without words.

    Attributes
    ----------
    kind : str
        As files and the command line call it.
    """

    kind: ClassVar[str]

    @classmethod
    @abstractmethod
    def from_content(cls, content: Content) -> Self:
        """Return what a file's content describes, mapped, after checking that its parts fit each other."""

    @abstractmethod
    def to_content(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return the facts and tensors of a file, for files that hold more besides; see :meth:`from_content`."""

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

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError(
            f"{self!r} is no array of vectors; expected vectors: table.lookup(range(len(table)), original=True) gives "
            "those that a table stands for"
        )

    @abstractmethod
    def info(self) -> dict[str, Any]:
        """Describe it: at least ``kind``, ``rows``, ``bytes`` and ``resident``."""

    @abstractmethod
    def _shape(self, info: dict[str, Any]) -> tuple[str, str]:
        """Return what a row is, as a label and a text of :meth:`describe`."""

    @abstractmethod
    def _counted(self, info: dict[str, Any]) -> str:
        """Return what ``compression_ratio`` counts, in a word or two."""

    def describe(self, file_bytes: int) -> list[tuple[str, str]]:
        """Return what the command line prints.

        Parameters
        ----------
        file_bytes : int
            Size of the file.

        Returns
        -------
        list of (label, text)
        """
        info = self.info()
        sizes = ", ".join(f"{name} {megabytes(size)}" for name, size in info["bytes"].items())
        lines = [("kind", info["kind"] + method_of(info)), ("rows", f"{info['rows']:,}"), self._shape(info)]
        lines.append(("on disk", f"{megabytes(file_bytes)}: {sizes}"))
        if info["resident"] is not None:
            lines.append(("in memory", f"{megabytes(info['resident'])} of it now"))
        if info.get("dimension") and info["stored_ratio"]:
            lines.append(("as float32", megabytes(4 * info["rows"] * info["dimension"])))
            counted = f"{info['compression_ratio']:.1f} times ({self._counted(info)})"
            lines.append(("smaller", f"{counted}, {info['stored_ratio']:.1f} times as stored"))
        return lines


class Table(Stored):
    """Rows with, optionally, a word for each: the base of every kind of table.

    A kind adds what its rows are: :meth:`lookup`, :meth:`search`, :meth:`encode` and a few hooks. The command line and
    ``slimvec.evaluate`` know this class alone.

    Parameters
    ----------
    parts : BinaryParts, SparseParts or the like
        What the table holds, all of which fits together: with ``len``, ``words``, ``made_by``, ``vocabularies``,
        ``arrays()`` and ``to_content()``.

    Attributes
    ----------
    vocabulary : Vocabulary or None
    """

    _take: Callable[[NDArray[np.int64]], NDArray[np.float32]]  # rows as vectors; checks their numbers

    def __init__(self, parts: Any) -> None:
        self._set_parts(parts)

    def _set_parts(self, parts: Any) -> None:
        self._parts = parts
        self._n_rows = len(parts)
        self.vocabulary: Vocabulary | None = parts.words

    @classmethod
    def from_parts(cls, parts: Any) -> Self:
        """Return a table over parts that fit each other already; nothing is copied."""
        table = cls.__new__(cls)
        table._set_parts(parts)
        return table

    # ---- rows and their words

    def __len__(self) -> int:
        return self._n_rows

    @property
    @abstractmethod
    def dim(self) -> int:
        """Width of the vectors that the table stands for, which :meth:`search` and :meth:`encode` take."""

    @property
    def words(self) -> tuple[str, ...] | None:
        """The words in row order, or None."""
        return None if self.vocabulary is None else self.vocabulary.words

    def __iter__(self) -> Iterator[Name]:
        """Iterate over words, or row numbers where there are no words."""
        return iter(range(len(self)) if self.vocabulary is None else self.vocabulary)

    def __contains__(self, word: object) -> bool:
        return self.vocabulary is not None and word in self.vocabulary

    def _name(self, row: int) -> Name:
        return row if self.vocabulary is None else self.vocabulary[row]

    def _rows(self, keys: Any, name: str) -> NDArray[np.int64]:
        """Return the row numbers of words and row numbers; errors call them ``name``."""
        return resolve_rows(keys, name, len(self), self.vocabulary)

    def _allowed(self, mask: Any) -> NDArray[np.bool_] | None:
        """Return the mask of a search as a bool per row: it may be that, or words and row numbers."""
        return None if mask is None else allowed_rows(mask, "mask", len(self), "row", self.vocabulary)

    # ---- rows as vectors

    @abstractmethod
    def lookup(self, keys: Sequence[Name] | NDArray[np.integer], *, original: bool = False) -> NDArray[np.float32]:
        """Return the vectors of words or rows."""

    def __getitem__(self, key: Name) -> NDArray[np.float32]:
        """Return the vector of one word or row."""
        row = resolve_row(key, "key", self._n_rows, self.vocabulary)
        vector: NDArray[np.float32] = self._take(np.array([row], np.int64))[0]
        return vector

    @abstractmethod
    def encode(self, vectors: Rows | ArrayLike) -> Any:
        """Return new vectors as the table's own rows are stored."""

    def mean(
        self,
        bags: Sequence[Sequence[Name]] | NDArray[np.integer],
        weights: Any = None,
        *,
        original: bool = False,
    ) -> NDArray[np.float32]:
        """Return the mean vector of each bag of words: a sentence vector.

        Parameters
        ----------
        bags : sequence of sequences of str and int, or integer array of shape (n_bags, size)
            Words that the table does not hold are skipped.
        weights : sequence of sequences of float, optional
            One for every key of every bag. The result is then Σ w e / Σ w, over the words that the table holds.
        original : bool
            Return means of what :meth:`lookup` returns with ``original``.

        Returns
        -------
        ndarray, shape (len(bags), width of a row), float32
            Zeros for a bag of which nothing is known, or whose weights add up to 0.

        Raises
        ------
        TypeError
            If a bag is a string: split sentences into words first.
        ValueError
            If ``weights`` does not fit ``bags``, or holds NaN or infinity; for ``original`` without factors.
        IndexError
            For a row number outside the table.

        Examples
        --------
        >>> import slimvec as sv
        >>> table = sv.BinaryTable(sv.pack([[1, -1], [1, 1]]), 2, words=["good", "film"])
        >>> table.mean([["a", "good", "film"], ["dull"]])
        array([[1., 0.],
               [0., 0.]], dtype=float32)
        >>> table.mean([["a", "good", "film"]], weights=[[9, 3, 1]])
        array([[ 1. , -0.5]], dtype=float32)
        """
        if weights is not None and not isinstance(bags, str | np.ndarray):
            bags = list(bags)  # gone through twice
        rows, offsets = bag_rows(bags, len(self), self.vocabulary)
        given = None if weights is None else bag_weights(bags, weights, self.vocabulary)
        return self._bag_mean(rows, offsets, given, original)

    @abstractmethod
    def _bag_mean(
        self, rows: NDArray[np.int64], offsets: NDArray[np.int64], weights: NDArray[np.float32] | None, original: bool
    ) -> NDArray[np.float32]:
        """Return the mean of each bag ``rows[offsets[b]:offsets[b + 1]]``."""

    # ---- neighbours

    @abstractmethod
    def search(self, queries: Rows | ArrayLike, k: int = 10, *, threads: int | None = None) -> ScoreResult:
        """Find the ``k`` rows most similar to each float vector."""

    def most_similar(
        self,
        query: Name | Sequence[Name] | NDArray[Any] | None = None,
        k: int = 10,
        *,
        positive: Sequence[Name] = (),
        negative: Sequence[Name] = (),
    ) -> list[tuple[Name, float]]:
        """Return the rows most similar to a word, to several words, to words without others, or to a vector.

        Parameters
        ----------
        query : str, int, sequence of str and int, or float array of shape (d,)
            A word or row; several, whose mean is the query; or a vector in the space of the original ones.
        k : int
            How many to return; there may be fewer.
        positive, negative : sequence of str and int
            More words, and words that count the other way: ``positive=["king", "woman"], negative=["man"]`` asks what
            is to woman as king is to man. Not together with a vector.

        Returns
        -------
        list of (word, similarity)
            Most similar first, the query's own words left out; row numbers where the table has no words. The
            similarity is the cosine of the rows, of codes as -1 / +1 vectors: 1 - 2 · Hamming distance / n_bits for one
            word; of codes of several bits (:class:`TransformCoding`) it is estimated, as by :meth:`search`.

        Raises
        ------
        KeyError
            For an unknown word; the message names near spellings.
        IndexError
            For a row number outside the table.
        ValueError
            If ``k`` is below 1, nothing is asked for, or a vector is of another width or not finite.

        Examples
        --------
        >>> import slimvec as sv
        >>> codes = sv.pack([[1, 1, 1, -1], [1, 1, -1, -1], [-1, 1, 1, 1], [-1, 1, -1, 1]])
        >>> table = sv.BinaryTable(codes, 4, words=["king", "man", "queen", "woman"])
        >>> table.most_similar(positive=["king", "woman"], negative=["man"], k=1)[0][0]
        'queen'
        """
        k = as_integer(k, "k", 1)
        if isinstance(query, np.ndarray) and query.dtype in BYTES and query.shape == (self.dim,):
            raise ValueError(
                f"query is an array of {self.dim} {query.dtype}, a vector or row numbers; expected "
                "query.astype(np.float32) for a vector, query.tolist() for rows"
            )
        if isinstance(query, np.ndarray) and query.dtype.kind == "f":
            if len(positive) or len(negative):
                raise ValueError("query is a vector; expected words for positive and negative to be added to")
            if query.size != query.shape[-1]:
                raise ValueError(f"query has shape {query.shape}; expected one vector, (d,)")
            rows, cosines = self._nearest_to_vector(query.reshape(1, -1), min(k, len(self)))
        else:
            own, signs = self._question(query, positive, negative)
            k = min(k, len(self) - len(own))
            if k == 0:
                return []
            rows, cosines = self._nearest_to_rows(own, signs, k)
        return [(self._name(row), cosine) for row, cosine in zip(rows.tolist(), cosines.tolist(), strict=True)]

    def _question(self, query: Any, positive: Any, negative: Any) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the rows that a query names, each once and rising, and whether each counts as it is or the other way.

        A row on both sides cancels out, and is still the query's own.
        """
        more, less = set(self._query_rows(positive)), set(self._query_rows(negative))
        if query is not None:
            more.update(self._query_rows(query))
        if not more and not less:
            raise ValueError("query is empty; expected at least one word, row or vector")
        rows = sorted(more | less)
        return np.array(rows), np.array([float(row in more) - float(row in less) for row in rows])

    def _query_rows(self, query: Any) -> list[int]:
        """Return the rows of a word, a row number, or several."""
        query = list(query) if isinstance(query, set | frozenset) else query
        one = isinstance(query, str) or np.ndim(query) == 0
        rows: list[int] = self._rows([query] if one else query, "query").tolist() if one or len(query) else []
        return rows

    @abstractmethod
    def _nearest_to_vector(self, vector: NDArray[Any], k: int) -> tuple[NDArray[np.integer], NDArray[np.floating]]:
        """Return the ``k`` rows most similar to ``vector (1, d)``, and their cosines."""

    @abstractmethod
    def _nearest_to_rows(
        self, own: NDArray[np.int64], signs: NDArray[np.float64], k: int
    ) -> tuple[NDArray[np.integer], NDArray[np.floating]]:
        """Return the ``k`` rows besides ``own`` that are most similar to Σ sign × own row, and their cosines."""

    # ---- what it is

    @property
    @abstractmethod
    def compression_ratio(self) -> float | None:
        """How many times smaller than float32, as the papers count; None where the dimension is not known."""

    def _info(self, sizes: dict[str, int], dimension: int | None, **facts: Any) -> dict[str, Any]:
        """Return :meth:`info` from what is stored besides words, by part, and from facts of the kind."""
        words = sum(part.nbytes for part in self._parts.vocabularies)
        stored = sum(sizes.values())
        return {
            "kind": self.kind,
            "rows": len(self),
            "dimension": dimension,
            **facts,
            "made_by": dict(self._parts.made_by),
            "bytes": {**sizes, "words": words},
            "resident": resident_bytes(self._parts.arrays()),
            "compression_ratio": self.compression_ratio,
            "stored_ratio": 4 * len(self) * dimension / stored if dimension and stored else None,
        }

    def to_content(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return the facts and tensors of a file, for files that hold more besides; see :meth:`from_content`."""
        content: tuple[dict[str, Any], dict[str, NDArray[Any]]] = self._parts.to_content()
        return content


def method_of(info: dict[str, Any]) -> str:
    """Return how something was made, as descriptions have it."""
    made_by = info.get("made_by")
    if not made_by:
        return ""
    parameters = ", ".join(f"{name}={value}" for name, value in made_by.get("parameters", {}).items())
    return f", {made_by.get('method', 'unknown')}({parameters})"


def megabytes(size: float) -> str:
    """Return a number of bytes as descriptions have it."""
    return f"{size / 1e6:,.1f} MB"
