"""Reading and writing embedding files, and holding what was read."""

from slimvec.vectors.reading import read_vectors
from slimvec.vectors.saving import write_vectors
from slimvec.vectors.vector_file import VectorFile
from slimvec.vectors.vectors import Vectors

__all__ = ["VectorFile", "Vectors", "read_vectors", "write_vectors"]
