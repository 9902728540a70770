"""What a layer is asked for, checked: its anchors, the rows that they stand for, and relations between rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.sparse.training.anchors import kmeans_plus_plus, top_rows
from slimvec.validation import as_generator, as_integer, as_matrix

if TYPE_CHECKING:
    from numpy.typing import NDArray

STRATEGIES = ("kmeans++", "frequency")
LEAST_ANCHORS = 2  # with T ≥ 0, one alone leads all rows to one side


def as_anchor_rows(anchor_rows: Any, n_rows: int) -> NDArray[np.int64] | None:
    """Return the rows that anchors stand for, distinct and inside, or None."""
    if anchor_rows is None:
        return None
    rows = np.asarray(anchor_rows)
    if rows.ndim != 1 or rows.dtype.kind not in "iu":
        raise TypeError(f"anchor_rows has shape {rows.shape}, dtype {rows.dtype}; expected row numbers, (n_anchors,)")
    if len(np.unique(rows)) < len(rows) or len(rows) == 0 or rows.min() < 0 or rows.max() >= n_rows:
        raise ValueError(f"anchor_rows repeats a row, or leaves 0 ... {n_rows - 1}; expected distinct rows")
    return rows.astype(np.int64)


def as_vectors(given: Any, name: str) -> NDArray[Any]:
    """Return given vectors, also of a tensor, as a matrix."""
    return as_matrix(given.detach().cpu().float() if hasattr(given, "detach") else given, name)


def as_counts(counts: Any, n_rows: int) -> NDArray[np.float64]:
    """Return how often each row is seen."""
    given = np.asarray(counts, np.float64)
    if given.shape != (n_rows,) or not (np.isfinite(given) & (given >= 0)).all():
        raise ValueError(f"counts has shape {given.shape}; expected ({n_rows},), numbers of at least 0")
    return given


def as_related(relations: Any, anchor_rows: NDArray[np.int64] | None, n_rows: int) -> NDArray[np.int64] | None:
    """Return the entries (row, anchor) of T that are not penalised, ``(m, 2)`` in their order, or None (eq. 5)."""
    from slimvec.sparse.training.relations import unpenalised

    if relations is None:
        return None
    if anchor_rows is None:
        raise ValueError("relations are about anchors that stand for rows; expected anchor_rows, too")
    pairs = _as_pairs(list(relations))
    if len(pairs) and not 0 <= pairs.min() <= pairs.max() < n_rows:
        raise ValueError(f"relations holds {pairs.min()} ... {pairs.max()}; expected rows 0 ... {n_rows - 1}")
    return unpenalised(pairs, anchor_rows, n_rows)


def _as_pairs(listed: list[Any]) -> NDArray[np.int64]:
    """Return pairs of row numbers, ``(m, 2)``."""
    if not listed:
        return np.empty((0, 2), np.int64)
    odd = next((pair for pair in listed if np.shape(pair) != (2,) or np.asarray(pair).dtype.kind not in "iu"), None)
    if odd is not None:
        raise TypeError(f"relations holds {odd!r}; expected pairs of row numbers")
    return np.asarray(listed, np.int64)


def anchor_count(given: tuple[Any, Any, Any], budget: int | None, d: int) -> int:
    """Return what ``n_anchors``, ``anchors`` and ``anchor_rows`` agree on, or how many anchors suit a budget."""
    n_anchors, *arrays = given
    budget = None if budget is None else as_integer(budget, "n_parameters", 1)
    found = {len(some) for some in arrays if some is not None}
    if n_anchors is not None:
        found.add(as_integer(n_anchors, "n_anchors", 1))
    if not found and budget is not None:
        found.add(_count_within(budget, d))
    if len(found) != 1:
        names = "n_anchors, anchors and anchor_rows"
        raise ValueError(f"{names} give {sorted(found)} anchors; expected one number, the same from all that are given")
    count = found.pop()
    if budget is not None and budget <= count * d:
        taken = f"{count} anchors of {d} numbers take {count * d}"
        raise ValueError(f"n_parameters={budget}; expected more, as {taken}, and T needs some, too")
    return count


def _count_within(budget: int, d: int) -> int:
    """Return as many anchors as an eighth of a budget holds, and d at most: see ``benchmarks/results/ant_worth.md``.

    More than d would make T larger in training than the rows that it takes the place of.
    """
    return max(LEAST_ANCHORS, min(d, budget // (8 * d)))


def choose_rows(
    vectors: NDArray[Any], n_anchors: int, strategy: str, scores: Any, random_state: Any
) -> NDArray[np.int64]:
    """Return the rows that anchors start as: see :meth:`slimvec.nn.AnchorEmbedding.from_vectors`."""
    if strategy not in STRATEGIES:
        raise ValueError(f"strategy={strategy!r}; expected one of {STRATEGIES}")
    if strategy == "kmeans++":
        return kmeans_plus_plus(vectors, n_anchors, as_generator(random_state))
    return top_rows(-np.arange(len(vectors)) if scores is None else scores, n_anchors)
