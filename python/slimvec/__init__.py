"""slimvec: embedding tables small enough to carry and fast enough to search, on a plain CPU."""

from slimvec._core import __version__
from slimvec.binary.codes import pack, unpack
from slimvec.binary.hamming import HammingIndex, RangeResult, SearchResult
from slimvec.binary.iiq import IIQ, ITQ
from slimvec.binary.table import BinaryTable
from slimvec.errors import FormatError
from slimvec.isa import active_isa, available_isas, use_isa
from slimvec.isotropy import Isotropy, isotropy
from slimvec.sparse.rows import ScoreResult
from slimvec.sparse.table import SparseTable
from slimvec.storage import open_table as open  # noqa: A004 - slimvec.open is meant to read like the built-in
from slimvec.vectors import Vectors, read_vectors

__all__ = [
    "IIQ",
    "ITQ",
    "BinaryTable",
    "FormatError",
    "HammingIndex",
    "Isotropy",
    "RangeResult",
    "ScoreResult",
    "SearchResult",
    "SparseTable",
    "Vectors",
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
