"""What is compared, on which vectors, and its finished cells."""

from __future__ import annotations

from functools import partial

import numpy as np

from benchmarks.cells import Cells
from benchmarks.quality.paper import METHODS, SETS
from slimvec.evaluate import sentence_classification
from slimvec.evaluate.experiment import Experiment
from slimvec.evaluate.grid import Config
from slimvec.evaluate.sources import read_source
from slimvec.evaluate.summary import Score, blocks

TABLES = ("numberbatch", "glove-enwiki", "googlenews")
SMALL = TABLES[:2]  # for what needs all rows as floats at once
SEEDS = {"similarity": 5, "categorization": 3, "sentences": 3}
FOLDS = 5  # of sentences, as in SentEval
DIRECTIONS = 2  # the best D of the grid or within its spread on all three tables
OURS = {  # the paper's rows
    "float32": Config("float"),
    "Prune 95 %": Config("prune"),
    "DCCL": Config("dccl"),
    "NLB": Config("nlb", 300),
    "ITQ": Config("itq", 300),
    "IIQ-32": Config("iiq", 300, DIRECTIONS),
    "IIQ-64": Config("iiq", 150, DIRECTIONS),
    "IIQ-128": Config("iiq", 75, DIRECTIONS),
}
MORE = {
    "sign bits": Config("sign-bits"),
    "random rotation, 300 bits": Config("random-rotation", 300),
    "NLB, 256 bits (its default)": Config("nlb", 256),
    **{f"IIQ, D={remove}, 300 bits": Config("iiq", 300, remove) for remove in (1, 3, 14)},
}
ONCE = {Config("dccl"), Config("nlb", 256)}  # with one seed
JUDGED = {"similarity": (*OURS, *MORE), "categorization": METHODS, "sentences": METHODS}
TITLES = {
    "similarity": ("Table 2: word similarity, 100 × Spearman", "score"),
    "categorization": ("Table 3: categorization, purity in %", "purity"),
    "sentences": ("Table 4: sentences, accuracy in %", None),
}


class Bench:
    """The vectors, and the cells of all tables."""

    def __init__(self, data):
        self.data, self.cells = data, Cells("quality")
        self.sources = {name: read_source(data / "vectors" / name) for name in TABLES}

    def vectors(self, name):
        return self.sources[name].table

    def kept(self, name, what, compute, **settings):
        """Return what ``compute(vectors)`` found when ``what`` was first asked of these vectors with these settings."""
        cell = {"source": self.sources[name].key, "what": what, **settings}
        return self.cells(cell, lambda: compute(self.vectors(name)))

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
        experiment = self._run(name, task, config, 1 if config in ONCE else SEEDS[task])
        return next(one for one in blocks(experiment, self.sources[name], [config]) if one.measure == measure)

    def _run(self, name, task, config, seeds):
        experiment = Experiment(self.data, [task], seeds, self.cells.store, say)
        experiment.run(self.sources[name], [config])
        return experiment

    def _accuracies(self, name, config):
        def judge(vectors, seed):
            made = vectors if config.method == "float" else config.compress(vectors, seed)[1]
            found = sentence_classification(made, self.data / "sentences", classifiers=["logistic"], folds=FOLDS)
            return {score.name: 100 * score.accuracy for score in found}

        once = config in ONCE or config.method in ("float", "prune")
        runs = [
            self.kept(name, "sentences", partial(judge, seed=seed), method=config.label, folds=FOLDS, seed=seed)
            for seed in range(1 if once else SEEDS["sentences"])
        ]
        columns = [[run[column] for run in runs] for column in SETS["sentences"]]
        return [Score(float(np.mean(column)), float(np.std(column)), len(column)) for column in columns]

    def losses(self, name, config):
        """Return the losses of a table's making, from the cell of its first seed."""
        experiment = self._run(name, "similarity", config, 1)
        return self.cells.store[experiment.key(self.sources[name], config, 0, "table")]["losses"]


def say(cell, seconds):
    print(f"{seconds:7.1f} s  {cell}", flush=True)
