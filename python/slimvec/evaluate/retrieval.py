"""How many of the true neighbours a table finds, how long it takes, and what is kept for it."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from slimvec.binary.queries import METRICS, Metric
from slimvec.evaluate.truth import exact_neighbours, recall, recall_with_ties
from slimvec.norms import WideRows
from slimvec.validation import as_integer, as_matrix

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike

    from slimvec.binary.table import BinaryTable
    from slimvec.vectors import Vectors


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
    recall_with_ties : float
        Share of the k found that are as near as the k-th true neighbour: where several rows are equally near, which of
        them are the true ones is chance, and takes nothing away here.
    bytes_per_row : float
        All that this way needs, over the number of rows: codes, the encoder, factors unless Hamming distances are all
        that is used, and the originals if they are. Not words.
    """

    method: str
    oversample: int | None
    recall: float
    scan_ms: float
    total_ms: float
    recall_with_ties: float
    bytes_per_row: float


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
    metric : {"cosine", "dot", "l2"}
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
    recall@k is the mean over queries of ``|found ∩ true| / k``, as in most of the literature on nearest neighbours.
    Times are medians of three runs over all queries at once; on a busy machine trust their ratios. The encoder is
    spread over the rows of the table, which makes small tables look large: of 20,000 rows of 384 dimensions it takes 30
    bytes each.

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
    if metric not in METRICS:
        raise ValueError(f"metric={metric!r}; expected one of {METRICS}")
    as_integer(k, "k", 1, len(table), why=", the number of codes")
    truth = exact_neighbours(asked, truth_rows, k, metric)
    info = table.info()
    norm, sizes = info["norm"], info["bytes"]  # as search takes queries, and what is stored
    originals_row = truth_rows.dtype.itemsize * truth_rows.shape[1]
    codes = table.encode(asked if metric != "cosine" or norm is None else WideRows.of(asked, "queries").at_norm(norm))

    def measure(method: str, wide: int | None, first: Callable[[], Any], search: Callable[[], Any]) -> Retrieval:
        found, total = _timed(search)
        _, scan = (found, total) if first is search else _timed(first)
        per_query = 1e3 / max(1, len(asked))
        tied = recall_with_ties(found.indices, truth, asked, truth_rows, metric)
        size = _bytes_used(sizes, method) / len(table) + originals_row * method.endswith("originals")
        return Retrieval(method, wide, recall(found.indices, truth), scan * per_query, total * per_query, tied, size)

    find = partial(table.search_codes, threads=threads)
    score = partial(table.search, asked, k, metric=metric, threads=threads)
    has_factors = sizes["factors"] > 0
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


def _bytes_used(sizes: dict[str, int], method: str) -> int:
    """Return the bytes of what is stored of a table that a way needs; words are no part of it."""
    unused = {"words"} if not method.startswith("hamming") else sizes.keys() - {"codes", "encoder"}
    return sum(size for part, size in sizes.items() if part not in unused)


def _timed(work: Callable[[], Any], repeats: int = 3) -> tuple[Any, float]:
    """Return the result and the median seconds of some calls."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - start)
    return result, float(np.median(seconds))
