"""Fitting and encoding files by workers of a Dask cluster: time beside one worker, memory, and the same answers.

Rows are made up and written to 40 files of float16, which are deleted afterwards. A ``LocalCluster`` of two processes
of one thread each and one of a single such process go over the same files; estimators and files must be the same to the
bit, and so must the answers of shards and of one file.

Run: ``python -m benchmarks.beyond``; ``--rows`` for fewer, as 10 million take 2.6 GB. Needs the extra ``dask``.
"""

from __future__ import annotations

import os
import resource
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np

import slimvec as sv
from benchmarks.common import parser, table, timed, write_result
from slimvec.blas import alone

DIM, FILES, BITS = 128, 40, 128
SHARD_ROWS = 1 << 18
FITTED = ("mean_", "projection_", "singular_values_", "quantization_loss_")


def make_files(folder: Path, n_rows: int) -> list[Path]:
    """Write rows with a decaying spectrum, a file at a time."""
    generator = np.random.default_rng(0)
    mixing = generator.standard_normal((DIM, DIM), dtype=np.float32) * np.linspace(1.5, 0.2, DIM)[:, None]
    mixing = mixing.astype(np.float32) / DIM**0.5
    paths = [folder / f"part-{i:02}.npy" for i in range(FILES)]
    for i, path in enumerate(paths):
        n = n_rows * (i + 1) // FILES - n_rows * i // FILES
        file = np.lib.format.open_memmap(path, "w+", np.float16, (n, DIM))
        for first in range(0, n, 1 << 14):
            rows = min(1 << 14, n - first)
            file[first : first + rows] = generator.standard_normal((rows, DIM), dtype=np.float32) @ mixing
        del file
    return paths


def resident() -> float:
    """Return the most MB that this process has had in memory, mapped files included."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def by_cluster(n_workers: int, paths: list[Path], folder: Path, *, keep: bool) -> tuple[sv.IIQ, list[float], float]:
    """Return the estimator, the seconds of fit and encoding and those of the workers' CPUs, and a worker's most MB.

    ``keep`` lets workers keep memory that they have used, which Dask's own setting gives back after every block.
    """
    import dask
    from distributed import Client, LocalCluster

    environment = "distributed.nanny.pre-spawn-environ"
    kept = {name: value for name, value in dask.config.get(environment).items() if not name.startswith("MALLOC")}
    if keep:
        dask.config.set({environment: kept})
        os.environ.pop("MALLOC_TRIM_THRESHOLD_", None)  # where an earlier cluster has put it, for its children
    options = {"n_workers": n_workers, "threads_per_worker": 1, "processes": True, "host": "127.0.0.1"}
    with LocalCluster(**options, dashboard_address=None) as cluster, Client(cluster) as client:
        executor = client.get_executor()
        client.run(lambda: __import__("slimvec").IIQ)
        before = sum(client.run(time.process_time).values())
        iiq, fitting = timed(lambda: sv.IIQ(BITS, n_remove=0).fit(paths, executor=executor))
        encoded = timed(lambda: iiq.to_shards(paths, folder, factors=True, shard_rows=SHARD_ROWS, executor=executor))
        worked = sum(client.run(time.process_time).values()) - before
        return iiq, [fitting, encoded[1], worked], max(client.run(resident).values())


def here(paths: list[Path], folder: Path) -> tuple[sv.IIQ, list[float], float]:
    """Do the same without Dask, by one thread of this process."""
    from concurrent.futures import ThreadPoolExecutor

    before = time.process_time()
    with alone(), ThreadPoolExecutor(1) as executor:
        iiq, fitting = timed(lambda: sv.IIQ(BITS, n_remove=0).fit(paths, executor=executor))
        encoding = timed(lambda: iiq.to_shards(paths, folder, factors=True, shard_rows=SHARD_ROWS, executor=executor))[
            1
        ]
    return iiq, [fitting, encoding, time.process_time() - before], resident()


def assert_same(first: tuple[sv.IIQ, Path], second: tuple[sv.IIQ, Path]) -> None:
    for name in FITTED:
        assert np.array_equal(getattr(first[0], name), getattr(second[0], name)), name
    assert [path.name for path in sorted(first[1].iterdir())] == [path.name for path in sorted(second[1].iterdir())]
    assert all((first[1] / path.name).read_bytes() == path.read_bytes() for path in second[1].iterdir())


def search_section(folder: Path, one: Path, queries: np.ndarray) -> str:
    shards = sv.open(folder)
    merging = timed(lambda: shards.save(one))[1]
    whole = sv.open(one)
    rows = []
    for label, options in [("shortlist", {}), ("every row", {"oversample": None})]:
        times: dict[str, list[float]] = {"one file": [], "shards": []}
        for _ in range(3):
            for name, opened in (("one file", whole), ("shards", shards)):
                found, seconds = timed(partial(opened.search, queries, 10, **options))
                times[name].append(seconds)
                expected = whole.search(queries, 10, **options) if name == "shards" else found
                assert np.array_equal(found.scores, expected.scores)
                assert np.array_equal(found.indices, expected.indices)
        best = [min(times[name]) * 1000 / len(queries) for name in times]
        rows.append([label, *(f"{value:.2f}" for value in best), f"{best[1] / best[0]:.2f}"])
    n = len(shards._parts.of_shards)
    text = f"## The {n} shards, and one file of them\n\n`slimvec merge` took {merging:.1f} s. Answers are equal to the "
    text += f"bit. Milliseconds for each of {len(queries)} queries, the best of three turns:\n\n"
    return text + table(rows, ["10 neighbours by", "one file", "shards", "times"])


def main() -> None:
    options = parser(__doc__ or "", data=False)
    options.add_argument("--rows", type=int, default=10_000_000)
    options.add_argument("--folder", type=Path, help="where the files go for a while")
    options = options.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        paths = make_files(folder, options.rows)
        size = sum(path.stat().st_size for path in paths)
        made = {}
        ways = {
            "Dask, one process of one thread": lambda place: by_cluster(1, paths, place, keep=False),
            "Dask, two processes of one thread": lambda place: by_cluster(2, paths, place, keep=False),
            "one process, memory kept": lambda place: by_cluster(1, paths, place, keep=True),
            "two processes, memory kept": lambda place: by_cluster(2, paths, place, keep=True),
            "no Dask, one thread": lambda place: here(paths, place),
        }
        client = resident()
        for number, (label, run) in enumerate(ways.items()):
            made[label] = run(folder / f"table{number}")
            if "two" in label:
                client = resident()
        places = [(iiq, folder / f"table{i}") for i, (iiq, _, _) in enumerate(made.values())]
        for other in places[1:]:
            assert_same(places[0], other)
        base = sum(next(iter(made.values()))[1][:2])
        rows = [
            [label, *(f"{value:.1f}" for value in seconds), f"{base / sum(seconds[:2]):.2f}", f"{mb:.0f}"]
            for label, (_, seconds, mb) in made.items()
        ]
        kept = "Memory kept: `MALLOC_TRIM_THRESHOLD_` is left as the system has it; Dask's own setting gives memory "
        kept += (
            "back, page by page, after every block. CPU seconds are those of all workers, in the last with learning. "
        )
        kept += f"Load of the machine before: {load:.1f}; where that is above its cores, trust CPU seconds alone."
        what = f"{options.rows:,} × {DIM} float16 in {FILES} files, {size / 1e6:,.0f} MB → {BITS} bits with factors"
        text = f"## {what}\n\nEstimators and files of all are the same to the bit. The process that asked, and "
        text += f"learnt from sums and the sample, had at most {client:.0f} MB.\n\n"
        header = ["", "fit, seconds", "encode and write", "CPU seconds", "times as fast", "MB of a worker"]
        queries = np.load(paths[0], mmap_mode="r")[:64].astype(np.float32) + 0.1
        sections = [
            f"{text}{table(rows, header)}\n\n{kept}",
            search_section(folder / "table0", folder / "one.slim", queries),
        ]
    write_result("beyond", "Files that workers go over", sections)


if __name__ == "__main__":
    main()
