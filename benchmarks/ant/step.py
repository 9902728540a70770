"""One training step with T as a store of its non-zeros: time and memory over the vocabulary, and over touched rows.

Run: ``python -m benchmarks.ant.step``.
"""

from __future__ import annotations

import resource
import time

import numpy as np

from benchmarks import common

K, D, BATCH, WARM, STEPS = 500, 128, 1024, 10, 60
SIZES = (10_000, 100_000, 300_000, 1_000_000)
BATCHES = (256, BATCH, 4096)
MOST = 2500  # MB, of the largest
OPTIMIZERS = ("ProximalSGD", "ProximalAdagrad, rowwise")


def measure(n: int, batch: int, optimizer: str) -> None:
    """Print median milliseconds of a step, rows it touches, peak megabytes, non-zeros and megabytes of T."""
    import torch

    from slimvec.nn import AnchorEmbedding, ProximalAdagrad, ProximalSGD

    torch.set_num_threads(1)
    torch.manual_seed(0)
    layer = AnchorEmbedding(n, D, K, storage="slots")
    model = torch.nn.Sequential(layer, torch.nn.Linear(D, 10))
    steps = {
        "ProximalSGD": lambda: ProximalSGD(model, lr=0.05, l1=1e-4),
        "ProximalAdagrad, rowwise": lambda: ProximalAdagrad(model, lr=0.05, l1=1e-4, rowwise=True),
    }[optimizer]()
    generator, times, touched = torch.Generator().manual_seed(1), [], []
    for _ in range(WARM + STEPS):
        ids = torch.randint(n, (batch,), generator=generator)
        start = time.process_time()
        steps.zero_grad()
        torch.nn.functional.cross_entropy(model(ids), ids % 10).backward()
        steps.step()
        times.append(time.process_time() - start)
        touched.append(len(torch.unique(ids)))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    store = layer.transform.store
    found = (1e3 * np.median(times[WARM:]), np.mean(touched), peak, store.nnz, store.nbytes / 1e6)
    print(*(f"{value:.1f}" for value in found))


def measured(n: int, batch: int, optimizer: str) -> list[float]:
    """Measure in a process of its own, whose peak memory is that of this layer."""
    return common.numbers_of(f"from benchmarks.ant.step import measure; measure({n}, {batch}, {optimizer!r})")


def draw(by_size: dict, by_batch: dict) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "slimvec"
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(8, 3.2), sharey=True)
    for optimizer in OPTIMIZERS:
        axes[0].plot(SIZES, [by_size[optimizer, n][0] for n in SIZES], "o-", label=optimizer)
        points = [by_batch[optimizer, batch] for batch in BATCHES]
        axes[1].plot([point[1] for point in points], [point[0] for point in points], "o-", label=optimizer)
    axes[0].set(xscale="log", xlabel=f"rows of T, {BATCH:,} ids per batch", ylabel="ms per step", ylim=(0, None))
    axes[1].set(xlabel=f"rows that a batch touches, of {SIZES[-1]:,}", xlim=(0, None))
    axes[1].legend()
    figure.tight_layout()
    figure.savefig(common.RESULTS / "ant_step.svg", metadata={"Date": None})


def main() -> None:
    common.parser(__doc__, data=False).parse_args()
    by_size = {(name, n): measured(n, BATCH, name) for name in OPTIMIZERS for n in SIZES}
    by_batch = {
        (name, batch): by_size[name, SIZES[-1]] if batch == BATCH else measured(SIZES[-1], batch, name)
        for name in OPTIMIZERS
        for batch in BATCHES
    }
    sizes, batches = [], []
    for (name, n), (milliseconds, touched, peak, nnz, size) in by_size.items():
        assert peak < MOST, f"{name}, {n} rows: {peak} MB"
        sizes.append([name, f"{n:,}", f"{touched:,.0f}", f"{milliseconds:.1f}", f"{peak:.0f}", f"{nnz:,.0f}",
                      f"{size:.0f}", f"{4 * n * K / 1e6:,.0f}"])  # fmt: skip
    for (name, _), (milliseconds, touched, *_) in by_batch.items():
        batches.append([name, f"{touched:,.0f}", f"{milliseconds:.1f}", f"{1e3 * milliseconds / touched:.1f}"])
    draw(by_size, by_batch)
    header = ["optimizer", "rows", "touched by a batch", "ms per step", "peak MB, torch included", "nnz(T)", "T, MB",
              "dense T alone, MB"]  # fmt: skip
    facts = f"{K} anchors, {D} columns, random ids, λ = 1e-4, processor time of one thread, median of {STEPS} steps."
    sections = [
        facts,
        "![Time of a step over the rows of T, and over those that a batch touches](ant_step.svg)",
        f"Over the vocabulary, {BATCH:,} ids per batch (rows of small tables were touched more often, and are denser):",
        common.table(sizes, header),
        f"Over the rows that a batch touches, of {SIZES[-1]:,}:",
        common.table(batches, ["optimizer", "touched", "ms per step", "µs per touched row"]),
    ]
    common.write_result("ant.step", "A training step of ANT over the vocabulary", sections)


if __name__ == "__main__":
    main()
