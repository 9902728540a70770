"""Codes of several bits: uniform levels along each direction, and which of them stand for a row.

A direction of b bits has 2^b levels t (k + 1/2 - 2^(b-1)), k = 0 ... 2^b - 1. Such a grid is linear in its bits: a bit
of weight 2^i counts ± t 2^i / 2. So a code of several bits is read like one of single bits whose directions come
again, scaled; only making it is another matter:

    a row x, of z = Pᵀ(x - m) along the directions and energy N = ‖x - m‖² in all of them, is stood for by s c(k), whose
    levels k and scale s make Σ_j w_j (z_j - s c_j)² + (μ / N) ⟨z, z - s c⟩² small.

The weights w are the variances of the directions, since queries vary as rows do; the second term counts the error
along the row itself, which hits the scores of its own neighbours. How much it counts, μ, is chosen so that these scores
are right on average (:mod:`slimvec.binary.methods.parallel_errors`); it starts from the share of the energy that w
counts. With A = Σ w z c, B = Σ w c², Z = ⟨z, c⟩ the best scale is s = (A + μ Z) / (B + (μ / N) Z²), and what it
explains, (A + μ Z)² / (B + (μ / N) Z²), is what the levels are chosen by, one direction at a time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from slimvec import _core, isa
from slimvec.binary.codes import unpack

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_BITS = 8  # kMaxBitsPerDirection of cpp/core/grid_codes.hpp
MOST_PASSES = 1000  # levels settle within ten or so; of a hostile file, more would keep an encoder busy


class Quantized(NamedTuple):
    """Codes of rows, and how each stands for its row.

    Attributes
    ----------
    codes : ndarray, shape (n, ceil(n_bits / 8)), uint8
    scales : ndarray, shape (n,), float32
        s: what a bit of weight 1 counts.
    products : ndarray, shape (n,), float32
        ⟨z, c⟩ of the row's projection and its code at scale 1.
    energies : ndarray, shape (n,), float32
        ‖c‖².
    lists : ndarray, shape (n,), int32, or None
        Whose centroids were taken off the rows.
    """

    codes: NDArray[np.uint8]
    scales: NDArray[np.float32]
    products: NDArray[np.float32]
    energies: NDArray[np.float32]
    lists: NDArray[np.int32] | None = None


@dataclass(frozen=True, eq=False)
class Grid:
    """The levels of each direction, and what errors along it weigh.

    Attributes
    ----------
    bits : ndarray, shape (r,), uint8
        Of each direction, from 1 to 8.
    steps : ndarray, shape (r,), float32
        t: from one level to the next.
    weights : ndarray, shape (r,), float32
        w.
    parallel : float
        μ.
    n_passes : int
        How many times the levels are gone over; 0 takes the nearest ones.
    """

    bits: NDArray[np.uint8]
    steps: NDArray[np.float32]
    weights: NDArray[np.float32]
    parallel: float
    n_passes: int

    @property
    def n_bits(self) -> int:
        """Bits of a code."""
        return int(self.bits.sum(dtype=np.int64))

    @cached_property
    def unit(self) -> float:
        """What a bit of weight 1 counts, a power of 2 near the longest step: dividing by it loses nothing."""
        return math.ldexp(1.0, math.frexp(self.steps.max())[1] - 1)  # a logarithm would be rounded

    @cached_property
    def sources(self) -> NDArray[np.int64]:
        """Which direction each bit belongs to, ``(n_bits,)``: the highest bits of all first, then the next ones."""
        planes = [np.flatnonzero(self.bits > plane) for plane in range(int(self.bits.max()))]
        return np.concatenate(planes)

    @cached_property
    def bit_weights(self) -> NDArray[np.float32]:
        """What each bit counts, ± that, in units, ``(n_bits,)``."""
        planes = [np.full(int((self.bits > plane).sum()), plane) for plane in range(int(self.bits.max()))]
        exponents = self.bits[self.sources].astype(np.int64) - np.concatenate(planes) - 2
        weights: NDArray[np.float32] = np.ldexp(self.steps[self.sources] / np.float32(self.unit), exponents)
        return weights

    def quantize(self, values: NDArray[np.float32], energies: NDArray[np.float64]) -> Quantized:
        """Return the codes of rows from projections ``(n, r)`` and energies N ``(n,)``; all of them are in units."""
        steps, parallel = self.steps / np.float32(self.unit), np.float32(self.parallel)
        directions = np.stack([steps, 1 / steps, (self.weights + parallel) * steps, self.weights * steps**2], axis=1)
        parallels = np.divide(self.parallel, energies, out=np.zeros_like(energies), where=energies > 0)
        found = _core.grid_codes(
            isa.current(), values, parallels.astype(np.float32), directions, self.bits, self.n_passes
        )
        return Quantized(*found)

    def values(self, codes: NDArray[np.uint8], scales: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """Return s c of packed codes, ``(n, r)``: a row of its levels along the directions; s is 1 by default."""
        signs = unpack(codes, self.n_bits, scales)
        signs *= self.bit_weights
        levels = signs[:, : len(self.bits)].copy()
        first = len(self.bits)
        for plane in range(1, int(self.bits.max())):
            here = np.flatnonzero(self.bits > plane)
            levels[:, here] += signs[:, first : first + len(here)]
            first += len(here)
        return levels
