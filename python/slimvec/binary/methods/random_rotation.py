"""Codes without learning: the signs of random projections, and the signs of the vectors themselves."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING

import numpy as np

from slimvec.binary.methods.base import BinaryEstimator
from slimvec.binary.training.directions import check_scale, told_apart
from slimvec.binary.training.moments import Moments
from slimvec.binary.training.rotation import random_frame
from slimvec.validation import as_bits, as_generator, check_finite
from slimvec.vectors.rows import reported

if TYPE_CHECKING:
    from slimvec.progress import Progress
    from slimvec.vectors.rows import Rows


@dataclass(eq=False, repr=False)
class RandomRotation(BinaryEstimator):
    """Signs of random projections: locality-sensitive hashing, the floor that learning has to beat.

    Parameters
    ----------
    n_bits : int, optional
        Bits per code, from 1 on; by default the dimension d.
    center : bool
        Subtract the mean first, as IIQ and ITQ do.
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None

    Attributes
    ----------
    mean_ : ndarray, shape (d,), float32
        The mean of the rows, or zeros.
    projection_ : ndarray, shape (d, n_bits), float32
        Orthonormal columns, or orthonormal rows where ``n_bits`` > d, drawn evenly from all of these.
    n_features_in_ : int
        d.

    Raises
    ------
    ValueError
        From ``fit``: an empty matrix, NaN or infinity, ``n_bits < 1``.

    Notes
    -----
    The part of the bits in which two codes differ is, in the mean over projections, their vectors' angle over π [1]_;
    orthogonal projections scatter less around it than independent ones [2]_.

    References
    ----------
    .. [1] M. Charikar, "Similarity Estimation Techniques from Rounding Algorithms", STOC 2002.
    .. [2] J. Ji, J. Li, S. Yan, B. Zhang, Q. Tian, "Super-Bit Locality-Sensitive Hashing", NIPS 2012.

    Examples
    --------
    >>> import slimvec as sv
    >>> x = [[1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0]]  # 45 degrees apart
    >>> table = sv.baselines.RandomRotation(8000, center=False).compress(x)
    >>> bool(abs(sv.HammingIndex(table.codes(), 8000).pairwise(table.codes([0]))[0, 1] / 8000 - 0.25) < 0.02)
    True
    """

    n_bits: int | None = None
    _: KW_ONLY
    center: bool = True
    random_state: int | np.random.Generator | np.random.RandomState | None = 0

    def _fit(self, rows: Rows, progress: Progress) -> None:
        d = rows.dim
        n_bits = as_bits(self.n_bits, d)
        moments = Moments(d)
        for block in reported(rows, "finding the mean", progress):
            moments.update(block)
        mean, scatter = moments.finalize()
        variances = scatter.diagonal().clip(0) / moments.count
        check_scale(mean, variances)
        columns = told_apart(mean, variances) if self.center else np.arange(d)
        generator, r = as_generator(self.random_state), len(columns)
        frame = random_frame(r, n_bits, generator) if n_bits >= r else random_frame(n_bits, r, generator).T
        self.mean_ = mean.astype(np.float32) if self.center else np.zeros(d, np.float32)
        self.projection_ = np.zeros((d, n_bits), np.float32)
        self.projection_[columns] = frame


class SignBits(BinaryEstimator):
    """The signs of the vectors as they are, a bit per dimension.

    Attributes
    ----------
    mean_ : ndarray, shape (d,), float32
        Zeros.
    projection_ : ndarray, shape (d, d), float32
        The identity.
    n_features_in_ : int
        d.

    Raises
    ------
    ValueError
        From ``fit``: an empty matrix, NaN or infinity.

    Notes
    -----
    What "binary embeddings" mean in most libraries. The same bits as ``slimvec.pack(X)``.

    Examples
    --------
    >>> import slimvec as sv
    >>> sv.baselines.SignBits().compress([[0.5, -1.0, 2.0]]).lookup([0])
    array([[ 1., -1.,  1.]], dtype=float32)
    """

    def _fit(self, rows: Rows, progress: Progress) -> None:
        first, largest = 0, np.zeros(rows.dim)
        for block in reported(rows, "checking", progress):
            with np.errstate(over="ignore"):  # reported just below
                check_finite(block.astype(np.float32, copy=False), "X", first)
            np.maximum(largest, np.abs(block).max(axis=0), out=largest)
            first += len(block)
        if largest.max() < 1:
            check_scale(largest, np.zeros(rows.dim))  # float32 would round signs away
        self.mean_, self.projection_ = np.zeros(rows.dim, np.float32), np.eye(rows.dim, dtype=np.float32)
