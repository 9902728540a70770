"""Text classification within a budget: anchors and what they are compared with, all at the same share of dense rows.

The CNN, its training and the compared layers are those of ``benchmarks.ant.text``.

Run: ``python -m benchmarks.ant.text_budget``. Each training is a cell: a second start goes on where the first one was
stopped; ``--report`` writes those that are there.
"""

from __future__ import annotations

from benchmarks import common
from benchmarks.ant import cnn, text
from benchmarks.ant.methods import BASELINES, COMPOSED, DENSE, WITHIN, D

SHARE = 40
COLLECTIONS = ("newsgroups", "imdb")
METHODS = DENSE | WITHIN | BASELINES | COMPOSED
SETUP = f"""\
The CNN and the training of `ant_text.md`: {D} columns, {cnn.FILTERS} filters of each width, dropout {cnn.DROPOUT}.
Every layer but the dense rows holds 1/{SHARE} of their numbers at most. Anchors: `AnchorEmbedding(n_parameters=...)`,
ProximalAdam without a penalty, and `ParameterBudget` with its defaults; T starts at a tenth of the layer's own start.
Baselines: vocabularies, ranks, cores and buckets of that size; those that learn what to keep are cut to it by their own
score. Learning rates and strengths of penalties are those of `ant_text.md`, found there at 1/17."""


def write(options, experiment: str, title: str, setup: str) -> None:
    """Train what is asked for, and write the tables of all that is there."""
    sections, devices = [], set()
    for name in options.only:
        corpus = text.texts_of(options, name)
        budget = len(corpus.words) * D // SHARE
        found = {method: text.runs(options, corpus, method, budget) for method in METHODS}
        devices |= {one["device"] for runs in found.values() for one in runs}
        is_told = found["dense"] and any(found[method] for method in WITHIN)
        sections.append(text.section(corpus, found) if is_told else f"## {name}\n\nNot trained yet.")
    facts = f"{setup}\n\nTrained on: {', '.join(sorted(devices))}."
    common.write_result(experiment, title, [facts, *sections])


def main() -> None:
    options = text.asked_for(__doc__, METHODS, COLLECTIONS)
    write(options, "ant.text_budget", "Text classification within a budget", SETUP)


if __name__ == "__main__":
    main()
