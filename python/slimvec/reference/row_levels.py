"""The NumPy twins of codes of several bits: rows put on a grid, step by step in float32, and levels packed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

ONE, HALF = np.float32(1), np.float32(0.5)


def grid_levels(
    values: NDArray[np.float32],
    parallels: NDArray[np.float32],
    directions: NDArray[np.float32],
    limits: NDArray[np.float32],
    n_passes: int,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Rows ``(n, r)`` -> levels u ``(n, r)``, scales, products and energies ``(n,)``, by ``directions (r, 4)``."""
    steps, inverses, gains, weights = directions.T
    levels = np.clip(np.floor(values * inverses) + HALF, -limits, limits)
    g, b, z, energies = np.zeros((4, len(values)), np.float32)
    for j in range(levels.shape[1]):
        g += gains[j] * values[:, j] * levels[:, j]
        b += weights[j] * (levels[:, j] * levels[:, j])
        z += steps[j] * values[:, j] * levels[:, j]
    for _ in range(n_passes):
        for j in range(levels.shape[1]):
            gain, product, u = gains[j] * values[:, j], steps[j] * values[:, j], levels[:, j]
            h = b + parallels * z * z
            slope = gain * h - g * (weights[j] * u + parallels * z * product)
            side = np.where(slope > 0, ONE, -ONE)
            new_g, new_z = g + side * gain, z + side * product
            new_b = b + weights[j] * (ONE + 2 * side * u)
            new_h = new_b + parallels * new_z * new_z
            better = (new_g * new_g * h > g * g * new_h) & (np.abs(u + side) <= limits[j])
            levels[:, j] = np.where(better, u + side, u)
            g, b, z = np.where(better, new_g, g), np.where(better, new_b, b), np.where(better, new_z, z)
    for j in range(levels.shape[1]):
        energies += (steps[j] * levels[:, j]) ** 2
    h = b + parallels * z * z
    scales = np.divide(g, h, out=np.zeros_like(g), where=h > 0)
    return levels, scales, z, energies


def grid_codes(
    values: NDArray[np.float32],
    parallels: NDArray[np.float32],
    directions: NDArray[np.float32],
    bits: NDArray[np.uint8],
    n_passes: int,
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Rows ``(n, r)`` -> packed codes and what :func:`grid_levels` returns; the highest bits come first."""
    limits = ((1 << bits.astype(np.int64)) - 1).astype(np.float32) * HALF
    levels, scales, products, energies = grid_levels(values, parallels, directions, limits, n_passes)
    places = (levels + limits).astype(np.int64)
    planes = [places[:, bits > p] >> (bits[bits > p].astype(np.int64) - p - 1) & 1 for p in range(bits.max())]
    codes = np.packbits(np.concatenate(planes, axis=1).astype(bool), axis=1, bitorder="little")
    return codes, scales, products, energies


def refined_products(
    codes: NDArray[np.uint8], bits: NDArray[np.uint8], values: NDArray[np.int16], ids: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Products of values ``(n_queries, r)`` and levels u of the rows ``ids (n_queries, m)``; 0 for an id of -1.

    A level is k + 1/2 - 2^(b - 1), k of b bits: the highest bits of all directions come first, then the next ones.
    """
    every = np.unpackbits(codes, axis=1, bitorder="little").astype(np.int64)
    levels, first = np.zeros((len(codes), len(bits)), np.int64), 0
    for plane in range(int(bits.max())):
        size = int((bits > plane).sum())
        levels[:, :size] = 2 * levels[:, :size] + every[:, first : first + size]
        first += size
    halves = levels + 0.5 - 2.0 ** (bits.astype(np.int64) - 1)
    products = np.einsum("qj,qij->qi", values.astype(np.float64), halves[ids])
    return np.where(ids < 0, 0.0, products)
