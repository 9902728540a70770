"""Would a graph over codes find a shortlist sooner than lists of codes do?

Rows have length one; 1,000 are held out as queries. Each index keeps one bit per column and gives a shortlist of 100
rows, which second codes or originals would order: told is which share of the ten true neighbours is on it. The graphs,
those of faiss and usearch, have 32 links and were built with a beam of 200; they compare codes of signs (IIQ) by
Hamming distance, as does the scan of all. Lists score the codes of what centroids leave by float queries. Times are CPU
time of one thread per query, the least of three turns in which all are asked one after the other.

Run: ``python -m benchmarks.graphs_of_codes``.
"""

from __future__ import annotations

from functools import partial

import numpy as np

import slimvec as sv
from benchmarks.common import data_or_skip, parser, table, write_result
from benchmarks.neighbour_peers import FaissGraphOfBits, UsearchGraphOfBits, bytes_of_file
from benchmarks.partitions import (
    N_QUERIES,
    N_SENTENCES,
    PROBES,
    Judge,
    Point,
    batch_titles,
    built,
    coded,
    judged,
    lists_of,
)
from benchmarks.sentence_rows import imdb_sentences
from slimvec.evaluate.truth import recall

N_SHORTLIST = 100
EF = (100, 128, 256, 512, 1024)


class Shortlists(Judge):
    """The same queries, whose true neighbours are to be on a shortlist."""

    def recall(self, rows):
        return recall(np.asarray(rows, np.int64), self.truth)


def list_points(judge):
    made, seconds = built(partial(coded, judge.base, 1, partitions="auto"))
    per_row = bytes_of_file(made.save) / len(judge.base)

    def search(asked, n):
        return made.search(asked, N_SHORTLIST, probes=n, threads=1).indices

    name = f"slimvec, {lists_of(made)} lists"
    return [Point(name, f"{n} lists", per_row, partial(search, n=n)) for n in PROBES], [name, f"{seconds:.0f}"]


def graph_points(judge):
    """Return points, and how long building took; queries are made codes before they are timed."""
    made = sv.IIQ(n_bits=judge.base.shape[1], n_remove=0).compress(judge.base)
    codes = made.codes(range(len(made)))
    packed = {query.tobytes(): code for query, code in zip(judge.queries, made.encode(judge.queries), strict=True)}

    def asked_codes(asked):
        return np.stack([packed[query.tobytes()] for query in asked])

    def scan(asked):
        return whole.search(asked_codes(asked), N_SHORTLIST, threads=1)[1]

    whole = sv.HammingIndex(codes)
    points = [Point("slimvec, scan of all codes", "", bytes_of_file(whole.save) / len(codes), scan)]
    builds = []
    for kind in (FaissGraphOfBits, UsearchGraphOfBits):
        graph, seconds = built(partial(kind, codes, 32, 200))
        builds.append([kind.name, f"{seconds:.0f}"])
        print(*builds[-1], flush=True)
        per_row = bytes_of_file(graph.save) / len(codes)

        def search(asked, ef, graph):
            return graph.search(asked_codes(asked), N_SHORTLIST, ef)

        points += [Point(kind.name, f"ef {ef}", per_row, partial(search, ef=ef, graph=graph)) for ef in EF]
    return points, builds


def main():
    options = parser(__doc__)
    options.add_argument("--rows", type=int, default=N_SENTENCES, help="sentences (default: %(default)s)")
    options = options.parse_args()
    judge = Shortlists(imdb_sentences(data_or_skip(options), options.rows + N_QUERIES))
    points, build = list_points(judge)
    of_graphs, builds = graph_points(judge)
    points += of_graphs
    lines = []
    for point, (share, times) in zip(points, judged(points, judge), strict=True):
        name, setting, per_row, _ = point
        lines.append([name, setting, f"{per_row:.0f}", f"{share:.3f}", *(f"{t:.0f}" for t in times)])
    titles = ["", "", "bytes per row", "of ten neighbours, on the shortlist", *batch_titles()]
    title = f"imdb sentences, {len(judge.base):,} × {judge.base.shape[1]}"
    sections = [
        f"## {title}\n\nWith `--rows {options.rows}`.\n\n{table(lines, titles)}",
        "## Building\n\n" + table([build, *builds], ["", "CPU seconds of both threads"]),
    ]
    write_result("graphs_of_codes", "Graphs over codes", sections)


if __name__ == "__main__":
    main()
