"""Learning codes of several bits and coding rows, on one thread, beside faiss' optimised product quantizer.

MiniLM embeddings with noise added, so that there are 200,000. CPU time: the median of three turns of slimvec, one of
faiss, which trains for minutes on 65,536 of the rows. Both end with as many bytes for the bits of a row.

Run: ``python -m benchmarks.fit_bits``.
"""

from __future__ import annotations

import os
import statistics
import time

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import slimvec as sv
from benchmarks.common import data_or_skip, load_rows, parser, table, write_result
from benchmarks.scan import many

N, TURNS = 200_000, 3
BITS = (384, 768)


def cpu_seconds(work) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def ours(n_bits: int, rows) -> list:
    coding = sv.TransformCoding(n_bits)
    fit = statistics.median(cpu_seconds(lambda: coding.fit(rows)) for _ in range(TURNS))
    encode = statistics.median(cpu_seconds(lambda: coding.to_table(rows)) for _ in range(TURNS))
    return [f"`TransformCoding({n_bits})`", n_bits // 8, fit, encode]


def theirs(n_bits: int, rows) -> list:
    import faiss

    faiss.omp_set_num_threads(1)
    size = n_bits // 8
    index = faiss.index_factory(rows.shape[1], f"OPQ{size},PQ{size}", faiss.METRIC_INNER_PRODUCT)
    return [
        f"faiss `OPQ{size},PQ{size}`",
        size,
        cpu_seconds(lambda: index.train(rows)),
        cpu_seconds(lambda: index.add(rows)),
    ]


def main():
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # slimvec starts a thread for every core it may use
    rows = many(load_rows(data_or_skip(parser(__doc__).parse_args()), "minilm-sentences"), N)
    lines = []
    for n_bits in BITS:
        both = [ours(n_bits, rows)] + ([theirs(n_bits, rows)] if n_bits == BITS[0] else [])
        for name, size, fit, encode in both:
            lines.append(
                [name, size, f"{fit:.2f}", f"{both[-1][2] / fit:.0f}" if len(both) > 1 else "", f"{N / encode:,.0f}"]
            )
    header = ["", "bytes for bits", "fit: seconds", "faiss takes so many times as long", "rows coded per second"]
    write_result(
        "fit_bits", "Fitting codes of several bits", [f"## {N:,} × {rows.shape[1]}\n\n" + table(lines, header)]
    )


if __name__ == "__main__":
    main()
