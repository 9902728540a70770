"""The embedding layers that are compared on texts: each makes a layer, and what trains a model with it.

``METHODS[name](corpus, folder, budget, seed)`` returns the layer, and what makes an optimizer of a model and ``lr=``.
Baselines take as many parameters as the budget says.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch

import slimvec as sv
from benchmarks.ant import baselines, composed, corpora, variational
from slimvec.nn import AnchorEmbedding, AnchorMixture, ProximalAdam
from slimvec.sparse.training.anchors import kmeans_plus_plus, top_rows

D = 128
FIRST = corpora.UNKNOWN + 1  # the row of the most frequent word

# Chosen by accuracy on the validation texts, seed 0
LR, FACTORED_LR = {"newsgroups": 1e-2}, 1e-2  # others: 3e-3
ANT_LR, L1, ANCHORS = 3e-3, 3e-5, 20
MIXTURE_LR, MIXTURE_L1 = 0.1, 1e-6  # of T: entries have to grow far for a softmax to choose
START = 0.1  # of T, times the layer's own start
STRENGTH = {
    "group lasso": 1.0,
    "VVD": 0.03,
    "SparseVD": 0.1,
    "SparseVD-Voc": 0.05,
}  # / training texts, but for the first
HEADLINE, MIXTURE, CLUSTERED = "ANT, dynamic", "ANT, mixture of 10 + 10", "CCE"


def learning_rate(name: str, method: str) -> float:
    if method.startswith("ANT"):
        return ANT_LR
    return FACTORED_LR if method in ("low rank", "tensor train") else LR.get(name, 3e-3)


def anchor_layer(corpus, folder, budget, seed, *, choose=None, relate=None, k=ANCHORS):
    """Return ANT with dynamic anchors, or with those that ``choose`` returns, and the relations of ``relate``."""
    n, rows = len(corpus.words), None if choose is None else choose(corpus, folder, seed, k)
    pairs = None if relate is None else relate(corpus, folder, rows)
    layer = AnchorEmbedding(n, D, k, padding_idx=corpora.PADDING, anchor_rows=rows, relations=pairs)
    with torch.no_grad():
        layer.transform.weight.mul_(START)
    return layer, partial(ProximalAdam, l1=L1)


def budget_layer(corpus, folder, budget, seed, *, signed=False, k=None):
    """Return anchors for a :class:`slimvec.nn.ParameterBudget`, which needs no λ."""
    layer = AnchorEmbedding(
        len(corpus.words), D, k, n_parameters=budget, padding_idx=corpora.PADDING, nonnegative=not signed
    )
    with torch.no_grad():
        layer.transform.weight.mul_(START)
    return layer, ProximalAdam


def mixture_layer(corpus, folder, budget, seed, *, k):
    layer = AnchorMixture(len(corpus.words), D, k, padding_idx=corpora.PADDING)

    def optimizer(model, lr):
        made = ProximalAdam(model, lr=lr, l1=MIXTURE_L1)
        for group in made.param_groups[1:]:  # the first holds all but the transforms
            group["lr"] = MIXTURE_LR
        return made

    return layer, optimizer


def frequent(corpus, folder, seed, k):
    return np.arange(FIRST, FIRST + k)


def telling(corpus, folder, seed, k):
    return top_rows(np.where(np.arange(len(corpus.words)) < FIRST, 0, corpus.tf_idf), k)


def spread(corpus, folder, seed, k):
    """Return words that span the space of GloVe vectors."""
    vectors = sv.read_vectors(folder / "vectors" / "glove-enwiki")
    known = [row for row, word in enumerate(corpus.words) if row >= FIRST and word in vectors]
    space = np.stack([vectors[corpus.words[row]] for row in known]).astype(np.float32)
    space /= np.linalg.norm(space, axis=1, keepdims=True)
    return np.array(known)[kmeans_plus_plus(space, k, np.random.default_rng(seed))]


def by_wordnet(corpus, folder, rows):
    return corpora.wordnet_pairs(folder, corpus.words)


def by_cooccurrence(corpus, folder, rows):
    return corpora.cooccurring_pairs(corpus.train[0], rows, len(corpus.words))


def learnt(kind, name):
    """Return a baseline that learns what to keep, with the strength of its penalty."""

    def make(corpus, folder, budget, seed):
        share = 1 if kind is baselines.GroupLasso else 1 / len(corpus.train[0])
        layer = kind(len(corpus.words), D, STRENGTH[name] * share, padding_idx=corpora.PADDING)
        return layer, layer.optimizer

    return make


def sized(make):
    """Return a baseline whose size is chosen: ``make(corpus, n, budget)`` says class and arguments."""

    def made(corpus, folder, budget, seed):
        kind, *arguments = make(corpus, len(corpus.words), budget)
        layer = kind(len(corpus.words), D, *arguments, padding_idx=corpora.PADDING)
        return layer, layer.optimizer

    return made


ANT = {
    HEADLINE: anchor_layer,
    "ANT, frequency": partial(anchor_layer, choose=frequent),
    "ANT, k-means++": partial(anchor_layer, choose=spread),
    "ANT, frequency + WordNet": partial(anchor_layer, choose=frequent, relate=by_wordnet),
    "ANT, frequency + co-occurrence": partial(anchor_layer, choose=frequent, relate=by_cooccurrence),
    "ANT, k-means++ + WordNet": partial(anchor_layer, choose=spread, relate=by_wordnet),
    "ANT, k-means++ + co-occurrence": partial(anchor_layer, choose=spread, relate=by_cooccurrence),
    MIXTURE: partial(mixture_layer, k=[10, 10]),
}
BASELINES = {
    "frequency": sized(lambda c, n, p: (baselines.Selected, frequent(c, None, 0, p // D - 1))),
    "TF-IDF": sized(lambda c, n, p: (baselines.Selected, telling(c, None, 0, p // D - 1))),
    "group lasso": learnt(baselines.GroupLasso, "group lasso"),
    "VVD": learnt(variational.VVD, "VVD"),
    "SparseVD": learnt(variational.SparseVD, "SparseVD"),
    "SparseVD-Voc": learnt(variational.SparseVDVoc, "SparseVD-Voc"),
    "low rank": sized(lambda c, n, p: (baselines.LowRank, baselines.LowRank.rank_for(n, D, p))),
    "tensor train": sized(lambda c, n, p: (baselines.TensorTrain, baselines.TensorTrain.rank_for(n, D, p))),
    "frequency, others hashed": sized(lambda c, n, p: (baselines.HashBuckets, p // D // 2, p // D // 2)),
    "hash embeddings": sized(lambda c, n, p: (baselines.HashEmbedding, *baselines.HashEmbedding.sizes_for(n, D, p))),
}
WITHIN = {
    "ANT within the budget": budget_layer,
    "ANT within the budget, both signs": partial(budget_layer, signed=True),
}
COMPOSED = {
    "quotient and remainder": sized(
        lambda c, n, p: (composed.QuotientRemainder, composed.QuotientRemainder.remainders_for(n, D, p))
    ),
    "ROBE": sized(lambda c, n, p: (composed.OneArray, p)),
    "mixed dimensions": sized(lambda c, n, p: (composed.MixedDimensions, p)),
    CLUSTERED: sized(lambda c, n, p: (composed.Clustered, p // D // 2)),
}
DENSE = {"dense": sized(lambda c, n, p: (baselines.Dense,))}
METHODS = DENSE | ANT | BASELINES
