"""What makes anchors learn as fast as dense rows: one change at a time, in a small language model on the Penn Treebank.

The training is that of ``benchmarks.ant.language``, with fewer words and columns; ``benchmarks.ant.language_budget``
has the whole.

Run: ``python -m benchmarks.ant.language_learning``. Each training is a cell: a second start goes on where the first one
was stopped; ``--report`` writes those that are there.
"""

from __future__ import annotations

from dataclasses import asdict, replace

from benchmarks import common
from benchmarks.ant import language
from benchmarks.ant.language import DENSE, L1, OWN_EPS, SPREAD, START, Cell

N_WORDS, D = 4000, 64
SMALL = {"n_words": N_WORDS, "d": D, "epochs": 1}
LOW_RANK = int(language.SIZE * N_WORDS * D) // (N_WORDS + D)  # dense T of that many columns fills the budget
OURS = Cell("dynamic", 0.6, D, start="orthogonal", signed=True, **SMALL)
FEW = replace(OURS, n_anchors=LOW_RANK, lr=1.2, start="random")
AS_BEFORE = Cell("dynamic", 0.4, 250, L1, **SMALL)
CHANGES = {
    "dense rows": replace(DENSE, **SMALL),
    "as before": AS_BEFORE,
    "as here": OURS,
    "T ≥ 0": replace(OURS, signed=False),
    "random anchors": replace(OURS, start="random"),
    "anchors and T from counted vectors": replace(OURS, start="words"),
    "dense rows from counted vectors": replace(DENSE, start="words", **SMALL),
    "all of T kept": replace(OURS, size=1),
    "learning rate of T 0.15": replace(OURS, lr=0.15),
    "learning rate of T 0.3": replace(OURS, lr=0.3),
    "learning rate of T 1.2": replace(OURS, lr=1.2),
    "ε of Adam for T 1e-8": replace(OURS, eps=OWN_EPS),
    "ε of Adam for T 1e-4": replace(OURS, eps=1e-4),
    "dense rows, ε of Adam 1e-5": replace(DENSE, eps=1e-5, **SMALL),
    "cut from 20 % to 90 %": replace(OURS, cut=(0.2, 0.9)),
    "cut from 0 to 50 %": replace(OURS, cut=(0.0, 0.5)),
    f"{LOW_RANK} random anchors, all of T kept, its learning rate 1.2": replace(FEW, size=1),
    "learning rate of the anchors 0": replace(OURS, lr_anchors=0.0),
    "learning rate of the anchors 0.01": replace(OURS, lr_anchors=0.01),
    "dense rows, learning rate 0.16": replace(DENSE, lr=0.16, **SMALL),
    "entries left as they are after cuts": replace(OURS, refit=False),
    "all rows count alike": replace(OURS, by_frequency=False),
    "both": replace(OURS, refit=False, by_frequency=False),
    "cut from 20 % to 90 %, entries left as they are": replace(OURS, refit=False, cut=(0.2, 0.9)),
}
HEADER = ["", "parameters", "of dense", "valid", "test perplexity", "over dense"]
SETUP = f"""\
Language model and training of `ant_language.md`: the output layer is tied to the embedding, `ParameterBudget` takes A
and T down to {language.SIZE:g} of the dense rows' parameters between {language.CUT[0]:.0%} and {language.CUT[1]:.0%} of
the training, and is told how often words occur; learning rates fall to 0, one seed. λ = 0 but for anchors as before,
which have λ = {L1:g}.

*As before*: T ≥ 0 starts with {START} random entries a row, on random anchors. *As here*: as many anchors as columns,
orthogonal and {SPREAD:g} √d long; T of both signs starts full, N(0, 1) / √d; learning rates {OURS.lr:g} of T and
{OURS.lr_anchors:g} of the anchors; ε of Adam for T {OURS.eps:g}. What follows differs from *as here* by what its name
says."""
FOUND = """\
Anchors are no slow learners: a full T, of about as many numbers as dense rows, is ahead of these after the same steps.
With as many anchors as columns it costs to start from random ones, which nearly depend on each other, and T ≥ 0 costs.
In an epoch as short as this one, steps of T have to be great; longer trainings take smaller ones
(`ant_language_budget.md`). Adam's ε for T is great, too, so that rare words, whose gradients are small, take small
steps. What is left is the price of cutting. It is less where cuts go on for longer, where what they leave is fitted to
the rows as they were before, and where frequent words keep more; so few anchors that nothing need be cut cost more. To
start from vectors counted on the text gains for dense rows, and nothing for anchors. Dense rows gain, too, by a
learning rate twice as great as that of the first line."""


def main() -> None:
    only_report, cells, corpus, device = language.prepared(__doc__)
    fewer = language.Corpus(corpus.folder, N_WORDS)

    found = {
        name: cells(asdict(cell), lambda cell=cell: language.train(cell, fewer, device))
        for name, cell in CHANGES.items()
        if not only_report or asdict(cell) in cells
    }
    devices = sorted({one["device"] for one in found.values()})
    sections = [
        f"{SETUP} Trained on: {', '.join(devices)}.",
        f"## One change at a time: {N_WORDS:,} words (others as unknown), {D} columns, one epoch",
        FOUND,
        compared(CHANGES, found, N_WORDS * D),
    ]
    common.write_result("ant.language_learning", "What makes anchors learn fast", sections)


def compared(wanted: dict[str, Cell], found: dict[str, dict], size: int) -> str:
    """Return the table of what was trained, and the names of what was not yet."""
    dense = found.get(next(iter(wanted)))
    rows = [
        [name, f"{one['parameters']:,}", f"{one['parameters'] / size:.3g}", f"{one['valid']:.1f}", f"{one['test']:.1f}",
         "" if dense is None or one is dense else f"{one['test'] - dense['test']:+.1f}"]
        for name, one in found.items()
    ]  # fmt: skip
    missing = [name for name in wanted if name not in found]
    parts = [common.table(rows, HEADER)] if rows else []
    return "\n\n".join(parts + ([f"Not trained yet: {', '.join(missing)}."] if missing else []))


if __name__ == "__main__":
    main()
