"""What methods share that learn from moments of rows and from a sample: they stream, and their sums merge."""

from __future__ import annotations

from abc import abstractmethod
from copy import copy, deepcopy
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from slimvec.binary.methods.base import BinaryEstimator
from slimvec.binary.training.accumulators import RowSample, RowSums, sample_keys, sampled_rows
from slimvec.binary.training.block_sums import BlockSums
from slimvec.blocks import even_blocks, row_blocks
from slimvec.progress import Progress, ignore
from slimvec.validation import as_codes, as_generator, as_integer, as_matrix, check_finite, check_width
from slimvec.vectors.rows import MatrixRows, reported

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Executor

    from numpy.typing import ArrayLike, NDArray

    from slimvec.binary.encoder import Encoder
    from slimvec.binary.training.gathering import Gathered
    from slimvec.binary.training.moments import Moments
    from slimvec.vectors.rows import Rows

DEFAULT_TRAIN_ROWS = 10_000


class StreamingEstimator(BinaryEstimator):
    """Base of methods that see each row once: ``_learn`` sets what is learnt, ``_check`` refuses bad parameters."""

    mean_: NDArray[np.float32]
    singular_values_: NDArray[np.float64]
    n_samples_seen_: int
    max_train_rows: int | None
    random_state: int | np.random.Generator | np.random.RandomState | None

    _added: tuple[BlockSums, RowSample] | None = None  # what partial_fit has seen so far

    def fit(self, X: Any, y: None = None, *, executor: Executor | None = None, progress: Progress = ignore) -> Self:
        """Learn from vectors, here or by workers.

        Parameters
        ----------
        X : array_like, shape (n, d), or Vectors, VectorFile or other Rows
            Real numbers, in any memory order, possibly mapped from a file. Checked, never copied whole in memory.
            With ``executor``, one of these or a path, or a list of them whose rows follow each other. A ``dask.array``
            is fitted by Dask (:mod:`slimvec.dask`).
        y : None
            Ignored, for scikit-learn's pipelines.
        executor : concurrent.futures.Executor, optional
            Whose workers go over the rows: processes, threads, or those of a Dask client, ``client.get_executor()``.
            They read the files that paths name; parts of arrays are sent to them. What comes back is sums and the
            sample, whose sizes do not depend on n.
        progress : callable, optional
            ``progress(stage, done, total)``.

        Returns
        -------
        self
            If learning fails or is interrupted, with what was learnt before.

        Notes
        -----
        The same vectors and the same integer ``random_state`` give the same result, to the bit, for any number of
        threads and of workers, and wherever the sources are cut: sums are added in an order that n alone decides.
        Another kind of CPU, and another version of NumPy or its BLAS, may round otherwise. NumPy's BLAS, if it
        is OpenBLAS or MKL, is held to one thread in the whole process meanwhile; other BLASes keep their own threads,
        on whose number last bits may then depend.

        Examples
        --------
        >>> import numpy as np
        >>> import slimvec as sv
        >>> from concurrent.futures import ThreadPoolExecutor
        >>> X = np.random.default_rng(0).standard_normal((500, 64), dtype=np.float32)
        >>> with ThreadPoolExecutor(2) as executor:
        ...     iiq = sv.IIQ(n_bits=32).fit([X[:130], X[130:]], executor=executor)
        >>> bool(np.array_equal(iiq.projection_, sv.IIQ(n_bits=32).fit(X).projection_))
        True
        """
        if executor is None:
            return super().fit(X, y, progress=progress)
        from slimvec.binary.training.gathering import gather_by
        from slimvec.spread.pieces import Sources

        sources = Sources.of(X, "X", executor)
        draft = copy(self)
        draft._learn_apart(len(sources), sources.dim, partial(gather_by, executor, sources), progress)
        return self._take_over(draft, X)

    def _learn_apart(
        self, n: int, d: int, gather: Callable[[NDArray[np.int64], Progress], Gathered], progress: Progress
    ) -> None:
        """Learn from n rows of d columns that are elsewhere; ``gather`` is told which of them are sampled."""
        if n * d == 0:
            raise ValueError(f"X is empty: shape ({n}, {d}); expected at least one row and one column")
        self._check(d)
        size = self._sample_size(n)
        if size is None:
            raise ValueError("max_train_rows=None learns on all rows, which would all travel here; expected a number")
        generator = as_generator(self.random_state)
        wanted = np.arange(n) if size >= n else sampled_rows(n, size, sample_keys(generator))
        gathered = gather(wanted, progress)
        self._learn_from_sample(gathered.sums.finalize(), gathered.sample, generator, progress)

    def _fit(self, rows: Rows, progress: Progress) -> None:
        if rows.sequential:
            self.fit_blocks(rows.blocks(progress), progress=progress)
            return
        n, d = len(rows), rows.dim
        self._check(d)
        self._added = None
        size = self._sample_size(n)
        generator = as_generator(self.random_state)
        sums = BlockSums(d)
        for block in reported(rows, "finding directions", progress):
            sums.update(block)
        sample = None if size is None or size >= n else sampled_rows(n, size, sample_keys(generator))
        self._learn(sums.finalize(), partial(_project, rows, sample), generator, progress)

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
            If reading or learning fails, with what was learnt before.

        Raises
        ------
        TypeError, ValueError
            As from ``fit``, and if there are no rows.

        Examples
        --------
        >>> import numpy as np
        >>> import slimvec as sv
        >>> X = np.random.default_rng(0).standard_normal((500, 64), dtype=np.float32)
        >>> streamed = sv.IIQ(n_bits=32).fit_blocks(X[i : i + 100] for i in range(0, 500, 100))
        >>> bool(np.array_equal(streamed.projection_, sv.IIQ(n_bits=32).fit(X).projection_))
        True
        """
        seen: tuple[BlockSums, RowSample] | None = None
        generator = as_generator(self.random_state)
        for block in even_blocks(_of_one_width(blocks)):
            if seen is None:
                self._check(block.shape[1])  # what is wrong is said before an hour of reading
                keys = sample_keys(generator)
                seen = BlockSums(block.shape[1]), RowSample(self._sample_size(None), keys)
            seen[0].update(block)
            seen[1].update(block)
        if seen is None:
            raise ValueError("blocks holds no rows; expected at least one")
        draft = copy(self)
        draft._learn_from_sample(seen[0].finalize(), seen[1].finalize(), generator, progress)
        return self._take_over(draft)

    def inverse_transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return vectors that codes stand for, as far as bits alone tell: tables with factors know their lengths, too.

        Parameters
        ----------
        X : array_like
            As :meth:`transform` gives it, with any ``output``.

        Returns
        -------
        ndarray, shape (n, d), float32
            Without the directions that codes leave out.

        Raises
        ------
        TypeError, ValueError
            If not fitted, or no such codes; of :class:`slimvec.TransformCoding` with ``partitions``.

        Examples
        --------
        >>> import numpy as np
        >>> import slimvec as sv
        >>> X = np.random.default_rng(0).standard_normal((500, 64), dtype=np.float32)
        >>> iiq = sv.IIQ(n_remove=0)
        >>> made = iiq.inverse_transform(iiq.fit_transform(X))
        >>> bool(((made - X) ** 2).sum() < 0.4 * (X**2).sum())
        True
        """
        n_bits = self._encoder().n_bits
        codes = as_matrix(X, "X")
        if codes.shape[1] == n_bits and not (n_bits == 1 and codes.dtype == np.uint8):  # which is packed, too
            if not np.isin(codes, [0, 1] if codes.size and codes.min() >= 0 else [-1, 1]).all():
                raise ValueError(f"X has {n_bits} columns, and they are no bits; expected 0 and 1, or -1 and 1")
            codes = np.packbits(codes > 0, axis=1, bitorder="little")
        return self._centred(as_codes(codes, "X", n_bits)) + self.mean_

    @abstractmethod
    def _centred(self, bits: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return what packed codes stand for, less the mean."""

    def partial_fit(self, X: ArrayLike, y: None = None, *, progress: Progress = ignore) -> Self:  # noqa: ARG002
        """Learn from more vectors, together with all that earlier calls were given: what one ``fit`` of all learns.

        Parameters
        ----------
        X : array_like, shape (m, d), or Vectors
            Of the dtype of the first call. ``fit`` begins anew.
        y : None
            Ignored, for scikit-learn's pipelines.
        progress : callable, optional
            ``progress(stage, done, total)``.

        Returns
        -------
        self
            If learning fails or is interrupted, as it was before: the call may be repeated.

        Raises
        ------
        TypeError, ValueError
            As from ``fit``, and for another width than before.

        Notes
        -----
        Kept are d² sums and the sampled rows, at most twice ``max_train_rows``; every call learns directions and
        rotation again, which takes as long for ten rows as for a million. Where nothing is encoded in between,
        :meth:`fit_blocks` learns once.

        Examples
        --------
        >>> import numpy as np
        >>> import slimvec as sv
        >>> X = np.random.default_rng(0).standard_normal((500, 64), dtype=np.float32)
        >>> iiq = sv.IIQ(n_bits=32).partial_fit(X[:100]).partial_fit(X[100:])
        >>> bool(np.array_equal(iiq.projection_, sv.IIQ(n_bits=32).fit(X).projection_))
        True
        """
        generator = as_generator(self.random_state)
        is_first = self._added is None
        if self._added is None:
            rows = as_matrix(X, "X")
            self._check(rows.shape[1])
            sums, sample = BlockSums(rows.shape[1]), RowSample(self._sample_size(None), sample_keys(generator))
        else:
            self._check_names(X)
            rows = as_matrix(X, "X", self._added[0].n_columns)
            sums, sample = deepcopy(self._added)
        if not sums.next_row + len(rows):
            raise ValueError("X is empty; expected at least one row")
        sums.update(rows)
        sample.update(rows)
        added = deepcopy((sums, sample))  # rows that wait for a whole block are the caller's; to finalize changes sums
        draft = copy(self)
        draft._learn_from_sample(sums.finalize(), sample.finalize(), generator, progress)
        draft._added = added
        vars(self).update(vars(draft))
        if is_first:
            self._remember_names(X)
        return self

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
        self._check(n_columns)
        return RowSums(n_columns, self._sample_size(None), as_integer(self.random_state, "random_state", 0), first_row)

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
        draft = copy(self)
        draft._learn_from_sample(sums.moments, sums.sample(), as_generator(self.random_state), progress)
        return self._take_over(draft)

    def _learn_from_sample(
        self, moments: Moments, sample: NDArray[Any], generator: np.random.Generator, progress: Progress
    ) -> Self:
        self._added = None
        vars(self).pop("feature_names_in_", None)
        return self._learn(moments, partial(_project, MatrixRows(sample), None), generator, progress)

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


def _of_one_width(blocks: Iterable[ArrayLike]) -> Iterator[NDArray[Any]]:
    """Yield blocks that have rows as matrices, refusing one of another width than the first."""
    width: int | None = None
    for block in blocks:
        rows = as_matrix(block, "blocks")
        if len(rows):
            width = rows.shape[1] if width is None else width
            check_width(rows.shape[1], "blocks", width)
            yield rows


def _project(rows: Rows, sample: NDArray[np.int64] | None, encoder: Encoder) -> NDArray[np.float32]:
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
