"""What every estimator of binary codes shares: an encoder, codes, a table."""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from slimvec.binary.codes import BlockedCodes, pack
from slimvec.binary.encoder import Encoder
from slimvec.binary.factors import FactorsBuilder
from slimvec.binary.parts import TableParts
from slimvec.binary.table import BinaryTable
from slimvec.blocks import row_blocks
from slimvec.estimator import Estimator
from slimvec.progress import Progress, ignore
from slimvec.validation import as_matrix

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from slimvec.vectors import Vectors


class BinaryEstimator(Estimator):
    """Base of methods whose codes are the signs of (x - mean)ᵀ projection. Subclasses have ``fit``, setting both."""

    mean_: NDArray[np.float32]
    projection_: NDArray[np.float32]

    def fit(self, X: ArrayLike | Vectors, y: None = None, *, progress: Progress = ignore) -> Self:
        """Learn mean and projection; each subclass has its own."""
        raise NotImplementedError

    def transform(self, X: ArrayLike | Vectors) -> NDArray[np.uint8]:
        """Encode vectors.

        Parameters
        ----------
        X : array_like, shape (n, d), or Vectors

        Returns
        -------
        ndarray, shape (n, ceil(n_bits / 8)), uint8
            Packed codes: bit j is ``(x - mean_) @ projection_[:, j] >= 0``, least significant bit first.

        Raises
        ------
        ValueError
            If not fitted, of the wrong width, or not finite.
        """
        self._require_fitted("projection_")
        return Encoder(self.mean_, self.projection_).encode(X, "X")

    def fit_transform(self, X: ArrayLike | Vectors, y: None = None) -> NDArray[np.uint8]:
        """Fit and encode the same vectors.

        Parameters
        ----------
        X : array_like, shape (n, d), or Vectors
        y : None
            Ignored.

        Returns
        -------
        ndarray, shape (n, ceil(n_bits / 8)), uint8
            As :meth:`transform` gives them.
        """
        return self.fit(X, y).transform(X)

    def compress(
        self, vectors: Vectors | ArrayLike, *, factors: bool = False, progress: Progress = ignore
    ) -> BinaryTable:
        """Fit on vectors and return them as a table of codes.

        Parameters
        ----------
        vectors : Vectors or array_like, shape (n, d)
            With words, the table answers by word; a bare matrix gives a table whose rows are numbers.
        factors : bool
            Keep, beside each code, two float16 numbers (three, if the vectors are not of unit length): float queries
            then find many more of the true neighbours (:meth:`BinaryTable.search`), and rows can be turned back into
            vectors of the original space (``lookup(..., original=True)``).
        progress : callable, optional
            ``progress(stage, done, total)``.

        Returns
        -------
        BinaryTable
        """
        self.fit(vectors, progress=progress)
        rows = as_matrix(vectors, "vectors")
        encoder = Encoder(self.mean_, self.projection_)
        codes = BlockedCodes.empty(len(rows), self.projection_.shape[1])
        builder = FactorsBuilder(len(rows), self.mean_, self._norm(rows)) if factors else None
        for first, block in row_blocks(rows):
            projected = encoder.project_finite(block, "vectors", first)
            codes.write(first, pack(projected))
            if builder is not None:
                builder.update(first, block, projected)
            progress("encoding", first + len(block), len(rows))
        words = getattr(vectors, "vocabulary", None)
        made = None if builder is None else builder.finish()
        return BinaryTable.from_parts(TableParts(codes, words, encoder, made, self._description()))

    def _description(self) -> dict[str, Any]:
        """Return how the table was made, in JSON's types."""
        parameters = {name: _as_json(value) for name, value in self.get_params().items()}
        losses: Any = getattr(self, "quantization_loss_", ())
        loss = float(losses[-1]) if len(losses) else None
        return {"method": type(self).__name__, "parameters": parameters, "loss": loss}

    def _norm(self, rows: NDArray[Any]) -> float:
        """Return the root mean square norm of the rows that were fitted."""
        energy = 0.0
        for _, block in row_blocks(rows):
            flat = block.astype(np.float64).ravel()
            energy += float(flat @ flat)
        return math.sqrt(energy / len(rows))


def _as_json(value: Any) -> float | str | None:
    """Return a parameter as a plain number or string, or None for what JSON cannot hold: a random generator."""
    if value is None or isinstance(value, np.random.Generator):
        return None
    return value if isinstance(value, bool | float | str) else operator.index(value)
