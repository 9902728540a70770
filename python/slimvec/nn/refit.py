"""What a cut leaves of T, and A, fitted again to the rows that they made before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from slimvec.nn.processes import n_processes

if TYPE_CHECKING:
    from torch import Tensor

    from slimvec.nn.embedding import AnchorEmbedding

N_ROUNDS = 2  # of T and A in turn
N_STEPS = 10  # of T in a round
DAMPING = 1e-2  # of the step of A, as a part of the mean square of a column of T


def can_refit(layer: AnchorEmbedding) -> bool:
    """Return whether the rows of a layer are T A, and T is held whole: else E, all rows, would be too much to hold."""
    return layer.transform.holds_all and not layer.softmax


@torch.no_grad()
def refit(layer: AnchorEmbedding, n: int, of_rows: Tensor) -> None:
    """Bring T down to ``n`` entries, and T A near the E that it was: to a small Σ_i w_i² ‖e_i - t_i A‖².

    Iterative hard thresholding for T [1]_ and least squares for A take turns, as in learning a dictionary.

    Parameters
    ----------
    layer : AnchorEmbedding
        One that :func:`can_refit`.
    n : int
        Non-zeros.
    of_rows : Tensor, shape (n_rows,)
        w.

    References
    ----------
    .. [1] T. Blumensath, M. Davies, "Iterative Thresholding for Sparse Approximations", Journal of Fourier Analysis
       and Applications, 2008.
    """
    values: Tensor = layer.transform.weight.data
    anchors, weights = layer.anchors.data, of_rows[:, None]
    T, A = (part.to(torch.promote_types(part.dtype, torch.float32)) for part in (values, anchors))
    E = T @ A
    least = torch.finfo(T.dtype).tiny / torch.finfo(T.dtype).eps  # a solver may divide by it, and flush what is less
    for _ in range(N_ROUNDS):
        T = _thresholded(T, A, E, n, weights, nonnegative=layer.nonnegative)
        weighted = weights * T
        gram = weighted.T @ weighted
        damping = (DAMPING * gram.diagonal().mean()).clamp_min(least)
        gram.diagonal().add_(damping)
        A = A + torch.linalg.solve(gram, weighted.T @ (weights * (E - T @ A)))
    values.copy_(T)
    anchors.copy_(A)
    if n_processes() > 1:  # sums of another order would make replicas differ
        for part in (values, anchors):
            torch.distributed.broadcast(part, 0)


def _thresholded(T: Tensor, A: Tensor, E: Tensor, n: int, weights: Tensor, *, nonnegative: bool) -> Tensor:
    """Return T after gradient steps towards E = T A, each of which leaves the ``n`` entries of greatest worth."""
    steepest = torch.linalg.matrix_norm(A, 2).square().clamp_min(torch.finfo(A.dtype).tiny)
    worth = weights * torch.linalg.vector_norm(A, dim=1)
    for _ in range(N_STEPS):
        T = T + (E - T @ A) @ A.T / steepest
        if nonnegative:
            T = T.clamp_min(0)
        T = T * greatest((T.abs() * worth).flatten(), n).view_as(T)
    return T


def greatest(values: Tensor, n: int) -> Tensor:
    """Return a mask of the ``n`` greatest values; of equal ones the first."""
    if n == 0:
        return torch.zeros_like(values, dtype=torch.bool)
    least = values.kthvalue(len(values) - n + 1).values
    kept = values > least
    kept[torch.nonzero(values == least)[: n - int(kept.sum()), 0]] = True
    return kept
