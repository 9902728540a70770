"""Where an estimator's rows come from: an array, in memory or mapped, or a file read block by block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slimvec.blocks import row_blocks
from slimvec.validation import as_matrix
from slimvec.vectors.vector_file import VectorFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

    from slimvec.vectors import Vectors
    from slimvec.vocabulary import Vocabulary


@dataclass(frozen=True, eq=False)
class MatrixSource:
    """Rows of an array."""

    rows: NDArray[Any]
    vocabulary: Vocabulary | None

    def __len__(self) -> int:
        return len(self.rows)

    def blocks_of_rows(self) -> Iterator[NDArray[Any]]:
        """Yield the rows in blocks of ``blocks.BLOCK_ROWS``."""
        for _, block in row_blocks(self.rows):
            yield block


Source = MatrixSource | VectorFile


def as_source(vectors: Vectors | VectorFile | ArrayLike) -> Source:
    """Return the rows of whatever ``compress`` was given."""
    if isinstance(vectors, VectorFile):
        return vectors
    return MatrixSource(as_matrix(vectors, "vectors"), getattr(vectors, "vocabulary", None))
