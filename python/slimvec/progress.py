"""How long work reports its progress."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""``progress(stage, done, total)``: called with a stage's name and how much of it is done, rising to ``total``."""


def ignore(stage: str, done: int, total: int) -> None:
    """Report nothing: the default."""
