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
from benchmarks.partitions import Judge, assert_all_lists_are_all_rows, coded, lists_of
from benchmarks.sentence_rows import imdb_sentences

LEVELS = (0.9, 0.95)
SETS = ("minilm-sentences", "glove-enwiki", "numberbatch")
N_SENTENCES = 50_000
PROMISES = "## Promised and delivered\n\n1 + 4 bits per dimension, `search(queries, recall=...)`.\n\n"
GAINS = "## What lists give to codes\n\nNo refinement, every row scored.\n\n"


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
    rows = {name: unit(load_rows(data, name)) for name in SETS}
    rows["imdb sentences"] = imdb_sentences(data, N_SENTENCES)
    for name, vectors in rows.items():
        judge = Judge(vectors)
        title = f"{name}, {len(judge.base):,} × {judge.base.shape[1]}"
        made = coded(judge.base, 1, refine_bits=4, partitions="auto")
        assert_all_lists_are_all_rows(made, judge.queries[:50])
        kept += promised(title, judge, made)
        gains += lists_and_none(title, judge)
    sections = [
        PROMISES + table(kept, ["", "`recall=`", "recall@10 of held-out queries", "lists read"]),
        GAINS + table(gains, ["", "bits per dimension", "recall@10 without lists", "with lists, all read"]),
    ]
    write_result("promises", "Promised recall", sections)


if __name__ == "__main__":
    main()
