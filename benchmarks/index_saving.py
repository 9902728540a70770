"""What it takes to keep an index that grows on disk: adding, removing, saving, opening; beside faiss, which writes all.

Run: ``python -m benchmarks.index_saving``, with ``--rows`` for fewer. A million vectors of 384 numbers are 20,000
random ones, codes of which are repeated: what they say does not matter here. faiss has as many vectors, of 4 bits per
dimension, with ids (``IndexIDMap2``), and writes one file; it neither waits for the disk nor keeps the old file until
the new one is whole.
"""

from __future__ import annotations

import statistics
import tempfile
from functools import partial
from pathlib import Path

import numpy as np

import slimvec as sv
from benchmarks.common import parser, table, timed, write_result
from slimvec.index.ids import ids_of
from slimvec.index.segments import Segment

DIM, DISTINCT, ADDED, REMOVED = 384, 20_000, 1_000, 100
NEW = 10**12  # of ids that are added


def vectors() -> np.ndarray:
    X = np.random.default_rng(0).standard_normal((DISTINCT, DIM), dtype=np.float32)
    return X * np.linspace(2, 0.3, DIM, dtype=np.float32)


def written() -> int:
    """Return how many bytes this process has handed to the system so far."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("wchar"))


class Timings:
    """What steps took, in milliseconds, and what they wrote."""

    def __init__(self) -> None:
        self.times: dict[str, list[float]] = {}
        self.bytes: dict[str, list[int]] = {}

    def __call__(self, name, work, *arguments):
        before = written()
        found, seconds = timed(lambda: work(*arguments))
        self.times.setdefault(name, []).append(1e3 * seconds)
        self.bytes.setdefault(name, []).append(written() - before)
        return found

    def cell(self, name: str) -> str:
        times, sizes = self.times[name], self.bytes[name]
        size = f", {statistics.median(sizes) / 1e6:,.2f} (at most {max(sizes) / 1e6:,.2f}) MB" if max(sizes) else ""
        return f"{statistics.median(times):,.3g} (at most {max(times):,.3g}) ms{size}"


def ours(X: np.ndarray, ids: np.ndarray, folder: Path, turns: int) -> Timings:
    small = sv.Index.build(X)
    coder, part = small._state.coder, small._state.segments[0].parts
    repeated = coder.join([(part, np.arange(len(ids)) % len(X))])
    index, clock = sv.Index(coder, [Segment(repeated, ids_of(ids))], "integers", None), Timings()
    clock("first save", index.save, folder)
    del index, repeated
    for turn in range(turns):
        opened = clock("open", sv.open, folder)
        new = range(NEW + ADDED * turn, NEW + ADDED * (turn + 1))
        clock("add 1,000", partial(opened.add, X[:ADDED] + 0.1, ids=new))
        clock("save these", opened.save)
        for one in ids[REMOVED * turn : REMOVED * (turn + 1)].tolist():
            clock("remove one", opened.remove, one)
        clock("save that", opened.save)
        assert sv.open(folder).search(X[5] + 0.1, 1, where=list(new)).ids == [new[5]]
    assert len(sv.open(folder, verify=True)) == len(ids) + (ADDED - REMOVED) * turns
    return clock


def theirs(X: np.ndarray, ids: np.ndarray, path: str, turns: int) -> Timings:
    import faiss

    scalar, clock = faiss.IndexScalarQuantizer(DIM, faiss.ScalarQuantizer.QT_4bit), Timings()
    scalar.train(X)
    index = faiss.IndexIDMap2(scalar)
    for first in range(0, len(ids), len(X)):
        own = ids[first : first + len(X)]
        index.add_with_ids(X[: len(own)], own)
    clock("first save", faiss.write_index, index, path)
    del index, scalar
    for turn in range(turns):
        opened = clock("open", faiss.read_index, path)
        new = np.arange(NEW + ADDED * turn, NEW + ADDED * (turn + 1))
        clock("add 1,000", opened.add_with_ids, X[:ADDED] + 0.1, new)
        clock("save these", faiss.write_index, opened, path)
        clock("remove one", opened.remove_ids, ids[turn : turn + 1])
        clock("save that", faiss.write_index, opened, path)
    assert faiss.read_index(path).ntotal == len(ids) + (ADDED - 1) * turns
    return clock


def main():
    import faiss

    options = parser(__doc__, data=False, repeats=10)
    options.add_argument("--rows", type=int, default=1_000_000)
    given = options.parse_args()
    X, ids = vectors(), np.random.default_rng(1).permutation(given.rows).astype(np.int64) * 7
    with tempfile.TemporaryDirectory() as folder:
        own = ours(X, ids, Path(folder) / "index", given.repeats)
        sizes = [sum(one.stat().st_size for one in (Path(folder) / "index").iterdir())]
        faiss_own = theirs(X, ids, str(Path(folder) / "faiss"), given.repeats)
        sizes.append((Path(folder) / "faiss").stat().st_size)
    rows = [[name, own.cell(name), faiss_own.cell(name)] for name in own.times]
    rows.append(["on disk", *(f"{size / 1e6:,.0f} MB" for size in sizes)])
    title = f"Keeping an index of {given.rows:,} × {DIM} on disk"
    note = (
        f"Medians of {given.repeats} turns, and what was handed to the system to be written. In a turn slimvec removes "
    )
    note += f"{REMOVED} rows, one by one, and faiss ({faiss.__version__}) one."
    write_result("index_saving", title, [table(rows, ["", "slimvec", "faiss"]), note])


if __name__ == "__main__":
    main()
