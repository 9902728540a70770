"""What an index answers: the nearest rows of each query, or all rows whose score reaches a bound."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.binary.range_search import as_bound
from slimvec.index.hits import Hits
from slimvec.index.holding import Holding
from slimvec.index.ranking import Ranking
from slimvec.index.where import allowed_rows_of
from slimvec.validation import as_array, as_integer, as_threads, check_width
from slimvec.vectors.rows import as_rows, whole

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from slimvec.index.segments import View
    from slimvec.vectors.rows import Rows


class Answering(Holding):
    """Something with a state that is searched."""

    def search(
        self,
        queries: Rows | ArrayLike,
        k: int = 10,
        where: Any = None,
        *,
        parameters: Any = None,
        probes: int | None = None,
        recall: float | None = None,
        threads: int | None = None,
    ) -> Hits:
        """Find the rows most similar to each vector.

        Parameters
        ----------
        queries : array_like, shape (n, d) or (d,)
            One vector, of one dimension, gives one list of hits.
        k : int
            Hits per query; where fewer rows are there, or may be found, all of them.
        where : optional
            Which rows may be found: a bool for each row of ``ids``, in that order (an array, a list, a column of a
            frame); or ids; or a function that is given the array of all ids and returns such bools; or, where columns
            are kept, a condition of SQL on these and on ``id``: ``"year > 1990 AND kind = ?"``.
        parameters : list or dict, optional
            A value for each ``?`` of a condition, or for each ``:name``.
        probes : int, optional
            Read so many lists (``partitions=``), and more if they hold fewer than k rows that may be found. By default
            all; and where very few rows may be found, all of these are looked at.
        recall : float, optional
            Read as many lists as find this share of the neighbours, as was measured when the index was built; where
            only some rows may be found, or others were removed, as many more as neighbours among so many lie farther
            off.
        threads : int, optional
            At most this many; by default as many as the process may use.

        Returns
        -------
        Hits
            Ids and estimated cosines, best first, ties in the order of rows.

        Raises
        ------
        TypeError, ValueError
            For a wrong width, NaN, ``k`` below 1, or a ``where`` that is no such thing.
        KeyError
            For an id in ``where`` that is not there.
        """
        view = self._seen()
        rows, single = _as_queries(queries, view)
        k = as_integer(k, "k", 1)
        allowed = allowed_rows_of(view, where, parameters)
        found = Ranking(view, allowed, as_threads(threads), probes, recall).best(rows, k)
        n_found = found.indices.shape[1]
        names = view.ids_at(found.indices.ravel()) if n_found else []
        listed = [names[first : first + n_found] for first in range(0, len(rows) * n_found, n_found or 1)]
        beside = None if view.columns is None else partial(view.columns_at, found.indices.ravel())
        return Hits(listed or [[] for _ in rows], list(found.scores), single, beside)

    def range_search(
        self,
        queries: Rows | ArrayLike,
        min_score: float,
        where: Any = None,
        *,
        parameters: Any = None,
        threads: int | None = None,
    ) -> Hits:
        """Find all rows whose score with each vector reaches a bound.

        Parameters
        ----------
        queries
            See :meth:`search`.
        min_score : float
            Least score of a row that is found; compared in float32, as scores are given.
        where, parameters, threads
            See :meth:`search`.

        Returns
        -------
        Hits
            Ids and scores as ``search(queries, k=len(index))`` has them, down to the bound: more for one query than for
            another, or none.

        Raises
        ------
        TypeError, ValueError, KeyError
            As :meth:`search`, and if ``min_score`` is no finite number.

        Notes
        -----
        Scores are estimates: rows near the bound may be found or missed by their error. Every row that may be found is
        scored by all that is kept of it, which takes much longer than a search.

        Examples
        --------
        >>> import numpy as np
        >>> import slimvec as sv
        >>> X = np.random.default_rng(0).standard_normal((500, 64), dtype=np.float32)
        >>> sv.Index.build(X).range_search(X[:2], min_score=0.8).ids
        [[0], [1]]
        """
        view = self._seen()
        rows, single = _as_queries(queries, view)
        bound = as_bound(min_score)
        allowed = allowed_rows_of(view, where, parameters)
        found = Ranking(view, allowed, as_threads(threads)).reaching(rows, bound)
        every = np.concatenate([np.empty(0, np.int64), *(one.indices for one in found)])
        beside = None if view.columns is None else partial(view.columns_at, every)
        return Hits([view.ids_at(one.indices) for one in found], [one.scores for one in found], single, beside)


def _as_queries(queries: Rows | ArrayLike, view: View) -> tuple[NDArray[Any], bool]:
    """Return queries as rows, and whether they came as one vector."""
    if isinstance(queries, list | tuple):
        single = not queries or np.ndim(queries[0]) == 0
    else:
        single = len(getattr(queries, "shape", ())) == 1
    given = queries
    if single:
        vector = as_array(queries, "queries")
        single = vector.ndim == 1 and vector.dtype != object  # and no column of rows
        given = vector[None] if single else vector
    rows = whole(as_rows(given, "queries"))
    check_width(rows.shape[1], "queries", view.coder.dim)
    return rows, single
