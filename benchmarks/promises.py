"""Is the recall that a table promises delivered to queries that it has not seen, and do lists make codes better?

Rows have length one, and 1,000 are held out as queries. A row that is found counts if its exact cosine reaches that of
the tenth neighbour.

Where only some rows may be found, these are drawn at random, and an index is asked for the nearest of them.

Run: ``python -m benchmarks.promises``.
"""

from __future__ import annotations

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np

import slimvec as sv
from benchmarks.bits import K
from benchmarks.common import data_or_skip, load_rows, parser, table, unit, write_result
from benchmarks.partitions import Judge, assert_all_lists_are_all_rows, coded, kept_table, promised
from slimvec.evaluate.truth import exact_neighbours, recall_with_ties

SETS = ("minilm-sentences", "glove-enwiki", "numberbatch")
AMONG = (1, 3, 10, 30)  # one row of so many may be found
SOME = '## Where some rows may be found\n\n`Index.build(X, n_bits=2 d, refine_bits=4, partitions="auto")`.\n\n'
GAINS = "## What lists give to codes\n\nNo refinement, every row scored.\n\n"


def lists_and_none(name, judge):
    """Return rows of a table: what codes find with lists, all of them read, and without."""
    lines = []
    for share in (1, 2):
        shares = []
        for partitions in (None, "auto"):
            made = coded(judge.base, share, partitions=partitions)
            shares.append(judge.recall(made.search(judge.queries, K, threads=1).indices))
        lines.append([name, share, *(f"{found:.3f}" for found in shares)])
        print(*lines[-1], flush=True)
    return lines


def among_some(name, judge):
    """Return rows of a table: what a search of some rows finds of the nearest of these."""
    n, d = judge.base.shape
    index = sv.Index.build(judge.base, n_bits=2 * d, refine_bits=4, partitions="auto")
    line = [name]
    for share in AMONG:
        may = np.random.default_rng(share).integers(0, share, n) == 0
        rows = np.flatnonzero(may)
        some = judge.base[rows]
        found = np.array(index.search(judge.queries, K, may, recall=0.9, threads=1).ids)
        assert may[found].all()
        true = exact_neighbours(judge.queries, some, K, "dot")
        places = np.searchsorted(rows, found)
        line.append(f"{recall_with_ties(places, true, judge.queries, some, 'dot'):.3f}")
    print(*line, flush=True)
    return [line]


def main():
    data = data_or_skip(parser(__doc__).parse_args())
    kept, some, gains = [], [], []
    for name in SETS:
        judge = Judge(unit(load_rows(data, name)))
        title = f"{name}, {len(judge.base):,} × {judge.base.shape[1]}"
        made = coded(judge.base, 1, refine_bits=4, partitions="auto")
        assert_all_lists_are_all_rows(made, judge.queries[:50])
        kept += promised(title, judge, made)
        some += among_some(title, judge)
        gains += lists_and_none(title, judge)
    sections = [
        kept_table(kept, 1),
        SOME + table(some, ["`recall=0.9` among", "all rows", *(f"1 of {share}" for share in AMONG[1:])]),
        GAINS + table(gains, ["", "bits per dimension", "recall@10 without lists", "with lists, all read"]),
    ]
    write_result("promises", "Promised recall", sections)


if __name__ == "__main__":
    main()
