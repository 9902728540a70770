"""Searching T A without making it: scores are T (A q), and the best are kept as they come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.results import ScoreResult, no_scores
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
    with np.errstate(over="ignore"):  # reported just below
        vectors = np.require(queries, np.float32, ["C", "A"])
    check_finite(vectors, "queries", 0)
    if metric not in {"cosine", "dot"}:
        raise ValueError(f"metric={metric!r}; expected 'cosine' or 'dot'")
    k = as_count(k, product.n_rows, allowed)
    if k == 0:
        return no_scores(len(vectors))
    mask = None if allowed is None else np.packbits(allowed, bitorder="little")
    scales = inverse_norms if metric == "cosine" else None
    if scales is not None:
        vectors = _unit(vectors)
    return ScoreResult(*product.search(vectors, k, scales, mask, as_threads(threads)))


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return vectors divided by their norms; zeros stay."""
    wide = vectors.astype(np.float64)
    norms = np.sqrt(np.einsum("ij,ij->i", wide, wide))[:, None]
    unit: NDArray[np.float32] = np.divide(wide, norms, out=wide, where=norms > 0).astype(np.float32)
    return unit
