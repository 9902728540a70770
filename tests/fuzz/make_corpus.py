"""Make what fuzzing begins with: small inputs of every kind, in a folder for each target.

python tests/fuzz/make_corpus.py FOLDER
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array

import slimvec as sv

DATA = Path(__file__).parent.parent / "data"
WORDS = ["cat", "größe", "new york", "wort", "x"]
LINES = (
    "cat 0.5 -1\ngröße 1e-3 +2.5\nnew york .25 7.\n",
    "cat 1 2\r\n\ndog 3 4\n",
    "\ta 1e400 1e-400\nb nan inf\nc 12345678901234567890 0.00000000000000000001",
    "x 0 1\n" * 3,
)
MORE_CODES = {
    "refined": {"refine_bits": 1},
    "lists": {"partitions": 3},
    "both": {"refine_bits": 2, "partitions": 4},
    "spilled": {"refine_bits": 2, "partitions": 4, "spill": True},
}
BYTES = (
    b"",
    b"cat\ndog\ncat\n",
    "größe\n日本\n😀\n\n".encode(),
    b"\xed\xa0\x80\n\xf4\x90\x80\x80\n\xc1\xbf\n",
    bytes(96),
)


def make_tables(folder: Path) -> None:
    """Make tables with words and without, in part of a block and in several, with factors, in lists, of every dtype."""
    generator = np.random.default_rng(15)
    for n, words in ((5, WORDS), (33, None), (70, [f"w{i}" for i in range(70)])):
        rows = generator.standard_normal((n, 8)).astype(np.float32)
        sv.BinaryTable(sv.pack(rows), 8, words=words).save(folder / f"binary-{n}")
        sv.HammingIndex(sv.pack(rows), 8).save(folder / f"hamming-{n}")
        source = rows if words is None else sv.Vectors(words, rows)
        sv.IIQ(n_bits=5, n_remove=0).compress(source, factors=True).save(folder / f"factors-{n}")
        signs = sv.IIQ(5, n_remove=n % 2, partitions=3).fit(generator.standard_normal((70, 8)))
        signs.to_table(source).save(folder / f"signs-in-lists-{n}")
        sv.TransformCoding(20, n_remove=n % 2).compress(source).save(folder / f"grid-{n}")
        for name, options in MORE_CODES.items():
            method = sv.TransformCoding(13, n_remove=n % 2, **options).fit(generator.standard_normal((70, 8)))
            method.to_table(source).save(folder / f"{name}-{n}")
        weights = csr_array(np.where(generator.random((n, 3)) < 0.5, generator.standard_normal((n, 3)), 0))
        anchors = generator.standard_normal((3, 4))
        for dtype in ("float32", "float16", "int4"):
            sv.SparseTable(anchors, weights, words, dtype=dtype).save(folder / f"{dtype}-{n}")
    for path in DATA.rglob("*.slim"):
        shutil.copy(path, folder / f"frozen-{path.stem}")


def make_texts(folder: Path) -> None:
    """Make lines and records, each behind the byte that says how they are to be read."""
    record = b"cat " + np.float32([0.5, -1]).tobytes()
    for number, line in enumerate(LINES):
        for what in (0, 2, 26):
            (folder / f"lines-{number}-{what}").write_bytes(bytes([what]) + line.encode())
    for what in (1, 3):
        (folder / f"records-{what}").write_bytes(bytes([what]) + record + b"\n" + record + b"\nx")


def make_words(folder: Path) -> None:
    """Make words between newlines."""
    for number, some in enumerate(BYTES):
        (folder / str(number)).write_bytes(some)


if __name__ == "__main__":
    for target, make in (("table", make_tables), ("text", make_texts), ("words", make_words)):
        place = Path(sys.argv[1]) / target
        place.mkdir(parents=True, exist_ok=True)
        make(place)
