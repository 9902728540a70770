"""Text classification with a CNN (ANT paper, §4.1): dense rows, ANT and what it is compared with, at equal parameters.

Each run is a cell, kept in build/ant_text: a second start goes on where the first one was stopped.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import cnn
import corpora
import numpy as np
import torch
from baselines import Baseline
from methods import (
    ANCHORS,
    ANT,
    BASELINES,
    DENSE,
    HEADLINE,
    L1,
    METHODS,
    MIXTURE,
    MIXTURE_L1,
    MIXTURE_LR,
    START,
    STRENGTH,
    D,
    learning_rate,
)

sys.path.insert(0, str(Path(__file__).parent.parent))
import common

LENGTH, MIN_COUNT = 100, 2
EPOCHS = {"newsgroups": 12, "imdb": 4}  # others: 2
REMARKS = {
    "imdb": "The films of the test reviews are not those of the other two parts. Rows of rare words, names of films "
    "and people among them, probably help on validation texts only, where the order of methods is another: there ANT "
    "is ahead of the small vocabularies, which on the test texts even beat dense rows."
}
CELLS = Path(__file__).parent.parent.parent / "build" / "ant_text"

SETUP = f"""\
Kim's CNN: filters over 3, 4 and 5 words, dropout {cnn.DROPOUT}, batches of {cnn.BATCH}, texts of {LENGTH} tokens. Cut
for CPU time, the same for all: {cnn.FILTERS} filters of each width (100 in the paper), {D} columns (256), 4 or 12
epochs (200), words that occur {MIN_COUNT} times or more; convolutions in bfloat16. Adam; learning rates fall linearly
to 0.
ANT: {ANCHORS} anchors, T ≥ 0, ProximalAdam in its own metric, λ = {L1:g}; T starts at {START:g} of the own start of the
layer. In the mixture λ = {MIXTURE_L1:g}, and T has a learning rate of {MIXTURE_LR:g}. Relations: Open English WordNet;
words within 10 tokens of an anchor 5 times or more. Parameters are those of the embedding layer that are not zero.

Baselines get as many parameters as ANT with dynamic anchors has at seed 0: vocabularies, ranks, cores and buckets of
that size; those that learn what to keep are cut to it by their own score (row norm, or log α) where they kept more."""


def settings(name: str, method: str, budget: int) -> dict:
    """Return all that the result of a cell depends on, besides its seed."""
    found = {"length": LENGTH, "min_count": MIN_COUNT, "d": D, "filters": cnn.FILTERS, "epochs": EPOCHS.get(name, 2)}
    found["lr"] = learning_rate(name, method)
    if method == MIXTURE:
        return found | {"k": ANCHORS, "l1": MIXTURE_L1, "lr of T": MIXTURE_LR}
    if method in ANT:
        return found | {"k": ANCHORS, "l1": L1, "start": START}
    if method in BASELINES:
        found |= {"budget": budget, "strength": STRENGTH.get(method)}
    return found


def cell(options, corpus, method: str, seed: int, budget: int = 0) -> dict:
    """Return the result of one run, from its file if it is there."""
    wanted = settings(corpus.name, method, budget)
    slug = "".join(letter if letter.isalnum() else "-" for letter in method)
    place = CELLS / f"{corpus.name}.{slug}.{seed}.json"
    if place.exists() and (found := json.loads(place.read_text()))["settings"] == wanted:
        return found
    if options.report or method not in options.methods:
        return {}
    torch.manual_seed(seed)
    start = time.process_time()
    layer, optimizer = METHODS[method](corpus, options.data, budget, seed)
    model = cnn.TextCNN(layer, D, corpus.n_classes).to(options.device)
    own = isinstance(layer, Baseline)
    penalty = layer.penalty if own else (lambda: 0.0)
    trainer = optimizer(model, lr=wanted["lr"])
    cnn.train(model, trainer, penalty, corpus.train, wanted["epochs"], seed, options.device)
    seconds = time.process_time() - start
    model.eval()
    found = {"settings": wanted, "learnt": layer.n_parameters, "seconds": round(seconds, 1)}
    if method in BASELINES:
        layer.cut(budget)
    found["parameters"] = layer.n_parameters
    found |= {part: cnn.accuracy(model, getattr(corpus, part), options.device) for part in ("validation", "test")}
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(found))
    figures = f"{found['validation']:.1f} {found['test']:.2f} {found['learnt']} {found['parameters']}"
    print(f"{corpus.name} {method} {seed}: {figures} {seconds:.0f} s", flush=True)
    return found


def run(options, corpus) -> dict[str, list[dict]]:
    """Return the cells of all methods. ANT's own come first: their size is what the others get."""
    first = (*DENSE, HEADLINE)
    found = {method: [cell(options, corpus, method, seed) for seed in range(options.seeds)] for method in first}
    budget = found[HEADLINE][0]["parameters"]
    for method in METHODS:
        if method not in first:
            found[method] = [cell(options, corpus, method, seed, budget) for seed in range(options.seeds)]
    return {method: [one for one in found[method] if one] for method in METHODS}


def mean(cells: list[dict], part: str) -> float:
    return float(np.mean([one[part] for one in cells]))


def spread_of(scores: list[float]) -> str:
    return f"{np.mean(scores):.2f}" + (f" ± {np.std(scores):.2f}" if len(scores) > 1 else "")


def section(corpus, found: dict[str, list[dict]]) -> str:
    """Return the table of a collection and what it says of ANT."""
    n, rows, dense = len(corpus.words), [], found["dense"]
    for method, cells in found.items():
        if cells:
            scores = [one["test"] for one in cells]
            size = mean(cells, "parameters")
            rows.append([
                method, f"{cells[0]['settings']['lr']:g}", spread_of(scores), len(cells),
                f"{size:,.0f}", f"{n * D / size:.1f}", f"{mean(cells, 'learnt'):,.0f}",
                f"{mean(cells, 'validation'):.1f}",
            ])  # fmt: skip
    header = ["embedding layer", "learning rate", "test, %", "seeds", "parameters", "dense / it", "before the cut"]
    header.append("validation, %")
    best = max((method for method in ANT if found[method]), key=lambda method: mean(found[method], "validation"))
    own = mean(found[best], "test")
    above = [method for method in BASELINES if found[method] and mean(found[method], "test") > own]
    loss = mean(dense, "test") - own
    ratio = n * D / mean(found[best], "parameters")
    facts = (
        f"{len(corpus.train[0]):,} / {len(corpus.validation[0]):,} / {len(corpus.test[0]):,} texts to "
        f"train, validate and test, {n:,} words × {D}, {corpus.n_classes} classes, {EPOCHS.get(corpus.name, 2)} epochs."
    )
    missing = [method for method in METHODS if not found[method]]
    verdict = (
        f"**{best}, the best of ANT on the validation texts: {loss:.2f} points below dense at 1/{ratio:.0f} of its "
        f"parameters. Baselines above it at equal parameters: {', '.join(above) or 'none'}.**"
        + (f" Not run yet: {', '.join(missing)}." if missing else "")
    )
    remark = [REMARKS[corpus.name]] if corpus.name in REMARKS else []
    return "\n\n".join([f"## {corpus.name}", facts, common.table(rows, header), verdict, *remark])


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="*", help="names of collections; by default all that are there")
    parser.add_argument("--methods", nargs="*", default=METHODS, help="of these, besides dense rows and ANT's own")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--report", action="store_true", help="write the results of the cells that are there")
    options = parser.parse_args()
    options.data = common.data_or_skip(options)
    torch.set_num_threads(1)
    sections = []
    for name in options.only or corpora.available(options.data):
        corpus = corpora.load(options.data, name, LENGTH, MIN_COUNT, CELLS / "texts")
        sections.append(section(corpus, run(options, corpus)))
    common.write_result("ant_text.md", "ANT for text classification", "ant/text.py", [SETUP, *sections])


if __name__ == "__main__":
    main()
