"""Adam and Yogi with proximal steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from slimvec.nn.optimizer import ProximalOptimizer
from slimvec.nn.rule import Rule, State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor, nn

    from slimvec.nn.waiting import Missed


class _MomentsRule(Rule):
    """Means m of gradients and v of their squares, and a size that corrects their bias."""

    def initial(self, values: Tensor) -> State:
        """Return m and v at the start."""
        first = torch.zeros_like(values, memory_format=torch.contiguous_format)
        return {"exp_avg": first, "exp_avg_sq": torch.full_like(first, self.group["initial"])}

    @property
    def size(self) -> float:
        """The learning rate, corrected for the bias of m and v."""
        (beta1, beta2), step = self.group["betas"], self.group["step"]
        return float(self.group["lr"] * (1 - beta2**step) ** 0.5 / (1 - beta1**step))

    def metric(self, state: State) -> Tensor:
        """Return √v + ε."""
        return state["exp_avg_sq"].sqrt().add_(self.group["eps"])

    def descend(self, values: Tensor, gradient: Tensor, state: State) -> Tensor:
        """Return values after a step along m; m and v change in place."""
        beta1, beta2 = self.group["betas"]
        state["exp_avg"].lerp_(gradient, 1 - beta1)
        self._square(state["exp_avg_sq"], gradient.square(), beta2)
        return torch.addcdiv(values, state["exp_avg"], self.metric(state), value=-self.size)

    def _square(self, mean: Tensor, squares: Tensor, beta: float) -> None:
        raise NotImplementedError


class AdamRule(_MomentsRule):
    """v is a moving mean, which decays under zero gradients."""

    name = "ProximalAdam"

    def _square(self, mean: Tensor, squares: Tensor, beta: float) -> None:
        mean.lerp_(squares, 1 - beta)


class YogiRule(_MomentsRule):
    """v moves towards the squares by steps of their size, which zero gradients leave as it is."""

    name = "ProximalYogi"

    def _square(self, mean: Tensor, squares: Tensor, beta: float) -> None:
        mean.sub_((mean - squares).sign_().mul_(squares), alpha=1 - beta)

    def after(self, values: Tensor, missed: Missed, state: State, free: Tensor | None) -> Tensor:
        """Return rows after the steps that they have missed, in which m went on moving them where T ≥ 0."""
        group, clock, stamps = self.group, missed.clock, missed.stamps
        if group["penalty"] == "rows" or not group["nonnegative"] or group["betas"][0] == 0:
            return super().after(values, missed, state, free)
        _, excess = (torch.from_numpy(part[:, None]).to(values) for part in clock.since(stamps))
        momentum = clock.momentum_since(stamps, group["betas"][0])
        moved, left = (torch.from_numpy(part[:, None]).to(values) for part in momentum)
        metric = self.metric(state)
        threshold = excess / metric if group["metric"] == "own" else excess.expand_as(values)
        if free is not None:
            threshold = torch.where(free, 0.0, threshold)
        fall = moved * state["exp_avg"] / metric
        state["exp_avg"] *= left
        return (values - fall - threshold).clamp_min(0)


class ProximalAdam(ProximalOptimizer):
    """Adam with a proximal step, plain or in Adam's metric.

    Parameters
    ----------
    model : torch.nn.Module, or iterable of parameters or groups
        See :class:`ProximalSGD`.
    lr : float
        η. The size s of a step is η √(1 - β₂ᵗ) / (1 - β₁ᵗ), and the thresholds are sλ / (√v + ε), or ηλ ("plain").
    l1 : float
        λ.
    metric : {"own", "plain"}
    penalty : {"entries", "rows"}
        See :class:`ProximalSGD`; rows need ``metric="plain"``.
    betas : (float, float)
        β₁, β₂.
    eps : float
        ε, added to √v before its bias is corrected (``torch.optim.Adam`` adds it after).

    Notes
    -----
    In Adam, v decays under zero gradients, and what a row misses has no closed form. With sparse gradients this is
    therefore Adam as ``torch.optim.SparseAdam`` has it: the means of rows that a batch does not touch stand still. The
    penalty does not: those rows are thresholded for every step, with the v that they have.

    Examples
    --------
    >>> from slimvec.nn import AnchorEmbedding
    >>> layer = AnchorEmbedding(50, 4, n_anchors=3)
    >>> optimizer = ProximalAdam(layer, lr=1e-3, l1=1e-2, metric="plain")
    >>> layer(torch.tensor([1, 2])).square().sum().backward()
    >>> optimizer.step()
    >>> bool((layer.transform.weight >= 0).all())
    True
    """

    rule = AdamRule

    def __init__(
        self,
        model: nn.Module | Iterable[Any],
        lr: float = 1e-3,
        *,
        l1: float = 0.0,
        metric: str = "own",
        penalty: str = "entries",
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        defaults = {"lr": lr, "l1": l1, "metric": metric, "penalty": penalty, "betas": tuple(betas),
                    "initial": 0.0, "eps": eps}  # fmt: skip
        super().__init__(model, defaults)


class ProximalYogi(ProximalOptimizer):
    """Yogi [1]_ with a proximal step, plain or in Yogi's metric: what the authors' code trains ANT with.

    Parameters
    ----------
    model : torch.nn.Module, or iterable of parameters or groups
        See :class:`ProximalSGD`.
    lr : float
        η. The size s of a step is η √(1 - β₂ᵗ) / (1 - β₁ᵗ), and the thresholds are sλ / (√v + ε), or ηλ ("plain").
    l1 : float
        λ.
    metric : {"own", "plain"}
    penalty : {"entries", "rows"}
        See :class:`ProximalSGD`; rows need ``metric="plain"``.
    betas : (float, float)
        β₁, β₂.
    initial : float
        v at the start.
    eps : float
        ε.

    Notes
    -----
    A zero gradient leaves v as it is, but m decays and goes on moving its row. With T ≥ 0 the steps that a row misses
    add up in closed form, because their sign changes at most once, upwards first; λ has to be constant meanwhile. With
    entries of both signs that fails: with sparse gradients m then stands still in rows that a batch does not touch, as
    in ``torch.optim.SparseAdam``, unless β₁ = 0. Row penalties are treated in the same way.

    References
    ----------
    .. [1] M. Zaheer et al., "Adaptive Methods for Nonconvex Optimization", NeurIPS 2018.

    Examples
    --------
    >>> from slimvec.nn import AnchorEmbedding
    >>> layer = AnchorEmbedding(50, 4, n_anchors=3)
    >>> optimizer = ProximalYogi(layer, l1=1e-3)
    >>> layer(torch.tensor([1, 2])).square().sum().backward()
    >>> optimizer.step()
    >>> bool((layer.transform.weight >= 0).all())
    True
    """

    rule = YogiRule

    def __init__(
        self,
        model: nn.Module | Iterable[Any],
        lr: float = 0.01,
        *,
        l1: float = 0.0,
        metric: str = "own",
        penalty: str = "entries",
        betas: tuple[float, float] = (0.9, 0.999),
        initial: float = 1e-6,
        eps: float = 1e-3,
    ) -> None:
        defaults = {"lr": lr, "l1": l1, "metric": metric, "penalty": penalty, "betas": tuple(betas),
                    "initial": initial, "eps": eps}  # fmt: skip
        super().__init__(model, defaults)
