"""What a command says that Ctrl-C has stopped, where it leaves something behind."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def telling(what: str) -> Iterator[None]:
    """Say what is left when the block is interrupted; without, the program says that nothing was written."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(what) from None
