"""Decompressing on another thread, ahead of whoever parses: zlib and zstd let go of the interpreter while they work."""

from __future__ import annotations

import queue
import threading
from typing import Protocol, Self

PIECE_BYTES = 1 << 20
PIECES_AHEAD = 4


class Readable(Protocol):
    """A stream of bytes."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes; nothing at the end."""


class ReadAhead:
    """A stream read by a thread of its own, a few pieces ahead; an error there is raised here.

    Parameters
    ----------
    stream : Readable
        Touched by the thread alone until :meth:`close`.
    """

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._pieces: queue.Queue[bytes | BaseException] = queue.Queue(PIECES_AHEAD)
        self._piece = memoryview(b"")
        self._at_end = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="slimvec-read-ahead", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                piece: bytes | BaseException = self._stream.read(PIECE_BYTES)
            except BaseException as error:  # noqa: BLE001 - it is raised again where it matters
                piece = error
            self._pieces.put(piece)
            if not piece or isinstance(piece, BaseException):
                return

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer as far as the next piece goes; 0 at the end."""
        if not len(self._piece) and not self._at_end:
            piece = self._pieces.get()
            if isinstance(piece, BaseException):
                self._at_end = True
                raise piece
            self._piece, self._at_end = memoryview(piece), not piece
        size = min(len(buffer), len(self._piece))
        buffer[:size] = self._piece[:size]
        self._piece = self._piece[size:]
        return size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the thread, which may be waiting for room."""
        self._stop.set()
        while self._thread.is_alive():
            try:
                self._pieces.get(timeout=0.01)
            except queue.Empty:
                continue
        self._thread.join()
