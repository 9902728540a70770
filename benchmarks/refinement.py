"""How many of the true neighbours do refined codes find, at how many bytes per row, without originals?

Rows are brought to length one; 1,000 are held out as queries. A row that is found counts if its exact cosine reaches
that of the tenth neighbour, so that ties take nothing away. Bytes are all that is kept per row; the encoder, which is
kept once, is told apart.

Run: ``python -m benchmarks.refinement``.
"""

from __future__ import annotations

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np

import slimvec as sv
from benchmarks.bits import K
from benchmarks.common import data_or_skip, held_out, load_rows, parser, table, timed, unit, write_result
from slimvec.evaluate.truth import exact_neighbours, recall_with_ties

FIRST = (1, 2)  # bits per dimension
REFINED = (0, 2, 3, 4, 5, 6)
WIDE = 30  # times as many rows as are asked for: more than what was measured at the fit


def section(name, data):
    base, queries = (np.ascontiguousarray(part) for part in held_out(unit(load_rows(data, name))))
    true = exact_neighbours(queries, base, K, "dot")

    def recall(found):
        return recall_with_ties(found.indices, true, queries, base, "dot")

    lines = []
    for share in FIRST:
        for refine_bits in REFINED:
            coding = sv.TransformCoding(int(share * base.shape[1]), refine_bits=refine_bits)
            made, fit = timed(lambda coding=coding: coding.compress(base))
            sizes = made.info()["bytes"]
            rows = 16 * -(-len(base) // 16)
            per_row = -(-made.n_bits // 8) + sizes["factors"] / rows + sizes.get("refinement", 0) / len(base)
            found, took = timed(lambda made=made: made.search(queries, K, threads=1))
            wide = made.search(queries, K, oversample=WIDE, threads=1)
            times = made.info().get("oversample", ["", ""])
            line = [
                share,
                refine_bits,
                f"{per_row:.0f}",
                f"{recall(found):.3f}",
                times[0],
            ]
            line += [
                f"{recall(wide):.3f}",
                f"{1e6 * took / len(queries):.0f}",
                f"{fit:.1f}",
            ]
            lines.append([*line, f"{sizes['encoder'] / 1e6:.1f}"])
            print(name, *lines[-1], flush=True)
    header = ["bits per dimension", "`refine_bits`", "bytes per row", "recall@10", "`oversample`, measured"]
    header += [f"recall@10 at {WIDE}", "µs per query", "fit and compress, s", "encoder, MB"]
    return f"## {name}: {len(base):,} × {base.shape[1]}\n\n" + table(lines, header)


def main():
    options = parser(__doc__).parse_args()
    data = data_or_skip(options)
    write_result("refinement", "Recall of refined codes", [section("minilm-sentences", data)])


if __name__ == "__main__":
    main()
