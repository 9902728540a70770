"""The searches of a table of codes, as users call them: by vectors or codes, for so many rows or down to a score."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slimvec.binary.hamming import HammingIndex
from slimvec.binary.search import TableSearch
from slimvec.results import EuclideanResult
from slimvec.table import Table

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from slimvec.binary.encoder import Encoder
    from slimvec.binary.parts import BinaryParts
    from slimvec.binary.queries import Metric
    from slimvec.binary.search import Oversample
    from slimvec.results import RangeResult, ScoreRangeResult, ScoreResult, SearchResult
    from slimvec.vectors.rows import Rows


class CodeSearches(Table):
    """What :class:`BinaryTable` finds."""

    _parts: BinaryParts

    def search(
        self,
        queries: Rows | ArrayLike,
        k: int = 10,
        *,
        oversample: Oversample = "auto",
        metric: Metric = "cosine",
        originals: ArrayLike | None = None,
        probes: int | None = None,
        recall: float | None = None,
        threads: int | None = None,
        mask: ArrayLike | None = None,
    ) -> ScoreResult:
        """Find the ``k`` rows most similar to each float vector.

        With factors (``compress(..., factors=True)``) a query keeps its precision: a shortlist by Hamming distance is
        scored by estimated cosines, from the bits of each code and its factors. Without, it is encoded as the table's
        rows were, and its score is the cosine of the codes as -1 / +1 vectors, 1 - 2 · Hamming distance / n_bits.

        Parameters
        ----------
        queries : array_like, shape (n_queries, d)
            Real numbers of any dtype, in the space of the original vectors and, for cosines, of any length; packed
            codes are searched by :meth:`search_codes`.
        k : int
            Neighbours per query; of fewer rows that may be found, all.
        oversample : int, None or "auto"
            Each stage hands on this many times as many rows as the next one returns. ``None`` scores every row by all
            that is kept of it: up to .01 more recall, in 1.5 to 5 times the time. ``"auto"``: 10, or what was measured.
        metric : {"cosine", "dot", "l2"}
            What scores estimate: cosines, inner products, or negated Euclidean distances, so that 0 is the highest. All
            but cosines need factors or originals.
        originals : array_like, shape (n, d), optional
            The vectors that the table was made from, in memory or mapped, float32, float16 or int8. The best
            ``oversample * k`` rows (100 more than k if ``oversample`` is None) are scored exactly by them; only these
            rows are read.
        probes : int, optional
            Read so many lists (``partitions=``), and more if they hold fewer than k rows; all that they hold is scored.
            By default all.
        recall : float, optional
            Read as many lists as find this share of the neighbours, as was measured when they were made, by rows as
            queries.
        threads : int, optional
            At most this many threads; by default as many as the process may use.
        mask : array_like, optional
            Which rows may be found: a bool per row, or words and row numbers; see :meth:`HammingIndex.search`.

        Returns
        -------
        ScoreResult
            ``scores`` (float32) and ``indices`` (int64 rows), both ``(n_queries, k)``, best first, ties by row: the
            same for any number of threads and on any instruction set. If fewer rows may be found, as many columns.
            Estimated cosines beyond 1 are given as 1, squared distances below 0 as 0, and keep their place; distances
            are in the order of their squares, which tell more of them apart. To a query of zeros rows are alike, but
            for distances.

        Raises
        ------
        ValueError
            For a wrong width, NaN, ``k`` below 1, options that do not fit the table, rows of :meth:`lookup` in the
            place of vectors, uint8 numbers that may be codes, and scores beyond float32; for distances, if some vectors
            are so short, or a query so long, beside the others that the table cannot tell them apart.

        Notes
        -----
        A query finds most when it is as long as the vectors. For cosines it is brought to their root mean square norm,
        ``info()["norm"]``: multiples of a query have the same scores; a row asked for by its own vector need not score
        exactly 1. Tables built by hand, and files without factors that early versions wrote, do not know the norm: they
        take queries as they are, as ``metric="dot"`` and :meth:`encode` always do.

        The estimate of ⟨x, q⟩ is s ⟨b, Pᵀ(q - m)⟩ + ⟨x - m, m⟩ + ⟨m, q⟩ (:mod:`slimvec.binary.factors`), without
        directions that were removed: make tables for retrieval with ``n_remove=0``. A squared distance is
        ‖q‖² - 2 (⟨x, q⟩ - ‖x‖² / 2), where ‖x‖ is one of the factors.

        Examples
        --------
        >>> import numpy as np
        >>> import slimvec as sv
        >>> X = np.random.default_rng(0).standard_normal((500, 64), dtype=np.float32)
        >>> table = sv.IIQ(n_remove=0).compress(X, factors=True)
        >>> scores, rows = table.search(X[:2], k=3)
        >>> rows[:, 0]
        array([0, 1])
        """
        encoder = self._require_encoder("queries")
        search = TableSearch(self._parts, encoder, metric, self._allowed(mask), threads, probes, recall)
        found = search.floats(queries, k, oversample, originals)
        return EuclideanResult(*found) if metric == "l2" else found

    def range_search(
        self,
        queries: Rows | ArrayLike,
        min_score: float,
        *,
        metric: Metric = "cosine",
        threads: int | None = None,
        mask: ArrayLike | None = None,
    ) -> ScoreRangeResult:
        """Find all rows whose score with each float vector reaches a bound.

        Parameters
        ----------
        queries : array_like, shape (n_queries, d)
            See :meth:`search`.
        min_score : float
            Least score of a row that is found; compared in float32, as scores are given.
        metric : {"cosine", "dot", "l2"}
            What scores estimate, see :meth:`search`: all within a distance r are those with a score of -r or more. All
            but cosines need factors.
        threads, mask
            See :meth:`search`.

        Returns
        -------
        ScoreRangeResult
            Rows and scores as ``search(queries, k=len(table), oversample=None)`` has them, down to the bound; the same
            for any number of threads and on any instruction set.

        Raises
        ------
        TypeError, ValueError
            As :meth:`search`, and if ``min_score`` is no finite number.

        Notes
        -----
        Scores are estimates: rows near the bound may be found or missed by their error, which is the smaller the more
        is kept of a row. Of a table with ``refine_bits=`` every row is refined, which takes much longer than a search.
        All lists of a table with ``partitions=`` are read.

        Examples
        --------
        >>> import numpy as np
        >>> import slimvec as sv
        >>> X = np.random.default_rng(0).standard_normal((500, 64), dtype=np.float32)
        >>> table = sv.TransformCoding(n_bits=128).compress(X)
        >>> found = table.range_search(X[:2], min_score=0.8)
        >>> found.indices.tolist(), found.offsets.tolist()
        ([0, 1], [0, 1, 2])
        """
        from slimvec.binary.range_search import range_search  # few programs call it

        encoder = self._require_encoder("queries")
        search = TableSearch(self._parts, encoder, metric, self._allowed(mask), threads)
        return range_search(search, queries, min_score)

    def search_codes(
        self,
        codes: ArrayLike,
        k: int = 10,
        *,
        threads: int | None = None,
        mask: ArrayLike | None = None,
    ) -> SearchResult:
        """Find the ``k`` rows nearest to each packed code by Hamming distance.

        Parameters
        ----------
        codes : array_like, shape (n_queries, ceil(n_bits / 8)), uint8
            Packed codes, such as :meth:`encode` returns.
        k, threads, mask
            See :meth:`search`.

        Returns
        -------
        SearchResult
            ``distances`` (int32 bit counts) and ``indices`` (int64 rows), both ``(n_queries, k)``, nearest first, ties
            by row.

        Raises
        ------
        TypeError, ValueError, IndexError
            As :meth:`HammingIndex.search`.

        Examples
        --------
        >>> import slimvec as sv
        >>> table = sv.BinaryTable(sv.pack([[1, 1, -1], [1, -1, -1]]), 3)
        >>> table.search_codes(table.codes([1]), k=1).distances
        array([[0]], dtype=int32)
        """
        self._parts.require_distances()
        return HammingIndex.from_blocks(self._parts.by_row).search(codes, k, threads, self._allowed(mask))

    def range_search_codes(
        self, codes: ArrayLike, radius: int, *, threads: int | None = None, mask: ArrayLike | None = None
    ) -> RangeResult:
        """Find all rows within a Hamming distance of each packed code.

        Parameters
        ----------
        codes : array_like, shape (n_queries, ceil(n_bits / 8)), uint8
            Packed codes, such as :meth:`encode` returns.
        radius : int
            Greatest distance, in bits.
        threads, mask
            See :meth:`search`.

        Returns
        -------
        RangeResult

        Raises
        ------
        TypeError, ValueError, IndexError
            As :meth:`HammingIndex.range_search`.

        Examples
        --------
        >>> import slimvec as sv
        >>> table = sv.BinaryTable(sv.pack([[1, 1, -1], [1, -1, -1], [-1, -1, 1]]), 3)
        >>> table.range_search_codes(table.codes([1]), radius=1).indices
        array([1, 0])
        """
        self._parts.require_distances()
        return HammingIndex.from_blocks(self._parts.by_row).range_search(codes, radius, threads, self._allowed(mask))

    def _require_encoder(self, name: str) -> Encoder:
        if self._parts.encoder is None:
            raise ValueError(
                f"{name}: this table has no encoder (mean and projection), so it takes packed codes only: search_codes"
            )
        return self._parts.encoder
