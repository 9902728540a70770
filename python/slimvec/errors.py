"""The exceptions that are slimvec's own."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

SPELLING_CANDIDATES = 50_000  # words compared when one is not found: word lists begin with the frequent ones


class FormatError(ValueError):
    """A file's content is damaged, truncated, or not of the format it claims.

    Raised by :func:`slimvec.open` and :func:`slimvec.read_vectors`; the message names the file and, where there is one,
    the line. A file that is missing or may not be read raises :class:`OSError` instead.
    """


class UnknownWordError(KeyError):
    """A word that is not in a vocabulary. Near spellings are looked for only when the message is read."""

    def __init__(self, word: str, known: Collection[str]) -> None:
        super().__init__(word)
        self._known = known

    def __str__(self) -> str:
        from difflib import get_close_matches

        word, near = self.args[0], []
        letters = _letters(word)
        with suppress(FormatError):  # damaged words are no help
            near = [other for other in _other_spellings(word) if other in self._known]
            candidates = list(islice(self._known, SPELLING_CANDIDATES))
            near += [other for other in candidates if _letters(other) == letters]
            near += get_close_matches(word, candidates, n=3, cutoff=0.75)
        hint = f"; near spellings: {', '.join(map(repr, list(dict.fromkeys(near))[:3]))}" if near else ""
        return f"unknown word {word!r}{hint}"

    def __reduce__(self) -> tuple[type[KeyError], tuple[str]]:
        return KeyError, (str(self),)  # sent to another process, it need not carry the vocabulary


def _letters(word: str) -> str:
    """Return a word without case, accents, and what joins its parts."""
    import unicodedata

    return "".join(c for c in unicodedata.normalize("NFKD", word).casefold() if c.isalnum()) or word


def _other_spellings(word: str) -> list[str]:
    """Return how else a word may be written in a vocabulary: of any number of words, it is asked for each."""
    import unicodedata

    plain = word.strip()
    cases = [plain, plain.lower(), plain.capitalize(), plain.title(), plain.upper()]
    joined = [case.replace(" ", joint) for case in cases for joint in " _-"]
    return [unicodedata.normalize(form, other) for other in joined for form in ("NFC", "NFD", "NFKC")]


@contextmanager
def naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Put the name of a file in front of the message of any FormatError in the block."""
    try:
        yield
    except FormatError as error:
        raise FormatError(f"{os.fsdecode(path)}: {error}") from None


@contextmanager
def needs(module: str, extra: str) -> Iterator[None]:
    """Turn an ImportError in the block into one that names the extra which brings the module."""
    try:
        yield
    except ImportError:
        message = f"this needs {module}, which is not installed; install it with: pip install 'slimvec[{extra}]'"
        raise ImportError(message) from None
