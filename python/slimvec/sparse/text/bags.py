"""Texts as bags of words: rows of a vocabulary, and what each of them counts."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

WORD = re.compile(r"\b\w\w+\b")


class Bags:
    """Bags of rows, repeated ones counted; the weights of a bag add up to 1, so that sums by them are means.

    Parameters
    ----------
    flat : ndarray, shape (n_tokens,), int64
        The rows of all bags, one bag after the other.
    sizes : ndarray, shape (n_bags,), int64
    n_rows : int
        Rows are below this.
    dtype
        Of the weights.

    Attributes
    ----------
    offsets : ndarray, shape (n_bags + 1,), int64
        Bag b has the entries ``offsets[b]`` to ``offsets[b + 1] - 1``.
    rows : ndarray, shape (n_entries,), int64
        Rising in each bag.
    weights : ndarray, shape (n_entries,)
        How often the row is in the bag, over the bag's size.

    Examples
    --------
    >>> bags = Bags(np.array([3, 1, 3, 3, 0]), np.array([4, 0, 1]), 4)
    >>> bags.offsets.tolist(), bags.rows.tolist(), bags.weights.tolist()
    ([0, 2, 2, 3], [1, 3, 0], [0.25, 0.75, 1.0])
    """

    def __init__(self, flat: NDArray[np.int64], sizes: NDArray[np.int64], n_rows: int, dtype: Any = np.float32) -> None:
        owners = np.repeat(np.arange(len(sizes)), sizes)
        pairs, counts = np.unique(owners * max(n_rows, 1) + flat, return_counts=True)
        owners, self.rows = np.divmod(pairs, max(n_rows, 1))
        self.offsets = np.searchsorted(owners, np.arange(len(sizes) + 1))
        self.weights = (counts / sizes[owners]).astype(dtype)

    @classmethod
    def of_parts(cls, offsets: NDArray[np.int64], rows: NDArray[np.int64], weights: NDArray[Any]) -> Bags:
        """Return bags of these attributes."""
        bags = cls.__new__(cls)
        bags.offsets, bags.rows, bags.weights = offsets, rows, weights
        return bags

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def take(self, which: NDArray[np.int64]) -> Bags:
        """Return some of the bags, in the order of ``which``."""
        starts = self.offsets[which]
        sizes = self.offsets[which + 1] - starts
        offsets = np.concatenate([[0], np.cumsum(sizes)])
        entries = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], sizes)
        return Bags.of_parts(offsets, self.rows[entries].astype(np.int64, copy=False), self.weights[entries])

    def part(self, which: NDArray[np.int64]) -> Part:
        """Return some of the bags without copying them."""
        return Part(self, which)


class Part:
    """Some bags of many, of which batches are taken as from :class:`Bags`."""

    def __init__(self, bags: Bags, which: NDArray[np.int64]) -> None:
        self._bags, self._which = bags, which

    def __len__(self) -> int:
        return len(self._which)

    def take(self, which: NDArray[np.int64]) -> Bags:
        """Return some of the bags, in the order of ``which``."""
        return self._bags.take(self._which[which])


def as_texts(texts: Any) -> Iterable[Any]:
    """Return what can be walked over, and is no lone text."""
    if isinstance(texts, str) or not isinstance(texts, Iterable):
        raise TypeError(f"texts is {type(texts).__name__} {str(texts)[:40]!r}; expected a sequence of texts")
    return texts


def read_texts(texts: Any, row_of: Callable[[str], int], first: int = 0) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return what ``row_of`` makes of the tokens of all texts, one text after the other, and how many each has.

    A text is a string, whose words of two or more letters are taken in lower case, or a list of tokens as they are.
    ``first`` is the number of the first text, for messages.
    """
    parts = []
    for number, text in enumerate(as_texts(texts), first):
        tokens = WORD.findall(text.lower()) if isinstance(text, str) else text
        if isinstance(tokens, bytes) or not isinstance(tokens, Iterable):
            raise TypeError(f"texts[{number}] is {type(text).__name__}; expected a string or a list of tokens")
        parts.append(np.fromiter(map(row_of, tokens), np.int64))
    flat = np.concatenate([np.empty(0, np.int64), *parts])
    return flat, np.array([len(part) for part in parts], np.int64)


def learn_words(texts: Any, min_count: int) -> tuple[list[str], NDArray[np.int64], NDArray[np.int64]]:
    """Return the words that come at least ``min_count`` times, most frequent first, and rows and sizes of the texts.

    Words that come equally often are in order of their first coming.
    """
    first_seen: defaultdict[Any, int] = defaultdict(count().__next__)
    flat, sizes = read_texts(texts, first_seen.__getitem__)
    strange = next((token for token in first_seen if not isinstance(token, str)), None)
    if strange is not None:
        raise TypeError(f"texts holds the token {strange!r} of type {type(strange).__name__}; expected strings")
    words, row = ranked_words(first_seen, np.bincount(flat, minlength=len(first_seen)), min_count)
    return words, *without_unknown(row[flat], sizes)


def ranked_words(
    first_seen: dict[str, int], counts: NDArray[np.int64], min_count: int
) -> tuple[list[str], NDArray[np.int64]]:
    """Return words that come at least ``min_count`` times, most frequent first, and the row of each word, -1 of others.

    ``first_seen`` numbers the words in the order of their first coming, ``counts`` tells how often each comes.
    """
    order = np.argsort(-counts, kind="stable")
    order = order[counts[order] >= min_count]
    row = np.full(len(first_seen), -1)
    row[order] = np.arange(len(order))
    listed = list(first_seen)
    return [listed[place] for place in order.tolist()], row


def without_unknown(flat: NDArray[np.int64], sizes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return rows and sizes of texts without rows of -1."""
    found = flat >= 0
    owners = np.repeat(np.arange(len(sizes)), sizes)
    return flat[found], np.bincount(owners[found], minlength=len(sizes))
