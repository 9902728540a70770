"""Near-lossless binarization: codes learnt by an autoencoder whose hidden layer is bits."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.binary.methods.base import BinaryEstimator
from slimvec.blocks import even_blocks
from slimvec.validation import MOST_BITS, as_bounded, as_generator, as_integer, as_steps, check_finite

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slimvec.progress import Progress
    from slimvec.vectors.rows import Rows

DECAY = 0.95  # of both learning rates, after each epoch


@dataclass(eq=False, repr=False)
class NLB(BinaryEstimator):
    r"""Binary codes by near-lossless binarization.

    An autoencoder with one layer: b = [Wx > 0], x̂ = clip(Wᵀb + c, -1, 1). W learns from the decoder alone, for b has
    no gradient, and a penalty keeps WᵀW near the identity, so that bits say different things.

    Parameters
    ----------
    n_bits : int
        Bits per code. The authors take 256 by default and multiples of 64; any number works here.
    learning_rate : float
        Of the reconstruction.
    penalty_rate : float
        Of ‖WᵀW - I‖² / 2.
    batch_size : int
    n_epochs : int
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None
        Seed of the first W and c.

    Attributes
    ----------
    mean_ : ndarray, shape (d,), float32
        Zeros: nothing is subtracted.
    projection_ : ndarray, shape (d, n_bits), float32
        Wᵀ.
    bias_ : ndarray, shape (d,), float32
        c.
    losses_ : ndarray, shape (n_epochs,), float64
        ‖x - x̂‖² per row, mean over each epoch.
    penalties_ : ndarray, shape (n_epochs,), float64
        ‖WᵀW - I‖² after each epoch. With ``n_bits`` below d it cannot fall below d - n_bits.
    n_features_in_ : int
        d.

    Raises
    ------
    ValueError
        From ``fit``: an empty matrix, NaN or infinity, parameters out of bounds; rates so high that W overflows.

    Notes
    -----
    As in the authors' program, as far as its description goes: W and c start uniform, divided by the Frobenius norm of
    the whole array; each batch first descends along the penalty, then along the reconstruction, with the gradient
    summed over the batch and (x̂ - x)(1 - x̂²) for the clipped difference; rows come in the table's order; both rates
    fall by 5 % per epoch. Rows are neither centred nor scaled, so entries above 1 in magnitude cannot be rebuilt.
    The paper's Table 1 counts 32 times smaller for 300 dimensions "by default": the default is 256 bits, 37.5 times.

    A bit is 1 where Wx > 0; as in every table here a product of exactly 0 also gives 1.

    References
    ----------
    .. [1] J. Tissier, C. Gravier, A. Habrard, "Near-lossless Binarization of Word Embeddings", AAAI 2019.

    Examples
    --------
    >>> import numpy as np
    >>> import slimvec as sv
    >>> X = np.random.default_rng(0).standard_normal((3000, 32), dtype=np.float32) / 32**0.5
    >>> nlb = sv.baselines.NLB(64).fit(X)
    >>> bool(nlb.losses_[-1] < nlb.losses_[0])
    True
    """

    _orthogonal = False  # W: factors are refused

    n_bits: int = 256
    _: KW_ONLY
    learning_rate: float = 0.001
    penalty_rate: float = 0.001
    batch_size: int = 75
    n_epochs: int = 5
    random_state: int | np.random.Generator | np.random.RandomState | None = 0

    def _fit(self, rows: Rows, progress: Progress) -> None:
        n, d = len(rows), rows.dim
        n_bits, size = as_bounded(self.n_bits, "n_bits", 1, MOST_BITS), as_integer(self.batch_size, "batch_size", 1)
        n_epochs = as_steps(self.n_epochs, "n_epochs", 1)
        rate, penalty_rate = _rate(self.learning_rate, "learning_rate"), _rate(self.penalty_rate, "penalty_rate")
        generator = as_generator(self.random_state)
        weights, bias = _start(generator, (n_bits, d)), _start(generator, (d,))
        losses, penalties = np.zeros(n_epochs), np.zeros(n_epochs)
        for epoch in range(n_epochs):
            first = 0
            for block in even_blocks(rows.blocks(), size):
                with np.errstate(over="ignore"):  # reported just below
                    batch = block.astype(np.float32)
                check_finite(batch, "X", first)
                weights -= _penalty_step(weights, penalty_rate)
                losses[epoch] += _learn(weights, bias, batch, rate) / n
                first += len(block)
                progress("learning codes", epoch * n + first, n_epochs * n)
            if not (np.isfinite(weights).all() and np.isfinite(losses[epoch])):
                raise ValueError(
                    f"learning_rate={self.learning_rate}: W overflowed; take a lower one, or divide X by a constant "
                    "first: entries above 1 cannot be rebuilt"
                )
            exact = weights.astype(np.float64)
            penalties[epoch] = float(((exact.T @ exact - np.eye(d)) ** 2).sum())
            rate, penalty_rate = rate * DECAY, penalty_rate * DECAY
        self.mean_, self.projection_, self.bias_ = np.zeros(d, np.float32), np.ascontiguousarray(weights.T), bias
        self.losses_, self.penalties_ = losses, penalties


def _rate(value: Any, name: str) -> float:
    if not (isinstance(value, int | float | np.integer | np.floating) and math.isfinite(value) and value >= 0):
        raise ValueError(f"{name}={value!r}; expected a number of at least 0")
    return float(value)


def _start(generator: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return uniform numbers divided by the norm of all of them: rows of W start far shorter than 1."""
    values = generator.uniform(-0.5, 0.5, shape)
    started: NDArray[np.float32] = (values / np.linalg.norm(values)).astype(np.float32)
    return started


@np.errstate(over="ignore", invalid="ignore")  # reported after the epoch
def _penalty_step(weights: NDArray[np.float32], rate: float) -> NDArray[np.float32]:
    """Return rate times the gradient of ‖WᵀW - I‖² / 2, by way of the smaller of WᵀW and WWᵀ."""
    n_bits, d = weights.shape
    product = weights @ (weights.T @ weights) if d <= n_bits else (weights @ weights.T) @ weights
    step: NDArray[np.float32] = np.multiply(product - weights, 2 * rate, dtype=np.float32)
    return step


@np.errstate(over="ignore", invalid="ignore")  # reported after the epoch
def _learn(weights: NDArray[np.float32], bias: NDArray[np.float32], batch: NDArray[np.float32], rate: float) -> float:
    """Descend along the reconstruction of one batch, in place, and return its loss before that."""
    bits = (batch @ weights.T > 0).astype(np.float32)
    rebuilt = np.clip(bits @ weights + bias, -1, 1)
    errors = rebuilt - batch
    delta = errors * (1 - rebuilt**2)
    weights -= np.float32(rate) * (bits.T @ delta)
    bias -= np.float32(rate) * delta.sum(axis=0)
    return float(np.vdot(errors, errors))
