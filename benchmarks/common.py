"""Shared by the benchmarks: data, timing, and result files that name the machine."""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import time
from pathlib import Path

import numpy as np

import slimvec as sv
from slimvec import evaluate

RESULTS = Path(__file__).parent / "results"
CORES = 2


def parser(doc: str) -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=doc)
    options.add_argument(
        "--data", type=Path, default=os.environ.get("SLIMVEC_DATA"), help="folder of evaluation data (or SLIMVEC_DATA)"
    )
    return options


def data_or_skip(options: argparse.Namespace) -> Path:
    if options.data is None or not Path(options.data).is_dir():
        print(f"skipped: no evaluation data at {options.data}; pass --data or set SLIMVEC_DATA")
        sys.exit(0)
    return Path(options.data)


def machine() -> str:
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        cpu = names[0] if names else cpu
    features = ", ".join(sv.available_isas())
    return (
        f"{cpu}, {len(os.sched_getaffinity(0))} cores (virtual, shared: trust the ratios), ISAs {features}; "
        f"Python {platform.python_version()}, NumPy {np.__version__}, slimvec {sv.__version__}"
    )


def interleaved(contestants: dict, repeats: int = 7, before=lambda: None) -> dict[str, float]:
    """Median seconds of each callable; they take turns, so that a noisy minute hits all alike.

    ``before`` runs, untimed, before each: contestants that share data would otherwise find it in cache.
    """
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for run in contestants.values():
        run()
    for _ in range(repeats):
        for name, run in contestants.items():
            before()
            start = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def table(rows: list[list], header: list[str]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def write_result(name: str, title: str, script: str, sections: list[str]) -> None:
    text = f"# {title}\n\n{machine()}\n\nMade by `python benchmarks/{script}`.\n\n" + "\n\n".join(sections) + "\n"
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / name).write_text(text)
    print(text)


def held_out(X: np.ndarray, n_queries: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rows drawn at random as queries, and the others as the base."""
    chosen = np.zeros(len(X), bool)
    chosen[np.random.default_rng(seed).choice(len(X), n_queries, replace=False)] = True
    return X[~chosen], X[chosen]


def cosine_neighbours(base: np.ndarray, queries: np.ndarray, k: int) -> np.ndarray:
    scores = _unit(queries) @ _unit(base).T
    return np.argsort(-scores, axis=1, kind="stable")[:, :k]


def recall(found: np.ndarray, truth: np.ndarray) -> float:
    return float(np.mean([len(np.intersect1d(a, b)) / len(b) for a, b in zip(found, truth, strict=True)]))


def _unit(rows: np.ndarray) -> np.ndarray:
    rows = rows.astype(np.float32)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def load_vectors(data: Path, name: str) -> sv.Vectors:
    return sv.read_vectors(data / "vectors" / name)


def read_pairs(path: Path) -> tuple[list[tuple[str, str]], np.ndarray]:
    fields = [line.split() for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
    return [(first, second) for first, second, _ in fields], np.array([float(score) for _, _, score in fields])


def word_similarity(words: dict[str, int], rows: np.ndarray, pairs: list, scores: np.ndarray) -> float:
    """100 × Spearman over all pairs of a bare matrix, as :func:`slimvec.evaluate.word_similarity` counts."""
    listed = [(*pair, score) for pair, score in zip(pairs, scores, strict=True)]
    return 100 * evaluate.word_similarity(sv.Vectors(words, rows), {"": listed})[0].score
