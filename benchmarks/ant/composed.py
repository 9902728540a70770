"""Embedding layers whose rows are composed of shared parts, or are as wide as they are frequent. See baselines.py."""

from __future__ import annotations

import torch
from torch import nn

from benchmarks.ant.baselines import SPREAD, Baseline, hashes, start

PIECE = 16  # numbers that lie together in an array of ROBE


class QuotientRemainder(Baseline):
    """e_w = Q[w // m] ⊙ R[w mod m], m rows of remainders: distinct rows from few (Shi et al., KDD 2020)."""

    def __init__(self, n, d, m, padding_idx=None):
        super().__init__(n, d, padding_idx)
        self.m = m
        self.quotients, self.remainders = start(-(-n // m), d, SPREAD**0.5), start(m, d, SPREAD**0.5)

    def rows(self, unique):
        quotients = nn.functional.embedding(unique // self.m, self.quotients)
        return quotients * nn.functional.embedding(unique % self.m, self.remainders)

    @staticmethod
    def remainders_for(n, d, n_parameters):
        """Return the greatest m that there is room for."""
        return max(m for m in range(1, n_parameters // d) if (m + -(-n // m)) * d <= n_parameters)


class OneArray(Baseline):
    """Each piece of a row lies somewhere in one array, where hashing says: ROBE-Z (Desai et al., MLSys 2022)."""

    def __init__(self, n, d, n_parameters, padding_idx=None):
        super().__init__(n, d, padding_idx)
        pieces = [hashes(n, n_parameters - PIECE + 1, seed) for seed in range(d // PIECE)]
        self.register_buffer("places", torch.stack(pieces, 1))
        self.register_buffer("within", torch.arange(PIECE))
        self.array = nn.Parameter(SPREAD * torch.randn(n_parameters))

    def rows(self, unique):
        return self.array[self.places[unique].unsqueeze(2) + self.within].flatten(1)


class MixedDimensions(Baseline):
    """Rows of d, d / 4 and d / 16 numbers for frequent words, few for others, made d by a matrix (Ginart et al., 2021).

    The others get a quarter of the parameters, but one number a row at least; the rest is split evenly.
    """

    def __init__(self, n, d, n_parameters, padding_idx=None):
        super().__init__(n, d, padding_idx)
        least = max(1, n_parameters // 4 // (n + d))
        room = (n_parameters - least * (n + d)) // 3
        counts = [room // d, *((room - width * d) // width for width in (d // 4, d // 16))]
        widths = [d, d // 4, d // 16, least]
        counts.append(n - sum(counts))
        self.ends = torch.tensor(counts).cumsum(0).tolist()
        self.tables = nn.ParameterList(start(*shape) for shape in zip(counts, widths, strict=True))
        self.wideners = nn.ParameterList(start(width, d, width**-0.5) for width in widths[1:])

    def rows(self, unique):
        found = unique.new_zeros((len(unique), self.embedding_dim), dtype=self.tables[0].dtype)
        for place, (table, end) in enumerate(zip(self.tables, self.ends, strict=True)):
            first = end - len(table)
            chosen = ((unique >= first) & (unique < end)).nonzero()[:, 0]
            part = nn.functional.embedding(unique[chosen] - first, table)
            found = found.index_copy(0, chosen, part if place == 0 else part @ self.wideners[place - 1])
        return found
