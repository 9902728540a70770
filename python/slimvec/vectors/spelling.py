"""Words as they are written: as they are, or with something else for their blanks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slimvec.vocabulary import Vocabulary

_BLANK = re.compile(r"[ \t\v\f\r\n]")


class Spelling:
    """The words of a vocabulary, one after the other.

    Parameters
    ----------
    words : Vocabulary
    blanks : str, optional
        What is written for each blank or line break in a word, and for a word that is empty.

    Attributes
    ----------
    n_blank : int
        Words with blanks that were written as they are.
    example : str
        The first of them.

    Raises
    ------
    ValueError
        If ``blanks`` is empty or holds a blank itself; when walking, if two words would be written alike.
    """

    def __init__(self, words: Vocabulary, blanks: str | None) -> None:
        if blanks is not None and (not blanks or _BLANK.search(blanks)):
            raise ValueError(f"blanks={blanks!r}; expected what to write for blanks, such as '_'")
        self._words = words
        self._blanks = blanks
        self.n_blank = 0
        self.example = ""

    def __iter__(self) -> Iterator[str]:
        rewritten = set()
        for word in self._words:
            if word and not _BLANK.search(word):
                yield word
            elif self._blanks is None:
                self.n_blank += 1
                self.example = self.example or word
                yield word
            else:
                other = _BLANK.sub(lambda _: str(self._blanks), word) or self._blanks
                if other in rewritten or other in self._words:
                    raise ValueError(f"words holds {other!r} beside {word!r}; choose another blanks={self._blanks!r}")
                rewritten.add(other)
                yield other
