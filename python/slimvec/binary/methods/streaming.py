"""What methods share that learn from moments of rows and from a sample: they stream, and their sums merge."""

from __future__ import annotations

from abc import abstractmethod
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from slimvec.binary.methods.base import BinaryEstimator
from slimvec.binary.training.accumulators import RowSums, sample_keys, sampled_rows
from slimvec.binary.training.moments import Moments
from slimvec.blocks import even_blocks, row_blocks
from slimvec.progress import Progress, ignore
from slimvec.validation import as_generator, as_integer, as_matrix, check_finite
from slimvec.vectors.rows import MatrixRows, reported

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import ArrayLike, NDArray

    from slimvec.binary.encoder import Encoder
    from slimvec.vectors.rows import Rows

DEFAULT_TRAIN_ROWS = 10_000


class StreamingEstimator(BinaryEstimator):
    """Base of methods that see each row once: ``_learn`` sets what is learnt, ``_check`` refuses bad parameters."""

    mean_: NDArray[np.float32]
    singular_values_: NDArray[np.float64]
    n_samples_seen_: int
    max_train_rows: int | None
    random_state: int | np.random.Generator | np.random.RandomState | None

    def _fit(self, rows: Rows, progress: Progress) -> None:
        if rows.sequential:
            self.fit_blocks(rows.blocks(progress), progress=progress)
            return
        n, d = len(rows), rows.dim
        self._check(d)
        size = self._sample_size(n)
        generator = as_generator(self.random_state)
        moments = Moments(d)
        for block in reported(rows, "finding directions", progress):
            moments.update(block)
        sample = None if size is None or size >= n else sampled_rows(n, size, sample_keys(generator))
        self._learn(moments, partial(_project, rows, sample), generator, progress)

    def fit_blocks(self, blocks: Iterable[ArrayLike], *, progress: Progress = ignore) -> Self:
        """Learn from rows that come block by block, and are seen once; the same, to the bit, as from all at once.

        :meth:`to_table` then makes tables, of these rows or of others.

        Parameters
        ----------
        blocks : iterable of array_like, shape (m, d)
            Of any sizes, all of one dtype. Kept of them are ``max_train_rows`` rows and d² sums.
        progress : callable, optional
            ``progress(stage, done, total)``.

        Returns
        -------
        self

        Examples
        --------
        >>> import numpy as np
        >>> import slimvec as sv
        >>> X = np.random.default_rng(0).standard_normal((500, 64), dtype=np.float32)
        >>> streamed = sv.IIQ(n_bits=32).fit_blocks(X[i : i + 100] for i in range(0, 500, 100))
        >>> bool(np.array_equal(streamed.projection_, sv.IIQ(n_bits=32).fit(X).projection_))
        True
        """
        sums: RowSums | None = None
        generator = as_generator(self.random_state)
        for block in even_blocks(as_matrix(block, "blocks") for block in blocks):
            if sums is None:
                sums = self._sums(block.shape[1], generator)  # what is wrong is said before an hour of reading
            sums.update(block)
        if sums is None:
            raise ValueError("blocks holds no rows; expected at least one")
        return self._fit_sums(sums, generator, progress)

    def sums(self, n_columns: int, first_row: int = 0) -> RowSums:
        """Return an empty accumulator for :meth:`fit_sums`: let every worker have one, and merge them.

        Parameters
        ----------
        n_columns : int
            Width d of the rows.
        first_row : int
            Number of the first row that this worker will see, among all rows. It fixes what the worker samples, so
            that all of them together draw the rows that :meth:`fit` would. ``random_state`` must be an integer.

        Returns
        -------
        RowSums
            With ``update(rows)`` and ``merge(other)``.

        Examples
        --------
        >>> import numpy as np
        >>> import slimvec as sv
        >>> X = np.random.default_rng(0).standard_normal((500, 64), dtype=np.float32)
        >>> iiq = sv.IIQ(n_bits=32)
        >>> first, second = iiq.sums(64).update(X[:200]), iiq.sums(64, first_row=200).update(X[200:])
        >>> iiq.fit_sums(first.merge(second)).projection_.shape
        (64, 32)
        """
        return self._sums(n_columns, as_integer(self.random_state, "random_state", 0), first_row)

    def fit_sums(self, sums: RowSums, *, progress: Progress = ignore) -> Self:
        """Learn from what :meth:`sums` gathered.

        Parameters
        ----------
        sums : RowSums
        progress : callable, optional
            ``progress(stage, done, total)``.

        Returns
        -------
        self
        """
        return self._fit_sums(sums, as_generator(self.random_state), progress)

    def _sums(self, d: int, random_state: int | np.random.Generator, first_row: int = 0) -> RowSums:
        self._check(d)
        return RowSums(d, self._sample_size(None), random_state, first_row)

    def _fit_sums(self, sums: RowSums, generator: np.random.Generator, progress: Progress) -> Self:
        project = partial(_project, MatrixRows(sums.sample()), None)
        return self._learn(sums.moments, project, generator, progress)

    @abstractmethod
    def _check(self, d: int) -> Any:
        """Raise TypeError or ValueError if a parameter does not fit vectors of d dimensions."""

    @abstractmethod
    def _learn(
        self,
        moments: Moments,
        project: Callable[[Encoder], NDArray[np.float32]],
        generator: np.random.Generator,
        progress: Progress,
    ) -> Self:
        """Set what is learnt, from moments and from what gives the sampled rows as an encoder projects them."""

    def _sample_size(self, n_rows: int | None) -> int | None:  # noqa: ARG002
        """Return how many of n rows, None where their number is not known yet, are sampled; None for all."""
        return None if self.max_train_rows is None else as_integer(self.max_train_rows, "max_train_rows", 1)

    def _norm(self, rows: Rows) -> float:  # noqa: ARG002 - no need to read them again
        """Return the root mean square norm of the rows that were fitted."""
        variance = float((self.singular_values_**2).sum()) / self.n_samples_seen_
        return float(np.sqrt(variance + self.mean_.astype(np.float64) @ self.mean_))


def _project(rows: Rows, sample: NDArray[np.intp] | None, encoder: Encoder) -> NDArray[np.float32]:
    """Return the sampled rows (None: all), centred, in the kept directions: Y, ``(n_train, r)`` float32."""
    n_picked = len(rows) if sample is None else len(sample)
    blocks = rows.blocks() if sample is None else (rows.take(part) for _, part in row_blocks(sample))
    projected = np.empty((n_picked, encoder.projection.shape[1]), np.float32)
    first = 0
    for block in blocks:
        with np.errstate(over="ignore", invalid="ignore"):  # reported just below
            projected[first : first + len(block)] = encoder.project(block)
        check_finite(projected[first : first + len(block)], "the sample of X", first)
        first += len(block)
    return projected
