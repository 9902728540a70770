"""How much time does a recall take where lists are read and not all rows, beside other libraries' lists and graphs?

Rows have length one, and 1,000 are held out as queries. A row that is found counts if its exact cosine reaches that of
the tenth neighbour. Times are CPU time of one thread per query, the least of three turns in which all indexes are asked
one after the other. Bytes are those of the whole file over the number of rows. Indexes are built by two threads.

Run: ``python -m benchmarks.partitions``.
"""

from __future__ import annotations

import os
import time
from functools import partial
from typing import NamedTuple

os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"

import numpy as np

import slimvec as sv
from benchmarks.bits import K
from benchmarks.common import RESULTS, data_or_skip, held_out, load_rows, parser, table, unit, write_result
from benchmarks.neighbour_peers import (
    bytes_of_file,
    faiss_lists,
    graph,
    graph_of_bytes,
    product_lists,
    rabitqlib_lists,
)
from benchmarks.sentence_rows import imdb_sentences
from slimvec.evaluate import plot_frontier
from slimvec.evaluate.retrieval import Retrieval
from slimvec.evaluate.truth import exact_neighbours, recall_with_ties

N_QUERIES = 1000
N_SENTENCES = 300_000
N_ALONE, N_BATCHED = 150, 256
BATCHES = (1, 64, 256)
TURNS = 3
PROBES = (16, 32, 64, 128, 256, 512)
EF = (10, 16, 32, 64, 128, 256, 512)
LEAST = 0.4  # of the true neighbours, at any setting: an index that is set up wrongly finds next to none
LEVELS = (0.9, 0.95)
CODES = ((2, 4, False), (1, 4, False), (1.25, 5, False), (2, 4, True), (1.25, 5, True))  # bits, in second codes, spill
OTHERS = ("minilm-sentences", "numberbatch", "glove-enwiki")


class Point(NamedTuple):
    """An index at one setting: how it is asked, and what it takes."""

    name: str
    setting: str
    bytes_per_row: float
    search: object  # queries to rows (q, K)


class Judged(NamedTuple):
    recall: float
    microseconds: list[float]  # per query, of each size of batch


class Judge:
    """Held-out queries and their true neighbours."""

    def __init__(self, rows):
        self.base, self.queries = (np.ascontiguousarray(part) for part in held_out(rows, N_QUERIES))
        self.truth = exact_neighbours(self.queries, self.base, K, "dot")

    def recall(self, rows):
        return recall_with_ties(np.asarray(rows, np.int64), self.truth, self.queries, self.base, "dot")


def coded(base, share, **options):
    """Return a table of so many bits per dimension."""
    return sv.TransformCoding(int(share * base.shape[1]), **options).compress(base)


def built(work):
    """Return what a callable returns, and the CPU seconds of all threads: others work on the machine, too."""
    start = time.process_time()
    index = work()
    return index, time.process_time() - start


def lists_of(made):
    return len(made._parts.partition.starts) - 1


def assert_all_lists_are_all_rows(made, queries):
    """Reading each list must find what a search finds that knows of no lists."""
    every, scan = made.search(queries, K, probes=lists_of(made)), made.search(queries, K)
    np.testing.assert_array_equal(every.indices, scan.indices)


def ours(judge, share, refine_bits, spill, builds):
    name = f"slimvec, {share:g} + {refine_bits} bits" + (", two lists" if spill else "")
    options = {"refine_bits": refine_bits, "partitions": "auto", "spill": spill}
    made, seconds = built(partial(coded, judge.base, share, **options))
    assert_all_lists_are_all_rows(made, judge.queries[:50])
    per_row = bytes_of_file(made.save) / len(judge.base)
    builds.append([name, f"{seconds:.0f}", f"{per_row:.0f}"])
    print(*builds[-1], flush=True)

    def search(asked, n):
        return made.search(asked, K, probes=n, threads=1).indices

    return made, [Point(name, f"{n or 'all'} lists", per_row, partial(search, n=n)) for n in (*PROBES, None)]


def faiss_points(judge, n_lists, builds):
    import faiss

    peers = {
        "faiss `IndexIVFRaBitQFastScan`, 5 bits": partial(faiss_lists, judge.base, n_lists, 5),
        "faiss `IndexIVFPQFastScan`, 2 bits, SQ4": partial(product_lists, judge.base, n_lists),
    }
    for name, build in peers.items():
        faiss.omp_set_num_threads(2)
        index, seconds = built(build)
        faiss.omp_set_num_threads(1)
        per_row = bytes_of_file(partial(faiss.write_index, index)) / len(judge.base)
        builds.append([name, f"{seconds:.0f}", f"{per_row:.0f}"])
        print(*builds[-1], flush=True)

        def search(asked, n, index, lists):
            lists.nprobe = n
            return index.search(asked, K)[1]

        asks = partial(search, index=index, lists=faiss.extract_index_ivf(lists_in(index)))
        for probes in PROBES:
            yield Point(name, f"{probes} lists", per_row, partial(asks, n=probes))


def lists_in(index):
    """Return what faiss finds the lists of: an index without its refinement."""
    import faiss

    index = faiss.downcast_index(index)
    return index.base_index if isinstance(index, faiss.IndexRefine) else index


def rabitqlib_points(judge, n_lists, builds):
    name = "rabitqlib `IvfIndex`, 5 bits"
    index, seconds = built(partial(rabitqlib_lists, judge.base, n_lists, 5))
    per_row = bytes_of_file(index.save) / len(judge.base)
    builds.append([name, f"{seconds:.0f}", f"{per_row:.0f}"])
    print(*builds[-1], flush=True)

    def search(asked, n):
        return index.search(asked, k=K, nprobe=n, num_threads=1)[0]

    for probes in PROBES:
        yield Point(name, f"{probes} lists", per_row, partial(search, n=probes))


def graph_points(judge, builds):
    def of_floats(asked, ef, index):
        index.set_ef(ef)
        return index.knn_query(asked, K, num_threads=1)[0]

    def of_bytes(asked, ef, index):
        index.expansion_search = ef
        return index.search(asked, K, threads=1).keys.reshape(len(asked), K)

    for name, build, search in (
        ("hnswlib, M = 32, float32", graph, of_floats),
        ("usearch, M = 32, int8", graph_of_bytes, of_bytes),
    ):
        index, seconds = built(partial(build, judge.base, 32, 200))
        per_row = bytes_of_file(getattr(index, "save_index", None) or index.save) / len(judge.base)
        builds.append([name, f"{seconds:.0f}", f"{per_row:.0f}"])
        print(*builds[-1], flush=True)
        for ef in EF:
            yield Point(name, f"ef {ef}", per_row, partial(search, ef=ef, index=index))


def seconds_of(search, queries, batch):
    """Return the CPU seconds per query of asking in batches."""
    start = time.thread_time()
    for first in range(0, len(queries), batch):
        search(queries[first : first + batch])
    return (time.thread_time() - start) / len(queries)


def alone(process, thread):
    """Say whether the work of a search was done by the thread that is timed."""
    return process < 1.2 * thread + 0.01


def judged(points, judge):
    """Return what each point finds and takes; points take turns, so that a busy minute hits all."""
    found = []
    for point in points:
        before = time.process_time(), time.thread_time()
        found.append(judge.recall(point.search(judge.queries)))
        assert found[-1] > LEAST, f"{point.name}, {point.setting}: {found[-1]}"
        assert alone(time.process_time() - before[0], time.thread_time() - before[1]), f"{point.name}: more threads"
    times = np.full((len(points), len(BATCHES)), np.inf)
    for turn in range(TURNS):
        print("turn", turn, flush=True)
        for p, point in enumerate(points):
            for b, batch in enumerate(BATCHES):
                asked = judge.queries[: N_ALONE if batch == 1 else N_BATCHED]
                if turn and point.setting == "all lists":
                    continue  # a tenth of a second each: once will do
                times[p, b] = min(times[p, b], seconds_of(point.search, asked, batch))
    return [Judged(share, [1e6 * float(t) for t in row]) for share, row in zip(found, times, strict=True)]


def time_at(level, points):
    """Return the time at a recall, read between the points (recall, time) on a log scale, or why there is none."""
    points = sorted(points)
    shares, times = zip(*points, strict=True)
    if level > shares[-1]:
        return f"at most {shares[-1]:.3f} found"
    if level < shares[0]:
        return f"below {times[0]:.0f}"
    return float(np.exp(np.interp(level, shares, np.log(times))))


def level_table(points, results):
    """Return, at each level of recall, the times of all and how often they contain those of ours."""
    names = list(dict.fromkeys(point.name for point in points))
    lines = []
    for level in LEVELS:
        times = {}
        for name in names:
            own = [(r.recall, r.microseconds) for p, r in zip(points, results, strict=True) if p.name == name]
            times[name] = [time_at(level, [(share, t[b]) for share, t in own]) for b in range(len(BATCHES))]
        for name in names:
            size = next(p.bytes_per_row for p in points if p.name == name)
            cells = [_beside(times[name][b], times[names[0]][b]) for b in range(len(BATCHES))]
            lines.append([f"{level:.2f}", name, f"{size:.0f}", *cells])
    return table(lines, ["recall@10", "", "bytes per row", *batch_titles()])


def batch_titles():
    return ["µs per query, alone"] + [f"in batches of {batch}" for batch in BATCHES[1:]]


def _beside(own, first):
    if isinstance(own, str):
        return own
    return f"{own:.0f}" + ("" if isinstance(first, str) else f" ({own / first:.2f})")


def draw(points, results):
    """Draw recall against the time of a query alone."""
    lines = {}
    for point, result in zip(points, results, strict=True):
        milliseconds = result.microseconds[0] / 1000
        row = Retrieval(point.setting, None, 0.0, milliseconds, milliseconds, result.recall, point.bytes_per_row)
        lines.setdefault(point.name.replace("`", ""), []).append(row)
    plot_frontier(lines, RESULTS / "partitions.svg", against="time")


def promised(name, judge, made):
    """Return rows of a table: the recall asked for, and the recall of held-out queries."""
    lines = []
    for level in LEVELS:
        try:
            found = made.search(judge.queries, K, recall=level, threads=1)
        except ValueError as error:
            lines.append([name, level, "refused: " + str(error).split(";")[0], ""])
        else:
            n_probes = made._parts.partition.calibration.probes_for(level, K, exactly=False)
            lines.append([name, level, f"{judge.recall(found.indices):.3f}", f"{n_probes} of {lists_of(made)}"])
        print(*lines[-1], flush=True)
    return lines


def kept_table(lines, share=CODES[0][0]):
    bits = f"{share} + {CODES[0][1]} bits per dimension"
    text = f"## Promised and delivered\n\n{bits}, `search(queries, recall=...)`.\n\n"
    return text + table(lines, ["", "`recall=`", "recall@10 of held-out queries", "lists read"])


def main():
    options = parser(__doc__)
    options.add_argument("--rows", type=int, default=N_SENTENCES, help="sentences (default: %(default)s)")
    options = options.parse_args()
    data = data_or_skip(options)
    builds = []
    judge = Judge(imdb_sentences(data, options.rows + N_QUERIES))
    title = f"imdb sentences, {len(judge.base):,} × {judge.base.shape[1]}"
    print(title, flush=True)
    made, points = ours(judge, *CODES[0], builds)
    kept = promised("imdb sentences", judge, made)
    for codes in CODES[1:]:
        points += ours(judge, *codes, builds)[1]
    share, refine_bits, _ = CODES[0]
    for name in OTHERS:
        other = Judge(unit(load_rows(data, name)))
        kept += promised(name, other, coded(other.base, share, refine_bits=refine_bits, partitions="auto"))
    n_lists = lists_of(made)
    points += faiss_points(judge, n_lists, builds)
    points += rabitqlib_points(judge, n_lists, builds)
    points += graph_points(judge, builds)
    results = judged(points, judge)
    draw(points, results)
    lines = [
        [point.name, point.setting, f"{result.recall:.3f}", *(f"{t:.0f}" for t in result.microseconds)]
        for point, result in zip(points, results, strict=True)
    ]
    sections = [
        f"## {title}\n\nWith `--rows {options.rows}`; {n_lists} lists for all; [chart](partitions.svg).\n\n"
        + level_table(points, results),
        "In brackets: over the time of the first of them. Times lie between those of two settings, on a log scale.",
        table(lines, ["", "", "recall@10", *batch_titles()]),
        "## Building\n\n" + table(builds, ["", "CPU seconds of both threads", "bytes per row"]),
        kept_table(kept),
    ]
    write_result("partitions", "Lists: recall, time and bytes", sections)


if __name__ == "__main__":
    main()
