"""What every method of binary codes shares: an encoder, codes, a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.binary.builder import TableBuilder
from slimvec.binary.codes import unpack
from slimvec.binary.encoder import Encoder
from slimvec.binary.table import BinaryTable
from slimvec.blas import one_thread
from slimvec.estimator import VectorEstimator, is_lazy, lazily
from slimvec.files.atomic import table_target
from slimvec.files.table_file import open_table
from slimvec.progress import Progress, ignore
from slimvec.shards import SHARD_ROWS
from slimvec.vectors.rows import as_rows

if TYPE_CHECKING:
    import os
    from concurrent.futures import Executor

    from numpy.typing import ArrayLike, NDArray

    from slimvec.binary.refinement import Refiner
    from slimvec.shards.sharded_table import ShardedTable
    from slimvec.shards.writing import Coding
    from slimvec.spread.pieces import Sources
    from slimvec.vectors.rows import Rows


OUTPUTS = ("packed", "bits", "signs")
NOT_ORTHOGONAL = "is not orthogonal, which factors need; use IIQ or ITQ"


class BinaryEstimator(VectorEstimator):
    """Base of methods whose codes are the signs of (x - mean)ᵀ projection; ``_fit`` sets both."""

    mean_: NDArray[np.float32]
    projection_: NDArray[np.float32]

    _refiner: Refiner | None = None  # where codes are refined
    _orthogonal = True  # whether factors make sense: False refuses them before anything is learnt

    def transform(self, X: Rows | ArrayLike, *, output: str = "packed") -> Any:
        """Encode vectors.

        Parameters
        ----------
        X : array_like, shape (n, d), or Vectors, VectorFile or other Rows
            Of a ``dask.array`` the codes are one, too, which Dask computes when it is asked to.
        output : {"packed", "bits", "signs"}
            Eight bits a byte, one a byte, or -1 and +1.

        Returns
        -------
        ndarray, shape (n, ceil(n_bits / 8)), uint8
            Packed codes, least significant bit first. Of codes of signs bit j is
            ``(x - mean_) @ projection_[:, j] >= 0``; :class:`slimvec.TransformCoding` chooses the bits of a direction
            together. Bits are ``(n, n_bits)`` uint8, signs ``(n, n_bits)`` float32. A data frame, if :meth:`set_output`
            asks for one.

        Raises
        ------
        ValueError
            If not fitted, of the wrong width, or not finite; for another output, and for signs of codes of several
            bits per direction, which count differently.
        """
        if output not in OUTPUTS:
            raise ValueError(f"output={output!r}; expected one of {', '.join(map(repr, OUTPUTS))}")
        if is_lazy(X):
            if output != "packed":
                raise ValueError(f"output={output!r}: of what Dask holds, codes are packed; expected 'packed'")
            return lazily().transform(self, X)
        encoder = self._encoder()
        if output == "signs" and not encoder.of_signs:
            raise ValueError(
                f"output='signs': the bits of {type(self).__name__} are levels, which inverse_transform makes vectors "
                "of; expected 'packed' or 'bits'"
            )
        self._check_names(X)
        packed = encoder.encode(X, "X")
        if output == "bits":
            made: NDArray[Any] = np.unpackbits(packed, axis=1, count=encoder.n_bits, bitorder="little")
        else:
            made = unpack(packed, encoder.n_bits) if output == "signs" else packed
        return self._contained(made, X)

    @property
    def _n_features_out(self) -> int:
        return -(-self._encoder().n_bits // 8)

    def fit_transform(self, X: Rows | ArrayLike, y: None = None) -> Any:
        """Fit and encode the same vectors.

        Parameters
        ----------
        X : array_like, shape (n, d), or Vectors, VectorFile or other Rows
        y : None
            Ignored.

        Returns
        -------
        ndarray, shape (n, ceil(n_bits / 8)), uint8
            As :meth:`transform` gives them.
        """
        return self.fit(X, y).transform(X)

    def compress(
        self,
        vectors: Rows | ArrayLike,
        *,
        factors: bool = False,
        output: str | os.PathLike[str] | None = None,
        progress: Progress = ignore,
    ) -> BinaryTable:
        """Fit on vectors and return them as a table of codes: ``fit``, then :meth:`to_table`.

        Parameters
        ----------
        vectors : array_like, shape (n, d), or Vectors, VectorFile or other Rows
            With words, the table answers by word; a bare matrix gives a table whose rows are numbers. A file is read
            block by block, once to fit and once to encode, and gives the same table as its vectors do in memory.
        factors, output, progress
            See :meth:`to_table`.

        Returns
        -------
        BinaryTable

        Raises
        ------
        TypeError, ValueError
            As from ``fit``.
        OSError
            If the output cannot be written, or a file of vectors changes between the two times it is read.
        """
        self._check_options(factors, output, vectors)  # better said now than after an hour
        rows = as_rows(vectors, "vectors")
        self.fit(rows, progress=progress)._remember_names(vectors)
        return self.to_table(rows, factors=factors, output=output, progress=progress)

    @one_thread()
    def to_table(
        self,
        source: Rows | ArrayLike,
        *,
        factors: bool = False,
        output: str | os.PathLike[str] | None = None,
        executor: Executor | None = None,
        progress: Progress = ignore,
    ) -> BinaryTable:
        """Return vectors as a table of codes, by what was learnt before, from these vectors or from others.

        Parameters
        ----------
        source : array_like, shape (n, d), or Vectors, VectorFile or other Rows
            Read block by block. With ``executor``, also a path, or a list of paths, arrays and so on, whose rows
            follow each other.
        factors : bool
            Keep, beside each code, two float16 numbers (three, if the vectors are not of unit length): float queries
            then find many more of the true neighbours (:meth:`BinaryTable.search`), and rows can be turned back into
            vectors of the original space (``lookup(..., original=True)``). Codes of several bits, and rows in lists,
            always have them.
        output : str or path, optional
            Write codes straight into this file, and return it opened. The file appears when it is complete: after an
            error or an interrupt an older one is as it was.
        executor : concurrent.futures.Executor, optional
            Whose workers read and encode the rows, and send codes. The table is the same, to the bit.
        progress : callable, optional
            ``progress(stage, done, total)``.

        Returns
        -------
        BinaryTable

        Raises
        ------
        ValueError
            If not fitted, of the wrong width, or not finite; or factors are asked of a method that has none.
        OSError
            If the output cannot be written.

        Examples
        --------
        >>> import numpy as np
        >>> import slimvec as sv
        >>> X = np.random.default_rng(0).standard_normal((500, 64), dtype=np.float32)
        >>> iiq = sv.IIQ(n_bits=32).fit(X[:400])
        >>> len(iiq.to_table(X))
        500
        """
        self._check_options(factors, output, source)
        self._check_names(source)
        if executor is not None:
            return self._to_table_by(executor, source, factors, output, progress)
        builder = self._builder(source, factors, progress)
        if output is None:
            return BinaryTable.from_parts(builder.to_memory())
        builder.to_file(output)
        table: BinaryTable = open_table(output)
        return table

    def _builder(self, source: Any, factors: bool, progress: Progress, **options: Any) -> TableBuilder:
        """Return what makes a table of vectors."""
        encoder = self._encoder()
        rows = as_rows(source, "vectors", len(self.mean_))
        own = encoder, self._factor_norm(rows, factors), self._description()
        return TableBuilder(rows, *own, progress, self._refiner, **options)

    def _to_table_by(
        self,
        executor: Executor,
        source: Any,
        factors: bool,
        output: str | os.PathLike[str] | None,
        progress: Progress,
    ) -> BinaryTable:
        from slimvec.shards.sharing import encode_by

        coding, sources = self._coding(source, "source", factors, executor)
        parts = encode_by(executor, coding, sources, progress)
        if output is None:
            return BinaryTable.from_parts(parts.joined())
        parts.save(output)
        table: BinaryTable = open_table(output)
        return table

    def _coding(self, source: Any, name: str, factors: bool, executor: Executor | None) -> tuple[Coding, Sources]:
        """Return what workers need to encode rows, and the rows."""
        from slimvec.shards.writing import Coding, refuse_lists
        from slimvec.spread.pieces import Sources

        encoder = self._encoder()
        refuse_lists(encoder.in_lists)
        sources = Sources.of(source, name, executor, len(self.mean_))
        return Coding(encoder, self._refiner, self._factor_norm(sources, factors), self._description()), sources

    @one_thread()
    def to_shards(
        self,
        source: Any,
        folder: str | os.PathLike[str],
        *,
        factors: bool = False,
        shard_rows: int = SHARD_ROWS,
        executor: Executor | None = None,
        progress: Progress = ignore,
    ) -> ShardedTable:
        """Write vectors as a table in several files, which workers make side by side.

        Parameters
        ----------
        source : list of paths, arrays, Vectors or other Rows, or one of these
            Whose rows follow each other; also a ``dask.array``. Read block by block, by the workers.
        folder : str or path
            A new one, on a file system that all workers share. The table is there, for :func:`slimvec.open`, when its
            manifest is, which is written last. What an unfinished run left there is no harm.
        factors
            See :meth:`to_table`.
        shard_rows : int
            Rows of a file, rounded up to whole blocks of 4096.
        executor : concurrent.futures.Executor, optional
            Whose workers encode and write; without, it is done here. The files are the same.
        progress : callable, optional
            ``progress(stage, done, total)``.

        Returns
        -------
        ShardedTable
            Whose answers are those of :meth:`to_table` of the same rows, to the bit.

        Raises
        ------
        ValueError
            As from :meth:`to_table`; or rows would lie in lists (``partitions=``).
        OSError
            If the folder holds a table or something else already.

        Examples
        --------
        >>> import os, tempfile
        >>> import numpy as np
        >>> import slimvec as sv
        >>> X = np.random.default_rng(0).standard_normal((500, 64), dtype=np.float32)
        >>> folder = os.path.join(tempfile.mkdtemp(), "table")
        >>> sv.IIQ(n_bits=32).fit(X).to_shards([X[:100], X[100:]], folder)
        <slimvec.ShardedTable: 500 codes of 32 bits in 1 files>
        """
        from slimvec.shards.writing import write_shards

        self._check_options(factors, None)
        self._check_names(source)
        if is_lazy(source):
            return lazily().to_shards(  # type: ignore[no-any-return]
                self, source, folder, factors=factors, shard_rows=shard_rows, progress=progress
            )
        coding, sources = self._coding(source, "source", factors, executor)
        return write_shards(coding, sources, folder, shard_rows, executor, progress)

    def _factor_norm(self, rows: Any, factors: bool) -> float | None:
        """Return what factors are measured in, if there are to be any."""
        encoder = self._encoder()
        if factors and not encoder.keeps_lengths:
            raise ValueError(f"factors=True: the projection of this {type(self).__name__} {NOT_ORTHOGONAL}")
        return self._norm(rows) if factors or encoder.in_lists or not encoder.of_signs else None

    def _check_options(self, factors: bool, output: str | os.PathLike[str] | None, rows: Any = None) -> None:
        if is_lazy(rows):
            raise TypeError(
                "a table in this process has all codes, of rows that Dask holds in pieces; write to_shards(X, folder), "
                "or pass X.compute()"
            )
        if factors and not self._orthogonal:
            raise ValueError(f"factors=True: the projection of {type(self).__name__} {NOT_ORTHOGONAL}")
        if output is not None:
            table_target(output)

    def _encoder(self) -> Encoder:
        self._require_fitted("projection_")
        return Encoder(np.asarray(self.mean_, np.float32), np.ascontiguousarray(self.projection_, np.float32))

    def _description(self) -> dict[str, Any]:
        losses: Any = getattr(self, "quantization_loss_", ())
        return {**super()._description(), "loss": float(losses[-1]) if len(losses) else None}

    def _norm(self, rows: Rows) -> float:
        """Return the root mean square norm of the vectors."""
        energy = 0.0
        for block in rows.blocks():
            energy += float(np.linalg.norm(block.astype(np.float64))) ** 2
        return float(np.sqrt(energy / len(rows)))
