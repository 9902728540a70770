"""``where``: which rows of an index may be found, as users say it, brought to what each segment is searched by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.index.given_ids import as_ids
from slimvec.validation import as_array

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slimvec.index.segments import Piece, View


def allowed_rows_of(view: View, where: Any, parameters: Any = None) -> list[NDArray[Any] | None]:
    """Return, for each piece, which rows may be found: bools, row numbers in order, or None for all that are there.

    Raises
    ------
    TypeError, ValueError, KeyError
        For anything else, a wrong number of bools, or an id that is not there.
    """
    if parameters is not None and not isinstance(where, str):
        raise ValueError(f"parameters={parameters!r:.60} are those of a condition, and where is none")
    if where is None:
        return [None] * len(view.pieces)
    if isinstance(where, str) and (view.columns is not None or parameters is not None or view.kind == "integers"):
        return _by_condition(view, where, parameters)
    if callable(where) and not hasattr(where, "__array__"):
        bools = as_array(where(view.ids()), "what where returned")
        if bools.dtype != bool or bools.shape != (view.n_alive,):
            what = f"{bools.dtype} of shape {bools.shape}"
            raise ValueError(f"where returned {what}; expected a bool for each of {view.n_alive} ids")
        return _by_bools(view, bools)
    given = _as_bools(where)
    if given is not None:
        if given.shape != (view.n_alive,):
            raise ValueError(
                f"where has shape {given.shape}; expected ({view.n_alive},), a bool for each row of index.ids"
            )
        return _by_bools(view, given)
    return _by_ids(view, as_ids(where, "where", view.kind))


def n_allowed(piece: Piece, allowed: NDArray[Any] | None) -> int:
    """Return how many rows of a piece may be found."""
    if allowed is None:
        return piece.n_alive
    return int(np.count_nonzero(allowed)) if allowed.dtype == bool else len(allowed)


def rows_of(piece: Piece, allowed: NDArray[Any] | None) -> NDArray[np.int64]:
    """Return which rows of a piece may be found."""
    if allowed is None:
        return piece.rows
    return np.flatnonzero(allowed) if allowed.dtype == bool else allowed


def _as_bools(where: Any) -> NDArray[np.bool_] | None:
    """Return bools of whatever type users have them in; None if it is something else."""
    if isinstance(where, list | tuple):
        if where and all(isinstance(one, bool | np.bool_) for one in where):
            return np.array(where, np.bool_)
        return None
    if hasattr(where, "dtype") and str(where.dtype) in {"boolean", "bool[pyarrow]"}:  # of pandas, with missing ones
        if where.isna().any():
            raise ValueError("where holds missing values; expected bools: where.fillna(False)")
        return np.asarray(where, np.bool_)
    if not hasattr(where, "__array__") or isinstance(where, str):
        return None
    array = as_array(where, "where")
    if array.dtype == object and array.size and all(isinstance(one, bool | None) for one in array.ravel().tolist()):
        raise ValueError("where holds missing values; expected bools")
    return array if array.dtype == bool else None


def _by_bools(view: View, bools: NDArray[np.bool_]) -> list[NDArray[Any] | None]:
    allowed: list[NDArray[Any] | None] = []
    first = 0
    for piece in view.pieces:
        own = bools[first : first + piece.n_alive]
        first += piece.n_alive
        if piece.alive is not None:
            mask = np.zeros(len(piece.parts), np.bool_)
            mask[piece.rows[own]] = True
            own = mask
        allowed.append(own)
    return allowed


def _by_condition(view: View, where: str, parameters: Any) -> list[NDArray[Any] | None]:
    from slimvec.index.conditions import condition_of  # most searches have none

    condition = condition_of(where, parameters, view.columns)
    allowed: list[NDArray[Any] | None] = []
    for piece in view.pieces:
        assert piece.columns is not None  # noqa: S101
        rows = piece.columns.rows_where(condition)
        allowed.append(rows if piece.alive is None else rows[piece.alive[rows]])
    return allowed


def _by_ids(view: View, ids: NDArray[Any]) -> list[NDArray[Any] | None]:
    if view.kind == "integers" and len(ids) == view.n_alive > 2 and not (ids >> 1).any():
        raise ValueError("where holds a 0 or 1 for each row, which would be the ids 0 and 1; expected bools")
    positions = view.places(ids) if len(ids) else np.empty(0, np.int64)
    if (positions < 0).any():
        missing = ids[int(np.argmin(positions))]
        missing = missing.item() if isinstance(missing, np.generic) else missing
        raise KeyError(f"where holds {missing!r}, which is no id of this index")
    positions = np.unique(positions)
    bounds = np.searchsorted(positions, view.starts)
    return [positions[a:b] - s for a, b, s in zip(bounds[:-1], bounds[1:], view.starts[:-1], strict=True)]
