"""Transform coding: bits go to principal directions by their variance, levels are fitted to scores."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, Self

import numpy as np

from slimvec.binary.encoder import Encoder, GridEncoder
from slimvec.binary.levels import MOST_BITS, MOST_PASSES, Grid
from slimvec.binary.list_encoder import ListEncoder
from slimvec.binary.methods.parallel_errors import weigh_parallel
from slimvec.binary.methods.partitioned import PartitionedEstimator
from slimvec.binary.methods.refining import learn_refiner
from slimvec.binary.methods.streaming import DEFAULT_TRAIN_ROWS
from slimvec.binary.training.allocation import LARGEST, STEPS, allocate
from slimvec.binary.training.directions import principal_directions
from slimvec.binary.training.grid_rotation import learn_grid_rotation
from slimvec.binary.training.lists import learn_lists, number_of_lists
from slimvec.binary.training.rotation import learn_rotation, random_frame
from slimvec.blas import one_thread, product
from slimvec.validation import as_bits, as_bounded, as_integer, as_steps

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from slimvec.binary.training.moments import Moments
    from slimvec.progress import Progress

VARIES = 1e-12  # of the largest variance: what is below is rounding


@dataclass(eq=False, repr=False)
class TransformCoding(PartitionedEstimator):
    r"""Codes of several bits per direction, for the most recall at a number of bytes.

    Principal directions get bits by their variance, from none to six. Those of as many bits are rotated so that their
    grid of levels loses least, and the levels of each row, with one scale, are chosen for what scores need.

    Parameters
    ----------
    n_bits : int, optional
        Bits per row, at most ``max_bits_per_direction`` for each direction in which rows vary. By default the
        dimension d of the data. The factors of a row take 32 bits more (48, unless all vectors are of unit length).
    n_remove : int
        D, how many of the strongest directions to leave out, below d: see :class:`IIQ`. 0 keeps the most neighbours.
    max_bits_per_direction : int
        From 1 to 6. With 1, and ``n_passes=0``, codes are those of ``IIQ(n_bits, n_remove, n_iter=n_iter)``.
    n_iter : int
        Iterations of each rotation.
    n_passes : int
        How many times the levels of a row are gone over for better ones, up to 1000; 0 takes the nearest ones.
    partitions : int, "auto" or None
        Lists of near rows, found by k-means, of which :meth:`BinaryTable.search` can read as many as it needs
        (``probes``, ``recall``); codes are of what is left when the centroid of the list is taken off, which makes them
        better, too. "auto" is 4 √n; there are at most as many as rows. Rows are then read twice to make a table, and
        take 4 bytes more.
    spill : bool
        Give each row a code in a second list, too, chosen so that the two lists miss it for different queries: fewer
        lists then find as much. A row takes the bytes of a code and its factors more, and 4; searches of all lists, and
        all else, go by the rows' own lists.
    refine_bits : int
        Bits per direction, on the average, of a second code of what the first one leaves, from 1 to 8; 0 makes none. It
        takes 32 bits more (48), is read for the best rows of a search only, and makes :meth:`BinaryTable.lookup` more
        exact.
    max_train_rows : int, optional
        Rotations are learnt on at most this many rows, drawn at random; mean, directions and variances always come from
        all. ``None`` uses all rows.
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None
        Seed of the sample and of the first rotations.

    Attributes
    ----------
    mean_ : ndarray, shape (d,), float32
        The mean m of the rows.
    directions_ : ndarray, shape (d, r), float32
        P: orthonormal, those of most bits first.
    bits_ : ndarray, shape (r,), uint8
        Bits of each direction.
    steps_ : ndarray, shape (r,), float32
        t: from one level of a direction to the next.
    projection_ : ndarray, shape (d, n_bits), float32
        The directions again, once for each bit, times what the bit counts: s times the sum of these columns, each with
        the sign of its bit, stands for x - m.
    n_remove_ : int
    singular_values_ : ndarray, shape (d,), float64
        Singular values of the centred rows, largest first.
    n_samples_seen_ : int
        n, the rows that were fitted.
    n_features_in_ : int
        d.
    feature_names_in_ : ndarray, shape (d,), object
        Names of the columns, only of a data frame.

    Raises
    ------
    ValueError
        From ``fit``: an empty matrix, NaN or infinity, more bits than the directions take, ``n_remove`` not below d.
    TypeError
        From ``fit``: values that are not real numbers, parameters that are not integers.

    Notes
    -----
    Bits by variance and uniform quantizers of decorrelated directions are the transform coding of [1]_, used for search
    by [2]_. What differs: the next bit goes where λ^1.4 falls most, not λ (λ^1.2 at half a bit per direction);
    directions of as many bits are rotated by Procrustes, as IIQ and ASH [5]_ rotate all, where [2]_ has no rotation and
    RaBitQ [3]_ a random one; levels and scale of a row minimise an error weighed by the variance of each direction, to
    which the error along the row itself is added (:mod:`slimvec.binary.levels`), where SAQ [4]_ turns the code towards
    the row; the scale has a closed form. How much that error weighs is tried on sampled rows, until the scores of those
    found nearest are right on average.

    A uniform grid is linear in its bits, so a code of several bits is scanned as one of single bits, by the same
    kernels.

    References
    ----------
    .. [1] J. Huang, P. Schultheiss, "Block Quantization of Correlated Gaussian Random Variables", 1963.
    .. [2] J. Brandt, "Transform Coding for Fast Approximate Nearest Neighbor Search in High Dimensions", CVPR 2010.
    .. [3] J. Gao, C. Long, "RaBitQ", SIGMOD 2024, and its extension to several bits, SIGMOD 2025.
    .. [4] "SAQ", arXiv:2509.12086.
    .. [5] "ASH", arXiv:2606.07870.

    Examples
    --------
    >>> import numpy as np
    >>> import slimvec as sv
    >>> X = np.random.default_rng(0).standard_normal((500, 64), dtype=np.float32) * np.arange(64, 0, -1)
    >>> coding = sv.TransformCoding(n_bits=64).fit(X)
    >>> coding.bits_.max(), len(coding.bits_)
    (np.uint8(3), 34)
    >>> table = coding.to_table(X)
    >>> table.search(X[:3], k=1).indices.ravel()
    array([0, 1, 2])
    """

    n_bits: int | None = None
    n_remove: int = 0
    _: KW_ONLY
    max_bits_per_direction: int = LARGEST
    n_iter: int = 20
    n_passes: int = 3
    refine_bits: int = 0
    partitions: int | Literal["auto"] | None = None
    spill: bool = False
    max_train_rows: int | None = DEFAULT_TRAIN_ROWS
    random_state: int | np.random.Generator | np.random.RandomState | None = 0

    @one_thread()
    def _learn(
        self,
        moments: Moments,
        project: Callable[[Encoder], NDArray[np.float32]],
        generator: np.random.Generator,
        progress: Progress,
    ) -> Self:
        settings = self._check(moments.n_columns)
        mean, singular_values, directions = principal_directions(moments)
        removed, directions = np.split(directions, [settings.n_remove], axis=1)
        variances = _varying(singular_values[settings.n_remove :] ** 2 / moments.count)
        n_varying = int(np.count_nonzero(variances))
        lists = None
        if settings.partitions is not None:
            span, n_lists = directions[:, :n_varying], number_of_lists(settings.partitions, moments.count)
            sampled = project(Encoder(mean, span))
            lists = learn_lists(sampled, mean, span, n_lists, generator, progress)
            del sampled
            directions, variances = lists.directions, _varying(lists.variances)
            n_varying = int(np.count_nonzero(variances))

        def along(frame: NDArray[np.float32]) -> NDArray[np.float32]:
            return project(Encoder(mean, frame)) if lists is None else lists.along(frame)

        bits = allocate(variances, self._affordable(settings, variances), settings.most)
        bits = bits[bits > 0]  # the first ones: variances fall
        kept, variances, total = directions[:, : len(bits)], variances[: len(bits)], float(variances.sum())

        projected = self._thinned(along(kept))
        rotated, spread = np.empty_like(kept), np.empty(len(bits))
        steps = np.empty(len(bits), np.float32)
        for b in sorted(set(bits.tolist()), reverse=True):
            group = np.flatnonzero(bits == b)
            steps[group] = step = STEPS[b] * float(np.sqrt(variances[group].mean()))
            frame = random_frame(len(group), len(group), generator)
            part = np.ascontiguousarray(projected[:, group])
            if b == 1:
                rotation, _ = learn_rotation(part, frame, settings.n_iter, progress)
            else:
                rotation = learn_grid_rotation(part, frame, step, b, settings.n_iter, progress)
            rotated[:, group] = kept[:, group] @ rotation
            spread[group] = variances[group] @ rotation.astype(np.float64) ** 2
        weights = spread / spread.mean()
        grid = Grid(bits, steps, weights.astype(np.float32), float(weights @ spread) / total, settings.n_passes)

        del projected
        rest = np.ascontiguousarray(directions[:, len(bits) : n_varying])
        frame = np.hstack([rotated, rest])
        rows, centres = along(frame), None if lists is None else product(lists.centres, lists.directions.T @ frame)
        if not settings.refine_bits:  # scales that overshoot would leave second codes more to tell
            grid = weigh_parallel(grid, rows, mean @ frame, moments.count, centres)
        learnt = GridEncoder.of(mean, rotated, grid, np.ascontiguousarray(removed))
        if lists is not None:
            learnt = ListEncoder.over(learnt, lists.centroids, settings.spill)
        refiner = learn_refiner(learnt, rest, rows, settings.refine_bits, centres) if settings.refine_bits else None

        # All at once, at the end: an interrupted fit leaves an earlier one whole.
        self._learnt, self._refiner = learnt, refiner
        self.mean_, self.directions_, self.bits_, self.steps_ = mean, rotated, bits, steps
        self.projection_, self.singular_values_ = self._learnt.projection, singular_values
        self.n_remove_, self.n_features_in_, self.n_samples_seen_ = (
            settings.n_remove,
            moments.n_columns,
            moments.count,
        )
        return self

    def _encoder(self) -> Encoder:
        self._require_fitted("projection_")
        return self._learnt

    def _centred(self, bits: NDArray[np.uint8]) -> NDArray[np.float32]:
        encoder = self._learnt
        if encoder.in_lists:
            raise ValueError(
                "inverse_transform: codes are of what the centroid of a list leaves; expected partitions=None"
            )
        grid = encoder.grid
        return product(grid.values(bits, np.full(len(bits), grid.unit, np.float32)), encoder.directions.T)

    def _affordable(self, settings: _Settings, variances: NDArray[np.float64]) -> int:
        """Return the number of bits, which the directions in which rows vary can take."""
        n_varying = int(np.count_nonzero(variances))
        room = settings.most * n_varying
        if self.n_bits is None:
            return min(settings.n_bits, room)
        if settings.n_bits > room:
            raise ValueError(
                f"n_bits={settings.n_bits}; expected at most {room}: {settings.most} bits for each of {n_varying} "
                "directions in which the vectors vary"
            )
        return settings.n_bits

    def _check(self, d: int) -> _Settings:
        return _Settings(
            as_bits(self.n_bits, d),
            as_integer(self.n_remove, "n_remove", 0, d - 1, why=f": the vectors have {d} dimensions"),
            as_integer(self.max_bits_per_direction, "max_bits_per_direction", 1, LARGEST),
            as_steps(self.n_iter, "n_iter", 0),
            as_bounded(self.n_passes, "n_passes", 0, MOST_PASSES),
            as_integer(self.refine_bits, "refine_bits", 0, MOST_BITS),
            self._partitions(),
            self._spills(self.spill),
        )


class _Settings(NamedTuple):
    """Checked parameters."""

    n_bits: int
    n_remove: int
    most: int
    n_iter: int
    n_passes: int
    refine_bits: int
    partitions: int | Literal["auto"] | None
    spill: bool


def _varying(variances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return variances without what is rounding; of rows that are all equal, ones: their codes stand for nothing."""
    if not variances.max() > 0:
        return np.ones_like(variances)
    return np.where(variances > VARIES * variances.max(), variances, 0.0)
