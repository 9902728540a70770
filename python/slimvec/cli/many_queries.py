"""``slimvec search``: the neighbours of all vectors of a file."""

from __future__ import annotations

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
    parser.add_argument(
        "-o", "--output", metavar="OUT", required=True, help="ends in .npz (arrays), .jsonl or .parquet"
    )
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
    given: dict[str, Any] = {name: getattr(options, name) for name in ("metric", "oversample", "recall", "threads")}
    given = {name: value for name, value in given.items() if value is not None}
    with (
        telling("what was found is kept, and the same command goes on from there"),
        workers_of(options) as workers,
        Bars() as progress,
    ):
        given |= {"executor": workers, "progress": progress}
        n = search_to_file(options.table, options.queries, options.output, options.k, **given)
    print(f"{options.output}: {n:,} queries")
