"""Tables in several files that answer as one: written by workers in parallel, complete once a manifest is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slimvec.files.table_file import register_folder

if TYPE_CHECKING:
    from pathlib import Path

    from slimvec.shards.sharded_table import ShardedTable

MANIFEST = "shards.json"
SHARD_ROWS = 1 << 20  # of a file, if nothing else is said


def _open(folder: Path, verify: bool, preload: bool) -> ShardedTable:
    from slimvec.shards.sharded_table import ShardedTable

    return ShardedTable.open(folder, verify, preload)


register_folder(MANIFEST, _open)
