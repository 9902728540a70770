"""The command line: ``slimvec compress``, ``info``, ``neighbors``, ``search``, and what else ``slimvec -h`` lists."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from typing import TYPE_CHECKING, Any

from slimvec.cli import bench, completion, compress, evaluate, folders, many_queries, models, recommending, tables
from slimvec.cli.bars import Bars
from slimvec.cli.build_facts import Version
from slimvec.cli.evaluate import INTERRUPTED
from slimvec.cli.terminal import visible_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

BAD_INPUT = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0, 2 for bad input, 130 for Ctrl-C."""
    options = _parser().parse_args(arguments)
    if sys.stdout is not None and hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # words that a terminal cannot show must not stop the rest
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.showwarning = _show_warning
            options.run(options)
        if sys.stdout is not None:
            sys.stdout.flush()
    except KeyboardInterrupt as stop:
        print(f"slimvec: interrupted; {str(stop) or 'nothing was written'}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of a pipe, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, TypeError, LookupError, OSError, ImportError, MemoryError) as error:
        print(f"slimvec: {visible_lines(_message(error))}", file=sys.stderr)
        return BAD_INPUT
    return 0


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    print(f"slimvec: warning: {visible_lines(str(message))}", file=sys.stderr)


def _message(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error) or type(error).__name__


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="slimvec", description="Embedding tables small enough to carry and fast enough to search."
    )
    parser.add_argument("--version", action=Version, nargs=0, help="print the version and how it was built, and exit")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    compress.add_command(commands)
    tables.add_commands(commands)
    many_queries.add_command(commands)
    recommending.add_command(commands)
    models.add_commands(commands)
    folders.add_commands(commands)
    evaluate.add_command(commands)
    bench.add_command(commands)
    demo = commands.add_parser("demo", help="make embeddings from Python's own library, compress and query them")
    demo.add_argument("-o", "--output", metavar="OUT", help="keep the table in this file")
    demo.add_argument("--method", choices=["iiq", "ant"], default="iiq", help="default: %(default)s")
    demo.set_defaults(run=_demo)
    completion.add_command(commands, parser)
    return parser


def _demo(options: argparse.Namespace) -> None:
    from slimvec.cli.demo import run

    with Bars() as progress:
        run(options.output, progress, options.method)
