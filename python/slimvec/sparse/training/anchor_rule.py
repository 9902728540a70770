"""How many anchors? They come and go while a model is trained (NBANT, the later version of the ANT paper)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.sparse.training.anchors import kmeans_plus_plus

if TYPE_CHECKING:
    from numpy.typing import NDArray


LOOKED_BACK = 3  # scores
STEP = 2  # anchors at a time
FEWEST = 2  # with T ≥ 0, one anchor alone leads from all words to one side
MOST = 100  # anchors, as in the authors' code


class AnchorRule:
    """NBANT's rule: the number of anchors K rises while the objective falls, and falls while it rises [1]_.

    The objective is loss + λ₂ nnz(T) + (λ₁ - λ₂) K, the loss on data that is not trained on.

    Parameters
    ----------
    nonzero_cost : float
        λ₂.
    anchor_cost : float
        λ₁.
    most : int
        K is never more; the authors' code has 100.

    Attributes
    ----------
    scores : list of float
        The objective each time that it was asked for.
    counts : list of int
        K at those times.

    References
    ----------
    .. [1] P. P. Liang, M. Zaheer, Y. Wang, A. Ahmed, "Anchor & Transform: Learning Sparse Embeddings for Large
       Vocabularies", ICLR 2021.

    Examples
    --------
    >>> rule = AnchorRule(nonzero_cost=0.001, anchor_cost=0.1)
    >>> [rule.next_count(loss, 500, 10) for loss in (0.9, 0.8, 0.7, 0.8, 0.9)]
    [12, 12, 12, 10, 8]
    """

    def __init__(self, nonzero_cost: float, anchor_cost: float, most: int = MOST) -> None:
        self.nonzero_cost, self.anchor_cost, self.most = nonzero_cost, anchor_cost, most
        self.scores: list[float] = []
        self.counts: list[int] = []

    def next_count(self, loss: float, nnz: int, n_anchors: int) -> int:
        """Return how many anchors there are to be, after a loss with ``n_anchors`` and ``nnz`` non-zeros."""
        self.scores.append(loss + self.nonzero_cost * nnz + (self.anchor_cost - self.nonzero_cost) * n_anchors)
        self.counts.append(n_anchors)
        changes = np.diff(self.scores[-LOOKED_BACK:])
        if len(self.scores) < LOOKED_BACK or (changes < 0).all():  # with too few scores to tell, as the authors' code
            return min(n_anchors + STEP, self.most)
        if (changes > 0).all():
            return max(n_anchors - STEP, FEWEST)
        return n_anchors

    @property
    def best_count(self) -> int:
        """K where the objective was least."""
        return self.counts[int(np.argmin(self.scores))]


def most_used(use: NDArray[Any], n_most: int) -> NDArray[np.int64]:
    """Return the columns, rising, that stay: those in use, the most used if there are more than ``n_most``.

    One stays in any case.
    """
    order = np.argsort(-use, kind="stable")[: max(min(n_most, np.count_nonzero(use)), 1)]
    return np.sort(order)


def residual_anchors(
    residuals: NDArray[Any], n_new: int, length: float, generator: np.random.Generator
) -> NDArray[np.float32]:
    """Return new anchors ``(n_new, d)`` of a given length, along rows that are short of them.

    Parameters
    ----------
    residuals : ndarray, shape (m, d)
        -∂L/∂e for some rows e of E: where they would move if they were free to. Near an optimum of T they are almost
        orthogonal to the anchors that there are. Rows are drawn as by k-means++, with a probability ∝ the squared
        distance to the nearest one drawn, or to zero.
    n_new : int
    length : float
    generator : numpy.random.Generator
    """
    n_new = min(n_new, len(residuals))
    with_zero = np.concatenate([np.zeros((1, residuals.shape[1])), residuals / np.abs(residuals).max(initial=1e-30)])
    rows = kmeans_plus_plus(with_zero, n_new + 1, generator, prefix=[0])[1:]
    drawn = with_zero[rows]
    lost = ~drawn.any(axis=1)  # rows that lack nothing were drawn, for there are no others
    drawn[lost] = generator.standard_normal((lost.sum(), drawn.shape[1]))
    new: NDArray[np.float32] = (drawn * (length / np.linalg.norm(drawn, axis=1, keepdims=True))).astype(np.float32)
    return new
