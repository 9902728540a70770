"""Replacing files: a new one appears under its name complete, or not at all."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator

PACKED = (".gz", ".zst", ".bz2", ".xz", ".zip")  # what the names of compressed files end in


class NamedFile:
    """An unbuffered file whose errors tell its name: the system says that a disk is full, not which."""

    def __init__(self, raw: io.FileIO, target: Path) -> None:
        self._raw = raw
        self._target = target

    def write(self, data: bytes | memoryview) -> None:
        view = memoryview(data)
        rest = view.cast("B") if view.nbytes else memoryview(b"")  # a shape with a zero cannot be cast
        with self._naming():
            while len(rest):  # the system may take less than all at once
                rest = rest[self._raw.write(rest) :]

    def seek(self, place: int) -> None:
        self._raw.seek(place)

    def sync(self) -> None:
        with self._naming():
            os.fsync(self._raw.fileno())

    @contextmanager
    def _naming(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self._target)) from None


@contextmanager
def replacing(target: Path) -> Iterator[NamedFile]:
    """Open a file beside ``target`` that takes its place when the block ends well, and is gone when it does not."""
    temporary = target.with_name(f".slimvec-{os.urandom(6).hex()}.tmp")
    try:
        with open(temporary, "xb", buffering=0) as raw:
            if target.exists():
                temporary.chmod(target.stat().st_mode & 0o777)
            file = NamedFile(raw, target)
            yield file
            file.sync()
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _flush_directory(target.parent)


def checked_target(path: str | os.PathLike[str]) -> Path:
    """Return where a file for ``path`` is to be written, after making sure that a file can be there.

    Raises
    ------
    OSError
        If the folder does not exist, or something other than a file has that name.
    """
    target = Path(os.path.realpath(os.fsdecode(path)))  # a link stays a link
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{target.parent} is not a folder to write {target.name} to")
    if target.is_dir():
        raise IsADirectoryError(f"{target} is a directory; expected the name of a file")
    if target.exists() and not target.is_file():
        raise FileExistsError(f"{target} is no ordinary file; it is not replaced")
    return target


def table_target(path: str | os.PathLike[str]) -> Path:
    """Return :func:`checked_target` of a table, which is never compressed, as it is mapped; ValueError if named so."""
    target = checked_target(path)
    if target.suffix.lower() in PACKED:
        raise ValueError(
            f"{target.name} is the name of a compressed file; tables are mapped: leave out {target.suffix}"
        )
    return target


def _flush_directory(directory: Path) -> None:
    """Make the rename durable; not every system lets a directory be opened."""
    with suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
