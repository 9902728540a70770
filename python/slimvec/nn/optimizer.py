"""What proximal optimizers share: a gradient step, then the step that makes zeros, rows that wait (ANT, eq. 3-4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from slimvec.nn.lazy import Lazy
from slimvec.nn.proximal import row_threshold, soft_threshold
from slimvec.nn.slots import SlotTransform
from slimvec.nn.transform import Transform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray
    from torch import Tensor

METRICS = ("plain", "own")
PENALTIES = ("entries", "rows")
Group = dict[str, Any]
State = dict[str, Any]

BLOCK = 1 << 16  # entries


class ProximalOptimizer(torch.optim.Optimizer):
    """Base of the proximal optimizers; what subclasses add is the gradient step and its metric.

    The T of every anchor layer in a model is penalised; everything else takes plain gradient steps.
    """

    def __init__(self, model: nn.Module | Iterable[Any], defaults: Group) -> None:
        _check(defaults)
        transforms: list[Transform] = []
        groups: Any = model
        if isinstance(model, nn.Module):
            transforms = [part for part in model.modules() if isinstance(part, Transform)]
            groups = _groups(model, transforms)
        super().__init__(groups, {"nonnegative": False, "step": 0, **defaults})
        first = len(self.param_groups) - len(transforms)
        self._lazy = {first + place: Lazy(part) for place, part in enumerate(transforms) if part.lazy}
        self._masks = {first + place: getattr(part, "unpenalised", None) for place, part in enumerate(transforms)}
        for lazy in self._lazy.values():
            lazy.transform.owned_by(self)
        for group in self.param_groups:
            _check(group)
            self._check_group(group)

    # ---- what subclasses say

    def _initial(self, values: Tensor, group: Group) -> State:
        """Return the state that an optimizer keeps of a parameter."""
        raise NotImplementedError

    def _size(self, group: Group) -> float:
        """Return the size of this step: the learning rate, with what corrects a bias."""
        return float(group["lr"])

    def _descend(self, values: Tensor, gradient: Tensor, state: State, group: Group, size: float) -> Tensor:
        """Return values after a gradient step; ``state`` changes in place."""
        raise NotImplementedError

    def _metric(self, state: State, group: Group) -> Any:
        """Return what the optimizer divides gradients by."""
        raise NotImplementedError

    def _check_group(self, group: Group) -> None:
        """Refuse what has no meaning together."""

    # ---- steps

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override, unused-ignore]
        """Take one step.

        Parameters
        ----------
        closure : callable, optional
            Computes the loss again, as everywhere in torch.

        Returns
        -------
        object
            What ``closure`` returned.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for number, group in enumerate(self.param_groups):
            group["step"] += 1
            lazy = self._lazy.get(number)
            if lazy is not None and isinstance(lazy.transform, SlotTransform):
                self._step_slots(number, lazy, group)
            for values in group["params"]:
                if values.grad is not None:
                    self._step_values(values, number, lazy, group)
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop all gradients.

        Parameters
        ----------
        set_to_none : bool
            As everywhere in torch.
        """
        super().zero_grad(set_to_none)
        for lazy in self._lazy.values():
            if isinstance(lazy.transform, SlotTransform):
                lazy.transform.take_gradient()
                lazy.transform.take_output_gradient()

    def _step_values(self, values: Tensor, number: int, lazy: Lazy | None, group: Group) -> None:
        gradient, rows = values.grad, None
        if gradient.is_sparse:
            gradient = gradient.coalesce()
            rows, gradient = gradient.indices()[0], gradient.values()
            if lazy is None and group["l1"] > 0:
                raise ValueError(
                    "a penalised parameter has a sparse gradient, and nothing brings its other rows up to date; "
                    "pass the model itself rather than its parameters, or make its layer with sparse=False"
                )
        if lazy is not None:
            self.catch_up(lazy.transform, rows)
        state = self.state[values]
        if not state:
            state.update(self._initial(values, group))
        size, factor = self._size(group), 1 / (1 + float(group["lr"]) * group.get("l2", 0.0))
        if rows is not None:
            self._step_rows(values, gradient, rows, state, number, group)
        else:
            for block in _blocks(values):
                self._step_rows(values, gradient[block], block, state, number, group)
        if lazy is not None:
            self._tick(lazy, None if rows is None else rows.cpu().numpy(), size, factor, group)

    def _step_rows(self, values: Tensor, gradient: Tensor, rows: Any, state: State, number: int, group: Group) -> None:
        """Take the step of some rows, given by number or as a slice."""
        size, factor = self._size(group), 1 / (1 + float(group["lr"]) * group.get("l2", 0.0))
        some = {name: kept[rows] for name, kept in state.items()}
        moved = self._descend(values[rows], gradient, some, group, size)
        if group["l1"] > 0 or factor < 1 or group["nonnegative"]:
            free, threshold = _some(self._masks.get(number), rows), self._threshold(size, group)
            moved = self._shrink(moved, threshold, factor, self._metric_of(some, group), free, group)
        values[rows] = moved
        if isinstance(rows, torch.Tensor):  # else they are views, and changed in place
            for name, kept in state.items():
                kept[rows] = some[name]

    def _tick(self, lazy: Lazy, rows: NDArray[np.int64] | None, size: float, factor: float, group: Group) -> None:
        """Note a step, which ``rows`` have taken."""
        lazy.clock.tick(self._threshold(size, group), factor, size)
        lazy.done(rows)
        if lazy.clock.spent:
            self.catch_up(lazy.transform)

    def _threshold(self, size: float, group: Group) -> float:
        """Return ηλ, or what the metric is to divide; what corrects a bias of the metric belongs to the latter only."""
        return float(size if group["metric"] == "own" else group["lr"]) * float(group["l1"])

    def _metric_of(self, state: State, group: Group) -> Any:
        return self._metric(state, group) if group["metric"] == "own" else 1.0

    def _shrink(self, values: Tensor, threshold: Any, ratio: Any, metric: Any, free: Any, group: Group) -> Tensor:
        """Return the proximal step: thresholds in the metric, nothing where free, times the L2 ratio."""
        if group["penalty"] == "rows":
            return row_threshold(values, threshold, nonnegative=group["nonnegative"]) * ratio
        threshold = threshold / metric
        if free is not None:
            threshold = torch.where(free, 0.0, torch.as_tensor(threshold, dtype=values.dtype, device=values.device))
        shrunk = soft_threshold(values, threshold, nonnegative=group["nonnegative"])
        return shrunk if isinstance(ratio, float) and ratio == 1 else shrunk.mul_(ratio)

    # ---- rows that have waited

    @torch.no_grad()
    def catch_up(self, transform: Transform, rows: Tensor | None = None) -> None:
        """Take the steps that rows of a transform have missed, all in one.

        Parameters
        ----------
        transform : Transform
            Of a layer of the model.
        rows : Tensor, optional
            Distinct row numbers; by default all.
        """
        found = [number for number, lazy in self._lazy.items() if lazy.transform is transform]
        if not found:
            return
        lazy, group = self._lazy[found[0]], self.param_groups[found[0]]
        behind = lazy.behind(None if rows is None else rows.cpu().numpy())
        if len(behind):
            if isinstance(transform, SlotTransform):
                self._slots_after(found[0], lazy, behind, group)
            else:
                self._rows_after(found[0], lazy, behind, group)
        lazy.done(behind if rows is not None else None)

    def flush(self) -> None:
        """Bring all rows of all layers up to date.

        Happens by itself before a layer's ``eval``, ``state_dict``, ``to_table`` and counts; call it before reading
        ``transform.weight`` yourself.
        """
        for lazy in self._lazy.values():
            self.catch_up(lazy.transform)

    def state_dict(self) -> dict[str, Any]:
        """Return the optimizer's state, all rows up to date.

        Returns
        -------
        dict
        """
        self.flush()
        return super().state_dict()

    def _rows_after(self, number: int, lazy: Lazy, behind: NDArray[np.int64], group: Group) -> None:
        values = group["params"][0]
        rows = torch.from_numpy(behind).to(values.device)
        state = self.state[values]
        some = {name: kept[rows] for name, kept in state.items()}
        stamps = lazy.stamps[behind].astype(np.int64)
        moved = self._after(values[rows], some, lazy, stamps, _some(self._masks[number], rows), group)
        values.data[rows] = moved  # .data: autograd keeps no copy of T, so its version may stay
        for name, kept in state.items():
            kept[rows] = some[name]

    def _after(
        self, values: Tensor, state: State, lazy: Lazy, stamps: NDArray[np.int64], free: Any, group: Group
    ) -> Tensor:
        """Return rows after the steps since ``stamps``; ``state`` changes in place."""
        ratio, excess = (torch.from_numpy(part[:, None]).to(values) for part in lazy.clock.since(stamps))
        return self._shrink(values, excess, ratio, self._metric_of(state, group), free, group)

    # ---- transforms that store their non-zeros alone

    def _slot_steps(self, gradient: Any, sums: Any, group: Group) -> tuple[Any, Any]:  # noqa: ARG002
        """Return size and threshold of the step of each row, for rows with a dense gradient."""
        raise ValueError(
            f'{type(self).__name__} keeps state per entry; storage="slots" needs ProximalSGD or '
            "ProximalAdagrad(rowwise=True)"
        )

    def _slot_metric(self, sums: Any, group: Group) -> Any:  # noqa: ARG002 - as of SGD
        return 1.0

    def _slot_sums(self, number: int, lazy: Lazy, group: Group) -> NDArray[np.float32] | None:  # noqa: ARG002 - as of SGD
        return None

    def _step_slots(self, number: int, lazy: Lazy, group: Group) -> None:
        rows, gradient = lazy.transform.take_gradient()
        outputs = lazy.transform.take_output_gradient()
        if outputs is not None:
            self._step_output(lazy, group, (rows, gradient), outputs)
            return
        self.catch_up(lazy.transform, torch.from_numpy(rows))
        sums = self._slot_sums(number, lazy, group)
        some = None if sums is None else sums[rows]
        sizes, thresholds = self._slot_steps(gradient, some, group)
        if sums is not None:
            sums[rows] = some
        factor = 1 / (1 + float(group["lr"]) * group.get("l2", 0.0))
        lazy.transform.store.step(rows, gradient, sizes, thresholds, factor)
        self._tick(lazy, rows, self._size(group), factor, group)

    def _step_output(self, lazy: Lazy, group: Group, read: Any, factors: Any) -> None:  # noqa: ARG002
        """Take a step with a gradient of all rows, G Uᵀ, and that of those which were read as well."""
        raise ValueError(f"{type(self).__name__} takes no step of logits from slots; expected ProximalSGD")

    def _slots_after(self, number: int, lazy: Lazy, behind: NDArray[np.int64], group: Group) -> None:
        ratio, excess = lazy.clock.since(lazy.stamps[behind].astype(np.int64))
        sums = self._slot_sums(number, lazy, group)
        metric = 1.0 if sums is None or group["metric"] == "plain" else self._slot_metric(sums[behind], group)
        lazy.transform.store.shrink(behind, excess / metric, ratio)


def _groups(model: Any, transforms: list[Transform]) -> list[Group]:
    """Return what is not penalised, if anything, then one group per transform."""
    own = {id(value) for part in transforms for value in part.parameters()}
    rest = [value for value in model.parameters() if id(value) not in own]
    groups: list[Group] = [{"params": rest, "l1": 0.0, "l2": 0.0, "rowwise": False, "nonnegative": False}]
    groups += [{"params": list(part.parameters()), "nonnegative": part.nonnegative} for part in transforms]
    return groups if rest else groups[1:]


def _blocks(values: Tensor) -> list[Any]:
    """Return slices of rows: on a CPU so few at a time that a step's passes over them stay in cache."""
    if values.device.type != "cpu" or values.ndim == 0:
        return [...]
    n = max(1, BLOCK * len(values) // max(1, values.numel()))
    return [slice(first, first + n) for first in range(0, len(values), n)]


def _some(values: Any, rows: Any) -> Any:
    return values if values is None or rows is None else values[rows]


def _check(group: Group) -> None:
    for name in ("lr", "l1", "l2", "eps", "initial"):
        value = group.get(name, 0.0)
        if not 0 <= float(value) < float("inf"):
            raise ValueError(f"{name}={value}; expected a finite number of at least 0")
    for name, choices in (("metric", METRICS), ("penalty", PENALTIES)):
        if group.get(name, choices[0]) not in choices:
            raise ValueError(f"{name}={group[name]!r}; expected one of {choices}")
    if group.get("penalty") == "rows" and group.get("metric") == "own":
        raise ValueError('penalty="rows" has no closed form in a metric of entries; expected metric="plain"')
