"""Compiled loops of the lasso by coordinate descent. Imported only when a solver runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from slimvec.sparse.jit import jit

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_SWEEPS = 1000  # over the active set, between two looks at all atoms
INNER = 0.1  # the active set is solved this much more exactly than asked for, so that what is left is elsewhere


@jit
def shrink(value: float, threshold: float, nonnegative: bool) -> float:
    """Return the soft-thresholded value, S(value) of the prox."""
    if value > threshold:
        return value - threshold
    if value < -threshold and not nonnegative:
        return value + threshold
    return 0.0


@jit
def solve_active(
    sub: NDArray[np.float32],
    slope: NDArray[np.float64],
    thresholds: NDArray[np.float64],
    value: NDArray[np.float64],
    size: int,
    nonnegative: bool,
    accuracy: float,
) -> None:
    """Cyclic coordinate descent with covariance updates over the active set; ``slope`` is its part of C - T G."""
    for _ in range(MAX_SWEEPS):
        largest = 0.0
        for a in range(size):
            square = float(sub[a, a])
            if square <= 0.0:
                continue
            new = shrink(slope[a] + value[a] * square, thresholds[a], nonnegative) / square
            change = new - value[a]
            if change != 0.0:
                for b in range(size):
                    slope[b] -= change * sub[a, b]
                value[a] = new
                largest = max(largest, abs(change) * square)
        if largest <= accuracy:
            break


@jit
def coordinate_descent(
    correlations: NDArray[np.float32],
    gram: NDArray[np.float32],
    penalty: float,
    offset_indptr: NDArray[np.int64],
    offset_columns: NDArray[np.int32],
    offset_values: NDArray[np.float32],
    nonnegative: bool,
    tolerance: float,
    max_rounds: int,
    settled: NDArray[np.bool_],
) -> None:
    """Solve min ½‖x - tA‖² + Σ λ_j |t_j| for a block of rows; ``correlations`` is overwritten with the solutions.

    λ_j is ``penalty`` plus the row's entry in a CSR matrix of offsets. Each round adds the atoms that break the KKT
    conditions most to the active set, solves that, and brings C - T G of all atoms up to date; a row has settled when
    no atom breaks the conditions by more than ``tolerance`` times its largest correlation.
    """
    n_atoms = len(gram)
    capacity = min(64, n_atoms)
    sub = np.empty((capacity, capacity), np.float32)
    residual_correlation = np.empty(n_atoms, np.float32)
    threshold = np.empty(n_atoms, np.float32)
    is_active = np.zeros(n_atoms, np.bool_)
    active = np.empty(n_atoms, np.int32)
    value = np.empty(n_atoms, np.float64)
    old = np.empty(n_atoms, np.float64)
    slope = np.empty(n_atoms, np.float64)
    thresholds = np.empty(n_atoms, np.float64)
    for row in range(len(correlations)):
        scale = np.float32(0)
        for i in range(n_atoms):
            residual_correlation[i] = correlations[row, i]
            threshold[i] = penalty
            scale = max(scale, abs(residual_correlation[i]))
        for entry in range(offset_indptr[row], offset_indptr[row + 1]):
            i = offset_columns[entry]
            threshold[i] = max(threshold[i] + offset_values[entry], np.float32(0))
        slack = tolerance * scale
        size = 0
        settled[row] = False
        for _ in range(max_rounds):
            worst = np.float32(0)
            for i in range(n_atoms):
                excess = residual_correlation[i] if nonnegative else abs(residual_correlation[i])
                excess = excess - threshold[i]
                if excess > worst and not is_active[i] and gram[i, i] > 0:
                    worst = excess
            unsolved = 0.0  # how far active atoms still are from |correlation| = threshold
            for a in range(size):
                excess = abs(residual_correlation[active[a]]) - threshold[active[a]]
                unsolved = max(unsolved, abs(excess) if value[a] != 0.0 else 0.0)
            if max(worst, unsolved) <= slack:
                settled[row] = True
                break
            known = size
            for i in range(n_atoms):
                excess = residual_correlation[i] if nonnegative else abs(residual_correlation[i])
                excess = excess - threshold[i]
                if excess > max(slack, np.float32(0.5) * worst) and not is_active[i] and gram[i, i] > 0:
                    is_active[i] = True
                    active[size] = i
                    value[size] = 0.0
                    size += 1
            if size > capacity:
                capacity = min(2 * size, n_atoms)
                sub = np.empty((capacity, capacity), np.float32)
                known = 0
            for a in range(size):
                for b in range(known if a < known else 0, size):
                    sub[a, b] = gram[active[a], active[b]]
                slope[a] = residual_correlation[active[a]]
                thresholds[a] = threshold[active[a]]
                old[a] = value[a]
            solve_active(sub, slope, thresholds, value, size, nonnegative, INNER * slack)
            for a in range(size):
                change = np.float32(value[a] - old[a])
                if change != 0:
                    for i in range(n_atoms):
                        residual_correlation[i] -= change * gram[active[a], i]
        for i in range(n_atoms):
            correlations[row, i] = 0
        for a in range(size):
            correlations[row, active[a]] = value[a]
            is_active[active[a]] = False
