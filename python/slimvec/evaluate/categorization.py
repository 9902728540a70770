"""Whether clusters of words are the categories that people sort them into."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from slimvec.errors import needs
from slimvec.evaluate.datasets import Labelled, named_sets, read_categories
from slimvec.evaluate.word_rows import WordRows
from slimvec.validation import as_integer

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from slimvec.evaluate.word_rows import Judged

AGGLOMERATIVE = (
    ("euclidean", "ward"),
    ("euclidean", "average"),
    ("euclidean", "complete"),
    ("cosine", "average"),
    ("cosine", "complete"),
)


class Categorization(NamedTuple):
    """One set of :func:`categorization`.

    Attributes
    ----------
    name : str
    purity : float
        The mean over the seeds of the best clustering's purity.
    std : float
        Standard deviation over the seeds.
    best : tuple of str
        Which clustering was the best, for each seed.
    words : int
    covered : int
        Words that are in the table.
    categories : int
    """

    name: str
    purity: float
    std: float
    best: tuple[str, ...]
    words: int
    covered: int
    categories: int


def categorization(
    table: Judged,
    sets: Mapping[str, Iterable[tuple[str, str]]] | str | os.PathLike[str],
    *,
    seeds: Sequence[int] = (0, 1, 2),
) -> list[Categorization]:
    """Cluster words and compare the clusters with human categories.

    Parameters
    ----------
    table : BinaryTable, SparseTable or Vectors
        With words. Codes count as vectors of -1 and +1.
    sets : mapping of str to iterable of (category, word), or path
        Sets by name; or a file, or a folder of files, as they are published: lines ``category<TAB>word``, or ``word``
        first, with or without a header, and with other columns after them. The paper's four: AP, BLESS, Battig,
        ESSLI-2008 verbs.
    seeds : sequence of int
        Each gives an order of the words and a start of k-means.

    Returns
    -------
    list of Categorization

    Raises
    ------
    ImportError
        If scikit-learn, of the extra ``evaluate``, is not installed.
    TypeError, ValueError
        If the table has no words, there are no seeds, or a set holds less than two words.
    FormatError, FileNotFoundError
        If a file does not hold categories, or is not there.

    Notes
    -----
    The protocol of [1]_, which the IIQ paper uses (section 5.2): as many clusters as categories; the best purity of
    k-means (10 starts) and of agglomerative clustering with Ward's, average and complete linkage on Euclidean distances
    and average and complete on cosine; a missing word is the mean of all vectors. Purity is the part of the words that
    are in their cluster's most frequent category. The program of [1]_ draws the order of the words anew in every run;
    here seeds fix it, and the spread is reported. Cosine linkage is left out where a row is zero.

    References
    ----------
    .. [1] S. Jastrzebski, D. Leśniak, W. M. Czarnecki, "How to evaluate word embeddings?", 2017, and its program
       word-embeddings-benchmarks.

    Examples
    --------
    >>> import slimvec as sv
    >>> from slimvec.evaluate import categorization
    >>> vectors = sv.Vectors(["cat", "dog", "sea", "lake"], [[1.0, 0.1], [1.0, 0.2], [0.1, 1.0], [0.2, 0.9]])
    >>> words = [("animal", "cat"), ("animal", "dog"), ("water", "sea"), ("water", "lake")]
    >>> [(found.purity, found.std) for found in categorization(vectors, {"small": words})]
    [(1.0, 0.0)]
    """
    words = WordRows(table)
    if not len(seeds):
        raise ValueError("seeds is empty; expected at least one")
    checked = [as_integer(seed, "seeds", 0, 2**32 - 1) for seed in seeds]
    return [_judge(words, name, list(listed), checked) for name, listed in named_sets(sets, _read).items()]


def _read(path: Any) -> Iterable[tuple[str, str]]:
    return read_categories(path)


def _judge(words: WordRows, name: str, listed: list[tuple[str, str]], seeds: list[int]) -> Categorization:
    items = [Labelled(*item) for item in listed]
    if len(items) < 2:
        raise ValueError(f"set {name!r} holds {len(items)} words; expected two or more to cluster")
    vectors, known = words.vectors([item.text for item in items])
    _, truth = np.unique([item.label for item in items], return_inverse=True)
    found = [_best(vectors, truth, seed) for seed in seeds]
    purities = np.array([value for value, _ in found])
    best = tuple(label for _, label in found)
    return Categorization(
        name, float(purities.mean()), float(purities.std()), best, len(items), int(known.sum()), int(truth.max()) + 1
    )


def _best(vectors: NDArray[np.float32], truth: NDArray[np.int64], seed: int) -> tuple[float, str]:
    """Return the best purity of all clusterings, and which one it was."""
    order = np.random.default_rng(seed).permutation(len(vectors))
    clusterings = _clusterings(vectors[order], int(truth.max()) + 1, seed)
    return max(((purity(clusters, truth[order]), label) for label, clusters in clusterings), key=lambda pair: pair[0])


def _clusterings(vectors: NDArray[np.float32], k: int, seed: int) -> Iterable[tuple[str, NDArray[Any]]]:
    with needs("scikit-learn", "evaluate"):
        from sklearn.cluster import AgglomerativeClustering, KMeans
    for metric, linkage in AGGLOMERATIVE:
        if metric == "cosine" and not vectors.any(axis=1).all():
            continue  # scikit-learn refuses zero rows, which have no direction
        model = AgglomerativeClustering(k, metric=metric, linkage=linkage)
        yield f"agglomerative, {linkage}, {metric}", model.fit_predict(vectors)
    # As many clusters as there are different vectors, at most: k-means would warn of the empty ones.
    distinct = min(k, len(np.unique(vectors, axis=0)))
    yield "k-means", KMeans(distinct, n_init=10, random_state=seed).fit_predict(vectors)


def purity(clusters: ArrayLike, truth: ArrayLike) -> float:
    """Return the part of all items that belong to the most frequent category of their cluster."""
    _, cluster = np.unique(np.asarray(clusters), return_inverse=True)
    _, category = np.unique(np.asarray(truth), return_inverse=True)
    counts = np.zeros((cluster.max() + 1, category.max() + 1), np.int64)
    np.add.at(counts, (cluster, category), 1)
    return float(counts.max(axis=1).sum() / len(cluster))
