"""Reading and writing embedding files, and holding what was read."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slimvec.vectors.fasttext_model import FastText
    from slimvec.vectors.reading import read_vectors
    from slimvec.vectors.saving import write_vectors
    from slimvec.vectors.vector_file import VectorFile
    from slimvec.vectors.vectors import Vectors

__all__ = ["FastText", "VectorFile", "Vectors", "read_vectors", "write_vectors"]

# Tables know of rows, not of files of vectors: those load when they are first named.
_LATER = {
    "FastText": "fasttext_model",
    "VectorFile": "vector_file",
    "Vectors": "vectors",
    "read_vectors": "reading",
    "write_vectors": "saving",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'slimvec.vectors' has no attribute {name!r}")
    value = getattr(import_module(f"slimvec.vectors.{_LATER[name]}"), name)
    globals()[name] = value
    return value
