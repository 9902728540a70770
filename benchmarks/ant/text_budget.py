"""Text classification within a budget: anchors and what they are compared with, all at the same share of dense rows.

The CNN, its training and the compared layers are those of ``benchmarks.ant.text``.

Run: ``python -m benchmarks.ant.text_budget``. Each training is a cell: a second start goes on where the first one was
stopped; ``--report`` writes those that are there.
"""

from __future__ import annotations

import torch

from benchmarks import cells, common, texts
from benchmarks.ant import cnn, corpora, text
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


def run(options, corpus, kept: cells.Cells) -> dict[str, list[dict]]:
    """Return the runs of all methods, of those that are neither there nor asked for none."""
    budget, found = len(corpus.words) * D // SHARE, {}
    for method in METHODS:
        wanted = [text.settings(corpus.name, method, budget) | {"seed": seed} for seed in range(options.seeds)]
        found[method] = [
            kept(cell, lambda cell=cell: text.train(options, corpus, cell, budget))
            for cell in wanted
            if cell in kept or (not options.report and method in options.methods)
        ]
    return found


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="*", help="names of collections; by default newsgroups and imdb")
    parser.add_argument("--methods", nargs="*", default=METHODS, help="to train those of them that are not there")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--report", action="store_true", help="write the results of the cells that are there")
    options = parser.parse_args()
    options.data = common.data_or_skip(options)
    torch.set_num_threads(1)
    kept, sections, devices = cells.Cells("ant_text", **text.SETTINGS), [], set()
    for name in options.only or [name for name in COLLECTIONS if name in texts.available(options.data)]:
        corpus = corpora.load(options.data, name, text.LENGTH, text.MIN_COUNT, cells.FOLDER / "texts")
        found = run(options, corpus, kept)
        devices |= {one["device"] for runs in found.values() for one in runs}
        is_told = found["dense"] and any(found[method] for method in WITHIN)
        sections.append(text.section(corpus, found) if is_told else f"## {name}\n\nNot trained yet.")
    facts = f"{SETUP}\n\nTrained on: {', '.join(sorted(devices))}."
    common.write_result("ant.text_budget", "Text classification within a budget", [facts, *sections])


if __name__ == "__main__":
    main()
