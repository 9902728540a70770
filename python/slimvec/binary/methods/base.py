"""What every estimator of binary codes shares: an encoder, codes, a table."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from slimvec.binary.builder import Encoding
from slimvec.binary.encoder import Encoder
from slimvec.binary.sources import as_source
from slimvec.binary.table import BinaryTable
from slimvec.estimator import Estimator
from slimvec.files.storage import open_table
from slimvec.files.writing import checked_target
from slimvec.progress import Progress, ignore

if TYPE_CHECKING:
    import os

    from numpy.typing import ArrayLike, NDArray

    from slimvec.binary.sources import Source
    from slimvec.vectors import VectorFile, Vectors


class BinaryEstimator(Estimator):
    """Base of methods whose codes are the signs of (x - mean)ᵀ projection. Subclasses have ``fit``, setting both."""

    mean_: NDArray[np.float32]
    projection_: NDArray[np.float32]

    def fit(self, X: ArrayLike | Vectors | VectorFile, y: None = None, *, progress: Progress = ignore) -> Self:
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
        self,
        vectors: Vectors | VectorFile | ArrayLike,
        *,
        factors: bool = False,
        output: str | os.PathLike[str] | None = None,
        progress: Progress = ignore,
    ) -> BinaryTable:
        """Fit on vectors and return them as a table of codes.

        Parameters
        ----------
        vectors : Vectors, VectorFile or array_like, shape (n, d)
            With words, the table answers by word; a bare matrix gives a table whose rows are numbers. A
            :class:`VectorFile`, which IIQ and ITQ take, is read block by block, twice, and gives the same table as
            its vectors do in memory.
        factors : bool
            Keep, beside each code, two float16 numbers (three, if the vectors are not of unit length): float queries
            then find many more of the true neighbours (:meth:`BinaryTable.search`), and rows can be turned back into
            vectors of the original space (``lookup(..., original=True)``).
        output : str or path, optional
            Write codes straight into this file, and return it opened. The file appears when it is complete: after an
            error or an interrupt an older one is as it was.
        progress : callable, optional
            ``progress(stage, done, total)``.

        Returns
        -------
        BinaryTable

        Raises
        ------
        TypeError, ValueError
            As from ``fit``.
        OSError
            If the output cannot be written, or a file of vectors changes between the two times it is read.
        """
        if output is not None:
            checked_target(output)  # better said now than after an hour
        source = as_source(vectors)
        self.fit(vectors, progress=progress)
        norm = self._norm(source) if factors else None
        encoding = Encoding(source, Encoder(self.mean_, self.projection_), norm, self._description(), progress)
        if output is None:
            return BinaryTable.from_parts(encoding.to_memory())
        encoding.to_file(output, BinaryTable.kind)
        table: BinaryTable = open_table(output)
        return table

    def _description(self) -> dict[str, Any]:
        """Return how the table was made, in JSON's types."""
        parameters = {name: _as_json(value) for name, value in self.get_params().items()}
        losses: Any = getattr(self, "quantization_loss_", ())
        loss = float(losses[-1]) if len(losses) else None
        return {"method": type(self).__name__, "parameters": parameters, "loss": loss}

    def _norm(self, source: Source) -> float:
        """Return the root mean square norm of the rows that were fitted."""
        energy = 0.0
        for block in source.blocks_of_rows():
            energy += float(np.linalg.norm(block.astype(np.float64))) ** 2
        return float(np.sqrt(energy / len(source)))


def _as_json(value: Any) -> float | str | None:
    """Return a parameter as a plain number or string, or None for what JSON cannot hold: a random generator."""
    if value is None or isinstance(value, np.random.Generator):
        return None
    return value if isinstance(value, bool | float | str) else operator.index(value)
