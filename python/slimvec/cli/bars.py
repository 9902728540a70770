"""Progress bars of the command line."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from slimvec.progress import ignore

if TYPE_CHECKING:
    from slimvec.progress import Progress


class Bars:
    """Progress bars on standard error if that is a terminal and tqdm is installed; otherwise nothing."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._stage = ""

    def __enter__(self) -> Progress:
        if not sys.stderr.isatty():
            return ignore
        try:
            import tqdm  # noqa: F401 - optional
        except ImportError:
            return ignore
        return self._show

    def __exit__(self, *_: object) -> None:
        self._close()

    def _show(self, stage: str, done: int, total: int) -> None:
        from tqdm import tqdm

        if stage != self._stage:
            self._close()
            self._bar, self._stage = tqdm(total=total, desc=stage, unit="", unit_scale=True, leave=False), stage
        self._bar.update(done - self._bar.n)
        if done >= total:  # a bar left standing would stand in the way of what is printed next
            self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
        self._bar, self._stage = None, ""
