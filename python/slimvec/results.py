"""What searches return, and the order in which they do: best first, ties by row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SMALLEST_SCORE, LARGEST_SCORE = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max)


class SearchResult(NamedTuple):
    """Nearest rows of each query, nearest first.

    Attributes
    ----------
    distances : ndarray, shape (n_queries, k), int32
        Number of bits that differ (an integer; SciPy's ``hamming`` is this divided by ``n_bits``).
    indices : ndarray, shape (n_queries, k), int64
        Row numbers. Equal distances are ordered by row number.
    """

    distances: NDArray[np.int32]
    indices: NDArray[np.int64]


class RangeResult(NamedTuple):
    """All rows within a radius of each query, nearest first, one query after the other.

    Those of query q are ``distances[offsets[q]:offsets[q + 1]]`` and ``indices[offsets[q]:offsets[q + 1]]``.

    Attributes
    ----------
    offsets : ndarray, shape (n_queries + 1,), int64
    distances : ndarray, shape (offsets[-1],), int32
        Number of bits that differ.
    indices : ndarray, shape (offsets[-1],), int64
        Row numbers. Equal distances are ordered by row number.
    """

    offsets: NDArray[np.int64]
    distances: NDArray[np.int32]
    indices: NDArray[np.int64]


class ScoreResult(NamedTuple):
    """Rows of the highest score for each query, highest first.

    Attributes
    ----------
    scores : ndarray, shape (n_queries, k), float32
        Cosines, inner products or, for ``metric="l2"``, negated distances. Of a :class:`BinaryTable` they are
        estimates, unless originals were given.
    indices : ndarray, shape (n_queries, k), int64
        Row numbers. Equal scores are ordered by row number.
    """

    scores: NDArray[np.float32]
    indices: NDArray[np.int64]

    @property
    def distances(self) -> NDArray[np.float32]:
        """1 - scores, smallest first: what hnswlib and usearch call distances, for cosines and for inner products.

        Of a search by ``metric="l2"``: Euclidean distances. Bits that differ, which :class:`SearchResult` calls so,
        come from ``search_codes``.
        """
        distances: NDArray[np.float32] = 1 - self.scores
        return distances


class EuclideanResult(ScoreResult):
    """A :class:`ScoreResult` whose scores are negated distances."""

    @property
    def distances(self) -> NDArray[np.float32]:
        """Euclidean distances, smallest first."""
        return -self.scores


class ScoreRangeResult(NamedTuple):
    """All rows whose score reaches a bound, for each query, highest first, one query after the other.

    Those of query q are ``scores[offsets[q]:offsets[q + 1]]`` and ``indices[offsets[q]:offsets[q + 1]]``.

    Attributes
    ----------
    offsets : ndarray, shape (n_queries + 1,), int64
    scores : ndarray, shape (offsets[-1],), float32
        Estimates, as of :class:`ScoreResult`.
    indices : ndarray, shape (offsets[-1],), int64
        Row numbers. Equal scores are ordered by row number.
    """

    offsets: NDArray[np.int64]
    scores: NDArray[np.float32]
    indices: NDArray[np.int64]


def as_products(values: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Return inner products of queries with their best rows, ``(n_queries, k)``, as the scores of a result.

    Raises
    ------
    ValueError
        If those of a query are beyond float32.
    """
    largest = np.abs(values).max(axis=1, initial=0)
    bad = ~((largest == 0) | ((largest >= SMALLEST_SCORE) & (largest <= LARGEST_SCORE)))
    if bad.any():
        raise ValueError(
            f"inner products of a query with its best rows reach {largest[bad][0]:.3g}, and float32 holds "
            f'{SMALLEST_SCORE:.3g} to {LARGEST_SCORE:.3g}; multiply queries by a constant, or ask for metric="cosine"'
        )
    return values.astype(np.float32, copy=False)


def as_distances(values: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Return negated distances as the scores of a result.

    Raises
    ------
    ValueError
        If one is beyond float32.
    """
    if (values < -LARGEST_SCORE).any():
        raise ValueError(
            f"distances reach {-values.min():.3g}, and float32 holds {LARGEST_SCORE:.3g}; divide vectors by a constant"
        )
    return values.astype(np.float32, copy=False)


def offsets_of(counts: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return where what each query has found begins, one after the other, and the end of the last."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])


def no_scores(n_queries: int) -> ScoreResult:
    """Return what a search of an empty table finds."""
    return ScoreResult(np.empty((n_queries, 0), np.float32), np.empty((n_queries, 0), np.int64))


def others_than(own: NDArray[np.int64], found: NDArray[np.int64], k: int) -> list[int]:
    """Return the first k places of ``found`` whose row is none of ``own``."""
    left_out = set(own.tolist())
    return [place for place, row in enumerate(found.tolist()) if row not in left_out][:k]


def largest(values: NDArray[np.floating[Any]], k: int) -> NDArray[np.intp]:
    """Return the positions of the k largest values, largest first, ties by the lower position."""
    kth = np.partition(values, -k)[-k]
    above = np.flatnonzero(values > kth)
    level = np.flatnonzero(values == kth)[: k - len(above)]
    candidates = np.concatenate([above, level])
    return candidates[np.lexsort((candidates, -values[candidates]))]
