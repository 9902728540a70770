"""Methods to compare with: what the papers were measured against, as estimators that make the same tables.

Of codes: near-lossless binarization, random rotations, signs. Of anchors, E = T A with some choices made (ANT paper,
appendix D): selections of rows, pruning, low rank, sparse coding, clustering, hashing, compositional codes.

Examples
--------
>>> import slimvec as sv
>>> sv.baselines.SignBits().compress([[0.5, -1.0, 2.0]]).lookup([0])
array([[ 1., -1.,  1.]], dtype=float32)
"""

from slimvec.binary.methods.nlb import NLB
from slimvec.binary.methods.random_rotation import RandomRotation, SignBits
from slimvec.sparse.methods.clustering import PostSH, VocabularyQuantization
from slimvec.sparse.methods.compositional import CompositionalCodes
from slimvec.sparse.methods.hashing import HashEmbedding
from slimvec.sparse.methods.low_rank import LowRank
from slimvec.sparse.methods.prune import Prune
from slimvec.sparse.methods.selection import FrequencySelection, TfIdfSelection
from slimvec.sparse.methods.sparse_code import PostSHKSVD, SparseCode

__all__ = [
    "NLB",
    "CompositionalCodes",
    "FrequencySelection",
    "HashEmbedding",
    "LowRank",
    "PostSH",
    "PostSHKSVD",
    "Prune",
    "RandomRotation",
    "SignBits",
    "SparseCode",
    "TfIdfSelection",
    "VocabularyQuantization",
]
