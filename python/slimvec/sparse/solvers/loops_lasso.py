"""Compiled loops of the lasso by coordinate descent. Imported only when a solver runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from slimvec.sparse.solvers.jit import jit

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
def excess(correlation: NDArray[np.float32], threshold: NDArray[np.float32], nonnegative: bool, i: int) -> float:
    """Return by how much an atom with value 0 breaks the KKT condition |⟨residual, a_i⟩| ≤ λ_i, or < 0."""
    size = correlation[i] if nonnegative else abs(correlation[i])
    return float(size - threshold[i])


@jit
def worst_of(
    correlation: NDArray[np.float32], threshold: NDArray[np.float32], usable: NDArray[np.bool_], nonnegative: bool
) -> float:
    """Return the largest excess of the atoms that may still join the active set."""
    worst = 0.0
    for i in range(len(correlation)):
        if usable[i]:
            worst = max(worst, excess(correlation, threshold, nonnegative, i))
    return worst


@jit
def unsolved(
    correlation: NDArray[np.float32],
    threshold: NDArray[np.float32],
    active: NDArray[np.int32],
    value: NDArray[np.float64],
    size: int,
) -> float:
    """Return how far active atoms are from |⟨residual, a_i⟩| = λ_i, at most."""
    worst = 0.0
    for a in range(size):
        if value[a] != 0.0:
            worst = max(worst, abs(float(abs(correlation[active[a]]) - threshold[active[a]])))
    return worst


@jit
def set_thresholds(
    threshold: NDArray[np.float32],
    penalty: float,
    columns: NDArray[np.int32],
    offsets: NDArray[np.float32],
) -> None:
    """Write λ of each atom for one row: the penalty, plus the row's offsets, cut at 0."""
    threshold[:] = penalty
    for entry in range(len(columns)):
        i = columns[entry]
        threshold[i] = max(threshold[i] + offsets[entry], np.float32(0))


@jit
def move(correlation: NDArray[np.float32], change: np.float32, line: NDArray[np.float32]) -> None:
    """Bring correlations with the residual up to date with one value's change."""
    for i in range(len(correlation)):
        correlation[i] -= change * line[i]


@jit
def solve_row(
    correlation: NDArray[np.float32],
    gram: NDArray[np.float32],
    threshold: NDArray[np.float32],
    usable: NDArray[np.bool_],
    nonnegative: bool,
    slack: float,
    max_rounds: int,
    active: NDArray[np.int32],
    value: NDArray[np.float64],
) -> tuple[int, bool]:
    """Return how many atoms are active, and whether all KKT conditions hold up to ``slack``.

    Each round adds the atoms that break the conditions most (more than half as much as the worst) to the active set,
    solves that, and brings the correlations with the residual up to date.
    """
    n_atoms = len(gram)
    sub = np.empty((0, 0), np.float32)
    slope, thresholds = np.empty(n_atoms, np.float64), np.empty(n_atoms, np.float64)
    old = np.empty(n_atoms, np.float64)
    size = 0
    for _ in range(max_rounds):
        worst = worst_of(correlation, threshold, usable, nonnegative)
        if max(worst, unsolved(correlation, threshold, active, value, size)) <= slack:
            return size, True
        for i in range(n_atoms):
            if usable[i] and excess(correlation, threshold, nonnegative, i) > max(slack, 0.5 * worst):
                usable[i], active[size], value[size] = False, i, 0.0
                size += 1
        if size > len(sub):
            sub = np.empty((2 * size, 2 * size), np.float32)
        for a in range(size):
            line = gram[active[a]]
            for b in range(size):
                sub[a, b] = line[active[b]]
            slope[a] = correlation[active[a]]
            thresholds[a] = threshold[active[a]]
            old[a] = value[a]
        solve_active(sub, slope, thresholds, value, size, nonnegative, INNER * slack)
        for a in range(size):
            if value[a] != old[a]:
                move(correlation, np.float32(value[a] - old[a]), gram[active[a]])
    return size, False


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

    λ_j is ``penalty`` plus the row's entry in a CSR matrix of offsets. A row has settled when no atom breaks the KKT
    conditions by more than ``tolerance`` times its largest correlation.
    """
    n_atoms = len(gram)
    threshold = np.empty(n_atoms, np.float32)
    usable = np.empty(n_atoms, np.bool_)
    active = np.empty(n_atoms, np.int32)
    value = np.empty(n_atoms, np.float64)
    at_first = np.empty(n_atoms, np.bool_)
    for i in range(n_atoms):
        at_first[i] = gram[i, i] > 0  # a zero atom explains nothing
    for row in range(len(correlations)):
        correlation = correlations[row]
        peak = np.float32(0)
        for i in range(n_atoms):  # numba would compile an error message of shapes for usable[:] = at_first
            usable[i] = at_first[i]
            peak = max(peak, abs(correlation[i]))
        begin, end = offset_indptr[row], offset_indptr[row + 1]
        set_thresholds(threshold, penalty, offset_columns[begin:end], offset_values[begin:end])
        slack = float(tolerance * peak)
        size, done = solve_row(correlation, gram, threshold, usable, nonnegative, slack, max_rounds, active, value)
        settled[row] = done
        correlation[:] = 0
        for a in range(size):
            correlation[active[a]] = value[a]
