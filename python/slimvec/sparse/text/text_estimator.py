"""What the text classifier and the text tagger share: all but their targets, and what they make of scores."""

from __future__ import annotations

import os
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from slimvec.errors import FormatError
from slimvec.estimator import Estimator
from slimvec.files.table_file import read_content
from slimvec.files.table_writer import save_table
from slimvec.sparse.parts import SparseParts
from slimvec.sparse.product import Product
from slimvec.sparse.table import SparseTable
from slimvec.sparse.text.anchor_count import FIRST, find_anchor_count
from slimvec.sparse.text.bags import Bags, learn_words
from slimvec.sparse.text.first_entries import first_anchors, first_entries, related_entries
from slimvec.sparse.text.learnt import Learnt
from slimvec.sparse.text.model import TextModel
from slimvec.sparse.text.stored_bags import stored_bags
from slimvec.sparse.training.slot_store import SlotStore
from slimvec.validation import MOST_COLUMNS, as_bounded, as_generator, as_integer, as_steps
from slimvec.vocabulary import Vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from slimvec.files.table_file import Content
    from slimvec.progress import Progress
    from slimvec.sparse.text.model import Targets
    from slimvec.sparse.text.text_losses import Loss


@dataclass(eq=False, repr=False)
class TextEstimator(Estimator):
    """A linear model on the mean of a text's words, learnt together with their embeddings E = T A.

    Subclasses say how many classes a text has, and by which loss they are learnt.
    """

    n_anchors: int | str = 20
    embedding_dim: int = 100
    l1: float = 3e-6
    _: KW_ONLY
    anchors: str | Sequence[str] | ArrayLike = "dynamic"
    relations: Sequence[tuple[str, str]] | None = None
    nonnegative: bool = True
    min_count: int = 2
    n_epochs: int = 5
    batch_size: int = 64
    learning_rate: float = 0.2
    random_state: int | np.random.Generator | np.random.RandomState | None = 0

    _loss: ClassVar[Loss]
    _count: ClassVar[str]  # the fact of a file that tells the number of classes
    _several: ClassVar[bool]  # whether a text may have any number of classes, and there may be one alone

    def _fit(self, texts: Any, targets_of: Callable[[int], tuple[NDArray[Any], Targets]], progress: Progress) -> Self:
        """Learn from texts in memory; ``targets_of(n_texts)`` returns classes and targets, checked."""
        self._schedule()  # refusals are better told before texts are read
        words, flat, sizes = learn_words(texts, as_integer(self.min_count, "min_count", 1))
        return self._learn(words, Bags(flat, sizes, len(words)), *targets_of(len(sizes)), progress)

    def _fit_file(self, path: str | os.PathLike[str], progress: Progress) -> Self:
        """Learn from a file that is read block by block."""
        self._schedule()
        with stored_bags(path, as_integer(self.min_count, "min_count", 1), several=self._several) as found:
            if len(found.classes) < 2 - self._several:
                expected = "one" if self._several else "two"
                raise FormatError(f"{os.fsdecode(path)}: {len(found.classes)} labels; expected {expected} or more")
            return self._learn(*found, progress)

    def _learn(self, words: list[str], bags: Bags, classes: NDArray[Any], targets: Targets, progress: Progress) -> Self:
        """Learn from bags of words, and set what was learnt."""
        schedule, d = self._schedule(), as_bounded(self.embedding_dim, "embedding_dim", 1, MOST_COLUMNS)
        if not words:
            raise ValueError(
                f"texts holds no word {self.min_count} times; expected texts with words, or a lower min_count"
            )
        rows = {word: row for row, word in enumerate(words)}
        generator = as_generator(self.random_state)
        n_anchors: Any = self.n_anchors
        if n_anchors == "auto":
            if not isinstance(self.anchors, str) or self.anchors != "dynamic":
                raise ValueError('n_anchors="auto" makes anchors of its own; expected anchors="dynamic"')
            search = self._model(first_anchors("dynamic", FIRST, d, rows, generator), len(classes), rows, generator)
            searching: Progress = lambda _, done, total: progress("counting anchors", done, total)  # noqa: E731
            n_anchors = find_anchor_count(search, bags, targets, generator, progress=searching, **schedule)
        start = first_anchors(self.anchors, n_anchors, d, rows, generator)
        model = self._model(start, len(classes), rows, generator)
        model.train(bags, targets, generator=generator, progress=progress, **schedule)

        # All at once, at the end: an interrupted fit leaves an earlier one whole.
        product = Product.from_csr(model.anchors, model.store.to_csr(), "float32")
        names = None if start[1] is None else Vocabulary(words[row] for row in start[1].tolist())
        vocabulary, made_by = Vocabulary(words), self._description()
        parts = SparseParts(product, product.inverse_norms(), vocabulary, names, made_by=made_by)
        weights = np.ascontiguousarray(model.weights.T)
        self._set_learnt(Learnt(SparseTable.from_parts(parts), classes, weights, model.intercept, self._count))
        return self

    def _model(
        self,
        start: tuple[NDArray[Any], NDArray[np.int64] | None],
        n_classes: int,
        rows: dict[str, int],
        generator: np.random.Generator,
    ) -> TextModel:
        """Return a model that has learnt nothing, from :func:`first_anchors`."""
        anchors, anchor_rows = start
        free = related_entries(self.relations, rows, anchor_rows)
        entries = first_entries((len(rows), len(anchors)), anchor_rows)
        store = SlotStore(entries, free, nonnegative=bool(self.nonnegative))
        return TextModel(store, anchors, n_classes, generator, float(self.l1), self._loss)

    def _schedule(self) -> dict[str, Any]:
        """Return how long and how fast to train, after checking all numbers."""
        if not 0 <= float(self.l1) < np.inf:
            raise ValueError(f"l1={self.l1}; expected a finite number of at least 0")
        if not 0 < float(self.learning_rate) < np.inf:
            raise ValueError(f"learning_rate={self.learning_rate}; expected a finite number above 0")
        return {
            "n_epochs": as_steps(self.n_epochs, "n_epochs", 1),
            "batch_size": as_integer(self.batch_size, "batch_size", 1),
            "lr": float(self.learning_rate),
        }

    def _set_learnt(self, learnt: Learnt) -> None:
        self._learnt = learnt
        self.classes_, self.coef_, self.intercept_ = learnt.classes, learnt.coef, learnt.intercept

    # ---- using it

    def logits(self, texts: Iterable[str | Sequence[str]]) -> NDArray[np.float32]:
        """Return the score of each class, from which probabilities are made; ``slimvec.h`` finds the same bits.

        Parameters
        ----------
        texts : iterable of str, or of lists of str
            Such as an open file, of which some lines at a time are in memory. Words that were not learnt are skipped.

        Returns
        -------
        ndarray, shape (n_texts, n_classes), float32
            In the order of ``classes_``.

        Raises
        ------
        ValueError
            If not fitted, or where a damaged file makes scores that are not finite.
        """
        self._require_fitted("classes_")
        return self._learnt.logits(texts)

    @property
    def n_parameters_(self) -> int:
        """Numbers that define the embeddings, as the paper counts: K d + nnz(T); ``coef_`` and ``intercept_`` aside."""
        return self.to_table().n_parameters

    def to_table(self) -> SparseTable:
        """Return the embeddings.

        Returns
        -------
        SparseTable
            Words in order of frequency.
        """
        self._require_fitted("classes_")
        return self._learnt.table

    # ---- files

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all that was learnt to one file, for :meth:`load`; :func:`slimvec.open` reads its table.

        Parameters
        ----------
        path : str or path
        """
        self._require_fitted("classes_")
        save_table(path, *self._learnt.to_content())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Return what was saved, fitted; it needs NumPy alone.

        Parameters
        ----------
        path : str or path

        Returns
        -------
        Self
            Of the class that this is called on.

        Raises
        ------
        FormatError
            If the file is damaged, or was not saved by this class.
        """
        try:
            return cls._from_content(read_content(path))
        except FormatError as error:
            raise FormatError(f"{os.fsdecode(path)}: {error}") from None

    @classmethod
    def _from_content(cls, content: Content) -> Self:
        learnt = Learnt.from_content(content, cls._count)
        known = cls._parameter_names()
        saved = content.made_by().get("parameters", {})
        model = cls(**{name: value for name, value in saved.items() if name in known})
        model._set_learnt(learnt)
        return model
