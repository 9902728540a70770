"""What each code stands for besides its bits: float16 factors that turn products of codes into products of vectors.

With z = Pᵀ(x - m) the projection of a vector and b its signs, the *scale* s = ‖z‖² / ‖z‖₁ makes s ⟨b, z⟩ equal to
‖z‖², and the *bias* ⟨x - m, m⟩ is what centring took from the inner product with any query q:

    ⟨x, q⟩ ≈ s ⟨b, Pᵀ(q - m)⟩ + ⟨x - m, m⟩ + ⟨m, q⟩

Where the vectors are not of unit length a third factor, the *weight* 1 / ‖x‖, turns that into a cosine.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from slimvec.binary.codes import BLOCK_CODES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from slimvec.binary.block_numbers import BlockNumbers
    from slimvec.binary.encoder import Encoder
    from slimvec.binary.levels import Quantized

SCALE, BIAS, WEIGHT = range(3)
LARGEST_HALF = 65504.0
UNIT_TOLERANCE = 2e-3  # float16 vectors are of unit length up to that


@dataclass(frozen=True, eq=False)
class Factors:
    """Scale, bias and, where needed, weight of every code.

    Attributes
    ----------
    values : ndarray, shape (ceil(n_codes / 16), 2 or 3, 16), float16
        Blocked as codes are. In units of ``norm``: s / R, ⟨x - m, m⟩ / R², R / ‖x‖.
    norm : float
        R, the root mean square norm of the vectors. Keeps the numbers within float16.
    shrinkage : float
        ρ: of all multiples ρ s b, this one is nearest to z, over all vectors. The scale itself overshoots, because it
        makes up for what the signs lose.
    n_short : int or None
        Vectors whose weight is not 1 / ‖x‖, as they are short beside themselves centred; None if not known.
    """

    values: NDArray[np.float16]
    norm: float
    shrinkage: float
    n_short: int | None

    @property
    def n_factors(self) -> int:
        """2 or 3."""
        return int(self.values.shape[1])

    @property
    def has_weights(self) -> bool:
        """Whether there are three factors."""
        return self.n_factors > WEIGHT

    def facts(self) -> dict[str, Any]:
        """Return what the header of a file says of them."""
        said: dict[str, Any] = {"norm": self.norm, "shrinkage": self.shrinkage}
        if self.has_weights and self.n_short is not None:
            said["short"] = self.n_short
        return {"factors": said}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what a file holds of them, by name."""
        return self.of_rows()

    def of_rows(self) -> dict[str, NDArray[Any]]:
        """Return the same: all of it is about rows."""
        return {"factors": self.values}

    def with_rows(self, arrays: dict[str, NDArray[Any]]) -> Factors:
        """Return the factors of other rows, whose arrays are given by name."""
        return replace(self, values=arrays["factors"])

    def part(self, blocks: slice) -> Factors:
        """Return those of some blocks of codes."""
        return replace(self, values=self.values[blocks])

    def require_lengths(self) -> None:
        """Raise ValueError unless the factors tell how long each vector is."""
        if self.has_weights and self.n_short:
            what = f"{self.n_short} of the vectors are so short beside the others that the table does not say how short"
            raise ValueError(f'metric="l2" needs the lengths of rows; {what}; expected vectors without them')
        if self.has_weights and self.n_short is None:
            what = "of which this table is not sure; compress them again"
            raise ValueError(f'metric="l2" needs the lengths of rows, {what}')

    @property
    def bits(self) -> int:
        """Stored bits per code."""
        return 16 * self.n_factors

    def scales(self, rows: NDArray[np.int64], shrunk: bool = True) -> NDArray[np.float32]:
        """Return ρ s of ``rows``: what a set bit of each stands for; s itself where codes are refined."""
        halves = self.values[rows // BLOCK_CODES, SCALE, rows % BLOCK_CODES]
        unit = self.norm * self.shrinkage if shrunk else self.norm
        scales: NDArray[np.float32] = halves.astype(np.float32) * np.float32(unit)
        return scales


class FactorsMade(NamedTuple):
    """The factors of some vectors.

    Attributes
    ----------
    exact : ndarray, shape (3, m), float32
        Before they are rounded.
    energies : tuple of float
        Σ s ⟨z, c⟩ and Σ s² ‖c‖²; of signs Σ ‖z‖², ...
    of_unit_length : bool
        Whether all vectors are.
    n_short : int
        See :class:`Factors`.
    """

    exact: NDArray[np.float32]
    energies: tuple[float, float]
    of_unit_length: bool
    n_short: int


class FactorsBuilder:
    """Factors in the making, some vectors at a time, also by several threads.

    Parameters
    ----------
    n_codes : int
    encoder : Encoder
    norm : float
        R, at least roughly.
    """

    def __init__(self, n_codes: int, encoder: Encoder, norm: float) -> None:
        self._rows = np.zeros((3, -(-n_codes // BLOCK_CODES) * BLOCK_CODES), np.float16)
        self._encoder = encoder
        self.norm = norm or 1.0

    def update(self, places: NDArray[np.int64], block: NDArray[Any], quantized: Quantized) -> FactorsMade:
        """Take in vectors, whose places among the codes are given, and how codes stand for them in units of R."""
        vectors = np.divide(block, self.norm, dtype=np.float64).astype(np.float32)  # the norm may be beyond float32
        scales, products = quantized.scales, quantized.products
        energies = scales * products
        norms = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64)).astype(np.float32)
        biases = self._encoder.biases(vectors, self.norm, quantized)
        weights, short = _weights(norms, np.sqrt(energies), self._encoder.n_bits)
        made = np.stack([scales, biases, weights])
        with np.errstate(over="ignore"):  # see check_lengths
            self._rows[:, places] = made
        scale_energy = float((scales**2 * quantized.energies).sum(dtype=np.float64))
        of_unit_length = bool((np.abs(norms * self.norm - 1) < UNIT_TOLERANCE).all())
        return FactorsMade(
            made, (float(energies.sum(dtype=np.float64)), scale_energy), of_unit_length, int(short.sum())
        )

    def finish(self, numbers: BlockNumbers, weights: bool = False) -> Factors:
        """Return the factors; weights only where vectors are not of unit length, or ``weights`` are asked for.

        ``numbers`` are those of all rows.
        """
        rows = self._rows[: 3 if weights or not numbers.of_unit_length else 2]
        values = np.ascontiguousarray(rows.reshape(len(rows), -1, BLOCK_CODES).transpose(1, 0, 2))
        return Factors(values, self.norm, shrinkage_of(numbers.energies), numbers.n_short)


def check_lengths(exact: NDArray[np.float32], first_row: int) -> None:
    """Raise ValueError, with the row, for factors ``(3, m)`` that float16 does not hold; the first is of that row."""
    with np.errstate(over="ignore"):
        beyond = ~np.isfinite(exact.astype(np.float16)).all(axis=0)
    if beyond.any():
        raise ValueError(
            f"vectors are too long beside those that were fitted for float16 factors, first in row "
            f"{first_row + int(np.argmax(beyond))}; fit on them"
        )


def shrinkage_of(energies: Iterable[tuple[float, float]]) -> float:
    """Return ρ from what a builder keeps of each part, in order."""
    energy = scale_energy = 0.0
    for own, of_scales in energies:
        energy += own
        scale_energy += of_scales
    return energy / scale_energy if scale_energy else 0.0


def _weights(
    norms: NDArray[np.float32], centred: NDArray[np.float32], n_bits: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return 1 / ‖x‖, but less for a row that is short beside its centred self z, and 0 for a row of zeros; and which.

    The estimate of ⟨x, q⟩ errs by about 3/4 ‖z‖ / √n_bits. Where z is mostly the mean, which is taken off, that is more
    than ‖x‖ itself, and divided by ‖x‖ it would put noise before all true neighbours. From an error of 3/8 on, weights
    fall as fast as they would rise.
    """
    certain = n_bits**0.5 / 2
    noisy = centred > certain * norms
    with np.errstate(over="ignore", under="ignore"):  # float16 ends long before
        weights = np.divide(1, norms, out=np.zeros_like(norms), where=norms > 0)
        weights[noisy] = certain**2 * norms[noisy] / centred[noisy] ** 2
    return np.minimum(weights, LARGEST_HALF), (noisy | (weights > LARGEST_HALF)) & (norms > 0)
