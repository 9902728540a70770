"""Gradient descent with proximal steps (ANT paper, eq. 3-4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from slimvec.nn.optimizer import ProximalOptimizer
from slimvec.nn.rule import Rule, State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray
    from torch import Tensor, nn


class SGDRule(Rule):
    """Steps of one size for everything, and no state."""

    name = "ProximalSGD"
    per_row = one_size = True

    def initial(self, values: Tensor) -> State:  # noqa: ARG002
        """Return no state."""
        return {}

    def descend(self, values: Tensor, gradient: Tensor, state: State) -> Tensor:  # noqa: ARG002
        """Return values after a gradient step."""
        return torch.sub(values, gradient, alpha=self.size)

    def row_steps(self, gradient: NDArray[Any], state: State) -> tuple[NDArray[Any], NDArray[Any]]:  # noqa: ARG002
        """Return size and threshold of the step of each row, ``(m,)``."""
        sizes = np.full(len(gradient), self.size)
        return sizes, sizes * self.group["l1"]


class ProximalSGD(ProximalOptimizer):
    """Gradient descent, then soft-thresholding by ηλ (ANT paper, eq. 3-4).

    Parameters
    ----------
    model : torch.nn.Module, or iterable of parameters or groups
        Of a module, the T of every anchor layer is penalised, and nothing else. Of parameters, all are: groups may set
        ``l1``, ``l2``, ``penalty`` and ``nonnegative`` of their own.
    lr : float
        η.
    l1 : float
        λ.
    l2 : float
        μ: the penalty has the term ½μt², too, which makes a step divide by 1 + ημ after thresholding.
    penalty : {"entries", "rows"}
        ℓ1, or group lasso: the ℓ2 norm of each row, which removes whole rows.

    Notes
    -----
    Rows that no batch touches lose ηλ in every step all the same. They are brought up to date when they are next read,
    in closed form and exactly, for any schedule of ``lr``.

    Examples
    --------
    >>> from slimvec.nn import AnchorEmbedding
    >>> layer = AnchorEmbedding(50, 4, n_anchors=3, sparse=True)
    >>> optimizer = ProximalSGD(layer, lr=0.1, l1=0.5)
    >>> for _ in range(100):
    ...     loss = layer(torch.tensor([1, 2])).square().sum()
    ...     optimizer.zero_grad()
    ...     loss.backward()
    ...     optimizer.step()
    >>> layer.count_nonzero()
    0
    """

    rule = SGDRule

    def __init__(
        self,
        model: nn.Module | Iterable[Any],
        lr: float = 0.1,
        *,
        l1: float = 0.0,
        l2: float = 0.0,
        penalty: str = "entries",
    ) -> None:
        super().__init__(model, {"lr": lr, "l1": l1, "l2": l2, "penalty": penalty, "metric": "plain"})
