"""How many of the true neighbours a table finds, and how long it takes."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import numpy as np

from slimvec.binary.queries import Metric
from slimvec.blocks import row_blocks
from slimvec.norms import WideRows, near_rows
from slimvec.results import largest
from slimvec.validation import as_integer, as_matrix

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from slimvec.binary.table import BinaryTable
    from slimvec.vectors import Vectors

QUERIES_AT_ONCE = 256
ROWS_AT_ONCE = 16_384  # with 256 queries: 17 MB of products


class Retrieval(NamedTuple):
    """What one way of searching finds.

    Attributes
    ----------
    method : str
        ``"hamming"``: codes against codes. ``"scores"``: a Hamming shortlist scored from bits and factors. ``"scan"``:
        every row scored so. ``"... + originals"``: the best of them scored by the original vectors.
    oversample : int or None
        As in :meth:`slimvec.BinaryTable.search`.
    recall : float
        Share of the k true neighbours among the k found.
    scan_ms : float
        Milliseconds per query of the pass over all rows alone (which hands on more than k rows).
    total_ms : float
        Milliseconds per query of the whole search, from float query to answer.
    """

    method: str
    oversample: int | None
    recall: float
    scan_ms: float
    total_ms: float


def retrieval(
    table: BinaryTable,
    queries: ArrayLike | Vectors,
    truth_vectors: ArrayLike | Vectors,
    k: int = 10,
    *,
    oversample: Sequence[int] = (2, 5, 10, 50),
    metric: Metric = "cosine",
    threads: int | None = None,
) -> list[Retrieval]:
    """Measure recall and time of every way to search a table.

    Parameters
    ----------
    table : BinaryTable
        With an encoder; without factors only Hamming distances, alone and rescored by the originals, are measured.
    queries : array_like, shape (n_queries, d)
        Float vectors that are not in the table. A few hundred, to tell .70 from .71 a thousand.
    truth_vectors : array_like, shape (n, d)
        The vectors that the table was made from, in memory or mapped: neighbours by ``metric`` among them are the
        truth, and they serve as ``originals``.
    k : int
        Neighbours per query.
    oversample : sequence of int
        Which shortlists to try.
    metric : {"cosine", "dot"}
    threads : int, optional
        See :meth:`slimvec.BinaryTable.search`.

    Returns
    -------
    list of Retrieval
        From the fastest to the most exact way.

    Raises
    ------
    ValueError, TypeError
        As :meth:`slimvec.BinaryTable.search`.

    Notes
    -----
    recall@k is the mean over queries of |found ∩ true| / k, as in most of the literature on nearest neighbours. Times
    are medians of three runs over all queries at once; on a busy machine trust their ratios.

    Examples
    --------
    >>> import numpy as np
    >>> import slimvec as sv
    >>> from slimvec.evaluate import retrieval
    >>> X = np.random.default_rng(0).standard_normal((2000, 64), dtype=np.float32)
    >>> table = sv.IIQ(n_remove=0).compress(X[100:], factors=True)
    >>> found = {(row.method, row.oversample): row.recall for row in retrieval(table, X[:100], X[100:])}
    >>> found["hamming", None] < found["scores", 10] < found["scores + originals", 10]
    True
    """
    asked = as_matrix(queries, "queries")
    truth_rows = as_matrix(truth_vectors, "truth_vectors", asked.shape[1])
    if len(truth_rows) != len(table):
        raise ValueError(f"truth_vectors has {len(truth_rows)} rows; expected {len(table)}, one per row of the table")
    if metric not in get_args(Metric):
        raise ValueError(f"metric={metric!r}; expected one of {get_args(Metric)}")
    as_integer(k, "k", 1, len(table), why=", the number of codes")
    truth = exact_neighbours(asked, truth_rows, k, metric)
    norm = table.info()["norm"]  # as search takes queries
    codes = table.encode(asked if metric == "dot" or norm is None else WideRows.of(asked, "queries").at_norm(norm))

    def measure(method: str, wide: int | None, first: Callable[[], Any], search: Callable[[], Any]) -> Retrieval:
        found, total = _timed(search)
        _, scan = (found, total) if first is search else _timed(first)
        per_query = 1e3 / max(1, len(asked))
        return Retrieval(method, wide, recall(found.indices, truth), scan * per_query, total * per_query)

    find = partial(table.search_codes, threads=threads)
    score = partial(table.search, asked, k, metric=metric, threads=threads)
    has_factors = table.info()["bytes"]["factors"] > 0
    ways = []
    if table.has_distances:
        alone = partial(find, codes, k)
        ways.append(measure("hamming", None, alone, alone))
    for wide in oversample if table.has_distances else ():
        shortlist = partial(find, codes, min(wide * k, len(table)))
        if has_factors:
            ways.append(measure("scores", wide, shortlist, partial(score, oversample=wide)))
        else:
            exact = partial(score, oversample=wide, originals=truth_rows)
            ways.append(measure("hamming + originals", wide, shortlist, exact))
    if has_factors:
        scan = partial(score, oversample=None)
        ways.append(measure("scan", None, scan, scan))
        for wide in oversample if table.has_distances else ():
            shortlist = partial(find, codes, min(wide * wide * k, len(table)))
            exact = partial(score, oversample=wide, originals=truth_rows)
            ways.append(measure("scores + originals", wide, shortlist, exact))
        ways.append(measure("scan + originals", None, scan, partial(score, oversample=None, originals=truth_rows)))
    return ways


def recall(found: NDArray[np.int64], truth: NDArray[np.int64]) -> float:
    """Return the mean share of each row of ``truth`` that is in the same row of ``found``."""
    shares = [len(np.intersect1d(mine, true)) / len(true) for mine, true in zip(found, truth, strict=True)]
    return float(np.mean(shares)) if shares else 0.0


def exact_neighbours(queries: NDArray[Any], vectors: NDArray[Any], k: int, metric: Metric) -> NDArray[np.int64]:
    """Return the k rows of ``vectors`` of the highest cosine or inner product with each query, ``(n_queries, k)``."""
    found = np.empty((len(queries), k), np.int64)
    for first, block in row_blocks(queries, QUERIES_AT_ONCE):
        asked, own = near_rows(block)
        scores, rows = np.empty((len(block), 0), np.float32), np.empty((len(block), 0), np.int64)
        for start, part in row_blocks(vectors, ROWS_AT_ONCE):
            products = _products(asked, own, part, metric)
            numbers = np.broadcast_to(np.arange(start, start + len(part)), products.shape)
            # The best so far come first, so that of equal scores the lower row stays.
            scores, rows = np.hstack([scores, products]), np.hstack([rows, numbers])
            best = np.array([largest(of_query, min(k, scores.shape[1])) for of_query in scores])
            scores, rows = np.take_along_axis(scores, best, axis=1), np.take_along_axis(rows, best, axis=1)
        found[first : first + len(block)] = rows
    return found


def _products(
    asked: NDArray[np.float32], own: NDArray[np.intc], part: NDArray[Any], metric: Metric
) -> NDArray[np.floating[Any]]:
    """Return what orders rows for each query ``asked · 2^own``: inner products, or these over the norms of the rows."""
    rows, exponents = near_rows(part)
    if metric == "cosine":
        lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64)).astype(np.float32)[:, None]
        rows = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
    products: NDArray[np.floating[Any]] = asked @ rows.T
    if metric == "dot" and (own.any() or exponents.any()):
        products = np.ldexp(products.astype(np.float64), own[:, None] + exponents)
    return products


def _timed(work: Callable[[], Any], repeats: int = 3) -> tuple[Any, float]:
    """Return the result and the median seconds of some calls."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - start)
    return result, float(np.median(seconds))
