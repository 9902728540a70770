"""Reading text: slimvec beside gensim on the same made-up GloVe file, one thread and two; words found after opening.

Run: ``python -m benchmarks.read``; ``--lines 20000`` for a quick look.
"""

from __future__ import annotations

import tempfile
import tracemalloc
from pathlib import Path

import numpy as np

import slimvec as sv
from benchmarks.common import interleaved, parser, table, timed, write_result
from benchmarks.peers import reading_table, text_readers


def make(path: Path, n: int, d: int) -> None:
    """Write n lines of a word and d numbers with five decimals, after a word2vec header."""
    generator = np.random.default_rng(0)
    with path.open("w") as file:
        file.write(f"{n} {d}\n")
        for first in range(0, n, 1000):
            rows = generator.standard_normal((min(1000, n - first), d)) / 3
            for i, row in enumerate(rows):
                file.write(f"word{first + i} " + " ".join([f"{value:.5f}" for value in row.tolist()]) + "\n")


def reading_section(n: int, d: int, repeats: int) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vectors.txt"
        make(path, n, d)
        megabytes = path.stat().st_size / 1e6
        times = interleaved(text_readers(path), repeats)
    return f"## {n:,} lines of {d} numbers, {megabytes:.0f} MB of text\n\n" + reading_table(times, megabytes)


def opening_section(n: int) -> str:
    generator = np.random.default_rng(0)
    words = [f"word{i}" for i in range(n)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table"
        sv.BinaryTable(generator.integers(0, 256, (n, 4), np.uint8), 32, words=words).save(path)
        asked = [words[i] for i in generator.integers(0, n, 100)]
        tracemalloc.start()
        opened, opening = timed(lambda: sv.open(path))
        heap = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        found, lookups = timed(lambda: opened.lookup(asked))
        assert len(found) == 100
        opened.search_codes(opened.codes([7]), k=11)  # codes are in memory now
        _, scan = timed(lambda: opened.search_codes(opened.codes([7]), k=11))
        again = sv.open(path)
        _, first = timed(lambda: again.most_similar(words[7]))
    rows = [
        ["opening", f"{1e3 * opening:.2f} ms"],
        ["Python memory after opening", f"{heap / 1e6:.2f} MB"],
        ["100 lookups by word, the first ever", f"{1e3 * lookups:.2f} ms"],
        ["first `most_similar` by word", f"{1e3 * first:.1f} ms, a search of the same codes {1e3 * scan:.1f}"],
    ]
    return f"## A table of {n:,} words, opened\n\n" + table(rows, ["", ""])


def main():
    options = parser(__doc__, data=False, repeats=3)
    options.add_argument("--lines", type=int, default=200_000)
    arguments = options.parse_args()
    sections = [reading_section(arguments.lines, 300, arguments.repeats), opening_section(2_000_000)]
    write_result("read", "Reading and opening", sections)


if __name__ == "__main__":
    main()
