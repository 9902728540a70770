"""T of an anchor layer: what layers and optimizers ask of it, however it is stored."""

from __future__ import annotations

import weakref
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import Tensor

    from slimvec.nn.rule import Rule, State
    from slimvec.nn.waiting import Missed
    from slimvec.sparse.product import CsrParts


@dataclass
class TransformStart:
    """What a layer asks of its T: those arguments of :class:`slimvec.nn.AnchorEmbedding` that are about it."""

    shape: tuple[int, int]
    anchors: Tensor  # whose dtype and device T shares
    anchor_rows: NDArray[Any] | None
    related: NDArray[Any] | None  # entries (row, column) without penalty, in order
    padding_idx: int | None
    nonnegative: bool
    softmax: bool
    sparse: bool
    nonzeros: int


class Gradient(NamedTuple):
    """A gradient of T: the distinct rows that it is of, None for all, and values as its transform takes them."""

    rows: Tensor | None
    values: Any


class Transform(nn.Module, ABC):
    """T, ``(n, k)``, and the gradient that it waits with for a step.

    All reading methods bring the rows that they read up to date before: an optimizer that owns the transform may owe
    them steps.
    """

    n_rows: int
    n_anchors: int
    nonnegative: bool
    lazy: bool  # whether rows without a gradient wait for their penalty
    padding_idx: int | None = None  # a row that stays zero, whoever reads all rows
    holds_all = False  # whether all entries are held, in ``weight``, those that are zero as well
    zeros_stay = False  # whether an entry that is zero stays so, whatever its gradient
    _owner: Any = None

    # ---- read

    @abstractmethod
    def read(self, rows: Tensor) -> Tensor:
        """Return distinct ``rows`` of T, ``(m, k)``, with their gradient."""

    @abstractmethod
    def combine(self, rows: Tensor, anchors: Tensor) -> Tensor:
        """Return distinct ``rows`` of T A, ``(m, d)``."""

    @abstractmethod
    def combine_all(self, anchors: Tensor) -> Tensor | None:
        """Return T A, ``(n, d)``, as one product, or None where T is not one matrix."""

    @abstractmethod
    def prefers_whole(self, b: int, d: int) -> bool:
        """Return whether (T A) h takes fewer products than T (A h) for ``b`` vectors h of ``d`` numbers."""

    @abstractmethod
    def scores(self, anchor_scores: Tensor) -> Tensor:
        """Return T u for each row u of ``anchor_scores (b, k)``: ``(b, n)``."""

    @abstractmethod
    def count_nonzero(self) -> int:
        """Return nnz(T)."""

    @abstractmethod
    def column_sums(self) -> NDArray[Any]:
        """Return Σ_i abs(t_ij) for each column, ``(k,)``."""

    @abstractmethod
    def to_csr(self) -> CsrParts:
        """Return T in CSR form."""

    @abstractmethod
    def fill(self, parts: CsrParts) -> None:
        """Take the entries of a matrix, columns rising in each row, in the place of those that are there."""

    @abstractmethod
    def worths(self, of_rows: Tensor, of_columns: Tensor) -> Tensor:
        """Return abs(t_ij) × ``of_rows[i]`` × ``of_columns[j]`` of all non-zeros, row by row."""

    @abstractmethod
    def keep(self, kept: Tensor) -> None:
        """Zero those of the non-zeros, row by row, that a mask leaves out."""

    # ---- train

    @abstractmethod
    def take_gradient(self) -> Gradient | None:
        """Return the gradient that the next step follows, or None where there is no step to take."""

    @abstractmethod
    def clear_gradient(self) -> None:
        """Forget the gradient, as far as ``zero_grad`` of torch's optimizers does not."""

    @abstractmethod
    def step(self, gradient: Gradient, rule: Rule, state: State) -> None:
        """Take the gradient step and then the proximal step of the gradient's rows.

        ``state`` is what the optimizer keeps of T; an empty one is filled.
        """

    @abstractmethod
    def shrink(self, missed: Missed, rule: Rule, state: State) -> None:
        """Take the steps that rows have missed, all in one."""

    @abstractmethod
    def resize(self, kept: NDArray[Any], n_new: int, replace: Callable[..., Any]) -> None:
        """Keep some columns, rising, and put new ones of zeros after them; what waits for a step is dropped.

        ``replace(parameter, kept, new, dim)`` returns what takes the place of a parameter in the optimizer.
        """

    # ---- rows that wait

    def owned_by(self, optimizer: Any) -> None:
        """Let an optimizer bring rows up to date before they are read; weakly held, and not copied."""
        self._owner = weakref.ref(optimizer)

    @torch.compiler.disable
    def settle(self, rows: Tensor | None = None) -> None:
        """Bring distinct ``rows`` up to date, or all of them."""
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
