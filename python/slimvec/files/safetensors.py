"""Safetensors files, the one reader and writer of them: those of slimvec's tables, and those of other programs.

A file is an 8-byte little-endian length, a JSON header of that length, and the tensors, one after the other without
holes. Everything in a header is checked before it is believed.

Tables, which say in their metadata that they are, are held to more: every tensor starts on 64 bytes, for which the
header is padded with spaces and small ``u8`` tensors fill the gaps. Of other files, tensors may start anywhere; those
of types that NumPy lacks come as bare bytes with the name of their type, or are left out if the type is unknown.
"""

from __future__ import annotations

import json
import math
import zlib
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from slimvec.errors import FormatError
from slimvec.files.pages import map_file, read_file

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

TABLE_FORMAT = "slimvec"  # the ``format`` in the metadata of tables
ALIGNMENT = 64
LENGTH_BYTES = 8
MAX_HEADER_BYTES = 100 << 20  # as the format's authors bound it
MAX_TABLE_HEADER_BYTES = 1 << 20  # ours are a few hundred to a few thousand; anything near this is not a table
MAX_DIMENSIONS, MAX_ELEMENTS = 8, 1 << 59  # less than what NumPy takes, even of an array without elements

_PADDING = "_padding"
_TABLE_DTYPES = {  # made once: a header names the same few many times
    code: np.dtype(name)
    for code, name in (("U8", "u1"), ("U16", "<u2"), ("U32", "<u4"), ("I64", "<i8"), ("F16", "<f2"), ("F32", "<f4"))
}
_DTYPES = _TABLE_DTYPES | {
    code: np.dtype(name)
    for code, name in (("F64", "<f8"), ("I8", "i1"), ("I16", "<i2"), ("I32", "<i4"), ("U64", "<u8"), ("BOOL", "?"))
}
_DTYPES |= {code: np.dtype([(code, name)]) for code, name in (("BF16", "<u2"), ("F8_E4M3", "u1"), ("F8_E5M2", "u1"))}
_INTEGER = frozenset([int])
_CODES = {dtype: code for code, dtype in _TABLE_DTYPES.items()}

Place = tuple[np.dtype[Any] | None, tuple[int, ...], int, int]
"""Dtype (None if NumPy lacks it), shape, and the bounds of the bytes behind the header."""


def read_tensors(
    path: str | os.PathLike[str], preload: bool = False, thorough: bool = False
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the metadata and the tensors of a file, mapped or, with ``preload``, read into memory.

    With ``thorough``, what lies between the tensors of a table is read, too.

    Raises
    ------
    FormatError
        If it is no such file, or damaged.
    """
    raw, first = (read_file(path), b"") if preload else map_file(path)
    if len(raw) < LENGTH_BYTES:
        raise FormatError(f"{len(raw)} bytes are too few for a table of tensors")
    size = int.from_bytes((first or raw)[:LENGTH_BYTES], "little")
    _check_size(size, min(len(raw) - LENGTH_BYTES, MAX_HEADER_BYTES))
    start = LENGTH_BYTES + size
    entries = parse_header(bytes((first if start <= len(first) else raw)[LENGTH_BYTES:start]))
    metadata = entries.pop("__metadata__", None)
    if not isinstance(metadata, dict):
        metadata = {}
    strict = is_table(metadata)
    if strict:
        _check_size(size, MAX_TABLE_HEADER_BYTES)
        if not all(isinstance(value, str) for value in metadata.values()):
            raise FormatError("its metadata holds no facts, or other things than texts: damaged")
    return metadata, _view_tensors(raw, start, entries, strict, thorough)


def is_table(metadata: dict[str, Any]) -> bool:
    """Tell whether metadata is that of a table of slimvec."""
    return metadata.get("format") == TABLE_FORMAT


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise FormatError(f"its header of {size} bytes does not fit: not a table of tensors, or truncated")


def parse_header(text: bytes | str) -> dict[str, Any]:
    """Return the JSON object of a header; FormatError if it is none, or not plain JSON.

    Python's reader alone would take more: names that come twice, NaN, halves of surrogate pairs, UTF-16.
    """
    try:
        plain = text if isinstance(text, str) else text.decode()
        value = _JSON.decode(plain)
        if "\\u" in plain:
            json.dumps(value, ensure_ascii=False).encode()  # fails for half of a pair
    except (ValueError, RecursionError) as error:
        raise FormatError(f"its header is not JSON ({error}): not a table of tensors, or damaged") from None
    if not isinstance(value, dict):
        raise FormatError("its header is not a JSON object: not a table of tensors, or damaged")
    return value


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a name comes twice")
    return members


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number")


_JSON = json.JSONDecoder(object_pairs_hook=_distinct, parse_constant=_no_number)


def _view_tensors(
    raw: memoryview, start: int, entries: dict[str, Any], strict: bool, thorough: bool
) -> dict[str, NDArray[Any]]:
    """Return views of the tensors, which must follow each other without holes to the end of the file."""
    places = {name: _check_entry(name, entry, strict) for name, entry in entries.items()}
    tensors = {}
    offset = 0
    for name, (dtype, shape, begin, end) in sorted(places.items(), key=lambda item: item[1][2:]):
        if begin != offset or start + end > len(raw):
            raise FormatError(f"tensor {name!r} lies at {begin} ... {end}: damaged or truncated")
        offset = end
        if dtype is None:
            continue
        if strict and (start + begin) % dtype.itemsize:
            raise FormatError(f"tensor {name!r} is not aligned")
        if strict and name.startswith(_PADDING):
            if thorough and any(raw[start + begin : start + end]):
                raise FormatError(f"the padding {name!r} is not zero: damaged")
            continue
        try:
            tensors[name] = np.frombuffer(raw, dtype, math.prod(shape), start + begin).reshape(shape)
        except ValueError as error:  # more dimensions than NumPy has, or one too large beside one of zero
            raise FormatError(f"tensor {name!r} has a malformed shape ({error})") from None
    if start + offset != len(raw):
        raise FormatError("the file is longer than its tensors: damaged")
    return tensors


def _check_entry(name: str, entry: Any, strict: bool) -> Place:
    """Return what a header says of one tensor."""
    code = entry.get("dtype") if isinstance(entry, dict) else None
    known = _TABLE_DTYPES if strict else _DTYPES
    if not isinstance(code, str) or (strict and (code not in known or len(entry) != 3)):
        raise FormatError(f"tensor {name!r} has an unknown type")
    shape, bounds = entry.get("shape"), entry.get("data_offsets")
    if not _are_sizes(shape, bounds) or len(bounds) != 2 or bounds[1] < bounds[0]:
        raise FormatError(f"tensor {name!r} has a malformed shape or place")
    dtype = known.get(code)
    if dtype is not None and bounds[1] - bounds[0] != math.prod(shape) * dtype.itemsize:
        raise FormatError(f"tensor {name!r} has a place that does not fit its shape")
    if len(shape) > MAX_DIMENSIONS or (0 in shape and math.prod(filter(None, shape)) > MAX_ELEMENTS):
        raise FormatError(f"tensor {name!r} has a shape of too many dimensions or elements")
    return dtype, tuple(shape), bounds[0], bounds[1]


def _are_sizes(shape: Any, bounds: Any) -> bool:
    """Tell whether both are lists of integers from 0 on; a bool is an int, and no size."""
    if not isinstance(shape, list) or not isinstance(bounds, list):
        return False
    numbers = shape + bounds
    return _INTEGER.issuperset(map(type, numbers)) and min(numbers, default=0) >= 0


class Entry:
    """Name, type, shape and checksum of a tensor that is written, in one piece or several."""

    def __init__(self, name: str, shape: tuple[int, ...]) -> None:
        self.name, self.shape = name, shape
        self.dtype: np.dtype[Any] = np.dtype(np.uint8)
        self.n_bytes = self.checksum = 0

    @classmethod
    def of(cls, name: str, tensor: NDArray[Any]) -> Entry:
        entry = cls(name, tensor.shape)
        entry.add(tensor)
        return entry

    def add(self, piece: NDArray[Any]) -> None:
        self.dtype = piece.dtype
        self.n_bytes += piece.nbytes
        self.checksum = zlib.crc32(np.ascontiguousarray(piece).data, self.checksum)


def padding(n_bytes: int) -> bytes:
    """Return what is written after a tensor, so that the next one starts on 64 bytes."""
    return bytes(-n_bytes % ALIGNMENT)


def header(metadata: dict[str, str], tensors: list[Entry], size: int = 0) -> bytes:
    """Return the beginning of a file, at least ``size`` bytes: length, metadata, tensors and the padding of each."""
    entries: dict[str, Any] = {"__metadata__": metadata}
    offset = 0
    for number, tensor in enumerate(tensors):
        end = offset + tensor.n_bytes
        place = {"dtype": _CODES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [offset, end]}
        entries[tensor.name] = place
        gap = len(padding(end))
        if gap:
            entries[f"{_PADDING}{number}"] = {"dtype": "U8", "shape": [gap], "data_offsets": [end, end + gap]}
        offset = end + gap
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * max(-(LENGTH_BYTES + len(text)) % ALIGNMENT, size - LENGTH_BYTES - len(text))
    return len(text).to_bytes(LENGTH_BYTES, "little") + text
