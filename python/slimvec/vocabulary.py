"""Words and their row numbers."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.errors import FormatError, UnknownWordError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray


class Vocabulary:
    """A sequence of distinct words; a word's position is its row number.

    Stored as one UTF-8 text and the offsets of the words in it, so that opening a file makes no strings; they are made
    when first asked for.

    Parameters
    ----------
    words : iterable of str

    Raises
    ------
    TypeError
        If an element is not a string.
    ValueError
        If a word appears twice.
    """

    def __init__(self, words: Iterable[str]) -> None:
        listed = []
        for row, word in enumerate(words):
            if not isinstance(word, str):
                raise TypeError(f"words[{row}] is {type(word).__name__} {word!r}; expected str")
            listed.append(str(word))  # a NumPy string becomes a plain one
        try:
            encoded = [word.encode() for word in listed]
        except UnicodeEncodeError as error:
            raise ValueError(f"words holds a character that UTF-8 cannot write: {error}") from None
        offsets = np.zeros(len(listed) + 1, np.int64)
        np.cumsum([len(word) for word in encoded], out=offsets[1:])
        self._stored = np.frombuffer(b"".join(encoded), np.uint8), offsets
        self._words = tuple(listed)
        if len(self._rows) < len(self):
            seen: set[str] = set()
            twice = next(word for word in listed if word in seen or seen.add(word))  # type: ignore[func-returns-value]
            raise ValueError(f"words holds {twice!r} twice; every row needs a word of its own")

    @classmethod
    def from_text(cls, text: NDArray[np.uint8], offsets: NDArray[np.int64]) -> Vocabulary:
        """Return the vocabulary whose word i is ``text[offsets[i]:offsets[i + 1]]``; strings are made on first use.

        Raises
        ------
        FormatError
            If the offsets do not span the text. What lies between is checked on first use.
        """
        if len(offsets) == 0 or offsets[0] != 0 or offsets[-1] != len(text):
            raise FormatError("the offsets of the words do not span their text")
        vocabulary = cls.__new__(cls)
        vocabulary._stored = (text, offsets)
        return vocabulary

    def to_text(self) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Return the UTF-8 text of all words and their ``len + 1`` offsets."""
        return self._stored

    @property
    def nbytes(self) -> int:
        """Bytes of the text and the offsets as stored."""
        return sum(part.nbytes for part in self._stored)

    @cached_property
    def _words(self) -> tuple[str, ...]:
        text, offsets = self._stored
        if (np.diff(offsets) < 0).any():
            raise FormatError("the offsets of the words fall")
        blob = text.tobytes()
        bounds = offsets.tolist()
        try:
            words = tuple(blob[begin:end].decode() for begin, end in pairwise(bounds))
        except UnicodeDecodeError as error:
            raise FormatError(f"the words are not UTF-8: {error}") from None
        if len(set(words)) < len(words):
            raise FormatError("a word appears twice")
        return words

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {word: row for row, word in enumerate(self._words)}

    @property
    def words(self) -> tuple[str, ...]:
        """All words, in row order."""
        return self._words

    def __len__(self) -> int:
        return len(self._stored[1]) - 1

    def __iter__(self) -> Iterator[str]:
        return iter(self._words)

    def __getitem__(self, row: int) -> str:
        return self._words[row]

    def __contains__(self, word: object) -> bool:
        return word in self._rows

    def row(self, word: str) -> int:
        """Return the row of a word.

        Raises
        ------
        KeyError
            If the word is unknown; the message names near spellings.
        """
        if not isinstance(word, str):
            raise TypeError(f"{word!r} is {type(word).__name__}; expected a word (str)")
        row = self._rows.get(word)
        if row is None:
            raise UnknownWordError(word, self._words)
        return row


def optional_vocabulary(words: Iterable[str] | None, n: int, name: str) -> Vocabulary | None:
    """Return the vocabulary of ``words``, which errors call ``name``, if there are any: there must be ``n``."""
    if words is None:
        return None
    vocabulary = Vocabulary(words)
    if len(vocabulary) != n:
        raise ValueError(f"{name} has {len(vocabulary)} words; expected {n}, one each")
    return vocabulary


def resolve_rows(
    keys: Sequence[Any] | NDArray[Any], name: str, n_rows: int, vocabulary: Vocabulary | None
) -> NDArray[np.int64]:
    """Return the row numbers of words and row numbers, mixed as they come.

    Raises
    ------
    KeyError
        For a word that is unknown, or any word where there is no vocabulary.
    IndexError
        For a row number outside ``0 ... n_rows - 1``.
    TypeError
        For a lone string, and for anything that is neither a word nor an integer.
    """
    if isinstance(keys, str):
        raise TypeError(f"{name}={keys!r} is a string; expected a list of words or row numbers, such as [{keys!r}]")
    if isinstance(keys, np.ndarray) and keys.dtype.kind in "iu" and keys.ndim == 1:
        outside = (keys < 0) | (keys >= n_rows)
        if outside.any():
            raise _outside(int(keys[outside.argmax()]), n_rows)
        return keys.astype(np.int64)
    if isinstance(keys, bytes | bytearray) or not isinstance(keys, Iterable):
        raise TypeError(f"{name}={keys!r} is {type(keys).__name__}; expected a list of words or row numbers")
    return np.array([resolve_row(key, name, n_rows, vocabulary) for key in keys], np.int64)


def allowed_rows(mask: Any, name: str, n_rows: int, row: str) -> NDArray[np.bool_]:
    """Return a bool per row from a bool per row or from row numbers; errors call them ``name`` and a row ``row``.

    Raises
    ------
    ValueError, IndexError, TypeError, KeyError
        For a wrong number of bools, a row number outside, or something else.
    """
    array = np.asarray(mask)
    if array.dtype == bool:
        if array.shape != (n_rows,):
            raise ValueError(f"{name} has shape {array.shape}; expected ({n_rows},), one bool per {row}")
        return array
    allowed = np.zeros(n_rows, bool)
    allowed[resolve_rows(array.ravel() if array.size else [], name, n_rows, None)] = True
    return allowed


def resolve_row(key: Any, name: str, n_rows: int, vocabulary: Vocabulary | None) -> int:
    """Return the row number of a word or row number; errors as :func:`resolve_rows`."""
    if isinstance(key, str):
        if vocabulary is None:
            raise KeyError(f"unknown word {key!r}: this table has no words, only row numbers 0 ... {n_rows - 1}")
        return vocabulary.row(key)
    if isinstance(key, int | np.integer) and not isinstance(key, bool):
        row = int(key)
        if not 0 <= row < n_rows:
            raise _outside(row, n_rows)
        return row
    raise TypeError(f"{name} holds {key!r} of type {type(key).__name__}; expected words (str) or row numbers (int)")


def _outside(row: int, n_rows: int) -> IndexError:
    rows = f"the table's rows 0 ... {n_rows - 1}" if n_rows else "the table, which is empty"
    return IndexError(f"row {row} is outside {rows}")
