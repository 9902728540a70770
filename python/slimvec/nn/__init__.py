"""Embedding layers for torch that learn anchors and a sparse transform with the task (ANT, Liang et al., ICLR 2021).

Needs torch: ``pip install 'slimvec[torch]'``. What is learnt leaves as a :class:`slimvec.SparseTable`, which does not.
"""

from slimvec.errors import needs

with needs("torch", "torch"):
    import torch as _torch  # noqa: F401 - so that the message below comes before any other

from slimvec.nn.adagrad import ProximalAdagrad
from slimvec.nn.adam import ProximalAdam, ProximalYogi
from slimvec.nn.anchor_mixture import AnchorMixture
from slimvec.nn.bag import AnchorEmbeddingBag
from slimvec.nn.embedding import AnchorEmbedding
from slimvec.nn.growth import AnchorGrowth, resize_anchors
from slimvec.nn.kept_entries import KeptEntries
from slimvec.nn.pair import pair_from_pretrained
from slimvec.nn.parameter_budget import ParameterBudget
from slimvec.nn.replace import replace_embedding
from slimvec.nn.sgd import ProximalSGD
from slimvec.nn.tied_output import TiedOutput

__all__ = [
    "AnchorEmbedding",
    "AnchorEmbeddingBag",
    "AnchorGrowth",
    "AnchorMixture",
    "KeptEntries",
    "ParameterBudget",
    "ProximalAdagrad",
    "ProximalAdam",
    "ProximalSGD",
    "ProximalYogi",
    "TiedOutput",
    "pair_from_pretrained",
    "replace_embedding",
    "resize_anchors",
]
