"""Is the recall that a table promises delivered to queries that it has not seen, and do lists make codes better?

Rows have length one, and 1,000 are held out as queries. A row that is found counts if its exact cosine reaches that of
the tenth neighbour.

Run: ``python -m benchmarks.promises``.
"""

from __future__ import annotations

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"

from benchmarks.bits import K
from benchmarks.common import data_or_skip, load_rows, parser, table, unit, write_result
from benchmarks.partitions import Judge, assert_all_lists_are_all_rows, coded, kept_table, promised

SETS = ("minilm-sentences", "glove-enwiki", "numberbatch")
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


def main():
    data = data_or_skip(parser(__doc__).parse_args())
    kept, gains = [], []
    for name in SETS:
        judge = Judge(unit(load_rows(data, name)))
        title = f"{name}, {len(judge.base):,} × {judge.base.shape[1]}"
        made = coded(judge.base, 1, refine_bits=4, partitions="auto")
        assert_all_lists_are_all_rows(made, judge.queries[:50])
        kept += promised(title, judge, made)
        gains += lists_and_none(title, judge)
    sections = [
        kept_table(kept),
        GAINS + table(gains, ["", "bits per dimension", "recall@10 without lists", "with lists, all read"]),
    ]
    write_result("promises", "Promised recall", sections)


if __name__ == "__main__":
    main()
