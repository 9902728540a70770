"""slimvec: embedding tables small enough to carry and fast enough to search, on a plain CPU."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from slimvec._core import __version__
from slimvec.binary.codes import pack, unpack
from slimvec.binary.hamming import HammingIndex
from slimvec.binary.methods.iiq import IIQ, ITQ
from slimvec.binary.table import BinaryTable
from slimvec.errors import FormatError
from slimvec.evaluate.isotropy import Isotropy, isotropy
from slimvec.files.table_file import open_table as open  # noqa: A004 - slimvec.open is meant to read like the built-in
from slimvec.isa import active_isa, available_isas, use_isa
from slimvec.results import RangeResult, ScoreResult, SearchResult
from slimvec.sparse.table import SparseTable
from slimvec.vectors import VectorFile, Vectors, read_vectors, write_vectors

if TYPE_CHECKING:
    from slimvec.binary.methods.nlb import NLB
    from slimvec.binary.methods.random_rotation import RandomRotation, SignBits
    from slimvec.sparse.methods.ant import ANT
    from slimvec.sparse.methods.clustering import PostSH, VocabularyQuantization
    from slimvec.sparse.methods.compositional import CompositionalCodes
    from slimvec.sparse.methods.hashing import HashEmbedding
    from slimvec.sparse.methods.low_rank import LowRank
    from slimvec.sparse.methods.prune import Prune
    from slimvec.sparse.methods.selection import FrequencySelection, TfIdfSelection
    from slimvec.sparse.methods.sparse_code import PostSHKSVD, SparseCode
    from slimvec.sparse.text.classifier import TextClassifier

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
    "ANT": "slimvec.sparse.methods.ant",
    "CompositionalCodes": "slimvec.sparse.methods.compositional",
    "FrequencySelection": "slimvec.sparse.methods.selection",
    "HashEmbedding": "slimvec.sparse.methods.hashing",
    "LowRank": "slimvec.sparse.methods.low_rank",
    "NLB": "slimvec.binary.methods.nlb",
    "PostSH": "slimvec.sparse.methods.clustering",
    "PostSHKSVD": "slimvec.sparse.methods.sparse_code",
    "Prune": "slimvec.sparse.methods.prune",
    "RandomRotation": "slimvec.binary.methods.random_rotation",
    "SignBits": "slimvec.binary.methods.random_rotation",
    "SparseCode": "slimvec.sparse.methods.sparse_code",
    "TextClassifier": "slimvec.sparse.text.classifier",
    "TfIdfSelection": "slimvec.sparse.methods.selection",
    "VocabularyQuantization": "slimvec.sparse.methods.clustering",
}


def __getattr__(name: str) -> Any:
    if name not in _LEARNERS:
        raise AttributeError(f"module 'slimvec' has no attribute {name!r}")
    learner = getattr(import_module(_LEARNERS[name]), name)
    globals()[name] = learner
    return learner


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
