"""What proximal optimizers share: steps of what has a gradient, and those that other rows missed (ANT, eq. 3-4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from slimvec.nn.dense_rows import gradient_of, step_rows
from slimvec.nn.rule import Group, Rule, State, check
from slimvec.nn.transform import Transform
from slimvec.nn.waiting import LazyRows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from torch import Tensor


class ProximalOptimizer(torch.optim.Optimizer):
    """Base of the proximal optimizers; a subclass names the rule that its steps follow.

    The T of every anchor layer in a model is penalised; everything else takes plain gradient steps.
    """

    rule: type[Rule]

    def __init__(self, model: nn.Module | Iterable[Any], defaults: Group) -> None:
        check(defaults)
        transforms: list[Transform] = []
        groups: Any = model
        if isinstance(model, nn.Module):
            transforms = [part for part in model.modules() if isinstance(part, Transform)]
            groups = _groups(model, transforms)
        super().__init__(groups, {"nonnegative": False, "step": 0, **defaults})
        first = len(self.param_groups) - len(transforms)
        self._own(dict(enumerate(transforms, first)))

    def add_param_group(self, param_group: Group) -> None:
        """Take in more parameters, after checking their settings.

        Parameters
        ----------
        param_group : dict
            As everywhere in torch.
        """
        super().add_param_group(param_group)
        try:
            check(self.param_groups[-1])
        except ValueError:
            self.param_groups.pop()
            raise

    def _own(self, transforms: dict[int, Transform]) -> None:
        """Hold transforms by the number of their group, all rows up to date."""
        self._transforms = transforms
        self._lazy = {number: LazyRows(part) for number, part in transforms.items() if part.lazy}
        for lazy in self._lazy.values():
            lazy.transform.owned_by(self)

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
            if number in self._transforms:
                self._step_transform(number, self.rule(group))
            else:
                self._step_parameters(group["params"], self.rule(group))
        return loss

    def _step_parameters(self, parameters: list[Tensor], rule: Rule) -> None:
        for values in parameters:
            gradient = gradient_of(values)
            if gradient is not None:
                step_rows(values, gradient, rule, self.state[values])

    def _step_transform(self, number: int, rule: Rule) -> None:
        transform, lazy = self._transforms[number], self._lazy.get(number)
        gradient = transform.take_gradient()
        if gradient is None:
            return
        self.catch_up(transform, gradient.rows)
        transform.step(gradient, rule, self._state_of(number))
        if lazy is not None:
            lazy.tick(gradient.rows, rule)
            if lazy.clock.spent:
                self.catch_up(transform)

    def _state_of(self, number: int) -> State:
        """Return the state of the T of a group, kept under its parameter or, where it has none, under a name."""
        parameters = self.param_groups[number]["params"]
        state: State = self.state[parameters[0] if parameters else f"transform {number}"]
        return state

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop all gradients.

        Parameters
        ----------
        set_to_none : bool
            As everywhere in torch.
        """
        super().zero_grad(set_to_none)
        for transform in self._transforms.values():
            transform.clear_gradient()

    def group_of(self, transform: Transform) -> Group:
        """Return the settings of the steps of a transform.

        Parameters
        ----------
        transform : Transform
            Of a layer of the model.

        Returns
        -------
        dict

        Raises
        ------
        ValueError
            If the optimizer was not made of a model that the transform is part of.
        """
        for number, own in self._transforms.items():
            if own is transform:
                group: Group = self.param_groups[number]
                return group
        raise ValueError("optimizer does not train the T of this layer; expected one made of its model or of itself")

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
        for number, lazy in self._lazy.items():
            if lazy.transform is transform:
                missed = lazy.missed(rows)
                if len(missed.rows):
                    transform.shrink(missed, self.rule(self.param_groups[number]), self._state_of(number))
                lazy.done(None if rows is None else missed.rows)

    def flush(self) -> None:
        """Bring all rows of all layers up to date.

        Happens by itself before a layer's ``eval``, ``state_dict``, ``to_table`` and counts; call it before reading
        ``transform.weight`` yourself.
        """
        for lazy in self._lazy.values():
            self.catch_up(lazy.transform)

    # ---- saved and copied

    def state_dict(self) -> dict[str, Any]:
        """Return the optimizer's state, all rows up to date.

        Returns
        -------
        dict
        """
        self.flush()
        return super().state_dict()

    def __getstate__(self) -> dict[str, Any]:
        self.flush()
        return {**super().__getstate__(), "_transforms": self._transforms}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "_transforms" in state:  # torch sets a loaded state_dict in the same way
            self._own(self._transforms)


def _groups(model: Any, transforms: list[Transform]) -> list[Group]:
    """Return what is not penalised, if anything, then one group per transform."""
    own = {id(value) for part in transforms for value in part.parameters()}
    rest = [value for value in model.parameters() if id(value) not in own]
    groups: list[Group] = [{"params": rest, "l1": 0.0, "l2": 0.0, "rowwise": False, "nonnegative": False}]
    groups += [{"params": list(part.parameters()), "nonnegative": part.nonnegative} for part in transforms]
    return groups if rest else groups[1:]
