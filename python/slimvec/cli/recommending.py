"""``slimvec recommend``: which codes a recall takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slimvec.cli.bars import Bars

if TYPE_CHECKING:
    import argparse

    from slimvec.index.checked_rows import OnBad


def add_command(commands: Any) -> None:
    """Add the command and its options."""
    parser = commands.add_parser("recommend", help="measure which codes find a share of the true neighbours")
    parser.add_argument("input", metavar="IN", nargs="+", help="vectors: .npy, Parquet and whatever compress reads")
    parser.add_argument("--recall", type=float, metavar="X", help="share to be found (default: 0.95)")
    parser.add_argument(
        "--budget", type=float, metavar="N", help="bytes per row, at most; without --recall, the most that they buy"
    )
    parser.add_argument("-k", type=int, default=10, help="neighbours (default: %(default)s)")
    parser.add_argument("--vectors", metavar="COLUMN", help="of Parquet and Arrow files, where there is a choice")
    parser.add_argument("--skip-bad", action="store_true", help="leave out rows that are no vectors")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from slimvec.recommending.recommend import recommend  # learners, for which `slimvec -h` need not wait

    recall = 0.95 if options.recall is None and options.budget is None else options.recall
    source = options.input[0] if len(options.input) == 1 else options.input
    on_bad: OnBad = "skip" if options.skip_bad else "raise"
    with Bars() as progress:
        found = recommend(
            source,
            recall,
            options.k,
            budget=options.budget,
            vectors=options.vectors,
            on_bad=on_bad,
            progress=progress,
        )
    print(found)
