"""A text classifier whose embedding is learnt with the task, as anchors and a sparse transform, without torch."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from slimvec.progress import Progress, ignore
from slimvec.sparse.text.text_estimator import TextEstimator
from slimvec.sparse.text.text_losses import Softmax

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray


class TextClassifier(TextEstimator):
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

    _loss = Softmax()
    _count = "n_classes"
    _several = False

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
        return self._fit(texts, partial(_as_targets, labels), progress)

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
        return self._fit_file(path, progress)

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

        Raises
        ------
        ValueError
            If not fitted, or texts and labels are none, or not as many.
        """
        predicted = self.predict(texts)
        truth = np.asarray(labels)
        if truth.shape != predicted.shape or len(truth) == 0:
            raise ValueError(f"labels has shape {truth.shape}; expected ({len(predicted)},), one per text, and some")
        if (truth.dtype.kind in "iuf") == (predicted.dtype.kind == "U"):  # none would be equal to any
            fitted = self.classes_[:1].tolist()[0]
            raise TypeError(
                f"labels has dtype {truth.dtype}; expected labels like those that were fitted, such as {fitted!r}"
            )
        return float(np.mean(predicted == truth))

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn what this is; only scikit-learn calls it."""
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags

        texts = InputTags(one_d_array=True, two_d_array=False, string=True)
        return Tags("classifier", TargetTags(required=True), classifier_tags=ClassifierTags(), input_tags=texts)


def _as_targets(labels: Any, n_texts: int) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the classes, sorted, and the number of each text's."""
    array = np.asarray(labels)
    listed: Any = array.tolist() if array.dtype == object else labels
    if array.dtype == object:
        array = np.asarray(listed)
    if array.shape != (n_texts,):
        raise ValueError(f"labels has shape {array.shape}; expected ({n_texts},), one per text")
    if n_texts and array.dtype.kind not in "iuU":
        raise TypeError(f"labels has dtype {array.dtype}; expected strings or integers")
    if array.dtype.kind == "U" and not isinstance(listed, np.ndarray):  # NumPy makes text of what stands beside some
        strange = [label for label in listed if not isinstance(label, str)]
        if strange:
            raise TypeError(f"labels holds {strange[0]!r} beside strings; expected strings alone, or integers alone")
    if array.dtype.kind == "u" and array.max(initial=0) >= 1 << 63:
        raise ValueError(f"labels holds {array.max()}; expected integers of 64 bits, or strings")
    classes, targets = np.unique(array, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"labels has {len(classes)} classes; expected two or more")
    return classes if classes.dtype.kind == "U" else classes.astype(np.int64), targets
