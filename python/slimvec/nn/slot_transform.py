"""T as a store of its non-zeros under torch's autograd: memory and time follow what is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from slimvec.nn.processes import n_processes
from slimvec.nn.transform import Gradient, Transform, TransformStart
from slimvec.sparse.product import CsrParts, offsets_fit
from slimvec.sparse.training.slot_store import SlotStore, random_parts

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import Tensor

    from slimvec.nn.rule import Rule, State
    from slimvec.nn.waiting import Missed

PARTS = ("indptr", "indices", "data")


class _Combine(torch.autograd.Function):
    """``rows`` of T A. The gradient of T, a dense row for each that was read, waits in the transform for the step."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, anchors: Tensor, probe: Tensor, transform: SlotTransform) -> Tensor:  # noqa: ARG004
        ctx.transform, ctx.rows = transform, _inside(rows.numpy(), transform.n_rows)
        ctx.save_for_backward(anchors)
        return torch.from_numpy(transform.store.combine(ctx.rows, anchors.detach().numpy()))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        G = np.ascontiguousarray(gradients[0].numpy())
        (anchors,) = ctx.saved_tensors
        ctx.transform.add_gradient(ctx.rows, G @ anchors.detach().numpy().T)
        return None, torch.from_numpy(ctx.transform.store.anchor_gradient(ctx.rows, G)), None, None


class _Scores(torch.autograd.Function):
    """T u for a batch of u, all rows: an output layer."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, probe: Tensor, transform: SlotTransform) -> Tensor:  # noqa: ARG004
        ctx.transform = transform
        ctx.save_for_backward(u)
        return torch.from_numpy(transform.store.scores(u.detach().numpy().T)).T

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        G = np.array(gradients[0].numpy().T, order="C")
        (u,) = ctx.saved_tensors
        transform = ctx.transform
        if transform.padding_idx is not None:
            G[transform.padding_idx] = 0
        transform.add_output_gradient(G, u.detach().numpy().T)
        everything = np.arange(transform.n_rows)
        return torch.from_numpy(transform.store.anchor_gradient(everything, G)).T, None, None


class SlotTransform(Transform):
    """T as a :class:`slimvec.sparse.training.slot_store.SlotStore`, no parameter: optimizers find it in the model.

    Parameters
    ----------
    start : TransformStart
        ``nonzeros`` entries per row to start with.
    """

    lazy = True

    def __init__(self, start: TransformStart) -> None:
        if start.softmax or start.anchors.dtype != torch.float32 or start.anchors.device.type != "cpu":
            raise ValueError('storage="slots" is for float32 on the CPU, without softmax; expected storage="dense"')
        super().__init__()
        self.n_rows, self.n_anchors = start.shape
        self.nonnegative, self._related, self.padding_idx = start.nonnegative, start.related, start.padding_idx
        generator = np.random.default_rng(int(torch.randint(2**31, ())))
        rules: dict[str, Any] = {"anchor_rows": start.anchor_rows, "empty": start.padding_idx}
        parts = random_parts(start.shape, start.nonzeros, generator, nonnegative=start.nonnegative, **rules)
        self.store = SlotStore(parts, self._related, nonnegative=self.nonnegative)
        self._probe = torch.empty(0, requires_grad=True)  # makes autograd call backward where anchors are frozen
        self._gradients: list[tuple[NDArray[np.int64], NDArray[np.float32]]] = []
        self._output: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None

    # ---- read

    def read(self, rows: Tensor) -> Tensor:  # noqa: ARG002
        """Refuse: autograd sees no entries of T, which of all losses only ``negative_loss`` is about."""
        raise TypeError('negative_loss needs gradients of T; expected storage="dense"')

    def combine(self, rows: Tensor, anchors: Tensor) -> Tensor:
        if anchors.dtype != torch.float32 or anchors.device.type != "cpu":
            raise TypeError(
                f'anchors of a layer with storage="slots" were moved to {anchors.dtype}, {anchors.device}; expected '
                'float32 on the CPU, where T stays, or storage="dense"'
            )
        self.settle(rows)
        combined: Tensor = _combine(rows, anchors, self._probe, self)
        return combined

    def combine_all(self, anchors: Tensor) -> None:
        """Return None: rows are combined by their numbers."""

    def prefers_whole(self, b: int, d: int) -> bool:  # noqa: ARG002
        """Return False: T takes a product per non-zero."""
        return False

    def scores(self, anchor_scores: Tensor) -> Tensor:
        self.settle()
        scores: Tensor = _scores(anchor_scores.to(torch.float32), self._probe, self)  # of autocast they may be shorter
        return scores

    def count_nonzero(self) -> int:
        self.settle()
        return self.store.nnz

    def column_sums(self) -> NDArray[np.float64]:
        self.settle()
        return self.store.column_sums()

    def to_csr(self) -> CsrParts:
        self.settle()
        return self.store.to_csr()

    def fill(self, parts: CsrParts) -> None:
        self.store = SlotStore(parts, self._related, nonnegative=self.nonnegative)

    def worths(self, of_rows: Tensor, of_columns: Tensor) -> Tensor:
        parts = self.to_csr()
        rows = np.repeat(of_rows.numpy(), np.diff(parts.indptr))
        return torch.from_numpy(np.abs(parts.data) * rows * of_columns.numpy()[parts.indices])

    def keep(self, kept: Tensor) -> None:
        self.store.keep(kept.numpy())

    # ---- train

    def add_gradient(self, rows: NDArray[np.int64], gradient: NDArray[np.float32]) -> None:
        """Keep the gradient of some rows for the next step."""
        self._gradients.append((rows, gradient))

    def add_output_gradient(self, G: NDArray[np.float32], U: NDArray[np.float32]) -> None:
        """Keep the gradient G Uᵀ of all rows, as its factors, for the next step."""
        if self._output is not None:
            G, U = (np.concatenate([old, new], axis=1) for old, new in zip(self._output, (G, U), strict=True))
        self._output = G, U

    def take_gradient(self) -> Gradient | None:
        """Return the gradient since the last step, if there was any, and forget it.

        Its values are a dense row for each that was read; or, of all rows, the factors G and U, and besides the rows
        that were read, with theirs.
        """
        if n_processes() > 1:
            raise RuntimeError(
                f'storage="slots" in {n_processes()} processes, each of which would train a T of its own, as gradients '
                'of parameters alone are shared; expected storage="dense"'
            )
        if not self._gradients and self._output is None:
            return None  # as of a parameter that no loss has read
        rows, values = self._summed_gradient()
        output = self._output
        self.clear_gradient()
        if output is None:
            return Gradient(torch.from_numpy(rows), values)
        return Gradient(None, (output, (rows, values)))

    def _summed_gradient(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the rows that were read, each once, and their gradient."""
        parts = self._gradients
        if len(parts) == 1:
            return parts[0]
        if not parts:  # all rows were read at once
            return np.empty(0, np.int64), np.empty((0, self.n_anchors), np.float32)
        rows, places = np.unique(np.concatenate([part[0] for part in parts]), return_inverse=True)
        total = np.zeros((len(rows), self.n_anchors), np.float32)
        np.add.at(total, places, np.concatenate([part[1] for part in parts]))
        return rows, total

    def clear_gradient(self) -> None:
        """Forget the gradient since the last step."""
        self._gradients, self._output = [], None

    def step(self, gradient: Gradient, rule: Rule, state: State) -> None:
        if gradient.rows is None:
            self._step_output(gradient, rule)
            return
        if not rule.per_row:
            raise ValueError(
                f'{rule.name} keeps state per entry; storage="slots" needs ProximalSGD or ProximalAdagrad(rowwise=True)'
            )
        if not state:
            initial = rule.initial(torch.empty(self.n_rows, 1))
            state.update({name: kept[:, 0] for name, kept in initial.items()})
        rows = gradient.rows.numpy()
        some = _some_rows(state, rows)
        sizes, thresholds = rule.row_steps(gradient.values, some)
        for name, kept in state.items():
            kept.numpy()[rows] = some[name]
        self.store.step(rows, gradient.values, sizes, thresholds, rule.factor, zeros_stay=self.zeros_stay)

    def _step_output(self, gradient: Gradient, rule: Rule) -> None:
        """Take a step with a gradient of all rows, G Uᵀ, and that of those which were read as well."""
        if not rule.one_size:
            raise ValueError(f"{rule.name} takes no step of logits from slots; expected ProximalSGD")
        (G, U), (rows, values) = gradient.values
        steps = (rule.size, rule.group["l1"], rule.factor)
        self.store.step_output(G, U, *steps, rows, values, zeros_stay=self.zeros_stay)

    def shrink(self, missed: Missed, rule: Rule, state: State) -> None:
        ratio, excess = missed.clock.since(missed.stamps)
        self.store.shrink(missed.rows, excess / rule.row_metric(_some_rows(state, missed.rows)), ratio)

    def resize(self, kept: NDArray[np.int64], n_new: int, replace: Callable[..., Any]) -> None:  # noqa: ARG002
        """Keep some columns, rising, and put new ones of zeros after them; a gradient is dropped."""
        self.settle()
        self.clear_gradient()
        self.store.resize_columns(kept, n_new)
        self.n_anchors = len(kept) + n_new

    # ---- saved and copied

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        parts = self.store.to_csr()
        return {**state, "store": parts, "_gradients": [], "_output": None, "_probe": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.store = SlotStore(state["store"], self._related, nonnegative=self.nonnegative)
        self._probe = torch.empty(0, requires_grad=True)

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        parts = self.store.to_csr()
        for name in PARTS:
            values = getattr(parts, name)
            destination[prefix + name] = torch.from_numpy(values.astype(np.int32) if name == "indices" else values)

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *arguments: Any) -> None:
        missing, errors = arguments[2], arguments[4]  # torch's order: metadata, strict, missing, unexpected, errors
        absent = [prefix + name for name in PARTS if prefix + name not in state_dict]
        if absent:
            missing.extend(absent)
            return
        indptr, indices, data = (state_dict[prefix + name].numpy() for name in PARTS)
        if len(indptr) != self.n_rows + 1 or indices.max(initial=0) >= self.n_anchors:
            errors.append(f"{prefix}indptr is for {len(indptr) - 1} rows; expected {self.n_rows} x {self.n_anchors}")
            return
        if not _fits(indptr, indices, data):  # the loops of the store look at no bounds
            errors.append(f"{prefix}indptr falls, or does not fit indices and data: it is damaged")
            return
        self.settle()
        self.fill(CsrParts((self.n_rows, self.n_anchors), indptr, indices, data))


def _inside(rows: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Return rows that the store has: its loops look at no bounds."""
    if len(rows) and not 0 <= rows.min() <= rows.max() < n:
        raise IndexError(f"ids holds {rows.min()} ... {rows.max()}; expected rows 0 ... {n - 1}")
    return rows


def _fits(indptr: NDArray[Any], indices: NDArray[Any], data: NDArray[Any]) -> bool:
    """Return whether the parts of a CSR matrix fit each other."""
    return offsets_fit(indptr, len(indices)) and len(indices) == len(data) and bool(indices.min(initial=0) >= 0)


def _some_rows(state: State, rows: NDArray[np.int64]) -> State:
    """Return copies of rows of an optimizer's state, as arrays of NumPy."""
    return {name: kept.numpy()[rows] for name, kept in state.items()}


_combine: Any = torch.compiler.disable(_Combine.apply)  # NumPy inside: nothing that could be compiled
_scores: Any = torch.compiler.disable(_Scores.apply)
