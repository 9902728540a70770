"""Embedding layers that ANT is compared with: whole rows kept, shared, shortened or factored. See also variational.py.

Each has the interface of ``slimvec.nn.AnchorEmbedding`` as far as experiments need it: ``layer(ids)``,
``layer.logits(hidden)`` for a tied output, and ``layer.n_parameters``, which counts what has to be stored: numbers that
are not zero, as the paper counts. Besides:

    layer.penalty()             a term of the loss, per training example
    layer.optimizer(model, lr)  what trains a model with this layer: Adam, with a proximal step where the method has one
    layer.after_epoch(share)    of methods that learn in turns; ``share`` of the training is done
    layer.cut(n_parameters)     of methods that learn what to keep: keep at most so much, by the method's own score
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from slimvec.nn import ProximalAdam

SPREAD = 0.1  # standard deviation of the entries at the start


class Baseline(nn.Module):
    """An embedding layer; subclasses say what its rows are."""

    def __init__(self, n: int, d: int, padding_idx: int | None = None):
        super().__init__()
        self.num_embeddings, self.embedding_dim, self.padding_idx = n, d, padding_idx

    def rows(self, unique):
        """Return the embeddings of distinct ids, ``(m, d)``."""
        raise NotImplementedError

    @property
    def n_parameters(self) -> int:
        return sum(part.numel() for part in self.parameters())

    def forward(self, ids):
        unique, places = torch.unique(ids, return_inverse=True)
        embedded = nn.functional.embedding(places, self.rows(unique))
        return embedded if self.padding_idx is None else embedded * (ids != self.padding_idx).unsqueeze(-1)

    def logits(self, hidden):
        return hidden @ self.rows(torch.arange(self.num_embeddings, device=hidden.device)).T

    def penalty(self):
        return 0.0

    def optimizer(self, model, lr: float):
        return torch.optim.Adam(model.parameters(), lr=lr, fused=True)

    def after_epoch(self, share: float) -> None:
        pass

    def cut(self, n_parameters: int) -> None:
        assert self.n_parameters <= n_parameters, f"{type(self).__name__} has {self.n_parameters} parameters"


class Dense(Baseline):
    """One row per word."""

    def __init__(self, n, d, padding_idx=None):
        super().__init__(n, d, padding_idx)
        self.weight = start(n, d)

    def rows(self, unique):
        return nn.functional.embedding(unique, self.weight)


class Selected(Baseline):
    """Rows of some words, the most frequent ones or those of the highest TF-IDF; all others share one (§4.1)."""

    def __init__(self, n, d, chosen, padding_idx=None):
        super().__init__(n, d, padding_idx)
        places = torch.full((n,), len(chosen))
        places[torch.as_tensor(np.asarray(chosen))] = torch.arange(len(chosen))
        self.register_buffer("places", places)
        self.weight = start(len(chosen) + 1, d)

    def rows(self, unique):
        return nn.functional.embedding(self.places[unique], self.weight)


class GroupLasso(Dense):
    """λ Σ ‖row‖₂, by its proximal step, so that whole rows become zero (Wen et al., 2016; Park et al., 2016)."""

    def __init__(self, n, d, l1, padding_idx=None):
        super().__init__(n, d, padding_idx)
        self.l1 = l1

    @property
    def n_parameters(self):
        return int(torch.count_nonzero(self.weight))

    def optimizer(self, model, lr):
        others = [part for part in model.parameters() if part is not self.weight]
        groups = [{"params": others}, {"params": [self.weight], "l1": self.l1, "penalty": "rows"}]
        return ProximalAdam(groups, lr, metric="plain")

    @torch.no_grad()
    def cut(self, n_parameters):
        keep_rows(self.weight, self.weight.norm(dim=1), n_parameters)


class LowRank(Baseline):
    """E = U V (Grachev et al., 2019)."""

    def __init__(self, n, d, rank, padding_idx=None):
        super().__init__(n, d, padding_idx)
        self.left, self.right = start(n, rank), start(rank, d, rank**-0.5)

    def rows(self, unique):
        return nn.functional.embedding(unique, self.left) @ self.right

    @staticmethod
    def rank_for(n, d, n_parameters):
        return max(1, n_parameters // (n + d))


class TensorTrain(Baseline):
    """E as three cores G_k of shape (n_k, r_{k-1}, d_k, r_k): |V| ≤ Π n_k, d = Π d_k (Hrinchuk et al., 2020)."""

    def __init__(self, n, d, rank, padding_idx=None):
        super().__init__(n, d, padding_idx)
        self.digits, columns = self._factors(n, d)
        shapes = zip(self.digits, (1, rank, rank), columns, (rank, rank, 1), strict=True)
        spread = (SPREAD / rank) ** (1 / 3)
        self.cores = nn.ParameterList(nn.Parameter(spread * torch.randn(shape)) for shape in shapes)

    def rows(self, unique):
        _, second, third = self.digits
        places = (unique // (second * third), unique // third % second, unique % third)
        first, middle, last = (core[place] for core, place in zip(self.cores, places, strict=True))
        return torch.einsum("myas,msbt,mtcz->mabc", first, middle, last).flatten(1)

    @staticmethod
    def _factors(n, d):
        digit = int(np.ceil(n ** (1 / 3)))
        pairs = [(a, b) for a in range(1, d + 1) for b in range(1, d + 1) if d % (a * b) == 0]
        a, b = min(pairs, key=lambda pair: max(*pair, d // (pair[0] * pair[1])))
        return (digit, digit, -(-n // digit**2)), (a, b, d // (a * b))

    @classmethod
    def rank_for(cls, n, d, n_parameters):
        (n1, n2, n3), (d1, d2, d3) = cls._factors(n, d)
        square, linear = n2 * d2, n1 * d1 + n3 * d3
        return max(1, int((-linear + (linear**2 + 4 * square * n_parameters) ** 0.5) / (2 * square)))


class HashBuckets(Baseline):
    """Rows of the first words, the frequent ones; the others share buckets: "Hash Embed" of the ANT paper (table 3)."""

    def __init__(self, n, d, n_frequent, n_buckets, padding_idx=None):
        super().__init__(n, d, padding_idx)
        places = torch.arange(n)
        places[n_frequent:] = n_frequent + hashes(n, n_buckets, seed=1)[n_frequent:]
        self.register_buffer("places", places)
        self.weight = start(n_frequent + n_buckets, d)

    def rows(self, unique):
        return nn.functional.embedding(self.places[unique], self.weight)


class HashEmbedding(Baseline):
    """e_w = Σ_i p_w[i] A[h_i(w)], k hash functions and importances p of w, hashed as well (Svenstrup et al., 2017)."""

    def __init__(self, n, d, n_buckets, n_importances, k=2, padding_idx=None):
        super().__init__(n, d, padding_idx)
        self.register_buffer("places", torch.stack([hashes(n, n_buckets, seed) for seed in range(k)], 1))
        own = torch.arange(n) if n_importances >= n else hashes(n, n_importances, seed=k)
        self.register_buffer("own", own)
        self.weight = start(n_buckets, d)
        self.importances = nn.Parameter(1 + start(min(n, n_importances), k).detach())

    def rows(self, unique):
        parts = nn.functional.embedding(self.places[unique], self.weight)
        return (nn.functional.embedding(self.own[unique], self.importances).unsqueeze(2) * parts).sum(1)

    @staticmethod
    def sizes_for(n, d, n_parameters, k=2):
        """Return buckets and importances: those of all words, but no more than half of the parameters."""
        n_importances = min(n, n_parameters // (2 * k))
        return (n_parameters - k * n_importances) // d, n_importances


def start(n: int, d: int, spread: float = SPREAD):
    return nn.Parameter(spread * torch.randn(n, d))


def hashes(n: int, n_buckets: int, seed: int):
    return torch.from_numpy(np.random.default_rng(seed).integers(0, n_buckets, n))


def keep_rows(weight, scores, n_parameters: int) -> None:
    """Zero all rows but those of the highest scores, so many that their entries are at most ``n_parameters``."""
    weight[torch.argsort(scores, descending=True)[n_parameters // weight.shape[1] :]] = 0
