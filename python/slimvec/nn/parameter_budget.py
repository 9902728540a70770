"""A budget of parameters: T loses entries while a model is trained, until a layer holds what it may."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from slimvec.nn.embedding import AnchorEmbedding
from slimvec.nn.kept_entries import kept_entries
from slimvec.nn.layer_arguments import as_counts
from slimvec.nn.optimizer import ProximalOptimizer
from slimvec.nn.processes import n_processes
from slimvec.nn.refit import can_refit, greatest, refit
from slimvec.validation import as_integer

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from torch import Tensor

    from slimvec.nn.kept_entries import KeptEntries

N_CUTS = 20  # between the two moments; after them as often


class ParameterBudget:
    """Trains layers down to a number of parameters, A and the non-zeros of T together.

    Until the first of two moments T is free. Between them it loses the entries of least worth, many at first, then ever
    fewer [1]_; those that gradients bring back before the next time compete again. From the second moment on the budget
    holds, there is no penalty, and zeros stay zeros but for the steps before the times, in which entries may come in
    the place of others.

    Parameters
    ----------
    layer : torch.nn.Module
        An :class:`AnchorEmbedding`, or a module with several, such as a model: these share the budget.
    optimizer : ProximalOptimizer
        Of the model that the layers are part of. It needs no ``l1``; one that it has ends at the second moment.
    n_parameters : int, optional
        The budget; by default what the layers were made with.
    n_steps : int
        Steps of the whole training.
    cut : (float, float)
        The two moments, as parts of the training. With ``(0, 0)``, of layers that start within the budget, as those of
        ``from_pretrained`` do, the entries that they have are trained, and none comes or goes.
    counts : array_like, shape (n,), optional
        How often each row occurs in what is trained on. By default the layers count the rows that they look up; a model
        that takes all rows at once and looks none up, by ``weight`` alone, has to say, or they count alike.

    Attributes
    ----------
    n_parameters, n_steps : int
    n_taken : int
        Steps so far.

    Raises
    ------
    TypeError, ValueError
        If the optimizer does not train the layers, or the budget has no room for entries beside the anchors.

    Notes
    -----
    At the end the layers hold the budget to within 1 %, and never more. They hold less where T has not so many
    non-zeros to begin with, as with a strong ``l1``. With ``storage="slots"`` T grows until the first moment; a small
    ``l1`` keeps it from that, or ``cut=(0, 0.7)``.

    The worth of an entry is abs(t_ij) ‖a_j‖ √c_i, the length of what it adds to its row, which occurs c_i times. To
    second order the loss would rise by its square without the entry [2]_, if gradients of all occurrences are alike and
    have no favourite direction. An output layer reads all rows for every word that it predicts: there it is ⁴√c_i.
    Both were measured, beside other worths: ``benchmarks/results/ant_worth.md`` and ``ant_language_learning.md``.

    A cut before the second moment fits the entries that it leaves, and the anchors, to the rows as they were before it,
    weighted in the same way, and so may leave other entries than the first of them; with ``storage="slots"``, or with
    a ``softmax``, they stay as they are.

    References
    ----------
    .. [1] M. Zhu, S. Gupta, "To Prune, or Not to Prune: Exploring the Efficacy of Pruning for Model Compression",
       ICLR 2018 workshop, eq. 1.
    .. [2] Y. LeCun, J. Denker, S. Solla, "Optimal Brain Damage", NeurIPS 1989, eq. 5, with squared gradients in the
       place of second derivatives.

    Examples
    --------
    >>> from slimvec.nn import AnchorEmbedding, ProximalAdam
    >>> layer = AnchorEmbedding(200, 16, n_anchors=8, n_parameters=500)
    >>> optimizer = ProximalAdam(layer, lr=0.01)
    >>> budget = ParameterBudget(layer, optimizer, n_steps=100)
    >>> wanted = torch.randn(200, 16)
    >>> for _ in range(100):
    ...     optimizer.zero_grad()
    ...     (layer(torch.arange(200)) - wanted).square().mean().backward()
    ...     optimizer.step()
    ...     budget.step()
    >>> 495 <= layer.n_parameters <= 500
    True
    """

    def __init__(
        self,
        layer: nn.Module,
        optimizer: ProximalOptimizer,
        n_parameters: int | None = None,
        *,
        n_steps: int,
        cut: tuple[float, float] = (0.2, 0.7),
        counts: ArrayLike | None = None,
    ) -> None:
        self._layers = _trained_layers(layer, optimizer)
        self._optimizer = optimizer
        self.n_parameters = _as_budget(n_parameters, self._layers)
        self.n_steps = as_integer(n_steps, "n_steps", 1)
        self.cut = first, last = _as_moments(cut)
        self._first, self._last = int(first * self.n_steps), max(1, int(last * self.n_steps))
        self._every = max(1, (self._last - self._first) // N_CUTS)
        self._keeps = last == 0 and sum(part.n_parameters for part in self._layers) <= self.n_parameters
        self.n_taken = 0
        self._n_at_first: int | None = None  # non-zeros when the cutting began
        self._given = [_counts_of(counts, part) for part in self._layers]
        self._counts = [_no_reads(part) for part in self._layers]
        self._hold()

    @property
    def is_fixed(self) -> bool:
        """Whether the second moment is over: the budget holds."""
        return self._keeps or self.n_taken >= self._last

    # ---- train

    def step(self) -> None:
        """Count a step that the optimizer has just taken, and cut entries if it is time to.

        Raises
        ------
        RuntimeError
            After ``n_steps`` steps.
        ValueError
            If the layers hold NaN or infinite numbers.
        """
        if self.n_taken >= self.n_steps:
            raise RuntimeError(f"step {self.n_taken + 1} of a training with n_steps={self.n_steps}; expected no more")
        self.n_taken += 1
        if self._is_time(self.n_taken):
            self._cut(self._allowed())
        self._hold()

    def finish(self) -> None:
        """Bring the layers within the budget now, where a training ends before its time."""
        if self.n_taken < self.n_steps:
            self.n_taken = self.n_steps
            self._cut(self._allowed())
            self._hold()

    def _is_time(self, step: int) -> bool:
        """Return whether entries are cut after a step."""
        if self._keeps:
            return False
        return step == self.n_steps or (step >= self._first and (step - self._last) % self._every == 0)

    def _allowed(self) -> int:
        """Return how many non-zeros there may be now."""
        n_kept = self.n_parameters - sum(layer.anchors.numel() for layer in self._layers)
        if self.is_fixed:
            return n_kept
        if self._n_at_first is None:
            self._n_at_first = sum(layer.count_nonzero() for layer in self._layers)
        left = (self._last - self.n_taken) / (self._last - self._first)
        return int(n_kept + max(0, self._n_at_first - n_kept) * left**3)

    def _hold(self) -> None:
        """Tell the layers whether entries may come in the next step, and end the penalty with the cutting."""
        is_last = self.n_taken == self.n_steps
        zeros_stay = self.is_fixed and (is_last or not self._is_time(self.n_taken + 1))
        for layer, counts in zip(self._layers, self._counts, strict=True):
            layer.reads = None if is_last else counts
            transform, group = layer.transform, self._optimizer.group_of(layer.transform)
            l1 = 0.0 if self.is_fixed else group["l1"]
            if (transform.zeros_stay, group["l1"]) != (zeros_stay, l1):
                transform.settle()  # rows that wait have missed steps as they were until now
                transform.zeros_stay, group["l1"] = zeros_stay, l1

    @torch.no_grad()
    def _cut(self, n: int) -> None:
        """Keep the ``n`` entries of greatest worth; until the budget is reached, rows are fitted to those of before."""
        weights = self._row_weights()
        worths = self._worths(weights)
        together = torch.cat([part.to(worths[0].device) for part in worths])
        if not bool(torch.isfinite(together).all()):
            raise ValueError("the layers hold NaN or infinite numbers; expected a training that does not diverge")
        if len(together) > n:
            parts = greatest(together, n).split([len(part) for part in worths])
            for layer, kept, of_rows in zip(self._layers, parts, weights, strict=True):
                self._leave(layer, kept, of_rows)

    def _leave(self, layer: AnchorEmbedding, kept: Tensor, of_rows: Tensor) -> None:
        """Leave as many entries of a layer as a mask: these, or those that fit its rows best."""
        if self.is_fixed or not can_refit(layer):
            layer.transform.keep(kept)
        else:
            refit(layer, int(kept.sum()), of_rows)

    def _row_weights(self) -> list[Tensor]:
        """Return what the rows of each layer count, by how often they occur."""
        found = []
        for given, counts in zip(self._given, self._counts, strict=True):
            rows = counts[:-1].float() if given is None else given
            if not rows.any():
                rows = torch.ones_like(rows)
            found.append((rows / rows.mean()) ** (0.25 if counts[-1] > 0 else 0.5))
        return found

    def _worths(self, weights: list[Tensor]) -> list[Tensor]:
        """Return the worth of the non-zeros of each layer."""
        found = []
        for layer, of_rows in zip(self._layers, weights, strict=True):
            anchors = layer.anchors.detach()
            at_least = torch.promote_types(anchors.dtype, torch.float32)  # torch refuses to narrow
            lengths = torch.linalg.vector_norm(anchors, dim=1, dtype=at_least)
            found.append(layer.transform.worths(of_rows, lengths))
        return found

    # ---- what was kept

    def report(self) -> KeptEntries:
        """Return how many entries rows have, frequent ones and rare ones.

        Returns
        -------
        KeptEntries
            A table, which prints well.

        Examples
        --------
        >>> from slimvec.nn import AnchorEmbedding, ProximalSGD
        >>> layer = AnchorEmbedding(30, 4, n_anchors=2)
        >>> budget = ParameterBudget(layer, ProximalSGD(layer), 28, n_steps=1)
        >>> budget.finish()
        >>> len(budget.report().lines), budget.report().n_parameters
        (2, 28)
        """
        seen = zip(self._given, self._counts, strict=True)
        counts = [(read[:-1] if given is None else given).cpu().numpy() for given, read in seen]
        return kept_entries(self._layers, counts, self.n_parameters)

    # ---- saved

    def state_dict(self) -> dict[str, Any]:
        """Return what a training goes on from, beside the states of the model and of the optimizer.

        Returns
        -------
        dict
        """
        settings = {"n_parameters": self.n_parameters, "n_steps": self.n_steps, "cut": list(self.cut)}
        counts = [part.clone() for part in self._counts]
        taken = {"n_taken": self.n_taken, "n_at_first": self._n_at_first, "keeps": self._keeps}
        return {**settings, **taken, "counts": counts}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where another budget of the same settings was.

        Parameters
        ----------
        state : dict
            Of :meth:`state_dict`.

        Raises
        ------
        ValueError
            If the settings differ.
        """
        own = self.state_dict()
        if missing := own.keys() - state.keys() - {"keeps"}:  # which older states lack
            raise ValueError(f"state has no {sorted(missing)}; expected what state_dict() returned")
        for name in ("n_parameters", "n_steps", "cut"):
            if state[name] != own[name]:
                raise ValueError(f"state is of {name}={state[name]}; expected {own[name]}, as this budget has")
        sizes, expected = ([len(part) - 1 for part in parts["counts"]] for parts in (state, own))
        if sizes != expected:
            raise ValueError(f"state is of layers of {sizes} rows; expected {expected}")
        self.n_taken, self._n_at_first, self._keeps = state["n_taken"], state["n_at_first"], state.get("keeps", False)
        for counts, saved in zip(self._counts, state["counts"], strict=True):
            counts.copy_(saved)
        self._hold()


def _trained_layers(layer: Any, optimizer: Any) -> list[AnchorEmbedding]:
    """Return the anchor layers of a module, after checking that the optimizer trains them."""
    layers = [part for part in layer.modules() if isinstance(part, AnchorEmbedding)] if _is_module(layer) else []
    if not layers:
        raise TypeError(f"layer is {type(layer).__name__}; expected an AnchorEmbedding, or a module that holds one")
    if not isinstance(optimizer, ProximalOptimizer):
        raise TypeError(f"optimizer is {type(optimizer).__name__}; expected one of slimvec.nn, such as ProximalAdam")
    for part in layers:
        optimizer.group_of(part.transform)
    return layers


def _is_module(value: Any) -> bool:
    return isinstance(value, nn.Module)


def _as_budget(n_parameters: Any, layers: list[AnchorEmbedding]) -> int:
    """Return the budget, or that of the layers, after checking that it has room for some entries."""
    if n_parameters is None:
        own = [layer.budget for layer in layers]
        if None in own:
            raise ValueError("n_parameters is None, and the layers were made without; expected a number")
        n_parameters = sum(budget for budget in own if budget is not None)
    least = sum(layer.anchors.numel() for layer in layers) + 1
    most = least - 1 + sum(layer.num_embeddings * layer.n_anchors for layer in layers)
    return as_integer(n_parameters, "n_parameters", least, most, ": what the anchors take and 1 ... all entries of T")


def _counts_of(counts: Any, layer: AnchorEmbedding) -> Tensor | None:
    """Return how often each row occurs, where it is given."""
    if counts is None:
        if n_processes() > 1:
            raise ValueError("counts is None, and each process would count other rows; expected the same counts in all")
        return None
    given = torch.as_tensor(as_counts(counts, layer.num_embeddings), dtype=torch.float32)
    if not bool(torch.isfinite(given).all()):
        raise ValueError("counts holds numbers beyond float32; expected smaller ones, such as shares")
    return given.to(layer.anchors.device)


def _no_reads(layer: AnchorEmbedding) -> Tensor:
    """Return zeros to count with how often each row is looked up, and all of them at once."""
    return torch.zeros(layer.num_embeddings + 1, dtype=torch.int64, device=layer.anchors.device)


def _as_moments(cut: Any) -> tuple[float, float]:
    """Return two parts of a training, the first not after the second."""
    try:
        first, last = (float(part) for part in cut)
    except (TypeError, ValueError):
        raise TypeError(f"cut={cut!r}; expected two numbers, such as (0.2, 0.7)") from None
    if not 0 <= first <= last <= 1:
        raise ValueError(f"cut={cut!r}; expected 0 <= first <= second <= 1")
    return first, last
