"""Embedding layers whose rows are composed of shared parts, or are as wide as they are frequent. See baselines.py."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from benchmarks.ant.baselines import SPREAD, Baseline, hashes, start
from slimvec.blas import nearest
from slimvec.centroids import means_of
from slimvec.sparse.training.anchors import kmeans_plus_plus

PIECE = 16  # numbers that lie together in an array of ROBE
BLOCKS, LAST = 4, 0.7  # of CCE, as in the authors' example: blocks of columns, share of the training with clustering
ROUNDS = 25  # of k-means


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


class Clustered(Baseline):
    """CCE, clustered compositional embeddings (Tsang & Ahle, NeurIPS 2023).

    Each block c of a row is M_c[h_c(w)] + M'_c[h'_c(w)], with k rows in both. All h and h' hash at first. After every
    epoch of the first seven tenths of a training, k-means of the words' blocks gives M_c and h_c anew; h'_c is drawn
    anew, and a row of M'_c becomes the mean of what its words' blocks differ from their centroids by. So does the
    authors' code (github.com/thomasahle/cce); k-means takes 25 rounds here, at most 100 there.

    Parameters are the numbers in M and M', as the authors and all of these layers count. An h' is computed from a seed,
    but an h that was learnt has to be stored: ``bits_for`` each word, 36 where k is 257 to 512, which are not counted.
    """

    def __init__(self, n, d, k, padding_idx=None):
        super().__init__(n, d, padding_idx)
        self.k, self.n_drawn = k, 0
        self.centroids, self.others = (start(BLOCKS * k, d // BLOCKS, SPREAD * 0.5**0.5) for _ in range(2))
        self.register_buffer("assigned", self._drawn())
        self.register_buffer("hashed", self._drawn())

    def _drawn(self):
        """Return a row of every block for each word, by hash functions that were not used before."""
        self.n_drawn += BLOCKS
        seeds = range(self.n_drawn - BLOCKS, self.n_drawn)
        drawn = [block * self.k + hashes(self.num_embeddings, self.k, seed) for block, seed in enumerate(seeds)]
        return torch.stack(drawn, 1)

    @staticmethod
    def bits_for(n_parameters, d):
        """Return the bits of what is learnt of a word in integers, a centroid for each block."""
        return BLOCKS * (n_parameters // d // 2 - 1).bit_length()

    def rows(self, unique):
        centroids = nn.functional.embedding(self.assigned[unique], self.centroids)
        return (centroids + nn.functional.embedding(self.hashed[unique], self.others)).flatten(1)

    @torch.no_grad()
    def after_epoch(self, share):
        if share > LAST:
            return
        words = torch.arange(self.num_embeddings, device=self.hashed.device)
        blocks = self.rows(words).cpu().numpy().reshape(len(words), BLOCKS, -1)
        self.hashed.copy_(self._drawn())
        for place in range(BLOCKS):
            block = np.ascontiguousarray(blocks[:, place])
            found, chosen = clusters(block, self.k, np.random.default_rng(self.n_drawn + place))
            own, rest, chosen = (torch.from_numpy(array) for array in (found, block - found[chosen], chosen))
            hashed, part = self.hashed[:, place].cpu() - place * self.k, slice(place * self.k, (place + 1) * self.k)
            self.assigned[:, place] = place * self.k + chosen
            self.centroids[part] = own
            sums = torch.zeros_like(own).index_add_(0, hashed, rest)
            self.others[part] = sums / torch.bincount(hashed, minlength=self.k).clamp_min(1)[:, None]


def clusters(rows, k, generator):
    """Return centroids, and which of them is nearest to each row: k-means++, then rounds of Lloyd's."""
    centroids = rows[kmeans_plus_plus(rows, k, generator)]
    for _ in range(ROUNDS):
        means, known = means_of(rows, nearest(rows, centroids), k)
        centroids[known] = means
    return centroids, nearest(rows, centroids).astype(np.int64)
