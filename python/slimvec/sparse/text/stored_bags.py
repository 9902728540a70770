"""Bags of a file of texts, in a temporary file: in memory are 24 bytes a text (of tagged texts more), and the words."""

from __future__ import annotations

import mmap
import tempfile
from collections import defaultdict
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from slimvec.sparse.text.bags import Bags, ranked_words, read_texts, without_unknown
from slimvec.sparse.text.text_lines import read_lines
from slimvec.sparse.text.text_losses import TagLists

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from slimvec.sparse.text.model import Targets

NONE = np.zeros(0, np.int64)
ENTRY = np.dtype([("row", np.int32), ("weight", np.float32)])


class StoredBags(NamedTuple):
    """What a classifier or a tagger learns from.

    Attributes
    ----------
    words : list of str
        Most frequent first.
    bags : Bags
        Mapped.
    classes : ndarray of str
        Sorted.
    targets : ndarray, shape (n_texts,), int64, or TagLists
        Numbers of classes.
    """

    words: list[str]
    bags: Bags
    classes: NDArray[Any]
    targets: Targets


@contextmanager
def stored_bags(path: str | os.PathLike[str], min_count: int, *, several: bool = False) -> Iterator[StoredBags]:
    """Give what a file of texts holds, as :func:`slimvec.sparse.text.bags.learn_words` does of texts in memory.

    With ``several``, texts have any number of classes, and targets are :class:`TagLists`.

    Tokens go to a temporary file as they are read, by the number of the first coming of each; once all are counted, the
    bags go to another, from which batches are taken.
    """
    with tempfile.TemporaryFile(prefix="slimvec-") as tokens, tempfile.TemporaryFile(prefix="slimvec-") as entries:
        first_seen: defaultdict[Any, int] = defaultdict(count().__next__)
        label_numbers: defaultdict[str, int] = defaultdict(count().__next__)
        counts, blocks, targets, n_targets = np.zeros(0, np.int64), [], [NONE], [NONE]
        for texts, labels, n_labels in read_lines(path, several=several):
            flat, sizes = read_texts(texts, first_seen.__getitem__)
            counts = _added(counts, np.bincount(flat, minlength=len(first_seen)))
            tokens.write(flat.data)
            blocks.append(sizes)
            targets.append(np.fromiter((label_numbers[label] for label in labels), np.int64, len(labels)))
            if several:
                n_targets.append(np.array(n_labels, np.int64))
        words, row = ranked_words(first_seen, counts, min_count)
        tokens.seek(0)
        offsets, n_entries = [np.zeros(1, np.int64)], 0
        for sizes in blocks:
            flat = np.frombuffer(tokens.read(8 * int(sizes.sum())), np.int64)
            bags = Bags(*without_unknown(row[flat], sizes), len(words))
            some = np.empty(len(bags.rows), ENTRY)
            some["row"], some["weight"] = bags.rows, bags.weights
            entries.write(some.data)
            offsets.append(n_entries + bags.offsets[1:])
            n_entries += len(some)
        classes, numbers = np.unique(np.array(list(label_numbers), str), return_inverse=True)
        whole = Bags.of_parts(np.concatenate(offsets), *_mapped(entries))
        of_texts = numbers[np.concatenate(targets)]
        tagged = TagLists(of_texts, np.concatenate(n_targets)) if several else of_texts
        yield StoredBags(words, whole, classes, tagged)


def _added(first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the sum of counts, of which the second have more words."""
    second[: len(first)] += first
    return second


def _mapped(entries: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    entries.flush()
    is_empty = entries.tell() == 0  # which cannot be mapped
    whole = np.frombuffer(b"" if is_empty else mmap.mmap(entries.fileno(), 0, access=mmap.ACCESS_READ), ENTRY)
    return whole["row"], whole["weight"]
