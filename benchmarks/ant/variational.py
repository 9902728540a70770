"""Vocabularies and weights selected by variational dropout: VVD, SparseVD and SparseVD-Voc."""

from __future__ import annotations

import torch
from torch import nn

from benchmarks.ant.baselines import Dense

DROPPED = 3.0  # log α from which on a word or a weight counts as noise
EVERY = 8


class VVD(Dense):
    """Variational vocabulary dropout: Gaussian noise with a learnt α per word (Chen et al., NAACL 2019).

    x = μ_w + √α_w μ_w ε, ε drawn per example and column. A word whose log α is 3 or more is noise and is dropped.
    """

    differs_by_text = True  # while it learns: what is computed for a word of one text does not hold in another

    def __init__(self, n, d, strength, padding_idx=None):
        super().__init__(n, d, padding_idx)
        self.strength = strength
        self.log_alpha = nn.Parameter(torch.zeros(n))  # the authors draw from U(0, 3), which long training forgets
        self.register_buffer("kept", torch.ones(n, dtype=torch.bool))

    def forward(self, ids):
        means = super().forward(ids)
        if not self.training:
            return means
        shape = (*ids.shape[:-1], 1, self.embedding_dim) if ids.ndim > 1 else means.shape
        deviations = (0.5 * self.log_alpha[ids].clamp(-10, 10)).exp().unsqueeze(-1)
        return means * (1 + deviations * torch.randn(shape, device=means.device))

    def rows(self, unique):
        means = super().rows(unique)
        return means if self.training else means * self._alive()[unique].unsqueeze(1)

    def penalty(self):
        """Return the KL divergence from the log-uniform prior (Molchanov et al., 2017, eq. 14)."""
        alpha = self.log_alpha.clamp(-10, 10)
        near = 0.63576 * (1 - torch.sigmoid(1.87320 + 1.48695 * alpha))
        return self.strength * (near + 0.5 * nn.functional.softplus(-alpha)).sum()

    def optimizer(self, model, lr):
        others = [part for part in model.parameters() if part is not self.log_alpha]
        groups = [{"params": others}, {"params": [self.log_alpha], "lr": 10 * lr}]
        return torch.optim.Adam(groups, lr=lr, fused=True)

    def _alive(self):
        return self.kept & (self.log_alpha < DROPPED)

    @property
    def n_parameters(self):
        return int(self._alive().sum()) * self.embedding_dim

    @torch.no_grad()
    def cut(self, n_parameters):
        self.kept[torch.argsort(self.log_alpha)[n_parameters // self.embedding_dim :]] = False


class SparseVD(Dense):
    """Sparse variational dropout of each weight, w ~ N(μ, σ²) (Molchanov et al., 2017; Chirkova et al., EMNLP 2018).

    Weights are sampled once per batch. Those whose log α = log σ² - log μ² is 3 or more are dropped. The divergence is
    that of every 8th row, from a random one on, times 8: the same on average, and quicker by as much.
    """

    def __init__(self, n, d, strength, padding_idx=None):
        super().__init__(n, d, padding_idx)
        self.strength = strength
        self.log_sigma = nn.Parameter(torch.full((n, d), -3.0))
        self.register_buffer("kept", torch.ones(n, d, dtype=torch.bool))

    def rows(self, unique):
        means = super().rows(unique)
        if self.training:
            return sample(means, nn.functional.embedding(unique, self.log_sigma))
        return means * self._alive(unique)

    def penalty(self):
        some = slice(int(torch.randint(EVERY, ())), None, EVERY)
        return self.strength * EVERY * self._divergence(some)

    def _divergence(self, some):
        return divergence(log_alpha(self.weight[some], self.log_sigma[some]))

    def _noise(self, some):
        return log_alpha(self.weight[some], self.log_sigma[some])

    def _alive(self, some):
        return self.kept[some] & (self._noise(some) < DROPPED)

    @property
    def n_parameters(self):
        return int(self._alive(slice(None)).sum())

    @torch.no_grad()
    def cut(self, n_parameters):
        if self.n_parameters > n_parameters:
            noise = self._noise(slice(None))
            self.kept &= noise < noise.flatten().kthvalue(n_parameters + 1).values


class SparseVDVoc(SparseVD):
    """SparseVD, and a factor z ~ N(μ_z, σ_z²) per word, so that whole words are dropped (Chirkova et al., 2018)."""

    def __init__(self, n, d, strength, padding_idx=None):
        super().__init__(n, d, strength, padding_idx)
        self.factors = nn.Parameter(torch.ones(n, 1))
        self.log_sigma_factors = nn.Parameter(torch.full((n, 1), -3.0))

    def rows(self, unique):
        factors = nn.functional.embedding(unique, self.factors)
        if self.training:
            factors = sample(factors, nn.functional.embedding(unique, self.log_sigma_factors))
        return super().rows(unique) * factors

    def _divergence(self, some):
        words = log_alpha(self.factors[some], self.log_sigma_factors[some])
        return super()._divergence(some) + divergence(words)

    def _noise(self, some):
        dropped = log_alpha(self.factors[some], self.log_sigma_factors[some]) >= DROPPED
        return torch.where(dropped, torch.inf, super()._noise(some))


def log_alpha(means, log_sigma):
    return 2 * log_sigma - 2 * means.abs().clamp_min(1e-8).log()


def sample(means, log_sigma):
    return means + log_sigma.exp() * torch.randn_like(means)


def divergence(alpha):
    """Return Σ of the approximate KL divergence that Chirkova et al.'s code takes."""
    alpha = alpha.clamp(-8, 8)
    return (0.5 * torch.log1p(torch.exp(-alpha)) - (0.03 + 0.64 * torch.sigmoid(1.5 * (alpha + 1.3)))).sum()
