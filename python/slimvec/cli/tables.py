"""``slimvec info | neighbors | export``: what a table is, what is near in it, and its vectors for other programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.blocks import row_blocks
from slimvec.cli.bars import Bars
from slimvec.cli.terminal import visible
from slimvec.files.atomic import checked_target
from slimvec.files.table_file import open_table
from slimvec.table import Table
from slimvec.vectors.opening import is_read
from slimvec.vectors.saving import write_blocks

if TYPE_CHECKING:
    import argparse

DEFAULT_K = 10
WHAT_ELSE = {"hamming": "an index of bare codes", "text encoder": "a text encoder"}  # that files hold
OF_OTHERS = (".faiss", ".usearch", ".parquet", ".sql", ".npz")  # what exporting.export writes


def add_commands(commands: Any) -> None:
    """Add the three commands and their options."""
    info = commands.add_parser("info", help="describe a table, or the folder of an index")
    info.add_argument("table", metavar="TABLE")
    info.add_argument("--verify", action="store_true", help="read all of it and compare checksums")
    info.add_argument("--json", action="store_true", help="print one JSON object, for other programs")
    info.set_defaults(run=_info)

    neighbors = commands.add_parser("neighbors", help="print the words most similar to each word")
    neighbors.add_argument("table", metavar="TABLE")
    neighbors.add_argument("words", metavar="WORD", nargs="+", help="row numbers, if the table has no words")
    neighbors.add_argument(
        "--anchors", action="store_true", help="WORD is an anchor (number or name): print the words it weighs most in"
    )
    neighbors.add_argument("-k", type=int, default=DEFAULT_K, help="how many (default: %(default)s)")
    neighbors.add_argument("--json", action="store_true", help="print JSON: similarities in full, one object per WORD")
    neighbors.set_defaults(run=_neighbors)

    export = commands.add_parser("export", help="write a table, or an index, for other programs")
    export.add_argument("table", metavar="TABLE")
    export.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        required=True,
        help="word2vec text; word2vec binary if it ends in .bin (both also .gz, .zst); an array and words.txt beside "
        "it if in .npy. With ids, codes, or vectors with --original: .faiss, .usearch, .parquet, .sql (PostgreSQL with "
        "pgvector), .npz",
    )
    export.add_argument("--blanks", metavar="X", help="write X, such as _, for blanks in words: others read no blanks")
    export.add_argument(
        "--original", action="store_true", help="codes with factors: estimates of the vectors that they were made from"
    )
    export.set_defaults(run=_export)


def print_description(table: Any, path: Path) -> None:
    """Print what a table is, line by line."""
    for label, text in table.describe(_stored_bytes(path)):
        print(f"{label:12}{visible(text)}")


def check_output(output: Path, what: str, *read: str) -> None:
    """Raise ValueError if a file that is read, which messages call ``what``, would be replaced."""
    if is_read(output, *read):
        raise ValueError(f"-o {output} is {what} itself; choose another name")


def _stored_bytes(path: Path) -> int:
    return sum(one.stat().st_size for one in (path.iterdir() if path.is_dir() else [path]))


def _info(options: argparse.Namespace) -> None:
    table, path = open_table(options.table, verify=options.verify), Path(options.table)
    if options.json:
        _print_json(table.info() | {"file_bytes": _stored_bytes(path), "verified": options.verify})
        return
    print_description(table, path)
    if options.verify:
        print("checksums   all match")


def _print_json(value: Any) -> None:
    """Print in ASCII, so that no word can move the cursor of a terminal."""
    print(json.dumps(value, indent=2, default=_plain))


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else str(value)


def _open(path: str, command: str) -> Any:
    """Return a table with rows to look up, and nothing else."""
    table = open_table(path)
    if not isinstance(table, Table):
        what = WHAT_ELSE.get(getattr(table, "kind", ""), "an index of vectors")
        raise ValueError(f"{path} is {what}; {command} needs a table")  # noqa: TRY004
    return table


def _neighbors(options: argparse.Namespace) -> None:
    table = _open(options.table, "neighbors")
    if options.anchors:
        lists = _associations(table, options.words, options.k)
    else:
        keys = options.words if table.vocabulary is not None else [_row(word) for word in options.words]
        lists = [(key, table.most_similar(key, options.k)) for key in keys]  # an unknown word stops all, first
    if options.json:
        score = "weight" if options.anchors else "similarity"
        _print_json(
            [{"of": key, "neighbors": [{"word": word, score: float(one)} for word, one in near]} for key, near in lists]
        )
        return
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
    output = checked_target(options.output)
    check_output(output, "the table", options.table)
    if Path(options.output).suffix in OF_OTHERS:
        _export_with_ids(options)
        return
    table = _open(options.table, "export")
    width = table.lookup(np.arange(0), original=options.original).shape[1]
    blocks = (table.lookup(rows, original=options.original) for _, rows in row_blocks(np.arange(len(table))))
    with Bars() as progress:
        write_blocks(output, table.vocabulary, blocks, (len(table), width), None, progress, options.blanks)
    print(f"{options.output}: {len(table):,} x {width}")


def _export_with_ids(options: argparse.Namespace) -> None:
    table = open_table(options.table)
    if not hasattr(table, "export"):
        raise ValueError(f"{options.table} holds neither a table of codes nor an index; {options.output} needs one")
    if options.blanks is not None:
        raise ValueError(f"--blanks: {options.output} holds words as they are; only files of words need it")
    table.export(options.output, original=options.original)
    print(f"{options.output}: {len(table):,} rows")
