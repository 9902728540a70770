"""Cells of an experiment: each is computed once, and kept in build/, so that an experiment goes on where it stopped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

BUILD = Path(__file__).parent.parent.parent / "build"


def kept(experiment: str, name: str, compute: Callable[[], dict]) -> dict:
    """Return what ``compute`` found when it was first called for this cell."""
    path = path_of(experiment, name)
    if not path.exists():
        found = compute()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".part").write_text(json.dumps(found))
        path.with_suffix(".part").replace(path)
    return json.loads(path.read_text())


def path_of(experiment: str, name: str) -> Path:
    return BUILD / experiment / f"{name}.json"
