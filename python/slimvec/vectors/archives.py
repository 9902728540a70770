"""Zip archives: the one member that holds vectors, or the one that is named, ``glove.6B.zip#glove.6B.50d.txt``."""

from __future__ import annotations

import errno
import os
import struct
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from slimvec.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zipfile import ZipInfo

ZIP_MAGIC = (b"PK\3\4", b"PK\5\6")  # the second one is that of an empty archive
MAX_DIRECTORY_BYTES = 64 << 20  # of the list of members, which is read into memory whole
TAIL_BYTES = (1 << 16) + 22  # where the record of that list is looked for
SHOWN = 20  # members that a message lists
SMALL_BYTES = 1 << 14  # of compressions whose pieces zipfile does not bound
_ASIDE = ("readme", "license", "licence", "meta.json", "__macosx/", ".")  # what lies beside vectors


class Member(NamedTuple):
    """A file in an archive.

    Attributes
    ----------
    stream : MemberStream
    place : tuple of int
        Where its compressed bytes lie in the archive: beginning and size.
    rest : str
        What of the given name is to be looked for in the member itself, which may be an archive again.
    """

    stream: MemberStream
    place: tuple[int, int]
    rest: str


class MemberStream:
    """What a member holds.

    Parameters
    ----------
    file : binary file
    title : str
        Of the member, for messages.
    bounded : bool
        Whether as many bytes as are asked for are decompressed, and no more.
    """

    def __init__(self, file: IO[bytes], title: str, bounded: bool) -> None:
        self._file = file
        self._title = title
        self._size = 1 << 62 if bounded else SMALL_BYTES

    def read(self, size: int) -> bytes:
        """Return the next bytes; nothing at the end; FormatError if the archive is damaged."""
        with _naming_damage(f"damaged zip data in {self._title!r}"):
            return self._file.read(min(size, self._size))


@contextmanager
def _naming_damage(message: str, remedy: str = "") -> Iterator[None]:
    """Turn the errors of damaged archives in the block into FormatErrors."""
    from lzma import LZMAError
    from zipfile import BadZipFile

    # RuntimeError: encrypted, or of an unknown compression; OSError: as bzip2 has them, or a place before the beginning
    damage = (
        BadZipFile,
        EOFError,
        ValueError,
        RuntimeError,
        OverflowError,
        OSError,
        LZMAError,
        zlib.error,
        struct.error,
    )
    try:
        yield
    except damage as error:
        if isinstance(error, OSError) and error.errno not in {None, errno.EINVAL}:
            raise
        raise FormatError(f"{message} ({error}){remedy}") from None


def split_member(path: Path) -> tuple[Path, str]:
    """Return the file that a path names, and the member in it that stands after a ``#``.

    A file whose name holds a ``#`` is that file.
    """
    text = os.fspath(path)
    if "#" not in text or os.path.lexists(text):
        return path, ""
    parts = text.split("#")
    for i in range(1, len(parts)):
        file = Path("#".join(parts[:i]))
        if file.is_file():
            return file, "#".join(parts[i:])
    return path, ""


def open_member(file: IO[bytes], name: str, wanted: str) -> Member | None:
    """Open the member of an archive that is wanted, or the only one that may be meant.

    Parameters
    ----------
    file : binary file
        The archive, at any place.
    name : str
        Of the archive, for messages.
    wanted : str
        Name of a member, or nothing.

    Returns
    -------
    Member or None
        None if it is an archive of arrays (``.npz``), which is a format of its own.

    Raises
    ------
    FormatError
        If it is damaged, has no such member, or has several; then the message lists them.
    """
    from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

    _check_directory(file)
    with _naming_damage("damaged zip archive", ": truncated?"):
        archive = ZipFile(file)
    members = [info for info in archive.infolist() if not info.is_dir()]
    if not wanted and members and all(info.filename.endswith(".npy") for info in members):
        return None
    info, rest = _named(members, wanted, name) if wanted else (_only(members, name), "")
    title = _short(info.filename)
    with _naming_damage(f"its member {title!r} cannot be unpacked here", "; unpack it first"):
        stream = archive.open(info)
    bounded = info.compress_type in {ZIP_STORED, ZIP_DEFLATED}
    return Member(MemberStream(stream, title, bounded), (info.header_offset, info.compress_size), rest)


def _check_directory(file: IO[bytes]) -> None:
    """Raise FormatError if the list of members is larger than memory should be asked for."""
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - TAIL_BYTES))
    tail = file.read(TAIL_BYTES)
    at = tail.rfind(b"PK\5\6")
    size = int.from_bytes(tail[at + 12 : at + 16], "little") if at >= 0 else 0
    large = tail.rfind(b"PK\6\6", 0, max(at, 0))
    if size == 0xFFFFFFFF and large >= 0:
        size = int.from_bytes(tail[large + 40 : large + 48], "little")
    if size > MAX_DIRECTORY_BYTES:
        raise FormatError(f"damaged zip archive (a list of members of {size} bytes); unpack it first")


def _named(members: list[ZipInfo], wanted: str, name: str) -> tuple[ZipInfo, str]:
    """Return a member, and what stands after its name."""
    for info in members:
        if wanted == info.filename or wanted.startswith(f"{info.filename}#"):
            return info, wanted[len(info.filename) + 1 :]
    raise FormatError(f"it has no member {wanted!r}; {_listed(members, name)}")


def _only(members: list[ZipInfo], name: str) -> ZipInfo:
    """Return the one member that may hold vectors."""
    if any(info.filename.endswith("/data.pkl") or info.filename == "data.pkl" for info in members):
        raise FormatError(
            "it is a PyTorch file, whose tensors are pickled: not opened, as it could run code. Load it by "
            "torch.load(path, weights_only=True), and pass sv.Vectors(words, tensor), or save it as safetensors"
        )
    some = [info for info in members if not info.filename.lower().startswith(_ASIDE)]
    if len(some) == 1:
        return some[0]
    raise FormatError(f"it is a zip archive of {len(members)} files; {_listed(some or members, name)}")


def _listed(members: list[ZipInfo], name: str) -> str:
    if not members:
        return "it is empty"
    names = ", ".join(_short(info.filename) for info in members[:SHOWN]) + (", ..." if len(members) > SHOWN else "")
    return f"name the one to read, as in {name + '#' + _short(members[0].filename)!r}: {names}"


def _short(name: str) -> str:
    return name if len(name) <= 100 else f"{name[:60]}...{name[-30:]}"
