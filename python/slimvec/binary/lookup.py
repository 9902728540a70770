"""Rows of a binary table as vectors: codes, means of bags, reconstructions, and codes of new vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from slimvec.binary.codes import unpack
from slimvec.keyed import Keyed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from slimvec.binary.encoder import Encoder
    from slimvec.binary.factors import Factors
    from slimvec.binary.parts import BinaryParts
    from slimvec.vectors import Vectors


class CodeRows(Keyed):
    """Codes reached by word or by number, as vectors.

    Parameters
    ----------
    parts : BinaryParts
    """

    def __init__(self, parts: BinaryParts) -> None:
        super().__init__(parts.codes.n_codes, parts.words)
        self._parts = parts

    @property
    def n_bits(self) -> int:
        """Bits per code, and the width of the rows that :meth:`lookup` returns."""
        return self._parts.codes.n_bits

    def lookup(self, keys: Sequence[str | int] | NDArray[np.integer], *, original: bool = False) -> NDArray[np.float32]:
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
            Entries -1 and +1; with ``original``, shape (len(keys), d).

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
        return self._reconstruct(rows) if original else self._parts.codes.lookup(rows)

    def __getitem__(self, key: str | int) -> NDArray[np.float32]:
        """Return the code of one word or row as a vector of -1 and +1, ``(n_bits,)``."""
        row: NDArray[np.float32] = self.lookup([key])[0]
        return row

    def codes(self, keys: Sequence[str | int] | NDArray[np.integer] | None = None) -> NDArray[np.uint8]:
        """Return packed codes, of all rows or of some.

        Parameters
        ----------
        keys : sequence of str and int, or integer array, optional
            By default all rows.

        Returns
        -------
        ndarray, shape (len(keys), ceil(n_bits / 8)), uint8
            As faiss ``IndexBinaryFlat`` and usearch take them.

        Examples
        --------
        >>> import slimvec as sv
        >>> sv.BinaryTable(sv.pack([[1, -1], [1, 1]]), 2).codes()
        array([[1],
               [3]], dtype=uint8)
        """
        return self._parts.codes.read(np.arange(len(self)) if keys is None else self._rows(keys, "keys"))

    def mean(self, bags: Sequence[Sequence[str | int]], *, original: bool = False) -> NDArray[np.float32]:
        """Return the mean code of each bag of words: a sentence vector.

        Parameters
        ----------
        bags : sequence of sequences of str and int
            Words that the table does not hold are skipped.
        original : bool
            Return means of what :meth:`lookup` returns with ``original``.

        Returns
        -------
        ndarray, shape (len(bags), n_bits), float32
            Means of -1 and +1, with ``original`` shape (len(bags), d); zeros for a bag of which nothing is known.

        Raises
        ------
        TypeError
            If a bag is a string: split sentences into words first.
        IndexError
            For a row number outside the table.

        Examples
        --------
        >>> import slimvec as sv
        >>> table = sv.BinaryTable(sv.pack([[1, -1], [1, 1]]), 2, words=["good", "film"])
        >>> table.mean([["a", "good", "film"], ["dull"]])
        array([[1., 0.],
               [0., 0.]], dtype=float32)
        """
        rows, offsets = self._bags(bags)
        if not original:
            return self._parts.codes.bag_mean(rows, offsets)
        known = offsets[1:] > offsets[:-1]
        means = np.zeros((len(known), self._require_factors()[0].mean.size), np.float32)
        starts = offsets[:-1][known]
        if len(starts):
            sizes = np.diff(offsets)[known].astype(np.float32)
            means[known] = np.add.reduceat(self._reconstruct(rows), starts, axis=0) / sizes[:, None]
        return means

    def _reconstruct(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        encoder, factors = self._require_factors()
        return encoder.reconstruct(unpack(self._parts.codes.read(rows), self.n_bits, factors.scales(rows)))

    def _require_factors(self) -> tuple[Encoder, Factors]:
        if self._parts.encoder is None or self._parts.factors is None:
            raise ValueError("original=True needs factors of each row; make the table by compress(..., factors=True)")
        return self._parts.encoder, self._parts.factors

    def encode(self, vectors: ArrayLike | Vectors) -> NDArray[np.uint8]:
        """Return the packed codes of new float vectors, made as the table's own were.

        Parameters
        ----------
        vectors : array_like, shape (m, d)
            In the space of the original vectors.

        Returns
        -------
        ndarray, shape (m, ceil(n_bits / 8)), uint8

        Raises
        ------
        ValueError
            If the table has no encoder, the width is wrong, or a value is not finite.
        """
        return self._encode(vectors, "vectors")

    def _encode(self, vectors: ArrayLike | Vectors, name: str) -> NDArray[np.uint8]:
        if self._parts.encoder is None:
            raise ValueError(f"{name}: this table has no encoder (mean and projection), so it takes packed codes only")
        return self._parts.encoder.encode(vectors, name)
