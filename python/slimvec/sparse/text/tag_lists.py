"""Lists of tags, one list a text, as users give them: checked, and numbered."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.sparse.text.text_losses import TagLists

if TYPE_CHECKING:
    from numpy.typing import NDArray

REMEDY = 'expected a list of tags for each text, such as [["a"], ["a", "b"], []]'


def as_targets(tags: Any, n_texts: int) -> tuple[NDArray[Any], TagLists]:
    """Return the tags that there are, sorted, and those of each text by their numbers."""
    flat, sizes = flat_tags(tags, n_texts)
    if not flat:
        raise ValueError(f"tags holds {n_texts} lists without a tag; expected at least one tag")
    classes, numbers = np.unique(np.array(flat, str if isinstance(flat[0], str) else np.int64), return_inverse=True)
    return classes, TagLists(numbers, np.array(sizes, np.int64))


def flat_tags(tags: Any, n_texts: int) -> tuple[list[Any], list[int]]:
    """Return the tags of all texts, one text after the other, and how many each has: all strings, or all integers."""
    dimensions = getattr(tags, "ndim", 1)
    if isinstance(tags, str | bytes | dict) or not isinstance(tags, Iterable):
        raise TypeError(f"tags is {type(tags).__name__} {str(tags)[:40]!r}; {REMEDY}")
    if dimensions != 1:  # two are those of a matrix of indicators
        made = "of a matrix of zeros and ones: [numpy.flatnonzero(row) for row in matrix]"
        raise TypeError(f"tags has {dimensions} dimensions; {REMEDY}; {made}")
    flat: list[Any] = []
    sizes: list[int] = []
    for number, of_text in enumerate(tags):
        if isinstance(of_text, str | bytes | dict) or not isinstance(of_text, Iterable):
            one = "; of texts that have one label each, TextClassifier learns" if number == len(flat) == 0 else ""
            raise TypeError(f"tags[{number}] is {type(of_text).__name__} {str(of_text)[:40]!r}; {REMEDY}{one}")
        found = [_as_tag(tag, number) for tag in of_text]
        flat += found
        sizes.append(len(found))
    if len(sizes) != n_texts:
        raise ValueError(f"tags holds {len(sizes)} lists; expected {n_texts}, one per text")
    strange = next((tag for tag in flat if type(tag) is not type(flat[0])), None)
    if strange is not None:
        raise TypeError(f"tags holds {flat[0]!r} and {strange!r}; expected strings alone, or integers alone")
    return flat, sizes


def _as_tag(tag: Any, number: int) -> str | int:
    """Return a tag of the text of this number as a string or an integer."""
    if isinstance(tag, str):
        return str(tag)
    try:
        whole = operator.index(tag)
    except TypeError:
        whole = None
    if whole is None or isinstance(tag, bool | np.bool_):
        raise TypeError(
            f"tags[{number}] holds {str(tag)[:40]!r} of type {type(tag).__name__}; expected strings or integers"
        )
    if not -(2**63) <= whole < 2**63:
        raise ValueError(f"tags[{number}] holds {whole}; expected integers of 64 bits, or strings")
    return whole
