"""How many lists a search must read for how much recall: measured when a table is made, kept in its file."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np

from slimvec.errors import FormatError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slimvec.binary.list_encoder import ListEncoder
    from slimvec.binary.partition import Partition
    from slimvec.binary.parts import BinaryParts
    from slimvec.progress import Progress

ASKED = (1, 10, 100)  # neighbours that are measured
N_ASKING = 512  # rows that ask: the recall of 10 neighbours is then known within .01
FEWER = 4  # times, of many neighbours each
SATISFIED = 0.0005  # below the recall of all lists: a share that no further list raises
SPARE = 32  # rows beyond those that may score as the last of them does
SAME = 1e-6  # cosines that differ by rounding only


@dataclass(frozen=True)
class Calibration:
    """Recall of rows of the table that ask for their nearest others, by how many lists are read.

    Attributes
    ----------
    probes : tuple of int
        How many lists were read; rising, the last one all of them.
    recall : dict of int to tuple of float
        By the number k of neighbours that are asked for: of the true ones, this share is found by the codes.
    reach : dict of int to tuple of float
        The share that is in these lists, which originals could find.
    """

    probes: tuple[int, ...]
    recall: dict[int, tuple[float, ...]]
    reach: dict[int, tuple[float, ...]]

    def probes_for(self, recall: float, k: int, exactly: bool) -> int:
        """Return how many lists find a share ``recall`` of k neighbours; ``exactly``, if originals score them.

        Raises
        ------
        ValueError
            If not even all of them do.
        """
        measured = self.reach if exactly else self.recall
        nearest = min((one for one in measured if one >= k), default=max(measured))
        found = np.maximum.accumulate(measured[nearest])
        if found[-1] < recall and not exactly:
            raise ValueError(
                f"recall={recall:g}; these codes find at most {found[-1]:.3f} of {nearest} neighbours in all lists. "
                "Expected less, originals=, or a table of more bits (refine_bits=)"
            )
        at = int(np.searchsorted(found, recall))
        if at == 0:
            return self.probes[0]
        if at == len(found):
            return self.probes[-1]
        share = (recall - found[at - 1]) / (found[at] - found[at - 1])
        below, above = np.log(self.probes[at - 1]), np.log(self.probes[at])
        return int(np.ceil(np.exp(below + share * (above - below)) - 1e-9))

    def facts(self) -> dict[str, Any]:
        """Return what the header of a file says of it."""
        kept = {"recall": self.recall, "reach": self.reach}
        by_name = {
            name: {str(k): [round(one, 4) for one in shares] for k, shares in of.items()} for name, of in kept.items()
        }
        return {"probes": list(self.probes), **by_name}

    @classmethod
    def from_facts(cls, facts: Any, n_lists: int) -> Self | None:
        """Return what a header says, after checking it."""
        if facts is None:
            return None
        wrong = FormatError(f"calibration is {facts!r}; expected rising numbers of lists, and shares for each")
        probes = facts.get("probes") if isinstance(facts, dict) else None
        if not isinstance(probes, list) or not probes or not all(type(one) is int for one in probes):
            raise wrong
        if probes[0] < 1 or probes[-1] != n_lists or any(a >= b for a, b in pairwise(probes)):
            raise wrong
        kept = []
        for name in ("recall", "reach"):
            shares = facts.get(name)
            if not isinstance(shares, dict) or not shares:
                raise wrong
            for k, of in shares.items():
                known = isinstance(of, list) and len(of) == len(probes) and k.isdigit() and int(k) >= 1
                if not known or not all(type(one) in (int, float) and 0 <= one <= 1 for one in of):
                    raise wrong
            kept.append({int(k): tuple(map(float, of)) for k, of in shares.items()})
        if kept[0].keys() != kept[1].keys():
            raise wrong
        return cls(tuple(probes), *kept)


def calibrate(parts: BinaryParts, nearest: NearestRows, progress: Progress) -> Calibration | None:
    """Let the rows of a table that know their true neighbours ask for them; None where rows are too few."""
    from slimvec.binary.probing import probe_order
    from slimvec.binary.search import TableSearch

    partition, n_rows = cast("Partition", parts.partition), len(parts)
    asked = [k for k in ASKED if k < n_rows - 1]
    if not asked:
        return None
    n_lists = partition.n_lists
    probes = [1 << i for i in range(n_lists.bit_length()) if 1 << i < n_lists] + [n_lists]
    order = probe_order(parts, nearest.vectors)
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(n_lists)[None], axis=1)
    recall, reach = {}, {}
    for done, k in enumerate(asked):
        progress("calibrating", done, len(asked))
        n_asking = -(-N_ASKING // (1 if k < ASKED[-1] else FEWER))
        vectors, true = nearest.vectors[:n_asking], nearest.of(k)[:n_asking]
        held = [ranks[q, partition.lists(rows)] for q, rows in enumerate(true)]
        reach[k] = tuple(float(np.mean([(of < n_read).mean() for of in held])) for n_read in probes)

        def found_by(n_read: int, k: int, vectors: NDArray[Any], true: list[NDArray[np.int64]]) -> float:
            search = TableSearch(parts, cast("ListEncoder", parts.encoder), "cosine", None, None, n_read)
            found = search.floats(vectors, k + 1, "auto", None).indices
            others = [rows[rows != own][:k] for rows, own in zip(found, nearest.numbers, strict=False)]
            return float(np.mean([np.isin(rows, near).mean() for rows, near in zip(others, true, strict=True)]))

        most = found_by(n_lists, k, vectors, true)
        shares: list[float] = []
        for n_read in probes:  # further lists cost much, and find nothing more
            enough = bool(shares) and shares[-1] >= most - SATISFIED
            shares.append(most if enough or n_read == n_lists else found_by(n_read, k, vectors, true))
        recall[k] = tuple(shares)
    progress("calibrating", len(asked), len(asked))
    return Calibration(tuple(probes), recall, reach)


class NearestRows:
    """The true neighbours of some rows among all, gathered block by block.

    Parameters
    ----------
    numbers : ndarray, shape (q,), int64
        Of the rows that ask.
    vectors : ndarray, shape (q, d)
    """

    def __init__(self, numbers: NDArray[np.int64], vectors: NDArray[Any]) -> None:
        self.numbers, self.vectors = numbers, vectors
        self._asking = _of_unit_length(vectors)
        self._scores = np.empty((len(numbers), 0), np.float32)
        self._rows = np.empty((len(numbers), 0), np.int64)

    def update(self, first_row: int, block: NDArray[Any]) -> None:
        """See a block of rows, whose first has the number ``first_row``."""
        scores = self._asking @ _of_unit_length(block).T
        own = self.numbers - first_row
        here = np.flatnonzero((own >= 0) & (own < len(block)))
        scores[here, own[here]] = -np.inf  # no row is its own neighbour
        scores = np.hstack([self._scores, scores])
        rows = np.arange(first_row, first_row + len(block))
        rows = np.hstack([self._rows, np.broadcast_to(rows, (len(self.numbers), len(block)))])
        kept = min(scores.shape[1], ASKED[-1] + SPARE)
        best = np.argpartition(-scores, kept - 1, axis=1)[:, :kept]
        self._scores, self._rows = np.take_along_axis(scores, best, axis=1), np.take_along_axis(rows, best, axis=1)

    def of(self, k: int) -> list[NDArray[np.int64]]:
        """Return the k nearest rows of each that asks, and those that are as near as the last of them."""
        kth = -np.partition(-self._scores, k - 1, axis=1)[:, k - 1]
        return [rows[scores >= least - SAME] for rows, scores, least in zip(self._rows, self._scores, kth, strict=True)]


def _of_unit_length(rows: NDArray[Any]) -> NDArray[np.float32]:
    wide = rows.astype(np.float64)
    norms = np.linalg.norm(wide, axis=1, keepdims=True)
    unit: NDArray[np.float32] = np.divide(wide, norms, out=np.zeros_like(wide), where=norms > 0).astype(np.float32)
    return unit
