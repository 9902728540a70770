"""Two layers of which rows are multiplied with each other, as those of users and of items: near given products."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from slimvec import blas
from slimvec.nn.embedding import AnchorEmbedding
from slimvec.nn.layer_arguments import as_counts, as_vectors
from slimvec.validation import as_integer, check_finite

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray
    from torch import Tensor

    from slimvec.vectors import Vectors

TURNS = (1, 0, 1, 0)  # the second table first
RIDGE = 0.01  # of the mean square of a column: what a direction counts that the other side's rows do not have


def pair_from_pretrained(
    first: ArrayLike | Vectors | Tensor,
    second: ArrayLike | Vectors | Tensor,
    n_anchors: int | None = None,
    *,
    n_parameters: int,
    counts: tuple[ArrayLike, ArrayLike] | None = None,
    **arguments: Any,
) -> tuple[AnchorEmbedding, AnchorEmbedding]:
    """Return two layers whose rows have products with each other that are near to those of given rows.

    For what is predicted by the inner product of two rows, such as ratings by those of a user and of an item: errors in
    directions that the other table does not use cost nothing. Train the layers on from there, with
    ``ParameterBudget(cut=(0, 0))``.

    Parameters
    ----------
    first, second : vectors of shape (n, d) and (m, d)
        Two tables that were trained together.
    n_anchors : int, optional
        Of each layer: by default a third of its parameters goes to anchors, which are d at most.
    n_parameters : int
        Of both layers together, shared by their numbers of rows.
    counts : two array_like, shapes (n,) and (m,), optional
        How often each row is seen, once at least; by default alike often.
    **arguments
        ``nonnegative``, ``random_state``, ``storage``, ``sparse``, ``device`` or ``dtype`` of both layers, as for
        :meth:`AnchorEmbedding.from_pretrained`.

    Returns
    -------
    AnchorEmbedding, AnchorEmbedding

    Raises
    ------
    TypeError, ValueError
        If vectors are not finite or of different widths, or ``n_parameters`` has no room for an entry in either layer.

    Notes
    -----
    One layer is fitted to the other in turns. Let R be the rows of one side, O those of the other, P what its layer has
    in their place by now, and C the diagonal of the other side's counts. The rows whose products with P are nearest to
    those of R with O, weighted by C, are R Oᵀ C P (Pᵀ C P)⁻¹; of these the layer learns anchors and T, errors measured
    by products with P: as lengths after a multiplication by the Cholesky factor of Pᵀ C P. Of MovieLens ratings a
    thirtieth of the numbers so loses less than layers that are near to either table:
    ``benchmarks/results/ant_ratings_after.md``.

    Examples
    --------
    >>> users, items = np.random.default_rng(0).standard_normal((2, 300, 8), dtype=np.float32)
    >>> layers = pair_from_pretrained(users, items, n_parameters=1200)
    >>> [layer.n_parameters for layer in layers]
    [600, 600]
    """
    sides = [_as_rows(given, name) for given, name in ((first, "first"), (second, "second"))]
    (n, d), (m, other_d) = (rows.shape for rows in sides)
    if d != other_d:
        raise ValueError(f"second has {other_d} columns; expected {d}, as first has")
    weights = [np.ones(n), np.ones(m)] if counts is None else _as_both_counts(counts, n, m)
    budget = as_integer(n_parameters, "n_parameters", 2 * (d + 1), (n + m) * d, f": {n} + {m} rows of {d} numbers")
    rooms = _shared(budget, n, m, d)
    if n_anchors is not None:
        _check_room(as_integer(n_anchors, "n_anchors", 1, min(n, m)), d, budget, rooms)
    layers: dict[int, AnchorEmbedding] = {}
    now = list(sides)
    for i in TURNS:
        there, weight = now[1 - i], weights[1 - i]
        moments = _with_ridge(_moments(there, there, weight))
        factor = np.linalg.cholesky(moments)
        turn = np.linalg.solve(moments, _moments(there, sides[1 - i], weight)).T @ factor
        wanted = blas.product(sides[i], turn.astype(np.float32))
        layer = AnchorEmbedding.from_pretrained(
            wanted, n_anchors, n_parameters=rooms[i], counts=weights[i], **arguments
        )
        with torch.no_grad():
            anchors = np.linalg.solve(factor.T, layer.anchors.double().cpu().numpy().T).T
            layer.anchors.copy_(torch.from_numpy(anchors))
            now[i] = layer.weight.float().cpu().numpy()
        layers[i] = layer
    return layers[0], layers[1]


def _as_rows(given: Any, name: str) -> NDArray[np.float32]:
    matrix = as_vectors(given, name)
    check_finite(matrix, name, 0)
    return np.asarray(matrix, np.float32)


def _shared(budget: int, n: int, m: int, d: int) -> tuple[int, int]:
    """Share numbers by numbers of rows; each side has room for an anchor and an entry, and not for more than rows."""
    wanted = min(budget * n // (n + m), n * d, budget - d - 1)
    first = max(wanted, d + 1, budget - m * d)
    return first, budget - first


def _check_room(n_anchors: int, d: int, budget: int, rooms: tuple[int, int]) -> None:
    if min(rooms) <= n_anchors * d:
        what = f"n_parameters={budget}; expected more: {min(rooms)} of them go to the smaller table"
        raise ValueError(f"{what}, and {n_anchors} anchors of {d} numbers take {n_anchors * d}")


def _moments(rows: NDArray[Any], others: NDArray[Any], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of products of two rows' columns, over pairs of rows that count as much as ``weights``."""
    total = np.zeros((rows.shape[1], others.shape[1]))
    with blas.one_thread():
        for part in blas.row_parts(len(rows)):
            total += (rows[part] * weights[part, None]).T @ others[part]
    return total / weights.sum()


def _as_both_counts(counts: Any, n: int, m: int) -> list[NDArray[np.float64]]:
    try:
        first, second = counts
    except (TypeError, ValueError):
        raise TypeError("counts: expected two arrays, of the first table's rows and of the second's") from None
    return [np.maximum(as_counts(first, n), 1), np.maximum(as_counts(second, m), 1)]


def _with_ridge(moments: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return moments of all directions, also of those in which there is nothing."""
    size = float(np.trace(moments)) / len(moments)
    return moments + (RIDGE * size or 1.0) * np.eye(len(moments))
