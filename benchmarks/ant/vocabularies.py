"""Which rows help with films that were not trained on? Anchors for few words and for many, on reviews of other films.

Parts of the IMDB's training reviews that follow each other are held out: reviews of a film follow each other, and so
most films of the held reviews are new to the model, as those of the test reviews are.

Run: ``python -m benchmarks.ant.vocabularies``. Each training is a cell: a second start goes on where the first one was
stopped; ``--report`` writes those that are there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from benchmarks import cells, common
from benchmarks.ant import cnn, corpora, text
from benchmarks.ant.methods import ANT_LR, BASELINES, COMPOSED, DENSE, D, budget_layer, learning_rate
from benchmarks.ant.text_budget import SHARE
from slimvec.nn import ParameterBudget

RUN, HELD = 250, 0.2  # reviews of one class that are held together, and their part of all
NAME = "imdb"
BEST = ("TF-IDF", "SparseVD-Voc", "quotient and remainder")
PLAIN = DENSE | {name: (BASELINES | COMPOSED)[name] for name in BEST}
FEWER = ", a fifth of words left out"
COMPARED = [*PLAIN, *(name + FEWER for name in ("dense", "SparseVD-Voc", "quotient and remainder"))]


@dataclass(frozen=True)
class Variant:
    """Settings of a budget: moments of the cut, how counts weigh, and how often a word occurs that may have a row.

    And of the training: which part of the words a batch does without, the learning rate, and λ until the second moment.
    """

    cut: tuple[float, float] = (0.2, 0.7)
    power: float = 1.0
    least: int = 0
    anchors: int | None = None
    left_out: float = 0.0
    lr: float = ANT_LR
    l1: float = 0.0


def leave_out(layer, share: float):
    """Have an embedding layer leave out words in training, others in each batch (Gal & Ghahramani, 2016, §4)."""
    rows = layer.rows

    def of_some(unique):
        if not layer.training:
            return rows(unique)
        return rows(unique) * (torch.rand(len(unique), 1) >= share) / (1 - share)

    layer.rows = of_some


SEEN = "ANT, rows of words seen 100 times"
VARIANTS = {
    "ANT within the budget": Variant(),
    SEEN: Variant(least=100),
    f"{SEEN}, cut at the start": Variant(least=100, cut=(0.0, 0.2)),
    f"{SEEN}, a fifth of words left out of a batch": Variant(least=100, left_out=0.2),
    f"{SEEN}, cut at the start, a fifth of words left out": Variant(least=100, cut=(0.0, 0.2), left_out=0.2),
    f"{SEEN}, a third of words left out": Variant(least=100, left_out=1 / 3),
    f"{SEEN}, half of words left out": Variant(least=100, left_out=0.5),
    f"{SEEN}, learning rate 0.001": Variant(least=100, lr=1e-3),
    f"{SEEN}, λ = 1e-4": Variant(least=100, l1=1e-4),
    "ANT, a fifth of words left out of a batch": Variant(left_out=0.2),
    "ANT, rows of words seen 50 times, a fifth of words left out": Variant(least=50, left_out=0.2),
    "ANT, rows of words seen 200 times, a fifth of words left out": Variant(least=200, left_out=0.2),
    "ANT, worth by frequency": Variant(power=2.0),
    "ANT, cut later": Variant(cut=(0.2, 0.9)),
    "ANT, 20 anchors": Variant(anchors=20),
}


def train(corpus, name: str, parts: tuple[str, ...], seed: int) -> dict:
    """Return accuracies on some parts, and how many words have a row."""
    torch.manual_seed(seed)
    n, epochs = len(corpus.words), text.EPOCHS[NAME]
    budget, more = n * D // SHARE, {}
    if name in VARIANTS:
        variant = VARIANTS[name]
        layer, optimizer = budget_layer(corpus, None, budget, seed, k=variant.anchors)
        rates, left_out = {"lr": variant.lr, "l1": variant.l1}, variant.left_out
    else:
        plain = name.removesuffix(FEWER)
        layer, optimizer = PLAIN[plain](corpus, None, budget, seed)
        rates, left_out = {"lr": learning_rate(NAME, plain)}, 0.2 if name.endswith(FEWER) else 0.0
    if left_out:
        leave_out(layer, left_out)
    model = cnn.TextCNN(layer, D, corpus.n_classes)
    trainer = optimizer(model, **rates)
    if name in VARIANTS:
        counts = np.bincount(corpus.train[0].ravel(), minlength=n).astype(float)
        counts = np.where(counts >= variant.least, counts, 0) ** variant.power
        n_steps = epochs * cnn.steps_of(corpus.train)
        more["after"] = ParameterBudget(layer, trainer, n_steps=n_steps, cut=variant.cut, counts=counts).step
    penalty = (lambda: 0.0) if name in VARIANTS else layer.penalty
    cnn.train(model, trainer, penalty, corpus.train, epochs, seed, "cpu", **more)
    if name in COMPARED and not name.startswith("dense"):
        layer.cut(budget)
    model.eval()
    with torch.no_grad():
        n_words = int((layer.rows(torch.arange(n)) if name in COMPARED else layer.weight).any(1).sum())
    found = {part: cnn.accuracy(model, getattr(corpus, part), "cpu") for part in parts}
    return found | {"parameters": layer.n_parameters, "words": n_words}


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--methods", nargs="*", default=[*COMPARED, *VARIANTS])
    parser.add_argument("--test", nargs="*", default=[], help="methods to train as in ant_text_budget.md, for the test")
    parser.add_argument("--seeds", type=int, default=3, help="trainings for the test (default: %(default)s)")
    parser.add_argument("--report", action="store_true", help="write the results of the cells that are there")
    options = parser.parse_args()
    data = common.data_or_skip(options)
    torch.set_num_threads(1)
    kept = cells.Cells("ant_vocabularies", **text.SETTINGS, held_together=RUN, held=HELD, share=SHARE)
    arguments = (data, NAME, text.LENGTH, text.MIN_COUNT, cells.FOLDER / "texts")
    splits = {"films": corpora.load(*arguments, run=RUN, held=HELD), "usual": corpora.load(*arguments)}
    parts = {"films": ("validation",), "usual": ("validation", "test")}

    def found(name: str, split: str, seeds: range, *, asked: bool) -> list[dict]:
        settings = repr(VARIANTS[name]) if name in VARIANTS else "as in ant_text_budget"
        cell = {"method": name, "settings": settings, "split": split}
        cells_of = {seed: cell | ({"seed": seed} if seed else {}) for seed in seeds}
        return [
            kept(cell, lambda seed=seed: train(splits[split], name, parts[split], seed))
            for seed, cell in cells_of.items()
            if cell in kept or (asked and not options.report)
        ]

    rows = []
    for name in [*COMPARED, *VARIANTS]:
        films = found(name, "films", range(1), asked=name in options.methods)
        usual = found(name, "usual", range(options.seeds), asked=name in options.test)
        if films or usual:
            first = (films or usual)[0]  # what is tested was tried on held films before
            rows.append([
                name, f"{first['parameters']:,}", f"{first['words']:,}",
                f"{films[0]['validation']:.2f}" if films else "",
                *(text.spread_of([one[part] for one in usual]) if usual else "" for part in ("validation", "test")),
                len(usual) or "",
            ])  # fmt: skip
    corpus = splits["films"]
    facts = (
        f"The CNN, the training and the sizes of `ant_text_budget.md`, seed 0, one CPU thread. Of the IMDB's "
        f"{len(corpus.train[0]) + len(corpus.validation[0]):,} training reviews, runs of {RUN:,} of one class that "
        f"follow each other are held out, {len(corpus.validation[0]):,} together: reviews of a film follow each other, "
        "so that those of its class are trained on or held, seldom both; reviews of the other class may be trained on. "
        "Words with a row have one that is not zero; those that TF-IDF leaves out share one. "
        "Variants weigh and choose words by `counts=` of `ParameterBudget`, which cuts rows of no count first. "
        "Where words are left out, others are in each batch, and the rows of those that stay are longer by as much. "
        "Of the variants that leave words out, the two best on held films were tested: what is held is too little to "
        "choose between the two. Rows of all words and two of the best rivals were trained in this way, too. Sizes and "
        "words are those on held films. The last three columns are of the usual split, where validation reviews are "
        "drawn one by one, seeds 0, 1, ...; "
        "there, other layers are in `ant_text_rivals.md`."
    )
    header = ["embedding layer", "parameters", "words with a row", "held films, %", "validation, %", "test, %", "seeds"]
    common.write_result("ant.vocabularies", "Rows of few words or of many", [facts, common.table(rows, header)])


if __name__ == "__main__":
    main()
