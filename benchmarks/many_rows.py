"""Lists over ten million rows: building them from a mapped file, opening, and one query beside a scan of everything.

Each row is made of four sentence embeddings of ``minilm-sentences`` and noise, in float16; the file (7.7 GB) is deleted
afterwards. Every job runs in a process of its own. Memory of building is what the process holds beside mapped files,
the finished table included; that of queries is what they bring in of the file, with what is looked at before the first
search: centroids, directions, and the row at each position. Queries are made as rows are. Recall is that of the codes:
how many of the ten rows that a scan of all lists finds a query finds in a few.

Run: ``python -m benchmarks.many_rows``; ``--rows 1000000`` for a shorter one, to which faiss' lists are compared.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.common import data_or_skip, load_rows, parser, table, unit, write_result

N_ROWS, N_COMPARED = 10_000_000, 1_000_000
BLOCK = 100_000
MIXED, NOISE = 4, 0.5
N_QUERIES, N_ASKED = 1000, 100  # asked in a few lists, and in all
PROBES = (8, 16, 32, 64, 128, 256, 512)
WANTED = 0.9

BUILD = """
import json, os, sys, threading, time
import numpy as np
import slimvec as sv
source, target, stopped = sys.argv[1], sys.argv[2], threading.Event()
most = []
def held():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon"))
def watch():
    while not stopped.wait(0.02):
        most[-1] = max(most[-1], held())
before = held()
most.append(0)
watching = threading.Thread(target=watch)
watching.start()
marks = [(time.perf_counter(), time.process_time())]
rows = np.load(source, mmap_mode="r")
coding = sv.TransformCoding(rows.shape[1], partitions="auto").fit(rows)
most.append(0)
marks.append((time.perf_counter(), time.process_time()))
made = coding.to_table(rows)
most.append(0)
marks.append((time.perf_counter(), time.process_time()))
made.save(target)
marks.append((time.perf_counter(), time.process_time()))
stopped.set()
watching.join()
steps = [[b - a for a, b in zip(one, other)] for one, other in zip(marks, marks[1:])]
most = [(one - before) / 1024 for one in most]
print(json.dumps({"steps": steps, "most_mb": most, "table_mb": os.path.getsize(target) / 1e6}))
"""
ASK = """
import json, sys, time
import numpy as np
import slimvec as sv
from slimvec.binary.probing import probe_order
queries, probes = np.load(sys.argv[2]), json.loads(sys.argv[3])
start = time.perf_counter()
table = sv.open(sys.argv[1])
opening = time.perf_counter() - start
def turn(n, n_asked):
    found, times = [], []
    for query in queries[:n_asked]:
        start = time.thread_time()
        found.append(table.search(query[None], 10, probes=n, threads=1).indices[0].tolist())
        times.append(time.thread_time() - start)
    return {"found": found, "median": float(np.median(times))}
def mb_of_lists(n):
    parts = table._parts
    lists = np.unique(probe_order(parts, queries, "cosine")[:, :n])
    rows = np.diff(parts.partition.starts)[lists].sum()
    return rows * sum(array.nbytes for array in parts.of_rows().values()) / len(table) / 1e6
turns, resident, held = {}, {}, {}
for n in probes:
    turn(n, len(queries))
    resident[n] = table.info()["resident"] / 1e6
    turns[n] = turn(n, len(queries))
    held[n] = mb_of_lists(n)
print(json.dumps({"opening": opening, "turns": turns, "resident": resident, "held": held,
                  "all": turn(None, int(sys.argv[4])), "n_lists": table.info()["lists"]}))
"""
FAISS = """
import json, sys, time
import faiss, numpy as np
rows, n_lists = np.load(sys.argv[1], mmap_mode="r"), int(sys.argv[2])
faiss.omp_set_num_threads(2)
d = rows.shape[1]
start, worked = time.perf_counter(), time.process_time()
index = faiss.index_factory(d, f"IVF{n_lists},RaBitQ", faiss.METRIC_INNER_PRODUCT)
sample = np.random.default_rng(0).choice(len(rows), min(len(rows), 32 * n_lists), replace=False)
index.train(rows[np.sort(sample)].astype(np.float32))
for first in range(0, len(rows), 100_000):
    index.add(rows[first : first + 100_000].astype(np.float32))
print(json.dumps({"seconds": time.perf_counter() - start, "cpu": time.process_time() - worked}))
"""


def make_rows(sentences: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Return rows of length one, each between some sentences."""
    generator = np.random.default_rng(seed)
    rows = generator.standard_normal((n, sentences.shape[1]), dtype=np.float32)
    rows *= np.float32(NOISE / sentences.shape[1] ** 0.5)
    for _ in range(MIXED):
        weights = generator.standard_exponential((n, 1), dtype=np.float32)
        rows += weights * sentences[generator.integers(0, len(sentences), n)]
    return unit(rows)


def make_file(path: Path, sentences: np.ndarray, n_rows: int) -> None:
    file = np.lib.format.open_memmap(path, "w+", np.float16, (n_rows, sentences.shape[1]))
    for i, first in enumerate(range(0, n_rows, BLOCK)):
        n = min(BLOCK, n_rows - first)
        file[first : first + n] = make_rows(sentences, n, i + 1)
    file.flush()


def out_of_cache(path: Path) -> None:
    """Let the system forget what it has in memory of a file."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def told(code: str, *arguments: object) -> dict:
    """Return what a process of its own prints last."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "2", "PYTHONPATH": os.pathsep.join(sys.path)}
    printed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment).stdout
    return json.loads(printed.splitlines()[-1])


def build_section(built: dict, n_rows: int) -> str:
    names = ("learning the lists and codes", "coding all rows", "saving")
    steps = zip(names, built["steps"], built["most_mb"], strict=True)
    lines = [[name, f"{wall:.0f}", f"{cpu:.0f}", f"{held:.0f}"] for name, (wall, cpu), held in steps]
    together = (f"{sum(times):.0f}" for times in zip(*built["steps"], strict=True))
    lines.append(["all", *together, f"{max(built['most_mb']):.0f}"])
    return (
        f"## Building, {n_rows:,} rows\n\n{table(lines, ['', 'seconds', 'CPU seconds', 'MB held at most'])}\n\n"
        f"The file has {built['table_mb']:.0f} MB, {1e6 * built['table_mb'] / n_rows:.0f} bytes a row."
    )


def ask_section(asked: dict) -> tuple[str, float]:
    """Return the text, and how many times as long as the cheapest setting of wanted recall a scan takes."""
    everything = asked["all"]
    lines, enough = [], []
    for n in map(str, PROBES):
        turn = asked["turns"][n]
        pairs = zip(turn["found"], everything["found"], strict=False)
        share = float(np.mean([len(set(a) & set(b)) / len(b) for a, b in pairs]))
        times = everything["median"] / turn["median"]
        if share >= WANTED:
            enough.append(times)
        per_query = f"{1e3 * turn['median']:.2f}"
        memory = [f"{asked['held'][n]:.0f}", f"{asked['resident'][n]:.0f}"]
        lines.append([n, f"{share:.3f}", per_query, f"1/{times:.0f}", *memory])
    lines.append([f"all {asked['n_lists']:,}", "1", f"{1e3 * everything['median']:.1f}", "1", "", ""])
    header = [
        "lists read",
        "found of what all lists give",
        "ms of a query alone",
        "of a scan",
        "MB in all lists that they read",
        "MB of the file in memory then",
    ]
    text = f"## Asking\n\nOpened in {1e3 * asked['opening']:.1f} ms. {N_QUERIES:,} queries, one by one.\n\n"
    return text + table(lines, header), max(enough, default=0.0)


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--rows", type=int, default=N_ROWS, help="rows (default: %(default)s)")
    options.add_argument("--folder", type=Path, help="where the file is made")
    options = options.parse_args()
    sentences = load_rows(data_or_skip(options), "minilm-sentences")
    with tempfile.TemporaryDirectory(dir=options.folder) as temporary:
        folder = Path(temporary)
        rows, made, queries = folder / "rows.npy", folder / "made.slim", folder / "queries.npy"
        make_file(rows, sentences, options.rows)
        np.save(queries, make_rows(sentences, N_QUERIES, 0))
        print("rows are made", flush=True)
        built = told(BUILD, rows, made)
        sections = [build_section(built, options.rows)]
        print(sections[0], flush=True)
        out_of_cache(made)
        asked = told(ASK, made, queries, json.dumps(PROBES), N_ASKED)
        text, times = ask_section(asked)
        assert times > 1, "no number of lists finds enough in less time than a scan"
        sections.append(text)
        print(text, flush=True)
        if options.rows > N_COMPARED:
            make_file(rows, sentences, N_COMPARED)
            built = told(BUILD, rows, made)
        n_lists = told(ASK, made, queries, json.dumps(PROBES[:1]), 1)["n_lists"]
        theirs = told(FAISS, rows, n_lists)
        lines = [["slimvec", *(f"{sum(times):.0f}" for times in zip(*built["steps"], strict=True))]]
        lines.append(["faiss `IVF,RaBitQ`", f"{theirs['seconds']:.0f}", f"{theirs['cpu']:.0f}"])
        compared = min(options.rows, N_COMPARED)
        title = f"## Building beside faiss, {compared:,} rows in {n_lists:,} lists, two threads\n\n"
        sections.append(title + table(lines, ["", "seconds", "CPU seconds"]))
    write_result("many_rows", "Lists over many rows", sections)


if __name__ == "__main__":
    main()
