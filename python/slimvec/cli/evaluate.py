"""``slimvec evaluate``: options in, a grid of experiments run or taken up again, a report out."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slimvec.cli.compress import add_reading, number_or_auto
from slimvec.evaluate.grid import Config, configs
from slimvec.methods import rivals

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

CELLS = "cells.jsonl"
INTERRUPTED = 130  # as shells report a program stopped by Ctrl-C
LENGTHS = (1, 2, 4)  # the paper's 300, 150 and 75 bits of 300 dimensions
TASKS = ("similarity", "categorization", "sentences", "analogy")


def add_command(commands: Any) -> None:
    """Add the command and the options of its grid."""
    parser = commands.add_parser("evaluate", help="judge vectors, and what compression leaves of them")
    parser.add_argument("inputs", metavar="VECTORS|TABLE", nargs="+", help="vectors to compress and judge, or tables")
    parser.add_argument("-o", "--output", metavar="DIR", required=True, help="folder of the report; made if need be")
    parser.add_argument(
        "--data",
        metavar="DIR",
        default=os.environ.get("SLIMVEC_DATA"),
        help="folder with the folders of evaluation sets: similarity, categorization, ... (or SLIMVEC_DATA)",
    )
    known = ", ".join(rivals())
    parser.add_argument("--methods", metavar="M,M", type=_words, default=["iiq"], help=f"of {known} (default: iiq)")
    parser.add_argument("--bits", metavar="N,N", type=_numbers, help="lengths (default: d, d/2, d/4)")
    parser.add_argument(
        "--remove", metavar="D,D", type=_directions, default=["auto"], help="directions removed (default: auto)"
    )
    parser.add_argument(
        "--tasks", metavar="T,T", type=_words, help=f"of {', '.join(TASKS)} (default: those whose data are there)"
    )
    parser.add_argument("--seeds", metavar="N", type=int, default=3, help="tables per setting (default: %(default)s)")
    parser.add_argument("--limit", type=int, metavar="N", help="read only the first N words of vectors")
    add_reading(parser)
    parser.set_defaults(run=_evaluate)


def _evaluate(options: argparse.Namespace) -> None:
    def finished(cell: str, seconds: float) -> None:
        print(f"{seconds:7.1f} s  {cell}", file=sys.stderr, flush=True)

    try:
        text = run(options, finished)
    except KeyboardInterrupt:
        print(f"slimvec: interrupted; the same command goes on from {options.output}", file=sys.stderr)
        raise SystemExit(INTERRUPTED) from None
    print(text)
    print(f"with charts: {Path(options.output) / 'report.html'}")


def run(options: argparse.Namespace, finished: Callable[[str, float], None]) -> str:
    """Run what is missing of the grid, write the report, and return it as text.

    Raises
    ------
    ValueError
        For no data, no task, or a grid that has no meaning.
    """
    # Here, not above: they bring the solvers, which `slimvec --help` need not wait for.
    from slimvec.evaluate.experiment import Experiment
    from slimvec.evaluate.report import write_report
    from slimvec.evaluate.sources import read_source
    from slimvec.evaluate.store import Store
    from slimvec.validation import as_integer

    data = _data(options.data)
    tasks = options.tasks or [task for task in TASKS if (data / task).is_dir()]
    if not tasks:
        raise ValueError(f"--data {data}: none of the folders {', '.join(TASKS)} is there")
    seeds = as_integer(options.seeds, "--seeds", 1)
    configs(options.methods, [1], [0])  # a wrong method is better said before the vectors are read
    given = {"limit": options.limit, "encoding": options.encoding, "on_error": options.on_error}
    sources = [read_source(path, **given) for path in options.inputs]
    names = [source.name for source in sources]
    if len(set(names)) < len(names):
        raise ValueError(f"inputs are called {', '.join(names)}; expected a name of its own for each")
    output = Path(options.output)
    output.mkdir(parents=True, exist_ok=True)
    experiment = Experiment(data, tasks, seeds, Store(output / CELLS), finished)
    listed = []
    for source in sources:
        lengths = options.bits or [max(1, source.dim // part) for part in LENGTHS]
        chosen = configs(options.methods, lengths, options.remove) if source.is_vectors else [Config("table")]
        experiment.run(source, chosen)
        listed.append((source, chosen))
    return write_report(output, experiment, listed)


def _data(given: str | None) -> Path:
    if given is None:
        raise ValueError("no evaluation data: pass --data DIR or set SLIMVEC_DATA")
    if not Path(given).is_dir():
        raise FileNotFoundError(2, "no such folder of evaluation data", given)
    return Path(given)


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _numbers(text: str) -> list[int]:
    return [int(word) for word in _words(text)]


def _directions(text: str) -> list[int | str]:
    return [number_or_auto(word) for word in _words(text)]
