"""Searching T A without making it: scores are T (A q), and the best are kept as they come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.norms import near_rows, unit_rows
from slimvec.results import ScoreResult, as_products, no_scores
from slimvec.validation import as_count, as_threads, check_finite

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slimvec.sparse.product import Product


def search(
    product: Product,
    inverse_norms: NDArray[np.float32],
    queries: NDArray[Any],
    k: int,
    metric: str,
    threads: int | None,
    allowed: NDArray[np.bool_] | None,
) -> ScoreResult:
    """Return the k rows of the highest cosine or inner product with each query; see :meth:`SparseTable.search`."""
    if metric not in {"cosine", "dot"}:
        raise ValueError(f"metric={metric!r}; expected 'cosine' or 'dot'")
    scales, exponents = None, np.zeros(0, np.intc)
    if metric == "cosine":  # of any length
        scales, vectors = inverse_norms, unit_rows(queries, "queries")
    else:
        vectors, exponents = near_rows(queries)
        check_finite(vectors, "queries", 0)
    k = as_count(k, product.n_rows, allowed)
    if k == 0:
        return no_scores(len(vectors))
    mask = None if allowed is None else np.packbits(allowed, bitorder="little")
    scores, rows = product.search(vectors, k, scales, mask, as_threads(threads))
    if metric == "cosine":
        return ScoreResult(scores, rows)
    return ScoreResult(as_products(np.ldexp(scores.astype(np.float64), exponents[:, None])), rows)
