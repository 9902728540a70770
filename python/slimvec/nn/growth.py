"""How many anchors? They come and go while a model is trained (NBANT, the later version of the ANT paper)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from slimvec.nn.embedding import AnchorEmbedding
from slimvec.nn.processes import n_processes
from slimvec.sparse.training.anchor_rule import MOST, AnchorRule, most_used, residual_anchors
from slimvec.validation import as_generator, as_integer

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray
    from torch import Tensor

    from slimvec.nn.optimizer import ProximalOptimizer


class AnchorGrowth:
    """Changes the number of anchors of a layer while it is trained, as NBANT does [1]_.

    The objective after each epoch is validation loss + λ₂ nnz(T) + (λ₁ - λ₂) K. While it falls, two anchors come; when
    it rises, the two that are used least go; those that no row uses go in any case. New anchors lie along the gradients
    of rows of the last batch, drawn as by k-means++, and no row uses them before its gradient exceeds the penalty: the
    layer's output does not change.

    Parameters
    ----------
    layer : AnchorEmbedding
        Whose anchors stand for no rows.
    optimizer : ProximalOptimizer
        Of the model that the layer is part of. Its state is kept for what stays, and made for what comes.
    nonzero_cost : float
        λ₂, what a non-zero costs in units of the loss.
    anchor_cost : float, optional
        λ₁; by default d × λ₂, for the d numbers of an anchor. The authors' code has 0.1.
    most : int
        K is never more.
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None

    Attributes
    ----------
    scores, counts : list
        Objective and K of each step.

    References
    ----------
    .. [1] P. P. Liang, M. Zaheer, Y. Wang, A. Ahmed, "Anchor & Transform: Learning Sparse Embeddings for Large
       Vocabularies", ICLR 2021.

    Examples
    --------
    >>> from slimvec.nn import AnchorEmbedding, ProximalAdagrad
    >>> layer = AnchorEmbedding(100, 8, n_anchors=4)
    >>> optimizer = ProximalAdagrad(layer, l1=1e-4)
    >>> growth = AnchorGrowth(layer, optimizer, nonzero_cost=1e-4)
    >>> layer(torch.arange(50)).square().sum().backward()     # an epoch of training
    >>> optimizer.step()
    >>> growth.step(validation_loss=0.7)
    6
    """

    def __init__(
        self,
        layer: AnchorEmbedding,
        optimizer: ProximalOptimizer,
        *,
        nonzero_cost: float,
        anchor_cost: float | None = None,
        most: int = MOST,
        random_state: int | np.random.Generator | np.random.RandomState | None = 0,
    ) -> None:
        _check(layer, optimizer)
        costs = {"nonzero_cost": nonzero_cost, "anchor_cost": nonzero_cost if anchor_cost is None else anchor_cost}
        for name, cost in costs.items():
            if not 0 <= float(cost) < float("inf"):
                raise ValueError(f"{name}={cost}; expected a finite number of at least 0")
        per_anchor = layer.embedding_dim * nonzero_cost if anchor_cost is None else anchor_cost
        self.layer, self.optimizer = layer, optimizer
        self._rule = AnchorRule(nonzero_cost, per_anchor, as_integer(most, "most", 1))
        self._generator = as_generator(random_state)
        layer.keeps_gradient = True

    @property
    def scores(self) -> list[float]:
        """The objective of each step."""
        return self._rule.scores

    @property
    def counts(self) -> list[int]:
        """K of each step, before it changed."""
        return self._rule.counts

    def step(self, validation_loss: float) -> int:
        """Change the number of anchors, after an epoch.

        Parameters
        ----------
        validation_loss : float
            On data that is not trained on.

        Returns
        -------
        int
            K from now on.

        Raises
        ------
        ValueError
            If the layer has had no gradient yet.
        """
        layer = self.layer
        if layer.latest_gradient is None:
            raise ValueError("the layer has had no gradient yet, for new anchors to follow; expected an epoch before")
        count = self._rule.next_count(float(validation_loss), layer.count_nonzero(), layer.n_anchors)
        lengths = torch.linalg.vector_norm(layer.anchors.detach(), dim=1).cpu().double().numpy()
        kept = most_used(layer.transform.column_sums() * lengths, count)
        residuals = -layer.latest_gradient.cpu().double().numpy()
        n_new = max(count - layer.n_anchors, 0)
        new = residual_anchors(residuals, n_new, float(lengths[kept].mean()), self._generator)
        resize_anchors(layer, self.optimizer, kept, new)
        return layer.n_anchors


def resize_anchors(layer: AnchorEmbedding, optimizer: ProximalOptimizer, kept: ArrayLike, new: ArrayLike) -> None:
    """Keep some anchors of a layer and put new ones after them, which no row uses yet.

    Parameters
    ----------
    layer : AnchorEmbedding
        Whose anchors stand for no rows. ``layer.anchors`` becomes a new parameter, and so does a dense T.
    optimizer : ProximalOptimizer
        Which trains the layer. It keeps its state of what stays, and starts with what is new as it started with all.
        Gradients that wait for a step are dropped.
    kept : array_like of int
        Anchors that stay, rising.
    new : array_like, shape (m, d)

    Raises
    ------
    TypeError, ValueError
        If the optimizer does not train the layer, anchors stand for rows, or T is under a softmax, where a zero has
        weight, too.
    RuntimeError
        In one of several processes.

    Examples
    --------
    >>> from slimvec.nn import AnchorEmbedding, ProximalSGD
    >>> layer = AnchorEmbedding(100, 2, n_anchors=4)
    >>> resize_anchors(layer, ProximalSGD(layer), kept=[0, 1, 3], new=[[1.0, 0.0], [0.0, 1.0]])
    >>> layer.n_anchors, layer.anchors[3:].tolist()
    (5, [[1.0, 0.0], [0.0, 1.0]])
    """
    _check(layer, optimizer)
    if n_processes() > 1:
        raise RuntimeError(
            f"anchors in {n_processes()} processes, which would go on sharing gradients of the old ones; expected a "
            "number of anchors that stays, or one process"
        )
    stays, added = _as_change(layer, kept, new)
    optimizer.zero_grad()
    layer.anchors = _resized(optimizer, layer.anchors, stays, torch.from_numpy(added), dim=0)
    layer.transform.resize(stays, len(added), partial(_resized, optimizer))
    layer.n_anchors = layer.transform.n_anchors


def _as_change(layer: AnchorEmbedding, kept: ArrayLike, new: ArrayLike) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Return anchors that stay and new ones as arrays, checked."""
    stays: NDArray[np.int64] = np.asarray(kept, np.int64).reshape(-1)
    added = np.asarray(new, np.float64).reshape(-1, layer.embedding_dim)
    inside = len(stays) == 0 or (stays[0] >= 0 and stays[-1] < layer.n_anchors and (np.diff(stays) > 0).all())
    if not inside or len(stays) + len(added) == 0:
        raise ValueError(
            f"kept={stays.tolist()}, with {len(added)} new; expected rising anchors below {layer.n_anchors}"
        )
    return stays, added


def _resized(
    optimizer: ProximalOptimizer, old: nn.Parameter, kept: NDArray[np.int64], new: Tensor, dim: int
) -> nn.Parameter:
    """Return a parameter with some rows or columns of an old one and new ones, in its place in the optimizer."""
    places, added = torch.from_numpy(kept).to(old.device), new.to(old)
    resized = nn.Parameter(torch.cat([old.detach().index_select(dim, places), added], dim), old.requires_grad)
    group = next(group for group in optimizer.param_groups if any(value is old for value in group["params"]))
    group["params"] = [resized if value is old else value for value in group["params"]]
    state = optimizer.state.pop(old, {})
    for name, fresh in optimizer.rule(group).initial(added).items() if state else ():
        if dim == 0 or not group.get("rowwise"):  # one number per row knows no columns
            state[name] = torch.cat([state[name].index_select(dim, places), fresh], dim)
    if state:
        optimizer.state[resized] = state
    return resized


def _check(layer: Any, optimizer: Any) -> None:
    if not isinstance(layer, AnchorEmbedding):
        raise TypeError(f"layer is {type(layer).__name__}; expected an AnchorEmbedding")
    if layer.anchor_rows is not None or layer.softmax:
        why = "its T is under a softmax" if layer.softmax else "its anchors stand for rows"
        raise ValueError(f"layer cannot change its anchors: {why}; expected one with anchors of its own")
    if not any(value is layer.anchors for group in optimizer.param_groups for value in group["params"]):
        raise ValueError("optimizer does not train this layer; expected that of the model which the layer is part of")
