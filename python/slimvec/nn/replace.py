"""Anchors in a model that somebody else wrote: its big embeddings are swapped, each with a share of one budget."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from slimvec.nn.embedding import STORAGES, AnchorEmbedding
from slimvec.nn.layer_arguments import LEAST_ANCHORS
from slimvec.nn.tied_output import TiedOutput
from slimvec.validation import as_integer

if TYPE_CHECKING:
    from collections.abc import Iterable

MIN_ROWS = 5000  # more than tables of positions have, and fewer than vocabularies


@dataclass
class _Shared:
    """A weight, and all modules that have it for their own, by the names of their places."""

    weight: nn.Parameter
    embeddings: dict[str, nn.Embedding] = field(default_factory=dict)
    outputs: dict[str, nn.Linear] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return next(iter(self.embeddings))

    @property
    def first(self) -> nn.Embedding:
        return self.embeddings[self.name]


def replace_embedding(
    model: nn.Module,
    budget: float,
    *,
    min_rows: int = MIN_ROWS,
    keep_rows: bool = False,
    storage: str = "dense",
) -> nn.ModuleList:
    """Put an :class:`AnchorEmbedding` in the place of every big ``torch.nn.Embedding`` of a model.

    An output layer whose weight is that of the embedding stays tied to it, as a :class:`TiedOutput`. Embeddings that
    are one and the same, or have the same weight, become one layer.

    Parameters
    ----------
    model : torch.nn.Module
        Changed in place. Make the optimizer afterwards, and wrap it in ``DistributedDataParallel`` afterwards.
    budget : float or int
        What all new layers together may hold when they are trained: a part of the numbers of the embeddings that they
        replace, such as 0.25, or a number of numbers. A :class:`ParameterBudget` sees to it. Each layer gets the share
        of it that it had of all these numbers.
    min_rows : int
        Embeddings of fewer rows stay as they are.
    keep_rows : bool
        Start from the rows that the embeddings have, by :meth:`AnchorEmbedding.from_pretrained`, as for a model that
        has been trained. Otherwise layers start at random, their rows about as long as those that they replace.
    storage : {"dense", "slots"}
        As of :class:`AnchorEmbedding`.

    Returns
    -------
    torch.nn.ModuleList
        The new layers, each once, for ``ParameterBudget(layers, optimizer, n_steps=...)``.

    Raises
    ------
    TypeError, ValueError
        Where no embedding is big enough, the budget has no room for the anchors, or an embedding does what anchors
        cannot (``max_norm``, ``scale_grad_by_freq``, a ``forward`` of its own, hooks, a frozen or shared weight). The
        model is as it was then.

    Notes
    -----
    T has both signs where an output layer is tied, which learns better so
    (``benchmarks/results/ant_language_learning.md``); elsewhere T ≥ 0, unless ``keep_rows``.

    ``padding_idx`` and ``sparse`` are kept. The padding row of anchors is zero, and stays so also where an output layer
    is tied, which ``torch.nn.Linear`` would train. ``torch.nn.EmbeddingBag`` is left alone.

    A model is loaded as it was made: replace the embeddings of a new one, and then ``load_state_dict``.

    Examples
    --------
    >>> model = nn.Sequential(nn.Embedding(6000, 32), nn.Linear(32, 6000, bias=False))
    >>> model[1].weight = model[0].weight
    >>> layers = replace_embedding(model, 0.1)
    >>> len(layers), layers[0].budget
    (1, 19200)
    >>> model[1].embedding is model[0] is layers[0]
    True
    """
    if storage not in STORAGES:
        raise ValueError(f"storage={storage!r}; expected one of {tuple(STORAGES)}")
    found = _big_embeddings(model, as_integer(min_rows, "min_rows", 1))
    _check_uses(model, found)
    for shared in found:
        for name, part in shared.embeddings.items():
            _check_embedding(name, part)
        _check_alike(shared, keep_rows=keep_rows)
    shares = _shares(budget, found)
    layers = [_layer(shared, share, storage, keep_rows=keep_rows) for shared, share in zip(found, shares, strict=True)]
    for shared, layer in zip(found, layers, strict=True):
        _put(model, shared, layer)
    return nn.ModuleList(layers)


# ---- what there is


def _big_embeddings(model: Any, min_rows: int) -> list[_Shared]:
    """Return the weights of big embeddings, with all modules that share them."""
    if not isinstance(model, nn.Module) or isinstance(model, nn.Embedding):
        raise TypeError(f"model is {type(model).__name__}; expected a torch module that holds a torch.nn.Embedding")
    if any(isinstance(part, nn.parallel.DistributedDataParallel) for part in model.modules()):
        raise TypeError("model is a DistributedDataParallel, which knows the old weights; expected the model inside it")
    named = list(model.named_modules(remove_duplicate=False))
    embeddings = {name: part for name, part in named if isinstance(part, nn.Embedding)}
    by_weight: dict[int, _Shared] = {}
    for name, part in embeddings.items():
        if part.num_embeddings >= min_rows:
            by_weight.setdefault(id(part.weight), _Shared(part.weight)).embeddings[name] = part
    if not by_weight:
        sizes = ", ".join(f"{name} ({part.num_embeddings} rows)" for name, part in embeddings.items()) or "no embedding"
        raise ValueError(f"model has {sizes}; expected one of at least min_rows={min_rows} rows")
    for name, part in named:
        if isinstance(part, nn.Linear) and id(part.weight) in by_weight:
            by_weight[id(part.weight)].outputs[name] = part
    return list(by_weight.values())


def _check_uses(model: nn.Module, found: Iterable[_Shared]) -> None:
    """Refuse a weight that is used in another way than by an embedding and its output layer: it would be untied."""
    for shared in found:
        known = {id(part) for part in [*shared.embeddings.values(), *shared.outputs.values()]}
        for name, part in model.named_modules():
            own = [key for key, value in part.named_parameters(recurse=False) if value is shared.weight]
            if own and id(part) not in known:
                raise ValueError(
                    f"{name or 'model'}.{own[0]} is the weight of {shared.name}, in a {type(part).__name__}; expected "
                    "one that torch.nn.Embedding and torch.nn.Linear alone share: untie it first"
                )
        for name, output in shared.outputs.items():
            _check_plain(name, output, nn.Linear)


def _check_embedding(name: str, part: nn.Embedding) -> None:
    """Refuse an embedding that does what anchors cannot."""
    if part.max_norm is not None:
        raise ValueError(f"{name} has max_norm={part.max_norm}, and rows of anchors are not rescaled; set it to None")
    if part.scale_grad_by_freq:
        raise ValueError(
            f"{name} has scale_grad_by_freq=True, which gradients of anchors cannot follow; set it to False"
        )
    _check_plain(name, part, nn.Embedding)
    if part.weight.is_meta:
        raise ValueError(f"{name} is on the meta device; expected a model that has its weights")
    if not part.weight.requires_grad:
        raise ValueError(
            f"{name} is frozen, and training reaches a budget; let it train by requires_grad_(), or raise min_rows"
        )


def _check_plain(name: str, part: Any, kind: type[nn.Module]) -> None:
    """Refuse a module that is more than its kind: what it does besides would be lost."""
    if type(part).forward is not kind.forward or "forward" in vars(part):
        raise ValueError(
            f"{name} is a {type(part).__name__} with a forward of its own; expected torch.nn.{kind.__name__}. "
            "Put an AnchorEmbedding there yourself, or raise min_rows"
        )
    if "weight" not in part._parameters:
        raise ValueError(f"{name} has a weight that is computed, by a parametrization; remove that first")
    hooks = (part._forward_hooks, part._forward_pre_hooks, part._backward_hooks, part._backward_pre_hooks)
    if any(hooks):
        raise ValueError(f"{name} has hooks, which would be lost; remove them, and register them on the new layer")


def _check_alike(shared: _Shared, *, keep_rows: bool) -> None:
    """Refuse embeddings of one weight that differ, and a padding row that anchors would not keep."""
    ways = {(part.padding_idx, part.sparse) for part in shared.embeddings.values()}
    if len(ways) > 1:
        names = ", ".join(shared.embeddings)
        raise ValueError(f"{names} share a weight, and differ in padding_idx or sparse; expected the same in all")
    padding = shared.first.padding_idx
    if keep_rows and padding is not None and bool(shared.weight[padding].any()):
        raise ValueError(
            f"{shared.name} has a padding row {padding} that is not zero, and anchors keep it at zero; "
            "set the row to zero, or padding_idx to None"
        )


# ---- the budget


def _shares(budget: Any, found: list[_Shared]) -> list[int]:
    """Return the part of the budget of each weight, in proportion to its numbers, after checking that it has room."""
    sizes = [shared.weight.numel() for shared in found]
    dense = sum(sizes)
    total = _as_total(budget, dense)
    ends = [total * sum(sizes[: place + 1]) // dense for place in range(len(sizes))]
    shares = [end - start for start, end in zip([0, *ends[:-1]], ends, strict=True)]
    for shared, share in zip(found, shares, strict=True):
        least = LEAST_ANCHORS * shared.first.embedding_dim
        if share <= least:
            raise ValueError(
                f"budget={budget} leaves {share} numbers to {shared.name}, of whose anchors the fewest take {least}; "
                "expected more, or a higher min_rows"
            )
    return shares


def _as_total(budget: Any, dense: int) -> int:
    """Return a budget, a number or a part of the dense ones, as a number."""
    if isinstance(budget, float | np.floating):
        if not 0 < budget < 1:
            raise ValueError(f"budget={budget}; expected an int, or a part of {dense} numbers, above 0 and below 1")
        return int(float(budget) * dense)
    return as_integer(budget, "budget", 1, dense - 1, f": the embeddings that are replaced hold {dense}")


# ---- the change


def _layer(shared: _Shared, n_parameters: int, storage: str, *, keep_rows: bool) -> AnchorEmbedding:
    """Return the layer that takes the place of a weight."""
    old, weight = shared.first, shared.weight.detach()
    arguments: dict[str, Any] = {
        "n_parameters": n_parameters, "padding_idx": old.padding_idx, "storage": storage, "sparse": old.sparse,
        "device": weight.device, "dtype": weight.dtype,
    }  # fmt: skip
    if keep_rows:
        layer = AnchorEmbedding.from_pretrained(weight, **arguments)
    else:
        layer = AnchorEmbedding(*weight.shape, nonnegative=not shared.outputs, **arguments)
        with torch.no_grad():
            layer.anchors.mul_(weight.float().square().mean().sqrt())  # rows start with numbers of about size 1
    return layer.train(old.training)


def _put(model: nn.Module, shared: _Shared, layer: AnchorEmbedding) -> None:
    """Put a layer, and output layers that are tied to it, where the old modules are."""
    outputs: dict[int, TiedOutput] = {}
    for name, old in shared.outputs.items():
        if id(old) not in outputs:
            outputs[id(old)] = TiedOutput(layer, old.bias).train(old.training)
        _set(model, name, outputs[id(old)])
    for name in shared.embeddings:
        _set(model, name, layer)


def _set(model: nn.Module, name: str, part: nn.Module) -> None:
    parent, _, last = name.rpartition(".")
    setattr(model.get_submodule(parent), last, part)
