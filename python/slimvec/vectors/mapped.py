"""Files in which rows lie plainly, as they are in memory: ``.npy`` and safetensors are mapped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from slimvec.errors import FormatError
from slimvec.files.safetensors import is_table, read_tensors
from slimvec.vectors.tensors import Described, as_numbers, check_matrix, choose_tensor, named_type, scaled

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from slimvec.vectors.made import MadeRows
    from slimvec.vectors.word_list import Words

NPY_MAGIC = b"\x93NUMPY"


class Loaded(NamedTuple):
    """The rows of a file, mapped, and their words, where the file holds them.

    Attributes
    ----------
    matrix : ndarray, shape (n, d), or MadeRows
    words : Words or None
        None if they are in a list of their own.
    """

    matrix: NDArray[Any] | MadeRows
    words: Words | None = None


def load_npy(path: Path) -> Loaded:
    """Return the array of an ``.npy`` file.

    Raises
    ------
    FormatError
        If it is no ``.npy`` file, is damaged, holds Python objects, or is no matrix of real numbers.
    """
    with open(path, "rb") as file:
        if file.read(len(NPY_MAGIC)) != NPY_MAGIC:
            raise FormatError("not a usable .npy file (it does not begin like one)")
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # noqa: BLE001 - NumPy raises many kinds over a damaged header, MemoryError among them
        raise FormatError(f"not a usable .npy file ({error})") from None
    array = named_type(array)
    check_matrix(Described(array.shape, array.dtype), "its array")
    return Loaded(as_numbers(array))


def load_safetensors(path: Path, tensor: str | None = None) -> Loaded:
    """Return one matrix of a safetensors file, the only one or the one asked for."""
    tensors = load_tensors(path)
    name = choose_tensor(describe(tensors), tensor)
    return Loaded(scaled(name, tensors))


def load_tensors(path: Path) -> dict[str, NDArray[Any]]:
    """Return the tensors of a safetensors file.

    Raises
    ------
    FormatError
        If it is damaged, or a table of slimvec, whose matrices are no vectors of words.
    """
    try:
        metadata, tensors = read_tensors(path)
    except FormatError as error:
        raise FormatError(f"a damaged safetensors file ({error})") from None
    if is_table(metadata):
        original = " --original" if "factors" in tensors else ""
        raise FormatError(
            f"it is a slimvec table already; expected vectors. Open it with sv.open(path), or write its vectors to a "
            f"file with slimvec export{original}"
        )
    return tensors


def describe(tensors: dict[str, NDArray[Any]]) -> dict[str, Described]:
    """Return what is known of tensors without looking at their numbers."""
    return {name: Described(tensor.shape, tensor.dtype) for name, tensor in tensors.items()}
