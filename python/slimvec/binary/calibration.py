"""How many lists a search must read for how much recall: measured when a table is made, kept in its file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from slimvec.errors import FormatError

if TYPE_CHECKING:
    from numpy.typing import NDArray

NUMBER = re.compile("[1-9][0-9]{0,17}")  # of neighbours, as the name of a member


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

    def probes_for(self, recall: float, k: int, exactly: bool, share: float = 1.0) -> int:
        """Return how many lists find a share ``recall`` of k neighbours; ``exactly``, if originals score them.

        Where only a ``share`` of the rows may be found, the k nearest of these are as far as the k / share nearest of
        all, and lie in as many more lists.

        Raises
        ------
        ValueError
            If not even all of them do.
        """
        measured = self.reach if exactly else self.recall
        nearest = self._measured_for(k)
        found = np.maximum.accumulate(measured[nearest])
        if found[-1] < recall and not exactly:
            raise ValueError(
                f"recall={recall:g}; these codes find at most {found[-1]:.3f} of {nearest} neighbours in all lists. "
                "Expected less, originals=, or a table of more bits (refine_bits=)"
            )
        n_read = self._reaching(found, recall)
        if 0 < share < 1:
            held = float(np.interp(np.log(n_read), np.log(self.probes), np.maximum.accumulate(self.reach[nearest])))
            n_read *= self._holding(held, k / share) / self._holding(held, k)
        return int(min(np.ceil(n_read - 1e-9), self.probes[-1]))

    def _measured_for(self, k: float) -> int:
        return min((one for one in self.recall if one >= k), default=max(self.recall))

    def _reaching(self, found: NDArray[np.float64], level: float) -> float:
        """Return how many lists reach a level of what rises with them."""
        at = int(np.searchsorted(found, level))
        if at == 0:
            return self.probes[0]
        if at == len(found):
            return self.probes[-1]
        share = (level - found[at - 1]) / (found[at] - found[at - 1])
        below, above = np.log(self.probes[at - 1]), np.log(self.probes[at])
        return float(np.exp(below + share * (above - below)))

    def _holding(self, level: float, k: float) -> float:
        """Return how many lists hold a share of k neighbours: a power of k between those measured, and beyond."""
        known = sorted(self.reach)
        lists = np.log([self._reaching(np.maximum.accumulate(self.reach[one]), level) for one in known])
        of = np.log(known)
        log_k = np.log(max(k, known[0]))
        if log_k <= of[-1] or len(known) == 1:
            return float(np.exp(np.interp(log_k, of, lists)))
        slope = max(0.0, (lists[-1] - lists[-2]) / (of[-1] - of[-2]))
        return float(np.exp(min(lists[-1] + slope * (log_k - of[-1]), np.log(self.probes[-1]))))

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
                known = isinstance(of, list) and len(of) == len(probes) and NUMBER.fullmatch(k)
                if not known or not all(type(one) in (int, float) and 0 <= one <= 1 for one in of):
                    raise wrong
            kept.append({int(k): tuple(map(float, of)) for k, of in shares.items()})
        if kept[0].keys() != kept[1].keys():
            raise wrong
        return cls(tuple(probes), *kept)
