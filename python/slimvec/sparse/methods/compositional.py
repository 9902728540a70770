"""Compositional codes (DCCL): every row a sum of one codeword from each of M codebooks, learnt with Gumbel softmax."""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.blas import product
from slimvec.blocks import scale_of
from slimvec.errors import needs
from slimvec.sparse.methods.base import CodingEstimator
from slimvec.sparse.solvers.atoms import as_float32, blocks_for
from slimvec.sparse.solvers.running import sparse
from slimvec.validation import MOST_ANCHORS, as_bounded, as_generator, as_integer, as_steps

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from slimvec.progress import Progress
    from slimvec.vectors.rows import MatrixRows

TINY = 1e-8  # keeps logarithms finite, as the authors' code does
INITIAL = 0.01  # weights start uniform within ± this
CLIP = 0.001  # of the norm of all gradients, theirs too


@dataclass(eq=False, repr=False)
class CompositionalCodes(CodingEstimator):
    r"""Deep compositional code learning [1]_: ANT with M blocks of K anchors and a single 1 per block and row.

    Parameters
    ----------
    n_codebooks : int
        M. A code takes M log₂ K bits.
    n_codewords : int
        K, anchors per codebook.
    n_epochs : int
        The authors run 200.
    batch_size : int
    learning_rate : float
        Of Adam.
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None

    Attributes
    ----------
    anchors_ : ndarray, shape (M K, d), float32
        The codebooks, one after the other.
    transform_ : scipy.sparse.csr_array, shape (n, M K), float32
        M ones in each row.
    codes_ : ndarray, shape (n, M), int64
        Which codeword of each codebook.
    losses_ : ndarray, shape (n_epochs,), float64
        ½‖x - x̂‖² per row, mean over each epoch's sampled codes.

    Raises
    ------
    ImportError
        From ``fit``: torch, of the extra ``torch``, is not installed.
    ValueError
        From ``fit``: parameters below 1, an empty matrix, NaN.

    Notes
    -----
    As in the authors' program: h = tanh(xW + b) of size M K / 2, scores log softplus of a linear layer of h, codes
    sampled with Gumbel noise at temperature 1, gradients cut to a norm of .001. It stops after ``n_epochs`` rather than
    at the best of a validation set.

    References
    ----------
    .. [1] R. Shu, H. Nakayama, "Compressing Word Embeddings via Deep Compositional Code Learning", ICLR 2018.
    """

    n_codebooks: int = 32
    n_codewords: int = 16
    _: KW_ONLY
    n_epochs: int = 200
    batch_size: int = 64
    learning_rate: float = 1e-4
    random_state: int | np.random.Generator | np.random.RandomState | None = 0

    def _fit(self, X: MatrixRows, progress: Progress) -> None:
        rows = X.matrix
        m = as_bounded(self.n_codebooks, "n_codebooks", 1, MOST_ANCHORS // 2)
        most = MOST_ANCHORS // m
        k = as_bounded(self.n_codewords, "n_codewords", 2, most, why=f": {MOST_ANCHORS} in {m} codebooks at most")
        sizes = as_steps(self.n_epochs, "n_epochs", 1), min(as_integer(self.batch_size, "batch_size", 1), len(rows))
        generator = as_generator(self.random_state)
        sample = as_float32(rows)
        scale: Any = np.float32(scale_of(sample))
        weights, losses = _train(sample / scale, m, k, *sizes, self.learning_rate, generator, progress)
        self._encoder, self.losses_ = (m, scale, *weights[:4]), losses * float(scale) ** 2
        self.anchors_ = weights[4] * scale
        self.transform_ = self._code(rows, progress)
        self.codes_ = self.transform_.indices.reshape(len(rows), m).astype(np.int64) - k * np.arange(m)

    def _code(self, rows: NDArray[Any], progress: Progress) -> Any:  # noqa: ARG002 - learning is what takes time
        m, scale, first_weights, first_bias, second_weights, second_bias = self._encoder
        n = len(rows)
        columns = np.empty((n, m), np.int64)
        for first, block in blocks_for(self.anchors_, rows):
            hidden = np.tanh(product(block / scale, first_weights) + first_bias)
            scores = (product(hidden, second_weights) + second_bias).reshape(
                len(block), m, -1
            )  # log softplus is monotone
            columns[first : first + len(block)] = scores.argmax(axis=2) + np.arange(m) * scores.shape[2]
        ones = np.ones(n * m, np.float32)
        return sparse().csr_array((ones, columns.ravel(), np.arange(n + 1) * m), shape=(n, len(self.anchors_)))


def code_ratio(table: Any) -> float:
    """Return how many times smaller than float32 a table of compositional codes is, codes stored in M log₂ K bits."""
    n_codebooks = round(table.n_entries / max(len(table), 1))
    return dccl_ratio(len(table), table.dim, n_codebooks, table.n_anchors // max(n_codebooks, 1))


def dccl_ratio(n: int, d: int, n_codebooks: int, n_codewords: int) -> float:
    """Return float32 over codes of M log₂ K bits and a float32 codebook: 32.3, 29.5, 26.9 for the paper's settings.

    Examples
    --------
    >>> round(dccl_ratio(1_917_494, 300, 32, 256), 1), round(dccl_ratio(388_723, 300, 32, 128), 1)
    (32.3, 29.5)
    """
    codes = n * n_codebooks * math.log2(n_codewords)
    return 32 * n * d / (codes + 32 * n_codebooks * n_codewords * d)


def _train(
    rows: NDArray[np.float32],
    m: int,
    k: int,
    n_epochs: int,
    batch_size: int,
    learning_rate: float,
    generator: np.random.Generator,
    progress: Progress,
) -> tuple[list[NDArray[np.float32]], NDArray[np.float64]]:
    """Return the encoder's two layers and the codebooks, and the loss of each epoch."""
    with needs("torch", "torch"):
        import torch
    d, hidden = rows.shape[1], max(m * k // 2, 1)
    shapes = [(d, hidden), (hidden,), (hidden, m * k), (m * k,), (m * k, d)]
    start = [generator.uniform(-INITIAL, INITIAL, shape).astype(np.float32) for shape in shapes]
    weights = [torch.from_numpy(values).requires_grad_() for values in start]
    adam = torch.optim.Adam(weights, lr=learning_rate)
    noise = torch.Generator().manual_seed(int(generator.integers(2**62)))
    data: Any = torch.from_numpy(rows)
    losses = np.empty(n_epochs)
    with _one_torch_thread(torch):
        for epoch in range(n_epochs):
            total = 0.0
            for batch in data[torch.randperm(len(rows), generator=noise, device=data.device)].split(batch_size):
                loss = _loss(torch, batch, weights, m, noise)
                adam.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(weights, CLIP)
                adam.step()
                total += float(loss.detach()) * len(batch)
            losses[epoch] = total / len(rows)
            progress("learning codes", epoch + 1, n_epochs)
    return [values.detach().numpy() for values in weights], losses


@contextmanager
def _one_torch_thread(torch: Any) -> Iterator[None]:
    """Hold torch to one thread, for what :mod:`slimvec.blas` says of BLAS; batches are small."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _loss(torch: Any, batch: Any, weights: list[Any], m: int, noise: Any) -> Any:
    """Return ½‖x - x̂‖², the mean over a batch, with codes sampled by Gumbel softmax."""
    first_weights, first_bias, second_weights, second_bias, codebooks = weights
    hidden = torch.tanh(batch @ first_weights + first_bias)
    scores = torch.log(torch.nn.functional.softplus(hidden @ second_weights + second_bias) + TINY)
    uniform = torch.rand(scores.shape, generator=noise, dtype=scores.dtype, device=scores.device)
    gumbel = -torch.log(-torch.log(uniform + TINY) + TINY)
    codes = torch.softmax((scores + gumbel).reshape(len(batch), m, -1), dim=2).reshape(len(batch), -1)
    return 0.5 * ((codes @ codebooks - batch) ** 2).sum(dim=1).mean()
