"""What fitting costs: time beside faiss and beside bare matrix products, the choice of max_train_rows, and memory.

Two threads (as many as the machine has cores). faiss.ITQTransform(d, d, True) is centring, PCA and ITQ, trained on at
most 32,768 rows; slimvec's default takes mean and directions from all rows and learns the rotation on 10,000.

Run: ``python -m benchmarks.fit``; without ``--data`` it leaves out the choice of max_train_rows.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

import numpy as np

import slimvec as sv
from benchmarks.common import (
    cosine_neighbours,
    held_out,
    interleaved,
    load_rows,
    numbers_of,
    parser,
    recall,
    table,
    timed,
    write_result,
)

ROWS, DIM, N_ITER = 200_000, 300, 50


def correlated(n: int, d: int) -> np.ndarray:
    """Rows with the decaying spectrum of word vectors."""
    generator = np.random.default_rng(0)
    mixing = generator.standard_normal((d, d), dtype=np.float32) * np.linspace(1.5, 0.2, d, dtype=np.float32)[:, None]
    return generator.standard_normal((n, d), dtype=np.float32) @ mixing / d**0.5


def bare_products(X: np.ndarray) -> None:
    """The two products of an iteration, and nothing else, into memory allocated once."""
    d = X.shape[1]
    W, U, M = np.eye(d, dtype=np.float32), np.empty_like(X), np.empty((d, d), np.float32)
    for _ in range(N_ITER):
        np.matmul(X, W, out=U)
        np.matmul(X.T, U, out=M)


def time_section(repeats: int) -> str:
    import faiss

    X = correlated(ROWS, DIM)
    contestants = {
        "slimvec.ITQ(300), defaults": lambda: sv.ITQ(DIM).fit(X),
        "slimvec.IIQ(300, n_remove=2), defaults": lambda: sv.IIQ(DIM, 2).fit(X),
        "faiss.ITQTransform(300, 300, True)": lambda: faiss.ITQTransform(DIM, DIM, True).train(X),
    }
    times = interleaved(contestants, repeats)
    base = times["faiss.ITQTransform(300, 300, True)"]
    rows = [[name, f"{seconds:.2f}", f"{base / seconds:.1f}"] for name, seconds in times.items()]
    text = f"## {ROWS:,} × {DIM} float32 → {DIM} bits, {N_ITER} iterations\n\n"
    text += table(rows, ["", "seconds", "times faster than faiss"])

    # All rows: what lies beyond the products is signs, blocks and small SVDs. Turns of product and fit, so that both
    # see the same noise.
    pairs = [
        (timed(lambda: bare_products(X))[1], timed(lambda: sv.ITQ(DIM, max_train_rows=None).fit(X))[1])
        for _ in range(max(3, repeats // 2))
    ]
    bare, fit = (float(np.median(column)) for column in zip(*pairs, strict=True))
    text += f"\n\nAll {ROWS:,} rows (`max_train_rows=None`): {fit:.1f} s, {fit / bare:.3f} times the "
    return text + f"{2 * N_ITER} bare NumPy products of {N_ITER} iterations alone ({bare:.1f} s)."


def sample_section(data: Path) -> str:
    rows = []
    for name in ("numberbatch", "glove-enwiki"):
        base, queries = held_out(load_rows(data, name))
        truth = cosine_neighbours(base, queries, 10)
        for n_train in (3_000, 5_000, 10_000, 20_000, 40_000, None):
            found, losses, seconds = [], [], []
            for seed in range(5):
                itq = sv.ITQ(max_train_rows=n_train, random_state=seed)
                seconds.append(timed(partial(itq.fit, base))[1])
                values = (base - itq.mean_) @ itq.projection_
                losses.append(float(((np.where(values >= 0, 1, -1) - values) ** 2).mean()))
                index = sv.HammingIndex(itq.transform(base), base.shape[1])
                found.append(recall(index.search(itq.transform(queries), 10).indices, truth))
            spread = f"{np.mean(found):.4f} ± {np.std(found):.4f}"
            label = f"{len(base):,} (all)" if n_train is None else f"{n_train:,}"
            rows.append([name, label, f"{np.mean(losses):.5f}", spread, f"{np.median(seconds):.2f}"])
    header = ["", "max_train_rows", "loss over all rows", "recall@10 ± spread of 5 seeds", "seconds to fit"]
    return "## Rows that the rotation is learnt on (ITQ, 300 bits)\n\n" + table(rows, header)


PEAK = """
import sys, threading, time
import numpy as np
import slimvec as sv

def private():  # kB of anonymous memory: pages of the mapped file belong to the system's cache
    for line in open("/proc/self/status"):
        if line.startswith("RssAnon"):
            return int(line.split()[1])

X = np.load(sys.argv[1], mmap_mode="r")
sv.ITQ(16, n_iter=1).fit(X[:5000])  # BLAS threads and their buffers
before, peak, done = private(), 0, False
def watch():
    global peak
    while not done:
        peak = max(peak, private())
        time.sleep(0.002)
thread = threading.Thread(target=watch)
thread.start()
table = sv.IIQ(300, 2).compress(X)
done = True
thread.join()
print((peak - before) / 1e3, before / 1e3, table.info()["bytes"]["codes"] / 1e6)
"""


def memory_section(n: int) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.npy"
        X = np.lib.format.open_memmap(path, "w+", np.float16, (n, DIM))
        for first in range(0, n, 50_000):
            X[first : first + 50_000] = correlated(50_000, DIM)
        X.flush()
        extra, interpreter, codes = numbers_of(PEAK, path)
    assert extra < 300
    return (
        f"## Memory: a mapped {n:,} × {DIM} float16 file, fitted and encoded\n\n"
        f"Peak private memory {extra:.0f} MB above the {interpreter:.0f} MB of an interpreter with NumPy and slimvec; "
        f"{codes:.0f} MB of it are the codes."
    )


def main():
    options = parser(__doc__, repeats=5)
    options.add_argument("--memory-rows", type=int, default=1_000_000)
    arguments = options.parse_args()
    sections = [time_section(arguments.repeats), memory_section(arguments.memory_rows)]
    if arguments.data:
        sections.append(sample_section(arguments.data))
    write_result("fit", "Fitting", sections)


if __name__ == "__main__":
    main()
