"""The steps that make zeros: soft-thresholding of entries, and of whole rows (ANT paper, eq. 4; group lasso)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from torch import Tensor


def soft_threshold(values: Tensor, threshold: Any, *, nonnegative: bool = False) -> Tensor:
    """Return the minimiser over t of ½(t - value)² + threshold × abs(t), entry by entry; with t ≥ 0 if asked.

    Parameters
    ----------
    values : Tensor
    threshold : float or Tensor
        ≥ 0; broadcasts against ``values``.
    nonnegative : bool
        Soft-threshold and ReLU in one, line 10 of the ANT paper's Algorithm 1.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> soft_threshold(torch.tensor([3.0, -0.5, -2.0]), 1.0)
    tensor([ 2., -0., -1.])
    >>> soft_threshold(torch.tensor([3.0, -0.5, -2.0]), 1.0, nonnegative=True)
    tensor([2., 0., 0.])
    """
    if nonnegative:
        return (values - threshold).clamp_min_(0)
    return (values.abs() - threshold).clamp_min_(0).copysign_(values)


def row_threshold(values: Tensor, threshold: Any, *, nonnegative: bool = False) -> Tensor:
    """Return the minimiser of ½‖t - row‖² + threshold × ‖t‖ for each row: group lasso's step.

    Parameters
    ----------
    values : Tensor, shape (m, k)
    threshold : float or Tensor of shape (m, 1)
    nonnegative : bool
        Only t ≥ 0: negative entries count as 0, also in the norm.

    Returns
    -------
    Tensor, shape (m, k)

    Examples
    --------
    >>> row_threshold(torch.tensor([[3.0, 4.0], [0.3, 0.4]]), 1.0)
    tensor([[2.4000, 3.2000],
            [0.0000, 0.0000]])
    """
    if nonnegative:
        values = values.clamp_min(0)
    norms = torch.linalg.vector_norm(values, dim=1, keepdim=True)
    shorter = (norms - threshold).clamp_min(0)
    return values * torch.where(norms > 0, shorter / norms, shorter)
