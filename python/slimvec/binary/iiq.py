"""Isotropic Iterative Quantization, and ITQ, which is IIQ with no direction removed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from slimvec.binary.base import BinaryEstimator
from slimvec.binary.common_directions import common_directions
from slimvec.binary.encoder import Encoder
from slimvec.binary.rotation import learn_rotation, random_frame
from slimvec.blocks import row_blocks
from slimvec.moments import Moments
from slimvec.progress import Progress, ignore
from slimvec.validation import as_generator, as_integer, as_training_matrix

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from slimvec.vectors import Vectors

DEFAULT_TRAIN_ROWS = 10_000
LARGEST = 1e30


class IIQ(BinaryEstimator):
    r"""Binary codes by Isotropic Iterative Quantization.

    The rows are centred, the strongest ``n_remove`` singular directions are removed, the next ones are kept, and a
    rotation is learnt whose outputs lose least when only their signs are stored.

    Parameters
    ----------
    n_bits : int, optional
        Bits per code, from 1 on; may exceed the dimension. By default the dimension d of the data: 32 times smaller
        than float32.
    n_remove : int or "auto"
        D, how many of the strongest directions to remove, below d. Removal brings similarities nearer to human
        judgement and further from the floats' own: on vectors with strong common directions the default of 1 gains
        about 3 points on MEN and loses .06 of recall@10. 0 keeps the most float neighbours: use it for retrieval and
        sentence embeddings. The paper takes 2 and 14, [2]_ about d / 100. Measured in
        ``benchmarks/results/quality.md``. ``"auto"`` removes the directions that stand out of the spectrum
        (:func:`slimvec.binary.common_directions.common_directions`), for agreement with human judgement, not for
        retrieval.
    n_iter : int
        Iterations of the rotation. The paper runs 50.
    max_train_rows : int, optional
        The rotation is learnt on at most this many rows, drawn at random; mean and directions always come from all.
        ``None`` uses all rows. On tables of 40,000 and 70,000 words the default takes a third and a fifth of the time
        of all rows, and costs .01 of recall@10: see ``benchmarks/results/fit.md``.
    random_state : int, numpy.random.Generator or None
        Seed of the sample and of the first rotation.

    Attributes
    ----------
    mean_ : ndarray, shape (d,), float32
        The mean u of the rows.
    projection_ : ndarray, shape (d, n_bits), float32
        P = V W: kept directions V times learnt rotation W. A code is the signs of (x - u)ᵀP.
    n_remove_ : int
        D as it was used.
    quantization_loss_ : ndarray, shape (n_iter,), float64
        ‖B - X̂R‖² / (n n_bits) after each iteration, eq. 2 per bit, over the rows that the rotation was learnt on.
    singular_values_ : ndarray, shape (d,), float64
        Singular values of the centred rows, largest first: where they drop shows how many directions are common.
    n_features_in_ : int
        d.

    Raises
    ------
    ValueError
        From ``fit``: an empty matrix, NaN or infinity, ``n_bits < 1``, ``n_remove`` not below d.
    TypeError
        From ``fit``: values that are not real numbers, parameters that are not integers.

    Notes
    -----
    Algorithm 1 of [1]_, with one correction. Line 13 as printed takes the SVD of BᵀU with U = X̂R and then *replaces* R,
    which drops the rotation found so far and makes the loss rise. The Procrustes solution is the SVD of BᵀX̂ with the
    un-rotated X̂ (or, equally, composing R with the new rotation); that is what runs here, and the loss never rises.

    Everything happens in the r = min(n_bits, d - n_remove) kept directions: the removed ones only add zero singular
    values, and the loss is the same. With ``n_bits`` > r the rotation is an r × n_bits matrix with orthonormal rows.
    sgn(0) is +1. Codes are unique only up to the order and sign of bits, so compare distances, not bits, between runs.

    Time is dominated by 2 r n_bits multiply-adds per trained row and iteration; memory by
    ``max_train_rows`` × r float32 and the codes.

    References
    ----------
    .. [1] S. Liao, J. Chen, Y. Wang, Q. Qiu, B. Yuan, "Embedding Compression with Isotropic Iterative Quantization",
       AAAI 2020.
    .. [2] J. Mu, P. Viswanath, "All-but-the-Top: Simple and Effective Postprocessing for Word Representations",
       ICLR 2018.
    .. [3] Y. Gong, S. Lazebnik, A. Gordo, F. Perronnin, "Iterative Quantization: A Procrustean Approach to Learning
       Binary Codes for Large-Scale Image Retrieval", PAMI 2013.

    Examples
    --------
    >>> import numpy as np
    >>> import slimvec as sv
    >>> X = np.random.default_rng(0).standard_normal((500, 64), dtype=np.float32)
    >>> codes = sv.IIQ(n_bits=32, n_remove=2).fit_transform(X)
    >>> codes.shape, codes.dtype
    ((500, 4), dtype('uint8'))
    """

    def __init__(
        self,
        n_bits: int | None = None,
        n_remove: int | Literal["auto"] = 1,
        *,
        n_iter: int = 50,
        max_train_rows: int | None = DEFAULT_TRAIN_ROWS,
        random_state: int | np.random.Generator | None = 0,
    ) -> None:
        self.n_bits = n_bits
        self.n_remove = n_remove
        self.n_iter = n_iter
        self.max_train_rows = max_train_rows
        self.random_state = random_state

    def fit(self, X: ArrayLike | Vectors, y: None = None, *, progress: Progress = ignore) -> Self:  # noqa: ARG002
        """Learn mean, directions and rotation.

        Parameters
        ----------
        X : array_like, shape (n, d), or Vectors
            Rows of real numbers, in any memory order, possibly mapped from a file. Read block by block, never copied
            whole.
        y : None
            Ignored, for scikit-learn's pipelines.
        progress : callable, optional
            ``progress(stage, done, total)``.

        Returns
        -------
        self
        """
        rows = as_training_matrix(X)
        n, d = rows.shape
        n_bits = d if self.n_bits is None else as_integer(self.n_bits, "n_bits", 1)
        n_remove = self._checked_n_remove(d)
        n_iter = as_integer(self.n_iter, "n_iter", 0)
        n_train = n if self.max_train_rows is None else min(n, as_integer(self.max_train_rows, "max_train_rows", 1))
        generator = as_generator(self.random_state)

        mean, singular_values, directions = _principal_directions(rows, progress)
        if n_remove is None:
            n_remove = common_directions(singular_values)
        kept = directions[:, n_remove : n_remove + min(n_bits, d - n_remove)]
        sample = None if n_train == n else np.sort(generator.choice(n, n_train, replace=False))
        projected = _project(rows, sample, Encoder(mean, kept))
        frame = random_frame(kept.shape[1], n_bits, generator)
        rotation, loss = learn_rotation(projected, frame, n_iter, progress)

        # All at once, at the end: an interrupted fit leaves an earlier one whole.
        self.mean_, self.projection_ = mean, kept @ rotation
        self.singular_values_, self.quantization_loss_ = singular_values, loss
        self.n_remove_, self.n_features_in_ = n_remove, d
        return self

    def _checked_n_remove(self, d: int) -> int | None:
        """Return D, or None if the spectrum is to tell it."""
        if isinstance(self.n_remove, str):
            if self.n_remove != "auto":
                raise ValueError(f"n_remove={self.n_remove!r}; expected a number of directions, or 'auto'")
            return None
        return as_integer(self.n_remove, "n_remove", 0, d - 1, why=f": the vectors have {d} dimensions")

    def _norm(self, rows: NDArray[Any]) -> float:
        """Return the root mean square norm of the rows that were fitted, without reading them again."""
        variance = float((self.singular_values_**2).sum()) / len(rows)
        return float(np.sqrt(variance + self.mean_.astype(np.float64) @ self.mean_))


class ITQ(IIQ):
    """Binary codes by Iterative Quantization: :class:`IIQ` with no direction removed.

    Parameters
    ----------
    n_bits, n_iter, max_train_rows, random_state
        See :class:`IIQ`.

    Notes
    -----
    The method of Gong et al. (PAMI 2013). faiss's ``ITQMatrix`` (1.15.1) multiplies by V where Vᵀ is needed, so its
    rotation hardly learns; ``benchmarks/results/quality.md`` shows the losses side by side.

    Examples
    --------
    >>> import numpy as np
    >>> import slimvec as sv
    >>> X = np.random.default_rng(0).standard_normal((500, 64), dtype=np.float32)
    >>> itq = sv.ITQ(n_bits=16).fit(X)
    >>> bool(np.all(np.diff(itq.quantization_loss_) <= 1e-7))
    True
    """

    def __init__(
        self,
        n_bits: int | None = None,
        *,
        n_iter: int = 50,
        max_train_rows: int | None = DEFAULT_TRAIN_ROWS,
        random_state: int | np.random.Generator | None = 0,
    ) -> None:
        super().__init__(n_bits, 0, n_iter=n_iter, max_train_rows=max_train_rows, random_state=random_state)


def _principal_directions(
    rows: NDArray[Any], progress: Progress
) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float32]]:
    """Return the mean ``(d,)``, the singular values of the centred rows, largest first, and directions ``(d, d)``.

    Directions are columns, each with its largest entry positive: LAPACK leaves the signs open, and fixing them makes a
    run repeatable across builds of it.
    """
    moments = Moments(rows.shape[1])
    for _, block in row_blocks(rows):
        moments.update(block)
        progress("finding directions", moments.count, len(rows))
    mean, scatter = moments.finalize()
    eigenvalues, vectors = np.linalg.eigh(scatter)
    eigenvalues, vectors = np.maximum(eigenvalues[::-1], 0.0), vectors[:, ::-1]
    largest = vectors[np.abs(vectors).argmax(axis=0), np.arange(vectors.shape[1])]
    _check_range(mean, eigenvalues.sum() / moments.count)
    directions = (vectors * np.where(largest >= 0, 1.0, -1.0)).astype(np.float32)
    return mean.astype(np.float32), np.sqrt(eigenvalues), directions


def _check_range(mean: NDArray[np.float64], variance: float) -> None:
    """Raise ValueError if float32, in which codes are made, cannot hold the rows or tell them from their mean."""
    if variance**0.5 + np.linalg.norm(mean) > LARGEST:
        raise ValueError(
            f"X holds values too large for float32 sums (above {LARGEST:g}); divide it by a constant first"
        )
    rounding = np.linalg.norm(mean - mean.astype(np.float32))
    if rounding > 0.1 * variance**0.5:
        raise ValueError("the mean of X is so large that float32 cannot tell the rows apart; subtract it from X first")


def _project(rows: NDArray[Any], sample: NDArray[np.intp] | None, encoder: Encoder) -> NDArray[np.float32]:
    """Return the sampled rows (None: all), centred, in the kept directions: Y, ``(n_train, r)`` float32."""
    picked = rows if sample is None else sample
    projected = np.empty((len(picked), encoder.projection.shape[1]), np.float32)
    for first, part in row_blocks(picked):
        projected[first : first + len(part)] = encoder.project(part if sample is None else rows[part])
    return projected
