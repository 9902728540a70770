"""One training step with T as a store of its non-zeros: time and peak memory over the size of the vocabulary."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))
import common

K, D, BATCH, WARM, STEPS = 500, 128, 1024, 10, 60
SIZES = (10_000, 100_000, 300_000, 1_000_000)


def measure(n: int, optimizer: str) -> None:
    """Print median milliseconds of a step, peak megabytes, non-zeros and megabytes of T; one process each."""
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
    generator, times = torch.Generator().manual_seed(1), []
    for _ in range(WARM + STEPS):
        ids = torch.randint(n, (BATCH,), generator=generator)
        start = time.perf_counter()
        steps.zero_grad()
        torch.nn.functional.cross_entropy(model(ids), ids % 10).backward()
        steps.step()
        times.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    store = layer.transform.store
    print(f"{1e3 * np.median(times[WARM:]):.1f} {peak:.0f} {store.nnz} {store.nbytes / 1e6:.0f}")


def main() -> None:
    common.parser(__doc__).parse_args()
    rows = []
    for optimizer in ("ProximalSGD", "ProximalAdagrad, rowwise"):
        for n in SIZES:
            command = [sys.executable, __file__, str(n), optimizer]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            milliseconds, peak, nnz, size = done.stdout.split()
            dense = 4 * n * K / 1e6
            rows.append([optimizer, f"{n:,}", milliseconds, peak, f"{int(nnz):,}", size, f"{dense:,.0f}"])
    header = ["optimizer", "rows", "ms per step", "peak MB, torch included", "nnz(T)", "T, MB", "dense T alone, MB"]
    facts = f"{K} anchors, {D} columns, {BATCH:,} random ids per batch, λ = 1e-4, one thread, {STEPS} steps, seed 0."
    sections = [facts, common.table(rows, header)]
    common.write_result("ant_step.md", "A training step of ANT over the vocabulary", "ant/bench_step.py", sections)


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1].isdigit():
        measure(int(sys.argv[1]), sys.argv[2])
    else:
        main()
