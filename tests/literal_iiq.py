"""Algorithm 1 of the IIQ paper line by line, in the full d-dimensional space: what the tests hold ours against."""

from __future__ import annotations

import numpy as np


def signs(values):
    return np.where(values >= 0, 1.0, -1.0)


def isotropic(X, n_remove):
    """Lines 1-5: centred, with the strongest directions set to zero."""
    centred = X.astype(np.float64) - X.mean(axis=0, dtype=np.float64)
    u, s, vt = np.linalg.svd(centred, full_matrices=False)
    s[:n_remove] = 0
    return (u * s) @ vt


def rotate(X_hat, R, n_iter, variant="procrustes"):
    """Lines 9-15. Returns R and ‖B - X̂R‖² after each iteration.

    ``printed`` takes the SVD of BᵀX̂R and replaces R by it, as the paper prints; ``procrustes`` takes BᵀX̂.
    """
    losses = []
    for _ in range(n_iter):
        B = signs(X_hat @ R)
        rotated = X_hat @ R if variant == "printed" else X_hat
        s, _, s_hat_t = np.linalg.svd(B.T @ rotated)
        R = s_hat_t.T @ s.T
        losses.append(float(((B - X_hat @ R) ** 2).sum()))
    return R, np.array(losses)
