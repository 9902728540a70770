"""How many anchors a language model wants: Penn Treebank, four epochs within one budget, beside dense rows.

The model, its training and its settings are those of ``benchmarks.ant.language``, and so are its cells: what one script
has trained the other takes.

Run: ``python -m benchmarks.ant.language_anchors``.
"""

from __future__ import annotations

from dataclasses import asdict

from benchmarks import common
from benchmarks.ant import language

SIZES = (500, 250)


def main() -> None:
    only_report, cells, corpus, device = language.prepared(__doc__)
    asked = [*(language.Cell("dynamic", 100 / k, k, language.L1) for k in SIZES), language.DENSE]
    found = {
        cell: cells(asdict(cell), lambda cell=cell: language.train(cell, corpus, device))
        for cell in asked
        if not only_report or asdict(cell) in cells
    }
    missing = [str(cell.n_anchors or "dense rows") for cell in asked if cell not in found]
    sections = report(found, corpus) + ([f"Not trained yet: {', '.join(missing)}."] if missing else [])
    common.write_result("ant.language_anchors", "How many anchors a language model wants", sections)


def report(found: dict[language.Cell, dict], corpus: language.Corpus) -> list[str]:
    dense = found.get(language.DENSE)
    size, rows = len(corpus.words) * language.D, []
    for cell, one in found.items():
        over = "" if dense is None or cell == language.DENSE else f"{one['test'] - dense['test']:+.1f}"
        name = f"{cell.n_anchors:,}" if cell.n_anchors else "dense rows"
        share, scores = f"1/{size / one['parameters']:.1f}", [f"{one[part]:.1f}" for part in ("valid", "test")]
        rows.append([name, f"{one['parameters']:,}", share, *scores, over])
    facts = (
        f"Penn Treebank as in `ant_language.md`, {language.EPOCHS} epochs, one seed: dynamic anchors, T ≥ 0, proximal "
        f"Adam with λ = {language.L1:g}. `ParameterBudget` takes A and T down to {language.SIZE:.0%} of the dense "
        f"parameters between {language.CUT[0]:.0%} and {language.CUT[1]:.0%} of the training. The learning rate of T "
        "is in proportion to 1 / |A|."
    )
    return [facts, common.table(rows, ["anchors", "parameters", "of dense", "valid", "test perplexity", "over dense"])]


if __name__ == "__main__":
    main()
