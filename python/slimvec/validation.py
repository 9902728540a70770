"""Coercing what users pass, or saying what is wrong with it: the argument, what came, what was expected, the remedy."""

from __future__ import annotations

import decimal
import numbers
import operator
import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

MOST_BITS = MOST_ANCHORS = MOST_COLUMNS = (
    1 << 16
)  # of what is learnt: more is a mistake, better said before memory is taken
MOST_STEPS = 1_000_000
MOST_THREADS = 1 << 10  # asked for more, fewer do


def as_matrix(values: Any, name: str, n_columns: int | None = None) -> NDArray[Any]:
    """Return ``values`` as a two-dimensional array of real numbers without copying big arrays or changing the dtype.

    ``values`` may be anything NumPy understands, or a :class:`slimvec.Vectors`.
    """
    array = as_array(values, name)
    if isinstance(values, Mapping):  # of open files NumPy takes the names
        array = np.array(None)
    if array.dtype.kind == "O" and array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]  # a data frame of one column, of lists
    if array.dtype.kind == "O" and array.ndim == 1 and len(array):
        array = _stacked(array, name)
    elif array.dtype.kind == "O" and array.ndim == 2:
        array = _as_numbers(array, name)
    if array.dtype.kind in "OUS" and array.ndim == 0:
        kind = f"the text {values!r}" if isinstance(values, str) else f"{type(values).__name__}"
        raise TypeError(f"{name} is {kind}; expected a matrix of real numbers, one row per vector{_remedy(values)}")
    if array.dtype.kind not in "fiu":
        remedy = next((text for kinds, text in DTYPE_REMEDIES if array.dtype.kind in kinds), "")
        raise TypeError(f"{name} has dtype {array.dtype}; expected real numbers (float16, float32 or float64){remedy}")
    if array.ndim != 2:
        hint = f"; for a single vector pass {name}[None]" if array.ndim == 1 else ""
        raise ValueError(f"{name} has shape {array.shape}; expected two dimensions, one row per vector{hint}")
    if n_columns is not None:
        check_width(array.shape[1], name, n_columns)
    return array


def check_width(width: int, name: str, n_columns: int) -> None:
    """Raise ValueError unless rows have the width of the fitted ones."""
    if width != n_columns:
        raise ValueError(f"{name} has {width} columns; expected {n_columns}, the width of the fitted vectors")


def as_array(values: Any, name: str) -> NDArray[Any]:
    """Return ``values`` as NumPy understands them; masked arrays, and lists of these, are refused."""
    if type(values) is np.ndarray and values.dtype.kind != "V":
        return values
    listed = values if isinstance(values, list | tuple) else [values]
    if any(isinstance(value, np.ma.MaskedArray) for value in listed):
        raise TypeError(f"{name} is a masked array, and codes have no place for a mask; fill or drop the masked rows")
    if hasattr(values, "requires_grad"):  # a tensor of torch
        values = values.detach().to("cpu")  # which shares its memory, if it is there
        if str(values.dtype) == "torch.bfloat16":  # which NumPy has not
            values = values.float()
    try:
        if hasattr(values, "__dlpack__") and not hasattr(values, "__array__"):
            return np.from_dlpack(values)
        array = np.asarray(values)
    except ValueError as error:
        raise ValueError(f"{name} {_uneven(listed) or f'is no array: {error}'}") from None
    except (TypeError, RuntimeError, BufferError) as error:  # in torch's words, say, which tell what to do
        raise TypeError(f"{name} is {type(values).__name__}, which NumPy cannot read: {error}") from None
    return array.astype(np.float32) if _is_short(array.dtype) else array


def _is_short(dtype: np.dtype[Any]) -> bool:
    """Tell whether it is bfloat16, or shorter, of the package ml_dtypes, which JAX has; NumPy casts it, and no more."""
    return dtype.kind == "V" and dtype.names is None and np.can_cast(dtype, np.float32)


# What NumPy makes no numbers of, recognised by what it has: one row each, and what to do.
REMEDIES: list[tuple[Callable[[Any], bool], str]] = [
    (lambda X: isinstance(X, str | os.PathLike), "; read a file by sv.read_vectors(path), or sv.VectorFile(path)"),
    (lambda X: hasattr(X, "toarray"), "; a sparse matrix has to be filled up: X.toarray()"),
    (lambda X: hasattr(X, "wv"), "; its vectors are model.wv"),
    (lambda X: hasattr(X, "collect"), "; collect it first: X.collect()"),
    (
        lambda X: isinstance(X, Mapping),
        "; pass one array of it, X[name], or sv.Vectors(words, matrix) of words with vectors",
    ),
    (lambda X: hasattr(X, "weight"), "; pass the matrix that it holds, such as X.weight"),
    (lambda X: isinstance(X, Iterable) and not isinstance(X, bytes), "; collect its rows first: np.stack(list(X))"),
]
DTYPE_REMEDIES = [
    ("US", "; words are turned into vectors by lookup(words), and text of numbers by X.astype(np.float32)"),
    ("V", "; X.astype(np.float32), or numpy.lib.recfunctions.structured_to_unstructured(X) of named fields"),
    ("O", "; stack a column of lists by np.stack(column)"),
]


def _remedy(values: Any) -> str:
    return next((text for recognises, text in REMEDIES if recognises(values)), "")


def _uneven(rows: Sequence[Any]) -> str:
    """Return which row is not as long as the first one."""
    for number, row in enumerate(rows):
        if np.ndim(rows[0]) != np.ndim(row) or len(rows[0]) != len(row):
            size = f"{len(row)} numbers" if np.ndim(row) else repr(row)
            return f"has {len(rows[0])} numbers in row 0 and {size} in row {number}; expected as many in each"
    return ""


def _as_numbers(array: NDArray[Any], name: str) -> NDArray[np.float64]:
    """Return numbers that came as objects, as from a data frame whose columns differ in type."""
    for number, row in enumerate(array):
        for column, value in enumerate(row):
            if not isinstance(value, numbers.Real | decimal.Decimal | np.bool_):
                remedy = "; take that column alone, as np.stack(column)" if np.ndim(value) else ""
                raise TypeError(
                    f"{name} holds {value!r:.60} in row {number}, column {column}; expected a number{remedy}"
                )
    return array.astype(np.float64)


def _stacked(column: NDArray[Any], name: str) -> NDArray[Any]:
    """Return the rows of a column, such as a data frame's of one list per cell, as a matrix."""
    rows = [as_array(row, name) for row in column]
    for number, row in enumerate(rows):
        if row.shape != rows[0].shape:
            what = f"has shape {row.shape}" if row.dtype.kind != "O" else f"is {column[number]!r}"
            raise ValueError(
                f"{name} is a column whose row {number} {what}, and row 0 has shape {rows[0].shape}; expected as many "
                "numbers in each, as np.stack(column) takes them"
            )
    return np.stack(rows)


def check_finite(block: NDArray[Any], name: str, first_row: int) -> None:
    """Raise ValueError naming the first row of ``block`` that holds NaN, infinity, or overflows float32."""
    good = np.isfinite(block)
    if not good.all():
        row = first_row + int(np.argmin(good.all(axis=1)))
        raise ValueError(f"{name} holds NaN or infinity in row {row} (or a value too large for float32)")


def as_codes(codes: Any, name: str, n_bits: int) -> NDArray[np.uint8]:
    """Return packed codes as C-contiguous ``(n, ceil(n_bits / 8)) uint8`` whose padding bits are zero."""
    array = as_array(codes, name)
    if array.dtype != np.uint8:
        raise TypeError(f"{name} has dtype {array.dtype}; expected packed codes of dtype uint8 (see slimvec.pack)")
    size = -(-n_bits // 8)
    if array.ndim != 2 or array.shape[1] != size:
        raise ValueError(f"{name} has shape {array.shape}; expected (n, {size}), the bytes of {n_bits} bits")
    if n_bits % 8 and (array[:, -1] >> (n_bits % 8)).any():
        raise ValueError(f"{name} has bits set past bit {n_bits - 1}; the padding of the last byte must be zero")
    return np.ascontiguousarray(array)


def is_number(value: Any) -> bool:
    """Tell whether it is a real number of Python's or NumPy's types; a bool is none."""
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def as_integer(value: Any, name: str, minimum: int, maximum: int | None = None, why: str = "") -> int:
    """Return ``value`` as an int within bounds; a float or bool is refused."""
    number = value if type(value) is int else _index(value, name)  # mostly it is, and searches ask for several
    if number < minimum or (maximum is not None and number > maximum):
        bound = f"at least {minimum}" if maximum is None else f"between {minimum} and {maximum}"
        raise ValueError(f"{name}={number}; expected {bound}{why}")
    return number


def _index(value: Any, name: str) -> int:
    if isinstance(value, bool | np.bool_):
        raise TypeError(f"{name}={value!r} is not an integer")
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{name}={value!r} is not an integer") from None


def as_bounded(value: Any, name: str, minimum: int, most: int, why: str = "") -> int:
    """Return ``value`` as an int that is not beyond what anyone means."""
    return as_integer(as_integer(value, name, minimum), name, minimum, most, why)


def as_steps(value: Any, name: str, minimum: int) -> int:
    """Return how many rounds, iterations or epochs of learning there are to be; each leaves a number behind."""
    return as_bounded(value, name, minimum, MOST_STEPS)


def as_bits(n_bits: Any, d: int) -> int:
    """Return the bits of a code to learn: by default as many as the vectors have dimensions."""
    return d if n_bits is None else as_bounded(n_bits, "n_bits", 1, max(d, MOST_BITS))


def as_anchor_count(n_anchors: Any, n_rows: int | None) -> int:
    """Return how many anchors to choose from ``n_rows`` rows, or to make: products of all pairs of them are kept."""
    if n_rows is not None:
        as_integer(n_anchors, "n_anchors", 1, n_rows, why=f": there are {n_rows} rows")
    return as_bounded(n_anchors, "n_anchors", 1, MOST_ANCHORS)


def as_count(k: Any, n: int, allowed: NDArray[np.bool_] | None = None) -> int:
    """Return how many of ``n`` things, or of those ``allowed``, are wanted: k, at least 1, or all of fewer."""
    return min(as_integer(k, "k", 1), n if allowed is None else int(np.count_nonzero(allowed)))


def as_generator(random_state: Any) -> np.random.Generator:
    """Return the random generator that ``random_state`` stands for: a seed, a generator, or None for a fresh one.

    NumPy's older ``RandomState``, as scikit-learn takes it, gives a generator by a seed that is drawn from it: the same
    state gives the same generator, and its next draw another one.
    """
    if isinstance(random_state, np.random.RandomState):
        return np.random.default_rng(random_state.randint(0, 2**32, size=4, dtype=np.uint32))
    if random_state is None or isinstance(random_state, np.random.Generator):
        return np.random.default_rng(random_state)
    return np.random.default_rng(as_integer(random_state, "random_state", 0))


def as_threads(threads: int | None) -> int:
    """Return the number of threads: that asked for, or the CPUs that this process may use."""
    if threads is not None:
        return min(as_integer(threads, "threads", 1), MOST_THREADS)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
