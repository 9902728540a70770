"""``slimvec search``: the neighbours of all vectors of a file."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slimvec.bulk.bulk_search import search_to_file
from slimvec.cli.bars import Bars
from slimvec.cli.by_workers import add_workers, workers_of
from slimvec.cli.interrupted import telling

if TYPE_CHECKING:
    import argparse


def add_command(commands: Any) -> None:
    """Add the command and its options."""
    parser = commands.add_parser("search", help="write the neighbours of all vectors of a file")
    parser.add_argument("table", metavar="TABLE", help="a table, or a folder of shards")
    parser.add_argument("queries", metavar="QUERIES", help="vectors, in any format that compress reads")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("-o", "--output", metavar="OUT", help="ends in .npz (arrays), .jsonl or .parquet")
    where.add_argument("--json", action="store_true", help="print a JSON object for each query, one a line")
    parser.add_argument("-k", type=int, default=10, help="neighbours of each (default: %(default)s)")
    parser.add_argument("--metric", choices=["cosine", "dot", "l2"], help="default: cosine")
    parser.add_argument("--oversample", type=int, metavar="N", help="rows of a shortlist, times k")
    parser.add_argument(
        "--recall", type=float, metavar="X", help="of a table in lists: read as many as find this share"
    )
    parser.add_argument("--threads", type=int, metavar="N")
    add_workers(parser, "search the shards of a table in shards")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    if options.json:
        _print_lines(options)
        return
    with telling("what was found is kept, and the same command goes on from there"):
        n = _search(options, options.output)
    print(f"{options.output}: {n:,} queries")


def _search(options: argparse.Namespace, output: Any) -> int:
    given: dict[str, Any] = {name: getattr(options, name) for name in ("metric", "oversample", "recall", "threads")}
    given = {name: value for name, value in given.items() if value is not None}
    with workers_of(options) as workers, Bars() as progress:
        given |= {"executor": workers, "progress": progress}
        return search_to_file(options.table, options.queries, output, options.k, **given)


def _print_lines(options: argparse.Namespace) -> None:
    """Print what a file of lines would hold, in ASCII, so that no word can move the cursor of a terminal."""
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "found.jsonl"
        _search(options, found)
        with found.open(encoding="utf-8") as lines:
            for line in lines:
                print(json.dumps(json.loads(line)))
