"""A text tagger: any number of tags a text, and an embedding that is learnt with them, without torch."""

from __future__ import annotations

import math
from functools import partial
from numbers import Real
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from slimvec.progress import Progress, ignore
from slimvec.sparse.text.tag_lists import as_targets, flat_tags
from slimvec.sparse.text.text_estimator import TextEstimator
from slimvec.sparse.text.text_losses import Logistic, sigmoid

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray


class TextTagger(TextEstimator):
    """Any number of tags for each text: a logistic regression a tag on the mean of a text's words, all learnt together.

    What :class:`slimvec.TextClassifier` is for one label a text, and learnt as that is, embeddings E = T A included;
    the loss of a text is the sum of the logistic losses of all tags, those that it has and those that it lacks
    (one-vs-all, as fastText [1]_ has it).

    Parameters
    ----------
    n_anchors : int or "auto"
    embedding_dim : int
    l1 : float
    anchors : {"dynamic", "frequency"}, sequence of str, or array of shape (K, d)
    relations : sequence of (str, str), optional
    nonnegative : bool
    min_count, n_epochs, batch_size : int
    learning_rate : float
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None
        All as those of :class:`slimvec.TextClassifier`.

    Attributes
    ----------
    classes_ : ndarray, shape (n_tags,)
        Tags, sorted.
    coef_ : ndarray, shape (n_tags, d), float32
        Weights of the logistic regressions.
    intercept_ : ndarray, shape (n_tags,), float32

    Raises
    ------
    TypeError, ValueError
        From ``fit``, for texts that are none, tags that are no lists of strings or of integers, no tag at all, texts
        without words, and parameters out of range.

    References
    ----------
    .. [1] A. Joulin, E. Grave, P. Bojanowski, T. Mikolov, "Bag of Tricks for Efficient Text Classification", EACL 2017.

    Examples
    --------
    >>> texts = ["rain and wind", "wind at sea", "a calm sea", "nothing new"] * 20
    >>> tags = [["weather"], ["weather", "sea"], ["sea"], []] * 20
    >>> model = TextTagger(n_anchors=4, embedding_dim=8, n_epochs=30).fit(texts, tags)
    >>> model.predict(["nothing", "rain", "sea and rain, wind and sea"])
    [[], ['weather'], ['sea', 'weather']]
    >>> model.score(texts, tags)
    1.0
    """

    _loss = Logistic()
    _count = "n_tags"
    _several = True

    def fit(
        self, texts: Iterable[str | Sequence[str]], tags: Iterable[Iterable[Any]], *, progress: Progress = ignore
    ) -> Self:
        """Learn words, embeddings and tags.

        Parameters
        ----------
        texts : iterable of str, or of lists of str
            A string's words are its runs of two or more letters or digits, in lower case; a list holds tokens as they
            are.
        tags : iterable of lists of str, or of lists of int
            Those of each text, in any order; a list may be empty.
        progress : callable, optional
            ``progress(stage, done, total)``.

        Returns
        -------
        self
        """
        return self._fit(texts, partial(as_targets, tags), progress)

    def fit_file(self, path: str | os.PathLike[str], *, progress: Progress = ignore) -> Self:
        """Learn from a file that is read block by block: the same model as ``fit`` makes of its texts, to the bit.

        Parameters
        ----------
        path : str or path
            A text a line, behind any number of tags, strings, as fastText has them:
            ``__label__weather __label__sea A storm ...``. The file may be compressed. Blank lines are no texts.
        progress : callable, optional
            ``progress(stage, done, total)``.

        Returns
        -------
        self

        Raises
        ------
        FormatError
            For a file without tags, a line with a tag behind its words, and what is no text, by the number of the line.

        Notes
        -----
        Memory holds the words, and tens of bytes for each text and each of its tags; the rest lies in temporary files,
        as with :meth:`slimvec.TextClassifier.fit_file`.
        """
        return self._fit_file(path, progress)

    def predict_proba(self, texts: Iterable[str | Sequence[str]]) -> NDArray[np.float32]:
        """Return the probability of each tag: the logistic function of :meth:`logits`.

        Parameters
        ----------
        texts : iterable of str, or of lists of str
            A text without known words gets the probabilities of an empty one.

        Returns
        -------
        ndarray, shape (n_texts, n_tags), float32
            In the order of ``classes_``; rows do not add up to 1.
        """
        return sigmoid(self.logits(texts))

    def predict(self, texts: Iterable[str | Sequence[str]], *, threshold: float = 0.5) -> list[list[Any]]:
        """Return the tags of each text.

        Parameters
        ----------
        texts : iterable of str, or of lists of str
        threshold : float
            Tags of at least this probability are given: 0 gives all, and 1 none. Logits are compared with its
            log-odds, log(p / (1 - p)).

        Returns
        -------
        list of lists of str, or of int
            The most probable first.

        Raises
        ------
        TypeError, ValueError
            If the threshold is no number, or outside [0, 1].
        """
        least = log_odds(threshold)
        names = self.classes_.tolist() if hasattr(self, "classes_") else []
        predicted = []
        for logits in self.logits(texts):
            n_likely = np.count_nonzero(logits.astype(np.float64) >= least)  # as in C: the threshold is not rounded
            predicted.append([names[which] for which in np.argsort(-logits, kind="stable")[:n_likely].tolist()])
        return predicted

    def score(self, texts: Iterable[str | Sequence[str]], tags: Iterable[Iterable[Any]]) -> float:
        """Return F1 of all predicted tags together (micro-averaged), at a threshold of one half.

        Parameters
        ----------
        texts : iterable of str, or of lists of str
        tags : iterable of lists of str, or of lists of int
            Those that were not learnt count as missed.

        Returns
        -------
        float
            1 where there are no tags, and none are predicted.

        Raises
        ------
        TypeError, ValueError
            If not fitted, there are no texts, texts and tags are not as many, or tags are of another type.
        """
        predicted = self.predict(texts)
        if not predicted:
            raise ValueError("texts is empty; expected some")
        flat, sizes = flat_tags(tags, len(predicted))
        if flat and isinstance(flat[0], str) != (self.classes_.dtype.kind == "U"):
            fitted = self.classes_[:1].tolist()[0]
            raise TypeError(f"tags holds {flat[0]!r}; expected tags like those that were fitted, such as {fitted!r}")
        ends = np.cumsum(sizes).tolist()
        truth = [set(flat[end - size : end]) for size, end in zip(sizes, ends, strict=True)]
        n_right = sum(len(true & set(found)) for true, found in zip(truth, predicted, strict=True))
        n_said = sum(map(len, truth)) + sum(map(len, predicted))
        return 2 * n_right / n_said if n_said else 1.0

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn what this is; only scikit-learn calls it.

        No classifier: it would ask of these what kind their labels are, and refuse lists.
        """
        from sklearn.utils import InputTags, Tags, TargetTags

        texts = InputTags(one_d_array=True, two_d_array=False, string=True)
        return Tags(None, TargetTags(required=True, multi_output=True), input_tags=texts)


def log_odds(threshold: Any) -> float:
    """Return what logits of at least this probability reach."""
    if not isinstance(threshold, Real) or isinstance(threshold, bool):
        raise TypeError(f"threshold is {type(threshold).__name__} {threshold!r}; expected a number between 0 and 1")
    probability = float(threshold)
    if not 0 <= probability <= 1:
        raise ValueError(f"threshold={threshold}; expected a number between 0 and 1")
    if probability in {0, 1}:
        return math.inf if probability else -math.inf
    return math.log(probability / (1 - probability))
