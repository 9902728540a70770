"""T as a dense parameter: for GPUs, small vocabularies, and as the twin of the store that follows the non-zeros."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from slimvec.nn.dense_rows import gradient_of, some_rows, step_rows
from slimvec.nn.transform import Gradient, Transform, TransformStart
from slimvec.sparse.product import CsrParts

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import Tensor

    from slimvec.nn.rule import Rule, State
    from slimvec.nn.waiting import Missed


class DenseTransform(Transform):
    """T as one parameter ``weight`` of shape ``(n, k)``.

    Parameters
    ----------
    start : TransformStart
        With ``sparse``, gradients hold the rows of a batch alone, and rows that no batch touches wait for their
        penalty. The related entries become a mask, ``unpenalised``: 1 - S(G).
    """

    holds_all = True

    def __init__(self, start: TransformStart) -> None:
        super().__init__()
        self.weight = nn.Parameter(_random_entries(start))
        self.register_buffer("unpenalised", _related_mask(start))
        self.n_rows, self.n_anchors = start.shape
        self.nonnegative, self.lazy, self.padding_idx = start.nonnegative, start.sparse, start.padding_idx

    def read(self, rows: Tensor) -> Tensor:
        self.settle(rows)
        return nn.functional.embedding(rows, self.weight, sparse=self.lazy)

    def combine(self, rows: Tensor, anchors: Tensor) -> Tensor:
        return self.read(rows) @ anchors

    def combine_all(self, anchors: Tensor) -> Tensor:
        """Return T A, ``(n, d)``, as one product."""
        return self._whole() @ anchors

    def _whole(self) -> Tensor:
        """Return T, whose padding row takes no gradient."""
        self.settle()
        if self.padding_idx is None:
            return self.weight
        row = torch.full((1,), self.padding_idx, device=self.weight.device)  # made there, no copy that is waited for
        return self.weight.index_fill(0, row, 0.0)

    def prefers_whole(self, b: int, d: int) -> bool:
        """Return whether T A, n k d products once, saves work: T takes n k products for each of b, and E n d."""
        n, k = self.n_rows, self.n_anchors
        return n * k * d + b * n * d < b * k * (n + d)

    def scores(self, anchor_scores: Tensor) -> Tensor:
        return anchor_scores @ self._whole().T

    def count_nonzero(self) -> int:
        self.settle()
        return int(torch.count_nonzero(self.weight))

    def column_sums(self) -> NDArray[np.float64]:
        self.settle()
        sums: NDArray[np.float64] = self.weight.detach().abs().sum(dim=0).cpu().double().numpy()
        return sums

    def to_csr(self) -> CsrParts:
        self.settle()
        dense = self.weight.detach().cpu().to(torch.float32).numpy()
        rows, columns = np.nonzero(dense)
        indptr: NDArray[np.int64] = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=self.n_rows))])
        return CsrParts((self.n_rows, self.n_anchors), indptr, columns, dense[rows, columns])

    def fill(self, parts: CsrParts) -> None:
        dense = np.zeros(parts.shape, np.float32)
        dense[np.repeat(np.arange(self.n_rows), np.diff(parts.indptr)), parts.indices] = parts.data
        self.weight.data.copy_(torch.from_numpy(dense))

    def worths(self, of_rows: Tensor, of_columns: Tensor) -> Tensor:
        self.settle()
        entries = self.weight.detach()
        wide = torch.promote_types(entries.dtype, torch.float32)
        return (entries.abs().to(wide) * of_rows[:, None] * of_columns)[entries != 0]

    def keep(self, kept: Tensor) -> None:
        support = self.weight != 0
        stays = torch.zeros_like(support).masked_scatter_(support, kept.to(support.device))
        self.weight.data.masked_fill_(~stays, 0)  # .data: as in shrink

    def take_gradient(self) -> Gradient | None:
        """Return the gradient of ``weight``, if it has one, which stays there until ``zero_grad``."""
        return gradient_of(self.weight)

    def clear_gradient(self) -> None:
        """Forget nothing: the gradient of a parameter is torch's."""

    def step(self, gradient: Gradient, rule: Rule, state: State) -> None:
        options = {"lazy": self.lazy, "zeros_stay": self.zeros_stay}
        step_rows(self.weight, gradient, rule, state, self.unpenalised, **options)

    def shrink(self, missed: Missed, rule: Rule, state: State) -> None:
        rows = torch.from_numpy(missed.rows).to(self.weight.device)
        some = {name: kept[rows] for name, kept in state.items()}
        before = self.weight[rows]
        shrunk = rule.after(before, missed, some, some_rows(self.unpenalised, rows))
        shrunk = torch.where(before == 0, 0.0, shrunk) if self.zeros_stay else shrunk
        self.weight.data[rows] = shrunk  # .data: autograd keeps no copy of T, so its version may stay
        for name, kept in state.items():
            kept[rows] = some[name]

    def resize(self, kept: NDArray[np.int64], n_new: int, replace: Callable[..., Any]) -> None:
        """Keep some columns, rising, and put new ones of zeros after them, in a new parameter."""
        self.settle()
        self.weight = replace(self.weight, kept, torch.zeros(self.n_rows, n_new), dim=1)
        self.n_anchors = len(kept) + n_new


def _related_mask(start: TransformStart) -> Tensor | None:
    """Return the unpenalised entries as a mask, or None."""
    if start.related is None:
        return None
    device = start.anchors.device
    mask = torch.zeros(start.shape, dtype=torch.bool, device=device)
    rows, columns = torch.from_numpy(start.related.T.copy()).to(device)
    mask[rows, columns] = True
    return mask


def _random_entries(start: TransformStart) -> Tensor:
    """Return entries N(0, 1) / √K, made positive if asked; a row that an anchor stands for is that anchor alone."""
    k, like = start.shape[1], {"device": start.anchors.device, "dtype": start.anchors.dtype}
    values = torch.randn(start.shape, **like) / k**0.5
    if start.nonnegative:
        values.abs_()
    if start.anchor_rows is not None:
        values[torch.from_numpy(start.anchor_rows).to(values.device)] = torch.eye(k, **like)
    if start.padding_idx is not None:
        values[start.padding_idx] = 0
    return values
