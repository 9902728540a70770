"""Are rows in two lists each, the second chosen as SOAR does, worth their bytes?

A table is made of every row twice, once for each of its lists, and asked for twice as many rows; of these each counts
once, which nothing is timed for. Second codes, words and the order of rows would be kept once: bytes are those of the
table with one list, and again codes, factors and a place. "Same shortlist" refines no more rows than with one list, of
which some are the same: between it and the line above lies what a search could do that tells them apart early. Rows,
queries and times as in ``benchmarks.partitions``.

Run: ``python -m benchmarks.two_lists``.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from functools import partial

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np

import slimvec as sv
from benchmarks.bits import K
from benchmarks.common import data_or_skip, parser, table, write_result
from benchmarks.lists import nearest_but
from benchmarks.neighbour_peers import bytes_of_file
from benchmarks.partitions import N_QUERIES, N_SENTENCES, PROBES, Judge, Point, judged, level_table, lists_of
from benchmarks.sentence_rows import imdb_sentences
from slimvec.binary.builder import TableBuilder
from slimvec.binary.list_encoder import ListEncoder
from slimvec.progress import ignore
from slimvec.vectors.rows import MatrixRows

WEIGHT = 1  # of the error along that of the first list: the best of ``benchmarks.lists``


@dataclass(frozen=True, eq=False)
class GivenLists(ListEncoder):
    """An encoder that is told which lists rows are in, in their order."""

    given: list

    def assign(self, block):
        lists, self.given[0] = np.split(self.given[0], [len(block)])
        return lists


class JudgeOnce(Judge):
    """Counts a row once that is found twice."""

    def recall(self, rows):
        if np.shape(rows)[1] == K:
            return super().recall(rows)
        once = np.array([list(dict.fromkeys(found))[:K] for found in np.asarray(rows).tolist()])
        return super().recall(once)


def in_two_lists(coding, base, lists):
    """Return a table of every row twice: row i, and row n + i in its second list."""
    encoder = coding._encoder()
    second = nearest_but(base, encoder.centroids, lists, WEIGHT)
    own = [getattr(encoder, field.name) for field in fields(encoder)]
    given = GivenLists(*own, [np.concatenate([lists, second]).astype(np.int32)])
    rows = MatrixRows(np.vstack([base, base]))
    builder = TableBuilder(rows, given, coding._norm(rows), {}, ignore, coding._refiner, asks=False)
    return sv.BinaryTable.from_parts(builder.to_memory())


def points_of(judge, share):
    """Return points of a table with one list for each row, and of one with two."""
    n, d = judge.base.shape
    coding = sv.TransformCoding(int(share * d), refine_bits=4, partitions="auto").fit(judge.base)
    one = coding.to_table(judge.base)
    two = in_two_lists(coding, judge.base, one._parts.partition.lists(np.arange(n)))
    assert judge.recall(two.search(judge.queries, 2 * K, threads=1).indices % n) > 0.9  # each row is there twice
    size = bytes_of_file(one.save) / n
    sizes = one.info()["bytes"]
    twice = size + (sizes["codes"] + sizes["factors"]) / n + 4
    short = max(1, one._parts.refinement.refiner.oversample[0] // 2)

    def search(asked, made, k, **options):
        return made.search(asked, k, threads=1, **options).indices % n

    ways = {
        "one list": (size, partial(search, made=one, k=K)),
        "two lists": (twice, partial(search, made=two, k=2 * K)),
        "two lists, same shortlist": (twice, partial(search, made=two, k=2 * K, oversample=short)),
    }
    print(share, lists_of(one), "lists", flush=True)
    return [
        Point(f"{share} + 4 bits, {way}", f"{probes} lists", per_row, partial(ask, probes=probes))
        for way, (per_row, ask) in ways.items()
        for probes in PROBES
    ]


def main():
    options = parser(__doc__)
    options.add_argument("--rows", type=int, default=N_SENTENCES, help="sentences (default: %(default)s)")
    options = options.parse_args()
    judge = JudgeOnce(imdb_sentences(data_or_skip(options), options.rows + N_QUERIES))
    points = [point for share in (1, 2) for point in points_of(judge, share)]
    results = judged(points, judge)
    lines = [
        [point.name, point.setting, f"{result.recall:.3f}", *(f"{t:.0f}" for t in result.microseconds)]
        for point, result in zip(points, results, strict=True)
    ]
    times = ["µs per query, alone", "in batches of 64", "in batches of 256"]
    sections = [
        f"imdb sentences, {len(judge.base):,} × {judge.base.shape[1]}.\n\n" + level_table(points, results),
        "In brackets: over the time of the first of them. Times lie between those of two settings, on a log scale.",
        table(lines, ["", "", "recall@10", *times]),
    ]
    write_result("two_lists", "Rows in two lists", sections)


if __name__ == "__main__":
    main()
