"""The mathematics of a proximal step: where a gradient moves values, and what a penalty leaves of them (ANT, eq. 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from slimvec.nn.proximal import row_threshold, soft_threshold

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from slimvec.nn.waiting import Missed

METRICS = ("plain", "own")
PENALTIES = ("entries", "rows")
Group = dict[str, Any]
State = dict[str, Any]


class Rule:
    """One step of the parameters of a group; subclasses say how a gradient moves them."""

    name: str  # of the optimizer, for messages
    per_row = False  # whether the state holds one number per row at most, as a T of slots needs it
    one_size = False  # whether all rows take steps of the same size

    def __init__(self, group: Group) -> None:
        self.group = group

    @property
    def size(self) -> float:
        """The learning rate, with what corrects a bias."""
        return float(self.group["lr"])

    @property
    def factor(self) -> float:
        """What a step multiplies by after thresholding: 1 / (1 + ημ)."""
        return 1 / (1 + float(self.group["lr"]) * self.group.get("l2", 0.0))

    @property
    def threshold(self) -> float:
        """ηλ, or what the metric is to divide; what corrects a bias of the metric belongs to the latter only."""
        own = self.group["metric"] == "own"
        return float(self.size if own else self.group["lr"]) * float(self.group["l1"])

    # ---- dense values

    def initial(self, values: Tensor) -> State:
        """Return the state that is kept of values at the start."""
        raise NotImplementedError

    def descend(self, values: Tensor, gradient: Tensor, state: State) -> Tensor:
        """Return values after a gradient step; ``state`` changes in place."""
        raise NotImplementedError

    def metric(self, state: State) -> Tensor:
        """Return what gradients are divided by."""
        raise NotImplementedError

    def step(self, values: Tensor, gradient: Tensor, state: State, free: Tensor | None) -> Tensor:
        """Return values after a gradient step and a proximal one; ``state`` changes in place."""
        moved, factor = self.descend(values, gradient, state), self.factor
        if self.group["l1"] > 0 or factor < 1 or self.group["nonnegative"]:
            return self.shrink(moved, self.threshold, factor, state, free)
        return moved

    def shrink(self, values: Tensor, threshold: Any, ratio: Any, state: State, free: Tensor | None) -> Tensor:
        """Return the proximal step: thresholds in the metric, nothing where free, times the L2 ratio."""
        nonnegative = self.group["nonnegative"]
        if self.group["penalty"] == "rows":
            return row_threshold(values, threshold, nonnegative=nonnegative) * ratio
        threshold = threshold / (self.metric(state) if self.group["metric"] == "own" else 1.0)
        if free is not None:
            threshold = torch.where(free, 0.0, torch.as_tensor(threshold, dtype=values.dtype, device=values.device))
        shrunk = soft_threshold(values, threshold, nonnegative=nonnegative)
        return shrunk if isinstance(ratio, float) and ratio == 1 else shrunk.mul_(ratio)

    def after(self, values: Tensor, missed: Missed, state: State, free: Tensor | None) -> Tensor:
        """Return rows after the steps that they have missed; ``state`` changes in place."""
        ratio, excess = (torch.from_numpy(part[:, None]).to(values) for part in missed.clock.since(missed.stamps))
        return self.shrink(values, excess, ratio, state, free)

    # ---- rows of slots, by rules that are per row

    def row_steps(self, gradient: NDArray[Any], state: State) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return size and threshold of the step of each row, ``(m,)``; ``state``, of NumPy, changes in place."""
        raise NotImplementedError

    def row_metric(self, state: State) -> Any:  # noqa: ARG002
        """Return what divides the thresholds of each row, where it is not 1."""
        return 1.0


def check(group: Group) -> None:
    """Refuse settings of a group that have no meaning."""
    for name in ("lr", "l1", "l2", "eps", "initial"):
        value = group.get(name, 0.0)
        if not 0 <= float(value) < float("inf"):
            raise ValueError(f"{name}={value}; expected a finite number of at least 0")
    for name, choices in (("metric", METRICS), ("penalty", PENALTIES)):
        if group.get(name, choices[0]) not in choices:
            raise ValueError(f"{name}={group[name]!r}; expected one of {choices}")
    betas = group.get("betas", ())
    if not all(0 <= beta < 1 for beta in betas):
        raise ValueError(f"betas={betas}; expected two numbers from 0 to below 1")
    if group.get("penalty") == "rows" and group.get("metric") == "own":
        raise ValueError('penalty="rows" has no closed form in a metric of entries; expected metric="plain"')
    by_rows = "rowwise=True" if group.get("rowwise") else 'penalty="rows"'
    if group.get("rowwise") or (group.get("penalty") == "rows" and group["l1"] > 0):
        shapes = [tuple(values.shape) for values in group.get("params", ()) if values.ndim != 2]
        if shapes:
            raise ValueError(
                f"{by_rows} is of the rows of a matrix, and a parameter has shape {shapes[0]}; expected it in a group "
                "without"
            )
