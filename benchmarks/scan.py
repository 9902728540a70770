"""All codes scored for float queries, exactly: slimvec on every instruction set beside its peers, in one run.

MiniLM embeddings with noise added, so that there are a million: the time of a scan depends on how uneven directions and
scores are, and little else. faiss' `IndexRaBitQFastScan` and turbovec score all codes, too, and more roughly.

Run: ``python -m benchmarks.scan``; ``--rows 20000 --repeats 1`` for a quick look.
"""

from __future__ import annotations

import os

os.environ["OPENBLAS_NUM_THREADS"] = os.environ["RAYON_NUM_THREADS"] = "1"  # one thread, the projection included

from functools import partial

import numpy as np

import slimvec as sv
from benchmarks.common import (
    cosine_neighbours,
    data_or_skip,
    interleaved,
    load_rows,
    parser,
    recall,
    table,
    unit,
    write_result,
)
from benchmarks.peers import rabitq

K, N_QUERIES, D = 10, 64, 384
BITS = (384, 768)
NOISE = 0.7  # of a row's length
FAISS = "faiss `IndexRaBitQFastScan`, rotated"
TURBOVEC = "turbovec, 2 bits"


def many(rows: np.ndarray, n: int) -> np.ndarray:
    """Return n rows: those given over and over, each time with other noise along the directions that rows vary in."""
    generator = np.random.default_rng(0)
    values, directions = np.linalg.eigh(np.cov(rows.T))
    root = (directions * np.sqrt(np.maximum(values, 0))).T.astype(np.float32)
    made = np.empty((n, rows.shape[1]), np.float32)
    for first in range(0, n, len(rows)):
        some = made[first : first + len(rows)]
        some[:] = rows[: len(some)] + NOISE * (generator.standard_normal(some.shape, np.float32) @ root)
    return unit(made)


def on(isa: str, codes, queries: np.ndarray):
    with sv.use_isa(isa):
        return codes.search(queries, K, oversample=None, threads=1)


def peers(base: np.ndarray) -> dict:
    import faiss
    from turbovec import TurboQuantIndex

    faiss.omp_set_num_threads(1)
    fast_scan = rabitq(base, "IndexRaBitQFastScan")
    turbo = TurboQuantIndex(dim=base.shape[1], bit_width=2)
    turbo.calibrate(base[np.random.default_rng(0).permutation(len(base))[:10_000]])
    turbo.add(base)
    turbo.prepare()
    return {FAISS: lambda q: fast_scan.search(q, K)[1], TURBOVEC: lambda q: np.asarray(turbo.search(q, K)[1])}


def section(base: np.ndarray, queries: np.ndarray, truth: np.ndarray, repeats: int) -> str:
    runs = {}
    for n_bits in BITS:
        codes = sv.TransformCoding(n_bits=n_bits).compress(base)
        exact = on("scalar", codes, queries)
        for isa in sv.available_isas()[:-1] or ("scalar",):
            result = on(isa, codes, queries)
            assert np.array_equal(result.scores, exact.scores), isa
            assert np.array_equal(result.indices, exact.indices), isa
            runs[f"slimvec, {n_bits} bits, {isa}"] = lambda q, isa=isa, codes=codes: on(isa, codes, q).indices
    runs |= peers(base)
    batch = interleaved({name: partial(run, queries) for name, run in runs.items()}, repeats)
    one = interleaved({name: partial(run, queries[:1]) for name, run in runs.items()}, repeats)
    lines = []
    for name, run in runs.items():
        per_code = 1e9 * batch[name] / len(queries) / len(base)
        found = f"{recall(run(queries), truth):.3f}"
        lines.append([name, found, f"{per_code:.2f}", f"{batch[FAISS] / batch[name]:.1f}", f"{1e3 * one[name]:.2f}"])
    header = ["", f"recall@{K}", f"{N_QUERIES} queries: ns per code", f"times faster than {FAISS}", "one query: ms"]
    return f"## {len(base):,} × {D}, top-{K}, one thread\n\n" + table(lines, header)


def main():
    options = parser(__doc__, repeats=7)
    options.add_argument("--rows", type=int, default=1_000_000)
    arguments = options.parse_args()
    rows = many(load_rows(data_or_skip(arguments), "minilm-sentences"), arguments.rows + N_QUERIES)
    base, queries = rows[N_QUERIES:], rows[:N_QUERIES]
    truth = cosine_neighbours(base, queries, K)
    write_result("scan", "Scans of all codes", [section(base, queries, truth, arguments.repeats)])


if __name__ == "__main__":
    main()
