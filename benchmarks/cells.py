"""Finished cells of an experiment: each is computed once, so that an experiment goes on where it stopped."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.common import timed
from slimvec.evaluate.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

FOLDER = Path(__file__).parent.parent / "build" / "cells"


class Cells:
    """The cells of one experiment, kept in ``build/cells`` by all the settings that a result depends on.

    ``settings`` are those that all cells share: change one, and every cell is computed anew.
    """

    def __init__(self, experiment: str, **settings: Any):
        FOLDER.mkdir(parents=True, exist_ok=True)
        self.store = Store(FOLDER / f"{experiment}.jsonl")
        self._experiment, self._settings = experiment, settings

    def __contains__(self, cell: dict) -> bool:
        return self._settings | cell in self.store

    def __call__(self, cell: dict, compute: Callable[[], Any]) -> Any:
        """Return what ``compute`` found, as JSON holds it, when it was first called for this cell."""
        key = self._settings | cell
        if key not in self.store:
            found, seconds = timed(compute)
            self.store.add(key, {"found": found, "seconds": round(seconds, 1)})
            print(f"{seconds:7.1f} s  {cell} {found}"[:240], flush=True)
        return self.store[key]["found"]

    @property
    def array_file(self) -> Path:
        """A file for arrays that depend on the shared settings alone: JSON lines are no place for them."""
        checksum = zlib.crc32(json.dumps(self._settings, sort_keys=True).encode())
        return FOLDER / f"{self._experiment}-{checksum:08x}.npz"
