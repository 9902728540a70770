"""Compiled loops of greedy pursuit and of least squares on a support. Imported only when a solver runs.

All take a block of rows through what the rows are to the atoms: correlations C = X Aᵀ and Gram matrix G = A Aᵀ, float32
in C order. Atoms that pursuit chooses from have length 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.sparse.jit import jit

if TYPE_CHECKING:
    from numpy.typing import NDArray

PIVOT = 1e-4  # squared distance from the span of the chosen atoms below which an atom depends on them: float32 noise
EXHAUSTED = 1e-9  # a step that explains less of a row's squared length than this is rounding


@jit
def largest(score: NDArray[np.float32]) -> int:
    """Return the first place of the largest of numbers that are all ≥ 0.

    Such numbers are in the order of their bits, and LLVM vectorises the maximum of integers but not that of floats: 24
    ns instead of 610 for 1,000 numbers (AMD EPYC, AVX-512, 2026).
    """
    bits = score.view(np.int32)
    best = np.int32(0)
    for i in range(len(bits)):
        best = max(best, bits[i])
    place = 0
    while bits[place] != best:
        place += 1
    return place


@jit
def pursue(
    correlations: NDArray[np.float32],
    gram: NDArray[np.float32],
    limits: NDArray[np.int64],
    by_gain: bool,
    tolerance: float,
    columns: NDArray[np.int32],
    values: NDArray[np.float32],
    gains: NDArray[np.float32],
    counts: NDArray[np.int64],
) -> None:
    """Code rows of length 1 greedily; row i gets up to ``limits[i]`` atoms. Overwrites ``correlations``.

    The rows of ``factor`` are ⟨a_i, q_s⟩ for all atoms i, q_s the orthonormal basis of the chosen ones: a pivoted
    Cholesky factorisation of G, pivots chosen by the row. One new line per step keeps correlations with the residual,
    squared distances of all atoms from the span, and the triangular system of the coefficients, and reads only one row
    of G, where Batch-OMP reads all chosen ones in every step.
    """
    n_atoms = len(gram)
    factor = np.empty((columns.shape[1], n_atoms), np.float32)
    distance = np.empty(n_atoms, np.float32)
    score = np.empty(n_atoms, np.float32)
    steps = np.empty(columns.shape[1], np.float64)
    usable = np.empty(n_atoms, np.float32)
    for i in range(n_atoms):
        usable[i] = np.float32(1) if gram[i, i] > np.float32(0.5) else np.float32(0)  # a zero atom explains nothing
    for row in range(len(correlations)):
        residual_correlation = correlations[row]
        for i in range(n_atoms):
            distance[i] = usable[i]
            score[i] = residual_correlation[i] * residual_correlation[i] * distance[i]
        explained = 0.0
        count = 0
        while count < limits[row]:
            chosen = largest(score)
            if score[chosen] <= EXHAUSTED:
                break
            length = np.sqrt(distance[chosen])
            step = residual_correlation[chosen] / length
            columns[row, count] = chosen
            steps[count] = step
            gains[row, count] = step * step
            explained += float(step) * float(step)
            line = factor[count]
            count += 1
            if count == limits[row] or explained >= 1.0 - tolerance:
                line[chosen] = length  # all that is still needed of the last line
                break
            for i in range(n_atoms):
                line[i] = gram[chosen, i]
            for s in range(0, count - 1, 2):  # two lines at a time: half the traffic
                first, second = factor[s], factor[s + 1]
                overlap = first[chosen]
                if s + 1 == count - 1:
                    for i in range(n_atoms):
                        line[i] -= overlap * first[i]
                else:
                    overlap_2 = second[chosen]
                    for i in range(n_atoms):
                        line[i] = line[i] - overlap * first[i] - overlap_2 * second[i]
            pivot = np.float32(1) / length
            for i in range(n_atoms):
                entry = line[i] * pivot
                line[i] = entry
                left = residual_correlation[i] - step * entry
                residual_correlation[i] = left
                apart = distance[i] - entry * entry
                distance[i] = apart
                gain = left * left / apart if by_gain else left * left
                score[i] = gain if apart > np.float32(PIVOT) else np.float32(0)
            line[chosen] = length
        for s in range(count - 1, -1, -1):  # the factor's transpose times the coefficients = steps
            value = steps[s]
            for t in range(s + 1, count):
                value -= factor[s, columns[row, t]] * values[row, t]
            values[row, s] = value / factor[s, columns[row, s]]
        counts[row] = count


@jit
def least_squares(
    gram: NDArray[np.float32],
    target: NDArray[np.float64],
    support: NDArray[np.int32],
    size: int,
    factor: NDArray[np.float64],
    solution: NDArray[np.float64],
) -> int:
    """Solve G[support, support] z = target by Cholesky; return -1, or the place of an atom that depends on others."""
    for a in range(size):
        for b in range(a + 1):
            value = float(gram[support[a], support[b]])
            for s in range(b):
                value -= factor[a, s] * factor[b, s]
            if a == b:
                if value <= PIVOT * gram[support[a], support[a]]:
                    return a
                factor[a, a] = np.sqrt(value)
            else:
                factor[a, b] = value / factor[b, b]
    for a in range(size):
        value = target[a]
        for s in range(a):
            value -= factor[a, s] * solution[s]
        solution[a] = value / factor[a, a]
    for a in range(size - 1, -1, -1):
        value = solution[a]
        for s in range(a + 1, size):
            value -= factor[s, a] * solution[s]
        solution[a] = value / factor[a, a]
    return -1


@jit
def drop(
    support: NDArray[np.int32], target: NDArray[np.float64], value: NDArray[np.float64], size: int, place: int
) -> None:
    """Take one atom out of a support, keeping the order of the others."""
    for a in range(place, size - 1):
        support[a] = support[a + 1]
        target[a] = target[a + 1]
        value[a] = value[a + 1]


@jit
def settle(
    gram: NDArray[np.float32],
    support: NDArray[np.int32],
    target: NDArray[np.float64],
    value: NDArray[np.float64],
    size: int,
    nonnegative: bool,
    factor: NDArray[np.float64],
    solution: NDArray[np.float64],
) -> int:
    """Least squares on a support, in place; return how many atoms stay in it.

    Dependent atoms leave. With ``nonnegative``, from non-negative values on: the active-set method of Lawson & Hanson
    (1974, ch. 23), which walks from the feasible values towards the solution and drops the atoms that reach zero.
    """
    while size > 0:
        dependent = least_squares(gram, target, support, size, factor, solution)
        if dependent >= 0:
            drop(support, target, value, size, dependent)
            size -= 1
            continue
        walk = 1.0
        first = -1
        if nonnegative:
            for a in range(size):
                if solution[a] <= 0.0:
                    reach = value[a] / (value[a] - solution[a]) if value[a] > 0.0 else 0.0
                    if first < 0 or reach < walk:
                        walk = reach
                        first = a
        for a in range(size):
            value[a] = solution[a] if first < 0 else value[a] + walk * (solution[a] - value[a])
        if first < 0:
            return size
        drop(support, target, value, size, first)
        size -= 1
    return size


@jit
def pursue_nonnegative(
    correlations: NDArray[np.float32],
    gram: NDArray[np.float32],
    limits: NDArray[np.int64],
    by_gain: bool,  # noqa: ARG001 - the signature of pursue; here atoms are chosen by correlation
    tolerance: float,
    columns: NDArray[np.int32],
    values: NDArray[np.float32],
    gains: NDArray[np.float32],
    counts: NDArray[np.int64],
) -> None:
    """Code rows of length 1 as :func:`pursue` does, with values ≥ 0: non-negative OMP.

    After each new atom the values are the non-negative least squares on the support, which may lose atoms; the search
    goes on until the support is full. ``gains[row, s]`` is what the row gained until it first held s + 1 atoms.
    """
    n_atoms = len(gram)
    capacity = columns.shape[1] + 1
    factor = np.empty((capacity, capacity), np.float64)
    solution = np.empty(capacity, np.float64)
    support = np.empty(capacity, np.int32)
    target = np.empty(capacity, np.float64)
    value = np.empty(capacity, np.float64)
    usable = np.empty(n_atoms, np.float32)
    score = np.empty(n_atoms, np.float32)
    residual_correlation = np.empty(n_atoms, np.float32)
    for row in range(len(correlations)):
        for i in range(n_atoms):
            residual_correlation[i] = correlations[row, i]
            usable[i] = np.float32(1) if gram[i, i] > np.float32(0.5) else np.float32(0)
        explained = 0.0
        reached = 0
        size = 0
        steps_left = 4 * limits[row] + 8  # a bound: every step explains more, but not always by much
        while size < limits[row] and explained < 1.0 - tolerance and steps_left > 0:
            steps_left -= 1
            for i in range(n_atoms):
                score[i] = max(residual_correlation[i], np.float32(0)) * usable[i]
            chosen = largest(score)
            if score[chosen] * score[chosen] <= EXHAUSTED:
                break
            usable[chosen] = 0
            support[size] = chosen
            target[size] = correlations[row, chosen]
            value[size] = 0.0
            size = settle(gram, support, target, value, size + 1, True, factor, solution)
            for i in range(n_atoms):
                residual_correlation[i] = correlations[row, i]
            before = explained
            explained = 0.0
            for a in range(size):
                explained += value[a] * target[a]  # = ‖t A‖² at the solution
                step = np.float32(value[a])
                for i in range(n_atoms):
                    residual_correlation[i] -= step * gram[support[a], i]
            if size > reached:
                gains[row, reached] = max(explained - before, 0.0)
                reached = size
            elif reached > 0:
                gains[row, reached - 1] += max(explained - before, 0.0)
        for a in range(size):
            columns[row, a] = support[a]
            values[row, a] = value[a]
        counts[row] = size


@jit
def refit(
    correlations: NDArray[np.float32],
    gram: NDArray[np.float32],
    indptr: NDArray[np.int64],
    columns: NDArray[np.int32],
    values: NDArray[np.float32],
    nonnegative: bool,
) -> None:
    """Replace the values of each row of a CSR transform by the least squares on its support; atoms that go become 0."""
    capacity = 1
    for row in range(len(correlations)):
        capacity = max(capacity, indptr[row + 1] - indptr[row])
    factor = np.empty((capacity, capacity), np.float64)
    solution = np.empty(capacity, np.float64)
    support = np.empty(capacity, np.int32)
    target = np.empty(capacity, np.float64)
    value = np.empty(capacity, np.float64)
    for row in range(len(correlations)):
        begin = indptr[row]
        size = indptr[row + 1] - begin
        for a in range(size):
            support[a] = columns[begin + a]
            target[a] = correlations[row, support[a]]
            value[a] = max(values[begin + a], np.float32(0))
            values[begin + a] = 0
        kept = settle(gram, support, target, value, size, nonnegative, factor, solution)
        place = 0
        for a in range(kept):  # both in the order of the row
            while columns[begin + place] != support[a]:
                place += 1
            values[begin + place] = value[a]
