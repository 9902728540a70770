"""Replacing files: a new one appears under its name complete, or not at all."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator

PREFIX, SUFFIX = ".slimvec-", ".part"  # of the names of files that are being written

PACKED = (".gz", ".zst", ".bz2", ".xz", ".zip")  # what the names of compressed files end in


@contextmanager
def _naming(target: Path) -> Iterator[None]:
    """Let errors of the system tell the name that was asked for, and not that of what is written in the meantime."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(target)) from None


class NamedFile:
    """An unbuffered file whose errors tell its name: the system says that a disk is full, not which."""

    def __init__(self, raw: io.FileIO, target: Path) -> None:
        self._raw = raw
        self._target = target

    def write(self, data: bytes | memoryview) -> None:
        view = memoryview(data)
        rest = view.cast("B") if view.nbytes else memoryview(b"")  # a shape with a zero cannot be cast
        with _naming(self._target):
            while len(rest):  # the system may take less than all at once
                rest = rest[self._raw.write(rest) :]

    def seek(self, place: int) -> None:
        self._raw.seek(place)

    def sync(self) -> None:
        with _naming(self._target):
            os.fsync(self._raw.fileno())


@contextmanager
def replacing(target: Path) -> Iterator[NamedFile]:
    """Open a file that takes the place of ``target`` when the block ends well, and is gone when it does not.

    Its permissions are those of the file that it replaces, from the first byte on. Until it is complete it has no name,
    where the system can do that, and otherwise one that the next save in its folder removes if the writer was killed.
    """
    mode = stat.S_IMODE(target.stat().st_mode) & 0o777 if target.exists() else None
    _remove_abandoned(target.parent)
    with _naming(target):
        descriptor, name = _create(target.parent, 0o666 if mode is None else mode)
    try:
        with open(descriptor, "wb", buffering=0) as raw:
            if mode is not None and hasattr(os, "fchmod"):
                os.fchmod(descriptor, mode)  # what the umask has taken away
            file = NamedFile(raw, target)
            yield file
            file.sync()
            with _naming(target):
                if name is None:
                    name = _new_name(target.parent)
                    _link(descriptor, name)
                if fcntl is None:
                    raw.close()  # Windows renames no open file
                name.replace(target)  # while it is locked
    except BaseException:
        if name is not None:
            name.unlink(missing_ok=True)
        raise
    _flush_directory(target.parent)


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Make a folder that gets the name ``target`` when the block ends well, and is gone when it does not.

    There must be nothing of that name, or an empty folder. If the writer is killed, the next save beside removes what
    it has left.
    """
    _remove_abandoned(target.parent)
    with _naming(target):
        aside, descriptor = _create_folder(target.parent)
    try:
        yield aside
        os.fsync(descriptor)
        with _naming(target):
            aside.rename(target)
    except BaseException:
        _remove_folder(aside)
        raise
    finally:
        os.close(descriptor)
    _flush_directory(target.parent)


def _create_folder(beside: Path) -> tuple[Path, int]:
    """Return a new folder, and its descriptor, locked."""
    while True:
        name = _new_name(beside)
        name.mkdir()
        descriptor = os.open(name, os.O_RDONLY)
        if _lock(descriptor) and name.exists():
            return name, descriptor
        os.close(descriptor)  # another save took it for abandoned


def _remove_folder(folder: Path) -> None:
    import shutil  # and with it all that compresses

    shutil.rmtree(folder, ignore_errors=True)


def _create(folder: Path, mode: int) -> tuple[int, Path | None]:
    """Return a new file in a folder, locked, and its name, or None if it has none yet."""
    if hasattr(os, "O_TMPFILE"):
        with suppress(OSError):  # not on every file system
            descriptor = os.open(folder, os.O_TMPFILE | os.O_WRONLY, mode)
            if _lock(descriptor) and _link_of(descriptor).exists():
                return descriptor, None
            os.close(descriptor)
    while True:
        name = _new_name(folder)
        descriptor = os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0), mode)
        if _lock(descriptor) and name.exists():
            return descriptor, name
        os.close(descriptor)  # another save came between the two lines above and took it for abandoned


def _new_name(folder: Path) -> Path:
    return folder / f"{PREFIX}{os.urandom(6).hex()}{SUFFIX}"


def _link_of(descriptor: int) -> Path:
    return Path(f"/proc/self/fd/{descriptor}")


def _link(descriptor: int, name: Path) -> None:
    """Give a file without a name one."""
    folder = os.open(name.parent, os.O_RDONLY)
    try:
        os.link(_link_of(descriptor), name.name, src_dir_fd=folder, dst_dir_fd=folder)  # so it follows the first
    finally:
        os.close(folder)


def _lock(descriptor: int) -> bool:
    """Lock a file until it is closed, or its writer ends; tell whether nobody else has."""
    if fcntl is not None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # no locks on this file system, so that nobody takes it for abandoned
            pass
    return True


def _remove_abandoned(folder: Path) -> None:
    """Remove the files and folders of saves that were killed: those that nobody holds a lock on."""
    if fcntl is None:
        return
    for left in folder.glob(f"{PREFIX}*{SUFFIX}"):
        with suppress(OSError):  # it is in use, or another's
            descriptor = os.open(left, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if left.is_dir():
                    _remove_folder(left)
                else:
                    left.unlink()
            finally:
                os.close(descriptor)


def checked_target(path: str | os.PathLike[str]) -> Path:
    """Return where a file for ``path`` is to be written, after making sure that a file can be there.

    Raises
    ------
    OSError
        If the folder does not exist, or something other than a file has that name.
    """
    name = os.fsdecode(path)
    if not name:
        raise FileNotFoundError("path is ''; expected the name of a file")
    found = None
    with suppress(FileNotFoundError, NotADirectoryError):
        found = Path(name).stat()  # fails for a loop of links
    target = Path(os.path.realpath(name))  # a link stays a link
    if found is not None and stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(f"{target} is a directory; expected the name of a file")
    if found is not None and not (stat.S_ISREG(found.st_mode) and target.exists() and target.samefile(name)):
        raise FileExistsError(f"{name} is no ordinary file; it is not replaced")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{target.parent} is not a folder to write {target.name} to")
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
