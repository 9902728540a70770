"""Texts with labels in a file, a line each, read block by block: the format that fastText is trained on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from slimvec.errors import FormatError
from slimvec.vectors.lines import BYTE_ORDER_MARK
from slimvec.vectors.opening import open_window, place_of
from slimvec.vectors.window import EndlessLineError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

LABEL = "__label__"
MOST_LINE_BYTES = 16 << 20
_LABELS = re.compile(rf"\A\s*(?:{LABEL}\S+(?:\s+|\Z))*")
_STRAY = re.compile(rf"(?<!\S){LABEL}\S*")


class LabelledTexts(NamedTuple):
    """Some lines of a file.

    Attributes
    ----------
    texts : list of str
    labels : list of str
        Of all texts, one text after the other.
    counts : list of int
        How many labels each text has.
    """

    texts: list[str]
    labels: list[str]
    counts: list[int]


def read_lines(path: str | os.PathLike[str], *, several: bool = False) -> Iterator[LabelledTexts]:
    """Yield the texts of a file, some MB at a time; blank lines are none. With ``several``, a line has any labels.

    Raises
    ------
    FormatError
        For a line that does not begin with one label, or, with ``several``, has one behind its words, for a text that
        is not UTF-8, or a line beyond 16 MB, by its number.
    """
    first = 1
    with open_window(place_of(path)) as opened:
        window = opened.window
        window.max_line = MOST_LINE_BYTES
        window.settle_line_ends()
        if window.peek(3) == BYTE_ORDER_MARK:
            window.skip(3)
        while True:
            try:
                size = window.whole_lines()
            except EndlessLineError:
                raise FormatError(f"line {first} is longer than {MOST_LINE_BYTES} bytes; expected a text") from None
            if not size:
                return
            lines = window.view(size).tobytes().removesuffix(b"\n").split(b"\n")
            window.skip(size)
            yield _labelled(lines, first, several)
            first += len(lines)


def _labelled(lines: list[bytes], first: int, several: bool) -> LabelledTexts:
    found = LabelledTexts([], [], [])
    for number, raw in enumerate(lines, first):
        try:
            line = raw.decode()
        except UnicodeDecodeError as error:
            raise FormatError(f"line {number} is not UTF-8 at byte {error.start + 1}") from None
        labels, text = _split(line)
        if not labels and not text:
            continue
        wrong = (_wrong_tags if several else _wrong_label)(labels, text)
        if wrong:
            raise FormatError(f"line {number} {wrong}")
        found.labels.extend(labels)
        found.counts.append(len(labels))
        found.texts.append(text)
    return found


def _split(line: str) -> tuple[list[str], str]:
    """Return the labels that a line begins with, and its text."""
    text = _LABELS.sub("", line, count=1)
    return [label.removeprefix(LABEL) for label in line.removesuffix(text).split()], text


def _wrong_label(labels: list[str], text: str) -> str:
    """Say what is wrong with a line that is to have one label."""
    if not labels:
        return f"begins with {text.split(maxsplit=1)[0][:40]!r}; expected a label, such as {LABEL}sports"
    return "has two labels; expected one" if len(labels) > 1 or text.startswith(LABEL) else ""


def _wrong_tags(_labels: list[str], text: str) -> str:
    """Say what is wrong with a line that may have any number of labels: one that would count as a word."""
    stray = _STRAY.search(text)
    return f"has {stray[0][:40]!r} in its text; expected labels, such as {LABEL}sports, before it" if stray else ""
