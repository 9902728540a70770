"""The lines of evaluation sets as fields, however they were published: separators, headers, comments, numbers of lines.

A first line is a header where it has names that are known below; a line that does not fit is an error.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

WORD = re.compile(r"(first|second)?[ _-]?(word|term|w|item|noun|verb|concept|lemma|phrase|first|second)[ _-]?[12ab]?")
CATEGORY = re.compile(r"(super)?(category|class|label|cluster|group)([ _-]?name)?")
SCORES = ("simlex999", "mean", "average", "avg", "score", "rating", "similarity", "relatedness", "human", "gold")
SPREADS = {"sd", "std", "stdev", "var", "variance", "min", "max", "median"}  # of scores, and not what is asked for
TAGS = {"n", "v", "a", "r", "j", "s", "adj", "adv", "noun", "verb", "adjective", "adverb"}


class Sheet(NamedTuple):
    """What a file holds.

    Attributes
    ----------
    names : list of str
        Of the columns, in lower case; empty where there is no header.
    rows : list of (int, list of str)
        The number of each line, and its fields.
    width : int
        Fields of most lines.
    blanks : bool
        Whether fields are apart by blanks: a term of two words would then look like two.
    """

    names: list[str]
    rows: list[tuple[int, list[str]]]
    width: int
    blanks: bool

    def column(self, i: int) -> list[str]:
        """Return the fields of a column; empty ones where a line has fewer."""
        return [fields[i] if i < len(fields) else "" for _, fields in self.rows]

    def columns(self, n_least: int) -> list[int]:
        """Return the columns; if there are more than needed, but for numbers of lines and parts of speech."""
        listed = list(range(self.width))
        if len(listed) > n_least and is_numbering(self.column(0)):
            del listed[0]
        if len(listed) > n_least:
            listed = [i for i in listed if not TAGS.issuperset(field.lower() for field in self.column(i))]
        return listed

    def headed(self) -> Sheet:
        """Return the sheet with its first line as the names of the columns, if these are as many."""
        names, rows = [name.lower().lstrip("# ") for name in self.rows[0][1]], self.rows[1:]
        width = _width(rows) or len(names)
        if len(names) + 1 == width:
            names.insert(0, "")  # as R writes the numbers of lines
        return Sheet(names if len(names) == width else [], rows, width, self.blanks)


def read_lines(path: str | os.PathLike[str]) -> list[tuple[int, str]]:
    """Return the lines that hold something, numbered from 1. Some old sets are Latin-1."""
    data = Path(path).read_bytes()
    try:
        text = data.decode("utf-16" if data[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    # "\n" alone ends a line, or "\r" alone: Latin-1 reviews hold characters that splitlines would also break at.
    lines = text.split("\n" if "\n" in text else "\r")
    return [(number, line.rstrip("\r")) for number, line in enumerate(lines, 1) if line.strip()]


def read_sheet(path: str | os.PathLike[str], n_least: int) -> Sheet:
    """Return the fields of a file of ``n_least`` columns or more, without comments; a header is its first line."""
    lines = read_lines(path)
    while lines and lines[0][1].startswith("# "):
        del lines[0]
    every = [line for _, line in lines]
    counted = [line for line in every if not line.startswith("#")] or every
    tabs = any("\t" in line for line in counted)
    separator = next((c for c in ",;" if not tabs and all(line.count(c) >= n_least - 1 for line in counted)), None)
    if separator:
        rows = [(n, next(csv.reader([line], delimiter=separator, skipinitialspace=True))) for n, line in lines]
    else:
        rows = [(n, line.split("\t") if "\t" in line else line.split()) for n, line in lines]
    width = _width(rows)
    # A word may begin with "#": such a line has as many fields as others have.
    rows = [
        (n, list(map(_plain, fields))) for n, fields in rows if len(fields) == width or not fields[0].startswith("#")
    ]
    return Sheet([], rows, width, blanks=not tabs and not separator)


def _width(rows: list[tuple[int, list[str]]]) -> int:
    return Counter(len(fields) for _, fields in rows).most_common(1)[0][0] if rows else 0


def _plain(field: str) -> str:
    field = field.strip()
    return field[1:-1] if len(field) > 2 and field[0] == field[-1] == '"' else field


def matching(names: Sequence[str], pattern: re.Pattern[str]) -> list[int]:
    """Return which names are of a kind."""
    return [i for i, name in enumerate(names) if pattern.fullmatch(name.lower())]


def score_columns(names: Sequence[str]) -> list[int]:
    """Return the columns that are called as mean scores are: those of the best name, in the fewest words."""
    ranked: dict[tuple[int, int], list[int]] = {}
    for i, name in enumerate(names):
        tokens = re.findall(r"[^\W_]+", name.lower())
        ranks = [SCORES.index(token) for token in tokens if token in SCORES]
        if ranks and not SPREADS.intersection(tokens):
            ranked.setdefault((min(ranks), len(tokens)), []).append(i)
    return ranked[min(ranked)] if ranked else []


def as_number(field: str) -> float | None:
    """Return what a field says as a number, also with a comma for the point, or None."""
    try:
        return float(field.replace(",", ".") if field.count(",") == 1 else field)
    except ValueError:
        return None


def mostly_numbers(fields: Iterable[str]) -> bool:
    """Tell whether more than half of the fields are numbers: one that is not is a fault to be named."""
    known = [as_number(field) is not None for field in fields]
    return 2 * sum(known) > len(known)


def is_numbering(fields: Sequence[str]) -> bool:
    """Tell whether the lines are numbered, from 0 or from 1."""
    return any(len(fields) > 1 and list(fields) == [str(i + first) for i in range(len(fields))] for first in (0, 1))
