"""A text file larger than memory: compressed under a limit of address space, beside reading it and gensim's load.

Makes a file in GloVe format (about 5 GB; fewer lines by --lines) in --folder and deletes it afterwards. Every job runs
in a process of its own, whose peak resident memory is told by the system.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import slimvec as sv
from common import table, write_result

LINES, DIM, BITS = 1_917_494, 300, 300
LIMIT = 700_000_000
SNIPPET = 30  # numbers per ready-made piece of a line

READ = """
import sys, slimvec as sv
for block in sv.VectorFile(sys.argv[1], threads=int(sys.argv[2])).blocks_of_rows(): pass
"""
COMPRESS = """
import resource, sys
from slimvec.cli import main
limit = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
sys.exit(main(sys.argv[1:]))
"""
GENSIM = """
import sys
from gensim.models import KeyedVectors
KeyedVectors.load_word2vec_format(sys.argv[1], no_header=True)
"""


def make(path: Path, n: int) -> None:
    """Write n lines of a word and numbers with five decimals, put together from 2,000 ready-made pieces each."""
    generator = np.random.default_rng(0)
    numbers = generator.standard_normal((2000, SNIPPET)) / 3
    pieces = [" ".join([f"{value:.5f}" for value in row]) for row in numbers.tolist()]
    with path.open("w") as file:
        for first in range(0, n, 10_000):
            picked = generator.integers(0, len(pieces), (min(10_000, n - first), DIM // SNIPPET)).tolist()
            file.writelines(f"word{first + i} {' '.join([pieces[p] for p in row])}\n" for i, row in enumerate(picked))


def run(code: str, *arguments: object, env: dict | None = None) -> tuple[float, int]:
    """Seconds and peak resident bytes of a process that must succeed."""
    start = time.perf_counter()
    child = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)], env={**os.environ, **(env or {})}, stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0, (arguments, child.returncode)
    return time.perf_counter() - start, usage.ru_maxrss * 1024


def measure(folder: Path, n: int, gensim: bool) -> str:
    path, output = folder / "vectors.txt", folder / "table.slim"
    make(path, n)
    size = path.stat().st_size
    compress = (LIMIT, "compress", path, "-o", output, "--bits", BITS)
    jobs = {
        "read the file alone, one thread": (READ, path, 1),
        "read the file alone, two threads": (READ, path, 2),
        f"`slimvec compress --bits {BITS}`": (COMPRESS, *compress),
        f"`slimvec compress --bits {BITS} --factors`": (COMPRESS, *compress, "--factors"),
    }
    if gensim:
        jobs["gensim `load_word2vec_format`"] = (GENSIM, path)
    rows = []
    for name, job in jobs.items():
        seconds, peak = run(*job)
        rows.append([name, f"{seconds:.1f}", f"{size / seconds / 1e6:.0f}", f"{peak / 1e6:.0f}"])
        if "compress" in name:
            assert peak <= LIMIT
            made = sv.open(output, verify=True)
            assert len(made) == n
            assert made.most_similar(f"word{n // 2}", k=1)[0][1] > 0.1
    text = f"## {n:,} × {DIM}, {size / 1e6:,.0f} MB of text\n\nCompressing ran with an address space of "
    text += f"{LIMIT / 1e6:.0f} MB (`RLIMIT_AS`), which also bounds what is resident.\n\n"
    return text + table(rows, ["", "seconds", "MB/s of text", "peak resident MB"])


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--lines", type=int, default=LINES)
    options.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    options.add_argument("--no-gensim", action="store_true")
    arguments = options.parse_args()
    if shutil.disk_usage(arguments.folder).free < 2 * 2800 * arguments.lines:
        sys.exit(f"{arguments.folder} has too little room for {arguments.lines:,} lines")
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        section = measure(Path(folder), arguments.lines, not arguments.no_gensim)
    write_result("big.md", "A file larger than memory", "bench_big.py", [section])


if __name__ == "__main__":
    main()
