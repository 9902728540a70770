"""Files in which rows lie plainly, as they are in memory: ``.npy``, safetensors and fastText's ``.bin`` are mapped."""

from __future__ import annotations

import json
import math
import struct
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from slimvec.errors import FormatError

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from numpy.typing import NDArray

MAX_HEADER_BYTES = 100 << 20  # of safetensors, as its authors bound it
SAFETENSORS_FLOATS = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}
SAFETENSORS_INTEGERS = {"I64": "<i8", "I32": "<i4", "U32": "<u4", "U16": "<u2", "U8": "u1"}

_NPY_MAGIC = b"\x93NUMPY"
_FASTTEXT_MAGIC = struct.pack("<i", 793712314)
_FASTTEXT_HEAD = struct.Struct("<2i12id")  # magic, version, twelve integers of the training, a threshold
_FASTTEXT_DICTIONARY = struct.Struct("<3i2q")  # entries, words, labels, tokens, pruned buckets
_FASTTEXT_VERSIONS = (11, 12)


def mapped_format(path: Path, format: str | None) -> str | None:
    """Return which of these formats a file is to be read as, if it is: the one asked for, or by its first bytes."""
    if format is not None or not path.is_file():  # the first bytes of a pipe come only once
        return format if format in {"npy", "safetensors", "fasttext-binary"} else None
    with open(path, "rb") as file:
        head = file.read(9)
    if head.startswith(_NPY_MAGIC):
        return "npy"
    if head.startswith(_FASTTEXT_MAGIC):
        return "fasttext-binary"
    fits = head[8:] == b"{" and int.from_bytes(head[:8], "little") <= path.stat().st_size - 8
    return "safetensors" if fits else None


def load_matrix(path: Path, kind: str) -> NDArray[Any]:
    """Return the matrix of an ``.npy`` or safetensors file, mapped; FormatError unless there is one."""
    return load_npy(path) if kind == "npy" else only_matrix(load_safetensors(path), path)


def load_npy(path: Path) -> NDArray[Any]:
    """Return the array of an ``.npy`` file, memory-mapped.

    Raises
    ------
    FormatError
        If it is no ``.npy`` file, is damaged, holds Python objects, or is no matrix.
    """
    with open(path, "rb") as file:
        if file.read(len(_NPY_MAGIC)) != _NPY_MAGIC:
            raise FormatError(f"{path}: not a usable .npy file (it does not begin like one)")
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise FormatError(f"{path}: not a usable .npy file ({error})") from None
    if array.ndim != 2:
        raise FormatError(f"{path}: its array has shape {array.shape}; expected two dimensions")
    return array


def load_safetensors(path: Path) -> dict[str, NDArray[Any]]:
    """Return the tensors of a safetensors file, mapped; those of types that NumPy lacks, such as BF16, are left out."""
    with open(path, "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if size > MAX_HEADER_BYTES:
            raise FormatError(f"{path}: not a safetensors file (its header has {size} bytes)")
        try:
            entries = json.loads(file.read(size))
            return {
                name: _tensor(path, 8 + size, entry)
                for name, entry in entries.items()
                if name != "__metadata__" and entry["dtype"] in SAFETENSORS_FLOATS | SAFETENSORS_INTEGERS
            }
        except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
            raise FormatError(f"{path}: a damaged safetensors file ({error})") from None


def _tensor(path: Path, start: int, entry: dict[str, Any]) -> NDArray[Any]:
    dtype = np.dtype((SAFETENSORS_FLOATS | SAFETENSORS_INTEGERS)[entry["dtype"]])
    shape, (begin, end) = tuple(entry["shape"]), entry["data_offsets"]
    if begin < 0 or end - begin != math.prod(shape) * dtype.itemsize or start + end > path.stat().st_size:
        raise ValueError(f"a tensor at {begin} ... {end} does not fit its shape {shape} or the file")
    return _map(path, dtype, start + begin, shape)


def _map(path: Path, dtype: np.dtype[Any], offset: int, shape: tuple[int, ...]) -> NDArray[Any]:
    if math.prod(shape) == 0:  # nothing to map
        return np.empty(shape, dtype)
    return np.memmap(path, dtype, "r", offset, shape)


def only_matrix(tensors: dict[str, NDArray[Any]], path: Path) -> NDArray[Any]:
    """Return the one matrix of floats among tensors."""
    found = {name: tensor for name, tensor in tensors.items() if tensor.ndim == 2 and tensor.dtype.kind == "f"}
    if len(found) != 1:
        names = ", ".join(sorted(found)) or "none"
        raise FormatError(f"{path}: expected one matrix of float16, float32 or float64 in it, found {names}")
    return next(iter(found.values()))


class FastText(NamedTuple):
    """The words of a fastText model, ``text[offsets[i]:offsets[i + 1]]``, and their rows of the input matrix."""

    matrix: NDArray[np.float32]
    text: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    n_buckets: int


def load_fasttext(path: Path) -> FastText:
    """Return words and input vectors of a fastText ``.bin`` file, the vectors mapped.

    Raises
    ------
    FormatError
        If it is none, is damaged, or holds quantized vectors (``.ftz``).
    """
    with open(path, "rb") as file:
        head = _unpack(_FASTTEXT_HEAD, file, path)
        if head[:1] != struct.unpack("<i", _FASTTEXT_MAGIC) or head[1] not in _FASTTEXT_VERSIONS:
            raise FormatError(f"{path}: not a fastText .bin file of version 11 or 12")
        n_entries, n_words, _, _, n_pruned = _unpack(_FASTTEXT_DICTIONARY, file, path)
        words = _read_entries(file, n_entries, n_words, path)
        file.seek(8 * max(n_pruned, 0), 1)
        (quantized,) = _unpack(struct.Struct("<?"), file, path)
        if quantized:
            raise FormatError(f"{path}: its vectors are quantized; expected a fastText model with float vectors")
        n_rows, dim = _unpack(struct.Struct("<2q"), file, path)
        start = file.tell()
    if not 0 < dim <= 1 << 20 or n_rows < n_words or start + 4 * n_rows * dim > path.stat().st_size:
        raise FormatError(f"{path}: its matrix of {n_rows} x {dim} does not fit {n_words} words or the file: truncated")
    matrix = _map(path, np.dtype("<f4"), start, (n_words, dim))
    offsets = np.array([0, *accumulate(map(len, words))], np.int64)
    return FastText(matrix, np.frombuffer(b"".join(words), np.uint8), offsets, n_rows - n_words)


def _unpack(form: struct.Struct, file: BinaryIO, path: Path) -> tuple[Any, ...]:
    raw = file.read(form.size)
    if len(raw) < form.size:
        raise FormatError(f"{path}: the file ends within its header: truncated")
    return form.unpack(raw)


def _read_entries(file: BinaryIO, n_entries: int, n_words: int, path: Path) -> list[bytes]:
    """Read the dictionary, words before labels: each a text, a zero, a count (8 bytes) and a type (1 byte)."""
    if not 0 <= n_words <= n_entries:
        raise FormatError(f"{path}: {n_words} words of {n_entries} entries: damaged")
    words: list[bytes] = []
    buffer, at = b"", 0
    for _ in range(n_entries):
        while (end := buffer.find(b"\0", at)) < 0 or end + 10 > len(buffer):
            more = file.read(1 << 20)
            if not more:
                raise FormatError(f"{path}: the file ends after {len(words)} of {n_words} words: truncated")
            buffer, at = buffer[at:] + more, 0
        words.append(buffer[at:end])
        at = end + 10
    file.seek(at - len(buffer), 1)
    return words[:n_words]
