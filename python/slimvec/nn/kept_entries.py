"""What a budget was spent on: entries of frequent rows and of rare ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slimvec.nn.embedding import AnchorEmbedding

HEADER = ("rows by frequency", "entries", "per row", "rows without")


class KeptRows(NamedTuple):
    """Rows of a layer, and their entries of T.

    Attributes
    ----------
    layer : int
        Its number.
    first, last : int
        Ranks of the rows by frequency, from 1.
    n_entries : int
        Non-zeros of T in these rows.
    n_empty : int
        Rows without any.
    """

    layer: int
    first: int
    last: int
    n_entries: int
    n_empty: int


@dataclass(frozen=True)
class KeptEntries:
    """A table of what layers hold, beside their budget: the ten most frequent rows, the next 90, and so on.

    Made by :meth:`ParameterBudget.report`.

    Attributes
    ----------
    lines : list of KeptRows
    n_parameters, budget : int
        What the layers hold, anchors included, and what they may.

    Examples
    --------
    >>> print(KeptEntries([KeptRows(0, 1, 10, 60, 0), KeptRows(0, 11, 80, 70, 14)], 178, 180))
    178 of 180 parameters
    <BLANKLINE>
    rows by frequency  entries  per row  rows without
               1 - 10       60     6.00             0
              11 - 80       70     1.00            14
    """

    lines: list[KeptRows]
    n_parameters: int
    budget: int

    def __str__(self) -> str:
        many = self.lines[-1].layer > 0
        cells = [HEADER, *(_cells(line, many=many) for line in self.lines)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        made = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in cells]
        return "\n".join([f"{self.n_parameters:,} of {self.budget:,} parameters", "", *made])


def kept_entries(layers: list[AnchorEmbedding], counts: list[NDArray[Any]], budget: int) -> KeptEntries:
    """Return the table of some layers, whose rows occur so often: see :meth:`slimvec.nn.ParameterBudget.report`."""
    lines = [line for number, layer in enumerate(layers) for line in _lines(number, layer, counts[number])]
    return KeptEntries(lines, sum(layer.n_parameters for layer in layers), budget)


def _lines(number: int, layer: AnchorEmbedding, counts: NDArray[Any]) -> list[KeptRows]:
    n = layer.num_embeddings
    per_row = np.diff(layer.transform.to_csr().indptr)[np.argsort(-counts, kind="stable")]
    ends = [10**power for power in range(1, 20) if 10**power < n] + [n]
    found = zip([0, *ends[:-1]], ends, strict=True)
    return [
        KeptRows(number, first + 1, last, int(per_row[first:last].sum()), int((per_row[first:last] == 0).sum()))
        for first, last in found
    ]


def _cells(line: KeptRows, *, many: bool) -> tuple[str, ...]:
    named = f"layer {line.layer}: " if many else ""
    per_row = line.n_entries / (line.last - line.first + 1)
    return (f"{named}{line.first:,} - {line.last:,}", f"{line.n_entries:,}", f"{per_row:.2f}", f"{line.n_empty:,}")
