"""Reading text: slimvec beside gensim on the same made-up GloVe file, one thread and two; words found after opening."""

from __future__ import annotations

import argparse
import tempfile
import time
import tracemalloc
from functools import partial
from pathlib import Path

import numpy as np

import slimvec as sv
from common import interleaved, table, write_result


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
    from gensim.models import KeyedVectors

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vectors.txt"
        make(path, n, d)
        megabytes = path.stat().st_size / 1e6
        contestants = {
            "slimvec, one thread": partial(sv.read_vectors, path, threads=1),
            "slimvec, two threads": partial(sv.read_vectors, path, threads=2),
            "gensim load_word2vec_format": partial(KeyedVectors.load_word2vec_format, path),
        }
        ours, theirs = contestants["slimvec, two threads"](), contestants["gensim load_word2vec_format"]()
        assert list(ours) == theirs.index_to_key
        assert np.array_equal(ours.matrix, theirs.vectors)
        times = interleaved(contestants, repeats)
    base = times["gensim load_word2vec_format"]
    rows = [[name, f"{megabytes / seconds:.0f}", f"{base / seconds:.1f}"] for name, seconds in times.items()]
    text = f"## {n:,} lines of {d} numbers, {megabytes:.0f} MB of text\n\n"
    return text + table(rows, ["", "MB/s", "times faster than gensim"])


def opening_section(n: int) -> str:
    generator = np.random.default_rng(0)
    words = [f"word{i}" for i in range(n)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table"
        sv.BinaryTable(generator.integers(0, 256, (n, 4), np.uint8), 32, words=words).save(path)
        asked = [words[i] for i in generator.integers(0, n, 100)]
        tracemalloc.start()
        start = time.perf_counter()
        opened = sv.open(path)
        opening = time.perf_counter() - start
        heap = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        start = time.perf_counter()
        assert len(opened.lookup(asked)) == 100
        lookups = time.perf_counter() - start
        scan = opened.search(opened.codes([7]), k=11)  # codes are in memory now
        start = time.perf_counter()
        opened.search(opened.codes([7]), k=11)
        scan = time.perf_counter() - start
        again = sv.open(path)
        start = time.perf_counter()
        again.most_similar(words[7])
        first = time.perf_counter() - start
    rows = [
        ["opening", f"{1e3 * opening:.2f} ms"],
        ["Python memory after opening", f"{heap / 1e6:.2f} MB"],
        ["100 lookups by word, the first ever", f"{1e3 * lookups:.2f} ms"],
        ["first `most_similar` by word", f"{1e3 * first:.1f} ms, a search of the same codes {1e3 * scan:.1f}"],
    ]
    return f"## A table of {n:,} words, opened\n\n" + table(rows, ["", ""])


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--lines", type=int, default=200_000)
    options.add_argument("--repeats", type=int, default=3)
    arguments = options.parse_args()
    sections = [reading_section(arguments.lines, 300, arguments.repeats), opening_section(2_000_000)]
    write_result("read.md", "Reading and opening", "bench_read.py", sections)


if __name__ == "__main__":
    main()
