"""Compiled loops over bags of rows: means of rows of T, and what their gradients say of each row.

Bag b holds the entries ``offsets[b]`` to ``offsets[b + 1] - 1`` of ``rows`` and ``weights``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slimvec.sparse.solvers.jit import jit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]


@jit
def add_bags(
    offsets: Array, rows: Array, weights: Array, starts: Array, counts: Array, columns: Array, values: Array, out: Array
) -> None:
    """Add the weighted sum of each bag's rows of T to ``out (b, k)``."""
    for b in range(len(out)):
        line = out[b]
        for entry in range(offsets[b], offsets[b + 1]):
            row, weight = rows[entry], weights[entry]
            for place in range(starts[row], starts[row] + counts[row]):
                line[columns[place]] += weight * values[place]


@jit
def add_transposed(offsets: Array, places: Array, weights: Array, G: Array, out: Array) -> None:
    """Add to each line ``places[entry]`` of ``out (m, k)`` its weights times the bags' gradients, G ``(b, k)``."""
    for b in range(len(G)):
        source = G[b]
        for entry in range(offsets[b], offsets[b + 1]):
            line, weight = out[places[entry]], weights[entry]
            for j in range(len(line)):
                line[j] += weight * source[j]
