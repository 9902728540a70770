"""A text classifier whose embedding is learnt with the task, as anchors and a sparse transform, without torch."""

from __future__ import annotations

import os
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from slimvec.errors import FormatError
from slimvec.estimator import Estimator
from slimvec.files.table_file import read_content
from slimvec.files.table_writer import save_table
from slimvec.progress import Progress, ignore
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
    from collections.abc import Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from slimvec.files.table_file import Content


@dataclass(eq=False, repr=False)
class TextClassifier(Estimator):
    """The mean of a text's word embeddings and a linear softmax, learnt together, with E = T A sparse from the start.

    Anchor & Transform [1]_ end to end in the smallest set-up: NumPy, SciPy and numba train it, NumPy alone uses it. A
    few anchors and the non-zeros of T are all that is stored, in training too.

    Parameters
    ----------
    n_anchors : int or "auto"
        K; it follows from ``anchors`` where those are given. "auto" trains twice: first with a number of anchors that
        grows and shrinks (NBANT [1]_), by the loss on a tenth of the texts + λ (nnz(T) + (d - 1) K); then on all texts
        with the number found. Fewer anchors than classes are smaller, and seldom the most accurate.
    embedding_dim : int
        d. It costs K d numbers, whatever the vocabulary.
    l1 : float
        λ of the penalty on T: entries live whose mean gradient is larger. Values from 1e-6 (accurate) to 1e-4 (small)
        are of use for thousands of texts; a large one also keeps few classes from being learnt by heart.
    anchors : {"dynamic", "frequency"}, sequence of str, or array of shape (K, d)
        Random directions; the most frequent words; words, such as those of highest
        :func:`slimvec.sparse.training.anchors.tf_idf`; or where the anchors start. The row of a word that is an anchor
        starts as that anchor, all others as zeros.
    relations : sequence of (str, str), optional
        Related words (S(G), eq. 5): for a word and an anchor word that are related, and for an anchor's own row, the
        entry of T is not penalised. Pairs with words that the texts lack are left out. For anchors that are words.
    nonnegative : bool
        T ≥ 0 (§3.2).
    min_count : int
        Words that come less often in the texts count as unknown.
    n_epochs, batch_size : int
    learning_rate : float
        η at the start, of Adagrad; it falls to 0 linearly.
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None
        Seed of the start and the order of texts. The same seed gives the same model on the same machine.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
        Labels, sorted.
    coef_ : ndarray, shape (n_classes, d), float32
        Weights of the softmax.
    intercept_ : ndarray, shape (n_classes,), float32

    Raises
    ------
    TypeError, ValueError
        From ``fit``, for texts that are none, labels that are neither strings nor integers, one class alone, texts
        without words, and parameters out of range.

    Notes
    -----
    T starts empty, and an entry is born when the penalty does not outweigh its gradient. The optimizer is proximal
    Adagrad with one v per row, in Adagrad's metric; rows that a batch does not touch are thresholded in closed form
    when they are next read, as by ``slimvec.nn.ProximalAdagrad(rowwise=True)``. Gradient descent without Adagrad was
    tried on 20 Newsgroups, and diverged at the large steps that rare words need.

    References
    ----------
    .. [1] P. P. Liang, M. Zaheer, Y. Wang, A. Ahmed, "Anchor & Transform: Learning Sparse Embeddings for Large
       Vocabularies", ICLR 2021.

    Examples
    --------
    >>> texts = ["a good film", "good fun", "what a bad film", "bad, just bad"] * 10
    >>> model = TextClassifier(n_anchors=2, embedding_dim=4).fit(texts, ["+", "+", "-", "-"] * 10)
    >>> model.predict(["good, good", ["bad", "music"]]).tolist()
    ['+', '-']
    >>> model.n_parameters_ == 2 * 4 + model.to_table().transform.nnz
    True
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

    def fit(self, texts: Iterable[str | Sequence[str]], labels: ArrayLike, *, progress: Progress = ignore) -> Self:
        """Learn words, embeddings and classifier.

        Parameters
        ----------
        texts : iterable of str, or of lists of str
            A string's words are its runs of two or more letters or digits, in lower case; a list holds tokens as they
            are.
        labels : array_like, shape (n_texts,)
            Strings or integers.
        progress : callable, optional
            ``progress(stage, done, total)``.

        Returns
        -------
        self
        """
        self._schedule()  # refusals are better told before texts are read
        words, flat, sizes = learn_words(texts, as_integer(self.min_count, "min_count", 1))
        classes, targets = _as_targets(labels, len(sizes))
        return self._learn(words, Bags(flat, sizes, len(words)), classes, targets, progress)

    def fit_file(self, path: str | os.PathLike[str], *, progress: Progress = ignore) -> Self:
        """Learn from a file that is read block by block: the same model as ``fit`` makes of its texts, to the bit.

        Parameters
        ----------
        path : str or path
            A text a line, behind its label, a string, as fastText has it: ``__label__sports A late goal ...``. The file
            may be compressed. Blank lines are no texts.
        progress : callable, optional
            ``progress(stage, done, total)``.

        Returns
        -------
        self

        Raises
        ------
        FormatError
            For a line without a label, or with two, and what is no text, by the number of the line.

        Notes
        -----
        Memory holds the words, and 24 bytes for each text. Their rows lie in two temporary files, of 8 bytes for each
        token and for each different word of a text; ``TMPDIR`` says where.
        """
        self._schedule()
        with stored_bags(path, as_integer(self.min_count, "min_count", 1)) as found:
            if len(found.classes) < 2:
                raise FormatError(f"{os.fsdecode(path)}: {len(found.classes)} labels; expected two or more")
            return self._learn(*found, progress)

    def _learn(
        self, words: list[str], bags: Bags, classes: NDArray[Any], targets: NDArray[np.int64], progress: Progress
    ) -> Self:
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
        self._set_learnt(Learnt(SparseTable.from_parts(parts), classes, weights, model.intercept))
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
        return TextModel(store, anchors, n_classes, generator, float(self.l1))

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
        """Return the score of each class, whose softmax are probabilities; ``slimvec.h`` finds the same bits.

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

    def predict_proba(self, texts: Iterable[str | Sequence[str]]) -> NDArray[np.float32]:
        """Return the probability of each class: the softmax of :meth:`logits`.

        Parameters
        ----------
        texts : iterable of str, or of lists of str
            A text without known words gets the probabilities of an empty one.

        Returns
        -------
        ndarray, shape (n_texts, n_classes), float32
            In the order of ``classes_``.
        """
        logits = self.logits(texts)
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities: NDArray[np.float32] = odds / odds.sum(axis=1, keepdims=True)
        return probabilities

    def predict(self, texts: Iterable[str | Sequence[str]]) -> NDArray[Any]:
        """Return the most probable class of each text.

        Parameters
        ----------
        texts : iterable of str, or of lists of str

        Returns
        -------
        ndarray, shape (n_texts,)
            Of the labels' type.
        """
        logits = self.logits(texts)
        predicted: NDArray[Any] = self.classes_[logits.argmax(axis=1)]
        return predicted

    def score(self, texts: Iterable[str | Sequence[str]], labels: ArrayLike) -> float:
        """Return the accuracy.

        Parameters
        ----------
        texts : iterable of str, or of lists of str
        labels : array_like, shape (n_texts,)

        Returns
        -------
        float
        """
        predicted = self.predict(texts)
        truth = np.asarray(labels)
        if truth.shape != predicted.shape or len(truth) == 0:
            raise ValueError(f"labels has shape {truth.shape}; expected ({len(predicted)},), one per text, and some")
        return float(np.mean(predicted == truth))

    @property
    def n_parameters_(self) -> int:
        """Numbers that define the embeddings, as the paper counts: K d + nnz(T). The classifier has its own."""
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
        """Write embeddings and classifier to one file, for :meth:`load`; :func:`slimvec.open` reads its table.

        Parameters
        ----------
        path : str or path
        """
        self._require_fitted("classes_")
        save_table(path, *self._learnt.to_content())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Return a classifier that was saved; it needs NumPy alone.

        Parameters
        ----------
        path : str or path

        Returns
        -------
        TextClassifier

        Raises
        ------
        FormatError
            If the file is damaged, or holds no classifier.
        """
        try:
            return cls._from_content(read_content(path))
        except FormatError as error:
            raise FormatError(f"{os.fsdecode(path)}: {error}") from None

    @classmethod
    def _from_content(cls, content: Content) -> Self:
        learnt = Learnt.from_content(content)
        known = cls._parameter_names()
        saved = content.made_by().get("parameters", {})
        model = cls(**{name: value for name, value in saved.items() if name in known})
        model._set_learnt(learnt)
        return model

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn what this is; only scikit-learn calls it."""
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags

        texts = InputTags(one_d_array=True, two_d_array=False, string=True)
        return Tags("classifier", TargetTags(required=True), classifier_tags=ClassifierTags(), input_tags=texts)


def _as_targets(labels: Any, n_texts: int) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the classes, sorted, and the number of each text's."""
    array = np.asarray(labels)
    if array.dtype == object:
        array = np.asarray(array.tolist())
    if array.shape != (n_texts,):
        raise ValueError(f"labels has shape {array.shape}; expected ({n_texts},), one per text")
    if n_texts and array.dtype.kind not in "iuU":
        raise TypeError(f"labels has dtype {array.dtype}; expected strings or integers")
    classes, targets = np.unique(array, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"labels has {len(classes)} classes; expected two or more")
    return classes if classes.dtype.kind == "U" else classes.astype(np.int64), targets
