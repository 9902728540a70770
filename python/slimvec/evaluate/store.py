"""Finished cells of a grid, as JSON lines: what is there is not done again."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slimvec.errors import FormatError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

Record = dict[str, Any]


class Store:
    """Records by key, in a file that only grows.

    A line is written whole and flushed when its cell is finished. A last line without an end, as a kill leaves it, is
    dropped.

    Parameters
    ----------
    path : path
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._records: dict[str, Record] = {}
        if self._path.exists():
            self._read()

    def _read(self) -> None:
        data = self._path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                record = json.loads(line)
                self._records[_name(record["key"])] = record
            except (ValueError, KeyError, TypeError):
                raise FormatError(f"{self._path}, line {number}: not a finished cell; move the file away") from None
        if len(whole) < len(data):
            with open(self._path, "r+b") as file:
                file.truncate(len(whole))

    def __contains__(self, key: Record) -> bool:
        return _name(key) in self._records

    def __iter__(self) -> Iterator[Record]:
        return iter(self._records.values())

    def __getitem__(self, key: Record) -> Record:
        return self._records[_name(key)]

    def add(self, key: Record, values: Record) -> None:
        """Keep a finished cell. NaN, which JSON lacks, becomes null."""
        record = {"key": key, **_plain(values)}
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(json.dumps(record, allow_nan=False) + "\n")
        self._records[_name(key)] = record


def _name(key: Record) -> str:
    return json.dumps(key, sort_keys=True)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
