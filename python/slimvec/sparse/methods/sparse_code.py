"""Baselines that are ANT with some choices made: Sparse Code, and Post-SH with k-SVD."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.sparse.methods.ant import ANT
from slimvec.sparse.methods.base import CodingEstimator, CountingEstimator
from slimvec.sparse.methods.selection import FrequencySelection
from slimvec.sparse.solvers.atoms import as_float32
from slimvec.sparse.solvers.lasso import as_penalty, lasso
from slimvec.sparse.training.relations import with_rows

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from slimvec.progress import Progress
    from slimvec.vectors.rows import MatrixRows


@dataclass(eq=False, repr=False)
class SparseCode(CountingEstimator, CodingEstimator):
    """Rare words as sparse combinations of frequent ones (Chen et al. 2016): ANT with frequent rows as fixed anchors.

    Parameters
    ----------
    n_anchors : int
        How many frequent words make the dictionary; they keep their vectors, T_{a,a} = 1.
    l1 : float
        α of min ‖x - tB‖² + α‖t‖₁ + β (1 - Σ t)², T ≥ 0, for the other words.
    sum_to_one : float
        β: how much the values of a row should sum to 1.

    Attributes
    ----------
    anchors_ : ndarray, shape (n_anchors, d), float32
    transform_ : scipy.sparse.csr_array, shape (n, n_anchors), float32
    anchor_rows_ : ndarray, shape (n_anchors,), int64

    Raises
    ------
    ValueError
        From ``fit``: more anchors than rows, negative α or β, an empty matrix, NaN.

    Notes
    -----
    The penalty on the sum is one more column, √β, of X and of the anchors. Chen et al. also penalise negative values;
    here there are none.

    References
    ----------
    .. [1] Y. Chen, L. Mou, Y. Xu, G. Li, Z. Jin, "Compressing Neural Language Models by Sparse Word Representations",
       ACL 2016.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
    >>> SparseCode(n_anchors=2, l1=0.01).fit_transform(X).toarray().round(2).tolist()
    [[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]]
    """

    n_anchors: int = 1000
    l1: float = 0.1
    _: KW_ONLY
    sum_to_one: float = 1.0

    def _fit(self, rows: MatrixRows, progress: Progress, *, counts: ArrayLike | None = None) -> None:
        selection = FrequencySelection(self.n_anchors).fit(rows, counts=counts)
        chosen: Any = selection.anchor_rows_
        self.anchors_, self.anchor_rows_ = selection.anchors_, chosen
        coded = self._code(rows.matrix, progress)
        self.transform_ = with_rows(coded, chosen, selection.transform_[chosen])

    def _code(self, rows: NDArray[Any], progress: Progress) -> Any:
        column = as_penalty(self.sum_to_one, "sum_to_one") ** 0.5
        half = as_penalty(self.l1) / 2  # theirs has no ½ before the square
        return lasso(_with_column(rows, column), _with_column(self.anchors_, column), half, nonnegative=True,
                     progress=progress)  # fmt: skip


def _with_column(rows: NDArray[Any], value: float) -> NDArray[np.float32]:
    return np.column_stack([as_float32(rows), np.full(len(rows), value, np.float32)])


class PostSHKSVD(ANT):
    """Orthogonal matching pursuit on a dictionary learnt by k-SVD: ANT without signs, domain knowledge or penalty.

    Parameters
    ----------
    n_anchors : int
        Atoms of the dictionary.
    nonzeros : int
        Non-zeros per row.
    n_rounds : int
        Rounds of approximate k-SVD.
    max_train_rows, random_state
        See :class:`ANT`.

    Notes
    -----
    The dictionary starts at rows chosen by k-means++. Attributes are those of :class:`ANT`.

    References
    ----------
    .. [1] M. Aharon, M. Elad, A. Bruckstein, "K-SVD: An Algorithm for Designing Overcomplete Dictionaries for Sparse
       Representation", 2006.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).standard_normal((200, 8))
    >>> PostSHKSVD(n_anchors=20, nonzeros=3, n_rounds=2).fit(X).transform_.nnz
    600
    """

    def __init__(
        self,
        n_anchors: int = 1000,
        nonzeros: int = 10,
        *,
        n_rounds: int = 10,
        max_train_rows: int | None = 20_000,
        random_state: int | np.random.Generator | np.random.RandomState | None = 0,
    ) -> None:
        super().__init__(
            n_anchors, nonzeros, nonnegative=False, update="ksvd", n_rounds=n_rounds,
            max_train_rows=max_train_rows, random_state=random_state,
        )  # fmt: skip
