"""slimvec: embedding tables small enough to carry and fast enough to search, on a plain CPU."""

from slimvec._core import __version__
from slimvec.binary.codes import pack, unpack
from slimvec.binary.hamming import HammingIndex
from slimvec.binary.iiq import IIQ, ITQ
from slimvec.binary.nlb import NLB
from slimvec.binary.random_rotation import RandomRotation, SignBits
from slimvec.binary.table import BinaryTable
from slimvec.errors import FormatError
from slimvec.isa import active_isa, available_isas, use_isa
from slimvec.isotropy import Isotropy, isotropy
from slimvec.results import RangeResult, ScoreResult, SearchResult
from slimvec.sparse.ant import ANT
from slimvec.sparse.clustering import PostSH, VocabularyQuantization
from slimvec.sparse.compositional import CompositionalCodes
from slimvec.sparse.hashing import HashEmbedding
from slimvec.sparse.low_rank import LowRank
from slimvec.sparse.prune import Prune
from slimvec.sparse.selection import FrequencySelection, TfIdfSelection
from slimvec.sparse.sparse_code import PostSHKSVD, SparseCode
from slimvec.sparse.table import SparseTable
from slimvec.storage import open_table as open  # noqa: A004 - slimvec.open is meant to read like the built-in
from slimvec.vectors import Vectors, read_vectors

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
    "TfIdfSelection",
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
]
