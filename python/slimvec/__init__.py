"""slimvec: embedding tables small enough to carry and fast enough to search, on a plain CPU."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from slimvec._core import __version__
from slimvec.binary.codes import pack, unpack
from slimvec.binary.hamming import HammingIndex
from slimvec.binary.iiq import IIQ, ITQ
from slimvec.binary.table import BinaryTable
from slimvec.errors import FormatError
from slimvec.isa import active_isa, available_isas, use_isa
from slimvec.isotropy import Isotropy, isotropy
from slimvec.results import RangeResult, ScoreResult, SearchResult
from slimvec.sparse.table import SparseTable
from slimvec.storage import open_table as open  # noqa: A004 - slimvec.open is meant to read like the built-in
from slimvec.vectors import VectorFile, Vectors, read_vectors, write_vectors

if TYPE_CHECKING:
    from slimvec.binary.nlb import NLB
    from slimvec.binary.random_rotation import RandomRotation, SignBits
    from slimvec.sparse.ant import ANT
    from slimvec.sparse.clustering import PostSH, VocabularyQuantization
    from slimvec.sparse.compositional import CompositionalCodes
    from slimvec.sparse.hashing import HashEmbedding
    from slimvec.sparse.low_rank import LowRank
    from slimvec.sparse.prune import Prune
    from slimvec.sparse.selection import FrequencySelection, TfIdfSelection
    from slimvec.sparse.sparse_code import PostSHKSVD, SparseCode
    from slimvec.sparse.text_classifier import TextClassifier

__all__ = [
    "ANT",
    "IIQ",
    "ITQ",
    "NLB",
    "BinaryTable",
    "CompositionalCodes",
    "FormatError",
    "FrequencySelection",
    "HammingIndex",
    "HashEmbedding",
    "Isotropy",
    "LowRank",
    "PostSH",
    "PostSHKSVD",
    "Prune",
    "RandomRotation",
    "RangeResult",
    "ScoreResult",
    "SearchResult",
    "SignBits",
    "SparseCode",
    "SparseTable",
    "TextClassifier",
    "TfIdfSelection",
    "VectorFile",
    "Vectors",
    "VocabularyQuantization",
    "__version__",
    "active_isa",
    "available_isas",
    "isotropy",
    "open",
    "pack",
    "read_vectors",
    "unpack",
    "use_isa",
    "write_vectors",
]

# Learners load when they are first named: a program that only uses a table does not wait for them.
_LEARNERS = {
    "ANT": "slimvec.sparse.ant",
    "CompositionalCodes": "slimvec.sparse.compositional",
    "FrequencySelection": "slimvec.sparse.selection",
    "HashEmbedding": "slimvec.sparse.hashing",
    "LowRank": "slimvec.sparse.low_rank",
    "NLB": "slimvec.binary.nlb",
    "PostSH": "slimvec.sparse.clustering",
    "PostSHKSVD": "slimvec.sparse.sparse_code",
    "Prune": "slimvec.sparse.prune",
    "RandomRotation": "slimvec.binary.random_rotation",
    "SignBits": "slimvec.binary.random_rotation",
    "SparseCode": "slimvec.sparse.sparse_code",
    "TextClassifier": "slimvec.sparse.text_classifier",
    "TfIdfSelection": "slimvec.sparse.selection",
    "VocabularyQuantization": "slimvec.sparse.clustering",
}


def __getattr__(name: str) -> Any:
    if name not in _LEARNERS:
        raise AttributeError(f"module 'slimvec' has no attribute {name!r}")
    learner = getattr(import_module(_LEARNERS[name]), name)
    globals()[name] = learner
    return learner


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
