"""Ways of searching other than reading all codes: lists, of which some are read, and originals.

They are tried on a table of the sample alone.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from slimvec.binary.methods.transform_coding import TransformCoding
from slimvec.binary.training.lists import number_of_lists
from slimvec.evaluate.truth import exact_neighbours, recall_with_ties
from slimvec.recommending.choices import FOR_LISTS, Choice
from slimvec.recommending.setting import Setting
from slimvec.recommending.trend import Expected
from slimvec.recommending.trial import Timing, timed

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from slimvec.recommending.sample import Sample
    from slimvec.results import ScoreResult

LISTS_PAY = 100_000  # rows from which on it is worth to read some lists only
LIST_BYTES = 4  # which row is where
SHORTLISTS = (0.5, 1, 2)  # bits per direction of codes whose best rows originals score


def recall_of(sample: Sample, found: ScoreResult, true: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the recall among the rows of the sample, ``(n_groups,)``."""
    shares = [
        recall_with_ties(found.indices[own], true[own], sample.queries[own], sample.base, "cosine")
        for own in sample.groups()
    ]
    return np.array(shares)


def with_lists(sample: Sample, settings: list[Setting], recall: float) -> Setting | None:
    """Return a way that reads some lists of a table, where that is faster than all settings that reach the recall.

    As large a part of the lists is read as in the sample; of more rows less will do.
    """
    reach = [one for one in settings if one.recall >= recall]
    ample = [one for one in reach if one.recall >= recall + FOR_LISTS * (1 - recall)]
    if sample.n_rows < LISTS_PAY or not ample:
        return None
    own = min(ample, key=lambda one: one.bytes_per_row)
    n_lists = number_of_lists("auto", len(sample.base))
    table = TransformCoding(own.n_bits, refine_bits=own.refine_bits, partitions=n_lists).compress(sample.base)
    true = exact_neighbours(sample.queries, sample.base, sample.k, "cosine")
    whole = recall_of(sample, table.search(sample.queries, sample.k), true).mean()
    per_list = len(sample.base) / n_lists
    nearest = timed(partial(table.search, k=sample.k, probes=1), sample)
    for probes in (1 << i for i in range(n_lists.bit_length())):
        search: Callable[..., ScoreResult] = partial(table.search, k=sample.k, probes=probes)
        shares = recall_of(sample, search(sample.queries), true)
        expected = own.recall * float(shares.mean() / whole)
        if expected >= recall:
            alone, batch = timed(search, sample)
            timing = Timing((round(per_list), round(probes * per_list)), (nearest[0], alone), (nearest[1], batch))
            ms = timing.at(probes / n_lists * sample.n_rows)
            if ms[0] >= min(one.ms_alone for one in reach):
                return None
            lists = number_of_lists("auto", sample.n_rows)
            read = max(1, round(probes / n_lists * lists))
            codes = own.n_bits, own.refine_bits, own.bytes_per_row + LIST_BYTES
            return Setting(*codes, expected, own.error, *ms, lists, read, False)
    return None


def with_originals(sample: Sample, recall: float) -> Setting | None:
    """Return the fewest bits whose best rows, scored by the vectors themselves, reach a recall."""
    true = exact_neighbours(sample.queries, sample.base, sample.k, "cosine")
    for share in SHORTLISTS:
        choice = Choice(sample.shape.bits(share), 0)
        table = TransformCoding(choice.n_bits).compress(sample.base)
        search = partial(table.search, k=sample.k, originals=sample.base)
        shares = recall_of(sample, search(sample.queries), true)
        if shares.mean() >= recall:
            error = float(shares.std(ddof=1) / np.sqrt(len(shares)))
            alone, batch = timed(search, sample)
            n_bytes = sample.shape.bytes_of(choice) + sample.base[0].nbytes
            timing = Timing((0, len(sample.base)), (0.0, alone), (0.0, batch))
            reached = Expected(float(shares.mean()), error)
            return Setting(*choice, n_bytes, *reached, *timing.at(sample.n_rows), None, None, True)
    return None
