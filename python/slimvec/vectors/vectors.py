"""Words and their float vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.keys import resolve_rows
from slimvec.validation import as_matrix
from slimvec.vectors.rows import MatrixRows
from slimvec.vocabulary import Vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import ArrayLike, NDArray


class Vectors(MatrixRows):
    """Words and one float vector for each.

    Parameters
    ----------
    words : iterable of str
        Distinct words.
    matrix : array_like, shape (n, d)
        Their vectors, in row order. Not copied: the dtype stays, and a memory map stays mapped.

    Attributes
    ----------
    matrix : ndarray, shape (n, d)
    vocabulary : Vocabulary

    Raises
    ------
    TypeError
        If a word is no string, or the matrix does not hold real numbers.
    ValueError
        If a word appears twice, or the numbers of words and rows differ.

    Examples
    --------
    >>> import slimvec as sv
    >>> vectors = sv.Vectors(["cat", "dog"], [[1.0, 2.0], [3.0, 4.0]])
    >>> vectors["dog"], len(vectors), "cow" in vectors
    (array([3., 4.], dtype=float32), 2, False)
    """

    def __init__(self, words: Iterable[str], matrix: ArrayLike) -> None:
        vocabulary = words if isinstance(words, Vocabulary) else Vocabulary(words)
        super().__init__(as_matrix(matrix, "matrix"), vocabulary)
        self.vocabulary: Vocabulary = vocabulary
        if len(self.vocabulary) != len(self.matrix):
            raise ValueError(f"there are {len(self.vocabulary)} words for {len(self.matrix)} rows; expected one each")

    @classmethod
    def from_object(cls, model: Any, words: Iterable[str] | None = None) -> Vectors:
        """Return the words and vectors that an object of another library holds.

        Parameters
        ----------
        model : KeyedVectors, StaticModel, Embedding, Vectors or Vocab
            Of gensim (also a ``Word2Vec`` or ``FastText`` model), of model2vec (after mapping and weights of tokens),
            of ``torch.nn`` (also an ``EmbeddingBag``), or of spaCy (also an ``nlp``).
        words : iterable of str, optional
            One for each row, for objects that know none: those of torch.

        Returns
        -------
        Vectors
            The matrix is shared with the object where that holds one.

        Raises
        ------
        TypeError
            If it is no such object, or words are missing.
        ValueError
            As from the class itself, and if ``words`` are given for an object that has its own.

        Examples
        --------
        >>> import numpy as np
        >>> import slimvec as sv
        >>> class KeyedVectors:  # as gensim has it
        ...     index_to_key, vectors = ["cat", "dog"], np.eye(2, dtype=np.float32)
        >>> sv.Vectors.from_object(KeyedVectors())["dog"]
        array([0., 1.], dtype=float32)
        """
        from slimvec.vectors.objects import words_and_rows

        return cls(*words_and_rows(model, words))

    @property
    def words(self) -> tuple[str, ...]:
        """The words in row order."""
        return self.vocabulary.words

    def __iter__(self) -> Iterator[str]:
        """Iterate over the words."""
        return iter(self.vocabulary)

    def __contains__(self, word: object) -> bool:
        return word in self.vocabulary

    def __getitem__(self, word: str) -> NDArray[np.float32]:
        """Return the vector of a word, ``(d,)`` float32; KeyError, naming near spellings, if it is unknown."""
        return np.asarray(self.matrix[self.vocabulary.row(word)], np.float32)

    def lookup(self, keys: Sequence[str | int] | NDArray[np.integer]) -> NDArray[np.float32]:
        """Return the vectors of words or rows, as tables do.

        Parameters
        ----------
        keys : sequence of str and int, or integer array
            Words, row numbers, or both.

        Returns
        -------
        ndarray, shape (len(keys), d), float32

        Raises
        ------
        KeyError
            For an unknown word; the message names near spellings.
        IndexError
            For a row number outside.
        """
        return np.asarray(self.matrix[resolve_rows(keys, "keys", len(self), self.vocabulary)], np.float32)

    def __repr__(self) -> str:
        return f"<slimvec.Vectors: {len(self)} words, {self.dim} dimensions, {self.matrix.dtype}>"
