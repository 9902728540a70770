"""``slimvec merge | split``: a folder of shards as one table file, and a table file as a folder of shards."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from slimvec.cli.bars import Bars
from slimvec.cli.tables import print_description
from slimvec.files.atomic import table_target
from slimvec.files.table_file import open_table
from slimvec.shards import SHARD_ROWS
from slimvec.shards.writing import split

if TYPE_CHECKING:
    import argparse


def add_commands(commands: Any) -> None:
    """Add both commands and their options."""
    merge = commands.add_parser("merge", help="write a folder of shards as one table")
    merge.add_argument("folder", metavar="FOLDER")
    merge.add_argument("-o", "--output", metavar="OUT", required=True, help="the table to write")
    merge.set_defaults(run=_merge)

    parts = commands.add_parser("split", help="write a table of codes as a folder of shards")
    parts.add_argument("table", metavar="TABLE")
    parts.add_argument("-o", "--output", metavar="FOLDER", required=True, help="a new folder")
    parts.add_argument(
        "--rows", type=int, metavar="N", default=SHARD_ROWS, help="of a file, in whole blocks (default: %(default)s)"
    )
    parts.set_defaults(run=_split)


def _merge(options: argparse.Namespace) -> None:
    output = table_target(options.output)  # better said before anything is read
    table = open_table(options.folder)
    if not hasattr(table, "folder"):
        raise ValueError(f"{options.folder} is one table already; expected a folder of shards")
    table.save(output)
    print(f"{options.output}:")
    print_description(open_table(output), output)


def _split(options: argparse.Namespace) -> None:
    with Bars() as progress:
        table = split(open_table(options.table), options.output, options.rows, progress)
    print(f"{options.output}:")
    print_description(table, Path(options.output))
