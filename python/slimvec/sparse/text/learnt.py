"""What a text classifier or tagger has learnt: a table of words, and a linear model on the means of its rows."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from slimvec.errors import FormatError
from slimvec.sparse.table import SparseTable
from slimvec.sparse.text.bags import as_texts, read_texts, without_unknown
from slimvec.vocabulary import Vocabulary

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slimvec.files.table_file import Content

TEXTS_AT_ONCE = 1024
MOST_KNOWN = 1 << 18  # tokens whose rows are remembered from texts before
COUNTS = {"n_classes": "classifier", "n_tags": "tagger"}  # facts, of which a file has one: who learnt so many classes


class KnownWords(dict[Any, int]):
    """The rows of tokens that were asked for, -1 of those that a vocabulary does not have."""

    def __init__(self, vocabulary: Any) -> None:
        self._vocabulary = vocabulary

    def __missing__(self, token: Any) -> int:
        """Look in the vocabulary, once for each token."""
        row = self._vocabulary.find(token) if isinstance(token, str) else -1
        self[token] = row
        return row


@dataclass(frozen=True, eq=False)
class Learnt:
    """Embeddings, and a classifier or tagger, as a file holds them; NumPy alone uses them.

    Attributes
    ----------
    table : SparseTable
    classes : ndarray, shape (n_classes,)
        Strings or int64.
    coef : ndarray, shape (n_classes, d), float32
    intercept : ndarray, shape (n_classes,), float32
    count : {"n_classes", "n_tags"}
        How the file calls the number of classes, and so, what was learnt.
    """

    table: SparseTable
    classes: NDArray[Any]
    coef: NDArray[np.float32]
    intercept: NDArray[np.float32]
    count: str

    def logits(self, texts: Any) -> NDArray[np.float32]:
        """Return a score of each class for each text, ``(n, n_classes)``; texts are asked for as they are needed."""
        waiting, found = iter(as_texts(texts)), [np.empty((0, len(self.classes)), np.float32)]
        known = KnownWords(self.table.vocabulary)
        while some := list(islice(waiting, TEXTS_AT_ONCE)):
            if len(known) > MOST_KNOWN:
                known.clear()
            first = (len(found) - 1) * TEXTS_AT_ONCE
            flat, sizes = without_unknown(*read_texts(some, known.__getitem__, first))
            bags: Any = np.split(flat, np.cumsum(sizes))[:-1]
            found.append(self._scores(self.table.mean(bags)))
        return np.concatenate(found)

    def _scores(self, means: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return W m + b, summed in float64 in the order of the columns.

        A product of two float32 numbers is exact there, so that C finds the same bits, with fused sums or without.
        """
        total = np.zeros((len(means), len(self.classes)))
        with np.errstate(over="ignore", invalid="ignore"):  # reported just below
            for of_texts, of_classes in zip(means.T.astype(np.float64), self.coef.T.astype(np.float64), strict=True):
                total += of_texts[:, None] * of_classes
            scores = (total + self.intercept).astype(np.float32)
        if not np.isfinite(scores).all():
            raise ValueError("scores of classes are NaN or infinite: what was learnt is damaged")
        return scores

    # ---- files

    def to_content(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return facts and tensors of a file."""
        facts, tensors = self.table.to_content()
        facts[self.count] = len(self.classes)
        tensors |= {"coef": self.coef, "intercept": self.intercept}
        strings = self.classes.dtype.kind == "U"
        return facts, tensors | (
            Vocabulary(self.classes).to_tensors("classes") if strings else {"classes": self.classes}
        )

    @classmethod
    def from_content(cls, content: Content, count: str) -> Self:
        """Return what a file holds, checked; ``count`` says what it is to be."""
        found = [name for name in COUNTS if name in content.facts and content.facts.get("kind") == SparseTable.kind]
        if len(found) > 1:
            raise FormatError(f"it says {' and '.join(found)}; expected one of them: damaged")
        if not found:
            raise FormatError(f"it holds no {COUNTS[count]}; slimvec.open reads tables")
        if found != [count]:
            raise FormatError(f"it holds a {COUNTS[found[0]]}; slimvec.Text{COUNTS[found[0]].title()}.load reads it")
        table = SparseTable.from_content(content)
        n_classes = content.integer(count, 1)
        names = content.words("classes", n_classes)
        classes = content.tensor("classes", np.int64, (n_classes,)) if names is None else np.array(names.words)
        if table.vocabulary is None:
            raise FormatError("its table has no words")
        coef = content.tensor("coef", np.float32, (n_classes, table.dim))
        return cls(table, classes, coef, content.tensor("intercept", np.float32, (n_classes,)), count)
