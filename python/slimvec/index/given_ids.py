"""Ids as users give them: arrays, columns of frames, lists, one id; checked, and brought to one type."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.index.ids import as_texts, kind_of
from slimvec.validation import as_array

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slimvec.index.ids import IdKind

EXPECTED = "expected integers or strings"
LARGEST = np.iinfo(np.int64).max


def as_ids(values: Any, name: str, kind: IdKind | None = None) -> NDArray[Any]:
    """Return ids, which errors call ``name``, as int64 or NumPy's strings.

    Parameters
    ----------
    values : array_like, column of a frame, set, or a single id
    name : str
    kind : {"integers", "texts"}, optional
        What they have to be.

    Raises
    ------
    TypeError, ValueError
        If they are something else.
    """
    ids = _converted(values, name)
    if ids.ndim != 1:
        raise ValueError(f"{name} has shape {ids.shape}; expected one dimension, one id per row")
    if kind is not None and len(ids) and kind_of(ids) != kind:
        came, wanted = ("integers", "strings") if kind == "texts" else ("strings", "integers")
        raise TypeError(
            f"{name} holds {came}, such as {ids[0].item() if came == 'integers' else ids[0]!r}; this index "
            f"has {wanted} as ids"
        )
    if not len(ids) and kind == "texts":
        return as_texts([])
    return ids


def _converted(values: Any, name: str) -> NDArray[Any]:
    if isinstance(values, str | int | np.integer) and not isinstance(values, bool):
        values = [values]
    if isinstance(values, set | frozenset | range) or not hasattr(values, "__array__"):
        if not isinstance(values, Iterable) or isinstance(values, bytes | dict):
            raise TypeError(f"{name} is {type(values).__name__}; {EXPECTED}")
        return _listed(list(values), name)
    array = as_array(values, name)
    if array.dtype.kind == "i":
        return array.astype(np.int64)
    if array.dtype.kind == "u":
        if array.size and array.max() > LARGEST:
            raise ValueError(f"{name} holds {array.max()}; expected integers up to {LARGEST}")
        return array.astype(np.int64)
    if array.dtype.kind in "UT":
        return array.astype(np.dtypes.StringDType())
    if array.dtype.kind == "O" and array.ndim == 1:
        return _listed(array.tolist(), name)
    if not array.size:
        return np.empty(0, np.int64)
    raise TypeError(f"{name} has dtype {array.dtype}; {EXPECTED}")


def _listed(values: list[Any], name: str) -> NDArray[Any]:
    if all(isinstance(value, str) for value in values):
        try:
            texts = as_texts([str(value) for value in values])
        except UnicodeEncodeError as error:
            raise ValueError(f"{name} holds a character that UTF-8 cannot write: {error}") from None
        return texts if values else np.empty(0, np.int64)
    for row, value in enumerate(values):
        if not isinstance(value, int | np.integer) or isinstance(value, bool):
            mixed = " among integers" if isinstance(value, str) else ""
            what = "nothing" if value is None else f"{value!r:.60}{mixed}"
            raise TypeError(f"{name} holds {what} in row {row}; {EXPECTED}")
        if not -LARGEST - 1 <= value <= LARGEST:
            raise ValueError(f"{name} holds {value} in row {row}; expected integers of 64 bits")
    return np.array(values, np.int64)


def require_known(wanted: NDArray[Any], positions: NDArray[np.int64]) -> None:
    """Raise KeyError, with the first id that has no position."""
    if (positions < 0).any():
        raise KeyError(f"ids holds {plain(wanted[np.argmin(positions)])!r}, which is no id of this index")


def plain(one: Any) -> Any:
    """Return an id as Python has it."""
    return one.item() if isinstance(one, np.generic) else one
