"""A language model within a budget: Penn Treebank, dense rows and anchors at a quarter and at a tenth of their numbers.

The model and its training are those of ``benchmarks.ant.language``; what makes anchors learn fast is tried in
``benchmarks.ant.language_learning``.

Run: ``python -m benchmarks.ant.language_budget``, best on a GPU: 16 epochs take hours on one CPU thread. Each training
is a cell: a second start goes on where the first one was stopped; ``--report`` writes those that are there.
"""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np

from benchmarks import common
from benchmarks.ant import language
from benchmarks.ant.language import EPOCHS, LONG, OWN_EPS, Cell, D

DENSE = Cell("dense", 0.04, eps=1e-6)
ANCHORS = Cell("dynamic", 0.03, D, start="orthogonal", signed=True, lr_anchors=1e-3, cut=(0.2, 0.9))
LAYERS = {"dense rows": DENSE, "anchors, 1/4": ANCHORS, "anchors, 1/10": replace(ANCHORS, size=0.1)}
SEEDS = {LONG: (0,), EPOCHS: (0, 1, 2)}
TRIED = {  # by the validation text, 4 epochs, the first seed
    **{f"dense rows, learning rate {lr:g}": replace(DENSE, lr=lr) for lr in (0.02, 0.04, 0.08)},
    "dense rows, ε of Adam 1e-8": replace(DENSE, eps=OWN_EPS),
    "dense rows, learning rate 0.08, ε of Adam 1e-8": replace(DENSE, lr=0.08, eps=OWN_EPS),
    **{f"anchors, 1/4, learning rate of T {lr:g}": replace(ANCHORS, lr=lr) for lr in (0.03, 0.06, 0.2)},
    "anchors, 1/4, learning rate of the anchors 0.003": replace(ANCHORS, lr_anchors=3e-3),
    "anchors, 1/4, entries left as they are": replace(ANCHORS, refit=False),
    "anchors, 1/4, all rows count alike": replace(ANCHORS, by_frequency=False),
    "anchors, 1/10, entries left as they are": replace(ANCHORS, size=0.1, refit=False),
    "anchors, 1/10, all rows count alike": replace(ANCHORS, size=0.1, by_frequency=False),
}
SETUP = f"""\
Language model and training of `ant_language.md`, 10,000 words × {D}, the output tied to the embedding; learning rates
fall to 0. Dense rows: Adam with a learning rate of {DENSE.lr:g} and ε = {DENSE.eps:g}. Anchors: {D} of them, at right
angles; T of both signs starts full; ProximalAdam with learning rates {ANCHORS.lr:g} of T and {ANCHORS.lr_anchors:g} of
the anchors, ε = {ANCHORS.eps:g} for T, λ = 0. `ParameterBudget` takes A and T down to their share of the dense rows'
parameters between {ANCHORS.cut[0]:.0%} and {ANCHORS.cut[1]:.0%} of the training; it is told how often words occur.
Learning rates and ε were chosen by the validation text after {EPOCHS} epochs, from those below and others, tried
outside of this script (of T from 0.03 to 0.4, of dense rows from 0.02 to 0.16); the longer training takes them as they
are."""


def scores(found: list[dict], part: str) -> str:
    values = [one[part] for one in found]
    return f"{np.mean(values):.1f}" + (f" ± {np.std(values, ddof=1):.1f}" if len(values) > 1 else "")


def compared(results: dict[Cell, dict], epochs: int) -> str:
    """Return the table of a length of training, of the seeds that are there."""
    rows, base = [], None
    for name, cell in LAYERS.items():
        asked = [replace(cell, epochs=epochs, seed=seed) for seed in SEEDS[epochs]]
        found = [results[one] for one in asked if one in results]
        if found:
            test = np.mean([one["test"] for one in found])
            over = "" if base is None else f"{test - base:+.1f}"
            base = test if cell is DENSE else base
            rows.append([name, len(found), f"{found[0]['parameters']:,}", scores(found, "valid"),
                         scores(found, "test"), over])  # fmt: skip
    header = ["embedding", "seeds", "parameters", "valid", "test perplexity", "over dense rows"]
    return f"## {epochs} epochs\n\n" + (common.table(rows, header) if rows else "Not trained yet.")


def tried(results: dict[Cell, dict]) -> list[str]:
    rows = [[name, f"{results[cell]['valid']:.1f}", f"{results[cell]['test']:.1f}"]
            for name, cell in TRIED.items() if cell in results]  # fmt: skip
    if not rows:
        return []
    text = f"{EPOCHS} epochs, one seed; what a name does not say is as above."
    missing = [name for name, cell in TRIED.items() if cell not in results]
    more = [f"Not trained yet: {'; '.join(missing)}."] if missing else []
    return ["## What was tried", text, common.table(rows, ["", "valid", "test perplexity"]), *more]


def asked() -> list[Cell]:
    """Return all cells, the longest first."""
    cells = [replace(cell, epochs=epochs, seed=seed) for epochs, seeds in SEEDS.items() for seed in seeds
             for cell in LAYERS.values()]  # fmt: skip
    return list(dict.fromkeys([*cells, *TRIED.values()]))


def main() -> None:
    only_report, cells, corpus, device = language.prepared(__doc__)
    results = {
        cell: cells(asdict(cell), lambda cell=cell: language.train(cell, corpus, device))
        for cell in asked()
        if not only_report or asdict(cell) in cells
    }
    devices = sorted({one["device"] for one in results.values()})
    sections = [SETUP, f"Trained on: {', '.join(devices)}.", *(compared(results, epochs) for epochs in SEEDS)]
    common.write_result("ant.language_budget", "A language model within a budget", [*sections, *tried(results)])


if __name__ == "__main__":
    main()
