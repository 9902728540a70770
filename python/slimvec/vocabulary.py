"""Words and their row numbers."""

from __future__ import annotations

import zlib
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec import _core
from slimvec.errors import FormatError, UnknownWordError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray


NO_ROW = 0xFFFFFFFF  # of a free slot
WORDS_AT_ONCE = 1024  # made into strings together, when iterating


class Vocabulary:
    """A sequence of distinct words; a word's position is its row number.

    Kept as files hold it: one UTF-8 text, the offsets of the words in it, and a hash table of rows
    (``cpp/core/vocabulary.hpp``). No string is made before it is asked for.

    Parameters
    ----------
    words : iterable of str

    Raises
    ------
    TypeError
        If an element is not a string, or ``words`` is a lone string or a set, whose order is no one's.
    ValueError
        If a word appears twice.
    """

    def __init__(self, words: Iterable[str]) -> None:
        if isinstance(words, str | bytes | set | frozenset):
            raise TypeError(f"words is a {type(words).__name__}; expected a list of words, one for each row, in order")
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
        self._slots, repeated = make_slots(*self._stored)
        if repeated >= 0:
            raise ValueError(f"words holds {listed[repeated]!r} twice; every row needs a word of its own")

    @classmethod
    def from_text(
        cls, text: NDArray[np.uint8], offsets: NDArray[np.int64], slots: NDArray[np.uint32] | None = None
    ) -> Vocabulary:
        """Return the vocabulary whose word i is ``text[offsets[i]:offsets[i + 1]]``.

        Without ``slots``, which earlier files lack, the hash table is made when a word is first looked for.

        Raises
        ------
        FormatError
            If the offsets do not span the text. What lies between is checked on use.
        """
        if len(offsets) == 0 or offsets[0] != 0 or offsets[-1] != len(text):
            raise FormatError("the offsets of the words do not span their text")
        vocabulary = cls.__new__(cls)
        vocabulary._stored = (text, offsets)
        if slots is not None:
            vocabulary._slots = slots
        return vocabulary

    def part(self, first: int, end: int) -> Vocabulary:
        """Return the words of rows ``first ... end - 1``."""
        text, offsets = self._stored
        own = offsets[first : end + 1]
        return Vocabulary.from_text(text[own[0] : own[-1]], own - own[0])

    def to_tensors(self, name: str) -> dict[str, NDArray[Any]]:
        """Return the arrays of a file: UTF-8 text of all words, their ``len + 1`` offsets, the hash table of rows."""
        text, offsets = self._stored
        return {f"{name}.text": text, f"{name}.offsets": offsets, f"{name}.slots": self._slots}

    @cached_property
    def _slots(self) -> NDArray[np.uint32]:
        try:
            slots, repeated = make_slots(*self._stored)
        except ValueError as error:
            raise FormatError(str(error)) from None
        if repeated >= 0:
            raise FormatError("a word appears twice")
        return slots

    @property
    def arrays(self) -> list[NDArray[Any]]:
        """The arrays that it has now: a hash table that no file holds is there once a word was looked for."""
        return [*self._stored, *([self._slots] if "_slots" in vars(self) else [])]

    @property
    def nbytes(self) -> int:
        """Bytes of the text, the offsets and the hash table in a file."""
        return sum(part.nbytes for part in self._stored) + 4 * slot_count(len(self))

    @cached_property
    def words(self) -> tuple[str, ...]:
        """All words, in row order, as strings: made at once and kept."""
        words = tuple(self)
        if len(set(words)) < len(words):
            raise FormatError("a word appears twice")
        return words

    def __len__(self) -> int:
        return len(self._stored[1]) - 1

    def __iter__(self) -> Iterator[str]:
        """Iterate over the words; strings are made on the way."""
        text, offsets = self._stored
        for first in range(0, len(self), WORDS_AT_ONCE):
            bounds = offsets[first : first + WORDS_AT_ONCE + 1].tolist()
            if not 0 <= bounds[0] <= bounds[-1] <= len(text) or any(b > e for b, e in pairwise(bounds)):
                raise FormatError("the offsets of the words fall")
            piece = text[bounds[0] : bounds[-1]].tobytes()
            for begin, end in pairwise(bounds):
                yield _decode(piece[begin - bounds[0] : end - bounds[0]])

    def __getitem__(self, row: int) -> str:
        text, offsets = self._stored
        row = range(len(self))[row]
        begin, end = int(offsets[row]), int(offsets[row + 1])
        if not 0 <= begin <= end <= len(text):
            raise FormatError("the offsets of the words fall")
        return _decode(text[begin:end].tobytes())

    def __contains__(self, word: object) -> bool:
        return isinstance(word, str) and self.find(word) >= 0

    def row(self, word: str) -> int:
        """Return the row of a word.

        Raises
        ------
        KeyError
            If the word is unknown; the message names near spellings.
        """
        if not isinstance(word, str):
            raise TypeError(f"{word!r} is {type(word).__name__}; expected a word (str)")
        row = self.find(word)
        if row < 0:
            raise UnknownWordError(word, self)
        return row

    def find(self, word: str) -> int:
        """Return the row of a word, or -1."""
        try:
            return _core.find_word(*self._stored, self._slots, word.encode())
        except UnicodeEncodeError:  # half of a surrogate pair: in no file
            return -1
        except ValueError as error:
            raise FormatError(f"{error}; the file is damaged") from None


def slot_count(n_words: int) -> int:
    """Return how many slots the hash table of a vocabulary has: three quarters of them are taken."""
    return n_words + n_words // 3 + 1


def make_slots(text: NDArray[np.uint8], offsets: NDArray[np.int64]) -> tuple[NDArray[np.uint32], int]:
    """Return the hash table of words, and the first row that repeats an earlier word (the table then stops there)."""
    slots = np.empty(slot_count(len(offsets) - 1), np.uint32)
    return slots, _core.index_words(text, offsets, slots)


def _decode(word: bytes) -> str:
    try:
        return word.decode()
    except UnicodeDecodeError as error:
        raise FormatError(f"the words are not UTF-8: {error}") from None


class VocabularyBuilder:
    """A vocabulary in the making, block by block: of words that come again the first is kept.

    Attributes
    ----------
    n_words : int
    n_repeated : int
        Words left out.
    example : str or None
        The first of them.
    """

    def __init__(self) -> None:
        self.n_words = 0
        self.n_repeated = 0
        self.example: str | None = None
        self._text = np.empty(1 << 16, np.uint8)
        self._offsets = np.zeros(1 << 12, np.int64)
        self._slots = np.full(1 << 13, NO_ROW, np.uint32)

    def add(self, text: NDArray[np.uint8], offsets: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Add the words ``text[offsets[i]:offsets[i + 1]]``; return which of them are new."""
        self._make_room(len(text), len(offsets) - 1)
        kept = _core.append_words(self._text, self._offsets, self.n_words, self._slots, text, offsets).view(np.bool_)
        new = int(kept.sum())
        self.n_words += new
        if new < len(kept):
            if self.example is None:
                at = int(np.argmin(kept))
                self.example = _decode(text[offsets[at] : offsets[at + 1]].tobytes())
            self.n_repeated += len(kept) - new
        return kept

    def _make_room(self, n_bytes: int, n_words: int) -> None:
        """Grow by half where that is needed; arrays that nobody else holds grow in place."""
        needed = int(self._offsets[self.n_words]) + n_bytes
        if needed > len(self._text):
            self._text.resize(needed + needed // 2, refcheck=False)
        needed = self.n_words + n_words + 1
        if needed > len(self._offsets):
            self._offsets.resize(needed + needed // 2, refcheck=False)
        if slot_count(needed) > len(self._slots):
            self._slots = np.empty(2 * slot_count(needed), np.uint32)
            _core.index_words(self._text, self._offsets[: self.n_words + 1], self._slots)

    def checksum(self) -> int:
        """Return a number that tells lists of words apart."""
        offsets = self._offsets[: self.n_words + 1]
        return zlib.crc32(offsets.data, zlib.crc32(self._text[: offsets[-1]].data))

    def finish(self) -> Vocabulary:
        """Return the vocabulary."""
        self._slots = np.empty(0, np.uint32)  # of a size that changes; the stored one follows from the words
        offsets = self._offsets[: self.n_words + 1].copy()
        text = self._text[: offsets[-1]].copy()
        return Vocabulary.from_text(text, offsets, make_slots(text, offsets)[0])


def optional_vocabulary(words: Iterable[str] | None, n: int, name: str) -> Vocabulary | None:
    """Return the vocabulary of ``words``, which errors call ``name``, if there are any: there must be ``n``."""
    if words is None:
        return None
    vocabulary = words if isinstance(words, Vocabulary) else Vocabulary(words)
    if len(vocabulary) != n:
        raise ValueError(f"{name} has {len(vocabulary)} words; expected {n}, one each")
    return vocabulary
