"""Choosing anchors: which rows, or which directions, everything else is built from (ANT paper, §3.1 and appendix A)."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.blocks import scale_of
from slimvec.progress import Progress, ignore
from slimvec.validation import as_integer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray

STRATEGIES = ("kmeans++", "frequency", "coreset", "random")


def top_rows(scores: ArrayLike, k: int) -> NDArray[np.int64]:
    """Return the rows with the ``k`` highest scores, highest first; of equals the lower row.

    Parameters
    ----------
    scores : array_like, shape (n,)
        Counts for the most frequent objects, :func:`tf_idf` for the most telling ones.
    k : int

    Returns
    -------
    ndarray, shape (k,), int64

    Raises
    ------
    ValueError
        If there are fewer than k scores, or one is not finite.

    Examples
    --------
    >>> top_rows([3, 9, 3, 1], 2)
    array([1, 0])
    """
    values = np.asarray(scores, np.float64)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise ValueError(f"scores has shape {values.shape}; expected one finite number per row")
    as_integer(k, "n_anchors", 1, len(values), why=f": there are {len(values)} rows")
    return np.argsort(-values, kind="stable")[:k].astype(np.int64)


def tf_idf(documents: Iterable[Iterable[str]], words: Sequence[str]) -> NDArray[np.float64]:
    """Return the TF-IDF of words over a collection: occurrences × log(documents / documents with the word).

    Parameters
    ----------
    documents : iterable of iterables of str
        Each a list of tokens. Tokens that are not among ``words`` are skipped.
    words : sequence of str

    Returns
    -------
    ndarray, shape (len(words),), float64
        0 for words that never occur, and for words in every document.

    Notes
    -----
    As in the vocabulary selection that the ANT paper compares with (Ramos, 1999; Chen et al., 2019): one score per word
    for the collection, the tf summed over documents.

    Examples
    --------
    >>> tf_idf([["the", "cat", "cat"], ["the", "dog"]], ["the", "cat", "cow"]).round(2)
    array([0.  , 1.39, 0.  ])
    """
    occurrences: Counter[str] = Counter()
    containing: Counter[str] = Counter()
    n_documents = 0
    for document in documents:
        if isinstance(document, str):
            raise TypeError(f"documents holds the string {document[:40]!r}; expected lists of tokens")
        counts = Counter(document)
        occurrences.update(counts)
        containing.update(counts.keys())
        n_documents += 1
    tf = np.array([occurrences[word] for word in words], np.float64)
    df = np.array([containing[word] for word in words], np.float64)
    return tf * np.log(n_documents / np.maximum(df, 1)) if n_documents else tf


def kmeans_plus_plus(
    X: NDArray[Any],
    k: int,
    generator: np.random.Generator,
    prefix: Sequence[int] | NDArray[np.integer] = (),
    progress: Progress = ignore,
) -> NDArray[np.int64]:
    """Return ``k`` distinct rows that span the space, by k-means++ seeding [1]_.

    Each is drawn with a probability ∝ D², the squared distance to the nearest row drawn so far.

    Parameters
    ----------
    X : ndarray, shape (n, d)
        The space to choose in.
    k : int
    generator : numpy.random.Generator
    prefix : sequence of int
        Rows that are chosen already, such as those of frequent words.
    progress : callable, optional
        ``progress(stage, done, total)``.

    Returns
    -------
    ndarray, shape (k,), int64
        The prefix, then what was drawn. Rows that equal an earlier one come only when nothing else is left.

    Raises
    ------
    ValueError
        If k is more than the number of rows.

    References
    ----------
    .. [1] D. Arthur, S. Vassilvitskii, "k-means++: The Advantages of Careful Seeding", 2007.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0], [0.0], [5.0]])
    >>> sorted(kmeans_plus_plus(X, 2, np.random.default_rng(0), prefix=[1]).tolist())
    [1, 2]
    """
    n = len(X)
    as_integer(k, "n_anchors", 1, n, why=f": there are {n} rows")
    rows = np.asarray(X, np.float32)
    scale = scale_of(rows)
    rows = rows if scale == 1.0 else rows / np.float32(scale)
    squares = np.einsum("ij,ij->i", rows, rows, dtype=np.float64)
    chosen = [int(row) for row in prefix][:k]
    distances = np.full(n, np.inf)
    for row in chosen:
        _approach(distances, rows, squares, row)
    while len(chosen) < k:
        mass = distances if chosen else np.ones(n)
        total = np.cumsum(mass)
        if total[-1] > 0:
            row = int(np.searchsorted(total, generator.random() * total[-1], side="right"))
        else:  # only copies of chosen rows are left
            row = int(generator.choice(np.setdiff1d(np.arange(n), chosen)))
        chosen.append(row)
        _approach(distances, rows, squares, row)
        progress("choosing anchors", len(chosen), k)
    return np.array(chosen, np.int64)


def _approach(
    distances: NDArray[np.float64], rows: NDArray[np.float32], squares: NDArray[np.float64], row: int
) -> None:
    """Lower the squared distances to those from one more chosen row; float32's noise around 0 counts as 0."""
    new = squares + squares[row] - 2.0 * (rows @ rows[row])
    new[new < 1e-6 * (squares + squares[row])] = 0
    np.minimum(distances, new, out=distances)
    distances[row] = 0


def coreset(X: NDArray[Any], k: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Return ``k`` distinct rows drawn by importance, a lightweight coreset [1]_.

    A row is drawn with probability q(x) = 1/(2n) + d(x, μ)² / (2 Σ d(x', μ)²), μ the mean: half uniform, half by its
    share of the variance, which bounds its sensitivity for k-means.

    Parameters
    ----------
    X : ndarray, shape (n, d)
    k : int
    generator : numpy.random.Generator

    Returns
    -------
    ndarray, shape (k,), int64

    References
    ----------
    .. [1] O. Bachem, M. Lucic, A. Krause, "Scalable k-Means Clustering via Lightweight Coresets", KDD 2018,
       algorithm 1, here without replacement.

    Examples
    --------
    >>> import numpy as np
    >>> coreset(np.eye(3), 3, np.random.default_rng(0)).tolist() != [0, 0, 0]
    True
    """
    n = len(X)
    as_integer(k, "n_anchors", 1, n, why=f": there are {n} rows")
    centred = np.asarray(X, np.float64) - np.mean(X, axis=0, dtype=np.float64)
    squares = np.einsum("ij,ij->i", centred, centred)
    total = squares.sum()
    share = squares / total if total > 0 else np.full(n, 1 / n)
    importance = 0.5 / n + 0.5 * share
    return generator.choice(n, k, replace=False, p=importance / importance.sum())


def random_basis(k: int, d: int, generator: np.random.Generator) -> NDArray[np.float32]:
    """Return ``k`` random directions of length 1, ``(k, d)``: the paper's dynamic basis vectors before any training.

    Examples
    --------
    >>> import numpy as np
    >>> random_basis(3, 5, np.random.default_rng(0)).shape
    (3, 5)
    """
    basis: NDArray[np.float64] = generator.standard_normal((k, d))
    basis /= np.linalg.norm(basis, axis=1, keepdims=True)
    return basis.astype(np.float32)
