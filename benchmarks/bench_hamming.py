"""Exact Hamming top-10: slimvec on every ISA beside faiss IndexBinaryFlat, usearch and NumPy, one thread and two.

Random codes: the time of an exact scan does not depend on what the bits mean. faiss and usearch take whole bytes, so
they get the same codes padded with zero bits, which changes no distance. Caches are emptied before every run.
"""

from __future__ import annotations

import argparse
from functools import partial

import numpy as np

import slimvec as sv
from common import interleaved, table, write_result

K = 10
BATCH = 64


def make(n: int, n_bits: int):
    generator = np.random.default_rng(0)
    codes = generator.integers(0, 256, (n, -(-n_bits // 8)), np.uint8)
    if n_bits % 8:
        codes[:, -1] &= (1 << n_bits % 8) - 1
    return codes, codes[generator.integers(0, n, BATCH)] ^ generator.integers(0, 2, (BATCH, codes.shape[1]), np.uint8)


ELSEWHERE = np.ones(1 << 25, np.int64)


def evict() -> None:
    """Read 256 MB of something else, so that every contestant starts from memory and none from another's cache."""
    ELSEWHERE.sum()


def check(answers: dict, expected: np.ndarray) -> None:
    """Distances must be equal; which of several codes at the same distance is returned is each library's own affair."""
    for name, distances in answers.items():
        assert np.array_equal(np.sort(distances, axis=1), expected), name


def numpy_search(codes, query):
    distances = np.bitwise_count(codes ^ query).sum(axis=1, dtype=np.int32)
    return distances[np.argpartition(distances, K)[:K]][None]


def section(n: int, n_bits: int, repeats: int) -> str:
    import faiss
    from usearch.index import MetricKind, search

    codes, queries = make(n, n_bits)
    index = sv.HammingIndex(codes, n_bits)
    flat = faiss.IndexBinaryFlat(8 * codes.shape[1])
    flat.add(codes)

    def ours(isa, threads, q):
        with sv.use_isa(isa):
            return index.search(q, K, threads).distances

    def theirs(threads, q):
        faiss.omp_set_num_threads(threads)
        return flat.search(q, K)[0]

    def usearch(threads, q):
        found = search(codes, q, K, MetricKind.Hamming, exact=True, threads=threads)
        return np.asarray(found.distances, np.int32).reshape(len(q), K)

    rows = []
    for threads in (1, 2):
        for q in (queries[:1], queries):
            contestants = {f"slimvec {isa}": partial(ours, isa, threads, q) for isa in sv.available_isas()}
            contestants["faiss IndexBinaryFlat"] = partial(theirs, threads, q)
            contestants["usearch exact"] = partial(usearch, threads, q)
            if len(q) == 1 and threads == 1:
                contestants["NumPy bitwise_count"] = partial(numpy_search, codes, q)
            check({name: run() for name, run in contestants.items()}, ours("scalar", 1, q))
            times = interleaved(contestants, repeats, before=evict)
            base = times["faiss IndexBinaryFlat"]
            for name, seconds in times.items():
                per_query = 1e3 * seconds / len(q)
                rows.append([threads, len(q), name, f"{per_query:.2f}", f"{base / seconds:.2f}"])
    header = ["threads", "queries", "", "ms per query", "times faster than faiss"]
    return f"## {n:,} codes of {n_bits} bits (faiss, usearch: {8 * codes.shape[1]}), top-{K}\n\n" + table(rows, header)


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--codes", type=int, default=1_000_000)
    options.add_argument("--repeats", type=int, default=9)
    arguments = options.parse_args()
    sections = [section(arguments.codes, n_bits, arguments.repeats) for n_bits in (300, 256, 1024)]
    write_result("hamming.md", "Exact Hamming search", "bench_hamming.py", sections)


if __name__ == "__main__":
    main()
