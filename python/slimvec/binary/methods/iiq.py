"""Isotropic Iterative Quantization, and ITQ, which is IIQ with no direction removed."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, Self

import numpy as np

from slimvec.binary.codes import unpack
from slimvec.binary.encoder import Encoder
from slimvec.binary.list_encoder import SignListEncoder
from slimvec.binary.methods.partitioned import PartitionedEstimator
from slimvec.binary.methods.streaming import DEFAULT_TRAIN_ROWS
from slimvec.binary.training.directions import common_directions, principal_directions
from slimvec.binary.training.lists import learn_lists, number_of_lists
from slimvec.binary.training.rotation import bit_scale, learn_rotation, random_frame
from slimvec.blas import one_thread, product
from slimvec.validation import as_bits, as_integer, as_steps

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from slimvec.binary.training.moments import Moments
    from slimvec.progress import Progress


@dataclass(eq=False, repr=False)
class IIQ(PartitionedEstimator):
    r"""Binary codes by Isotropic Iterative Quantization.

    The rows are centred, the strongest ``n_remove`` singular directions are removed, the next ones are kept, and a
    rotation is learnt whose outputs lose least when only their signs are stored.

    Parameters
    ----------
    n_bits : int, optional
        Bits per code, from 1 to 65,536; may exceed the dimension. By default the dimension d of the data: 32 times
        smaller than float32.
    n_remove : int or "auto"
        D, how many of the strongest directions to remove, below d. Removal brings similarities nearer to human
        judgement and further from the floats' own: the default of 1 gains 2 to 2.5 points on MEN, and on vectors with
        strong common directions loses .06 of recall@10. 0 keeps the most float neighbours: use it for retrieval and
        sentence embeddings. The paper takes 2 and 14, [2]_ about d / 100. Measured in
        ``benchmarks/results/quality.md``. ``"auto"`` removes the directions that stand out of the spectrum
        (:func:`slimvec.binary.training.directions.common_directions`), for agreement with human judgement, not for
        retrieval.
    n_iter : int
        Iterations of the rotation. The paper runs 50.
    partitions : int, "auto" or None
        Lists of near rows, found by k-means, of which :meth:`BinaryTable.search` can read as many as it needs
        (``probes``, ``recall``). "auto" is 4 √n; there are at most as many as rows. Codes stay those of whole rows, so
        that distances between them go on meaning something; a row takes 4 bytes more, and always has factors. Codes of
        what the centroid of a list leaves find a little more:
        ``TransformCoding(max_bits_per_direction=1, partitions="auto")``.
    max_train_rows : int, optional
        The rotation is learnt on at most this many rows, drawn at random; mean and directions always come from all.
        ``None`` uses all rows. On tables of 40,000 and 70,000 words the default takes a third and a quarter of the time
        of all rows, and costs .01 of recall@10: see ``benchmarks/results/fit.md``.
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None
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
    scale_ : float
        s, what a bit counts in :meth:`inverse_transform`: of all multiples, m + s P b is nearest to those rows.
    singular_values_ : ndarray, shape (d,), float64
        Singular values of the centred rows, largest first: where they drop shows how many directions are common.
    n_samples_seen_ : int
        n, the rows that were fitted.
    n_features_in_ : int
        d.
    feature_names_in_ : ndarray, shape (d,), object
        Names of the columns, only of a data frame.

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

    n_bits: int | None = None
    n_remove: int | Literal["auto"] = 1
    _: KW_ONLY
    n_iter: int = 50
    partitions: int | Literal["auto"] | None = None
    max_train_rows: int | None = DEFAULT_TRAIN_ROWS
    random_state: int | np.random.Generator | np.random.RandomState | None = 0

    _centroids = None  # of lists: an array, once they are learnt

    @one_thread()
    def _learn(
        self,
        moments: Moments,
        project: Callable[[Encoder], NDArray[np.float32]],
        generator: np.random.Generator,
        progress: Progress,
    ) -> Self:
        settings = self._check(moments.n_columns)
        d, n_bits, n_remove = settings.n_columns, settings.n_bits, settings.n_remove
        mean, singular_values, directions = principal_directions(moments)
        if n_remove is None:
            n_remove = common_directions(singular_values)
        kept = directions[:, n_remove : n_remove + min(n_bits, d - n_remove)]
        frame = random_frame(kept.shape[1], n_bits, generator)
        projected = self._thinned(project(Encoder(mean, kept)))
        rotation, loss = learn_rotation(projected, frame, settings.n_iter, progress)
        scale = bit_scale(projected, rotation)
        centroids = None
        if settings.partitions is not None:
            span, n_lists = directions[:, n_remove:], number_of_lists(settings.partitions, moments.count)
            del projected
            centroids = learn_lists(project(Encoder(mean, span)), mean, span, n_lists, generator, progress).centroids

        # All at once, at the end: an interrupted fit leaves an earlier one whole.
        self.mean_, self.projection_, self.scale_ = mean, kept @ rotation, scale
        self._centroids = centroids
        self.singular_values_, self.quantization_loss_ = singular_values, loss
        self.n_remove_, self.n_features_in_, self.n_samples_seen_ = n_remove, d, moments.count
        return self

    def _encoder(self) -> Encoder:
        plain = super()._encoder()
        centroids: NDArray[np.float32] | None = self._centroids
        return plain if centroids is None else SignListEncoder(plain.mean, plain.projection, centroids)

    def _centred(self, bits: NDArray[np.uint8]) -> NDArray[np.float32]:
        scales = np.full(len(bits), self.scale_, np.float32)
        return product(unpack(bits, self.projection_.shape[1], scales), self.projection_.T)

    def _check(self, d: int) -> _Settings:
        """Return the parameters, checked, for vectors of d dimensions."""
        return _Settings(
            d,
            as_bits(self.n_bits, d),
            self._checked_n_remove(d),
            as_steps(self.n_iter, "n_iter", 0),
            self._partitions(),
        )

    def _checked_n_remove(self, d: int) -> int | None:
        """Return D, or None if the spectrum is to tell it."""
        if isinstance(self.n_remove, str):
            if self.n_remove != "auto":
                raise ValueError(f"n_remove={self.n_remove!r}; expected a number of directions, or 'auto'")
            return None
        return as_integer(self.n_remove, "n_remove", 0, d - 1, why=f": the vectors have {d} dimensions")


class _Settings(NamedTuple):
    """Checked parameters; no ``n_remove`` stands for "auto"."""

    n_columns: int
    n_bits: int
    n_remove: int | None
    n_iter: int
    partitions: int | Literal["auto"] | None


class ITQ(IIQ):
    """Binary codes by Iterative Quantization: :class:`IIQ` with no direction removed.

    Parameters
    ----------
    n_bits, n_iter, partitions, max_train_rows, random_state
        See :class:`IIQ`.

    Notes
    -----
    The method of Gong et al. (PAMI 2013). faiss's ``ITQMatrix`` multiplies by V where Vᵀ is needed, so its
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
        partitions: int | Literal["auto"] | None = None,
        max_train_rows: int | None = DEFAULT_TRAIN_ROWS,
        random_state: int | np.random.Generator | np.random.RandomState | None = 0,
    ) -> None:
        own = {"n_iter": n_iter, "partitions": partitions, "max_train_rows": max_train_rows}
        super().__init__(n_bits, 0, **own, random_state=random_state)  # type: ignore[arg-type]
