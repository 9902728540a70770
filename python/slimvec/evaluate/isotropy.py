"""How isotropic a set of vectors is."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from slimvec.binary.training.moments import Moments
from slimvec.vectors.rows import as_training_rows

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from slimvec.vectors.rows import Rows


class Isotropy(NamedTuple):
    """Both measures of :func:`isotropy`: 1 is isotropic.

    Attributes
    ----------
    exact : float
        From 0 to 1: min Z(e) / max Z(e), eq. 3, over the eigenvectors e of XᵀX and their negatives.
    second_order : float
        Its second-order form, eq. 5. May fall below 0 where the mean is large.
    """

    exact: float
    second_order: float


def isotropy(X: Rows | ArrayLike) -> Isotropy:
    r"""Measure the isotropy of vectors by their partition function.

    Z(e) = Σᵢ exp(eᵀxᵢ) (eq. 4) is nearly constant over unit vectors e when vectors point everywhere alike.

    Parameters
    ----------
    X : array_like, shape (n, d), or Vectors, VectorFile or other Rows
        Real numbers. The measure depends on their scale and mean: compare sets normalised alike.

    Returns
    -------
    Isotropy
        ``exact``, min Z / max Z over the 2 d candidates ±e of the eigenvectors of XᵀX (the sign of an eigenvector is
        arbitrary, so both are tried), and ``second_order``,
        (n - ‖1ᵀX‖ + σ²_min / 2) / (n + ‖1ᵀX‖ + σ²_max / 2).

    Raises
    ------
    ValueError
        If X is empty or holds NaN or infinity.

    References
    ----------
    .. [1] S. Liao et al., "Embedding Compression with Isotropic Iterative Quantization", AAAI 2020, eq. 3-5.
    .. [2] J. Mu, P. Viswanath, "All-but-the-Top", ICLR 2018.

    Examples
    --------
    >>> import numpy as np
    >>> import slimvec as sv
    >>> X = np.random.default_rng(0).standard_normal((2000, 8)) / 8**0.5
    >>> round(sv.isotropy(X).exact, 1), round(sv.isotropy(X + 1).exact, 1)
    (1.0, 0.0)
    """
    rows = as_training_rows(X)
    moments = Moments(rows.dim)
    for block in rows.blocks():
        moments.update(block)
    n, d = moments.count, rows.dim
    mean, scatter = moments.finalize()
    eigenvalues, eigenvectors = np.linalg.eigh(scatter + n * np.outer(mean, mean))
    mean_norm = n * float(np.linalg.norm(mean))
    least, greatest = max(float(eigenvalues[0]), 0.0), float(eigenvalues[-1])
    second_order = (n - mean_norm + least / 2) / (n + mean_norm + greatest / 2)

    # Logarithms, because exp overflows for long vectors; each block is scaled by its own largest exponent.
    log_z = np.full(2 * d, -np.inf)
    for block in rows.blocks():
        products = block.astype(np.float64) @ eigenvectors
        log_z = np.logaddexp(log_z, _log_sum_exp(np.hstack([products, -products])))
    return Isotropy(float(np.exp(log_z.min() - log_z.max())), second_order)


def _log_sum_exp(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return log Σ exp down each column."""
    largest = values.max(axis=0)
    result: NDArray[np.float64] = largest + np.log(np.exp(values - largest).sum(axis=0))
    return result
