"""The n-grams of letters by which fastText knows words that it has not seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slimvec.vectors.word_list import Words

MAX_LETTERS = 1000  # of an n-gram; a file that says more is damaged: an n-gram of every length would be made

_BEGIN, _END = b"<>"
_WHOLE = b"</s>"  # the end of a sentence is a word without n-grams
_BASIS, _PRIME = np.uint32(2166136261), np.uint32(16777619)  # of FNV-1a


class NGrams(NamedTuple):
    """Which n-grams a model has, and in which of its rows.

    Attributes
    ----------
    least, most : int
        Letters of an n-gram; the marks ``<`` and ``>`` round a word count as letters.
    n_buckets : int
        N-grams of one remainder of their hash share a row.
    pruned : ndarray of int32, shape (m, 2), optional
        Of a model that keeps some rows only: remainders, ascending, and the row of each.
    """

    least: int
    most: int
    n_buckets: int
    pruned: NDArray[np.int32] | None = None

    @property
    def n_rows(self) -> int:
        """How many rows there must be for n-grams."""
        if self.most <= 0:
            return 0
        return self.n_buckets if self.pruned is None else int(self.pruned[:, 1].max(initial=-1)) + 1

    def rows(self, words: Words) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the rows of the n-grams of words, word by word, and the ``n + 1`` offsets of the words in them.

        As ``Dictionary::computeSubwords`` of fastText: by their first letters, then by length.
        """
        n = len(words.offsets) - 1
        if self.most <= 0 or self.n_buckets <= 0 or n == 0:
            return np.empty(0, np.int64), np.zeros(n + 1, np.int64)
        letters, bounds = _letters(words)
        found = _remainders(letters, bounds, max(self.least, 1), self.most, self.n_buckets)
        for word in _wholes(words):
            found[bounds[word] : bounds[word + 1]] = -1
        if self.pruned is not None:
            found = _renumbered(found, self.pruned)
        there = found >= 0
        counts = np.concatenate([np.zeros(1, np.int64), there.sum(1).cumsum()])
        return found[there], counts[bounds]


class _Letters(NamedTuple):
    """Letters, one after the other: where each begins in a text, and how many bytes it has."""

    text: NDArray[np.uint32]  # bytes as fastText hashes them: those above 127 are negative numbers
    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]


def _letters(words: Words) -> tuple[_Letters, NDArray[np.int64]]:
    """Return the letters of words between their marks, and the ``n + 1`` offsets of the words in them."""
    text, offsets = words
    marked = offsets + 2 * np.arange(len(offsets))  # where words begin, counted with their marks
    inside = np.ones(marked[-1], bool)
    inside[marked[:-1]] = inside[marked[1:] - 1] = False
    raw = np.empty(marked[-1], np.uint8)
    raw[marked[:-1]], raw[marked[1:] - 1], raw[inside] = _BEGIN, _END, text[: offsets[-1]]
    starts = np.flatnonzero((raw & 0xC0) != 0x80)  # all other bytes go on with a letter, valid or not
    sizes = np.diff(starts, append=len(raw))
    return _Letters(raw.view(np.int8).astype(np.uint32), starts, sizes), np.searchsorted(starts, marked)


def _remainders(
    letters: _Letters, bounds: NDArray[np.int64], least: int, most: int, n_buckets: int
) -> NDArray[np.int64]:
    """Return, for every letter, the remainder of the n-gram of each length that begins there, or -1."""
    text, starts, sizes = letters
    n = len(starts)
    left = np.repeat(bounds[1:], np.diff(bounds)) - np.arange(n)  # letters to the end of the word
    most = min(most, int(left.max()))
    found = np.full((n, max(most - least + 1, 0)), -1, np.int64)
    hashes = np.full(n, _BASIS)
    more = [(at, np.flatnonzero(sizes > at)) for at in range(1, int(sizes.max()))]
    first = text[starts]
    for length in range(1, most + 1):  # of each n-gram the last letter is added
        shift = length - 1
        hashes = hashes[: n - shift]
        hashes ^= first[shift:]
        hashes *= _PRIME
        for at, some in more:
            wide = some[np.searchsorted(some, shift) :]
            hashes[wide - shift] = (hashes[wide - shift] ^ text[starts[wide] + at]) * _PRIME
        if length >= least:
            there = left[: n - shift] >= length
            if length == 1:  # the marks alone are none
                there[bounds[:-1]] = there[bounds[1:] - 1] = False
            found[: n - shift, length - least][there] = hashes[there] % np.uint32(n_buckets)
    return found


def _wholes(words: Words) -> list[int]:
    text, offsets = words
    alike = np.flatnonzero(np.diff(offsets) == len(_WHOLE))
    return [int(i) for i in alike if text[offsets[i] : offsets[i + 1]].tobytes() == _WHOLE]


def _renumbered(found: NDArray[np.int64], pruned: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the rows of remainders; -1 for those that a model dropped."""
    if not len(pruned):
        return np.full_like(found, -1)
    at = np.minimum(np.searchsorted(pruned[:, 0], found), len(pruned) - 1)
    return np.where(pruned[at, 0] == found, pruned[at, 1], -1)
