"""How much errors along rows weigh in codes (`slimvec.binary.methods.parallel_errors`): as tried on a sample, and not.

Recall@10 of 1,000 held-out queries, ties counted, and the mean error of the scores of the rows found; means over draws.

Run: ``python -m benchmarks.errors_along_rows``; a quarter of an hour.
"""

from __future__ import annotations

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"

from functools import partial
from unittest.mock import patch

import numpy as np

import slimvec as sv
from benchmarks.bits import MOST_ROWS, SETS, K, tie_aware
from benchmarks.common import data_or_skip, held_out, load_rows, parser, table, timed, unit, write_result
from benchmarks.sentence_rows import news_sentences

SHARES = (0.5, 1, 2, 4)
WITHOUT = patch("slimvec.binary.methods.transform_coding.weigh_parallel", lambda grid, *_: grid)


def told(rows: np.ndarray, share: float, seed: int, **settings) -> list[float]:
    """Return the recall, the mean error of scores, and the seconds of the fit."""
    base, queries = (np.ascontiguousarray(part) for part in held_out(rows, seed=seed))
    coding = sv.TransformCoding(int(share * base.shape[1]), random_state=seed, **settings)
    seconds = timed(partial(coding.fit, base))[1]
    found = coding.to_table(base).search(queries, K, oversample=None, threads=1)
    errors = found.scores - np.take_along_axis(queries @ base.T, found.indices, axis=1)
    return [float(tie_aware(base, queries, found.indices)), float(errors.mean()), seconds]


def section(name: str, rows: np.ndarray, n_draws: int) -> str:
    lines = []
    for share in SHARES:
        for label, settings in (("", {}), (", in 64 lists", {"partitions": 64})):
            if settings and share > 1:
                continue
            tried = np.array([told(rows, share, seed, **settings) for seed in range(n_draws)])
            with WITHOUT:
                left = np.array([told(rows, share, seed, **settings) for seed in range(n_draws)])
            cells = [f"{np.mean(each[:, 0]):.3f}" for each in (left, tried)]
            cells += [f"{np.mean(each[:, 1]):+.4f}" for each in (left, tried)]
            cells += [f"{np.median(each[:, 2]):.2f}" for each in (left, tried)]
            lines.append([f"{share:g}{label}", *cells])
    header = ["bits per dimension"]
    header += [
        f"{what}, {way}" for what in ("recall@10", "error of the ten scores", "fit, s") for way in ("not", "tried")
    ]
    return f"## {name}: {len(rows) - 1000:,} × {rows.shape[1]}\n\n" + table(lines, header)


def main():
    options = parser(__doc__)
    options.add_argument("--draws", type=int, default=3, help="of queries held out (default: %(default)s)")
    arguments = options.parse_args()
    data = data_or_skip(arguments)
    rows = {name: unit(load_rows(data, name)[:MOST_ROWS]) for name in SETS[:-1]} | {"news": news_sentences(data)}
    parts = [section(name, of_set, arguments.draws) for name, of_set in rows.items()]
    write_result("errors_along_rows", "How much errors along rows weigh", parts)


if __name__ == "__main__":
    main()
