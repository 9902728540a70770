"""Reading embedding files, and holding what was read."""

from slimvec.vectors.reading import read_vectors
from slimvec.vectors.vectors import Vectors

__all__ = ["Vectors", "read_vectors"]
