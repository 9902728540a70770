"""Lists for inner products and distances of rows of many lengths, and over codes of signs.

Rows are as they are: words of GloVe, and centred sums of word vectors over sentences of AG News and IMDB. 1,000 are
held out as queries. A row that is found counts if its exact score reaches that of the tenth neighbour. Codes that are
read are counted until a share of the true neighbours lies in the lists.

Run: ``python -m benchmarks.more_lists``.
"""

from __future__ import annotations

import os
from dataclasses import replace

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np

import slimvec as sv
from benchmarks.bits import K
from benchmarks.common import data_or_skip, held_out, load_rows, parser, table, unit, write_result
from benchmarks.sentence_rows import imdb_sentences, news_sentences
from slimvec.binary.probing import probe_order
from slimvec.evaluate.truth import exact_neighbours, recall_with_ties

N_QUERIES = 1000
N_SENTENCES = 60_000
LEVELS = (0.9, 0.95)
METRICS = ("cosine", "dot", "l2")
PROBES = (16, 64, None)
OF_ONE_LENGTH = ("minilm-sentences", "numberbatch")
KEPT = """## Promised and delivered

2 + 4 bits per dimension, `search(queries, metric=..., recall=...)`.
"""
READ = """## Which lists are read for inner products

Lists and codes until so much of the true neighbours lies in them. In the order of the centroids' products, or with
four deviations of the rows of a list added to each.
"""
SIGNS = """## Codes of signs

One bit per direction, rows of length one. `IIQ` codes whole rows, `TransformCoding` what centroids leave.
"""


def rows_of_many_lengths(data):
    """Yield names and rows."""
    words = load_rows(data, "glove-enwiki").astype(np.float32)
    yield "glove-enwiki", words[np.linalg.norm(words, axis=1) > 0]
    yield "news sentences", news_sentences(data, of_unit_length=False)
    yield "imdb sentences", imdb_sentences(data, N_SENTENCES, of_unit_length=False)


def promised(title, made, base, queries):
    """Return rows of a table: the recall asked for, and that of held-out queries."""
    lines, partition = [], made._parts.partition
    for metric in METRICS:
        truth = exact_neighbours(queries, base, K, metric)
        measured = partition.others.get(metric, partition.calibration)
        for level in LEVELS:
            try:
                found = made.search(queries, K, metric=metric, recall=level, threads=1)
            except ValueError as error:
                lines.append([title, metric, level, "refused: " + str(error).split("; ")[1].split(". ")[0], ""])
            else:
                share = recall_with_ties(found.indices, truth, queries, base, metric)
                n_read = measured.probes_for(level, K, exactly=False)
                lines.append([title, metric, level, f"{share:.3f}", f"{n_read} of {partition.n_lists}"])
            print(*lines[-1], flush=True)
    return lines


def read_for_products(title, made, base, queries):
    """Return rows of a table: lists and codes that are read, in either order."""
    parts = made._parts
    partition = parts.partition
    of_neighbours = partition.lists(exact_neighbours(queries, base, K, "dot"))
    lines = []
    for name, spreads in (("centroids", None), ("with deviations", partition.spreads)):
        order = probe_order(replace(parts, partition=replace(partition, spreads=spreads)), queries, "dot")
        ranks = np.take_along_axis(np.argsort(order, axis=1), of_neighbours, axis=1)
        codes = np.cumsum(np.diff(partition.starts)[order], axis=1).mean(axis=0)
        numbers = [int(np.quantile(ranks, level)) + 1 for level in LEVELS]
        lines.append([title, name, *(f"{n} / {codes[n - 1]:,.0f}" for n in numbers)])
        print(*lines[-1], flush=True)
    return lines


def signs(data):
    """Return rows of a table: what codes of one bit find, of whole rows and of what centroids leave."""
    lines = []
    for name in OF_ONE_LENGTH:
        base, queries = (np.ascontiguousarray(part) for part in held_out(unit(load_rows(data, name)), N_QUERIES))
        truth = exact_neighbours(queries, base, K, "dot")
        whole = sv.IIQ(n_remove=0, partitions="auto").compress(base)
        rest = sv.TransformCoding(max_bits_per_direction=1, n_passes=0, partitions="auto").compress(base)
        for way, made in (("whole rows, `IIQ`", whole), ("rest, `TransformCoding`", rest)):
            shares = []
            for n in PROBES:
                found = made.search(queries, K, probes=n or len(base), threads=1)
                shares.append(f"{recall_with_ties(found.indices, truth, queries, base, 'dot'):.3f}")
            lines.append([f"{name}, {len(base):,} × {base.shape[1]}", way, *shares])
            print(*lines[-1], flush=True)
    return lines


def main():
    data = data_or_skip(parser(__doc__).parse_args())
    kept, read = [], []
    for name, rows in rows_of_many_lengths(data):
        base, queries = (np.ascontiguousarray(part) for part in held_out(rows, N_QUERIES))
        title = f"{name}, {len(base):,} × {base.shape[1]}"
        made = sv.TransformCoding(2 * base.shape[1], refine_bits=4, partitions="auto").compress(base)
        kept += promised(title, made, base, queries)
        read += read_for_products(title, made, base, queries)
    sections = [
        KEPT + "\n" + table(kept, ["", "metric", "`recall=`", "recall@10 of held-out queries", "lists read"]),
        READ + "\n" + table(read, ["", "order", *(f"{level:.2f}" for level in LEVELS)]),
        SIGNS + "\n" + table(signs(data), ["", "codes of", *(f"{n or 'all'} lists" for n in PROBES)]),
    ]
    write_result("more_lists", "Lists for other metrics and other codes", sections)


if __name__ == "__main__":
    main()
