"""The output layer of a language model, tied to its embedding layer (ANT paper, appendix C)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from slimvec.nn.transform import DenseTransform

if TYPE_CHECKING:
    from torch import Tensor


def logits(layer: Any, hidden: Tensor) -> Tensor:
    """Return E h as T (A h), or as (T A) h where that takes fewer products; a softmax of T has no other form."""
    flat = hidden.reshape(-1, hidden.shape[-1])
    if layer.softmax or _rather_whole(layer, len(flat)):
        scores = flat @ layer.weight.T
    else:
        scores = layer.transform.scores(flat @ layer.anchors.T)
    return scores.reshape(*hidden.shape[:-1], layer.num_embeddings)


def _rather_whole(layer: Any, b: int) -> bool:
    """Return whether E, n k d products once, saves work over b rows: a dense T takes n k for each, and E n d."""
    n, k, d = layer.num_embeddings, layer.n_anchors, layer.embedding_dim
    return isinstance(layer.transform, DenseTransform) and n * k * d + b * n * d < b * k * (n + d)


def log_uniform(rows: Tensor, n: int) -> Tensor:
    """Return log q of rows under the law log((i + 2) / (i + 1)) / log(n + 1), close to Zipf's for rows by frequency."""
    places = rows.to(torch.float64)
    return torch.log(torch.log1p(1 / (places + 1)) / torch.log(torch.tensor(n + 1.0, dtype=torch.float64)))


def sampled_softmax_loss(layer: Any, hidden: Tensor, targets: Tensor, n_samples: int) -> Tensor:
    """Return the mean of -log softmax over {target} ∪ samples, each logit less log(samples × q) (Jean et al., 2015).

    A sample that happens to be the target of a row is left out there.
    """
    n = layer.num_embeddings
    uniform = torch.rand(n_samples, dtype=torch.float64, device=hidden.device)
    sampled = (torch.exp(uniform * torch.log(torch.tensor(n + 1.0, dtype=torch.float64))) - 1).long().clamp_max(n - 1)
    unique, places = torch.unique(torch.cat([targets, sampled]), return_inverse=True)
    embedded = nn.functional.embedding(places, layer.rows(unique))
    corrections = (log_uniform(torch.cat([targets, sampled]), n) + torch.log(torch.tensor(float(n_samples)))).to(hidden)
    wanted, others = embedded[: len(targets)], embedded[len(targets) :]
    target_scores = (hidden * wanted).sum(dim=1) - corrections[: len(targets)]
    other_scores = hidden @ others.T - corrections[len(targets) :]
    other_scores = other_scores.masked_fill(sampled == targets.unsqueeze(1), -torch.inf)
    scores = torch.cat([target_scores.unsqueeze(1), other_scores], dim=1)
    return (torch.logsumexp(scores, dim=1) - target_scores).mean()
