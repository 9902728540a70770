"""Memory for big arrays that are scanned over and over: aligned, and in huge pages where the system gives them.

Files become such memory by being mapped, or read.
"""

from __future__ import annotations

import errno
import math
import mmap
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec import _core

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

HUGE_PAGE = 2 << 20
FIRST_BYTES = 1 << 12
_READING = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)


def zeros(shape: tuple[int, ...]) -> NDArray[np.uint32]:
    """Return zeros in memory that starts on 64 bytes; on 2 MiB, asking for huge pages, from that size on.

    A scan reads whole cache lines, and a line that straddles two costs both. With huge pages a scan of 40 MB needs 20
    address translations instead of 10,000.
    """
    size = 4 * math.prod(shape)
    alignment = 64 if size < HUGE_PAGE else HUGE_PAGE
    memory = _map(size + alignment) if size >= HUGE_PAGE else np.zeros(size + alignment, np.uint8)
    start = -memory.ctypes.data % alignment
    return memory[start : start + size].view(np.uint32).reshape(shape)


def map_file(path: str | os.PathLike[str]) -> tuple[memoryview, bytes]:
    """Return the content of a file, mapped, and a copy of its first bytes; read-only.

    To read these costs less than the page fault of looking at them. Huge pages are not asked for: each first look at a
    page would wait until much around it is read, of which a lookup wants a row, and a query some lists.
    """
    descriptor, size = _open_ordinary(path)
    try:
        first = os.read(descriptor, FIRST_BYTES)
        if size == 0:  # nothing to map
            return memoryview(b""), first
        mapped = mmap.mmap(descriptor, size, access=mmap.ACCESS_READ)
    finally:
        os.close(descriptor)
    return memoryview(mapped), first


def read_file(path: str | os.PathLike[str]) -> memoryview:
    """Return the content of a file, copied into such memory; read-only."""
    descriptor, size = _open_ordinary(path)
    with open(descriptor, "rb", buffering=0) as file:
        memory = zeros((-(-size // 4),)).view(np.uint8)[:size]
        filled = 0
        while filled < size and (read := file.readinto(memory[filled:].data)):
            filled += read
    return memory[:filled].data.toreadonly()


def _open_ordinary(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Return descriptor and size of a file: no pipe, which would wait for somebody to write, and no device."""
    descriptor = os.open(path, _READING)
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode):
        return descriptor, status.st_size
    os.close(descriptor)
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fsdecode(path))
    raise OSError(errno.EINVAL, "a pipe or device cannot be mapped; write it to a file first", os.fsdecode(path))


def resident_bytes(arrays: Iterable[NDArray[Any]]) -> int | None:
    """Return how many bytes of arrays lie in physical memory now; None where the system does not tell."""
    try:
        return sum(_core.resident_bytes(array) for array in arrays)
    except RuntimeError:
        return None


def _map(size: int) -> NDArray[np.uint8]:
    if not hasattr(mmap, "MAP_PRIVATE"):  # Windows
        return np.zeros(size, np.uint8)
    mapped = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    ask_for_huge_pages(mapped)
    return np.frombuffer(mapped, np.uint8)


def ask_for_huge_pages(mapped: mmap.mmap) -> None:
    """Ask for huge pages; what the system does about it changes speed only."""
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with suppress(OSError):  # not for this kind of mapping, or not on this system
            mapped.madvise(mmap.MADV_HUGEPAGE)
