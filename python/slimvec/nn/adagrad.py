"""Adagrad with proximal steps, with a state per entry or per row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from slimvec.nn.optimizer import ProximalOptimizer
from slimvec.nn.rule import Group, Rule, State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray
    from torch import Tensor, nn


class AdagradRule(Rule):
    """Gradients are divided by the root of the sum v of their squares, which zero gradients leave as it is."""

    name = "ProximalAdagrad"

    def __init__(self, group: Group) -> None:
        super().__init__(group)
        self.per_row = group["rowwise"]

    def initial(self, values: Tensor) -> State:
        """Return v at the start."""
        like = values[:, :1] if self.per_row else values
        return {"sum": torch.full_like(like, self.group["initial"], memory_format=torch.contiguous_format)}

    def metric(self, state: State) -> Tensor:
        """Return √v + ε."""
        return state["sum"].sqrt().add_(self.group["eps"])

    def descend(self, values: Tensor, gradient: Tensor, state: State) -> Tensor:
        """Return values after a gradient step; v changes in place."""
        if self.per_row:
            state["sum"] += torch.linalg.vector_norm(gradient, dim=1, keepdim=True).square_() / gradient.shape[1]
        else:
            state["sum"].addcmul_(gradient, gradient)
        return torch.addcdiv(values, gradient, self.metric(state), value=-self.size)

    def row_steps(self, gradient: NDArray[Any], state: State) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return size and threshold of the step of each row, ``(m,)``; v, of NumPy, changes in place."""
        sums, group = state["sum"], self.group
        sums += np.einsum("ij,ij->i", gradient, gradient) / gradient.shape[1]
        sizes = group["lr"] / self._row_root(sums)
        return sizes, sizes * group["l1"] if group["metric"] == "own" else np.full(len(sums), self.threshold)

    def row_metric(self, state: State) -> Any:
        """Return what divides the thresholds of each row."""
        return self._row_root(state["sum"]) if self.group["metric"] == "own" else 1.0

    def _row_root(self, sums: NDArray[Any]) -> Any:
        return np.sqrt(sums) + self.group["eps"]


class ProximalAdagrad(ProximalOptimizer):
    """Adagrad with a proximal step, plain or in Adagrad's metric.

    Parameters
    ----------
    model : torch.nn.Module, or iterable of parameters or groups
        See :class:`ProximalSGD`.
    lr : float
        η.
    l1 : float
        λ.
    metric : {"own", "plain"}
        Threshold ηλ / (√v + ε), the proximal step of Adagrad's metric; or ηλ.
    penalty : {"entries", "rows"}
        See :class:`ProximalSGD`; rows need ``metric="plain"``.
    rowwise : bool
        One v per row of T, the mean square of its gradient: n numbers instead of n K, and what
        ``AnchorEmbedding(storage="slots")`` needs.
    initial : float
        v at the start. With v = 0 and metric "own", rows that are not seen at once would lose everything in one step.
    eps : float
        ε.

    Notes
    -----
    A zero gradient leaves v as it is, so rows that no batch touches keep their thresholds, and catching up is exact.

    Examples
    --------
    >>> from slimvec.nn import AnchorEmbedding
    >>> layer = AnchorEmbedding(50, 4, n_anchors=3)
    >>> optimizer = ProximalAdagrad(layer, lr=0.1, l1=1e-3, rowwise=True)
    >>> layer(torch.tensor([1, 2])).square().sum().backward()
    >>> optimizer.step()
    >>> bool((layer.transform.weight >= 0).all())
    True
    """

    rule = AdagradRule

    def __init__(
        self,
        model: nn.Module | Iterable[Any],
        lr: float = 0.1,
        *,
        l1: float = 0.0,
        metric: str = "own",
        penalty: str = "entries",
        rowwise: bool = False,
        initial: float = 0.1,
        eps: float = 1e-10,
    ) -> None:
        defaults = {"lr": lr, "l1": l1, "metric": metric, "penalty": penalty, "rowwise": rowwise,
                    "initial": initial, "eps": eps}  # fmt: skip
        super().__init__(model, defaults)
