"""``Index``: a user's own vectors, by the user's own ids; searched, added to, removed from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from slimvec.index.answering import Answering
from slimvec.index.coder import Coder
from slimvec.index.fit_sums import Sums
from slimvec.index.given_ids import as_ids, plain, require_known
from slimvec.index.incoming import checked_rows
from slimvec.index.segments import Segment
from slimvec.index.state import State, made_columns
from slimvec.progress import Progress, ignore

if TYPE_CHECKING:
    from slimvec.index.checked_rows import OnBad
    from slimvec.index.ids import IdKind


class Index(Answering):
    """Vectors found by what is near them, by ids of your own; rows come and go.

    Made by :meth:`build`, opened by :func:`slimvec.open`. Vectors are kept as codes of :class:`TransformCoding`,
    refined; new rows are encoded as the first ones were. Searches may run in any number of threads while one changes
    the index: each sees it as it was when the search began.

    Attributes
    ----------
    ids : ndarray
        All ids, in the order of rows: int64, or NumPy's strings.
    dim : int
        Width d of the vectors.
    n_skipped : int
        Bad rows that were left out.

    Examples
    --------
    >>> import numpy as np
    >>> import slimvec as sv
    >>> X = np.random.default_rng(0).standard_normal((500, 64), dtype=np.float32)
    >>> index = sv.Index.build(X, ids=[f"film {i}" for i in range(500)])
    >>> index.search(X[3], k=5).ids[0]
    'film 3'
    >>> index.remove(["film 3"])
    >>> index.add(X[3:4], ids=["again"])
    >>> index.search(X[3], k=5).ids[0], len(index), "film 3" in index
    ('again', 500, False)
    """

    def __init__(self, coder: Coder, segments: list[Segment], kind: IdKind, next_number: int | None) -> None:
        super().__init__(State(coder, kind, segments, next_number, added=Sums.none(coder.dim)))

    @classmethod
    def build(
        cls,
        source: Any,
        *,
        vectors: str | list[str] | None = None,
        ids: Any = None,
        recall: float | None = None,
        keep: Any = None,
        n_bits: int | None = None,
        refine_bits: int | None = None,
        partitions: int | Literal["auto"] | None = None,
        on_bad: OnBad = "raise",
        progress: Progress = ignore,
    ) -> Index:
        """Learn codes from vectors, and return an index of them.

        Parameters
        ----------
        source : array_like, frame, path or list of paths
            An array of any kind, also mapped, sparse, of torch, or of whatever has ``__array__`` or ``__dlpack__``;
            :class:`Vectors` and :class:`VectorFile`; a frame of pandas or polars; an Arrow table, or whatever exports
            Arrow's C stream; a dataset of Arrow, Lance or Hugging Face; files of Parquet and Arrow, a folder or pattern
            of them; ``.npy``, ``.npz``, HDF5. Read three times, by blocks where it can be.
        vectors : str or list of str, optional
            The column of lists, or the columns of numbers, that hold the vectors; or the array, of a file of several.
            Not needed where there is one choice.
        ids : str or array_like, optional
            The column of ids, or an id for each row: integers or strings, each once. By default words, where the source
            has them, or the numbers of the rows.
        recall : float, optional
            Choose the codes of fewest bytes that find this share of ten neighbours, which :func:`slimvec.recommend`
            measures on a sample. With lists the codes find some more, for searches that read some lists.
        n_bits, refine_bits : int, optional
            See :class:`TransformCoding`; by default as many bits as the vectors have dimensions, and 4.
        partitions : int or "auto", optional
            Put near rows into so many lists, of which a search may read some (``probes=``, ``recall=``): for hundreds
            of thousands of rows and more. Added rows go into the same lists; :meth:`refit` makes new ones. The source
            is then read four times.
        keep : list of str or dict of str to array_like, optional
            Columns that are kept beside the vectors, for conditions of :meth:`search` and for :meth:`columns`: names of
            those of the source, or a value for each of its rows. Integers, floats, bools, strings; None and NaN for
            what is missing.
        on_bad : {"raise", "skip"}
            What to do with a row that is null, of another length, or not finite; ``n_skipped`` counts those left out.
        progress : callable, optional
            ``progress(stage, done, total)``.

        Returns
        -------
        Index

        Raises
        ------
        TypeError, ValueError
            If there are no such vectors or ids, an id comes twice, or a row is bad: the message has its number and id.
            For a recall that no codes reach.
        OSError
            If a file does not exist.
        ImportError
            If a package that the source takes is missing, such as pyarrow (extra ``arrow``).
        """
        from slimvec.binary.methods.transform_coding import TransformCoding  # those that are opened learn nothing
        from slimvec.recommending.recommend import codes_of

        rows = checked_rows(source, vectors, ids, on_bad, keep)
        if len(rows) == 0:
            raise ValueError(f"source has no good row: {rows.n_skipped} were left out")
        own = rows.ids  # ids that come twice are refused before the work, and so are columns of several kinds
        kept, columns = made_columns(rows, own, dict.fromkeys(rows.kept) or None)
        n_bits, refine_bits = codes_of(rows, recall, n_bits, refine_bits, partitions is not None, progress)
        coding = TransformCoding(n_bits, refine_bits=refine_bits, partitions=partitions)
        coder, parts = Coder.learnt(rows, coding, progress)
        next_number = None if rows.has_ids else int(own.values.max()) + 1
        index = cls(coder, [Segment(parts, own, columns=kept)], own.kind, next_number)
        index._state.n_skipped, index._state.columns = rows.n_skipped, columns
        return index

    # ---- change

    def add(
        self,
        source: Any,
        *,
        vectors: Any = None,
        ids: Any = None,
        keep: Any = None,
        on_bad: OnBad = "raise",
        progress: Progress = ignore,
    ) -> None:
        """Add rows, coded as the first ones were.

        Parameters
        ----------
        source, vectors, on_bad, progress
            See :meth:`build`.
        ids : str or array_like, optional
            As for :meth:`build`. Where the index numbers its rows itself, it goes on.
        keep : dict of str to array_like, optional
            A value for each row, of all columns that are kept. By default those of the source that are called so.

        Raises
        ------
        TypeError, ValueError
            As :meth:`build`, and if an id is there already. The index is then as it was.
        """
        rows = checked_rows(source, vectors, ids, on_bad, self._kept(keep))
        with self._changing() as state:
            state.append(rows, state.new_ids(rows), progress)

    def remove(self, ids: Any) -> None:
        """Remove rows.

        Parameters
        ----------
        ids : array_like
            Or a single id.

        Raises
        ------
        KeyError
            For an id that is not there; nothing is removed then.
        """
        one = ids[0] if isinstance(ids, list) and len(ids) == 1 else ids
        with self._lock:
            state = self._state
            if type(one) is (str if state.kind == "texts" else int):
                state.remove_one(one)
            else:
                state.remove_all(as_ids(ids, "ids", state.kind))

    def update(
        self,
        source: Any,
        *,
        vectors: Any = None,
        ids: Any,
        keep: Any = None,
        on_bad: OnBad = "raise",
        progress: Progress = ignore,
    ) -> None:
        """Replace the vectors of rows that are there, and what is kept beside them; they move behind all others.

        A search sees either all of the old vectors or all of the new ones.

        Parameters
        ----------
        source, vectors, on_bad, progress
            See :meth:`build`.
        ids : str or array_like
            Of rows that are there.
        keep
            See :meth:`add`.

        Raises
        ------
        KeyError
            For an id that is not there. The index is then as it was.
        TypeError, ValueError
            As :meth:`build`.
        """
        rows = checked_rows(source, vectors, ids, on_bad, self._kept(keep))
        with self._changing() as state:
            state.require_fitting(rows)
            if not rows.has_ids:
                raise ValueError("ids is None, and source has none; expected ids of rows that are there")
            own = rows.ids
            require_known(own.values, state.view().places(own.values))
            state.append(rows, own, progress, replacing=True)

    def refit(self, source: Any, *, vectors: Any = None, ids: Any = None, progress: Progress = ignore) -> None:
        """Learn codes, and lists, anew, from vectors of all rows, of as many bits as before; ids and kept columns stay.

        For when what was added is unlike what the first codes were learnt from. Removed rows go, as in :meth:`compact`;
        the next save writes everything.

        Parameters
        ----------
        source, vectors, progress
            See :meth:`build`: a vector for each row of ``ids`` of the index, in that order.
        ids : str or array_like, optional
            The ids of these, to be compared with those of the index.

        Raises
        ------
        TypeError, ValueError
            As :meth:`build`, and for another number of rows, another width, or other ids. The index is then as it was.

        Examples
        --------
        >>> import numpy as np
        >>> import slimvec as sv
        >>> X = np.random.default_rng(0).standard_normal((500, 64), dtype=np.float32)
        >>> index = sv.Index.build(X[:100])
        >>> index.add(X[100:])
        >>> index.refit(X)
        >>> index.search(X[400], k=1).ids
        [400]
        """
        from slimvec.binary.methods.transform_coding import TransformCoding

        rows = checked_rows(source, vectors, ids, "raise", None)
        with self._changing() as state:
            state.require_alike(rows)
            there = state.view().ids()
            if len(rows) != len(there):
                raise ValueError(f"source has {len(rows)} rows; expected {len(there)}, one for each row of index.ids")
            if rows.has_ids and (rows.ids.values != there).any():
                row = int(np.argmax(rows.ids.values != there))
                raise ValueError(
                    f"ids holds {plain(rows.ids.values[row])!r} in row {row}; expected {plain(there[row])!r}: all of "
                    "index.ids, in that order"
                )
            coder = state.coder
            learnt = coder.made_by["parameters"]
            as_before = {name: learnt.get(name) for name in ("refine_bits", "partitions")}
            coding = TransformCoding(coder.encoder.n_bits, **as_before)
            state.recode(*Coder.learnt(rows, coding, progress))
            if self._home is not None:
                self._home = self._home.of_other_codes()

    def compact(self) -> None:
        """Put all rows together, without those that were removed: searches are faster, and memory is given back."""
        with self._changing() as state:
            state.compact()

    def _kept(self, keep: Any) -> Any:
        """Return which columns are read: those that are given, or those that the index keeps."""
        return keep if keep is not None or self._state.columns is None else list(self._state.columns)
