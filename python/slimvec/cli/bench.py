"""``slimvec bench``: one page of what this machine does, beside NumPy and the peers that are installed."""

from __future__ import annotations

import os
import platform
import statistics
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import slimvec as sv
from slimvec.blas import alone
from slimvec.cli.contests import Contest, contests

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

ROWS, FEWEST = 200_000, 1_000
TURNS = 5
PEERS = ("faiss", "usearch", "scipy")


def add_command(commands: Any) -> None:
    """Add the command."""
    bench = commands.add_parser(
        "bench",
        help="time searches, encoding and lookups on this machine, beside NumPy and what else is installed",
        description="Make data, ask slimvec, NumPy and the peers that are installed the same questions on one thread, "
        "compare the answers, and print the times of those who are right: a page, in less than a minute. Nothing is "
        "written.",
    )
    bench.add_argument(
        "--rows", type=int, default=ROWS, metavar="N", help="of the largest table (default: %(default)s)"
    )
    bench.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    if options.rows < FEWEST:
        raise ValueError(f"--rows must be at least {FEWEST}, so that there is something to time, not {options.rows}")
    print(f"slimvec {sv.__version__}, {sv.active_isa()}; {_machine()}")
    print(f"Made-up data, one thread, medians of {TURNS} turns; answers are compared before they are timed.")
    with alone(), _one_thread_of_faiss():
        for contest in contests(options.rows):
            print(f"\n{contest.title}")
            for line in judged(contest):
                print(f"  {line}")
    missing = [name for name in PEERS if find_spec(name) is None]
    if missing:
        print(f"\nNot installed, and so not asked: {', '.join(missing)}.")


def judged(contest: Contest) -> list[str]:
    """Return a line for each contestant: its time, and how many times as fast as the first it is.

    Raises
    ------
    SystemExit
        If slimvec's answer is wrong: then no time means anything.
    """
    told: dict[str, str] = {}
    right: Any = None
    running: dict[str, Callable[[], Any]] = {}
    for name, ask in contest.contestants.items():
        ours = name.startswith("slimvec")
        try:
            answer = ask()
        except Exception as error:
            if ours or right is None:
                raise
            told[name] = f"failed, {type(error).__name__}"  # another version than we know of
            continue
        right = answer if right is None else right
        if contest.agree(name, right, answer):
            running[name] = ask
            told[name] = contest.told(right, answer)
        elif ours:
            raise SystemExit(f"slimvec: a wrong answer, and a fault to report with slimvec --version: {contest.title}")
        else:
            told[name] = "another answer, not timed"
    seconds = _in_turns(running)
    first = next(iter(seconds.values()), 0.0)
    lines = []
    for name in contest.contestants:
        if name in seconds:
            took = seconds[name]
            times = f"{_shown(took / contest.count):>9} {contest.per:8}{first / took:8.1f} ×"
            lines.append(f"{name:36}{times}  {told[name]}".rstrip())
        else:
            lines.append(f"{name:36}{told[name]}")
    return lines


def _in_turns(running: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Return median seconds. Contestants take turns, so that a noisy moment hits all alike."""
    times: dict[str, list[float]] = {name: [] for name in running}
    for _ in range(TURNS):
        for name, ask in running.items():
            start = time.perf_counter()
            ask()
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(taken) for name, taken in times.items()}


def _shown(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


class _one_thread_of_faiss:  # noqa: N801 - reads like a function
    """Hold faiss, if it is there, to one thread for a while."""

    def __enter__(self) -> None:
        try:
            import faiss
        except ImportError:
            self._faiss: Any = None
            return
        self._faiss, self._before = faiss, faiss.omp_get_max_threads()
        faiss.omp_set_num_threads(1)

    def __exit__(self, *_: object) -> None:
        if self._faiss is not None:
            self._faiss.omp_set_num_threads(self._before)


def _machine() -> str:
    name = platform.processor() or platform.machine()
    told = Path("/proc/cpuinfo")
    if told.exists():
        models = [
            line.split(":", 1)[1].strip() for line in told.read_text().splitlines() if line.startswith("model name")
        ]
        name = models[0] if models else name
    return f"{name}, {os.cpu_count()} CPUs; Python {platform.python_version()}, NumPy {np.__version__}"
