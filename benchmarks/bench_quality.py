"""Do the codes keep what the vectors know? The IIQ paper's Tables 2-4 beside ours, the choice of D, faiss's ITQ.

Protocols are those of ``slimvec.evaluate``. Finished cells are kept in ``build/quality`` and not measured again.
The loss is ‖B - XR‖² per entry on the same centred rows, each library's own rotation.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import slimvec as sv
from common import (
    cosine_neighbours,
    data_or_skip,
    held_out,
    parser,
    recall,
    table,
    write_result,
)
from paper_iiq import GLOVE, HDC, METHODS, SETS
from slimvec.evaluate.experiment import Experiment
from slimvec.evaluate.grid import Config
from slimvec.evaluate.sources import read_source
from slimvec.evaluate.store import Store
from slimvec.evaluate.summary import blocks

TABLES = ("numberbatch", "glove-enwiki", "googlenews")
CELLS = Path(__file__).parent.parent / "build" / "quality"
SEEDS = 5
TITLE = "What the codes keep"
REMOVED = (0, 1, 2, 3, 14, "auto")
OURS = {  # the paper's rows, with D = 2, the best of the grid or within its spread on all three tables
    "float32": Config("float"),
    "Prune 95 %": Config("prune"),
    "DCCL": Config("dccl"),
    "NLB": Config("nlb", 300),
    "ITQ": Config("itq", 300),
    "IIQ-32": Config("iiq", 300, 2),
    "IIQ-64": Config("iiq", 150, 2),
    "IIQ-128": Config("iiq", 75, 2),
}
MORE = {
    "sign bits": Config("sign-bits"),
    "random rotation, 300 bits": Config("random-rotation", 300),
    "NLB, 256 bits (its default)": Config("nlb", 256),
    **{f"IIQ, D={remove}, 300 bits": Config("iiq", 300, remove) for remove in (1, 3, 14, "auto")},
}
TITLES = {
    "similarity": ("Table 2: word similarity, 100 × Spearman", "score"),
    "categorization": ("Table 3: categorization, purity in %", "purity"),
    "sentences": ("Table 4: sentences, accuracy in %", "perceptron"),
}


class Bench:
    """The cells of all tables; a configuration is run with five seeds, DCCL, three minutes a fit, with one."""

    def __init__(self, data):
        CELLS.mkdir(parents=True, exist_ok=True)
        self.data, self.store = data, Store(CELLS / "cells.jsonl")
        self.sources = {name: read_source(data / "vectors" / name) for name in TABLES}

    def rows(self, name, task, measure, configs, seeds=SEEDS):
        """Return {label: scores} of one table."""
        found = {}
        for label, config in configs.items():
            experiment = Experiment(self.data, [task], 1 if config.method == "dccl" else seeds, self.store, say)
            experiment.run(self.sources[name], [config])
            block = next(b for b in blocks(experiment, self.sources[name], [config]) if b.measure == measure)
            scores = dict(zip(block.sets, block.rows[0].scores, strict=True))
            found[label] = [scores[column] for column in SETS[task]]
        return found


def say(cell, seconds):
    print(f"{seconds:7.1f} s  {cell}", flush=True)


def paper_section(bench, task, seeds=SEEDS):
    title, measure = TITLES[task]
    parts, wins = [f"## {title}"], []
    for name, numbers in (("GloVe-42B", GLOVE[task]), ("HDC", HDC[task])):
        rows = [[method, *(f"{n:.1f}" for n in row)] for method, row in zip(METHODS, numbers, strict=True)]
        parts.append(f"### The paper, {name}\n\n" + table(rows, ["", *SETS[task]]))
        wins.append([f"the paper, {name}", *won(dict(zip(METHODS, numbers, strict=True)))])
    for name in TABLES:
        more = MORE if task == "similarity" else {}
        found = bench.rows(name, task, measure, {**OURS, **more}, seeds)
        rows = [[method, *(score.shown for score in scores)] for method, scores in found.items()]
        parts.append(f"### Here, {name}\n\n" + table(rows, ["", *SETS[task]]))
        wins.append([name, *won({method: [score.mean for score in found[method]] for method in METHODS})])
    rivals = [method for method in METHODS if method != "IIQ-32"]
    header = ["IIQ-32 is better, of " + str(len(SETS[task])), *rivals]
    return "\n\n".join([parts[0], table(wins, header), *parts[1:]])


def won(rows):
    """Return in how many cells IIQ-32 is above each other method."""
    mine = rows["IIQ-32"]
    return [sum(a > b for a, b in zip(mine, rows[method], strict=True)) for method in METHODS if method != "IIQ-32"]


def removal_section(bench):
    configs = {f"D={d}": Config("itq", 300) if d == 0 else Config("iiq", 300, d) for d in REMOVED}
    chosen = [SETS["similarity"].index(label) for label in ("MEN", "SimLex999", "WS353")]
    rows = []
    for name in TABLES:
        found = bench.rows(name, "similarity", "score", configs)
        means = {d: np.mean([scores[i].mean for i in chosen]) for d, scores in found.items()}
        grid = {d: mean for d, mean in means.items() if d != "D=auto"}
        d = sv.IIQ(300, "auto", n_iter=0).fit(bench.sources[name].table).n_remove_
        best = max(grid, key=grid.get)
        rows.append([name, *(f"{mean:.1f}" for mean in grid.values()), best, f"D={d}: {means['D=auto']:.1f}"])
    header = ["mean of MEN, SimLex999, WS353", *(f"D={d}" for d in REMOVED[:-1]), "best", 'n_remove="auto"']
    return "## How many directions to remove: word similarity, 300 bits, mean of 5 seeds\n\n" + table(rows, header)


def recall_section(data):
    rows = []
    for name in ("numberbatch", "glove-enwiki", "googlenews", "minilm-sentences"):
        base, queries = held_out(np.load(data / "vectors" / name / "vectors.npy").astype(np.float32), 1000)
        truth = cosine_neighbours(base, queries, 10)
        cells = [f"{recall(sv.HammingIndex(sv.pack(base), base.shape[1]).search(sv.pack(queries)).indices, truth):.3f}"]
        for n_remove in REMOVED:
            tables = (sv.IIQ(n_remove=n_remove, random_state=seed).compress(base) for seed in range(SEEDS))
            found = [recall(table.search(queries, 10).indices, truth) for table in tables]
            cells.append(f"{np.mean(found):.3f} ± {np.std(found):.3f}")
        rows.append([f"{name}, {base.shape[1]} bits", *cells])
    text = (
        "## Recall@10 of the float cosine neighbours, 1,000 held-out queries, by the number of directions removed\n\n"
    )
    return text + table(rows, ["", "sign bits", *(f"IIQ, D={d}" for d in REMOVED)])


def faiss_section(data, name):
    import faiss

    X = np.load(data / "vectors" / name / "vectors.npy").astype(np.float32)
    X -= X.mean(axis=0)
    d = X.shape[1]

    def loss(rotated):
        return float(np.mean((np.where(rotated >= 0, 1, -1) - rotated) ** 2))

    start = np.linalg.qr(np.random.default_rng(0).standard_normal((d, d)))[0].astype(np.float32)
    theirs = faiss.ITQMatrix(d)
    theirs.train(X)
    ours = sv.ITQ(d, max_train_rows=None).fit(X)
    sampled = sv.ITQ(d).fit(X)
    losses = {
        "random rotation": loss(X @ start),
        "faiss ITQMatrix, all rows": loss(theirs.apply_py(X)),
        "slimvec ITQ, 10 000 rows": loss((X - sampled.mean_) @ sampled.projection_),
        "slimvec ITQ, all rows": loss((X - ours.mean_) @ ours.projection_),
    }
    assert losses["slimvec ITQ, all rows"] < losses["faiss ITQMatrix, all rows"]
    assert losses["slimvec ITQ, 10 000 rows"] < losses["faiss ITQMatrix, all rows"]
    return f"## {name}: loss per entry on the same centred rows\n\n" + table(
        [[label, f"{value:.5f}"] for label, value in losses.items()], ["rotation", "loss"]
    )


def main():
    options = parser(__doc__).parse_args()
    data = data_or_skip(options)
    bench = Bench(data)
    sections = [paper_section(bench, "similarity"), removal_section(bench), recall_section(data)]
    sections += [faiss_section(data, "numberbatch"), faiss_section(data, "minilm-sentences")]
    write_result("quality.md", TITLE, "bench_quality.py", sections)  # what is slow comes last
    sections[1:1] = [paper_section(bench, "categorization")]
    write_result("quality.md", TITLE, "bench_quality.py", sections)
    sections[2:2] = [paper_section(bench, "sentences", seeds=1)]
    write_result("quality.md", TITLE, "bench_quality.py", sections)


if __name__ == "__main__":
    main()
