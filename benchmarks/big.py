"""A text file larger than memory: read, compressed under a limit of address space, opened, beside gensim.

Makes a file in GloVe format (about 5 GB; fewer lines by --lines) in --folder and deletes it afterwards. Every job runs
in a process of its own, whose peak resident memory is told by the system.

Run: ``python -m benchmarks.big``; ``--lines 20000`` for a quick look.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

import slimvec as sv
from benchmarks.common import interleaved, numbers_of, parser, table, write_result
from benchmarks.peers import GENSIM, reading_table, text_readers

LINES, DIM, BITS = 1_917_494, 300, 300
PIECE_LINES = 200_000
LIMIT = 700_000_000
SNIPPET = 30  # numbers per ready-made piece of a line

READ = """
import sys, slimvec as sv
for block in sv.VectorFile(sys.argv[1], threads=int(sys.argv[2])).blocks(): pass
"""
COMPRESS = """
import resource, sys
from slimvec.cli import main
limit = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
sys.exit(main(sys.argv[1:]))
"""
LOAD = """
import sys
from gensim.models import KeyedVectors
KeyedVectors.load_word2vec_format(sys.argv[1], no_header=True)
"""
OPEN = """
import sys, time, tracemalloc
import slimvec as sv
path, n = sys.argv[1], int(sys.argv[2])
asked = [f"word{i * 7919 % n}" for i in range(100)]
now = lambda: (time.perf_counter(), time.process_time())
marks = [now()]
opened = sv.open(path)
marks.append(now())
opened.lookup(asked)
marks.append(now())
opened.most_similar(asked[7])
marks.append(now())
opened.most_similar(asked[7])
marks.append(now())
tracemalloc.start()
second = sv.open(path)
heap = tracemalloc.get_traced_memory()[0]
print(*(b - a for pair in zip(marks, marks[1:]) for a, b in zip(*pair)), heap, 0)
"""
SPIN = "sum(i * i for i in range(10_000_000))"


def make(path: Path, n: int) -> None:
    """Write n lines of a word and numbers with five decimals, put together from 2,000 ready-made pieces each."""
    generator = np.random.default_rng(0)
    numbers = generator.standard_normal((2000, SNIPPET)) / 3
    pieces = [" ".join([f"{value:.5f}" for value in row]) for row in numbers.tolist()]
    with path.open("w") as file:
        for first in range(0, n, 10_000):
            picked = generator.integers(0, len(pieces), (min(10_000, n - first), DIM // SNIPPET)).tolist()
            file.writelines(f"word{first + i} {' '.join([pieces[p] for p in row])}\n" for i, row in enumerate(picked))


def run(code: str, *arguments: object) -> tuple[float, int]:
    """Seconds and peak resident bytes of a process that must succeed."""
    start = time.perf_counter()
    child = subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0, (arguments, child.returncode)
    return time.perf_counter() - start, usage.ru_maxrss * 1024


def spin(n_processes: int) -> None:
    """Keep processes busy with arithmetic in registers: what two cores are worth on this machine at this time."""
    children = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(n_processes)]
    assert not any(child.wait() for child in children)


def piece_section(path: Path, repeats: int) -> str:
    """Reading the first lines into memory, in turns with gensim."""
    piece = path.with_name("piece.txt")
    with path.open() as whole, piece.open("w") as file:
        file.writelines(islice(whole, PIECE_LINES))
    readers = text_readers(piece, no_header=True)
    times = interleaved({**readers, "spin, one": partial(spin, 1), "spin, two": partial(spin, 2)}, repeats)
    one, two, _, spin_one, spin_two = times.values()
    megabytes = piece.stat().st_size / 1e6
    piece.unlink()
    text = f"## The first {PIECE_LINES:,} lines, {megabytes:,.0f} MB\n\n"
    text += reading_table({name: times[name] for name in readers}, megabytes)
    text += f"\n\nTwo threads read {one / two:.2f} times as fast as one. Two processes that only add numbers, without "
    text += f"touching memory, did {2 * spin_one / spin_two:.2f} times the work of one in turns with them: what the "
    return text + "machine's second core was worth meanwhile."


def whole_section(path: Path, output: Path, n: int, gensim: bool) -> str:
    size = path.stat().st_size
    compress = (LIMIT, "compress", path, "-o", output, "--bits", BITS)
    jobs = {
        "read the file alone, one thread": (READ, path, 1),
        "read the file alone, two threads": (READ, path, 2),
        f"`slimvec compress --bits {BITS} --factors`": (COMPRESS, *compress, "--factors"),
        f"`slimvec compress --bits {BITS}`": (COMPRESS, *compress),
    }
    if gensim:
        jobs[GENSIM] = (LOAD, path)
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


def opening_section(output: Path, n: int, repeats: int) -> str:
    """The first answers of a new process; medians."""
    figures = [numbers_of(OPEN, output, n) for _ in range(repeats)]
    names = ["opening", "100 lookups by word, the first ever", "first `most_similar` by word", "the same again"]
    medians = np.median(figures, axis=0).reshape(-1, 2)
    rows = [[name, f"{1e3 * wall:.1f}", f"{1e3 * cpu:.1f}"] for name, (wall, cpu) in zip(names, medians, strict=False)]
    text = f"## The table of {n:,} words and {BITS} bits, opened\n\nIn a new process; a busy machine shows in the "
    text += f"first column alone. Opening takes {medians[-1][0] / 1e6:.3f} MB of Python's memory.\n\n"
    return text + table(rows, ["", "ms", "of which the processor worked"])


def main():
    options = parser(__doc__, data=False, repeats=3)
    options.add_argument("--lines", type=int, default=LINES)
    options.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    options.add_argument("--no-gensim", action="store_true", help="do not load the whole file with gensim")
    arguments = options.parse_args()
    if shutil.disk_usage(arguments.folder).free < 2 * 2800 * arguments.lines:
        sys.exit(f"{arguments.folder} has too little room for {arguments.lines:,} lines")
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        path, output = Path(folder) / "vectors.txt", Path(folder) / "table.slim"
        make(path, arguments.lines)
        sections = [  # in this order: a process starts with the peak of the one that it was forked from
            whole_section(path, output, arguments.lines, not arguments.no_gensim),
            opening_section(output, arguments.lines, arguments.repeats),
            piece_section(path, arguments.repeats),
        ]
    write_result("big", "A file larger than memory", sections)


if __name__ == "__main__":
    main()
