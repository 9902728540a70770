"""What is done to rows before bits are made of them: directions removed, rows centred or scaled to unit length."""

from __future__ import annotations

import numpy as np

import slimvec as sv
from benchmarks.common import SIMILARITY, cosine_neighbours, held_out, load_rows, recall, similarity, table, unit
from benchmarks.quality.bench import DIRECTIONS, SMALL, TABLES
from benchmarks.quality.paper import SETS
from slimvec.evaluate.grid import Config

REMOVED = (0, 1, 2, 3, 14)
FEW = REMOVED[:3]
SEEDS = (0, 1, 2)


def removal_section(bench):
    """The mean of three sets for each D, and the D that "auto" takes, whose table is that of the same D by number."""
    configs = {d: Config("itq", 300) if d == 0 else Config("iiq", 300, d) for d in REMOVED}
    chosen = [SETS["similarity"].index(label) for label in SIMILARITY]
    rows = []
    for name in TABLES:
        found = bench.rows(name, "similarity", configs)
        means = {d: np.mean([scores[i].mean for i in chosen]) for d, scores in found.items()}

        def count(vectors):
            return int(sv.IIQ(300, "auto", n_iter=0).fit(vectors).n_remove_)

        auto, best = bench.kept(name, "auto", count), max(means, key=means.get)
        rows.append([name, *(f"{mean:.1f}" for mean in means.values()), f"D={best}", f"D={auto}: {means[auto]:.1f}"])
    header = ["mean of MEN, SimLex999, WS353", *(f"D={d}" for d in REMOVED), "best", 'n_remove="auto"']
    return "## How many directions to remove: word similarity, 300 bits, mean of 5 seeds\n\n" + table(rows, header)


def floats_section(bench):
    """What the floats themselves reach once they are treated as IIQ treats them before it rotates."""
    rows = []
    for name in TABLES:
        for d in (0, 1, 2, 14):

            def judge(vectors, d=d):
                fitted = sv.IIQ(300, d, n_iter=0).fit(vectors)
                treated = (np.asarray(vectors.matrix, np.float32) - fitted.mean_) @ fitted.projection_
                return similarity(vectors.words, treated, bench.data)

            scores = bench.kept(name, "floats", judge, remove=d)
            rows.append([f"{name}, centred, {d} removed", *(f"{score:.1f}" for score in scores)])
    title = "## The floats after the same treatment: no bits, cosines of Y"
    return f"{title}\n\n" + table(rows, ["", *SIMILARITY])


def unit_section(bench, name):
    """ITQ and IIQ on rows scaled to unit length first, as the evaluation program of the paper does by default."""
    rows = []
    for config in (Config("itq", 300), Config("iiq", 300, DIRECTIONS)):

        def judge(vectors, config=config):
            scaled = sv.Vectors(vectors.words, unit(vectors.matrix))
            made = (config.compress(scaled, seed)[1].lookup(np.arange(len(vectors))) for seed in SEEDS)
            return [similarity(vectors.words, codes, bench.data) for codes in made]

        scores = np.array(bench.kept(name, "unit rows", judge, method=config.label, seeds=SEEDS))
        cells = [f"{m:.1f} ± {s:.1f}" for m, s in zip(scores.mean(axis=0), scores.std(axis=0), strict=True)]
        rows.append([config.label, *cells])
    return f"## {name}: rows scaled to unit length first, {len(SEEDS)} seeds\n\n" + table(rows, ["", *SIMILARITY])


def recall_section(bench):
    rows = []
    for name in SMALL:
        base, queries = held_out(load_rows(bench.data, name))
        truth = cosine_neighbours(base, queries, 10)
        signs = sv.HammingIndex(sv.pack(base), base.shape[1]).search(sv.pack(queries)).indices
        cells = [f"{recall(signs, truth):.3f}"]
        for d in FEW:

            def judge(_, d=d, base=base, queries=queries, truth=truth):
                tables = (sv.IIQ(n_remove=d, random_state=seed).compress(base) for seed in SEEDS)
                return [recall(made.search(queries, 10).indices, truth) for made in tables]

            shares = bench.kept(name, "recall", judge, remove=d, seeds=SEEDS)
            cells.append(f"{np.mean(shares):.3f} ± {np.std(shares):.3f}")
        rows.append([f"{name}, {base.shape[1]} bits", *cells])
    title = "## Recall@10 of the float cosine neighbours, 1,000 held-out queries, by the directions removed"
    return f"{title}\n\n" + table(rows, ["", "sign bits", *(f"IIQ, D={d}" for d in FEW)])
