"""Compiled loops over the store of a transform's non-zeros. Imported only when training with it.

Row i has ``counts[i]`` entries from ``starts[i]``, columns rising, with room for ``rooms[i]``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slimvec.sparse.solvers.jit import jit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]


@jit
def combine(
    rows: Array, starts: Array, counts: Array, columns: Array, values: Array, anchors: Array, out: Array
) -> None:
    """Add rows of T A to ``out (m, d)``."""
    for i in range(len(rows)):
        start = starts[rows[i]]
        line = out[i]
        for place in range(start, start + counts[rows[i]]):
            weight, anchor = values[place], anchors[columns[place]]
            for j in range(len(line)):
                line[j] += weight * anchor[j]


@jit
def add_transposed(
    rows: Array, starts: Array, counts: Array, columns: Array, values: Array, G: Array, out: Array
) -> None:
    """Add the gradient of the anchors, T_Iᵀ G, to ``out (k, d)``."""
    for i in range(len(rows)):
        start = starts[rows[i]]
        line = G[i]
        for place in range(start, start + counts[rows[i]]):
            weight, anchor = values[place], out[columns[place]]
            for j in range(len(line)):
                anchor[j] += weight * line[j]


@jit
def shrunk(value: float, threshold: float, nonnegative: bool) -> float:
    """Return soft-threshold, and ReLU if asked, of one entry."""
    if nonnegative:
        return max(value - threshold, 0.0)
    if value > threshold:
        return value - threshold
    if value < -threshold:
        return value + threshold
    return 0.0


@jit
def shrink(
    rows: Array,
    thresholds: Array,
    ratios: Array,
    nonnegative: bool,
    starts: Array,
    counts: Array,
    columns: Array,
    values: Array,
    free_starts: Array,
    free_columns: Array,
) -> None:
    """Threshold the stored entries of rows, and close the gaps that zeros leave."""
    for i in range(len(rows)):
        row = rows[i]
        start = starts[row]
        end, kept = start + counts[row], start
        free, last_free = free_starts[row], free_starts[row + 1]
        for place in range(start, end):
            column = columns[place]
            while free < last_free and free_columns[free] < column:
                free += 1
            threshold = thresholds[i]
            if free < last_free and free_columns[free] == column:
                threshold = 0.0
            new = shrunk(values[place], threshold, nonnegative) * ratios[i]
            if new != 0:
                columns[kept], values[kept] = column, new
                kept += 1
        counts[row] = kept - start


@jit
def step(
    rows: Array,
    gradient: Array,
    sizes: Array,
    thresholds: Array,
    ratio: float,
    nonnegative: bool,
    zeros_stay: bool,
    starts: Array,
    counts: Array,
    rooms: Array,
    columns: Array,
    values: Array,
    free_starts: Array,
    free_columns: Array,
    scratch: Array,
    tail: int,
) -> int:
    """Take a proximal step in rows with a dense gradient; a row that outgrows its room moves to ``tail``.

    An entry that is not stored is 0, and is born when its gradient exceeds the threshold: nothing else tells it apart,
    unless zeros are to stay zeros.
    """
    k = len(scratch)
    for i in range(len(rows)):
        row = rows[i]
        scratch[:] = 0
        for place in range(starts[row], starts[row] + counts[row]):
            scratch[columns[place]] = values[place]
        free, last_free = free_starts[row], free_starts[row + 1]
        count = 0
        for j in range(k):
            threshold = thresholds[i]
            if free < last_free and free_columns[free] == j:
                threshold = 0.0
                free += 1
            if zeros_stay and scratch[j] == 0:
                continue
            new = shrunk(scratch[j] - sizes[i] * gradient[i, j], threshold, nonnegative) * ratio
            scratch[j] = new
            count += new != 0
        if count > rooms[row]:
            room = 4
            while room < count:
                room *= 2
            starts[row], rooms[row] = tail, room
            tail += room
        place = starts[row]
        for j in range(k):
            if scratch[j] != 0:
                columns[place], values[place] = j, scratch[j]
                place += 1
        counts[row] = count
    return tail


@jit
def move(
    starts: Array, counts: Array, rooms: Array, columns: Array, values: Array, new_columns: Array, new_values: Array
) -> int:
    """Copy all rows to new arrays, one after the other, each with the room that it had; return where they end."""
    tail = 0
    for row in range(len(starts)):
        start = starts[row]
        for place in range(counts[row]):
            new_columns[tail + place] = columns[start + place]
            new_values[tail + place] = values[start + place]
        starts[row] = tail
        tail += rooms[row]
    return tail


@jit
def trim(counts: Array, rooms: Array) -> None:
    """Cut the room of rows to the smallest power of two that holds them, or nothing for an empty row."""
    for row in range(len(counts)):
        room = 0 if counts[row] == 0 else 4
        while room < counts[row]:
            room *= 2
        rooms[row] = min(rooms[row], room)


@jit
def scores(starts: Array, counts: Array, columns: Array, values: Array, U: Array, out: Array) -> None:
    """Add T U to ``out (n, b)``, U ``(k, b)``."""
    for row in range(len(starts)):
        line = out[row]
        for place in range(starts[row], starts[row] + counts[row]):
            weight, source = values[place], U[columns[place]]
            for j in range(len(line)):
                line[j] += weight * source[j]


@jit
def step_stored(
    rows: Array,
    G: Array,
    U: Array,
    size: float,
    threshold: float,
    ratio: float,
    nonnegative: bool,
    starts: Array,
    counts: Array,
    columns: Array,
    values: Array,
    free_starts: Array,
    free_columns: Array,
) -> None:
    """Take a proximal step in the stored entries of rows alone, whose gradient is G Uᵀ: G ``(n, b)``, U ``(k, b)``."""
    for i in range(len(rows)):
        row = rows[i]
        start = starts[row]
        end, kept = start + counts[row], start
        free, last_free = free_starts[row], free_starts[row + 1]
        line = G[row]
        for place in range(start, end):
            column = columns[place]
            while free < last_free and free_columns[free] < column:
                free += 1
            bound = threshold
            if free < last_free and free_columns[free] == column:
                bound = 0.0
            source = U[column]
            gradient = values.dtype.type(0)
            for b in range(len(line)):
                gradient += line[b] * source[b]
            new = shrunk(values[place] - size * gradient, bound, nonnegative) * ratio
            if new != 0:
                columns[kept], values[kept] = column, new
                kept += 1
        counts[row] = kept - start
