"""Whether sentences can be told apart by the mean of their words' vectors."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np

from slimvec.errors import needs
from slimvec.evaluate.datasets import Labelled, named_sets, read_sentences
from slimvec.evaluate.word_rows import WordRows
from slimvec.validation import as_integer

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from slimvec.evaluate.word_rows import Judged

Classifier = Literal["logistic", "mlp"]
SEED = 1111  # SentEval's
BATCH_SIZE = 64
SENTENCES_AT_ONCE = 1000
LOGISTIC_C = tuple(2.0**t for t in range(-2, 4))
MLP_ALPHA = tuple(10.0**t for t in range(-5, -1))


class SentenceScore(NamedTuple):
    """One set of :func:`sentence_classification`, by one classifier.

    Attributes
    ----------
    name : str
    classifier : str
        ``"logistic"`` or ``"mlp"``.
    accuracy : float
        Mean over the outer folds.
    std : float
        Standard deviation over the outer folds.
    sentences : int
    coverage : float
        Part of all tokens that are in the table.
    """

    name: str
    classifier: str
    accuracy: float
    std: float
    sentences: int
    coverage: float


def sentence_classification(
    table: Judged,
    sets: Mapping[str, Iterable[tuple[str, str]]] | str | os.PathLike[str],
    *,
    classifiers: Iterable[Classifier] = ("logistic", "mlp"),
    unknown: Literal["zero", "skip"] = "zero",
    folds: int = 5,
    hidden: int = 50,
    epochs: int = 4,
    seed: int = SEED,
) -> list[SentenceScore]:
    """Classify sentences by the mean of their words' vectors.

    Parameters
    ----------
    table : BinaryTable, SparseTable or Vectors
        With words. Codes count as vectors of -1 and +1, averaged in single precision.
    sets : mapping of str to iterable of (label, text), or path
        Sets by name; or a file, or a folder of files, of lines ``label text``. The paper's four: CR, MPQA, MR, SUBJ.
        Texts are split at spaces.
    classifiers : iterable of {"logistic", "mlp"}
        Logistic regression, and a perceptron with one hidden layer of sigmoids.
    unknown : {"zero", "skip"}
        A missing word counts as a zero vector, as in the paper; or does not count.
    folds : int
        Outer and inner folds.
    hidden : int
        Hidden units of the perceptron. The paper does not give them.
    epochs : int
        Of the perceptron. The paper takes 4 for HDC and 10 for GloVe.
    seed : int
        Of the folds and the perceptron.

    Returns
    -------
    list of SentenceScore
        One per set and classifier.

    Raises
    ------
    ImportError
        If scikit-learn, of the extra ``evaluate``, is not installed.
    TypeError, ValueError
        If the table has no words, or a parameter is unknown or too small.
    FormatError, FileNotFoundError
        If a file does not hold labelled sentences, or is not there.

    Notes
    -----
    Nested cross-validation as in SentEval [1]_: sentences sorted by length and label, stratified folds drawn with seed
    1111, outside to measure and inside each to choose the penalty: C of {1/4 ... 8} for logistic regression, its
    scikit-learn setting, and a weight decay of {1e-5 ... 1e-2} for the perceptron. The perceptron is scikit-learn's,
    with Adam and batches of 64, without SentEval's dropout and early stopping.

    References
    ----------
    .. [1] A. Conneau, D. Kiela, "SentEval: An Evaluation Toolkit for Universal Sentence Representations", LREC 2018.

    Examples
    --------
    >>> import slimvec as sv
    >>> from slimvec.evaluate import sentence_classification
    >>> vectors = sv.Vectors(["good", "bad", "film"], [[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]])
    >>> reviews = [("1", "good film"), ("0", "bad film"), ("1", "good"), ("0", "bad")] * 9
    >>> [score.accuracy for score in sentence_classification(vectors, {"r": reviews}, classifiers=["logistic"])]
    [1.0]
    """
    words, chosen = WordRows(table), list(classifiers)
    for classifier in chosen:
        if classifier not in get_args(Classifier):
            raise ValueError(f"classifiers holds {classifier!r}; expected some of {get_args(Classifier)}")
    if unknown not in {"zero", "skip"}:
        raise ValueError(f"unknown={unknown!r}; expected 'zero' or 'skip'")
    sizes = as_integer(hidden, "hidden", 1), as_integer(epochs, "epochs", 1)
    n_folds, seed = as_integer(folds, "folds", 2), as_integer(seed, "seed", 0, 2**32 - 1)
    judged = []
    for name, listed in named_sets(sets, _read).items():
        items = [(text.split(), label) for label, text in (Labelled(*item) for item in listed)]
        if len(items) < n_folds:
            raise ValueError(f"set {name!r} holds {len(items)} sentences; expected {n_folds} or more, one a fold")
        items.sort(key=lambda item: (len(item[0]), item[1]))
        vectors, coverage = sentence_vectors(words, [tokens for tokens, _ in items], unknown)
        _, truth = np.unique([label for _, label in items], return_inverse=True)
        for classifier in chosen:
            accuracies = _cross_validate(vectors, truth, _models(classifier, *sizes, seed), n_folds, seed)
            judged.append(
                SentenceScore(name, classifier, float(accuracies.mean()), float(accuracies.std()), len(items), coverage)
            )
    return judged


def _read(path: Any) -> Iterable[tuple[str, str]]:
    return read_sentences(path)


def sentence_vectors(
    words: WordRows, sentences: list[list[str]], unknown: str = "zero"
) -> tuple[NDArray[np.float32], float]:
    """Return the mean vector of each sentence, zeros for one of which no word is known, and the tokens' coverage."""
    lengths = np.array([len(tokens) for tokens in sentences], np.int64)
    rows = words.rows(token for tokens in sentences for token in tokens)
    owner = np.repeat(np.arange(len(sentences)), lengths)[rows >= 0]
    rows = rows[rows >= 0]
    known = np.bincount(owner, minlength=len(sentences))
    means = np.zeros((len(sentences), words.lookup(np.empty(0, np.int64)).shape[1]), np.float32)
    ends = np.concatenate([[0], np.cumsum(known)])
    for first in range(0, len(sentences), SENTENCES_AT_ONCE):  # the vectors of all tokens would fill the memory
        some = np.flatnonzero(known[first : first + SENTENCES_AT_ONCE]) + first
        if len(some):
            tokens = words.lookup(rows[ends[some[0]] : ends[some[-1] + 1]])
            means[some] = np.add.reduceat(tokens, ends[some] - ends[some[0]], axis=0)
    divisor = np.maximum(lengths if unknown == "zero" else known, 1).astype(np.float32)
    means /= divisor[:, None]
    return means, len(rows) / max(int(lengths.sum()), 1)


def _models(classifier: Classifier, hidden: int, epochs: int, seed: int) -> list[Any]:
    """Return one model for each strength of the penalty."""
    with needs("scikit-learn", "evaluate"):
        from sklearn.linear_model import LogisticRegression
        from sklearn.neural_network import MLPClassifier
    if classifier == "logistic":
        return [LogisticRegression(C=c, max_iter=100) for c in LOGISTIC_C]
    options: dict[str, Any] = {"activation": "logistic", "max_iter": epochs, "random_state": seed}
    return [MLPClassifier((hidden,), alpha=alpha, **options) for alpha in MLP_ALPHA]


def _cross_validate(
    vectors: NDArray[np.float32], truth: NDArray[Any], models: list[Any], folds: int, seed: int
) -> NDArray[np.float64]:
    """Return the accuracy on each outer fold of the model that did best on inner folds of the others."""
    from sklearn.model_selection import StratifiedKFold

    outer = StratifiedKFold(folds, shuffle=True, random_state=seed)
    accuracies = []
    for train, test in outer.split(vectors, truth):
        inner = list(StratifiedKFold(folds, shuffle=True, random_state=seed).split(vectors[train], truth[train]))
        means = [
            np.mean([_accuracy(model, vectors[train], truth[train], fit, held) for fit, held in inner])
            for model in models
        ]
        accuracies.append(_accuracy(models[int(np.argmax(means))], vectors, truth, train, test))
    return np.array(accuracies)


def _accuracy(
    model: Any, vectors: NDArray[np.float32], truth: NDArray[Any], fit: NDArray[np.int64], held: NDArray[np.int64]
) -> float:
    from sklearn.base import clone
    from sklearn.exceptions import ConvergenceWarning

    fresh = clone(model)
    if hasattr(fresh, "batch_size"):
        fresh.set_params(batch_size=min(BATCH_SIZE, len(fit)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # few epochs are the protocol
        fitted = fresh.fit(vectors[fit], truth[fit])
    return float((fitted.predict(vectors[held]) == truth[held]).mean())
