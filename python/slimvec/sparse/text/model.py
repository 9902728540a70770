"""A linear model on means of rows of E = T A, and how it is trained: by a proximal Adagrad whose rows wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.blas import one_thread
from slimvec.errors import needs
from slimvec.progress import Progress, ignore
from slimvec.sparse.text.text_losses import Softmax

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from slimvec.sparse.text.bags import Bags, Part
    from slimvec.sparse.text.text_losses import Loss, TagLists
    from slimvec.sparse.training.slot_store import SlotStore

    Targets = NDArray[np.int64] | TagLists  # as the loss takes them

INITIAL = 0.1  # of the squares that Adagrad sums up for A, W and b, as in slimvec.nn
BAGS_AT_ONCE = 4096  # when nothing is learnt
LAST_PART = 0.2  # of all steps, in which no entry of T is born


class TextModel:
    """Logits (mean of rows of T A) W + b, and one step of learning all four.

    T takes steps of proximal Adagrad in Adagrad's metric, one v per row: t ← max(t - s g - s λ, 0), s = η / √v. So a
    zero is born when -g > λ, and not before. (Where T may be negative, the threshold is soft on both sides.)

    Rows that a batch does not touch keep their v, so what they miss is λ / √v × Σ η. With the running sum of η λ, and
    its value when a row was last touched, they are brought up to date exactly when they are next read. The penalty of a
    row begins with its first gradient: before, v = 0.

    Parameters
    ----------
    store : SlotStore
        T, ``(n, k)``.
    anchors : ndarray, shape (k, d)
        A.
    n_classes : int
    generator : numpy.random.Generator
        Draws W.
    l1 : float
        λ.
    loss : Loss, optional
        Softmax if not given.

    Attributes
    ----------
    weights : ndarray, shape (d, n_classes)
    intercept : ndarray, shape (n_classes,)
    """

    def __init__(
        self,
        store: SlotStore,
        anchors: NDArray[Any],
        n_classes: int,
        generator: np.random.Generator,
        l1: float,
        loss: Loss | None = None,
    ) -> None:
        d = anchors.shape[1]
        self.store, self.l1 = store, l1
        self._loss: Loss = loss or Softmax()
        self.anchors = anchors.astype(store.dtype)
        self.weights = (generator.standard_normal((d, n_classes)) / d**0.5).astype(store.dtype)
        self.intercept = np.zeros(n_classes, store.dtype)
        self._squares = [np.full_like(part, INITIAL) for part in self._dense()]
        self._row_squares = np.zeros(store.shape[0], store.dtype)
        self._due = 0.0  # Σ η λ so far
        self._paid = np.zeros(store.shape[0])  # what it was when a row was last up to date
        with needs("numba", "train"):
            from slimvec.sparse.text import loops_bags
        self._loops: Any = loops_bags

    def _dense(self) -> tuple[NDArray[Any], ...]:
        return self.anchors, self.weights, self.intercept

    # ---- what it says

    def forward(self, bags: Bags) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Return the means of rows of T ``(b, k)``, those of E ``(b, d)``, and logits ``(b, n_classes)``."""
        mixed = np.zeros((len(bags), self.store.shape[1]), self.store.dtype)
        self._loops.add_bags(bags.offsets, bags.rows, bags.weights, *self.store.layout(), mixed)
        means = mixed @ self.anchors
        return mixed, means, means @ self.weights + self.intercept

    def loss(self, bags: Bags | Part, labels: Targets) -> float:
        """Return the mean loss of a bag, all rows up to date."""
        self.settle()
        total = 0.0
        for first in range(0, len(bags), BAGS_AT_ONCE):
            some = np.arange(first, min(first + BAGS_AT_ONCE, len(bags)))
            total += self._loss.total(self.forward(bags.take(some))[2], labels[some])
        return total / len(bags)

    # ---- how it learns

    def settle(self, rows: NDArray[np.int64] | None = None) -> None:
        """Take the steps that rows (None: all) have missed."""
        some = np.arange(self.store.shape[0]) if rows is None else rows
        behind = some[self._paid[some] < self._due]
        if len(behind):
            self.store.shrink(behind, (self._due - self._paid[behind]) * self._scales(behind), np.ones(len(behind)))
            self._paid[behind] = self._due

    def _scales(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return 1 / √v, and 0 for rows that have had no gradient."""
        roots = np.sqrt(self._row_squares[rows])
        return np.divide(1, roots, out=np.zeros_like(roots), where=roots > 0)

    def gradients(
        self, bags: Bags, labels: Targets
    ) -> tuple[NDArray[np.int64], NDArray[Any], tuple[NDArray[Any], ...]]:
        """Return the rows in some bags, the gradient of the mean loss by them, and by A, W and b."""
        rows, places = np.unique(bags.rows, return_inverse=True)
        self.settle(rows)
        mixed, means, by_logits, by_means = self._backward(bags, labels)
        by_rows = np.zeros((len(rows), self.store.shape[1]), self.store.dtype)
        self._loops.add_transposed(bags.offsets, places, bags.weights, by_means @ self.anchors.T, by_rows)
        return rows, by_rows, (mixed.T @ by_means, means.T @ by_logits, by_logits.sum(axis=0))

    def _backward(self, bags: Bags, labels: Targets) -> tuple[NDArray[Any], ...]:
        """Return means of rows of T and of E, and the gradients by logits and by means of rows of E."""
        mixed, means, logits = self.forward(bags)
        by_logits = self._loss.gradient(logits, labels)
        return mixed, means, by_logits, by_logits @ self.weights.T

    def step(self, bags: Bags, labels: Targets, lr: float, *, births: bool = True) -> None:
        """Take one step with a batch; without births, zeros of T stay zero."""
        rows, by_rows, by_dense = self.gradients(bags, labels)
        self._row_squares[rows] += np.einsum("ij,ij->i", by_rows, by_rows) / by_rows.shape[1]
        if not births:
            by_rows[self.store.read(rows) == 0] = 0
        sizes = lr * self._scales(rows)
        self.store.step(rows, by_rows, sizes, sizes * self.l1)
        self._due += lr * self.l1
        self._paid[rows] = self._due
        for part, squares, gradient in zip(self._dense(), self._squares, by_dense, strict=True):
            np.add(squares, gradient * gradient, out=squares)
            np.subtract(part, lr * gradient / np.sqrt(squares), out=part)

    @one_thread()
    def train(
        self,
        bags: Bags | Part,
        labels: Targets,
        *,
        n_epochs: int,
        batch_size: int,
        lr: float,
        generator: np.random.Generator,
        progress: Progress = ignore,
        after_step: Callable[[int, float], None] | None = None,
    ) -> None:
        """Go through all bags ``n_epochs`` times, in a new order each time; η falls linearly from ``lr`` to 0.

        Every batch gives life to entries of T that the mean gradient does not keep alive, and the penalty needs some
        steps to remove them. So in the last fifth of all steps none are born any more. ``after_step`` is called with
        number and η of each step before those.
        """
        n_batches = -(-len(bags) // batch_size)
        total = n_epochs * n_batches
        for epoch in range(n_epochs):
            order = generator.permutation(len(bags))
            for batch in range(n_batches):
                some = order[batch * batch_size : (batch + 1) * batch_size]
                done = epoch * n_batches + batch
                births = done <= (1 - LAST_PART) * total
                self.step(bags.take(some), labels[some], lr * (1 - done / total), births=births)
                if births and after_step is not None:
                    after_step(done + 1, lr * (1 - done / total))
                progress("training", done + 1, total)
        self.settle()

    # ---- more anchors, or fewer

    def lasting(self, spent: float) -> int:
        """Return how many non-zeros outlive a penalty of Σ η λ = ``spent`` without a gradient, all rows up to date."""
        parts = self.store.to_csr()
        thresholds = spent * self._scales(np.arange(self.store.shape[0]))
        return int(np.count_nonzero(np.abs(parts.data) > np.repeat(thresholds, np.diff(parts.indptr))))

    def residuals(self, bags: Bags, labels: Targets) -> NDArray[Any]:
        """Return -∂L/∂e / √v of the rows e of E in some bags, ``(m, d)``: where each would go if it were free to."""
        rows, places = np.unique(bags.rows, return_inverse=True)
        self.settle(rows)
        by_embeddings = np.zeros((len(rows), self.anchors.shape[1]), self.store.dtype)
        self._loops.add_transposed(bags.offsets, places, bags.weights, self._backward(bags, labels)[-1], by_embeddings)
        by_embeddings *= -self._scales(rows)[:, None]
        return by_embeddings

    def resize_anchors(self, kept: NDArray[np.int64], new: NDArray[Any]) -> None:
        """Keep some anchors, rising, and put new ones after them, which no row uses yet."""
        self.settle()
        self.store.resize_columns(kept, len(new))
        self.anchors = np.concatenate([self.anchors[kept], new]).astype(self.store.dtype)
        self._squares[0] = np.concatenate([self._squares[0][kept], np.full(new.shape, INITIAL, self.store.dtype)])
