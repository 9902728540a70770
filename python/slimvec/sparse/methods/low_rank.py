"""Low-rank factorisation, E ≈ U V."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.blas import gram, product
from slimvec.sparse.methods.base import CodingEstimator
from slimvec.sparse.solvers.atoms import blocks_for, float32_blocks
from slimvec.sparse.solvers.running import sparse
from slimvec.validation import as_integer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slimvec.progress import Progress
    from slimvec.vectors.rows import MatrixRows


@dataclass(eq=False, repr=False)
class LowRank(CodingEstimator):
    """The best approximation of a given rank, by singular value decomposition: ANT with r anchors and a dense T.

    Parameters
    ----------
    rank : int
        r.

    Attributes
    ----------
    anchors_ : ndarray, shape (r, d), float32
        V: the first right singular vectors of X (not centred), as rows.
    transform_ : scipy.sparse.csr_array, shape (n, r), float32
        U = X Vᵀ, all entries stored.

    Raises
    ------
    ValueError
        From ``fit``: a rank above the dimension, an empty matrix, NaN.

    Notes
    -----
    r (n + d) parameters: T is dense, and a table stores a column number with each value all the same, which a dense
    matrix would not need.

    References
    ----------
    .. [1] P. P. Liang et al., "Anchor & Transform", 2020, appendix D.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.outer([1.0, 2.0, 3.0], [1.0, -1.0])
    >>> low = LowRank(rank=1).fit(X)
    >>> bool(np.allclose(low.transform_ @ low.anchors_, X, atol=1e-6))
    True
    """

    rank: int = 20

    def _fit(self, X: MatrixRows, progress: Progress) -> None:
        rows = X.matrix
        d = rows.shape[1]
        rank = as_integer(self.rank, "rank", 1, d, why=f": the vectors have {d} dimensions")
        squares = np.zeros((d, d))
        for first, block in float32_blocks(rows):
            squares += gram(block.astype(np.float64))
            progress("finding directions", first + len(block), len(rows))
        directions = np.linalg.eigh(squares)[1][:, ::-1][:, :rank].T
        largest = directions[np.arange(rank), np.abs(directions).argmax(axis=1)]
        self.anchors_ = (directions * np.sign(largest)[:, None]).astype(np.float32)  # LAPACK leaves the signs open
        self.transform_ = self._code(rows, progress)

    def _code(self, rows: NDArray[Any], progress: Progress) -> Any:  # noqa: ARG002 - one product
        n, rank = len(rows), len(self.anchors_)
        values = np.empty((n, rank), np.float32)
        for first, block in blocks_for(self.anchors_, rows):
            values[first : first + len(block)] = product(block, self.anchors_.T)
        columns = np.tile(np.arange(rank, dtype=np.int32), n)
        return sparse().csr_array((values.ravel(), columns, np.arange(n + 1) * rank), shape=(n, rank))
