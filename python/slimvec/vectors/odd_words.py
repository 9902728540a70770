"""Words as they come from the compiled reader, looked over: two lines in one, and words in other encodings."""

from __future__ import annotations

from itertools import compress, pairwise
from typing import TYPE_CHECKING

import numpy as np

from slimvec.vectors.lines import least_numbers, looks_joined
from slimvec.vectors.word_list import Words

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SPACE, _TAB = b" \t"


def joined(words: Words, dim: int) -> list[int]:
    """Return which words hold the numbers of a line that lost its end."""
    text, offsets = words
    least = least_numbers(dim)
    raw = text.tobytes()
    if raw.count(b" ") + raw.count(b"\t") < least:  # as nearly always
        return []
    blanks = np.flatnonzero((text == _SPACE) | (text == _TAB))
    counts = np.diff(np.searchsorted(blanks, offsets))
    some = np.flatnonzero(counts >= least).tolist()
    return [i for i in some if looks_joined(text[offsets[i] : offsets[i + 1]].tobytes(), dim)]


def recoded(words: Words, encoding: str) -> tuple[Words, dict[int, str]]:
    """Return words of another encoding in UTF-8, and what is wrong with those that are not in it."""
    spelt, wrong = _apart(words), {}
    for i, word in enumerate(spelt):
        try:
            spelt[i] = word.decode(encoding).encode()
        except UnicodeError as error:
            wrong[i] = f"the word is not {encoding} ({error})"
    return Words.of(spelt), wrong


def without(words: Words, kept: NDArray[np.bool_]) -> Words:
    """Return those words that are kept."""
    return Words.of(list(compress(_apart(words), kept)))


def _apart(words: Words) -> list[bytes]:
    raw = words.text.tobytes()
    return [raw[begin:end] for begin, end in pairwise(words.offsets.tolist())]
