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
from quality_rivals import TRAIN_ROWS, Kept, learning_section, peers_section, scale_section
from slimvec.evaluate import sentence_classification
from slimvec.evaluate.experiment import Experiment
from slimvec.evaluate.grid import Config
from slimvec.evaluate.sources import read_source
from slimvec.evaluate.store import Store
from slimvec.evaluate.summary import Score, blocks

TABLES = ("numberbatch", "glove-enwiki", "googlenews")
CELLS = Path(__file__).parent.parent / "build" / "quality"
SEEDS = {"similarity": 5, "categorization": 1, "sentences": 1}
FOLDS = 3  # of sentences; SentEval takes 5
JUDGED = {"similarity": TABLES, "categorization": TABLES[:2], "sentences": TABLES[:1]}  # what is slow, on fewer tables
ONCE = {"dccl"}  # a minute a fit
RIVALS = [method for method in METHODS if method != "IIQ-32"]
TITLE = "What the codes keep"
REMOVED = (0, 1, 2, 3, 14)
RECALLED = range(2)  # seeds
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
    **{f"IIQ, D={remove}, 300 bits": Config("iiq", 300, remove) for remove in (1, 3, 14)},
}
NOTES = """"""
TITLES = {
    "similarity": ("Table 2: word similarity, 100 × Spearman", "score"),
    "categorization": ("Table 3: categorization, purity in %", "purity"),
    "sentences": ("Table 4: sentences, accuracy in %", None),
}
INDEPENDENT = {  # the data's own notes: another program, one seed; None where it says nothing
    "numberbatch": {
        "SETS": ("MEN", "MTurk", "RG65", "RW", "SimLex999", "WS353"),
        "float32": (83.6, 45.6, 92.5, 32.1, 62.1, 74.5),
        "sign bits": (74.6, 38.3, 81.1, 31.2, 58.5, 70.1),
        "ITQ": (79.4, 44.2, 90.5, 28.5, 58.7, 69.6),
        "IIQ-32": (81.2, 45.8, 91.9, 27.9, 58.9, 71.9),
        "IIQ-64": (79.3, 52.0, 86.4, 27.2, 59.4, 69.9),
        "IIQ-128": (77.5, 40.3, 84.2, 26.8, 53.8, 62.7),
    },
    "glove-enwiki": {
        "SETS": ("MEN", "MTurk", "RG65", "SimLex999", "WS353"),
        "float32": (61.0, 60.6, 56.6, 28.6, 58.2),
        "sign bits": (56.2, 60.0, 48.5, 24.8, 53.5),
        "ITQ": (55.6, 57.1, 58.7, 27.0, 53.8),
        "IIQ, D=1, 300 bits": (59.2, 58.0, 58.1, 30.8, 62.7),
        "IIQ, D=3, 300 bits": (58.0, 60.1, 49.8, 27.8, 64.4),
        "IIQ, D=14, 300 bits": (57.9, 48.9, 50.8, 28.2, 58.4),
    },
}


class Bench:
    """The cells of all tables."""

    def __init__(self, data):
        CELLS.mkdir(parents=True, exist_ok=True)
        self.data, self.store, self.kept = data, Store(CELLS / "cells.jsonl"), Kept(CELLS / "kept.jsonl")
        self.sources = {name: read_source(data / "vectors" / name) for name in TABLES}

    def rows(self, name, task, configs, measure=None):
        """Return {label: a score for each of the paper's sets} of one table."""
        return {label: self._scores(name, task, config, measure) for label, config in configs.items()}

    def _scores(self, name, task, config, measure):
        if task == "sentences":
            return [Score(accuracy, 0.0, 1) for accuracy in self._accuracies(name, config)]
        block = self.block(name, task, config, measure or TITLES[task][1])
        scores = dict(zip(block.sets, block.rows[0].scores, strict=True))
        return [scores[column] for column in SETS[task]]

    def block(self, name, task, config, measure):
        experiment = Experiment(self.data, [task], 1 if config.method in ONCE else SEEDS[task], self.store, say)
        experiment.run(self.sources[name], [config])
        return next(one for one in blocks(experiment, self.sources[name], [config]) if one.measure == measure)

    def _accuracies(self, name, config):
        def judge():
            vectors = self.sources[name].table
            made = vectors if config.method == "float" else config.compress(vectors, 0)[1]
            found = sentence_classification(made, self.data / "sentences", classifiers=["logistic"], folds=FOLDS)
            return {score.name: 100 * score.accuracy for score in found}

        scores = self.kept(f"{name} | {config.label} | sentences", judge)
        return [scores[column] for column in SETS["sentences"]]

    def losses(self, source, config):
        """Return the losses of a table's making, from the cell of its first seed."""
        experiment = Experiment(self.data, ["similarity"], 1, self.store, say)
        experiment.run(source, [config])
        return self.store[experiment.key(source, config, 0, "table")]["losses"]


def say(cell, seconds):
    print(f"{seconds:7.1f} s  {cell}", flush=True)


def paper_section(bench, task):
    title, _ = TITLES[task]
    parts, wins = [f"## {title}", ""], []
    for name, numbers in (("GloVe-42B", GLOVE[task]), ("HDC", HDC[task])):
        rows = [[method, *(f"{n:.1f}" for n in row)] for method, row in zip(METHODS, numbers, strict=True)]
        parts.append(f"### The paper, {name}\n\n" + table(rows, ["", *SETS[task]]))
        wins.append([f"the paper, {name}", *won(dict(zip(METHODS, numbers, strict=True)))])
    for name in JUDGED[task]:
        found = bench.rows(name, task, {**OURS, **(MORE if task == "similarity" else {})})
        parts.append(f"### Here, {name}\n\n" + shown(found, task))
        wins.append([f"here, {name}", *won(found)])
    parts[1] = table(wins, [f"IIQ-32 is better, of {len(SETS[task])} sets", *RIVALS])
    return "\n\n".join(parts)


def covered_section(bench):
    """The same word pairs without those that lack a word, which the protocol gives the mean vector."""
    parts, wins = ["## Word similarity over the pairs whose words are both in the table", ""], []
    for name in TABLES:
        found = bench.rows(name, "similarity", {**OURS, **MORE}, "covered pairs")
        block = bench.block(name, "similarity", OURS["float32"], "covered pairs")
        shares = dict(zip(block.sets, block.coverage, strict=True))
        foot = ["part of the pairs", *(f"{100 * shares[column]:.0f} %" for column in SETS["similarity"])]
        parts.append(f"### {name}\n\n" + shown(found, "similarity", foot))
        wins.append([name, *won(found)])
    parts[1] = table(wins, [f"IIQ-32 is better, of {len(SETS['similarity'])} sets", *RIVALS])
    return "\n\n".join(parts)


def shown(found, task, *more):
    """Return scores as a table."""
    return table(
        [*([label, *(score.shown for score in row)] for label, row in found.items()), *more], ["", *SETS[task]]
    )


def won(rows):
    """Return in how many cells IIQ-32 is above each other method."""
    means = {method: [getattr(score, "mean", score) for score in rows[method]] for method in METHODS}
    return [sum(a > b for a, b in zip(means["IIQ-32"], means[method], strict=True)) for method in RIVALS]


def removal_section(bench):
    """The mean of three sets for each D, and the D that "auto" takes, whose table is that of the same D by number."""
    configs = {d: Config("itq", 300) if d == 0 else Config("iiq", 300, d) for d in REMOVED}
    chosen = [SETS["similarity"].index(label) for label in ("MEN", "SimLex999", "WS353")]
    rows = []
    for name in TABLES:
        found = bench.rows(name, "similarity", configs)
        means = {d: np.mean([scores[i].mean for i in chosen]) for d, scores in found.items()}
        auto = bench.kept(
            f"{name} | auto",
            lambda name=name: int(sv.IIQ(300, "auto", n_iter=0).fit(bench.sources[name].table).n_remove_),
        )
        best = max(means, key=means.get)
        rows.append([name, *(f"{mean:.1f}" for mean in means.values()), f"D={best}", f"D={auto}: {means[auto]:.1f}"])
    header = ["mean of MEN, SimLex999, WS353", *(f"D={d}" for d in REMOVED), "best", 'n_remove="auto"']
    return "## How many directions to remove: word similarity, 300 bits, mean of 5 seeds\n\n" + table(rows, header)


def independent_section(bench):
    intro = (
        "## Figures of another program\n\nThe data come with figures that an independent NumPy program measured with "
        "one seed: first theirs, then ours, mean ± standard deviation over 5 seeds."
    )
    parts = [intro]
    for name, theirs in INDEPENDENT.items():
        sets = theirs["SETS"]
        places = [SETS["similarity"].index(label) for label in sets]
        found = bench.rows(name, "similarity", {label: {**OURS, **MORE}[label] for label in theirs if label != "SETS"})
        rows = [
            [label, *(f"{figure} / {scores[i].shown}" for figure, i in zip(theirs[label], places, strict=True))]
            for label, scores in found.items()
        ]
        parts.append(f"### {name}\n\n" + table(rows, ["", *sets]))
    return "\n\n".join(parts)


def recall_section(bench):
    rows = []
    for name in ("numberbatch", "glove-enwiki", "minilm-sentences"):
        base, queries = held_out(np.load(bench.data / "vectors" / name / "vectors.npy").astype(np.float32), 1000)
        truth = cosine_neighbours(base, queries, 10)
        signs = sv.HammingIndex(sv.pack(base), base.shape[1]).search(sv.pack(queries)).indices
        cells = [f"{recall(signs, truth):.3f}"]
        for d in REMOVED[:3]:

            def found(d=d, base=base, queries=queries, truth=truth):
                tables = (sv.IIQ(n_remove=d, random_state=seed).compress(base) for seed in RECALLED)
                return [recall(made.search(queries, 10).indices, truth) for made in tables]

            shares = bench.kept(f"{name} | D={d} | recall", found)
            cells.append(f"{np.mean(shares):.3f} ± {np.std(shares):.3f}")
        rows.append([f"{name}, {base.shape[1]} bits", *cells])
    title = "## Recall@10 of the float cosine neighbours, 1,000 held-out queries, by the directions removed"
    return f"{title}\n\n" + table(rows, ["", "sign bits", *(f"IIQ, D={d}" for d in REMOVED[:3])])


def faiss_section(bench):
    rows = []
    for name in ("numberbatch", "minilm-sentences"):
        path = bench.data / "vectors" / name / "vectors.npy"
        losses = bench.kept(f"{name} | faiss ITQ", lambda path=path: rotation_losses(path))
        assert losses["slimvec ITQ"] < losses["faiss ITQMatrix"]
        rows.append([name, *(f"{value:.5f}" for value in losses.values())])
    title = f"## Loss per entry on all centred rows, rotations learnt from {TRAIN_ROWS:,} of them"
    return f"{title}\n\n" + table(rows, ["", *losses])


def rotation_losses(path):
    import faiss

    X = np.load(path).astype(np.float32)
    X -= X.mean(axis=0)
    d = X.shape[1]

    def loss(rotated):
        return float(np.mean((np.where(rotated >= 0, 1, -1) - rotated) ** 2))

    start = np.linalg.qr(np.random.default_rng(0).standard_normal((d, d)))[0].astype(np.float32)
    theirs = faiss.ITQMatrix(d)
    theirs.train(X[np.random.default_rng(0).choice(len(X), TRAIN_ROWS, replace=False)])
    ours = sv.ITQ(d).fit(X)
    return {
        "random rotation": loss(X @ start),
        "faiss ITQMatrix": loss(theirs.apply_py(X)),
        "slimvec ITQ": loss((X - ours.mean_) @ ours.projection_),
    }


def main():
    options = parser(__doc__).parse_args()
    data = data_or_skip(options)
    bench = Bench(data)
    peered = {name: bench.sources[name] for name in ("numberbatch", "glove-enwiki")}
    sections = [
        NOTES,
        *(paper_section(bench, task) for task in TITLES),
        covered_section(bench),
        removal_section(bench),
        independent_section(bench),
        learning_section(bench.kept, bench, "numberbatch"),
        scale_section(bench.kept, peered, data),
        peers_section(bench.kept, peered, data),
        faiss_section(bench),
        recall_section(bench),
    ]
    write_result("quality.md", TITLE, "bench_quality.py", sections)


if __name__ == "__main__":
    main()
