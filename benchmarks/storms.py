"""What fitting costs where cores are busy or few: threads of the BLAS, which spin, beside threads of our own.

Every fit runs in an interpreter of its own, and both ways take turns. *Busy*: a process per core that only spins. *One
core of two*: the process may run on one core only, which it is told after NumPy has started its threads. *Quota*: a
control group that is given half of the machine's time, as a container is; left out where none can be made.

Run: ``python -m benchmarks.storms``
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from benchmarks.common import parser, table, write_result

SHAPES = [(400, 384), (2_000, 384), (20_000, 300)]
LONGEST = 40.0  # seconds; a fit that takes longer is stopped, and counts as that
QUOTA = Path("/sys/fs/cgroup/cpu/slimvec-benchmark")  # version 1
QUOTA_2 = Path("/sys/fs/cgroup/slimvec-benchmark")

FIT = """
import os, sys, time
import numpy as np
import slimvec as sv
from slimvec import blas

way, place, n, d = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
if way == "blas":  # threads are the BLAS's, as NumPy starts it, and none are ours
    blas._thread_calls = lambda: None
    blas.as_threads = lambda _: 1
X = np.random.default_rng(0).standard_normal((n, d), dtype=np.float32) * np.linspace(1.5, 0.2, d, dtype=np.float32)
sv.ITQ(16, n_iter=1).fit(X[:100])
if place == "one core of two":
    core = {min(os.sched_getaffinity(0))}
    for thread in os.listdir("/proc/self/task"):  # the BLAS has started its own
        os.sched_setaffinity(int(thread), core)
wall, cpu = time.perf_counter(), time.process_time()
sv.ITQ().fit(X)
print(time.perf_counter() - wall, time.process_time() - cpu)
"""


@contextmanager
def busy():
    """Keep every core busy with a process that only spins."""
    spin = [sys.executable, "-c", "while True: pass"]
    others = [subprocess.Popen(spin) for _ in os.sched_getaffinity(0)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def quota() -> Path | None:
    """Return the file that moves a process into a group with half of the machine's time, or None."""
    half = 50_000 * len(os.sched_getaffinity(0))
    try:
        if QUOTA.parent.is_dir():
            QUOTA.mkdir(exist_ok=True)
            (QUOTA / "cpu.cfs_period_us").write_text("100000")
            (QUOTA / "cpu.cfs_quota_us").write_text(str(half))
            return QUOTA / "cgroup.procs"
        QUOTA_2.mkdir(exist_ok=True)
        (QUOTA_2 / "cpu.max").write_text(f"{half} 100000")
    except OSError:
        return None
    return QUOTA_2 / "cgroup.procs"


def fit(way: str, place: str, shape: tuple[int, int], group: Path | None) -> tuple[float, float]:
    """Return the seconds and the CPU seconds of one fit."""
    join = (lambda: group.write_text(str(os.getpid()))) if place == "quota" and group else None
    command = [sys.executable, "-c", FIT, way, place, *map(str, shape)]
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, text=True, check=True, timeout=LONGEST, preexec_fn=join
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return LONGEST, LONGEST
    wall, cpu = map(float, done.stdout.split())
    return wall, cpu


def shown(seconds: float) -> str:
    return "stopped" if seconds >= LONGEST else f"{seconds:.2f}"


def rows_of(place: str, repeats: int, group: Path | None) -> list[list[str]]:
    rows = []
    for shape in SHAPES:
        turns = [[fit(way, place, shape, group) for way in ("blas", "ours")] for _ in range(repeats)]
        blas, ours = (
            [statistics.median(one[way][part] for one in turns) for part in (0, 1)] for way in (0, 1)
        )  # fmt: skip
        ratios = sorted(one[0][0] / one[1][0] for one in turns)
        stopped = any(one[0][0] >= LONGEST for one in turns)  # then it is more than that
        spread = f"{'> ' * stopped}{ratios[0]:.1f} – {ratios[-1]:.1f}"
        cells = [shown(blas[0]), shown(blas[1]), shown(ours[0]), shown(ours[1]), spread]
        rows.append([place, f"{shape[0]:,} × {shape[1]}", *cells])
        print(rows[-1], flush=True)
    return rows


def main():
    options = parser(__doc__, data=False, repeats=3).parse_args()
    load = os.getloadavg()[0]
    group = quota()
    rows = rows_of("as it is", options.repeats, group)
    with busy():
        rows += rows_of("busy", options.repeats, group)
    rows += rows_of("one core of two", options.repeats, group)
    if group is not None:
        rows += rows_of("quota", options.repeats, group)
        group.parent.rmdir()
    header = ["", "rows", "BLAS's threads: s", "CPU s", "ours: s", "CPU s", "times faster, least – most"]
    text = (
        f"`ITQ().fit`, 50 iterations, median of {options.repeats} turns. The load when it started was {load:.1f} on "
        f"{len(os.sched_getaffinity(0))} cores: where that is not near 0, other programs made all rows of this table "
        "busy ones."
    )
    write_result("storms", "Fitting where cores are busy", [text, table(rows, header)])


if __name__ == "__main__":
    main()
