"""The short way of few queries through a table in lists: all stages in one call of the core.

A query alone takes long between stages that are asked for one by one. What is found is the same, to the bit; what is
out of the ordinary takes the long way.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec import _core, isa
from slimvec.norms import NEAR
from slimvec.results import ScoreResult

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slimvec.binary.list_encoder import ListEncoder
    from slimvec.binary.parts import BinaryParts

MOST = 16  # queries: of more, the stages take long beside what is between them
MOST_ROWS = 1 << 20  # on all their shortlists


class ListSearch:
    """A table in lists as the core takes it, made when it is first asked; a copy makes its own."""

    def __init__(self) -> None:
        self._made: _core.ListSearch | None = None
        self._is_known = False

    def __reduce__(self) -> tuple[Any, ...]:
        return ListSearch, ()

    def best(
        self,
        parts: BinaryParts,
        queries: NDArray[Any],
        k: int,
        n_shortlist: int,
        n_lists: int | None,
        mask: NDArray[np.uint8] | None,
        n_threads: int,
    ) -> ScoreResult | None:
        """Return rows and cosines of the k best rows for ``queries (n, d)``, or None if that is for the long way."""
        if not 0 < len(queries) <= MOST or len(queries) * n_shortlist > MOST_ROWS:
            return None
        if queries.dtype not in (np.float32, np.float64) or not (queries.flags.c_contiguous and queries.flags.aligned):
            return None
        if not self._is_known:
            self._made, self._is_known = _made(parts), True
        if self._made is None or parts.partition is None:
            return None
        n_read = parts.partition.n_lists if n_lists is None else n_lists
        found = self._made.search(isa.current(), queries, k, n_shortlist, n_read, mask, n_threads)
        return None if found is None else ScoreResult(*found)


def _made(parts: BinaryParts) -> _core.ListSearch | None:
    """Return what the core takes of a table; None unless its rows are of unit length, and of an ordinary scale."""
    partition, factors, norm, refinement = parts.partition, parts.factors, parts.norm, parts.refinement
    if partition is None or factors is None or norm is None or factors.has_weights:
        return None
    if parts.has_distances or abs(math.frexp(norm)[1]) > NEAR or abs(math.frexp(factors.norm)[1]) > NEAR:
        return None
    encoder: ListEncoder = parts.encoder  # type: ignore[assignment]
    if encoder.columns is None:
        return None
    second = None
    if refinement is not None:
        refiner = refinement.refiner
        second = refinement.codes, refiner.grid.bits, refinement.numbers.view(np.uint16), refiner.columns
    spilled = None if parts.spilled is None else parts.spilled.for_core(encoder)
    frame = (encoder if refinement is None else refinement.refiner).frame
    return _core.ListSearch(
        (parts.codes.blocks, parts.codes.n_codes, parts.codes.n_bits, factors.values.view(np.uint16)),
        (partition.starts, partition.distinct_rows),
        encoder.rounded,
        encoder.inverse_norms,
        None if encoder.lead is None else encoder.lead.rows,
        spilled,
        (encoder.mean, frame, encoder.columns, encoder.lead_at_mean(1.0)),
        second,
        (factors.norm, norm),
    )
