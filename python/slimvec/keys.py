"""From words and row numbers to rows: what users name, checked, as the kernels take it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from slimvec.vocabulary import Vocabulary

Name = str | int
"""What stands for a row: its word, or its number."""


def resolve_rows(
    keys: Sequence[Any] | NDArray[Any], name: str, n_rows: int, vocabulary: Vocabulary | None
) -> NDArray[np.int64]:
    """Return the row numbers of words and row numbers, mixed as they come.

    Raises
    ------
    KeyError
        For a word that is unknown, or any word where there is no vocabulary.
    IndexError
        For a row number outside ``0 ... n_rows - 1``.
    TypeError
        For a lone string, and for anything that is neither a word nor an integer.
    """
    if isinstance(keys, str):
        raise TypeError(f"{name}={keys!r} is a string; expected a list of words or row numbers, such as [{keys!r}]")
    if not isinstance(keys, np.ndarray | list) and hasattr(keys, "__array__"):
        keys = np.asarray(keys)  # a column of a data frame, a tensor
    if isinstance(keys, np.ndarray) and keys.dtype.kind in "iu" and keys.ndim == 1:
        outside = (keys < 0) | (keys >= n_rows)
        if outside.any():
            raise _outside(int(keys[outside.argmax()]), n_rows)
        return keys.astype(np.int64)
    lone = isinstance(keys, bytes | bytearray) or not isinstance(keys, Iterable) or getattr(keys, "ndim", 1) == 0
    if lone or isinstance(keys, set | frozenset):
        raise TypeError(f"{name}={keys!r} is {type(keys).__name__}; expected a list of words or row numbers, in order")
    return np.array([resolve_row(key, name, n_rows, vocabulary) for key in keys], np.int64)


def allowed_rows(
    mask: Any, name: str, n_rows: int, row: str, vocabulary: Vocabulary | None = None
) -> NDArray[np.bool_]:
    """Return a bool per row from a bool per row, or from words and row numbers.

    Errors call them ``name``, and a row ``row``.

    Raises
    ------
    ValueError, IndexError, TypeError, KeyError
        For a wrong number of bools, a row number outside, or something else.
    """
    mask = list(mask) if isinstance(mask, set | frozenset) else mask  # of rows that may be found the order is no matter
    array = np.asarray(mask)
    if array.dtype == bool:
        if array.shape != (n_rows,):
            raise ValueError(f"{name} has shape {array.shape}; expected ({n_rows},), one bool per {row}")
        return array
    if array.dtype.kind in "iu" and array.shape == (n_rows,) and n_rows > 2 and not (array >> 1).any():
        raise ValueError(f"{name} holds a 0 or 1 for each {row}, which would be row numbers 0 and 1; expected bools")
    allowed = np.zeros(n_rows, bool)
    # Of words and numbers NumPy makes words alone.
    keys = mask if array.dtype.kind in "OSU" and array.ndim <= 1 else array.ravel()
    allowed[resolve_rows(keys if array.size else [], name, n_rows, vocabulary)] = True
    return allowed


def resolve_row(key: Any, name: str, n_rows: int, vocabulary: Vocabulary | None) -> int:
    """Return the row number of a word or row number; errors as :func:`resolve_rows`."""
    if isinstance(key, str):
        if vocabulary is None:
            raise KeyError(f"unknown word {key!r}: this table has no words, only row numbers 0 ... {n_rows - 1}")
        return vocabulary.row(key)
    if isinstance(key, int | np.integer) and not isinstance(key, bool):
        row = int(key)
        if not 0 <= row < n_rows:
            raise _outside(row, n_rows)
        return row
    vector = "; pass a vector as an array of floats" if isinstance(key, float | np.floating) and name == "query" else ""
    kind = type(key).__name__
    raise TypeError(f"{name} holds {key!r} of type {kind}; expected words (str) or row numbers (int){vector}")


def _outside(row: int, n_rows: int) -> IndexError:
    rows = f"the table's rows 0 ... {n_rows - 1}" if n_rows else "the table, which is empty"
    return IndexError(f"row {row} is outside {rows}")


def bag_rows(bags: Any, n_rows: int, vocabulary: Vocabulary | None) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows of all bags, one after the other, and the ``n_bags + 1`` offsets of the bags in them.

    Words that are unknown are skipped.
    """
    if isinstance(bags, str):
        raise TypeError(f"bags={bags!r} is a string; expected a list of lists of words, such as [{bags.split()!r}]")
    if isinstance(bags, np.ndarray) and bags.dtype.kind in "iu" and bags.ndim == 2:  # no need to go through the bags
        return resolve_rows(bags.ravel(), "bags", n_rows, vocabulary), np.arange(len(bags) + 1) * bags.shape[1]
    known = [resolve_rows(_known(bag, i, vocabulary), "bags", n_rows, vocabulary) for i, bag in enumerate(bags)]
    offsets = np.zeros(len(known) + 1, np.int64)
    np.cumsum([len(rows) for rows in known], out=offsets[1:])
    return np.concatenate([np.empty(0, np.int64), *known]), offsets


def bag_weights(bags: Any, weights: Any, vocabulary: Vocabulary | None) -> NDArray[np.float32]:
    """Return the weights of what :func:`bag_rows` returns, given one for every key of every bag."""
    if len(weights) != len(bags):
        raise ValueError(f"weights has {len(weights)} lists for {len(bags)} bags; expected one each")
    flat = [np.empty(0)]
    for i, (bag, given) in enumerate(zip(bags, weights, strict=True)):
        own = np.asarray(given, np.float64)
        if own.shape != (len(bag),):
            raise ValueError(f"weights[{i}] has shape {own.shape}; expected one weight per key: ({len(bag)},)")
        if not isinstance(bag, np.ndarray) or bag.dtype.kind not in "iu":
            own = own[[_is_known(key, vocabulary) for key in bag]]
        flat.append(_near(own))
    joined = np.concatenate(flat).astype(np.float32)
    if not np.isfinite(joined).all():
        raise ValueError("weights holds NaN or infinity")
    return joined


def _near(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return weights of one bag, brought near 1 by a power of two if sums of them might leave float32."""
    largest = float(np.abs(weights).max(initial=0))
    if largest == 0 or 2**-40 < largest < 2**40 or not np.isfinite(largest):
        return weights
    near: NDArray[np.float64] = np.ldexp(weights, -np.frexp(largest)[1])
    return near


def _known(bag: Any, i: int, vocabulary: Vocabulary | None) -> Any:
    if isinstance(bag, str):
        raise TypeError(f"bags[{i}]={bag!r} is a string; expected a list of words, such as {bag.split()!r}")
    if isinstance(bag, np.ndarray) and bag.dtype.kind in "iu":
        return bag
    if isinstance(bag, bytes | bytearray) or not isinstance(bag, Iterable):
        raise TypeError(f"bags[{i}]={bag!r} is {type(bag).__name__}; expected a list of words or row numbers")
    return [key for key in bag if _is_known(key, vocabulary)]


def _is_known(key: Any, vocabulary: Vocabulary | None) -> bool:
    """Tell whether a key counts in a bag: row numbers do, and the words of the table."""
    return not isinstance(key, str) or (vocabulary is not None and key in vocabulary)
