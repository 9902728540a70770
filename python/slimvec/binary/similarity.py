"""Cosines between codes, from Hamming distances alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.binary.codes import unpack

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slimvec.binary.codes import BlockedCodes


def similarities(table: BlockedCodes, codes: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the cosine of every code of a table with the mean of ``codes``, all as -1 / +1 vectors, ``(n_codes,)``.

    The inner product of two codes is n_bits - 2 · Hamming distance, so distances are all that is needed. Codes that
    cancel out have no direction: their similarity to everything is 0.
    """
    distances = np.zeros(table.n_codes, np.int64)
    for code in codes:
        distances += table.pairwise(code[None], n_threads=1)[0]
    products = table.n_bits - 2.0 * distances / len(codes)
    mean = unpack(codes, table.n_bits).mean(axis=0, dtype=np.float64)
    norm = (float(mean @ mean) * table.n_bits) ** 0.5
    return products / norm if norm else np.zeros(table.n_codes)


def largest(values: NDArray[np.floating[Any]], k: int) -> NDArray[np.intp]:
    """Return the positions of the k largest values, largest first, ties by the lower position."""
    kth = np.partition(values, -k)[-k]
    above = np.flatnonzero(values > kth)
    level = np.flatnonzero(values == kth)[: k - len(above)]
    candidates = np.concatenate([above, level])
    return candidates[np.lexsort((candidates, -values[candidates]))]
