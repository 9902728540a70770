"""Cosines between codes, from Hamming distances alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.binary.codes import unpack
from slimvec.validation import as_threads

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slimvec.binary.codes import BlockedCodes


def most_similar(
    table: BlockedCodes, codes: NDArray[np.uint8], own: NDArray[np.int64], k: int
) -> tuple[NDArray[np.integer], NDArray[np.float64]]:
    """Return the ``k`` rows besides ``own`` that are most similar to the mean of ``codes``, and their cosines."""
    if len(codes) == 1:  # distances order rows as cosines do, and a search makes nothing of the size of the table
        distances, rows = table.search(codes, k + len(own), None, as_threads(None))
        others = np.flatnonzero(~np.isin(rows[0], own))[:k]
        return rows[0, others], (table.n_bits - 2.0 * distances[0, others]) / table.n_bits
    cosines = similarities(table, codes)
    cosines[own] = -np.inf
    best = largest(cosines, k)
    return best, cosines[best]


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
