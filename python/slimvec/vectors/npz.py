"""``.npz`` archives: several ``.npy`` arrays in a zip file, as NumPy's ``savez`` writes them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from slimvec.errors import FormatError
from slimvec.vectors.mapped import Loaded
from slimvec.vectors.tensors import Described, as_numbers, choose_tensor, damaged, named_type
from slimvec.vectors.word_list import Words

if TYPE_CHECKING:
    import zipfile
    from collections.abc import Iterator
    from pathlib import Path
    from typing import IO

    from numpy.typing import NDArray

    from slimvec.vectors.window import Window

SUFFIX = ".npy"
WORD_ARRAYS = ("words", "vocab", "vocabulary", "tokens", "keys")

_LOCAL_HEADER = b"PK\3\4"  # of a zip file: how a member begins
_LENGTHS_AT, _NAME_AT = 26, 30  # in it: two bytes each of the lengths of name and extra field, and the name
_STORED = 0  # how a member is compressed: not at all
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


class _Member(NamedTuple):
    """An array of an archive: what it is, and where its numbers begin behind the beginning of the member."""

    info: zipfile.ZipInfo
    described: Described
    fortran: bool
    start: int


def is_npz(window: Window) -> bool:
    """Tell whether a file is a zip file that begins with an ``.npy`` array."""
    start = window.peek(_NAME_AT)
    if not start.startswith(_LOCAL_HEADER):
        return False
    size = int.from_bytes(start[_LENGTHS_AT : _LENGTHS_AT + 2], "little")
    return window.peek(_NAME_AT + size)[_NAME_AT:].endswith(SUFFIX.encode())


def load_npz(path: Path, tensor: str | None = None) -> Loaded:
    """Return one matrix of an archive, and its words, if an array of as many strings is called ``words`` or so.

    A matrix that is not compressed is mapped; others are read into memory.

    Raises
    ------
    FormatError
        If it is damaged, or no array of it is chosen.
    ValueError
        If there is no array called ``tensor``.
    """
    import zipfile  # here, as it takes longer to load than most files

    with open(path, "rb") as file:
        with damaged(".npz archive"):
            archive = zipfile.ZipFile(file)
            members = dict(_members(archive))
        chosen = members[choose_tensor({name: member.described for name, member in members.items()}, tensor)]
        with damaged(".npz archive"):
            matrix = _map(path, file, chosen)
            matrix = _read(archive, chosen.info) if matrix is None else matrix
            words = _words(archive, members, len(matrix))
    return Loaded(as_numbers(named_type(matrix)), words)


def _members(archive: zipfile.ZipFile) -> Iterator[tuple[str, _Member]]:
    """Yield the arrays of an archive by their names; those that no matrix of numbers can be are left out."""
    for info in archive.infolist():
        if info.filename.endswith(SUFFIX):
            with archive.open(info) as stream:
                read_header = _HEADERS.get(np.lib.format.read_magic(stream))
                if read_header is None:  # of arrays with several fields
                    continue
                shape, fortran, dtype = read_header(stream)
                described = Described(shape, named_type(np.empty(0, dtype)).dtype)
                yield info.filename.removesuffix(SUFFIX), _Member(info, described, fortran, stream.tell())


def _map(path: Path, file: IO[bytes], member: _Member) -> NDArray[Any] | None:
    """Return the array of a member, mapped; None if it is compressed, or does not hold what its header says."""
    info, (shape, dtype), fortran, start = member
    if info.compress_type != _STORED or info.flag_bits & 1 or 0 in shape:
        return None
    if start + math.prod(shape) * dtype.itemsize > info.file_size:  # what follows is another member
        return None
    file.seek(info.header_offset + _LENGTHS_AT)
    lengths = file.read(4)
    start += (
        info.header_offset + _NAME_AT + int.from_bytes(lengths[:2], "little") + int.from_bytes(lengths[2:], "little")
    )
    return np.memmap(path, dtype, "r", start, shape, "F" if fortran else "C")


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> NDArray[Any]:
    """Return the array of a member, read: memory is taken as its bytes come, whatever it promises."""
    with archive.open(info) as stream:
        array: NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
        stream.read(1)  # at the end the checksum is looked at
    return array


def _words(archive: zipfile.ZipFile, members: dict[str, _Member], n_rows: int) -> Words | None:
    name = next((name for name in WORD_ARRAYS if name in members), None)
    if name is None or members[name].described.shape != (n_rows,):
        return None
    kind = members[name].described.dtype.kind
    if kind == "O":
        raise FormatError(
            f"its {name!r} are Python objects in a pickle, which is not opened, as it could run code; save them by "
            f"np.savez(path, {name}=np.array(words, dtype=str), vectors=vectors)"
        )
    if kind not in "SU":
        return None
    listed = _read(archive, members[name].info).tolist()
    return Words.of(listed if kind == "S" else [word.encode() for word in listed])
