"""What an index holds: its rows, their ids, vectors and kept columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.binary.lookup import reconstruct
from slimvec.index.drift import Drift
from slimvec.index.given_ids import as_ids, require_known
from slimvec.index.kept import Kept
from slimvec.table import megabytes, method_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slimvec.index.segments import View


class Holding(Kept):
    """What an index tells of itself and of its rows."""

    def __len__(self) -> int:
        return self._seen().n_alive

    def __contains__(self, one: object) -> bool:
        if isinstance(one, bool) or not isinstance(one, str if self._state.kind == "texts" else int | np.integer):
            return False
        return self._state.place(one) is not None

    def __repr__(self) -> str:
        return f"<slimvec.Index: {len(self)} rows of {self.dim} numbers>"

    @property
    def ids(self) -> NDArray[Any]:
        """All ids, in the order of rows."""
        return self._seen().ids()

    @property
    def n_skipped(self) -> int:
        """How many bad rows were left out."""
        return self._state.n_skipped

    @property
    def dim(self) -> int:
        """Width d of the vectors."""
        return self._state.coder.dim

    def vectors(self, ids: Any) -> NDArray[np.float32]:
        """Return rows as vectors like those that they were made from.

        Parameters
        ----------
        ids : array_like
            Or a single id.

        Returns
        -------
        ndarray, shape (len(ids), d), float32

        Raises
        ------
        KeyError
            For an id that is not there.
        """
        view = self._seen()
        positions = _known(view, ids)
        made = np.empty((len(positions), view.coder.dim), np.float32)
        for start, end, piece in zip(view.starts[:-1], view.starts[1:], view.pieces, strict=True):
            here = np.flatnonzero((positions >= start) & (positions < end))
            if len(here):
                made[here] = reconstruct(piece.parts, positions[here] - start)
        return made

    def columns(self, ids: Any) -> dict[str, list[Any]]:
        """Return the values of kept columns.

        Parameters
        ----------
        ids : array_like
            Or a single id.

        Returns
        -------
        dict of str to list
            A value for each id, by the name of the column.

        Raises
        ------
        KeyError
            For an id that is not there.
        """
        view = self._seen()
        return view.columns_at(_known(view, ids))

    def drift(self) -> Drift:
        """Tell how far rows that were added are from those that the codes were learnt from.

        Where codes lose more of what was added, they find fewer of its neighbours; :meth:`refit` learns them anew, and
        begins to count anew.

        Returns
        -------
        Drift

        Raises
        ------
        ValueError
            If the index was saved by a slimvec that did not keep what this takes.

        Examples
        --------
        >>> import numpy as np
        >>> import slimvec as sv
        >>> X = np.random.default_rng(0).standard_normal((2000, 32), dtype=np.float32)
        >>> index = sv.Index.build(X[:1000])
        >>> index.add(X[1000:] * np.linspace(0, 4, 32, dtype=np.float32))
        >>> drift = index.drift()
        >>> drift.loss_added > 1.1 * drift.loss_fitted
        True
        """
        with self._lock:
            fitted, added = self._state.coder.fitted, self._state.added
        if fitted is None or added is None:
            raise ValueError(
                "this index was saved by a slimvec that kept no sums over its rows, and what was added cannot be "
                "compared with what was fitted; expected one that was built since, or index.refit(vectors)"
            )
        return Drift.between(fitted, added)

    def info(self) -> dict[str, Any]:
        """Describe the index.

        Returns
        -------
        dict
            ``rows``, ``removed`` (rows that are marked, but still take space), ``segments``, ``dimension``, ``bits``,
            ``lists`` (None without), ``ids`` ("integers" or "texts"), ``columns`` (names of those that are kept),
            ``skipped``, ``bytes`` (of all rows, without ids and columns) and ``made_by``.
        """
        view = self._seen()
        held = int(view.starts[-1])
        return {
            "rows": view.n_alive,
            "removed": held - view.n_alive,
            "segments": len(view.pieces),
            "dimension": view.coder.dim,
            "bits": view.coder.encoder.n_bits,
            "lists": view.coder.n_lists,
            "ids": view.kind,
            "columns": list(view.columns or ()),
            "skipped": self._state.n_skipped,
            "bytes": sum(sum(piece.parts.sizes.values()) - piece.parts.sizes["encoder"] for piece in view.pieces),
            "made_by": dict(view.coder.made_by),
        }

    def describe(self, file_bytes: int) -> list[tuple[str, str]]:
        """Return what the command line prints.

        Parameters
        ----------
        file_bytes : int
            Size of all files of its folder.

        Returns
        -------
        list of (label, text)
        """
        info = self.info()
        segments = (
            f"{info['segments']} with {info['rows'] + info['removed']:,} rows, {info['removed']:,} of them removed"
        )
        refined = "" if self._seen().coder.refiner is None else " and a refinement"
        lists = "" if info["lists"] is None else f", in {info['lists']:,} lists"
        return [
            ("kind", "index" + method_of(info)),
            ("rows", f"{info['rows']:,}, by {'strings' if info['ids'] == 'texts' else 'integers'}"),
            ("segments", segments),
            ("a row", f"{info['bits']} bits{refined}, of {info['dimension']} numbers{lists}"),
            ("on disk", megabytes(file_bytes)),
            ("as float32", megabytes(4 * info["rows"] * info["dimension"])),
        ]

    def _seen(self) -> View:
        """Return the index as it is now, for as long as it is needed."""
        view = self._state.seen
        if view is None:
            with self._lock:
                view = self._state.view()
        return view


def _known(view: View, ids: Any) -> NDArray[np.int64]:
    """Return the position of each id; KeyError for one that is not there."""
    wanted = as_ids(ids, "ids", view.kind)
    positions = view.places(wanted)
    require_known(wanted, positions)
    return positions
