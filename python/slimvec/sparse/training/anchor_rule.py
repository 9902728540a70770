"""How many anchors? They come and go while a model is trained (NBANT, the later version of the ANT paper)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.sparse.training.anchors import kmeans_plus_plus

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slimvec.sparse.text.bags import Bags
    from slimvec.sparse.text.model import TextModel

LOOKED_BACK = 3  # scores
STEP = 2  # anchors at a time
FEWEST = 2  # with T ≥ 0, one anchor alone leads from all words to one side
MOST = 100  # anchors, as in the authors' code
FIRST = 4  # anchors
CHECKS = 4  # per epoch
HELD_OUT = 10  # one text in so many
SAMPLE = 1024  # texts whose words are asked what they lack


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
        if (changes < 0).all():  # also where there are too few scores to tell
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


def find_anchor_count(
    model: TextModel, bags: Bags, labels: NDArray[np.int64], generator: np.random.Generator, **schedule: Any
) -> int:
    """Return the number of anchors with the least objective while NBANT's rule changes it and a text model is trained.

    A tenth of the texts tells the loss, four times an epoch. A non-zero of T costs λ and an anchor d times as much, for
    its d numbers; non-zeros that would not outlive the time to the next look, without a gradient, do not count. The
    model is not meant to be used: anchors that come late find the rows taken.

    On 20 Newsgroups the objective of models with fixed K is least at 10 anchors. This returns 10 to 14 with λ = 1e-5,
    18 with 3e-6, and 24 to 26 with 1e-6, where the objective is flat (0.55 at 10, 0.58 at 16). The rule is guided by
    the falling loss of a model that learns, too: that is its weakness.
    """
    order = generator.permutation(len(bags))
    n_held = max(len(bags) // HELD_OUT, 1)
    held, rest = order[:n_held], order[n_held:]
    held_bags, rest_bags, rest_labels = bags.take(held), bags.take(rest), labels[rest]
    rule = AnchorRule(model.l1, model.l1 * model.anchors.shape[1])
    every = max(len(rest) // schedule["batch_size"] // CHECKS, 1)

    def change(step: int, lr: float) -> None:
        if step % every:
            return
        k = model.store.shape[1]
        count = rule.next_count(model.loss(held_bags, labels[held]), model.lasting(every * lr * model.l1), k)
        lengths = np.linalg.norm(model.anchors, axis=1)
        kept = most_used(model.store.column_sums() * lengths, count)
        some = generator.choice(len(rest), min(SAMPLE, len(rest)), replace=False)
        residuals = model.residuals(rest_bags.take(some), rest_labels[some])
        model.resize_anchors(kept, residual_anchors(residuals, max(count - k, 0), lengths[kept].mean(), generator))

    model.train(rest_bags, rest_labels, generator=generator, after_step=change, **schedule)
    return rule.best_count
