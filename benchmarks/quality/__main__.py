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
from paper_iiq import GLOVE, HDC, INDEPENDENT, METHODS, SETS
from quality_rivals import Kept, faiss_section, learning_section, peers_section, scale_section, similarity, unit_section
from slimvec.evaluate import sentence_classification
from slimvec.evaluate.experiment import Experiment
from slimvec.evaluate.grid import Config
from slimvec.evaluate.sources import read_source
from slimvec.evaluate.store import Store
from slimvec.evaluate.summary import Score, blocks

TABLES = ("numberbatch", "glove-enwiki", "googlenews")
CELLS = Path(__file__).parent.parent / "build" / "quality"
SEEDS = {"similarity": 5, "categorization": 3}
FOLDS = 5  # of sentences, as in SentEval
SENTENCE_SEEDS = 3
RIVALS = [method for method in METHODS if method != "IIQ-32"]
TITLE = "What the codes keep"
REMOVED = (0, 1, 2, 3, 14)
RECALLED = range(3)  # seeds
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
NOTES = (Path(__file__).parent / "quality_notes.md").read_text().rstrip()
ONCE = {Config("dccl"), Config("nlb", 256)}  # with one seed
JUDGED = {"similarity": (*OURS, *MORE), "categorization": METHODS, "sentences": METHODS}
TITLES = {
    "similarity": ("Table 2: word similarity, 100 × Spearman", "score"),
    "categorization": ("Table 3: categorization, purity in %", "purity"),
    "sentences": ("Table 4: sentences, accuracy in %", None),
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
            return self._accuracies(name, config)
        block = self.block(name, task, config, measure or TITLES[task][1])
        scores = dict(zip(block.sets, block.rows[0].scores, strict=True))
        return [scores[column] for column in SETS[task]]

    def block(self, name, task, config, measure):
        experiment = Experiment(self.data, [task], 1 if config in ONCE else SEEDS[task], self.store, say)
        experiment.run(self.sources[name], [config])
        return next(one for one in blocks(experiment, self.sources[name], [config]) if one.measure == measure)

    def _accuracies(self, name, config):
        vectors = self.sources[name].table

        def judge(seed):
            made = vectors if config.method == "float" else config.compress(vectors, seed)[1]
            found = sentence_classification(made, self.data / "sentences", classifiers=["logistic"], folds=FOLDS)
            return {score.name: 100 * score.accuracy for score in found}

        once = config in ONCE or config.method in ("float", "prune")
        runs = [
            self.kept(f"{name} | {config.label} | sentences | {seed}", lambda seed=seed: judge(seed))
            for seed in range(1 if once else SENTENCE_SEEDS)
        ]
        columns = [[run[column] for run in runs] for column in SETS["sentences"]]
        return [Score(float(np.mean(column)), float(np.std(column)), len(column)) for column in columns]

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
    for name in TABLES:
        found = bench.rows(name, task, {label: {**OURS, **MORE}[label] for label in JUDGED[task]})
        parts.append(f"### Here, {name}\n\n" + shown(found, task))
        wins.append([f"here, {name}", *won(found)])
    parts[1] = wins_table(wins, task)
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
    parts[1] = wins_table(wins, "similarity")
    return "\n\n".join(parts)


def won(rows):
    """Return in how many cells IIQ-32 is above each other method; None where that was not measured."""
    means = {method: [getattr(score, "mean", score) for score in scores] for method, scores in rows.items()}
    mine = means["IIQ-32"]
    return [
        sum(a > b for a, b in zip(mine, means[method], strict=True)) if method in means else None for method in RIVALS
    ]


def wins_table(wins, task):
    rows = [[name, *("-" if count is None else count for count in counts)] for name, *counts in wins]
    return table(rows, [f"IIQ-32 is better, of {len(SETS[task])} sets", *RIVALS])


def shown(found, task, *more):
    """Return scores as a table."""
    return table(
        [*([label, *(score.shown for score in row)] for label, row in found.items()), *more], ["", *SETS[task]]
    )


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
    rows = []
    for seed in range(2):

        def judge(vectors=bench.sources["glove-enwiki"].table, seed=seed):
            made = sv.IIQ(300, 1, max_train_rows=None, random_state=seed).compress(vectors)
            return similarity(vectors.words, made.lookup(np.arange(len(vectors))), bench.data)

        scores = bench.kept(f"glove-enwiki | all rows | {seed}", judge)
        rows.append([f"seed {seed}", *(f"{score:.1f}" for score in scores)])
    parts.append("### glove-enwiki, D=1, 300 bits, the rotation learnt on all rows\n\n")
    parts[-1] += table(rows, ["", "MEN", "SimLex999", "WS353"])
    return "\n\n".join(parts)


def floats_section(bench):
    """What the floats themselves reach once they are treated as IIQ treats them before it rotates."""
    chosen = ("MEN", "SimLex999", "WS353")
    rows = []
    for name in TABLES:
        vectors = bench.sources[name].table
        for d in (0, 1, 2, 14):

            def judge(vectors=vectors, d=d):
                fitted = sv.IIQ(300, d, n_iter=0).fit(vectors)
                treated = (np.asarray(vectors.matrix, np.float32) - fitted.mean_) @ fitted.projection_
                return similarity(vectors.words, treated, bench.data)

            scores = bench.kept(f"{name} | floats, D={d}", judge)
            rows.append([f"{name}, centred, {d} removed", *(f"{score:.1f}" for score in scores)])
    return "## The floats after the same treatment: no bits, cosines of Y\n\n" + table(rows, ["", *chosen])


def recall_section(bench):
    rows = []
    for name in ("numberbatch", "glove-enwiki"):
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
        floats_section(bench),
        unit_section(bench.kept, "glove-enwiki", peered["glove-enwiki"].table, data),
        learning_section(bench.kept, bench, "googlenews"),
        scale_section(bench.kept, peered, data),
        peers_section(bench.kept, peered, data),
        faiss_section(bench.kept, data),
        recall_section(bench),
    ]
    write_result("quality.md", TITLE, "bench_quality.py", sections)


if __name__ == "__main__":
    main()
