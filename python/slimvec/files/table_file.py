"""Table files: safetensors that say of themselves what table they hold; :mod:`slimvec.files.table_writer` makes them.

The metadata carries ``format``, ``format_version`` and ``facts``, a JSON object: the kind of table, its sizes, how it
was made, a CRC-32 per tensor and, in files written since it is there, one of what the header itself says.
"""

from __future__ import annotations

import json
import os
import re
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from slimvec.errors import FormatError
from slimvec.files.safetensors import is_table, parse_header, read_tensors
from slimvec.vocabulary import Vocabulary, slot_count

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

VERSIONS = 1, 2, 3, 4, 5  # that are read; 2: codes of several bits, 3: refined, or in lists, 4: in two each, 5: taggers
CHECKSUMS = "crc32"  # of the tensors, by name
CHECKSUM = "checksum"  # of all other facts, and of types and shapes
INDEX = "index"  # the kind of a file that holds all of an index
MAX_DEPTH = 32  # of objects and arrays in each other, as in C


class _TableClass(Protocol):
    kind: str

    def from_content(self, content: Content) -> Any: ...


_TABLES: dict[str, Any] = {}


def register(table_class: _TableClass) -> None:
    """Let :func:`open_table` make tables of ``table_class.kind``."""
    _TABLES[table_class.kind] = table_class


_FOLDERS: dict[str, Any] = {}


def register_folder(name: str, opened: Callable[[Path, bool, bool], Any]) -> None:
    """Let :func:`open_table` open folders that hold a file of this name: ``opened(folder, verify, preload)``."""
    _FOLDERS[name] = opened


def open_table(path: str | os.PathLike[str], verify: bool = False, *, preload: bool = False) -> Any:
    """Open a saved table by mapping its file: in milliseconds, whatever its size.

    Parameters
    ----------
    path : str or path
        A file written by ``save`` of a table, an index or a :class:`TextEncoder`, the folder of an :class:`Index`, or a
        folder of shards (:meth:`slimvec.IIQ.to_shards`).
    verify : bool
        Read the whole file and compare checksums, of the tensors and of what the header says of them; what no checksum
        covers must be zero. Finds damage, not deceit: who makes a file makes its checksums. Without it, structure is
        checked but not the content of the tensors. Files written before the header had a checksum are compared as far
        as theirs go.
    preload : bool
        Copy the file into memory of the process, in huge pages where the system gives them, instead of mapping it: the
        first search is as fast as the next ones, none waits for the disk when other programs have pushed the file out
        of its cache, and what becomes of the file no longer matters. Processes that map a file share its memory; those
        that preload it do not.

    Returns
    -------
    BinaryTable, SparseTable, HammingIndex, Index, ShardedTable or TextEncoder
        What was saved. Its arrays are read-only and come from the file as they are needed.

    Raises
    ------
    FormatError
        If the file is damaged, truncated, or no table of slimvec.
    OSError
        If the file does not exist or may not be read, or is no ordinary file.

    Notes
    -----
    A mapped file may be replaced, as ``save`` does it, but not written to or shortened: the system ends a process
    (SIGBUS) that reads a page which is gone. Where others may do that to a file, take ``preload=True``.

    Examples
    --------
    >>> import os, tempfile
    >>> import slimvec as sv
    >>> path = os.path.join(tempfile.mkdtemp(), "small.slim")
    >>> sv.BinaryTable(sv.pack([[1, -1], [1, 1]]), 2, words=["cat", "dog"]).save(path)
    >>> sv.open(path)
    <slimvec.BinaryTable: 2 codes of 2 bits, with words>
    """
    if os.path.isdir(path):  # noqa: PTH112 - as cheap as it can be
        folder = Path(os.fsdecode(path))
        opened = next((opened for name, opened in _FOLDERS.items() if (folder / name).is_file()), None)
        if opened is not None:
            return opened(folder, verify, preload)
        return _opened_index(path, verify, preload)
    try:
        content = read_content(path, preload, verify)
        kind = content.facts.get("kind")
        if kind == INDEX:
            return _opened_index(path, verify, preload)
        if not isinstance(kind, str) or kind not in _TABLES:
            raise FormatError(f"unknown kind of table {kind!r}; expected one of {sorted(_TABLES)}")  # noqa: TRY301
        return _TABLES[kind].from_content(content)
    except FormatError as error:
        raise FormatError(f"{os.fsdecode(path)}: {_what_else(path) or error}") from None


def _opened_index(path: str | os.PathLike[str], verify: bool, preload: bool) -> Any:
    from slimvec.index.index import Index  # tables need nothing of it

    return Index._opened(path, verify, preload)


def _what_else(path: str | os.PathLike[str]) -> str | None:
    """Say what a file is that is no table, if that is known."""
    from slimvec.vectors.formats import TABLE, recognise  # for the message alone: tables need no other formats

    with suppress(FormatError, OSError, ImportError):  # what is damaged, or cannot be decompressed here
        found = recognise(path)
        if found not in {None, TABLE}:
            what = f"{found.title} holds vectors and is not a table"
            return f"no table of slimvec: {what}; read it with sv.read_vectors(path)"
    return None


@dataclass(frozen=True)
class Content:
    """The checked content of a table file.

    Attributes
    ----------
    facts : dict
        What the header says of the table.
    tensors : dict of str to ndarray
        Read-only views into the mapped file.
    thorough : bool
        Whether whoever takes the tensors is to check them wholly, and not only what costs nothing.
    """

    facts: dict[str, Any]
    tensors: dict[str, NDArray[Any]]
    thorough: bool = False

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
        self, name: str, dtype: type[np.generic] | tuple[type[np.generic], ...], shape: tuple[int | None, ...]
    ) -> NDArray[Any]:
        """Return a tensor of the given dtype, or one of them, and shape, where None stands for any length."""
        tensor = self.tensors.get(name)
        if tensor is None:
            raise FormatError(f"tensor {name!r} is missing")
        fits = tensor.shape == shape or (
            tensor.ndim == len(shape)
            and all(want in (None, have) for want, have in zip(shape, tensor.shape, strict=True))
        )
        dtypes = dtype if isinstance(dtype, tuple) else (dtype,)
        if tensor.dtype.type not in dtypes or not fits:
            expected = " or ".join(str(np.dtype(one)) for one in dtypes)
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
        """Compare every tensor, and the header, with its checksum."""
        checksums = self.facts.get(CHECKSUMS)
        if not isinstance(checksums, dict) or checksums.keys() != self.tensors.keys():
            raise FormatError("checksums are missing")
        if CHECKSUM in self.facts and self.facts[CHECKSUM] != checksum_of(self.facts, self.tensors):
            raise FormatError("what its header says does not match its checksum; the file is damaged")
        for name, tensor in self.tensors.items():
            if zlib.crc32(tensor.data) != checksums[name]:
                raise FormatError(f"tensor {name!r} does not match its checksum; the file is damaged")


def read_content(path: str | os.PathLike[str], preload: bool = False, verify: bool = False) -> Content:
    """Map or read a table file and check everything that its header says; with ``verify``, its checksums."""
    metadata, tensors = read_tensors(path, preload, verify)
    content = Content(_read_facts(metadata), tensors, verify)
    if verify:
        content.verify()
    return content


def checksum_of(facts: Mapping[str, Any], tensors: Mapping[str, Any]) -> int:
    """Return the CRC-32 of what a header says: all facts but this one, and dtype and shape of every tensor."""
    said = {name: fact for name, fact in facts.items() if name != CHECKSUM}
    held = {name: [tensor.dtype.str, list(tensor.shape)] for name, tensor in tensors.items()}
    return zlib.crc32(json.dumps([said, held], sort_keys=True).encode())


def _read_facts(metadata: dict[str, Any]) -> dict[str, Any]:
    if not is_table(metadata):
        raise FormatError("it is no table of slimvec (its metadata does not say format=slimvec)")
    version = metadata.get("format_version")
    if version not in [str(one) for one in VERSIONS]:
        read = f"{', '.join(map(str, VERSIONS[:-1]))} and {VERSIONS[-1]}"
        raise FormatError(f"its format version is {version!r}; this slimvec reads {read}: update slimvec")
    facts = metadata.get("facts")
    if not isinstance(facts, str):
        raise FormatError("its metadata holds no facts")
    if facts.count("{") + facts.count("[") > MAX_DEPTH and _depth(facts) > MAX_DEPTH:
        raise FormatError("its facts are nested too deeply: damaged")
    return parse_header(facts)


def _depth(text: str) -> int:
    """Return how deeply the objects and arrays of JSON text lie in each other."""
    depth = deepest = 0
    for mark in re.findall(r'"(?:[^"\\]|\\.)*"|[\[{}\]]', text):
        depth += (mark in "[{") - (mark in "]}")
        deepest = max(deepest, depth)
    return deepest
