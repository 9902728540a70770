"""Where a text classifier starts: its anchors, the words that they stand for, and what relations change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.sparse.product import CsrParts
from slimvec.validation import as_anchor_count, as_integer, as_matrix, check_finite

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

STRATEGIES = ("dynamic", "frequency")


def first_anchors(
    anchors: Any, n_anchors: int, d: int, rows: dict[str, int], generator: np.random.Generator
) -> tuple[NDArray[Any], NDArray[np.int64] | None]:
    """Return the anchors, and the rows of the words that they stand for, if they do.

    Parameters
    ----------
    anchors : {"dynamic", "frequency"}, sequence of str, or array of shape (K, d)
    n_anchors, d : int
        K counts where ``anchors`` is a strategy.
    rows : dict of str to int
        Of the words, most frequent first.
    generator : numpy.random.Generator
    """
    if isinstance(anchors, str):
        if anchors not in STRATEGIES:
            raise ValueError(f"anchors={anchors!r}; expected one of {STRATEGIES}, a list of words, or an array")
        most = None if anchors == "dynamic" else len(rows)
        as_integer(n_anchors, "n_anchors", 1, most, why=f": there are {len(rows)} words")
        k = as_anchor_count(n_anchors, None)
        return generator.standard_normal((k, d)), None if anchors == "dynamic" else np.arange(k)
    if np.ndim(anchors) == 2:
        given = as_matrix(anchors, "anchors", d)
        if len(given) == 0:
            raise ValueError(f"anchors has shape {given.shape}; expected at least one row")
        check_finite(given, "anchors", 0)
        return given, None
    if np.ndim(anchors) != 1:
        raise TypeError(
            f"anchors is {type(anchors).__name__}; expected one of {STRATEGIES}, a list of words, or an array"
        )
    missing = next((word for word in anchors if word not in rows), None)
    if missing is not None or len(set(anchors)) < len(anchors) or len(anchors) == 0:
        why = "" if missing is None else f", and {missing!r} is not among the words of the texts"
        raise ValueError(
            f"anchors holds {len(anchors)} words{why}; expected distinct words of the texts, min_count times"
        )
    return generator.standard_normal((len(anchors), d)), np.array([rows[word] for word in anchors])


def first_entries(shape: tuple[int, int], anchor_rows: NDArray[np.int64] | None) -> CsrParts:
    """Return a transform of zeros, but that the row of a word that is an anchor is that anchor alone."""
    columns = np.empty(0, np.int64) if anchor_rows is None else np.argsort(anchor_rows)
    held = np.empty(0, np.int64) if anchor_rows is None else anchor_rows
    indptr = np.concatenate([[0], np.cumsum(np.bincount(held, minlength=shape[0]))])
    return CsrParts(shape, indptr, columns, np.ones(len(columns)))


def related_entries(
    relations: Iterable[tuple[str, str]] | None, rows: dict[str, int], anchor_rows: NDArray[np.int64] | None
) -> NDArray[np.int64] | None:
    """Return the entries (row, anchor) of T that are not penalised, ``(m, 2)`` in their order, or None (eq. 5)."""
    from slimvec.sparse.training.relations import unpenalised

    if relations is None:
        return None
    if anchor_rows is None:
        raise ValueError('relations are about anchors that are words; expected anchors="frequency", or a list of words')
    pairs = []
    for pair in relations:
        if isinstance(pair, str) or len(pair) != 2:
            raise ValueError(f"relations holds {pair!r}; expected pairs of words")
        if pair[0] in rows and pair[1] in rows:
            pairs.append((rows[pair[0]], rows[pair[1]]))
    return unpenalised(np.array(pairs, np.int64).reshape(-1, 2), anchor_rows, len(rows))
