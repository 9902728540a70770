"""Reading evaluation sets: pairs with scores, words with categories, labelled sentences, analogies.

One file is one set, named after the file. Nothing is downloaded: users bring the files, under their own terms.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from slimvec.errors import FormatError

if TYPE_CHECKING:
    import os

SUFFIXES = {".txt", ".tsv", ".all", ".questions"}

Set = TypeVar("Set")


class Pair(NamedTuple):
    """Two words, or terms of several words, and how similar people find them."""

    first: str
    second: str
    score: float


class Labelled(NamedTuple):
    """A word and its category, or a sentence and its label."""

    label: str
    text: str


class Analogy(NamedTuple):
    """``a`` is to ``b`` as ``c`` is to ``answer``."""

    section: str
    a: str
    b: str
    c: str
    answer: str


def read_pairs(path: str | os.PathLike[str]) -> list[Pair]:
    """Read lines ``first second score``, apart by tabs if there are any (terms then may hold spaces).

    Raises
    ------
    FormatError
        Naming the line.
    """
    pairs = []
    for number, line in _lines(path):
        fields = line.split("\t") if "\t" in line else line.split()
        try:
            first, second, score = fields
            pairs.append(Pair(first.strip(), second.strip(), float(score)))
        except ValueError:
            raise FormatError(f"{path}, line {number}: {line[:80]!r}; expected two words and a score") from None
    return pairs


def read_categories(path: str | os.PathLike[str]) -> list[Labelled]:
    """Read lines ``category<TAB>word``."""
    return [_labelled(path, number, line, "\t", "a category, a tab and a word") for number, line in _lines(path)]


def read_sentences(path: str | os.PathLike[str]) -> list[Labelled]:
    """Read lines ``label text``, the text split into words by spaces already."""
    return [_labelled(path, number, line, " ", "a label, a space and a text") for number, line in _lines(path)]


def read_analogies(path: str | os.PathLike[str]) -> list[Analogy]:
    """Read analogies in Google's format or in MSR's.

    Google: ``a b c answer``, with lines ``: section`` between. MSR: ``a b c section answer``, which is its file of
    questions beside its file of answers (``paste -d' ' word_relationship.questions word_relationship.answers``).
    """
    section, analogies = "", []
    for number, line in _lines(path):
        if line.startswith(":"):
            section = line[1:].strip()
            continue
        match line.split():
            case [a, b, c, answer]:
                analogies.append(Analogy(section, a, b, c, answer))
            case [a, b, c, kind, answer]:
                analogies.append(Analogy(kind, a, b, c, answer))
            case _:
                raise FormatError(
                    f"{path}, line {number}: {line[:80]!r}; expected four words, or three, a kind and one"
                )
    return analogies


def named_sets(
    sets: Mapping[str, Set] | str | os.PathLike[str],
    read: Callable[[Path], Set],
) -> dict[str, Set]:
    """Return sets by name: those given, those of a folder's files, or that of one file.

    Raises
    ------
    FileNotFoundError
        If there is no such file or folder, or no set in it.
    """
    if isinstance(sets, Mapping):
        return dict(sets)
    path = Path(sets)
    if path.is_file():
        return {path.stem: read(path)}
    if not path.is_dir():
        raise FileNotFoundError(2, "no such file or folder of evaluation sets", str(path))
    files = sorted(file for file in path.iterdir() if file.suffix in SUFFIXES)
    if not files:
        raise FileNotFoundError(2, f"no evaluation set ({', '.join(sorted(SUFFIXES))}) in this folder", str(path))
    return {file.stem: read(file) for file in files}


def _lines(path: str | os.PathLike[str]) -> list[tuple[int, str]]:
    """Return the lines that hold something, numbered from 1. Some old sets are Latin-1."""
    data = Path(path).read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    # "\n" alone ends a line: Latin-1 reviews hold characters that splitlines would also break at.
    return [(number, line.rstrip("\r")) for number, line in enumerate(text.split("\n"), 1) if line.strip()]


def _labelled(path: str | os.PathLike[str], number: int, line: str, separator: str, expected: str) -> Labelled:
    label, found, text = line.partition(separator)
    if not found or not label.strip():
        raise FormatError(f"{path}, line {number}: {line[:80]!r}; expected {expected}")
    return Labelled(label.strip(), text.strip())
