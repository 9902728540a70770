"""SGD, Adagrad, Adam and Yogi with proximal steps (ANT paper, eq. 3-4; lazily, without change of result)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from slimvec.nn.optimizer import Group, ProximalOptimizer, State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from slimvec.nn.lazy import Lazy


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

    def _initial(self, values: Tensor, group: Group) -> State:  # noqa: ARG002
        return {}

    def _descend(self, values: Tensor, gradient: Tensor, state: State, group: Group, size: float) -> Tensor:  # noqa: ARG002
        return torch.sub(values, gradient, alpha=size)

    def _slot_steps(self, gradient: NDArray[np.float32], sums: Any, group: Group) -> tuple[Any, Any]:  # noqa: ARG002
        sizes = np.full(len(gradient), self._size(group))
        return sizes, sizes * group["l1"]

    def _step_output(self, lazy: Lazy, group: Group, read: Any, factors: Any) -> None:
        self.catch_up(lazy.transform)
        size, factor = self._size(group), 1 / (1 + float(group["lr"]) * group["l2"])
        lazy.transform.store.step_output(*factors, size, group["l1"], factor, *read)
        lazy.done(None)


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

    def _initial(self, values: Tensor, group: Group) -> State:
        like = values[:, :1] if group["rowwise"] else values
        return {"sum": torch.full_like(like, group["initial"], memory_format=torch.contiguous_format)}

    def _descend(self, values: Tensor, gradient: Tensor, state: State, group: Group, size: float) -> Tensor:
        if group["rowwise"]:
            state["sum"] += torch.linalg.vector_norm(gradient, dim=1, keepdim=True).square_() / gradient.shape[1]
        else:
            state["sum"].addcmul_(gradient, gradient)
        return torch.addcdiv(values, gradient, self._metric(state, group), value=-size)

    def _metric(self, state: State, group: Group) -> Any:
        return state["sum"].sqrt().add_(group["eps"])

    def _slot_sums(self, number: int, lazy: Lazy, group: Group) -> NDArray[np.float32] | None:
        if not group["rowwise"]:
            super()._slot_steps(np.empty((0, 0), np.float32), None, group)
        state = self.state[f"transform {number}"]
        if "sum" not in state:
            state["sum"] = torch.full((lazy.transform.n_rows,), group["initial"])
        sums: NDArray[np.float32] = state["sum"].numpy()
        return sums

    def _slot_metric(self, sums: Any, group: Group) -> Any:
        return np.sqrt(sums) + group["eps"]

    def _slot_steps(self, gradient: NDArray[np.float32], sums: Any, group: Group) -> tuple[Any, Any]:
        sums += np.einsum("ij,ij->i", gradient, gradient) / gradient.shape[1]
        sizes = group["lr"] / self._slot_metric(sums, group)
        thresholds = sizes * group["l1"] if group["metric"] == "own" else np.full(len(sums), group["lr"] * group["l1"])
        return sizes, thresholds


class _Moments(ProximalOptimizer):
    """What Adam and Yogi share: means of gradients and of their squares, and a size that corrects their bias."""

    def __init__(
        self,
        model: nn.Module | Iterable[Any],
        lr: float,
        *,
        l1: float,
        metric: str,
        penalty: str,
        betas: tuple[float, float],
        initial: float,
        eps: float,
    ) -> None:
        if not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"betas={betas}; expected two numbers from 0 to below 1")
        defaults = {"lr": lr, "l1": l1, "metric": metric, "penalty": penalty, "betas": tuple(betas),
                    "initial": initial, "eps": eps}  # fmt: skip
        super().__init__(model, defaults)

    def _initial(self, values: Tensor, group: Group) -> State:
        first = torch.zeros_like(values, memory_format=torch.contiguous_format)
        return {"exp_avg": first, "exp_avg_sq": torch.full_like(first, group["initial"])}

    def _size(self, group: Group) -> float:
        beta1, beta2 = group["betas"]
        return float(group["lr"] * (1 - beta2 ** group["step"]) ** 0.5 / (1 - beta1 ** group["step"]))

    def _metric(self, state: State, group: Group) -> Any:
        return state["exp_avg_sq"].sqrt().add_(group["eps"])

    def _descend(self, values: Tensor, gradient: Tensor, state: State, group: Group, size: float) -> Tensor:
        beta1, beta2 = group["betas"]
        state["exp_avg"].lerp_(gradient, 1 - beta1)
        self._square(state["exp_avg_sq"], gradient.square(), beta2)
        return torch.addcdiv(values, state["exp_avg"], self._metric(state, group), value=-size)

    def _square(self, mean: Tensor, squares: Tensor, beta: float) -> None:
        raise NotImplementedError


class ProximalAdam(_Moments):
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
        super().__init__(model, lr, l1=l1, metric=metric, penalty=penalty, betas=betas, initial=0.0, eps=eps)

    def _square(self, mean: Tensor, squares: Tensor, beta: float) -> None:
        mean.lerp_(squares, 1 - beta)


class ProximalYogi(_Moments):
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
        super().__init__(model, lr, l1=l1, metric=metric, penalty=penalty, betas=betas, initial=initial, eps=eps)

    def _square(self, mean: Tensor, squares: Tensor, beta: float) -> None:
        mean.sub_((mean - squares).sign_().mul_(squares), alpha=1 - beta)

    def _after(
        self, values: Tensor, state: State, lazy: Lazy, stamps: NDArray[np.int64], free: Any, group: Group
    ) -> Tensor:
        if group["penalty"] == "rows" or not group["nonnegative"] or group["betas"][0] == 0:
            return super()._after(values, state, lazy, stamps, free, group)
        _, excess = (torch.from_numpy(part[:, None]).to(values) for part in lazy.clock.since(stamps))
        moved, left = lazy.clock.momentum_since(stamps, group["betas"][0])
        metric = self._metric(state, group)
        threshold = excess / metric if group["metric"] == "own" else excess.expand_as(values)
        if free is not None:
            threshold = torch.where(free, 0.0, threshold)
        fall = torch.from_numpy(moved[:, None]).to(values) * state["exp_avg"] / metric
        state["exp_avg"] *= torch.from_numpy(left[:, None]).to(values)
        return (values - fall - threshold).clamp_min(0)
