"""What a search of an index finds: ids and scores, best first."""

from __future__ import annotations

from functools import cached_property
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray


class Hits:
    """The nearest rows of each query, best first.

    Made by :meth:`slimvec.Index.search` and :meth:`slimvec.Index.range_search`. Of n queries it is a sequence of n;
    ``hits[i]`` are those of query i. Of a single query, which came as one vector, ``ids`` and ``scores`` are its own,
    and ``hits[i]`` is a pair of these.

    Attributes
    ----------
    ids : list of list of int or str
        As many as were asked for, or as may be found, for each query; of a single query one list.
    scores : list of ndarray, float32
        Estimated cosines; of a single query one array.
    columns : dict of str to list
        Values of kept columns, as ``ids`` are: looked up when they are first asked for.

    Examples
    --------
    >>> import numpy as np
    >>> import slimvec as sv
    >>> X = np.random.default_rng(0).standard_normal((500, 64), dtype=np.float32)
    >>> hits = sv.Index.build(X).search(X[7], k=2)
    >>> hits.ids[0]
    7
    """

    def __init__(
        self,
        ids: list[list[Any]],
        scores: list[NDArray[np.float32]],
        single: bool,
        beside: Callable[[], dict[str, list[Any]]] | None = None,
    ) -> None:
        self._ids, self._scores, self._single, self._beside = ids, scores, single, beside

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_beside": None, "_values": self._values}  # not what they are looked up in

    @property
    def ids(self) -> list[Any]:
        """Ids, best first: a list for each query, or that of the single one."""
        return self._ids[0] if self._single else self._ids

    @property
    def scores(self) -> Any:
        """Scores, highest first: an array for each query, or that of the single one."""
        return self._scores[0] if self._single else self._scores

    @cached_property
    def _values(self) -> dict[str, list[Any]]:
        """Values of kept columns, of all queries one after the other."""
        return self._beside() if self._beside is not None else {}

    @property
    def columns(self) -> dict[str, list[Any]]:
        """Values of kept columns, by name: a list for each query, or that of the single one."""
        if self._single:
            return dict(self._values)
        return {name: [own[a:b] for a, b in pairwise(self._bounds)] for name, own in self._values.items()}

    def __len__(self) -> int:
        """Return the number of queries; of a single one, how many were found."""
        return len(self.ids)

    def __getitem__(self, number: int | slice) -> Any:
        """Return the hits of one query; of a single one, a pair of id and score; of a slice, the hits in it."""
        if self._single:
            if not isinstance(number, slice):
                return self._ids[0][number], float(self._scores[0][number])
            return Hits([self._ids[0][number]], [self._scores[0][number]], True, self._later(lambda own: own[number]))
        which = range(len(self))[number]
        if not isinstance(which, range):
            return Hits([self._ids[which]], [self._scores[which]], True, self._later(lambda own: self._of(own, which)))
        later = self._later(lambda own: [value for one in which for value in self._of(own, one)])
        return Hits([self._ids[one] for one in which], [self._scores[one] for one in which], False, later)

    def _later(self, part: Callable[[list[Any]], list[Any]]) -> Callable[[], dict[str, list[Any]]] | None:
        """Return what gives a part of the values of each kept column, if there are any."""
        if self._beside is None and not self._values:
            return None
        return lambda: {name: part(own) for name, own in self._values.items()}

    def _of(self, values: list[Any], query: int) -> list[Any]:
        return values[self._bounds[query] : self._bounds[query + 1]]

    @cached_property
    def _bounds(self) -> list[int]:
        """Where the hits of each query begin among those of all, and the last ones end."""
        return [0, *accumulate(map(len, self._ids))]

    def __iter__(self) -> Iterator[Any]:
        return (self[number] for number in range(len(self)))

    def __repr__(self) -> str:
        if not self._single:
            return f"<slimvec.Hits of {len(self)} queries>"
        shown = ", ".join(f"{one!r}: {score:.3f}" for one, score in list(self)[:5])
        return f"<slimvec.Hits {shown}{', ...' if len(self) > 5 else ''}>"

    def to_pandas(self) -> Any:
        """Return the hits as a data frame.

        Returns
        -------
        pandas.DataFrame
            Columns ``query`` (its number), ``rank`` (from 0), ``id`` and ``score``, then those that are kept; one of
            these that is called as one of the former gets a ``_`` behind its name.
        """
        import pandas as pd

        return pd.DataFrame(self._table())

    def _table(self) -> dict[str, list[Any]]:
        """Return a column for each thing that is known of hits, by name; scores are Python's floats."""
        made: dict[str, list[Any]] = {
            "query": [number for number, found in enumerate(self._ids) for _ in found],
            "rank": [place for found in self._ids for place in range(len(found))],
            "id": [one for found in self._ids for one in found],
            "score": [float(score) for found in self._scores for score in found],
        }
        for name, values in self._values.items():
            made[f"{name}_" if name in {"query", "rank", "score"} else name] = values
        return made

    def _repr_html_(self) -> str:
        """Show a table, of the first rows, in a notebook."""
        from html import escape

        most = 50
        table = self._table()
        n_rows, table["score"] = len(table["id"]), [f"{score:.4f}" for score in table["score"][:most]]
        lines = [
            "".join(f"<td>{escape(str(value))}</td>" for value in row)
            for row in zip(*(own[:most] for own in table.values()), strict=True)
        ]
        head = "".join(f"<th>{escape(name)}</th>" for name in table)
        body = "".join(f"<tr>{line}</tr>" for line in lines)
        more = f"<p>{n_rows - most} more</p>" if n_rows > most else ""
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"
