"""slimvec: embedding tables small enough to carry and fast enough to search, on a plain CPU."""

import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

from slimvec._core import __version__
from slimvec.binary.codes import pack, unpack
from slimvec.binary.hamming import HammingIndex
from slimvec.binary.table import BinaryTable
from slimvec.errors import FormatError
from slimvec.files.table_file import open_table as open  # noqa: A004 - slimvec.open is meant to read like the built-in
from slimvec.isa import active_isa, available_isas, use_isa
from slimvec.results import RangeResult, ScoreRangeResult, ScoreResult, SearchResult
from slimvec.shards import MANIFEST as _MANIFEST  # noqa: F401 - folders are opened, too
from slimvec.sparse.table import SparseTable
from slimvec.static.text_encoder import TextEncoder

if TYPE_CHECKING:
    from slimvec import baselines
    from slimvec.binary.methods.iiq import IIQ, ITQ
    from slimvec.binary.methods.transform_coding import TransformCoding
    from slimvec.bulk.bulk_search import search_to_file
    from slimvec.evaluate.isotropy import Isotropy, isotropy
    from slimvec.index.drift import Drift
    from slimvec.index.hits import Hits
    from slimvec.index.index import Index
    from slimvec.recommending.recommend import recommend
    from slimvec.recommending.recommendation import Recommendation
    from slimvec.shards.sharded_table import ShardedTable
    from slimvec.sparse.methods.ant import ANT
    from slimvec.sparse.text.classifier import TextClassifier
    from slimvec.sparse.text.tagger import TextTagger
    from slimvec.static.compress_model import compress_model
    from slimvec.vectors import FastText, VectorFile, Vectors, read_vectors, write_vectors

__all__ = [
    "ANT",
    "IIQ",
    "ITQ",
    "BinaryTable",
    "Drift",
    "FastText",
    "FormatError",
    "HammingIndex",
    "Hits",
    "Index",
    "Isotropy",
    "RangeResult",
    "Recommendation",
    "ScoreRangeResult",
    "ScoreResult",
    "SearchResult",
    "ShardedTable",
    "SparseTable",
    "TextClassifier",
    "TextEncoder",
    "TextTagger",
    "TransformCoding",
    "VectorFile",
    "Vectors",
    "__version__",
    "active_isa",
    "available_isas",
    "baselines",
    "compress_model",
    "isotropy",
    "open",
    "pack",
    "read_vectors",
    "recommend",
    "search_to_file",
    "unpack",
    "use_isa",
    "write_vectors",
]

# These load when they are first named: a program that only uses a table does not wait for them.
_LATER = {
    "ANT": "slimvec.sparse.methods.ant",
    "Drift": "slimvec.index.drift",
    "IIQ": "slimvec.binary.methods.iiq",
    "FastText": "slimvec.vectors",
    "Hits": "slimvec.index.hits",
    "ITQ": "slimvec.binary.methods.iiq",
    "Index": "slimvec.index.index",
    "Isotropy": "slimvec.evaluate.isotropy",
    "Recommendation": "slimvec.recommending.recommendation",
    "ShardedTable": "slimvec.shards.sharded_table",
    "TextClassifier": "slimvec.sparse.text.classifier",
    "TextTagger": "slimvec.sparse.text.tagger",
    "TransformCoding": "slimvec.binary.methods.transform_coding",
    "VectorFile": "slimvec.vectors",
    "Vectors": "slimvec.vectors",
    "compress_model": "slimvec.static.compress_model",
    "isotropy": "slimvec.evaluate.isotropy",
    "read_vectors": "slimvec.vectors",
    "recommend": "slimvec.recommending.recommend",
    "search_to_file": "slimvec.bulk.bulk_search",
    "write_vectors": "slimvec.vectors",
}


def __getattr__(name: str) -> Any:
    if name == "baselines":
        return import_module("slimvec.baselines")
    if name not in _LATER:
        if not name[:1].isupper() or name not in (moved := import_module("slimvec.baselines")).__all__:
            raise AttributeError(f"module 'slimvec' has no attribute {name!r}")
        # Here until the next minor release: where 0.1 had them.
        warnings.warn(f"slimvec.{name} has moved to slimvec.baselines.{name}", FutureWarning, stacklevel=2)
        return getattr(moved, name)
    value = getattr(import_module(_LATER[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
