"""The rotation that loses least when its outputs are reduced to signs: alternating Procrustes (ITQ, IIQ)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from slimvec.blas import in_order, one_thread, row_parts
from slimvec.blocks import scale_of
from slimvec.progress import Progress, ignore

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SIGN_BIT = np.uint32(0x80000000)
_PLUS_ONE = np.uint32(0x3F800000)  # the bits of 1.0


def random_frame(n_rows: int, n_bits: int, generator: np.random.Generator) -> NDArray[np.float32]:
    """Return ``n_rows`` rows of a Haar-random orthogonal ``n_bits × n_bits`` matrix: W with WWᵀ = I.

    QR of a Gaussian is Haar once the signs that LAPACK leaves open are fixed.
    """
    q, r = np.linalg.qr(generator.standard_normal((n_bits, n_rows)))
    return np.ascontiguousarray((q * np.where(np.diag(r) >= 0, 1.0, -1.0)).T, np.float32)


def polar_factor(products: NDArray[np.float64]) -> tuple[NDArray[np.float32], float]:
    """Return argmax tr(WᵀM) over WWᵀ = I for M ``(r, n_bits)``, and that maximum, the nuclear norm of M.

    With M = PΣQᵀ the maximum is at W = PQᵀ (orthogonal Procrustes), where tr(WᵀM) = tr Σ. Eigenvectors of MMᵀ would
    take less time but square the spread of Σ, which sentence embeddings (MiniLM) make too wide for that; Newton's
    iteration, scaled (Higham 1986), inverts so often that it takes longer.
    """
    with one_thread():
        p, sigma, qt = np.linalg.svd(products, full_matrices=False)
        return (p @ qt).astype(np.float32), float(sigma.sum())


class SignCorrelation:
    """M = YᵀB with B = sgn(YW), gathered block by block: all that one iteration needs to know of the data.

    The sums merge, so blocks may be seen in any order, by any worker.
    """

    def __init__(self, rotation: NDArray[np.float32]) -> None:
        self._rotation = rotation
        self._products = np.zeros(rotation.shape)

    def update(self, block: NDArray[np.float32]) -> SignCorrelation:
        """Add rows of Y, ``(m, r)``: parts of them stay in cache between the two products."""
        with one_thread():
            for products in in_order(lambda part: self._correlate(block[part]), row_parts(len(block))):
                self._products += products
        return self

    def _correlate(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        signs = block @ self._rotation
        # sgn in place, as bits: keep the sign, put 1.0 behind it. A product that is zero is +0.0 (BLAS sums start
        # from +0.0), so sgn(0) = +1.
        bits = signs.view(np.uint32)
        np.bitwise_and(bits, _SIGN_BIT, out=bits)
        np.bitwise_or(bits, _PLUS_ONE, out=bits)
        products: NDArray[np.float32] = block.T @ signs
        return products

    def merge(self, other: SignCorrelation) -> SignCorrelation:
        """Add the rows that ``other`` has seen."""
        self._products += other._products
        return self

    def finalize(self) -> tuple[NDArray[np.float32], float]:
        """Return the next rotation, argmax tr(WᵀM), and that maximum (:func:`polar_factor`)."""
        return polar_factor(self._products)


def learn_rotation(
    projected: NDArray[np.float32], rotation: NDArray[np.float32], n_iter: int, progress: Progress = ignore
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Alternate B = sgn(YW) and W = argmin ‖B - YW‖² from a given start.

    Parameters
    ----------
    projected : ndarray, shape (n, r), float32
        Y: centred rows in the kept directions.
    rotation : ndarray, shape (r, n_bits), float32
        W to start from, with WWᵀ = I.
    n_iter : int
        Iterations.
    progress : callable
        See :data:`slimvec.progress.Progress`.

    Returns
    -------
    rotation : ndarray, shape (r, n_bits), float32
    loss : ndarray, shape (n_iter,), float64
        ‖B - YW‖² / (n · n_bits) after each iteration; it never rises. From traces: ‖B‖² = n · n_bits,
        ‖YW‖² = ‖Y‖², ⟨B, YW⟩ = tr(WᵀM).
    """
    n_entries = len(projected) * rotation.shape[1]
    scale = scale_of(projected)  # the rotation is the same; squares, and sums over rows, stay within float32
    if scale != 1.0:
        projected = projected / np.float32(scale)
    energy = scale**2 * sum(float(np.vdot(projected[part], projected[part])) for part in row_parts(len(projected)))
    losses = np.empty(n_iter)
    for iteration in range(n_iter):
        rotation, trace = SignCorrelation(rotation).update(projected).finalize()
        losses[iteration] = 1.0 + (energy - 2.0 * scale * trace) / n_entries
        progress("learning rotation", iteration + 1, n_iter)
    return rotation, losses


def bit_scale(projected: NDArray[np.float32], rotation: NDArray[np.float32]) -> float:
    """Return s for which s sgn(YW) Wᵀ is nearest to Y, ``(n, r)``: what a bit counts, over all rows."""
    scale, along, energy = scale_of(projected), 0.0, 0.0
    with one_thread():
        for part in row_parts(len(projected)):
            rows = projected[part] / np.float32(scale)
            decoded = np.where(rows @ rotation >= 0, np.float32(1), np.float32(-1)) @ rotation.T
            along += float(np.vdot(rows, decoded))
            energy += float(np.vdot(decoded, decoded))
    return scale * along / energy if energy else 0.0
