"""Does an index that was built for a recall find as much, and could it have been had for fewer bytes?

Of each table 2,000 rows are kept from everything and ask in the end. ``recommend`` sees the others; the index that it
builds is asked for ten neighbours of these. Then all settings that there are to choose from and that take fewer bytes,
down to half of what the lowest recall takes, are made of all rows, and the cheapest that reaches the recall is told.
Rows that are as near as the last true neighbour count.

One more table is not part of the evaluation data, a ``.npy`` that ``--more`` names: sentences of IMDb reviews, as
weighted means of numberbatch words.

Run: ``python -m benchmarks.recommending``.
"""

from __future__ import annotations

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"

from pathlib import Path

import numpy as np

import slimvec as sv
from benchmarks.common import data_or_skip, held_out, load_rows, parser, table, timed, write_result
from slimvec.binary.methods.transform_coding import VARIES
from slimvec.evaluate.truth import exact_neighbours, recall_with_ties
from slimvec.recommending.choices import Shape

K, N_FRESH = 10, 2000
LEAST = 0.5  # of the bytes that the lowest recall takes: cheaper settings find far less
RECALLS = (0.9, 0.95, 0.99)
TABLES = ("minilm-sentences", "numberbatch", "glove-enwiki")


def asked(index, queries, true, base):
    found = np.array(index.search(queries, K).ids)
    return recall_with_ties(found, true, queries, base, "cosine")


def section(name, rows):
    base, queries = (np.ascontiguousarray(part) for part in held_out(rows, N_FRESH, seed=1))
    true = exact_neighbours(queries, base, K, "cosine")
    made, lines, least = {}, [], None

    def measured(choice):
        if choice not in made:
            index = sv.Index.build(base, n_bits=choice[0], refine_bits=choice[1])
            made[choice] = asked(index, queries, true, base)
            print(name, *choice, f"{made[choice]:.4f}", flush=True)
        return made[choice]

    variances = sv.TransformCoding(1, n_iter=0, n_passes=0).fit(base).singular_values_ ** 2
    weighted = sv.TransformCoding(1, n_iter=0).compress(base[:16]).info()["bytes"]["factors"] // 16
    shape = Shape(int(np.count_nonzero(variances > VARIES * variances.max())), weighted // 2)
    for recall in RECALLS:
        try:
            found, took = timed(lambda recall=recall: sv.recommend(base, recall, K))
        except ValueError as error:  # no codes reach it
            print(error, flush=True)
            lines.append(
                [recall, f"none: {str(error).partition('.')[2].partition('. ')[0].partition('; ')[2]}", *[""] * 7]
            )
            continue
        print(found, flush=True)
        best = found.best
        least = least or LEAST * best.bytes_per_row
        cheaper = [one for one in shape.choices() if least <= shape.bytes_of(one) < best.bytes_per_row]
        reached = [one for one in cheaper if measured(one) >= recall]
        got = measured(best[:2])
        # Where the recommended one falls short, what reaches the recall takes more: no part is told.
        cheapest = min(map(shape.bytes_of, reached), default=best.bytes_per_row if got >= recall else None)
        lines.append(
            [
                recall,
                f"{best.n_bits} + {best.refine_bits}",
                best.bytes_per_row,
                f"{best.recall:.3f} ± {best.error:.3f}",
                f"{got:.3f}",
                f"{got - best.recall:+.3f}",
                "more" if cheapest is None else cheapest,
                "above 1" if cheapest is None else f"{cheapest / best.bytes_per_row:.2f}",
                f"{took:.0f}",
            ]
        )
        print(name, *lines[-1], flush=True)
    header = ["recall asked for", "bits", "bytes per row", "expected", "reached", "reached - expected"]
    header += ["fewest bytes that reach it", "part of the recommended ones", "to recommend, s"]
    said = f"{len(made)} settings were made of all rows."
    return f"## {name}: {len(base):,} × {base.shape[1]}\n\n{table(lines, header)}\n\n{said}"


def main():
    options = parser(__doc__)
    options.add_argument("--more", type=Path, help="an .npy file of further vectors")
    options.add_argument("--tables", default=",".join(TABLES), help="of the evaluation data (default: %(default)s)")
    options = options.parse_args()
    data = data_or_skip(options)
    tables = {name: lambda name=name: load_rows(data, name) for name in options.tables.split(",") if name}
    if options.more:
        tables["imdb sentences, means of words"] = lambda: np.load(options.more).astype(np.float32)
    sections = []
    for name, load in tables.items():  # written after each: the last one takes half an hour
        sections.append(section(name, load()))
        write_result("recommending", "Recall that was promised, and reached", sections)


if __name__ == "__main__":
    main()
