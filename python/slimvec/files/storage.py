"""Table files: valid ``.safetensors``, opened by mapping; :mod:`slimvec.files.writing` makes them.

A file is an 8-byte little-endian length, a JSON header of that length, and the tensors. The header is padded with
spaces and small ``u8`` tensors fill the gaps (the format allows no holes), so that every tensor starts on 64 bytes.
``__metadata__`` carries ``format``, ``format_version`` and ``facts``, a JSON object: the kind of table, its sizes, how
it was made, and a CRC-32 per tensor. Everything in a header is checked before it is believed.
"""

from __future__ import annotations

import json
import math
import mmap
import os
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard

import numpy as np

from slimvec.errors import FormatError
from slimvec.files.writing import DTYPES, FORMAT_VERSION
from slimvec.pages import ask_for_huge_pages, read_file
from slimvec.vocabulary import Vocabulary, slot_count

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray


MAX_HEADER_BYTES = 1 << 20  # ours are a few hundred to a few thousand; anything near this is not a table


class _TableClass(Protocol):
    kind: str

    def from_content(self, content: Content) -> Any: ...


_TABLES: dict[str, Any] = {}


def register(table_class: _TableClass) -> None:
    """Let :func:`open_table` make tables of ``table_class.kind``."""
    _TABLES[table_class.kind] = table_class


def open_table(path: str | os.PathLike[str], verify: bool = False, *, preload: bool = False) -> Any:
    """Open a saved table by mapping its file: in milliseconds, whatever its size.

    Parameters
    ----------
    path : str or path
        A file written by ``save`` of a table or an index.
    verify : bool
        Read the whole file and compare checksums. Without it, structure is checked but not the content of the tensors.
    preload : bool
        Copy the file into memory of the process, in huge pages where the system gives them, instead of mapping it: the
        first search is as fast as the next ones, and none waits for the disk when other programs have pushed the file
        out of its cache. Processes that map a file share its memory; those that preload it do not.

    Returns
    -------
    BinaryTable, SparseTable or HammingIndex
        What was saved. Its arrays are read-only and come from the file as they are needed.

    Raises
    ------
    FormatError
        If the file is damaged, truncated, or no table of slimvec.
    OSError
        If the file does not exist or may not be read.

    Examples
    --------
    >>> import os, tempfile
    >>> import slimvec as sv
    >>> path = os.path.join(tempfile.mkdtemp(), "small.slim")
    >>> sv.BinaryTable(sv.pack([[1, -1], [1, 1]]), 2, words=["cat", "dog"]).save(path)
    >>> sv.open(path)
    <slimvec.BinaryTable: 2 codes of 2 bits, with words>
    """
    try:
        content = read_content(path, preload)
        if verify:
            content.verify()
        kind = content.facts.get("kind")
        if not isinstance(kind, str) or kind not in _TABLES:
            raise FormatError(f"unknown kind of table {kind!r}; expected one of {sorted(_TABLES)}")  # noqa: TRY301
        return _TABLES[kind].from_content(content)
    except FormatError as error:
        raise FormatError(f"{os.fsdecode(path)}: {error}") from None


@dataclass(frozen=True)
class Content:
    """The checked content of a table file.

    Attributes
    ----------
    facts : dict
        What the header says of the table.
    tensors : dict of str to ndarray
        Read-only views into the mapped file.
    """

    facts: dict[str, Any]
    tensors: dict[str, NDArray[Any]]

    def integer(self, name: str, minimum: int) -> int:
        """Return an integer fact."""
        value = self.facts.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or value < minimum:
            raise FormatError(f"{name} is {value!r}; expected an integer of at least {minimum}")
        return value

    def made_by(self) -> dict[str, Any]:
        """Return how the table was made."""
        value = self.facts.get("made_by")
        if not isinstance(value, dict) or not isinstance(value.get("parameters", {}), dict):
            raise FormatError(f"made_by is {value!r}; expected an object")
        return value

    def tensor(
        self, name: str, dtype: DTypeLike | tuple[DTypeLike, ...], shape: tuple[int | None, ...]
    ) -> NDArray[Any]:
        """Return a tensor of the given dtype, or one of them, and shape, where None stands for any length."""
        tensor = self.tensors.get(name)
        if tensor is None:
            raise FormatError(f"tensor {name!r} is missing")
        fits = tensor.ndim == len(shape) and all(
            want in (None, have) for want, have in zip(shape, tensor.shape, strict=True)
        )
        dtypes = [np.dtype(one) for one in (dtype if isinstance(dtype, tuple) else (dtype,))]
        if tensor.dtype not in dtypes or not fits:
            expected = " or ".join(map(str, dtypes))
            raise FormatError(f"tensor {name!r} is {tensor.dtype} {tensor.shape}; expected {expected} {shape}")
        return tensor

    def words(self, name: str, n: int) -> Vocabulary | None:
        """Return the ``n`` words stored as ``name``, or None if there are none."""
        if f"{name}.text" not in self.tensors:
            return None
        text = self.tensor(f"{name}.text", np.uint8, (None,))
        offsets = self.tensor(f"{name}.offsets", np.int64, (n + 1,))
        slots = None
        if f"{name}.slots" in self.tensors:  # files written by early commits have none
            slots = self.tensor(f"{name}.slots", np.uint32, (slot_count(n),))
        return Vocabulary.from_text(text, offsets, slots)

    def verify(self) -> None:
        """Compare every tensor with its checksum."""
        checksums = self.facts.get("crc32")
        if not isinstance(checksums, dict) or checksums.keys() != self.tensors.keys():
            raise FormatError("checksums are missing")
        for name, tensor in self.tensors.items():
            if zlib.crc32(tensor.data) != checksums[name]:
                raise FormatError(f"tensor {name!r} does not match its checksum; the file is damaged")


def read_content(path: str | os.PathLike[str], preload: bool = False) -> Content:
    """Map or read a table file and check everything that its header says."""
    metadata, tensors = read_tensors(path, preload)
    return Content(_read_facts(metadata), tensors)


def read_tensors(path: str | os.PathLike[str], preload: bool = False) -> tuple[Any, dict[str, NDArray[Any]]]:
    """Return the metadata and the tensors of any ``.safetensors`` file, mapped or read into memory.

    Raises
    ------
    FormatError
        If it is none, or damaged.
    """
    raw = read_file(path) if preload else _map_file(path)
    if len(raw) < 8:
        raise FormatError(f"{len(raw)} bytes are too few for a table")
    header_bytes = int.from_bytes(raw[:8], "little")
    if header_bytes > min(len(raw) - 8, MAX_HEADER_BYTES):
        raise FormatError(f"its header of {header_bytes} bytes does not fit: not a table, or truncated")
    entries = _parse_json(bytes(raw[8 : 8 + header_bytes]))
    metadata = entries.pop("__metadata__", None)
    return metadata, _view_tensors(raw, 8 + header_bytes, entries)


def _map_file(path: str | os.PathLike[str]) -> memoryview:
    with open(path, "rb") as file:
        if os.fstat(file.fileno()).st_size == 0:  # nothing to map
            return memoryview(b"")
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    ask_for_huge_pages(mapped)
    return memoryview(mapped)


def _parse_json(text: bytes | str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"its header is not JSON ({error}): not a table, or damaged") from None
    if not isinstance(value, dict):
        raise FormatError("its header is not a JSON object: not a table, or damaged")
    return value


def _read_facts(metadata: Any) -> dict[str, Any]:
    if not isinstance(metadata, dict) or metadata.get("format") != "slimvec":
        raise FormatError("it is no table of slimvec (its metadata does not say format=slimvec)")
    version = metadata.get("format_version")
    if version != str(FORMAT_VERSION):
        raise FormatError(f"its format version is {version!r}; this slimvec reads {FORMAT_VERSION}: update slimvec")
    facts = metadata.get("facts")
    if not isinstance(facts, str):
        raise FormatError("its metadata holds no facts")
    return _parse_json(facts)


def _view_tensors(raw: memoryview, start: int, entries: dict[str, Any]) -> dict[str, NDArray[Any]]:
    """Return views of the tensors, which must follow each other without holes to the end of the file."""
    checked = sorted((_check_entry(name, entry) for name, entry in entries.items()), key=lambda item: item[3])
    tensors = {}
    offset = 0
    for name, dtype, shape, (begin, end) in checked:
        if begin != offset or start + end > len(raw):
            raise FormatError(f"tensor {name!r} lies at {begin} ... {end}: damaged or truncated")
        offset = end
        if name.startswith("_padding"):
            continue
        if (start + begin) % dtype.itemsize:
            raise FormatError(f"tensor {name!r} is not aligned")
        tensors[name] = np.frombuffer(raw, dtype, math.prod(shape), start + begin).reshape(shape)
    if start + offset != len(raw):
        raise FormatError("the file is longer than its tensors: damaged")
    return tensors


def _check_entry(name: str, entry: Any) -> tuple[str, np.dtype[Any], tuple[int, ...], tuple[int, int]]:
    """Return name, dtype, shape and bounds of one header entry."""
    if not isinstance(entry, dict) or not isinstance(entry.get("dtype"), str) or entry["dtype"] not in DTYPES:
        raise FormatError(f"tensor {name!r} has an unknown type")
    shape, bounds = entry.get("shape"), entry.get("data_offsets")
    if not _are_sizes(shape) or not _are_sizes(bounds) or len(bounds) != 2:
        raise FormatError(f"tensor {name!r} has a malformed shape or place")
    dtype = np.dtype(DTYPES[entry["dtype"]])
    if bounds[1] - bounds[0] != math.prod(shape) * dtype.itemsize:
        raise FormatError(f"tensor {name!r} has a place that does not fit its shape")
    return name, dtype, tuple(shape), (bounds[0], bounds[1])


def _are_sizes(value: Any) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(type(number) is int and 0 <= number < 1 << 62 for number in value)
