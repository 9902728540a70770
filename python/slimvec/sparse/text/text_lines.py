"""Texts with labels in a file, a line each, read block by block: the format that fastText is trained on."""

from __future__ import annotations

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


class LabelledTexts(NamedTuple):
    """Some lines of a file.

    Attributes
    ----------
    texts : list of str
    labels : list of str
        One per text.
    """

    texts: list[str]
    labels: list[str]


def read_lines(path: str | os.PathLike[str]) -> Iterator[LabelledTexts]:
    """Yield the texts of a file, some MB at a time; blank lines are none.

    Raises
    ------
    FormatError
        For a line that does not begin with one label, a text that is not UTF-8, or a line beyond 16 MB, by its number.
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
            yield _labelled(lines, first)
            first += len(lines)


def _labelled(lines: list[bytes], first: int) -> LabelledTexts:
    found = LabelledTexts([], [])
    for number, raw in enumerate(lines, first):
        try:
            label, *rest = raw.decode().split(maxsplit=1) or [""]
        except UnicodeDecodeError as error:
            raise FormatError(f"line {number} is not UTF-8 at byte {error.start + 1}") from None
        text = "".join(rest)
        if not label:
            continue
        if not label.startswith(LABEL) or label == LABEL:
            raise FormatError(f"line {number} begins with {label[:40]!r}; expected a label, such as {LABEL}sports")
        if text.startswith(LABEL):
            raise FormatError(f"line {number} has two labels; expected one")
        found.labels.append(label.removeprefix(LABEL))
        found.texts.append(text)
    return found
