"""Reading evaluation sets: pairs with scores, words with categories, labelled sentences, analogies.

One file is one set, named after the file. Nothing is downloaded: users bring the files, under their own terms.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from slimvec.errors import FormatError
from slimvec.evaluate.sheet import (
    CATEGORY,
    WORD,
    Sheet,
    as_number,
    matching,
    mostly_numbers,
    read_lines,
    read_sheet,
    score_columns,
)

if TYPE_CHECKING:
    import os

SUFFIXES = {"", ".all", ".csv", ".questions", ".tab", ".tsv", ".txt"}
COMPANIONS = {"readme", "license", "licence", "instructions", "copying"}  # lie beside sets in their archives
PAIR = "two words and a score, or a header that names their columns, such as word1, word2, score"
MOST_PAIRS = 1000  # in one file of BATS, which has 50: a million questions
BLESS_RELATIONS = {"attri", "coord", "event", "hyper", "mero", "random-j", "random-n", "random-v"}

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
    """Read two words and a score from each line, as sets are published.

    Fields are apart by tabs, commas, semicolons or blanks (terms then hold none). Comments, numbers of lines and parts
    of speech are passed over. A header tells the columns by their names (word1, Word 2, term1; SimLex999, mean, score,
    rating, similarity ...). Without one, the score is the first column of numbers after the two words.

    Raises
    ------
    FormatError
        Naming the line.
    """
    sheet = read_sheet(path, 3)
    if not sheet.rows:
        return []
    sheet, (first, second, score) = _pair_columns(path, sheet)
    pairs = []
    for line, fields in sheet.rows:
        value = as_number(fields[score]) if score < len(fields) else None
        whole = len(fields) == sheet.width or not sheet.blanks
        if value is None or not (math.isfinite(value) and fields[first] and fields[second] and whole):
            raise _misfit(path, line, fields, PAIR)
        pairs.append(Pair(fields[first], fields[second], value))
    return pairs


def _pair_columns(path: str | os.PathLike[str], sheet: Sheet) -> tuple[Sheet, tuple[int, int, int]]:
    """Return a sheet without its header, and the columns of the two words and of the score."""
    line, names = sheet.rows[0]
    figures = [as_number(name) is not None for name in names]
    words, scores = matching(names, WORD), score_columns(names)
    by_words = len(words) == 2 and not any(figures)
    by_score = scores and not any(figures[i] for i in scores) and (len(words) == 2 or not any(figures[2:]))
    if by_words or by_score:
        sheet = sheet.headed()
    words, scores = matching(sheet.names, WORD)[:2], score_columns(sheet.names)
    others = [i for i in sheet.columns(3) if i not in scores and (len(words) < 2 or i not in words)]
    if len(words) < 2:
        words, others = others[:2], others[2:]
    scores = scores or [i for i in others if mostly_numbers(sheet.column(i))]
    if sheet.names and len(scores) > 1:
        raise _misfit(path, line, names, "a header that calls one column mean, score, rating or similarity")
    apart = sheet.names or not sheet.blanks or scores[:1] == others[:1]  # and not "new york city 5"
    if len(words) < 2 or not scores or not apart:
        raise _misfit(path, *(sheet.rows or [(line, names)])[0], PAIR)
    return sheet, (words[0], words[1], scores[0])


def read_categories(path: str | os.PathLike[str]) -> list[Labelled]:
    """Read a category and a word from each line, as sets are published.

    Fields are apart by tabs, commas, semicolons or, where lines have two words, blanks. A header tells which is which
    (category, class; word, concept). Without one, the category comes first, or second where nothing comes twice in the
    first column. Of BLESS each concept is read with its class.

    Raises
    ------
    FormatError
        Naming the line.
    """
    sheet = read_sheet(path, 2)
    if not sheet.rows:
        return []
    names = sheet.rows[0][1]
    if len(matching(names, CATEGORY)) == 1 and len(matching(names, WORD)) == 1:
        sheet = sheet.headed()
    bless = set(sheet.column(2)) <= BLESS_RELATIONS
    named = [*matching(sheet.names, CATEGORY), *matching(sheet.names, WORD)]
    category, word = named or ([1, 0] if bless else _category_columns(sheet))
    listed = []
    for line, fields in sheet.rows:
        if max(category, word) >= len(fields) or not fields[category] or (sheet.blanks and len(fields) != 2):
            raise _misfit(path, line, fields, "a category, a tab and a word")
        listed.append(Labelled(fields[category], fields[word]))
    return list(dict.fromkeys(listed)) if bless else listed


def _category_columns(sheet: Sheet) -> list[int]:
    first, second, *_ = [*sheet.columns(2), 0, 1]
    distinct = [len(set(sheet.column(i))) for i in (first, second)]
    return [second, first] if distinct[0] == len(sheet.rows) > distinct[1] else [first, second]


def _misfit(path: str | os.PathLike[str], line: int, fields: list[str], expected: str) -> FormatError:
    text = " ".join(fields)
    return FormatError(f"{path}, line {line}: {text[:80]!r}; expected {expected}")


def read_sentences(path: str | os.PathLike[str]) -> list[Labelled]:
    """Read lines ``label text``, the text split into words by spaces already."""
    return [_labelled(path, number, line, " ", "a label, a space and a text") for number, line in read_lines(path)]


def read_analogies(path: str | os.PathLike[str]) -> list[Analogy]:
    """Read analogies in Google's format, in MSR's or in that of BATS.

    Google: ``a b c answer``, with lines ``: section`` between. MSR: ``a b c section answer``, which is its file of
    questions beside its file of answers (``paste -d' ' word_relationship.questions word_relationship.answers``).
    BATS: pairs ``a answer/answer...``; each is asked by each other one, and the first answer counts.
    """
    section, analogies = "", []
    pairs: list[tuple[str, str]] = []
    for number, line in read_lines(path):
        if line.startswith(":"):
            section = line[1:].strip()
            continue
        match line.split():
            case [a, b, c, answer]:
                analogies.append(Analogy(section, a, b, c, answer))
            case [a, b, c, kind, answer]:
                analogies.append(Analogy(kind, a, b, c, answer))
            case [a, answers] if not analogies and len(pairs) < MOST_PAIRS:
                pairs.append((a, answers.split("/")[0]))
                continue
            case _:
                raise _misfit(path, number, [line], "four words, or three, a kind and one")
        if pairs:
            raise _misfit(path, number, [line], "a pair of words, as in the lines above")
    return analogies + [Analogy(Path(path).stem, *one, *other) for one, other in permutations(pairs, 2)]


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
    files = sorted(
        file
        for file in path.iterdir()
        if file.is_file() and file.suffix.lower() in SUFFIXES and file.stem.lower() not in COMPANIONS
        if not file.name.startswith(".")
    )
    if not files:
        raise FileNotFoundError(2, f"no evaluation set ({' '.join(sorted(SUFFIXES))}) in this folder", str(path))
    alike = Counter(file.stem for file in files)
    return {file.stem if alike[file.stem] == 1 else file.name: read(file) for file in files}


def _labelled(path: str | os.PathLike[str], number: int, line: str, separator: str, expected: str) -> Labelled:
    label, found, text = line.partition(separator)
    if not found or not label.strip():
        raise FormatError(f"{path}, line {number}: {line[:80]!r}; expected {expected}")
    return Labelled(label.strip(), text.strip())
