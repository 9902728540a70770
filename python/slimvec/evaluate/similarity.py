"""Whether the cosines of words agree with how similar people find them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from slimvec.evaluate.datasets import Pair, named_sets, read_pairs
from slimvec.evaluate.word_rows import WordRows, cosines

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping

    from numpy.typing import ArrayLike, NDArray

    from slimvec.evaluate.word_rows import Judged


class Similarity(NamedTuple):
    """One set of :func:`word_similarity`.

    Attributes
    ----------
    name : str
    score : float
        Spearman's ρ over all pairs, a missing word being the mean vector; NaN where it is not defined.
    covered_score : float
        The same over the pairs whose words are both there.
    pairs : int
    covered_pairs : int
    """

    name: str
    score: float
    covered_score: float
    pairs: int
    covered_pairs: int


def word_similarity(
    table: Judged, sets: Mapping[str, Iterable[tuple[str, str, float]]] | str | os.PathLike[str]
) -> list[Similarity]:
    """Correlate the cosines of word pairs with human scores.

    Parameters
    ----------
    table : BinaryTable, SparseTable or Vectors
        With words. Codes count as vectors of -1 and +1.
    sets : mapping of str to iterable of (word, word, score), or path
        Sets by name; or a file, or a folder of files, as they are published: two words and a score per line, apart by
        tabs, commas, semicolons or blanks, with or without comments and a header. A header's names tell the columns;
        else the score is the first column of numbers after the words. The paper's seven: MEN, MTurk, RG65, RW,
        SimLex999, TR9856, WS353.

    Returns
    -------
    list of Similarity

    Raises
    ------
    TypeError, ValueError
        If the table has no words.
    FormatError, FileNotFoundError
        If a file does not hold pairs, or is not there.

    Notes
    -----
    The protocol of [1]_, which the IIQ paper uses [2]_ (section 5.1): Spearman's ρ with tied ranks averaged; a word
    that is missing, also in lower case, is the *mean of all vectors* (of a table of codes: their real-valued mean);
    the cosine with a zero vector is 0. Trying lower case is our addition, without which lower-case tables lose every
    name; so is trying "sun" for "sun-n" where no word of a set is there otherwise. A term of several words is looked up
    as one string, as there: hence TR9856 is mostly missing words, pairs of which have the cosine 1, and its column says
    little. ``covered_score`` shows what is left without them.

    References
    ----------
    .. [1] S. Jastrzebski, D. Leśniak, W. M. Czarnecki, "How to evaluate word embeddings?", 2017, and its program
       word-embeddings-benchmarks.
    .. [2] S. Liao et al., "Embedding Compression with Isotropic Iterative Quantization", AAAI 2020.

    Examples
    --------
    >>> import slimvec as sv
    >>> from slimvec.evaluate import word_similarity
    >>> vectors = sv.Vectors(["cat", "dog", "sea"], [[1.0, 0.1], [1.0, 0.3], [-0.2, 1.0]])
    >>> pairs = [("cat", "dog", 9.0), ("cat", "sea", 1.5), ("dog", "sea", 2.0), ("cat", "unicorn", 3.0)]
    >>> word_similarity(vectors, {"animals": pairs})
    [Similarity(name='animals', score=1.0, covered_score=1.0, pairs=4, covered_pairs=3)]
    """
    words = WordRows(table)
    return [_judge(words, name, list(pairs)) for name, pairs in named_sets(sets, _read).items()]


def _read(path: Any) -> Iterable[tuple[str, str, float]]:
    return read_pairs(path)


def _judge(words: WordRows, name: str, pairs: list[tuple[str, str, float]]) -> Similarity:
    listed = [Pair(*pair) for pair in pairs]
    first, first_known = words.vectors([pair.first for pair in listed])
    second, second_known = words.vectors([pair.second for pair in listed])
    found = cosines(first, second)
    scores = np.array([pair.score for pair in listed], np.float64)
    known = first_known & second_known
    return Similarity(
        name, spearman(found, scores), spearman(found[known], scores[known]), len(listed), int(known.sum())
    )


def spearman(x: ArrayLike, y: ArrayLike) -> float:
    """Return Spearman's ρ, tied values sharing the mean of their ranks; NaN if either is constant or too short."""
    a, b = ranks(np.asarray(x)), ranks(np.asarray(y))
    if len(a) < 2:
        return math.nan
    a, b = a - a.mean(), b - b.mean()
    scale = math.sqrt(float(a @ a) * float(b @ b))
    # Sums of n rounded terms can end just above 1.
    return max(-1.0, min(1.0, float(a @ b) / scale)) if scale > 0 else math.nan


def ranks(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return ranks from 1, each group of equal values sharing the mean of its ranks."""
    _, group, sizes = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(sizes)
    means: NDArray[np.float64] = (last - (sizes - 1) / 2)[group]
    return means
