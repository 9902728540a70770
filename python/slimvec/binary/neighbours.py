"""Cosines between codes, from Hamming distances alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from slimvec.binary.codes import unpack
from slimvec.results import largest, others_than
from slimvec.validation import as_threads

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slimvec.binary.codes import BlockedCodes


def nearest_to_code(
    table: BlockedCodes, code: NDArray[np.uint8], own: NDArray[np.int64], k: int
) -> tuple[NDArray[np.integer], NDArray[np.float64]]:
    """Return the ``k`` rows besides ``own`` that are most similar to one packed code ``(1, bytes)``, and their cosines.

    Distances order rows as cosines do, and a search makes nothing of the size of the table.
    """
    distances, rows = table.search(code, k + len(own), None, as_threads(None))
    others = others_than(own, rows[0], k)
    return rows[0, others], cosines_of(distances[0, others], table.n_bits)


def nearest_to_sum(
    table: BlockedCodes, codes: NDArray[np.uint8], signs: NDArray[np.float64], own: NDArray[np.int64], k: int
) -> tuple[NDArray[np.integer], NDArray[np.float64]]:
    """Return the ``k`` rows besides ``own`` that are most similar to Σ sign × code, and their cosines."""
    cosines = similarities(table, codes, signs)
    cosines[own] = -np.inf
    best = largest(cosines, k)
    return best, cosines[best]


def cosines_of(distances: NDArray[np.integer], n_bits: int) -> NDArray[np.float64]:
    """Return the cosines of codes as -1 / +1 vectors, from their Hamming distances."""
    cosines: NDArray[np.float64] = (n_bits - 2.0 * distances) / n_bits
    return cosines


def similarities(table: BlockedCodes, codes: NDArray[np.uint8], signs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the cosine of every code of a table with Σ sign × code, all as -1 / +1 vectors, ``(n_codes,)``.

    The inner product of two codes is n_bits - 2 · Hamming distance, so distances are all that is needed. Codes that
    cancel out have no direction: their similarity to everything is 0.
    """
    distances = np.zeros(table.n_codes)
    for code, sign in zip(codes, signs, strict=True):
        distances += sign * table.pairwise(code[None], n_threads=1)[0]
    products = table.n_bits * (signs.sum() / len(codes)) - 2.0 * distances / len(codes)
    mean = signs @ unpack(codes, table.n_bits).astype(np.float64) / len(codes)
    norm = (float(mean @ mean) * table.n_bits) ** 0.5
    return products / norm if norm else np.zeros(table.n_codes)
