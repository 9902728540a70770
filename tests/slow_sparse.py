"""Slow and obvious twins of the sparse solvers, in float64."""

from __future__ import annotations

import numpy as np


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


def rows(n, d, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)
