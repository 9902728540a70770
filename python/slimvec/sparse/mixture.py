"""The nonlinear mixture of ANT (Liang et al., ICLR 2021, appendix E), without the dense matrix it seems to need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.sparse.product import CsrParts
from slimvec.validation import as_matrix

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray


def mixture(anchors: Sequence[ArrayLike], transforms: Sequence[Any]) -> tuple[NDArray[np.float64], CsrParts]:
    """Return anchors and a transform whose product is Σ softmax(T_m) A_m.

    A softmax over K anchors makes every weight positive: a zero of T counts as e⁰. But the zeros of a row all have the
    same weight, so they act through the sum of all anchors alone:

        e = [a_Σ + Σ_{j: t_j ≠ 0} (e^{t_j} - 1) a_j] / [K + Σ (e^{t_j} - 1)],  a_Σ = Σ_j a_j

    Hence the result is one sparse product again: the sum of its anchors is stored after the anchors of each component,
    and each row has one entry more per component.
    """
    if len(anchors) != len(transforms) or not len(anchors):
        raise ValueError(
            f"there are {len(anchors)} anchors and {len(transforms)} transforms; expected one each, or more"
        )
    parts = [_component(a, t, m) for m, (a, t) in enumerate(zip(anchors, transforms, strict=True))]
    shapes = {(stacked.shape[1], n) for stacked, (n, _, _, _) in parts}
    if len(shapes) > 1:
        raise ValueError(f"components have (columns, rows) {sorted(shapes)}; expected the same for all")
    _, n_rows = shapes.pop()
    first_columns = np.cumsum([0, *(len(stacked) for stacked, _ in parts)])
    rows = np.concatenate([part[1] for _, part in parts])
    columns = np.concatenate([part[2] + first for first, (_, part) in zip(first_columns, parts, strict=False)])
    values = np.concatenate([part[3] for _, part in parts])
    order = np.lexsort((columns, rows))
    indptr = np.zeros(n_rows + 1, np.int64)
    np.cumsum(np.bincount(rows, minlength=n_rows), out=indptr[1:])
    shape = (n_rows, int(first_columns[-1]))
    return np.concatenate([stacked for stacked, _ in parts]), CsrParts(shape, indptr, columns[order], values[order])


def _component(
    anchors: ArrayLike, transform: Any, m: int
) -> tuple[NDArray[np.float64], tuple[int, NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]]:
    """Return the anchors of one component with their sum after them; and rows, columns and values of its entries."""
    matrix = as_matrix(anchors, f"anchors[{m}]").astype(np.float64)
    n_anchors = len(matrix)
    if matrix.size == 0:
        raise ValueError(f"anchors[{m}] has shape {matrix.shape}; expected at least one row and one column")
    if not hasattr(transform, "tocsr") or tuple(transform.shape)[1:] != (n_anchors,):
        raise ValueError(f"transforms[{m}]: expected a SciPy sparse matrix with {n_anchors} columns, one per anchor")
    csr = transform.tocsr()
    n_rows = csr.shape[0]
    rows = np.repeat(np.arange(n_rows), np.diff(csr.indptr))
    places, which = np.unique(rows * n_anchors + csr.indices[: len(rows)], return_inverse=True)
    t = np.bincount(which, csr.data[: len(rows)].astype(np.float64), len(places))  # an entry given twice is a sum
    if not np.isfinite(t).all():
        raise ValueError(f"transforms[{m}] holds NaN or infinity")
    rows, columns = np.divmod(places, n_anchors)
    # The largest exponent is taken out, as in any softmax, so that none overflows. Rows without zeros need no share of
    # the sum of all anchors: with one, it would have to be taken away again, digits and all.
    n_zeros = n_anchors - np.bincount(rows, minlength=n_rows)
    largest = np.where(n_zeros, 0, -np.inf)
    np.maximum.at(largest, rows, t)
    base = np.exp(-largest, out=np.zeros(n_rows), where=n_zeros > 0)
    exponentials = np.exp(t - largest[rows])
    total = n_zeros * base + np.bincount(rows, exponentials, n_rows)
    all_rows = np.concatenate([rows, np.arange(n_rows)])
    all_columns = np.concatenate([columns, np.full(n_rows, n_anchors)])
    values = np.concatenate([(exponentials - base[rows]) / total[rows], base / total])
    return np.concatenate([matrix, matrix.sum(axis=0, keepdims=True)]), (n_rows, all_rows, all_columns, values)
