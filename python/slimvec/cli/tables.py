"""``slimvec info | neighbors | export``: what a table is, what is near in it, and its vectors for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.blocks import row_blocks
from slimvec.cli.bars import Bars
from slimvec.cli.terminal import visible
from slimvec.files.atomic import checked_target
from slimvec.files.table_file import open_table
from slimvec.table import Table
from slimvec.vectors.saving import write_blocks

if TYPE_CHECKING:
    import argparse

DEFAULT_K = 10


def add_commands(commands: Any) -> None:
    """Add the three commands and their options."""
    info = commands.add_parser("info", help="describe a table")
    info.add_argument("table", metavar="TABLE")
    info.add_argument("--verify", action="store_true", help="read the whole file and compare checksums")
    info.set_defaults(run=_info)

    neighbors = commands.add_parser("neighbors", help="print the words most similar to each word")
    neighbors.add_argument("table", metavar="TABLE")
    neighbors.add_argument("words", metavar="WORD", nargs="+", help="row numbers, if the table has no words")
    neighbors.add_argument(
        "--anchors", action="store_true", help="WORD is an anchor (number or name): print the words it weighs most in"
    )
    neighbors.add_argument("-k", type=int, default=DEFAULT_K, help="how many (default: %(default)s)")
    neighbors.set_defaults(run=_neighbors)

    export = commands.add_parser("export", help="write a table's vectors for other programs")
    export.add_argument("table", metavar="TABLE")
    export.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        required=True,
        help="word2vec text; word2vec binary if it ends in .bin (both also .gz, .zst); an array and words.txt beside "
        "it if in .npy",
    )
    export.add_argument("--blanks", metavar="X", help="write X, such as _, for blanks in words: others read no blanks")
    export.add_argument(
        "--original", action="store_true", help="codes with factors: estimates of the vectors that they were made from"
    )
    export.set_defaults(run=_export)


def print_description(table: Any, path: Path) -> None:
    """Print what a table is, line by line."""
    files = [path] if path.is_file() else path.iterdir()
    for label, text in table.describe(sum(file.stat().st_size for file in files)):
        print(f"{label:12}{visible(text)}")


def _info(options: argparse.Namespace) -> None:
    print_description(open_table(options.table, verify=options.verify), Path(options.table))
    if options.verify:
        print("checksums   all match")


def _open(path: str, command: str) -> Any:
    """Return a table with rows to look up, not an index of bare codes."""
    table = open_table(path)
    if not isinstance(table, Table):
        raise ValueError(f"{path} is an index of bare codes; {command} needs a table")  # noqa: TRY004
    return table


def _neighbors(options: argparse.Namespace) -> None:
    table = _open(options.table, "neighbors")
    if options.anchors:
        lists = _associations(table, options.words, options.k)
    else:
        keys = options.words if table.vocabulary is not None else [_row(word) for word in options.words]
        lists = [(key, table.most_similar(key, options.k)) for key in keys]  # an unknown word stops all, first
    for key, neighbours in lists:
        print(visible(key))
        for neighbour, similarity in neighbours:
            print(f"  {similarity:6.3f}  {visible(neighbour)}")


def _associations(table: Any, anchors: list[str], k: int) -> list[tuple[Any, Any]]:
    if not hasattr(table, "associations"):
        raise ValueError(f"--anchors: a table of {table.kind} codes has none; expected a sparse table")
    named = table.anchor_words or ()
    keys = [int(name) if name.isdecimal() and name not in named else name for name in anchors]
    return [(key, table.associations(key, k)) for key in keys]


def _row(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(f"{text!r} is not a row number, and this table has no words")
    return int(text)


def _export(options: argparse.Namespace) -> None:
    table = _open(options.table, "export")
    output = checked_target(options.output)
    if output.exists() and output.samefile(options.table):
        raise ValueError(f"-o {options.output} is the table itself; choose another name")
    width = table.lookup(np.arange(0), original=options.original).shape[1]
    blocks = (table.lookup(rows, original=options.original) for _, rows in row_blocks(np.arange(len(table))))
    with Bars() as progress:
        write_blocks(output, table.vocabulary, blocks, (len(table), width), None, progress, options.blanks)
    print(f"{options.output}: {len(table):,} x {width}")
