"""Shared by the benchmarks: options, data, timing, and result files that name the machine."""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

import slimvec as sv
from slimvec.evaluate import word_similarity

RESULTS = Path(__file__).parent / "results"
SIMILARITY = ("MEN", "SimLex999", "WS353")  # the sets of word pairs that most tables show


def parser(doc: str, *, data: bool = True, repeats: int | None = None) -> argparse.ArgumentParser:
    """Return the options of a script: where its data are, if it takes any, and how often it times, if that varies."""
    options = argparse.ArgumentParser(description=doc)
    if data:
        default = os.environ.get("SLIMVEC_DATA")
        options.add_argument("--data", type=Path, default=default, help="folder of evaluation data (or SLIMVEC_DATA)")
    if repeats is not None:
        options.add_argument("--repeats", type=int, default=repeats, help="turns of a timing (default: %(default)s)")
    return options


def data_or_skip(options: argparse.Namespace) -> Path:
    if options.data is None or not options.data.is_dir():
        print(f"skipped: no evaluation data at {options.data}; pass --data or set SLIMVEC_DATA")
        sys.exit(0)
    return options.data


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


def timed(work) -> tuple:
    """Return what a callable returns, and the seconds that it took."""
    start = time.perf_counter()
    found = work()
    return found, time.perf_counter() - start


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
            times[name].append(timed(run)[1])
    return {name: statistics.median(values) for name, values in times.items()}


def numbers_of(code: str, *arguments: object) -> list[float]:
    """Return the numbers that code prints in an interpreter of its own."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    printed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    return [float(value) for value in printed.split()]


def table(rows: list[list], header: list[str]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def head_of(script: str, title: str) -> str:
    return f"# {title}\n\n{machine()}\n\nMade by `python -m benchmarks.{script}`.\n\n"


def result_file(script: str) -> Path:
    return RESULTS / f"{script.replace('.', '_')}.md"


def write_result(script: str, title: str, sections: list[str]) -> None:
    """Write what ``python -m benchmarks.SCRIPT`` measured to a file of the same name, a ``_`` for each dot."""
    text = head_of(script, title) + "\n\n".join(sections) + "\n"
    RESULTS.mkdir(exist_ok=True)
    result_file(script).write_text(text)
    print(text)


def load_vectors(data: Path, name: str) -> sv.Vectors:
    return sv.read_vectors(data / "vectors" / name)


def load_rows(data: Path, name: str) -> np.ndarray:
    """Return float32 rows alone: vectors of sentences have no words."""
    return np.load(data / "vectors" / name / "vectors.npy").astype(np.float32)


def held_out(X: np.ndarray, n_queries: int = 1000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rows drawn at random as queries, and the others as the base."""
    chosen = np.zeros(len(X), bool)
    chosen[np.random.default_rng(seed).choice(len(X), n_queries, replace=False)] = True
    return X[~chosen], X[chosen]


def unit(rows: np.ndarray) -> np.ndarray:
    """Return float32 rows scaled to length one."""
    rows = rows.astype(np.float32)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def cosine_neighbours(base: np.ndarray, queries: np.ndarray, k: int) -> np.ndarray:
    return np.argsort(-(unit(queries) @ unit(base).T), axis=1, kind="stable")[:, :k]


def recall(found: np.ndarray, truth: np.ndarray) -> float:
    return float(np.mean([len(np.intersect1d(a, b)) / len(b) for a, b in zip(found, truth, strict=True)]))


def residual(X: np.ndarray, rows: np.ndarray) -> float:
    """Return ‖X − X̂‖ / ‖X‖."""
    return float(np.linalg.norm(X - rows) / np.linalg.norm(X))


def similarity(words, rows: np.ndarray, data: Path) -> list[float]:
    """Return 100 × Spearman on each set of SIMILARITY."""
    scores = {found.name: 100 * found.score for found in word_similarity(sv.Vectors(words, rows), data / "similarity")}
    return [scores[label] for label in SIMILARITY]
