"""What a billion rows take: files, passes over them, memory of workers and search, from figures measured here.

Rows are made up, 384 numbers of float16 in files, and one thread of a process of its own fits, encodes and searches a
table of them in shards. What a billion take is arithmetic from there, and said to be; it leaves out the time to fetch
rows from a store that is slower than this machine's disk, whose speed is given that it must have.

How often Dask reads rows is counted, too: its tasks by name, for a stack of 40 files.

Run: ``python -m benchmarks.plan``; ``--rows`` for another number of rows to measure. Needs the extra ``dask``.
"""

from __future__ import annotations

import multiprocessing
import resource
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

import slimvec as sv
from benchmarks.common import parser, table, timed, write_result
from slimvec.blas import alone
from slimvec.shards.sharded_codes import best_of

DIM, BITS, REFINED, K = 384, 384, 4, 10
SHARD_ROWS = 1 << 20
FILE_ROWS = 1 << 15
SMALL = 20_000  # rows of a fit that is learning for the most part
BATCHES = (1, 64)
PLANNED = 10**9
WORKERS = (16, 64, 256)
METHODS = {
    "IIQ, 1 bit, factors": (lambda: sv.IIQ(BITS, n_remove=0), {"factors": True}),
    "TransformCoding, 1 + 4 bits": (lambda: sv.TransformCoding(BITS, refine_bits=REFINED), {}),
}


class Measured(NamedTuple):
    """Figures of one thread."""

    fit_rows: float  # per second
    encoded_rows: float  # per second
    bytes_per_row: float
    seconds: dict[int, float]  # of each size of batch, for a shard of SHARD_ROWS rows
    megabytes: float  # most that the process had in memory, mapped files included


def make_files(folder: Path, n_rows: int) -> list[Path]:
    """Write rows with a decaying spectrum to files of so many that mapping one does not count for memory."""
    generator = np.random.default_rng(0)
    mixing = generator.standard_normal((DIM, DIM), dtype=np.float32) * np.linspace(1.5, 0.2, DIM)[:, None] / DIM**0.5
    paths = []
    for first in range(0, n_rows, FILE_ROWS):
        rows = generator.standard_normal((min(FILE_ROWS, n_rows - first), DIM), dtype=np.float32) @ mixing
        paths.append(folder / f"part-{first:08}.npy")
        np.save(paths[-1], rows.astype(np.float16))
    return paths


def measure(name: str, paths: list[Path], folder: Path, n: int) -> Measured:
    """Fit, encode and search with one thread: called in a process of its own."""
    make, options = METHODS[name]
    with alone(), ThreadPoolExecutor(1) as executor:
        method = make()
        small = np.load(paths[0], mmap_mode="r")[:SMALL]
        learning = timed(lambda: make().fit(small, executor=executor))[1]
        _, fitting = timed(lambda: method.fit(paths, executor=executor))
        shards, encoding = timed(
            lambda: method.to_shards(paths, folder, shard_rows=SHARD_ROWS, executor=executor, **options)
        )
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    size = sum(file.stat().st_size for file in folder.iterdir())
    queries = np.load(paths[0])[: max(BATCHES)].astype(np.float32) + 0.05
    there = sv.open(folder).by(ThreadPoolExecutor(1))
    seconds = {}
    for batch in BATCHES:
        asking = partial(shards.search, queries[:batch], K, threads=1)
        assert np.array_equal(asking().indices, there.search(queries[:batch], K).indices)
        turns = [timed(asking)[1] for _ in range(7)]
        seconds[batch] = float(np.median(turns)) * SHARD_ROWS / n
    passing = fitting - learning  # learning from sums and the sample does not grow with n
    return Measured((n - SMALL) / passing, n / encoding, size / n, seconds, most)


def merging(n_shards: int, batch: int) -> float:
    """Return the seconds that it takes to merge the answers of many shards."""
    generator = np.random.default_rng(0)
    scores = -np.sort(-generator.standard_normal((n_shards, batch, K)).astype(np.float32), axis=2)
    found = [(own, np.zeros((batch, K), np.int64), number) for number, own in enumerate(scores)]
    start = time.perf_counter()
    best_of(found, K, batch, np.float32, -1)
    return time.perf_counter() - start


def planned(measured: Measured) -> list[list[str]]:
    """Return a row of the plan for each number of workers."""
    n_shards = -(-PLANNED // SHARD_ROWS)
    merged = {batch: merging(n_shards, batch) for batch in BATCHES}
    rows = []
    for workers in WORKERS:
        own = -(-n_shards // workers)
        fit, encode = (PLANNED / rate / workers for rate in (measured.fit_rows, measured.encoded_rows))
        reading = measured.encoded_rows * DIM * 2 / 1e6
        held = own * SHARD_ROWS * measured.bytes_per_row / 1e9
        batches = [own * measured.seconds[batch] + merged[batch] for batch in BATCHES]
        rows.append(
            [
                f"{workers}",
                f"{fit / 60:.1f}",
                f"{encode / 60:.1f}",
                f"{reading:.0f}",
                f"{own}",
                f"{held:.1f}",
                *(f"{seconds * 1000:.0f}" for seconds in batches),
            ]
        )
    return rows


def section(name: str, measured: Measured, n_rows: int) -> str:
    n_shards = -(-PLANNED // SHARD_ROWS)
    said = [
        [f"rows a second, pass for the sums, of {n_rows:,}", f"{measured.fit_rows:,.0f}"],
        ["rows a second, codes and files", f"{measured.encoded_rows:,.0f}"],
        ["bytes a row, everything included", f"{measured.bytes_per_row:.1f}"],
        *(
            [
                f"ms for {batch} {'query' if batch == 1 else 'queries'}, a shard of {SHARD_ROWS:,} rows",
                f"{1000 * s:.2f}",
            ]
            for batch, s in measured.seconds.items()
        ),
        ["most MB of the process that fitted and encoded", f"{measured.megabytes:.0f}"],
    ]
    header = ["workers of one thread", "sums, minutes", "codes, minutes", "MB/s read by each", "shards of each"]
    header += ["GB of codes of each", *(f"ms for {batch}" for batch in BATCHES)]
    total = PLANNED * measured.bytes_per_row / 1e9
    text = f"## {name}\n\nMeasured, one thread:\n\n{table(said, ['', ''])}\n\n"
    text += f"Computed for {PLANNED:,} × {DIM}: {n_shards} shards of {SHARD_ROWS:,} rows, {total:.0f} GB, from "
    text += f"{PLANNED * DIM * 2 / 1e9:.0f} GB of float16:\n\n{table(planned(measured), header)}"
    return text


def passes(folder: Path, chunks: int = 40, chunk_rows: int = 1000) -> str:
    """Return what tasks Dask runs for a fit and for writing shards of blocks that lie in files."""
    import dask
    import dask.array as da
    from dask.callbacks import Callback
    from dask.utils import key_split

    class Counting(Callback):
        def __init__(self) -> None:
            super().__init__()
            self.counts: Counter[str] = Counter()

        def _pretask(self, key, dsk, state) -> None:
            self.counts[key_split(key)] += 1

    rows = np.random.default_rng(0).standard_normal((chunks * chunk_rows, 64), dtype=np.float32)
    da.to_npy_stack(folder / "stack", da.from_array(rows, chunks=(chunk_rows, 64)))
    stack = da.from_npy_stack(folder / "stack")
    method, ran = sv.IIQ(64, n_remove=0), {}
    with dask.config.set(scheduler="synchronous"):
        for name, work in {
            "fit": lambda: method.fit(stack),
            "to_shards": lambda: method.to_shards(stack, folder / "shards", shard_rows=8192),
            "transform": lambda: method.transform(stack).compute(),
        }.items():
            with Counting() as counting:
                work()
            assert counting.counts["from-npy-stack"] == chunks, "each block is read once"
            ran[name] = counting.counts
    rows_of = [[name, ", ".join(f"{task} {n}" for task, n in sorted(counts.items()))] for name, counts in ran.items()]
    text = f"## How often Dask reads\n\nTasks by name, of {chunks} blocks that `from_npy_stack` reads:\n\n"
    return text + table(rows_of, ["", "tasks"])


def main() -> None:
    options = parser(__doc__ or "", data=False)
    options.add_argument("--rows", type=int, default=SHARD_ROWS)
    options = options.parse_args()
    sections = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = make_files(folder, options.rows)
        for number, method in enumerate(METHODS):
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                measured = pool.apply(measure, (method, paths, folder / f"table{number}", options.rows))
            sections.append(section(method, measured, options.rows))
        read = passes(folder)
    notes = (
        "Times of a batch: the shards of a worker one after the other, and merging all answers, without the network; "
    )
    notes += "a worker that has as much memory as its codes take reads no disk."
    write_result("plan", "What a billion rows take", [*sections, notes, read])


if __name__ == "__main__":
    main()
