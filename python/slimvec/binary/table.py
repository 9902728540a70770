"""A table of binary codes: what IIQ and its relatives make, what files hold, what users query."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.binary.codes import BlockedCodes
from slimvec.binary.encoder import Encoder
from slimvec.binary.hamming import codes_shape
from slimvec.binary.lookup import bag_mean, reconstruct, require_factors, row_width, take_rows
from slimvec.binary.neighbours import nearest_to_code, nearest_to_sum
from slimvec.binary.parts import BinaryParts
from slimvec.binary.queries import QueryEncoder
from slimvec.binary.searching import CodeSearches
from slimvec.files.table_file import register
from slimvec.norms import WideRows
from slimvec.results import others_than
from slimvec.validation import as_codes, as_integer, check_width
from slimvec.vocabulary import optional_vocabulary

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from slimvec.files.table_file import Content
    from slimvec.keys import Name
    from slimvec.vectors.rows import Rows


class BinaryTable(CodeSearches):
    """Binary codes with, optionally, the words they stand for and the encoder that made them.

    Made by :meth:`slimvec.IIQ.compress`, opened by :func:`slimvec.open`, or built by hand from codes.

    Parameters
    ----------
    codes : array_like, shape (n, ceil(n_bits / 8)), uint8
        Packed codes (:func:`slimvec.pack`).
    n_bits : int
        Bits per code.
    words : iterable of str, optional
        One distinct word per row.
    mean : array_like, shape (d,), optional
    projection : array_like, shape (d, n_bits), optional
        Encoder of float vectors: the code of x is the signs of ``(x - mean) @ projection``. Both or neither.

    Raises
    ------
    TypeError, ValueError
        If the parts do not fit each other.

    Examples
    --------
    >>> import slimvec as sv
    >>> table = sv.BinaryTable(sv.pack([[1, 1, -1], [1, -1, -1], [-1, -1, 1]]), 3, words=["cat", "dog", "sea"])
    >>> table.lookup(["sea", 0])
    array([[-1., -1.,  1.],
           [ 1.,  1., -1.]], dtype=float32)
    >>> [(word, round(similarity, 3)) for word, similarity in table.most_similar("cat", k=2)]
    [('dog', 0.333), ('sea', -1.0)]
    """

    kind = BinaryParts.kind
    _parts: BinaryParts

    def __init__(
        self,
        codes: ArrayLike,
        n_bits: int,
        words: Iterable[str] | None = None,
        mean: ArrayLike | None = None,
        projection: ArrayLike | None = None,
    ) -> None:
        n_bits = as_integer(n_bits, "n_bits", 1)
        packed = as_codes(codes, "codes", n_bits)
        if (mean is None) != (projection is None):
            raise ValueError("mean and projection make an encoder together; expected both or neither")
        encoder = None
        if mean is not None and projection is not None:
            encoder = Encoder(np.asarray(mean, np.float32), np.ascontiguousarray(projection, np.float32))
            if encoder.mean.ndim != 1 or encoder.projection.shape != (len(encoder.mean), n_bits):
                raise ValueError(
                    f"mean has shape {encoder.mean.shape} and projection {encoder.projection.shape}; "
                    f"expected (d,) and (d, {n_bits})"
                )
        vocabulary = optional_vocabulary(words, len(packed), "words")
        super().__init__(BinaryParts(BlockedCodes.from_rows(packed, n_bits), vocabulary, encoder))

    def _set_parts(self, parts: BinaryParts) -> None:
        super()._set_parts(parts)
        self._take = parts.by_row.lookup if parts.has_distances else partial(take_rows, parts)

    @classmethod
    def from_content(cls, content: Content) -> BinaryTable:
        """Return the table that a file's content describes, mapped, after checking that its parts fit each other."""
        return cls.from_parts(BinaryParts.from_content(content))

    def __repr__(self) -> str:
        words = "" if self.vocabulary is None else ", with words"
        return f"<slimvec.BinaryTable: {len(self)} codes of {self.n_bits} bits{words}>"

    @property
    def n_bits(self) -> int:
        """Bits per code; of codes of signs also the width of the rows that :meth:`lookup` returns."""
        return self._parts.codes.n_bits

    @property
    def has_distances(self) -> bool:
        """Whether Hamming distances between codes mean something: not if directions have several bits."""
        return self._parts.has_distances

    @property
    def dim(self) -> int:
        """Width of the vectors that the table was made from; of bare codes, ``n_bits``."""
        encoder = self._parts.encoder
        return self.n_bits if encoder is None else len(encoder.mean)

    @property
    def compression_ratio(self) -> float | None:
        """Bits of a float32 row over all bits kept of one; None if the dimension is not known."""
        return None if self._parts.encoder is None else 32 * self.dim / self._parts.bits_per_row

    def info(self) -> dict[str, Any]:
        """Describe the table.

        Returns
        -------
        dict
            ``kind``, ``rows``, ``bits``, ``dimension`` (of the original vectors, or None), ``made_by`` (method and
            parameters), ``bytes`` (on disk, of each part), ``resident`` (how many of these lie in physical memory now,
            None where the system does not tell: of a mapped file those that were used, by anybody), ``norm`` (root mean
            square norm of the vectors that the table was made from, to which :meth:`search` brings queries; None where
            it is not known), ``oversample`` (of refined codes: what was measured for refinement, and for originals
            after it), ``lists`` (how many there are, if any), ``compression_ratio`` (as the paper counts: 32 d over the
            bits per row) and ``stored_ratio`` (float32 matrix over all that is stored but the words; None where the
            dimension is not known).
        """
        dimension = None if self._parts.encoder is None else self.dim
        parts = self._parts
        more: dict[str, Any] = {}
        if parts.refinement is not None:
            more["oversample"] = list(parts.refinement.refiner.oversample)
        if parts.partition is not None:
            more["lists"] = parts.partition.n_lists
        return self._info(parts.sizes, dimension, bits=self.n_bits, norm=parts.norm, **more)

    def _shape(self, info: dict[str, Any]) -> tuple[str, str]:
        return codes_shape(info)

    def _counted(self, info: dict[str, Any]) -> str:  # noqa: ARG002
        return "bits"

    # ---- rows as vectors

    def lookup(self, keys: Sequence[Name] | NDArray[np.integer], *, original: bool = False) -> NDArray[np.float32]:
        """Return the codes of words or rows as vectors.

        Parameters
        ----------
        keys : sequence of str and int, or integer array
            Words, row numbers, or both.
        original : bool
            Return vectors like those that the table was made from: m + ρ s P b, where b is the code and s its scale.
            Needs factors (``compress(..., factors=True)``).

        Returns
        -------
        ndarray, shape (len(keys), n_bits), float32
            Entries -1 and +1. Of codes of several bits, of :class:`TransformCoding`, shape (len(keys), r): what counts
            along each of their r directions. With ``original``, shape (len(keys), d).

        Raises
        ------
        KeyError
            For an unknown word; the message names near spellings.
        IndexError
            For a row number outside the table.
        ValueError
            If ``original`` is asked of a table without factors.

        Examples
        --------
        >>> import slimvec as sv
        >>> table = sv.BinaryTable(sv.pack([[1, -1]]), 2, words=["cat"])
        >>> table.lookup(["cat", 0])
        array([[ 1., -1.],
               [ 1., -1.]], dtype=float32)
        """
        rows = self._rows(keys, "keys")
        return reconstruct(self._parts, rows) if original else self._take(rows)

    def codes(self, keys: Sequence[Name] | NDArray[np.integer] | None = None) -> NDArray[np.uint8]:
        """Return packed codes, of all rows or of some.

        Parameters
        ----------
        keys : sequence of str and int, or integer array, optional
            By default all rows.

        Returns
        -------
        ndarray, shape (len(keys), ceil(n_bits / 8)), uint8
            As faiss ``IndexBinaryFlat`` and usearch take them.

        Raises
        ------
        KeyError
            For an unknown word.
        IndexError
            For a row number outside the table.

        Examples
        --------
        >>> import slimvec as sv
        >>> sv.BinaryTable(sv.pack([[1, -1], [1, 1]]), 2).codes()
        array([[1],
               [3]], dtype=uint8)
        """
        rows = np.arange(len(self)) if keys is None else self._rows(keys, "keys")
        return self._parts.by_row.read(rows)

    def encode(self, vectors: Rows | ArrayLike) -> NDArray[np.uint8]:
        """Return the packed codes of new float vectors, made as the table's own were.

        Parameters
        ----------
        vectors : array_like, shape (m, d), or Vectors, VectorFile or other Rows
            In the space of the original vectors.

        Returns
        -------
        ndarray, shape (m, ceil(n_bits / 8)), uint8

        Raises
        ------
        ValueError
            If the table has no encoder, the width is wrong, or a value is not finite.
        """
        return self._require_encoder("vectors").encode(vectors, "vectors")

    def export(self, path: str | os.PathLike[str], *, ids: Any = None, original: bool = False) -> None:
        """Write codes, with ids, as a file of another program, where Hamming distances find the same rows.

        Parameters
        ----------
        path : str or path
            ``.faiss``: an ``IndexBinaryFlat`` in an ``IndexBinaryIDMap2``. ``.usearch``: a graph over ``b1``.
            ``.parquet``: columns ``id`` and ``code``. ``.sql``: a table of PostgreSQL with pgvector, ``code bit(n)``.
            ``.npz``: arrays ``ids``, ``codes`` and ``n_bits``. The first three need the package, or pyarrow.
        ids : array_like, optional
            Integers or strings, one for each row, each once. By default words, or row numbers.
        original : bool
            Write the vectors that codes with factors stand for, as ``lookup(..., original=True)`` gives them, in place
            of codes.

        Raises
        ------
        TypeError, ValueError
            For a name that ends in nothing known, codes of several bits per direction, and ids that a format has no
            room for: faiss and usearch have integers.
        ImportError, OSError
            If the package is missing, or the file cannot be written.

        Examples
        --------
        >>> import os, tempfile
        >>> import numpy as np
        >>> import slimvec as sv
        >>> path = os.path.join(tempfile.mkdtemp(), "films.npz")
        >>> sv.BinaryTable(sv.pack([[1, -1], [1, 1]]), 2).export(path, ids=["tt7", "tt9"])
        >>> with np.load(path) as arrays:
        ...     arrays["ids"].tolist(), arrays["codes"].tolist()
        (['tt7', 'tt9'], [[1], [3]])
        """
        from slimvec.exporting.export import export
        from slimvec.exporting.payload_sources import of_table

        export(path, of_table(self._parts, ids, original))

    def _bag_mean(
        self, rows: NDArray[np.int64], offsets: NDArray[np.int64], weights: NDArray[np.float32] | None, original: bool
    ) -> NDArray[np.float32]:
        if original:
            width = len(require_factors(self._parts)[0].mean)
            return bag_mean(partial(reconstruct, self._parts), width, rows, offsets, weights)
        if weights is None and self._parts.has_distances:
            return self._parts.by_row.bag_mean(rows, offsets)
        return bag_mean(self._take, row_width(self._parts), rows, offsets, weights)

    def _nearest_to_vector(self, vector: NDArray[Any], k: int) -> tuple[NDArray[np.integer], NDArray[np.floating]]:
        if not self._parts.has_distances:
            found = self.search(vector, k)
            return found.indices[0], found.scores[0]
        encoder = QueryEncoder(self._require_encoder("query"), self._parts.norm, "cosine")
        check_width(vector.shape[1], "query", self.dim)
        encoder.refuse_codes(vector, self._parts.by_row, "query")
        code, zero = encoder.encode(vector, "query")
        if zero[0]:
            return np.arange(k), np.zeros(k)
        return nearest_to_code(self._parts.by_row, code, np.empty(0, np.int64), k)

    def _nearest_to_rows(
        self, own: NDArray[np.int64], signs: NDArray[np.float64], k: int
    ) -> tuple[NDArray[np.integer], NDArray[np.floating]]:
        if not self._parts.has_distances:
            query = signs[None] @ WideRows.of(reconstruct(self._parts, own)).at_norm(1.0)
            found = self.search(query, k + len(own))
            others = others_than(own, found.indices[0], k)
            return found.indices[0, others], found.scores[0, others]
        codes = self._parts.by_row.read(own)
        if len(own) == 1 and signs[0] == 1:
            return nearest_to_code(self._parts.by_row, codes, own, k)
        return nearest_to_sum(self._parts.by_row, codes, signs, own, k)


register(BinaryTable)
