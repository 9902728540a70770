"""T as a dense parameter: for GPUs, small vocabularies, and as the twin of the store that follows the non-zeros."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from slimvec.sparse.product import CsrParts

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor


class Transform(nn.Module):
    """What both stores of T share: the optimizer that owes their rows some steps, if any."""

    n_rows: int
    n_anchors: int
    nonnegative: bool
    lazy: bool
    _owner: Any = None

    def owned_by(self, optimizer: Any) -> None:
        """Let an optimizer bring rows up to date before they are read; weakly held, and not copied."""
        self._owner = weakref.ref(optimizer)

    @torch.compiler.disable
    def settle(self, rows: Tensor | None = None) -> None:
        """Bring ``rows`` up to date, or all of them."""
        optimizer = None if self._owner is None else self._owner()
        if optimizer is not None:
            optimizer.catch_up(self, rows)

    def train(self, mode: bool = True) -> Any:
        """Switch between training and evaluation, which sees all rows up to date."""
        if not mode:
            self.settle()
        return super().train(mode)

    def __getstate__(self) -> dict[str, Any]:
        self.settle()  # a copy has no optimizer that would do it
        return {name: value for name, value in self.__dict__.items() if name != "_owner"}

    def _replicate_for_data_parallel(self) -> Any:
        if self.lazy and self.training and self._owner is not None:
            raise RuntimeError(
                "replicas of a layer would read rows that wait for their penalty; expected sparse=False in training"
            )
        return super()._replicate_for_data_parallel()

    def _save_to_state_dict(self, *arguments: Any) -> None:
        self.settle()
        super()._save_to_state_dict(*arguments)


class DenseTransform(Transform):
    """T as one parameter ``weight`` of shape ``(n, k)``.

    Parameters
    ----------
    initial : Tensor, shape (n, k)
    nonnegative : bool
    sparse : bool
        Gradients hold the rows of a batch alone, and rows that no batch touches wait for their penalty.
    unpenalised : Tensor, shape (n, k), bool, optional
        1 - S(G): entries without ℓ1 penalty.
    """

    def __init__(self, initial: Tensor, *, nonnegative: bool, sparse: bool, unpenalised: Tensor | None) -> None:
        super().__init__()
        self.weight = nn.Parameter(initial)
        self.register_buffer("unpenalised", unpenalised)
        self.n_rows, self.n_anchors = initial.shape
        self.nonnegative, self.lazy = nonnegative, sparse

    def read(self, rows: Tensor) -> Tensor:
        """Return ``rows`` of T, ``(m, k)``."""
        return nn.functional.embedding(rows, self.weight, sparse=self.lazy)

    def combine(self, rows: Tensor, anchors: Tensor) -> Tensor:
        """Return ``rows`` of T A, ``(m, d)``."""
        return self.read(rows) @ anchors

    def combine_all(self, anchors: Tensor) -> Tensor:
        """Return T A, ``(n, d)``."""
        self.settle()
        return self.weight @ anchors

    def scores(self, anchor_scores: Tensor) -> Tensor:
        """Return T u for each row u of ``anchor_scores (b, k)``: ``(b, n)``."""
        self.settle()
        return anchor_scores @ self.weight.T

    def count_nonzero(self) -> int:
        """Return nnz(T), all rows up to date."""
        self.settle()
        return int(torch.count_nonzero(self.weight))

    def to_csr(self) -> CsrParts:
        """Return T, all rows up to date, in CSR form."""
        self.settle()
        dense = self.weight.detach().cpu().to(torch.float32).numpy()
        rows, columns = np.nonzero(dense)
        indptr: NDArray[np.int64] = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=self.n_rows))])
        return CsrParts((self.n_rows, self.n_anchors), indptr, columns, dense[rows, columns])
