"""The paper's tables beside ours, and figures that another program measured beside ours."""

from __future__ import annotations

import numpy as np

import slimvec as sv
from benchmarks.common import SIMILARITY, similarity, table
from benchmarks.quality.bench import JUDGED, MORE, OURS, TABLES, TITLES
from benchmarks.quality.paper import GLOVE, HDC, INDEPENDENT, METHODS, SETS

RIVALS = [method for method in METHODS if method != "IIQ-32"]


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

        def judge(vectors, seed=seed):
            made = sv.IIQ(300, 1, max_train_rows=None, random_state=seed).compress(vectors)
            return similarity(vectors.words, made.lookup(np.arange(len(vectors))), bench.data)

        scores = bench.kept("glove-enwiki", "IIQ on all rows", judge, remove=1, seed=seed)
        rows.append([f"seed {seed}", *(f"{score:.1f}" for score in scores)])
    parts.append("### glove-enwiki, D=1, 300 bits, the rotation learnt on all rows\n\n")
    parts[-1] += table(rows, ["", *SIMILARITY])
    return "\n\n".join(parts)
