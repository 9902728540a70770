"""Exact search of codes, and scored search of float queries: slimvec on every ISA beside its peers, in one run.

Hamming: faiss IndexBinaryFlat, usearch exact, NumKong (whose distances NumPy selects from) and NumPy, on random codes:
the time of an exact scan does not depend on what the bits mean. Peers that take whole bytes get the same codes padded
with zero bits, which changes no distance. Float queries: faiss RaBitQ and RaBitQFastScan at the same bits.
Contestants take turns; caches are emptied before every run, so that none finds its data in another's.

Run: ``python -m benchmarks.search``; ``--scale 0.01 --repeats 1`` for a quick look.
"""

from __future__ import annotations

import os
from functools import cache, partial

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # "one thread" includes the projection of queries

import numpy as np

import slimvec as sv
from benchmarks.common import cosine_neighbours, interleaved, parser, recall, table, timed, write_result
from benchmarks.peers import rabitq

K = 10
BATCHES = (1, 16, 256)
HAMMING, SCORED = "slimvec, codes against codes", "slimvec, shortlist of 10 k scored"
REFERENCE = "faiss IndexRaBitQFastScan"


@cache
def elsewhere() -> np.ndarray:
    return np.ones(1 << 25, np.int64)


def evict() -> None:
    """Read 256 MB of something else."""
    elsewhere().sum()


def make(n: int, n_bits: int):
    generator = np.random.default_rng(0)
    codes = generator.integers(0, 256, (n, -(-n_bits // 8)), np.uint8)
    if n_bits % 8:
        codes[:, -1] &= (1 << n_bits % 8) - 1
    flips = np.bitwise_and(*generator.integers(0, 256, (2, max(BATCHES), codes.shape[1]), np.uint8))
    queries = codes[generator.integers(0, n, max(BATCHES))] ^ flips
    if n_bits % 8:
        queries[:, -1] &= (1 << n_bits % 8) - 1
    return codes, queries


def check(answers: dict, expected: np.ndarray) -> None:
    """Distances must be equal; which of several codes at the same distance is returned is each library's own affair."""
    for name, distances in answers.items():
        assert np.array_equal(np.sort(distances, axis=1), expected), name


def nearest(distances: np.ndarray) -> np.ndarray:
    return np.partition(distances, K - 1, axis=1)[:, :K]


def numkong_search(packed, queries):
    import numkong

    return nearest(np.asarray(numkong.hammings_packed(queries, packed)))


def numpy_search(codes, query):
    return nearest(np.bitwise_count(codes ^ query).sum(axis=1, dtype=np.int32)[None])


def read_loop():
    """A compiled loop that reads 64-bit words and adds them up: as fast as this memory can be read by one thread."""
    import numba

    @numba.njit(nogil=True)
    def read(words):
        total = np.uint64(0)
        for word in words:
            total += word
        return total

    return read


def clock() -> float:
    """Cycles per second while busy: a multiplication and an XOR that wait for each other take 4 cycles."""
    import numba

    @numba.njit
    def chain(n, x):
        for _ in range(n):
            x = (x * np.uint64(6364136223846793005)) ^ (x >> np.uint64(7))
        return x

    chain(10, np.uint64(1))
    return 4 * 20_000_000 / min(timed(lambda: chain(20_000_000, np.uint64(1)))[1] for _ in range(9))


class Hamming:
    """All contestants over the same codes."""

    def __init__(self, n: int, n_bits: int) -> None:
        import faiss

        self.n_bits = n_bits
        self.codes, self.queries = make(n, n_bits)
        self.index = sv.HammingIndex(self.codes, n_bits)
        self.flat = faiss.IndexBinaryFlat(8 * self.codes.shape[1])
        self.flat.add(self.codes)

    def ours(self, isa, threads, queries):
        with sv.use_isa(isa):
            return self.index.search(queries, K, threads).distances

    def faiss(self, threads, queries):
        import faiss

        faiss.omp_set_num_threads(threads)
        return self.flat.search(queries, K)[0]

    def usearch(self, threads, queries):
        from usearch.index import MetricKind, search

        found = search(self.codes, queries, K, MetricKind.Hamming, exact=True, threads=threads)
        return np.asarray(found.distances, np.int32).reshape(len(queries), K)

    def contestants(self, threads: int, queries: np.ndarray) -> dict:
        runs = {f"slimvec {isa}": partial(self.ours, isa, threads, queries) for isa in sv.available_isas()}
        runs["faiss IndexBinaryFlat"] = partial(self.faiss, threads, queries)
        if len(queries) < 256:  # minutes otherwise
            runs["usearch exact"] = partial(self.usearch, threads, queries)
        if threads == 1 and len(queries) == 16:
            import numkong

            runs["NumKong + NumPy"] = partial(numkong_search, numkong.hammings_pack(self.codes, "uint1"), queries)
        if threads == 1 and len(queries) == 1:
            runs["NumPy bitwise_count"] = partial(numpy_search, self.codes, queries)
        return runs

    def section(self, repeats: int) -> str:
        rows = []
        for threads in (1, 2):
            for batch in BATCHES:
                queries = self.queries[:batch]
                runs = self.contestants(threads, queries)
                check({name: run() for name, run in runs.items()}, self.ours("scalar", threads, queries))
                times = interleaved(runs, repeats, before=evict)
                for name, seconds in times.items():
                    times_faster = times["faiss IndexBinaryFlat"] / seconds
                    rows.append([threads, batch, name, f"{1e3 * seconds / batch:.3f}", f"{times_faster:.2f}"])
        header = ["threads", "queries", "", "ms per query", "times faster than faiss"]
        title = f"## {len(self.codes):,} codes of {self.n_bits} bits (peers: {8 * self.codes.shape[1]}), top-{K}\n\n"
        return title + table(rows, header)


def limits_section(n: int, repeats: int) -> str:
    """How far the kernels are from what the machine can do."""
    read = read_loop()
    codes, queries = make(n, 300)
    index = sv.HammingIndex(codes, 300)
    words = index._codes.blocks.reshape(-1).view(np.uint64)
    runs = {"read": partial(read, words), "search": partial(index.search, queries[:1], K, 1)}
    memory = interleaved(runs, repeats, before=evict)
    small = sv.HammingIndex(codes[:20_000], 300)  # 0.8 MB
    cached = interleaved({"batch": partial(small.search, queries, K, 1)}, repeats)["batch"]
    tiny = sv.HammingIndex(codes[:10_000], 300)

    def hundred():
        for _ in range(100):
            tiny.search(queries[:1], K)

    one = interleaved({"one": hundred}, repeats)["one"] / 100
    hertz = clock()
    rows = [
        ["one query over a read loop, same memory", f"{memory['search'] / memory['read']:.2f} ×"],
        ["memory read by the loop", f"{words.nbytes / memory['read'] / 1e9:.1f} GB/s"],
        ["clock", f"{hertz / 1e9:.2f} GHz"],
        ["batch of 256 over 20,000 codes of 300 bits in cache", f"{cached * hertz / 256 / 20_000:.2f} cycles per code"],
        ["one query over 10,000 codes of 300 bits, with the Python call", f"{1e6 * one:.1f} us"],
    ]
    return "## How far from the limits\n\n" + table(rows, ["", ""])


def vectors(n: int, d: int, generator) -> np.ndarray:
    """Clustered vectors whose spectrum falls, with a common direction, of unit length: like sentence embeddings."""
    spectrum = (1 + np.arange(d)) ** -0.4
    centres = generator.standard_normal((n // 50, d))
    rows = (centres[generator.integers(0, len(centres), n)] + generator.standard_normal((n, d))) * spectrum + 0.1
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def scored_runs(base: np.ndarray, queries: np.ndarray) -> dict:
    """Every way of searching float queries, as a function of the first of them."""
    import faiss

    ours = sv.IIQ(n_remove=0).compress(base, factors=True)
    codes = ours.encode(queries)
    peers = {f"faiss {kind}": rabitq(base, kind) for kind in ("IndexRaBitQ", "IndexRaBitQFastScan")}
    faiss.omp_set_num_threads(1)
    return {
        HAMMING: lambda q: ours.search_codes(codes[: len(q)], K, threads=1).indices,
        SCORED: lambda q: ours.search(q, K, threads=1).indices,
        "slimvec, all scored": lambda q: ours.search(q, K, oversample=None, threads=1).indices,
        "slimvec, shortlist, originals": lambda q: ours.search(q, K, originals=base, threads=1).indices,
        **{name: (lambda q, index=index: index.search(q, K)[1]) for name, index in peers.items()},
    }


def scored_section(n: int, repeats: int) -> str:
    """Float queries: recall, time and bytes beside faiss's RaBitQ."""
    n_queries, d = 64, 300
    rows = vectors(n + n_queries, d, np.random.default_rng(0))
    base, queries = rows[n_queries:], rows[:n_queries]
    truth, runs = cosine_neighbours(base, queries, K), scored_runs(base, queries)
    sizes = {"slimvec": 4 * -(-d // 32) + 4, "faiss": -(-d // 8) + 8}
    batch = interleaved({name: partial(run, queries) for name, run in runs.items()}, repeats, before=evict)
    one = interleaved({name: partial(run, queries[:1]) for name, run in runs.items()}, repeats, before=evict)
    lines = []
    for name, run in runs.items():
        size = sizes[name.split()[0].rstrip(",")] - (4 if name == HAMMING else 0)
        times = [f"{1e3 * batch[name] / n_queries:.3f}", f"{batch[REFERENCE] / batch[name]:.1f}"]
        times += [f"{1e3 * one[name]:.3f}", f"{one[REFERENCE] / one[name]:.1f}"]
        lines.append([name, size, f"{recall(run(queries), truth):.3f}", *times])
    text = f"## Float queries: {n:,} × {d} vectors, {d} bits, top-{K}, one thread\n\n"
    text += "Made-up vectors: clusters, a falling spectrum, a common direction. `recall.md` has real ones.\n\n"
    header = ["", "bytes per row", f"recall@{K}", f"batch of {n_queries}: ms per query", "times faster"]
    text += table(lines, [*header, "one query: ms", "faster"])
    share = 100 * batch[HAMMING] / batch[SCORED]
    text += f"\n\nTimes faster than {REFERENCE}. The scored shortlist keeps {share:.0f} % of the throughput of codes "
    return text + "against codes."


def main():
    options = parser(__doc__, data=False, repeats=7)
    options.add_argument("--scale", type=float, default=1.0, help="share of the codes to use, for a quick look")
    arguments = options.parse_args()
    sections = []
    for n, n_bits in ((1_917_494, 300), (1_000_000, 256), (1_000_000, 1024)):
        sections.append(Hamming(int(n * arguments.scale), n_bits).section(arguments.repeats))
    sections.append(limits_section(int(1_917_494 * arguments.scale), arguments.repeats))
    sections.append(scored_section(int(500_000 * arguments.scale), arguments.repeats))
    sections.append(scored_section(int(1_000_000 * arguments.scale), arguments.repeats))
    write_result("search", "Search", sections)


if __name__ == "__main__":
    main()
