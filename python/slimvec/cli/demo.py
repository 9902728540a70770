"""``slimvec demo``: the main job on embeddings made from Python's own library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slimvec.cli.bars import Bars

if TYPE_CHECKING:
    import argparse


def add_command(commands: Any) -> None:
    """Add the command and its options."""
    parser = commands.add_parser("demo", help="make embeddings from Python's own library, compress and query them")
    parser.add_argument("-o", "--output", metavar="OUT", help="keep the table in this file")
    parser.add_argument("--method", choices=["iiq", "ant"], default="iiq", help="default: %(default)s")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from slimvec.demo import run

    with Bars() as progress:
        run(options.output, progress, options.method)
