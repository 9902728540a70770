"""Text classification within a budget: anchors and what they are compared with, all at the same share of dense rows.

The CNN, its training and the compared layers are those of ``benchmarks.ant.text``.

Run: ``python -m benchmarks.ant.text_budget``. Each training is a cell: a second start goes on where the first one was
stopped; ``--report`` writes those that are there. Rows that the file of results has stay, where cells of as many seeds
are not there: if this machine made the file, with the same set-up.
"""

from __future__ import annotations

import re

from benchmarks import common
from benchmarks.ant import cnn, text
from benchmarks.ant.methods import BASELINES, COMPOSED, DENSE, WITHIN, D, learning_rate

SHARE = 40
COLLECTIONS = ("newsgroups", "imdb")
METHODS = DENSE | WITHIN | BASELINES | COMPOSED
SETUP = f"""\
The CNN and the training of `ant_text.md`: {D} columns, {cnn.FILTERS} filters of each width, dropout {cnn.DROPOUT}.
Every layer but the dense rows holds 1/{SHARE} of their numbers at most. Anchors: `AnchorEmbedding(n_parameters=...)`,
ProximalAdam without a penalty, and `ParameterBudget` with its defaults; T starts at a tenth of the layer's own start.
Baselines: vocabularies, ranks, cores and buckets of that size; those that learn what to keep are cut to it by their own
score. Learning rates and strengths of penalties are those of `ant_text.md`, found there at 1/17."""

DEVICES = re.compile(r"^Trained on: (.+)\.$", re.MULTILINE)


def kept_rows(told: str, corpus) -> dict[str, list[str]]:
    """Return the rows of a collection in the text of a file, by method: those of the same texts and learning rates."""
    _, _, rest = told.partition(f"## {corpus.name}\n\n{text.facts_of(corpus)}\n\n")
    rows = [line.strip("| ").split(" | ") for line in rest.partition("\n\n")[0].splitlines()[2:]]
    return {row[0]: row for row in rows if row[1] == f"{learning_rate(corpus.name, row[0]):g}"}


def write(options, experiment: str, title: str, setup: str) -> None:
    """Train what is asked for, and write the tables of all that is there: ``setup`` starts with that of all tables."""
    file = common.result_file(experiment)
    told = file.read_text() if file.exists() else ""
    told = told if told.startswith(common.head_of(experiment, title) + SETUP) else ""
    sections, devices = [], {one for line in DEVICES.findall(told) for one in line.split(", ")}
    for name in options.only:
        corpus = text.texts_of(options, name)
        rows = kept_rows(told, corpus)
        for method in METHODS:
            runs = text.runs(options, corpus, method, len(corpus.words) * D // SHARE)
            if runs and (method not in rows or len(runs) >= text.number(rows[method], "seeds")):
                rows[method] = text.row_of(corpus, method, runs)
                devices |= {one["device"] for one in runs}
        is_told = "dense" in rows and any(method in rows for method in WITHIN)
        sections.append(text.section(corpus, rows, METHODS) if is_told else f"## {name}\n\nNot trained yet.")
    facts = f"{setup}\n\nTrained on: {', '.join(sorted(devices))}."
    common.write_result(experiment, title, [facts, *sections])


def main() -> None:
    options = text.asked_for(__doc__, METHODS, COLLECTIONS)
    write(options, "ant.text_budget", "Text classification within a budget", SETUP)


if __name__ == "__main__":
    main()
