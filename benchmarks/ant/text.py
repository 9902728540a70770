"""Text classification with a CNN (ANT paper, §4.1): dense rows, ANT and what it is compared with, at equal parameters.

Run: ``python -m benchmarks.ant.text``. Each training is a cell: a second start goes on where the first one was stopped;
``--report`` writes those that are there.
"""

from __future__ import annotations

import numpy as np
import torch

from benchmarks import cells, common, texts
from benchmarks.ant import cnn, corpora
from benchmarks.ant.baselines import Baseline
from benchmarks.ant.composed import Clustered
from benchmarks.ant.language import device_name
from benchmarks.ant.methods import (
    ANCHORS,
    ANT,
    BASELINES,
    CLUSTERED,
    COMPOSED,
    DENSE,
    HEADLINE,
    L1,
    METHODS,
    MIXTURE,
    MIXTURE_L1,
    MIXTURE_LR,
    START,
    STRENGTH,
    WITHIN,
    D,
    learning_rate,
)
from slimvec.nn import ParameterBudget

LENGTH, MIN_COUNT = 100, 2
EPOCHS = {"newsgroups": 12, "imdb": 4}  # others: 2
REMARKS = {
    "imdb": "The films of the test reviews are not those of the other two parts. Rows of rare words, names of films "
    "and people among them, probably help on validation texts only, where the order of methods is another."
}
HEADER = [
    "embedding layer", "learning rate", "test, %", "seeds", "parameters", "dense / it", "before the cut",
    "validation, %",
]  # fmt: skip
FIRST = (*DENSE, HEADLINE)  # the second's size is what the others get
SETTINGS = {
    "texts": (LENGTH, MIN_COUNT),
    "network": (D, cnn.WIDTHS, cnn.FILTERS, cnn.DROPOUT, "float32"),
    "batch": cnn.BATCH,
}

SETUP = f"""\
Kim's CNN: filters over 3, 4 and 5 words, dropout {cnn.DROPOUT}, batches of {cnn.BATCH}, texts of {LENGTH} tokens. Cut
for CPU time, the same for all: {cnn.FILTERS} filters of each width (100 in the paper), {D} columns (256), 4 or 12
epochs (200), words that occur {MIN_COUNT} times or more; convolutions in float32. Adam; learning rates fall linearly
to 0.
ANT: {ANCHORS} anchors, T ≥ 0, ProximalAdam in its own metric, λ = {L1:g}; T starts at {START:g} of the own start of the
layer. In the mixture λ = {MIXTURE_L1:g}, and T has a learning rate of {MIXTURE_LR:g}. Relations: Open English WordNet;
words within 10 tokens of an anchor 5 times or more. Parameters are those of the embedding layer that are not zero.

Baselines get as many parameters as ANT with dynamic anchors has at seed 0: vocabularies, ranks, cores and buckets of
that size; those that learn what to keep are cut to it by their own score (row norm, or log α) where they kept more."""


def settings(collection: str, method: str, budget: int) -> dict:
    """Return what else the result of a cell depends on, besides its seed."""
    found = {"collection": collection, "method": method, "epochs": EPOCHS.get(collection, 2)}
    found["lr"] = learning_rate(collection, method)
    if method == MIXTURE:
        return found | {"k": ANCHORS, "l1": MIXTURE_L1, "lr of T": MIXTURE_LR}
    if method in ANT:
        return found | {"k": ANCHORS, "l1": L1, "start": START}
    if method in BASELINES | COMPOSED:
        found |= {"budget": budget, "strength": STRENGTH.get(method)}
    if method in WITHIN:
        found |= {"budget": budget, "start": START, "by": "ParameterBudget, which fits rows again"}
    return found


def train(options, corpus, cell: dict, budget: int) -> dict:
    """Return the result of one run: what was learnt and kept, and the accuracies."""
    method, seed = cell["method"], cell["seed"]
    torch.manual_seed(seed)
    layer, optimizer = (METHODS | WITHIN | COMPOSED)[method](corpus, options.data, budget, seed)
    model = cnn.TextCNN(layer, D, corpus.n_classes).to(options.device)
    is_baseline = isinstance(layer, Baseline)
    penalty = layer.penalty if is_baseline else (lambda: 0.0)
    trainer = optimizer(model, lr=cell["lr"])
    more = {"after_epoch": layer.after_epoch} if is_baseline else {}
    if method in WITHIN:
        n_steps = cell["epochs"] * cnn.steps_of(corpus.train)
        more["after"] = ParameterBudget(layer, trainer, budget, n_steps=n_steps).step
    cnn.train(model, trainer, penalty, corpus.train, cell["epochs"], seed, options.device, **more)
    model.eval()
    learnt = layer.n_parameters
    if method in BASELINES | COMPOSED:
        layer.cut(budget)
    found = {part: cnn.accuracy(model, getattr(corpus, part), options.device) for part in ("validation", "test")}
    return found | {
        "learnt": learnt,
        "parameters": layer.n_parameters,
        "device": device_name(torch.device(options.device)),
    }


def runs(options, corpus, method: str, budget: int = 0) -> list[dict]:
    """Return the runs of a method, one for each seed; if it is not asked for, those that are there."""
    asked = not options.report and method in options.methods
    wanted = [settings(corpus.name, method, budget) | {"seed": seed} for seed in range(options.seeds)]
    return [
        options.kept(cell, lambda cell=cell: train(options, corpus, cell, budget))
        for cell in wanted
        if asked or cell in options.kept
    ]


def run(options, corpus) -> dict[str, list[dict]]:
    """Return the runs of all methods."""
    found = {method: runs(options, corpus, method) for method in FIRST}
    budget = found[HEADLINE][0]["parameters"]
    return {method: found[method] if method in found else runs(options, corpus, method, budget) for method in METHODS}


def mean(runs: list[dict], part: str) -> float:
    return float(np.mean([one[part] for one in runs]))


def spread_of(scores: list[float]) -> str:
    return f"{np.mean(scores):.2f}" + (f" ± {np.std(scores):.2f}" if len(scores) > 1 else "")


def row_of(corpus, method: str, runs: list[dict]) -> list[str]:
    """Return the row of a method as the table has it."""
    size = mean(runs, "parameters")
    return [
        method, f"{learning_rate(corpus.name, method):g}", spread_of([one["test"] for one in runs]), f"{len(runs)}",
        f"{size:,.0f}", f"{len(corpus.words) * D / size:.1f}", f"{mean(runs, 'learnt'):,.0f}",
        f"{mean(runs, 'validation'):.1f}",
    ]  # fmt: skip


def number(row: list[str], column: str) -> float:
    """Return what a row says, without what follows ±."""
    return float(row[HEADER.index(column)].split()[0].replace(",", ""))


def facts_of(corpus) -> str:
    return (
        f"{len(corpus.train[0]):,} / {len(corpus.validation[0]):,} / {len(corpus.test[0]):,} texts to "
        f"train, validate and test, {len(corpus.words):,} words × {D}, {corpus.n_classes} classes, "
        f"{EPOCHS.get(corpus.name, 2)} epochs."
    )


def section(corpus, rows: dict[str, list[str]], methods) -> str:
    """Return the table of a collection and what its rows say of ANT; ``methods`` are those that it may have."""
    ours = [method for method in rows if method in ANT or method in WITHIN]
    best = max(ours, key=lambda method: number(rows[method], "validation, %"))
    own = number(rows[best], "test, %")
    rivals = [method for method in methods if method in BASELINES | COMPOSED]
    there = [method for method in rivals if method in rows]
    above = [method for method in there if number(rows[method], "test, %") > own]
    loss = number(rows["dense"], "test, %") - own
    missing = [method for method in methods if method not in rows]
    side = "below" if loss > 0 else "above"
    verdict = (
        f"**{best}, the best of ANT on the validation texts: {abs(loss):.2f} points {side} dense at "
        f"1/{number(rows[best], 'dense / it'):.0f} of its parameters. Baselines above it at equal parameters, "
        f"{len(there)} of {len(rivals)} run: {', '.join(above) or 'none'}.**"
    )
    if missing:
        verdict += f" Not run yet: {', '.join(missing)}."
    if CLUSTERED in rows:
        bits = Clustered.bits_for(int(number(rows[CLUSTERED], "parameters")), D)
        verdict += (
            f" Not counted: which centroids a word has in {CLUSTERED}, {bits} bits a word, and which anchors it has "
            "in ANT."
        )
    table = common.table([rows[method] for method in methods if method in rows], HEADER)
    remark = [REMARKS[corpus.name]] if corpus.name in REMARKS else []
    return "\n\n".join([f"## {corpus.name}", facts_of(corpus), table, verdict, *remark])


def asked_for(doc: str, methods, collections=None):
    """Return the options of a script that trains these methods on these collections, or on all that are there."""
    parser = common.parser(doc)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="*", help="names of collections")
    parser.add_argument("--methods", nargs="*", default=methods, help="to train those of them that are not there")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--report", action="store_true", help="write the results of the cells that are there")
    options = parser.parse_args()
    options.data = common.data_or_skip(options)
    there = texts.available(options.data)
    options.kept = cells.Cells("ant_text", **SETTINGS)
    options.only = options.only or [name for name in collections or there if name in there]
    torch.set_num_threads(1)
    return options


def texts_of(options, name: str):
    """Return a collection as the CNN reads it."""
    return corpora.load(options.data, name, LENGTH, MIN_COUNT, cells.FOLDER / "texts")


def main() -> None:
    options = asked_for(__doc__, METHODS)
    options.methods = [*FIRST, *options.methods]  # these are always needed
    sections = []
    for name in options.only:
        corpus = texts_of(options, name)
        rows = {method: row_of(corpus, method, runs) for method, runs in run(options, corpus).items() if runs}
        sections.append(section(corpus, rows, METHODS))
    common.write_result("ant.text", "ANT for text classification", [SETUP, *sections])


if __name__ == "__main__":
    main()
