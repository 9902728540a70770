"""Slow and obvious twins of the sparse solvers, in float64."""

from __future__ import annotations

import numpy as np

from slimvec.sparse.solvers.lasso import as_penalty, soft_threshold


def slow_omp(x, A, nonzeros, by_gain=False):
    """Orthogonal matching pursuit of one row, by least squares from scratch at every step."""
    unit = A / np.maximum(np.linalg.norm(A, axis=1, keepdims=True), 1e-30)
    support = []
    values = np.zeros(0)
    for _ in range(nonzeros):
        residual = x - values @ A[support]
        if by_gain:
            scores = np.array([-1.0 if j in support else gain(x, A, [*support, j]) for j in range(len(A))])
        else:
            scores = np.abs(unit @ residual)
            scores[support] = -1
        support.append(int(scores.argmax()))
        values = np.linalg.lstsq(A[support].T, x, rcond=None)[0]
    return support, values


def gain(x, A, support):
    values = np.linalg.lstsq(A[support].T, x, rcond=None)[0]
    return x @ x - ((x - values @ A[support]) ** 2).sum()


def kkt_violation(X, A, T, penalties, nonnegative=False):
    """Return how far each row is from the conditions of the lasso's minimum."""
    T = T.toarray().astype(np.float64)
    slope = (X.astype(np.float64) - T @ A.astype(np.float64)) @ A.astype(np.float64).T
    at_zero = np.maximum((slope if nonnegative else np.abs(slope)) - penalties, 0)
    elsewhere = np.abs(slope - np.sign(T) * penalties)
    return np.where(T == 0, at_zero, elsewhere).max(axis=1)


def objective(X, A, T, penalties):
    T = T.toarray().astype(np.float64)
    return ((X - T @ A) ** 2).sum(axis=1) / 2 + (penalties * np.abs(T)).sum(axis=1)


def fista(X, A, l1, *, nonnegative=False, tolerance=1e-6, max_iter=2000):
    """Return the lasso's T by accelerated proximal gradient steps (Beck & Teboulle, 2009) with restarts."""
    from scipy.sparse import csr_array

    X, A, l1 = X.astype(np.float64), A.astype(np.float64), as_penalty(l1)
    gram, correlations = A @ A.T, X @ A.T
    step = 1 / np.linalg.eigvalsh(gram)[-1]
    current = ahead = np.zeros_like(correlations)
    momentum = 1.0
    for _ in range(max_iter):
        new = soft_threshold(ahead + step * (correlations - ahead @ gram), step * l1, nonnegative=nonnegative)
        change = new - current
        following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        if ((ahead - new) * change).sum() > 0:  # going back: O'Donoghue & Candès (2015) start over
            following = momentum = 1.0
        ahead = new + (momentum - 1) / following * change
        current, momentum = new, following
        if np.abs(change).max() <= tolerance * np.abs(new).max():
            break
    return csr_array(current)


def duality_gap(X, A, T, l1, nonnegative=False):
    """Return by how much the lasso's objective of each row exceeds its minimum at most; λ > 0.

    It is the primal objective minus the dual one at the residual, scaled until it is feasible.
    """
    X, A = X.astype(np.float64), A.astype(np.float64)
    residual = X - T @ A
    correlations = residual @ A.T
    worst = (correlations if nonnegative else np.abs(correlations)).max(axis=1, initial=0.0)
    scale = np.minimum(1.0, l1 / np.maximum(worst, 1e-300))
    dual = scale * (residual * X).sum(axis=1) - scale**2 * (residual**2).sum(axis=1) / 2
    return np.maximum(objective(X, A, T, l1) - dual, 0.0)


def rows(n, d, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)
