"""How many of the true neighbours are found at a number of bytes per row, with nothing else kept?

Rows are brought to length one; 1,000 are held out as queries, and means over three draws of them are shown. A row that
is found counts if its exact cosine reaches that of the tenth neighbour, so that ties take nothing away. Every row is
scored. Bytes are all that is kept per row; encoders are told apart.

Run: ``python -m benchmarks.bits``.
"""

from __future__ import annotations

import os
import time
from functools import partial

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np

import slimvec as sv
from benchmarks.common import data_or_skip, held_out, load_rows, parser, table, unit, write_result
from benchmarks.peers import filled, rabitq
from slimvec.evaluate.truth import exact_neighbours, recall_with_ties

K = 10
SETS = {"minilm-sentences": None, "glove-enwiki": 41_000, "numberbatch": 41_000}
SHARES = (0.5, 1, 2, 4)  # bits per dimension
SEEDS = range(3)


def ours(estimator, base, queries):
    """Return bytes per row, rows found and scores."""
    made = estimator.compress(base, **({} if isinstance(estimator, sv.TransformCoding) else {"factors": True}))
    sizes = made.info()["bytes"]
    found = made.search(queries, K, oversample=None, threads=1)
    per_row = -(-made.n_bits // 8) + sizes["factors"] / (16 * -(-len(base) // 16))
    return per_row, found.indices, found.scores


def theirs(make, queries):
    index = make()
    scores, rows = index.search(queries, K)
    return index.sa_code_size(), rows, scores


def ways(base, share, seed):
    """Yield (name, what makes (bytes, rows, scores) of queries)."""
    d = base.shape[1]
    n_bits = int(share * d)
    yield "`TransformCoding`", partial(ours, sv.TransformCoding(n_bits, random_state=seed), base)
    without = sv.TransformCoding(n_bits, n_passes=0, random_state=seed)
    yield "... without the descent", partial(ours, without, base)
    if share <= 1:
        yield "`IIQ(n_remove=0)` with factors", partial(ours, sv.IIQ(n_bits, 0, random_state=seed), base)
    import faiss

    faiss.omp_set_num_threads(1)
    if share in (1, 2, 4):
        yield "faiss RaBitQ, rotated and centred", partial(theirs, partial(rabitq, base, n_bits=share))
    if share <= 1 and seed == 0:  # minutes of training
        size = n_bits // 8
        kind = f"OPQ{size},PQ{size}" if d % size == 0 else f"OPQ{size}_{d // size * size},PQ{size}"
        yield (
            "faiss OPQ + PQ (one draw)",
            partial(theirs, lambda: filled(faiss.index_factory(d, kind, faiss.METRIC_INNER_PRODUCT), base)),
        )


def tie_aware(base, queries, rows):
    """Return recall where ties count."""
    return recall_with_ties(rows, exact_neighbours(queries, base, K, "dot"), queries, base, "dot")


def section(name, limit, data):
    rows, lines = unit(load_rows(data, name)[:limit]), []
    for share in SHARES:
        found, took = {}, {}
        for seed in SEEDS:
            base, queries = (np.ascontiguousarray(part) for part in held_out(rows, seed=seed))
            for label, search in ways(base, share, seed):
                start = time.perf_counter()
                size, best, scores = search(queries)
                took.setdefault(label, []).append(time.perf_counter() - start)
                errors = scores - np.take_along_axis(queries @ base.T, best, axis=1)
                found.setdefault(label, []).append((size, tie_aware(base, queries, best), errors.mean(), errors.std()))
        for label, draws in found.items():
            size, share_found, bias, spread = np.mean(draws, axis=0)
            deviation = np.std([draw[1] for draw in draws])
            by = f"{share_found:.3f}" + (f" ± {deviation:.3f}" if len(draws) > 1 else "")
            lines.append([f"{share:g}", label, f"{size:.0f}", by, f"{bias:+.4f}", f"{spread:.4f}"])
            print(name, *lines[-1], f"{np.median(took[label]):.1f} s", flush=True)
    header = ["bits per dimension", "", "bytes per row", "recall@10", "mean error of the ten scores", "its deviation"]
    return f"## {name}: {len(base):,} × {base.shape[1]}\n\n" + table(lines, header)


def main():
    options = parser(__doc__).parse_args()
    data = data_or_skip(options)
    sections = [section(name, limit, data) for name, limit in SETS.items()]
    write_result("bits", "Recall at a number of bytes", sections)


if __name__ == "__main__":
    main()
