"""Files of several named arrays: which of them holds the vectors, and its numbers as NumPy has them."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from slimvec.errors import FormatError
from slimvec.vectors.made import MadeRows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

BFLOAT16 = np.dtype([("BF16", "<u2")])

_SHOWN = 5  # names that an error lists


@contextmanager
def damaged(title: str) -> Iterator[None]:
    """Turn whatever a library raises over damaged bytes, and that is of many kinds, into FormatError."""
    try:
        yield
    except FormatError:
        raise
    except Exception as error:  # noqa: BLE001
        raise FormatError(f"a damaged {title} ({type(error).__name__}: {error})") from None


class Described(NamedTuple):
    """What is known of an array before it is read."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __str__(self) -> str:
        kind = self.dtype.names[0] if self.dtype.names else self.dtype.name
        return f"{' x '.join(map(str, self.shape)) or 'one'} {kind}"


def choose_tensor(described: Mapping[str, Described], tensor: str | None) -> str:
    """Return the name of the array that holds the vectors: that asked for, or the only matrix of floats.

    Where there is no matrix of floats, an only one of int8 or uint8 is taken.

    Raises
    ------
    ValueError
        If there is no array called ``tensor``.
    FormatError
        If it is no matrix of real numbers, or none was asked for and there is none, or more than one.
    """
    if tensor is not None:
        if tensor not in described:
            raise ValueError(f"tensor={tensor!r} is not in it; expected one of {_listed(described)}")
        check_matrix(described[tensor], f"its tensor {tensor!r}")
        return tensor
    matrices = {name: one for name, one in described.items() if len(one.shape) == 2}
    floats = {name: one for name, one in matrices.items() if one.dtype.kind == "f" or one.dtype == BFLOAT16}
    found = floats or {
        name: one for name, one in matrices.items() if one.dtype.kind in "iu" and one.dtype.itemsize == 1
    }
    if len(found) == 1:
        return next(iter(found))
    if found:
        raise FormatError(f'several matrices, found {_listed(found)}; choose one by tensor="..." (--tensor)')
    others = f"none, but {_listed(described)}" if described else "none"
    raise FormatError(f"expected one matrix of float16, bfloat16, float32 or float64 in it, found {others}")


def check_matrix(described: Described, name: str) -> None:
    """Raise FormatError unless an array is a matrix of real numbers."""
    shape, dtype = described
    if len(shape) != 2:
        raise FormatError(f"{name} has shape {shape}; expected two dimensions")
    if dtype.names and dtype != BFLOAT16:
        raise FormatError(f"{name} is of {dtype.names[0]}, which is not read; write it as float16 or float32")
    if dtype.kind not in "fiu" and dtype != BFLOAT16:
        raise FormatError(f"{name} has dtype {dtype}; expected real numbers")


def named_type(array: NDArray[Any]) -> NDArray[Any]:
    """Return an array as it is, or of bfloat16: NumPy writes those as numbers of two bytes without a type."""
    return array.view(BFLOAT16) if array.dtype.str in {"|V2", "<V2"} else array


def as_numbers(matrix: NDArray[Any]) -> NDArray[Any] | MadeRows:
    """Return a matrix as it is; if it is of bfloat16, what makes float32 of it, which is exact, block by block."""
    if matrix.dtype != BFLOAT16:
        return matrix
    return MadeRows(partial(_widened_rows, matrix["BF16"]), len(matrix), matrix.shape[1])


def scaled(name: str, tensors: dict[str, NDArray[Any]]) -> NDArray[Any] | MadeRows:
    """Return a matrix; if it is of integers, and there are scales called after it, their product."""
    matrix, scales, offset = tensors[name], tensors.get(f"{name}_scale"), tensors.get(f"{name}_zero_point")
    if matrix.dtype.kind not in "iu" or (scales is None and offset is None):
        return as_numbers(matrix)
    if scales is None or offset is not None or scales.shape not in {(), (1,), (len(matrix),), (len(matrix), 1)}:
        raise FormatError(f"its tensor {name!r} is quantized in a way that is not read; write it as float16 or float32")
    factors = widened(scales["BF16"]) if scales.dtype == BFLOAT16 else scales.astype(np.float32)
    factors = np.broadcast_to(factors.reshape(-1), len(matrix))
    return MadeRows(partial(_scaled_rows, matrix, factors), len(matrix), matrix.shape[1])


def _widened_rows(halves: NDArray[np.uint16], numbers: NDArray[np.int64]) -> NDArray[np.float32]:
    return widened(halves[numbers])


def _scaled_rows(matrix: NDArray[Any], factors: NDArray[np.float32], numbers: NDArray[np.int64]) -> NDArray[np.float32]:
    return matrix[numbers] * factors[numbers][:, None]


def widened(halves: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Return bfloat16 as float32, of which they are the upper half."""
    return (halves.astype(np.uint32) << 16).view(np.float32)


def _listed(described: Mapping[str, Described]) -> str:
    """Return names and shapes, a few of them, largest first."""
    names = sorted(described, key=lambda name: (-int(np.prod(described[name].shape, dtype=object)), name))
    listed = ", ".join(f"{_shortened(name)} ({described[name]})" for name in names[:_SHOWN])
    return listed + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _shortened(name: str) -> str:
    return name if len(name) <= 80 else f"{name[:38]}...{name[-38:]}"
