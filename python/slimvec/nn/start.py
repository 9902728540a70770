"""Where a layer starts: entries of T, rows that anchors stand for, and relations between rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor


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


def as_related(relations: Any, anchor_rows: NDArray[np.int64] | None, n_rows: int) -> NDArray[np.int64] | None:
    """Return the entries (row, anchor) of T that are not penalised, ``(m, 2)`` in their order, or None (eq. 5)."""
    from slimvec.sparse.training.relations import unpenalised

    if relations is None:
        return None
    if anchor_rows is None:
        raise ValueError("relations are about anchors that stand for rows; expected anchor_rows, too")
    pairs = np.asarray(list(relations), np.int64).reshape(-1, 2)
    if len(pairs) and not 0 <= pairs.min() <= pairs.max() < n_rows:
        raise ValueError(f"relations holds {pairs.min()} ... {pairs.max()}; expected rows 0 ... {n_rows - 1}")
    return unpenalised(pairs, anchor_rows, n_rows)


def related_mask(shape: tuple[int, int], related: NDArray[np.int64] | None, device: Any) -> Tensor | None:
    """Return the unpenalised entries as a mask, or None."""
    if related is None:
        return None
    mask = torch.zeros(shape, dtype=torch.bool, device=device)
    rows, columns = torch.from_numpy(related.T.copy()).to(device)
    mask[rows, columns] = True
    return mask


def random_transform(
    shape: tuple[int, int],
    like: Tensor,
    anchor_rows: NDArray[np.int64] | None,
    padding_idx: int | None,
    *,
    nonnegative: bool,
) -> Tensor:
    """Return entries N(0, 1) / √K, made positive if asked; a row that an anchor stands for is that anchor alone."""
    values = torch.randn(shape, device=like.device, dtype=like.dtype) / shape[1] ** 0.5
    if nonnegative:
        values.abs_()
    if anchor_rows is not None:
        rows = torch.from_numpy(anchor_rows).to(like.device)
        values[rows] = torch.eye(shape[1], device=like.device, dtype=like.dtype)
    if padding_idx is not None:
        values[padding_idx] = 0
    return values
