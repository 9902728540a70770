"""An index of a million vectors in twenty Parquet files: the time beside reading them alone, and the memory it takes.

Each is done in an interpreter of its own. Rows are of 384 numbers, random, along directions of falling strength; ids
are strings. Memory is what the process had at most, less what it had after its imports, and less the index itself.

Run: ``python -m benchmarks.from_parquet``, with ``--rows`` for fewer.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from benchmarks.common import numbers_of, parser, table, write_result

DIM, FILES = 384, 20

READ = """
import sys, time
import pyarrow.parquet as parquet
start, n = time.perf_counter(), 0
for path in sorted(__import__("pathlib").Path(sys.argv[1]).iterdir()):
    for batch in parquet.ParquetFile(path).iter_batches(4096):
        n += len(batch)
print(n, time.perf_counter() - start)
"""

BUILD = r"""
import re, sys, time
import numpy, pyarrow.parquet
import slimvec as sv
sv.Index, sv.TransformCoding
held = lambda name: 1024 * int(re.search(name + r":\s*(\d+)", open("/proc/self/status").read())[1])
before, start = held("VmRSS"), time.perf_counter()
index = sv.Index.build(sys.argv[1], vectors="vector", ids="id")
took = time.perf_counter() - start
ids = sum(array.nbytes for array in index._state.segments[0].ids.to_content()[1].values())
print(len(index), took, held("VmHWM") - before, index.info()["bytes"] + ids)
"""


def write_files(folder: Path, n_rows: int) -> int:
    """Write Parquet files, and return their bytes."""
    import pyarrow as pa
    from pyarrow import parquet

    generator, scales = np.random.default_rng(0), np.linspace(2, 0.2, DIM, dtype=np.float32)
    first = 0
    for number in range(FILES):
        n = n_rows // FILES
        rows = generator.standard_normal((n, DIM), dtype=np.float32) * scales
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), DIM)
        ids = pa.array([f"film {i}" for i in range(first, first + n)])
        parquet.write_table(pa.table({"id": ids, "vector": vectors}), folder / f"{number:02}.parquet")
        first += n
    return sum(path.stat().st_size for path in folder.iterdir())


def main() -> None:
    options = parser(__doc__, data=False)
    options.add_argument("--rows", type=int, default=1_000_000)
    n_rows = options.parse_args().rows // FILES * FILES
    with tempfile.TemporaryDirectory() as folder:
        size = write_files(Path(folder), n_rows)
        n_read, reading = numbers_of(READ, folder)
        n_built, building, most, held = numbers_of(BUILD, folder)
    assert n_read == n_built == n_rows
    rows = [
        ["read by pyarrow alone, once", f"{reading:.1f} s", ""],
        ["`Index.build`, which reads three times", f"{building:.1f} s", f"{(most - held) / 1e6:,.0f} MB"],
    ]
    note = f"The files have {size / 1e6:,.0f} MB, the index {held / 1e6:,.0f} MB with its ids."
    title = f"An index of {n_rows:,} × {DIM} from {FILES} Parquet files"
    write_result("from_parquet", title, [table(rows, ["", "time", "memory beyond the index"]), note])


if __name__ == "__main__":
    main()
