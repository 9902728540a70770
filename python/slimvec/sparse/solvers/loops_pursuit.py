"""Compiled loops of greedy pursuit and of least squares on a support. Imported only when a solver runs.

All take a block of rows through what the rows are to the atoms: correlations C = X Aᵀ and Gram matrix G = A Aᵀ, float32
in C order. Atoms that pursuit chooses from have length 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from slimvec.sparse.solvers.jit import jit

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
    while bits[place] != best and place < len(bits) - 1:  # the second: where all are -0, none has the bits of 0
        place += 1
    return place


@jit
def add_line(factor: NDArray[np.float32], count: int, gram: NDArray[np.float32], chosen: int) -> None:
    """Write the Gram row of one more atom, less its part in the span of those before, as line ``count``."""
    line = factor[count]
    for i in range(len(line)):
        line[i] = gram[chosen, i]
    for s in range(0, count - 1, 2):  # two lines at a time: half the traffic
        first, second = factor[s], factor[s + 1]
        overlap, overlap_2 = first[chosen], second[chosen]
        for i in range(len(line)):
            line[i] = line[i] - overlap * first[i] - overlap_2 * second[i]
    if count % 2:
        first = factor[count - 1]
        overlap = first[chosen]
        for i in range(len(line)):
            line[i] -= overlap * first[i]


@jit
def advance(
    line: NDArray[np.float32],
    step: np.float32,
    length: np.float32,
    correlation: NDArray[np.float32],
    distance: NDArray[np.float32],
    score: NDArray[np.float32],
    by_gain: bool,
) -> None:
    """Scale a line to a basis vector's, take its step, and score all atoms for the next."""
    pivot = np.float32(1) / length
    for i in range(len(line)):
        entry = line[i] * pivot
        line[i] = entry
        left = correlation[i] - step * entry
        correlation[i] = left
        apart = distance[i] - entry * entry
        distance[i] = apart
        gain = left * left / apart if by_gain else left * left
        score[i] = gain if apart > np.float32(PIVOT) else np.float32(0)


@jit
def solve_triangle(
    factor: NDArray[np.float32],
    columns: NDArray[np.int32],
    steps: NDArray[np.float64],
    count: int,
    values: NDArray[np.float32],
) -> None:
    """Solve the transpose of the chosen atoms' part of the factor for the values of the atoms."""
    for s in range(count - 1, -1, -1):
        value = steps[s]
        for t in range(s + 1, count):
            value -= factor[s, columns[t]] * values[t]
        values[s] = value / factor[s, columns[s]]


@jit
def usable_atoms(gram: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return 1 for atoms of length 1, 0 for zero atoms, which explain nothing."""
    usable = np.empty(len(gram), np.float32)
    for i in range(len(gram)):
        usable[i] = np.float32(1) if gram[i, i] > np.float32(0.5) else np.float32(0)
    return usable


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

    The lines of ``factor`` are ⟨a_i, q_s⟩ for all atoms i, q_s the orthonormal basis of the chosen ones: a pivoted
    Cholesky factorisation of G, pivots chosen by the row. One new line per step keeps correlations with the residual,
    squared distances of all atoms from the span, and the triangular system of the values, and reads only one row of G,
    where Batch-OMP reads all chosen ones in every step.
    """
    factor = np.empty((columns.shape[1], len(gram)), np.float32)
    distance, score = np.empty(len(gram), np.float32), np.empty(len(gram), np.float32)
    steps = np.empty(columns.shape[1], np.float64)
    usable = usable_atoms(gram)
    for row in range(len(correlations)):
        correlation = correlations[row]
        for i in range(len(gram)):
            distance[i] = usable[i]
            score[i] = correlation[i] * correlation[i] * usable[i]
        explained = 0.0
        count = 0
        while count < limits[row] and explained < 1.0 - tolerance:
            chosen = largest(score)
            if score[chosen] <= EXHAUSTED:
                break
            length = np.sqrt(distance[chosen])
            step = correlation[chosen] / length
            columns[row, count] = chosen
            steps[count] = step
            gains[row, count] = step * step
            explained += float(step) * float(step)
            if count + 1 < limits[row]:
                add_line(factor, count, gram, chosen)
                advance(factor[count], step, length, correlation, distance, score, by_gain)
            factor[count, chosen] = length  # all that is needed of the last line
            count += 1
        solve_triangle(factor, columns[row], steps, count, values[row])
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
def leave_residual(
    at_first: NDArray[np.float32],
    gram: NDArray[np.float32],
    support: NDArray[np.int32],
    target: NDArray[np.float64],
    value: NDArray[np.float64],
    size: int,
    correlation: NDArray[np.float32],
) -> float:
    """Bring the correlations with the residual up to date; return what is explained, ‖tA‖² = Σ t_j ⟨x, a_j⟩."""
    for i in range(len(correlation)):  # numba would compile an error message of shapes for correlation[:] = at_first
        correlation[i] = at_first[i]
    explained = 0.0
    for a in range(size):
        explained += value[a] * target[a]
        step = np.float32(value[a])
        line = gram[support[a]]
        for i in range(len(correlation)):
            correlation[i] -= step * line[i]
    return explained


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
    capacity = columns.shape[1] + 1
    factor, solution = np.empty((capacity, capacity), np.float64), np.empty(capacity, np.float64)
    support = np.empty(capacity, np.int32)
    target, value = np.empty(capacity, np.float64), np.empty(capacity, np.float64)
    usable, score = np.empty(len(gram), np.float32), np.empty(len(gram), np.float32)
    correlation = np.empty(len(gram), np.float32)
    at_first = usable_atoms(gram)
    for row in range(len(correlations)):
        for i in range(len(gram)):
            usable[i] = at_first[i]
            correlation[i] = correlations[row, i]
        explained = 0.0
        reached = size = 0
        steps_left = 4 * limits[row] + 8  # a bound: every step explains more, but not always by much
        while size < limits[row] and explained < 1.0 - tolerance and steps_left > 0:
            steps_left -= 1
            for i in range(len(gram)):
                score[i] = max(correlation[i], np.float32(0)) * usable[i]
            chosen = largest(score)
            if score[chosen] * score[chosen] <= EXHAUSTED:
                break
            usable[chosen] = 0
            support[size] = chosen
            target[size] = correlations[row, chosen]
            value[size] = 0.0
            size = settle(gram, support, target, value, size + 1, True, factor, solution)
            before = explained
            explained = leave_residual(correlations[row], gram, support, target, value, size, correlation)
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
