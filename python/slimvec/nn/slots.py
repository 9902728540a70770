"""T as a store of its non-zeros under torch's autograd: memory and time follow what is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from slimvec.nn.transform import Transform
from slimvec.sparse.product import CsrParts
from slimvec.sparse.training.slot_store import SlotStore, random_parts

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

PARTS = ("indptr", "indices", "data")


class _Combine(torch.autograd.Function):
    """``rows`` of T A. The gradient of T, a dense row for each that was read, waits in the transform for the step."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, anchors: Tensor, probe: Tensor, transform: SlotTransform) -> Tensor:  # noqa: ARG004
        ctx.transform, ctx.rows = transform, rows.numpy()
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
        G = np.ascontiguousarray(gradients[0].numpy().T)
        (u,) = ctx.saved_tensors
        transform = ctx.transform
        transform.add_output_gradient(G, u.detach().numpy().T)
        everything = np.arange(transform.n_rows)
        return torch.from_numpy(transform.store.anchor_gradient(everything, G)).T, None, None


class SlotTransform(Transform):
    """T as a :class:`slimvec.sparse.training.slot_store.SlotStore`, no parameter: optimizers find it in the model.

    Parameters
    ----------
    shape : (int, int)
    nonzeros : int
        Entries per row to start with.
    anchor_rows, related, padding_idx
        See :class:`slimvec.nn.AnchorEmbedding`; ``related`` as entries (row, column).
    seed : int
    nonnegative : bool
    """

    lazy = True

    def __init__(
        self,
        shape: tuple[int, int],
        nonzeros: int,
        anchor_rows: NDArray[np.int64] | None,
        related: NDArray[np.int64] | None,
        padding_idx: int | None,
        *,
        seed: int,
        nonnegative: bool,
    ) -> None:
        super().__init__()
        self.n_rows, self.n_anchors = shape
        self.nonnegative, self._related = nonnegative, related
        generator = np.random.default_rng(seed)
        rules: dict[str, Any] = {"anchor_rows": anchor_rows, "empty": padding_idx, "nonnegative": nonnegative}
        parts = random_parts(shape, nonzeros, generator, **rules)
        self.store = SlotStore(parts, related, nonnegative=nonnegative)
        self._probe = torch.empty(0, requires_grad=True)  # makes autograd call backward where anchors are frozen
        self._gradients: list[tuple[NDArray[np.int64], NDArray[np.float32]]] = []
        self._output: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        parts = self.store.to_csr()
        return {**state, "store": parts, "_gradients": [], "_output": None, "_probe": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.store = SlotStore(state["store"], self._related, nonnegative=self.nonnegative)
        self._probe = torch.empty(0, requires_grad=True)

    def combine(self, rows: Tensor, anchors: Tensor) -> Tensor:
        """Return ``rows`` of T A, ``(m, d)``."""
        combined: Tensor = _combine(rows, anchors, self._probe, self)
        return combined

    def scores(self, anchor_scores: Tensor) -> Tensor:
        """Return T u for each row u of ``anchor_scores (b, k)``: ``(b, n)``."""
        self.settle()
        scores: Tensor = _scores(anchor_scores, self._probe, self)
        return scores

    def add_gradient(self, rows: NDArray[np.int64], gradient: NDArray[np.float32]) -> None:
        """Keep the gradient of some rows for the next step."""
        self._gradients.append((rows, gradient))

    def add_output_gradient(self, G: NDArray[np.float32], U: NDArray[np.float32]) -> None:
        """Keep the gradient G Uᵀ of all rows, as its factors, for the next step."""
        if self._output is not None:
            G, U = (np.concatenate([old, new], axis=1) for old, new in zip(self._output, (G, U), strict=True))
        self._output = G, U

    def take_gradient(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return rows and their gradients since the last step, each row once, and forget them."""
        parts, self._gradients = self._gradients, []
        if len(parts) == 1:
            return parts[0]
        if not parts:
            return np.empty(0, np.int64), np.empty((0, self.n_anchors), np.float32)
        rows, places = np.unique(np.concatenate([part[0] for part in parts]), return_inverse=True)
        total = np.zeros((len(rows), self.n_anchors), np.float32)
        np.add.at(total, places, np.concatenate([part[1] for part in parts]))
        return rows, total

    def take_output_gradient(self) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
        """Return the factors of the gradient of all rows, if there is one, and forget them."""
        found, self._output = self._output, None
        return found

    def count_nonzero(self) -> int:
        """Return nnz(T), all rows up to date."""
        self.settle()
        return self.store.nnz

    def to_csr(self) -> CsrParts:
        """Return T, all rows up to date, in CSR form."""
        self.settle()
        return self.store.to_csr()

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
        self.settle()
        parts = CsrParts((self.n_rows, self.n_anchors), indptr, indices, data)
        self.store = SlotStore(parts, self._related, nonnegative=self.nonnegative)


_combine: Any = torch.compiler.disable(_Combine.apply)  # NumPy inside: nothing that could be compiled
_scores: Any = torch.compiler.disable(_Scores.apply)
