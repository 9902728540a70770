"""Steps of a dense parameter: of all its rows, or of those that its gradient holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from slimvec.nn.transform import Gradient

if TYPE_CHECKING:
    from torch import Tensor

    from slimvec.nn.rule import Rule, State

BLOCK = 1 << 16  # entries


def gradient_of(values: Tensor) -> Gradient | None:
    """Return the gradient of a parameter, if it has one."""
    gradient = values.grad
    if gradient is None or not gradient.is_sparse:
        return None if gradient is None else Gradient(None, gradient)
    gradient = gradient.coalesce()
    return Gradient(gradient.indices()[0], gradient.values())


def step_rows(
    values: Tensor,
    gradient: Gradient,
    rule: Rule,
    state: State,
    free: Tensor | None = None,
    *,
    lazy: bool = False,
    zeros_stay: bool = False,
) -> None:
    """Take the step of the rows that a gradient is of; only if ``lazy`` may others wait for their penalty."""
    rows, group = gradient.rows, rule.group
    if rows is not None and not lazy and group["l1"] > 0:
        raise ValueError(
            "a penalised parameter has a sparse gradient, and nothing brings its other rows up to date; "
            "pass the model itself rather than its parameters, or make its layer with sparse=False"
        )
    if not state:
        state.update(rule.initial(values))
    if rows is None:
        for block in _blocks(values):  # views: the state changes in place
            some = {name: kept[block] for name, kept in state.items()}
            stepped = rule.step(values[block], gradient.values[block], some, some_rows(free, block))
            values[block] = torch.where(values[block] == 0, 0.0, stepped) if zeros_stay else stepped
        return
    some = {name: kept[rows] for name, kept in state.items()}
    before = values[rows]
    stepped = rule.step(before, gradient.values, some, some_rows(free, rows))
    values[rows] = torch.where(before == 0, 0.0, stepped) if zeros_stay else stepped
    for name, kept in state.items():
        kept[rows] = some[name]


def some_rows(values: Tensor | None, rows: Any) -> Tensor | None:
    """Return rows of an optional tensor."""
    return None if values is None else values[rows]


def _blocks(values: Tensor) -> list[Any]:
    """Return slices of rows: on a CPU so few at a time that a step's passes over them stay in cache."""
    if values.device.type != "cpu" or values.ndim == 0:
        return [...]
    n = max(1, BLOCK * len(values) // max(1, values.numel()))
    return [slice(first, first + n) for first in range(0, len(values), n)]
