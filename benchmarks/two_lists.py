"""What do rows in two lists each find, in which time, for how many codes that are read and how many bytes?

``TransformCoding(spill=True)`` chooses the second list as SOAR does. Rows, queries and times as in
``benchmarks.partitions``.

Run: ``python -m benchmarks.two_lists``.
"""

from __future__ import annotations

import os
from functools import partial

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np

from benchmarks.bits import K
from benchmarks.common import data_or_skip, parser, table, write_result
from benchmarks.neighbour_peers import bytes_of_file
from benchmarks.partitions import N_QUERIES, N_SENTENCES, PROBES, Judge, Point, coded, judged, level_table, lists_of
from benchmarks.sentence_rows import imdb_sentences
from slimvec.binary.probing import probe_order

CODES = ((1, 4), (2, 4), (1.5, 5))  # bits of first codes per dimension, and of second ones


def codes_read(made, queries):
    """Return the mean number of codes that queries meet in the first lists, of each number of them."""
    parts = made._parts
    sizes = np.diff(parts.partition.starts)
    if parts.spilled is not None:
        sizes = sizes + np.diff(parts.spilled.starts)
    order = probe_order(parts, queries, "cosine")
    return np.cumsum(sizes[order], axis=1).mean(axis=0)


def points_of(judge, share, refine_bits, spill):
    """Return the points of a table, and how many codes each of them reads."""
    made = coded(judge.base, share, refine_bits=refine_bits, partitions="auto", spill=spill)
    size = bytes_of_file(made.save) / len(judge.base)
    name = f"{share:g} + {refine_bits} bits, {'two lists' if spill else 'one list'}"
    print(name, lists_of(made), "lists", flush=True)
    read = codes_read(made, judge.queries)

    def search(asked, probes):
        return made.search(asked, K, threads=1, probes=probes).indices

    return [(Point(name, f"{n} lists", size, partial(search, probes=n)), read[n - 1]) for n in PROBES]


def main():
    options = parser(__doc__)
    options.add_argument("--rows", type=int, default=N_SENTENCES, help="sentences (default: %(default)s)")
    options = options.parse_args()
    judge = Judge(imdb_sentences(data_or_skip(options), options.rows + N_QUERIES))
    found = [pair for codes in CODES for spill in (False, True) for pair in points_of(judge, *codes, spill)]
    points, read = zip(*found, strict=True)
    results = judged(points, judge)
    lines = [
        [point.name, point.setting, f"{codes:,.0f}", f"{result.recall:.3f}", *(f"{t:.0f}" for t in result.microseconds)]
        for point, codes, result in zip(points, read, results, strict=True)
    ]
    times = ["µs per query, alone", "in batches of 64", "in batches of 256"]
    sections = [
        f"imdb sentences, {len(judge.base):,} × {judge.base.shape[1]}.\n\n" + level_table(points, results),
        "In brackets: over the time of the first of them. Times lie between those of two settings, on a log scale.",
        table(lines, ["", "", "codes read", "recall@10", *times]),
    ]
    write_result("two_lists", "Rows in two lists", sections)


if __name__ == "__main__":
    main()
