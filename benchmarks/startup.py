"""How fast slimvec is there: importing it, opening a table, the first answers.

Each import is timed in a fresh interpreter; the figure is what `import slimvec` adds to `import numpy`.

Run: ``python -m benchmarks.startup``; without ``--data`` words and vectors are made up.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

import slimvec as sv
from benchmarks.common import load_vectors, numbers_of, parser, table, write_result

IMPORT = """
import time
start = time.perf_counter()
import numpy
middle = time.perf_counter()
import slimvec, sys
print(1e3 * (middle - start), 1e3 * (time.perf_counter() - middle))
assert not {"numba", "scipy", "torch"} & sys.modules.keys()
"""
OPEN = """
import sys, time
import slimvec as sv
start = time.perf_counter()
table = sv.open(sys.argv[1])
opened = time.perf_counter()
table.lookup([0])
row = time.perf_counter()
table.most_similar(sys.argv[2])
word = time.perf_counter()
table.most_similar(sys.argv[2])
print(*(1e3 * t for t in (opened - start, row - opened, word - row, time.perf_counter() - word)))
"""


def medians(code: str, *arguments: object, repeats: int = 21) -> list[float]:
    return np.median([numbers_of(code, *arguments) for _ in range(repeats)], axis=0).tolist()


def make_vectors(data: Path | None) -> sv.Vectors:
    if data is not None:
        return load_vectors(data, "numberbatch")
    matrix = np.random.default_rng(0).standard_normal((41_353, 300), dtype=np.float32)
    return sv.Vectors((f"word{i}" for i in range(len(matrix))), matrix)


def make_big_table(n: int = 2_000_000) -> sv.BinaryTable:
    """Codes and words of a large word2vec file; what they say does not matter for opening."""
    codes = np.random.default_rng(0).integers(0, 256, (n, 32), np.uint8)
    return sv.BinaryTable(codes, 256, words=(f"word{i}" for i in range(n)))


def main():
    options = parser(__doc__).parse_args()
    numpy_ms, slimvec_ms = medians(IMPORT)
    vectors = make_vectors(options.data)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.slim"
        sv.IIQ().compress(vectors).save(path)
        steps = medians(OPEN, path, vectors.words[1234])
        big = make_big_table()
        big.save(path)
        opening_big = medians(OPEN, path, "word1234")[0]
    names = [f"open a table of {len(vectors):,} words", "first lookup of a row", "first most_similar", "the next one"]
    rows = [["import numpy", f"{numpy_ms:.1f}"], ["import slimvec, beyond that", f"{slimvec_ms:.1f}"]]
    rows += [[name, f"{ms:.2f}"] for name, ms in zip(names, steps, strict=True)]
    rows.append([f"open a table of {len(big):,} words", f"{opening_big:.2f}"])
    assert slimvec_ms < 50
    assert opening_big < 10
    assert steps[0] < 10
    write_result("startup", "Start-up", [table(rows, ["", "milliseconds, median of 21"])])


if __name__ == "__main__":
    main()
