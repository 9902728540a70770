"""Which entries of T are worth their place: what ``ParameterBudget`` cuts by, beside what it could have cut by.

Run: ``python -m benchmarks.ant.worth``. Each training is a cell: a second start goes on where the first one was
stopped; ``--report`` writes those that are there.
"""

from __future__ import annotations

import numpy as np
import torch

from benchmarks import cells, common
from benchmarks.ant import cnn, corpora, language
from slimvec.nn import AnchorEmbedding, ParameterBudget, ProximalAdam

D, LENGTH, MIN_COUNT = 128, 100, 2
EPOCHS, SEEDS, LR, START = 6, (0, 1), 3e-3, 0.1
SIZE = 1 / 40  # of the dense rows' parameters; of the language model language.SIZE
PARTS = {"ptb": 0.15, "ptb, longer": 0.4}  # of the training words
MEMORY = 0.95  # of running means
SETTINGS = {"texts": (D, LENGTH, MIN_COUNT, EPOCHS, LR, START, SIZE), "ptb": language.SETTINGS, "memory": MEMORY}

WORTHS = {  # of T, by what a budget has seen
    "abs(t)": lambda T, seen: T.abs(),
    "abs(t) ‖a‖": lambda T, seen: T.abs() * seen.lengths,
    "abs(t) ‖a‖ ⁴√frequency": lambda T, seen: T.abs() * seen.lengths * seen.frequencies**0.25,
    "abs(t) ‖a‖ √frequency": lambda T, seen: T.abs() * seen.lengths * seen.frequencies.sqrt(),
    "abs(t) ‖a‖ frequency": lambda T, seen: T.abs() * seen.lengths * seen.frequencies,
    "abs(t) ‖a‖ √row lengths": lambda T, seen: T.abs() * seen.lengths * seen.sums.sqrt(),
    "abs(t) ‖a‖ √row energy": lambda T, seen: T.abs() * seen.lengths * seen.energies.sqrt(),
    "abs(t) √mean square of ∂L/∂t": lambda T, seen: T.abs() * seen.squares.sqrt(),
    "abs(t ∂L/∂t), running mean": lambda T, seen: seen.effects,
}
OURS = {
    "newsgroups": "abs(t) ‖a‖ √frequency",
    "ptb": "abs(t) ‖a‖ ⁴√frequency",
    "ptb, longer": "abs(t) ‖a‖ ⁴√frequency",
}  # the library's
USUAL = {"newsgroups": "abs(t) ‖a‖ √frequency", "ptb": "abs(t) ‖a‖", "ptb, longer": "abs(t) ‖a‖"}  # where others change
FOR_GOOD = "abs(t) ‖a‖, nothing comes back"
WORTHS[FOR_GOOD] = WORTHS["abs(t) ‖a‖"]


class BudgetBy(ParameterBudget):
    """A budget for one dense T, cut by a worth of choice."""

    def __init__(self, layer, *arguments, cell: dict, frequencies, **options):
        self.cell = cell
        super().__init__(layer, *arguments, **options)
        self.T, self.A = layer.transform.weight, layer.anchors
        self.frequencies = torch.as_tensor(frequencies, dtype=torch.float32)[:, None]
        self.energies, self.sums = torch.zeros(len(self.T), 1), torch.zeros(len(self.T), 1)
        self.effects, self.squares = torch.zeros_like(self.T), torch.zeros_like(self.T)

    @torch.no_grad()
    def step(self) -> None:
        gradient = self.T.grad
        lengths = torch.linalg.vector_norm(gradient, dim=1, keepdim=True)
        self.energies += lengths.square()
        self.sums += lengths
        self.effects.lerp_((self.T * gradient).abs_(), 1 - MEMORY)
        self.squares.lerp_(gradient.square(), 1 - MEMORY)
        super().step()

    def _hold(self) -> None:
        super()._hold()
        if self.cell["worth"] == FOR_GOOD:
            self._layers[0].transform.zeros_stay = self.n_taken >= self._first

    def _leave(self, layer, kept, of_rows) -> None:
        layer.transform.keep(kept)  # by worth alone: what fits rows best would hide it

    def _worths(self, weights):
        self.lengths = torch.linalg.vector_norm(self.A, dim=1)
        made = WORTHS[self.cell["worth"]](self.T, self)[self.T != 0]
        if self.cell["worth"] == OURS[self.cell["work"]]:  # the library finds the same, by what was read until now
            (found,) = super()._worths(weights)
            assert torch.corrcoef(torch.stack([made, found]))[0, 1] > 0.9
        return [made]

    def kept(self) -> dict:
        """Return the size of the layer, after checking it, and how many entries rows have, by frequency."""
        (layer,) = self._layers
        assert 0.99 * self.n_parameters <= layer.n_parameters <= self.n_parameters
        lines = self.report().lines
        per_row = [round(line.n_entries / (line.last - line.first + 1), 2) for line in lines]
        return {"parameters": layer.n_parameters, "per row": per_row}


def classify(corpus, cell: dict) -> dict:
    """Train the CNN of ``benchmarks.ant.text`` within a budget."""
    torch.manual_seed(cell["seed"])
    n = len(corpus.words)
    layer = AnchorEmbedding(n, D, cell["anchors"], n_parameters=int(SIZE * n * D), padding_idx=corpora.PADDING)
    with torch.no_grad():
        layer.transform.weight.mul_(START)
    model = cnn.TextCNN(layer, D, corpus.n_classes)
    optimizer = ProximalAdam(model, lr=LR, l1=cell["l1"])
    options = {"n_steps": EPOCHS * cnn.steps_of(corpus.train), "cell": cell}
    budget = BudgetBy(layer, optimizer, frequencies=np.bincount(corpus.train[0].ravel(), minlength=n), **options)
    cnn.train(model, optimizer, lambda: 0.0, corpus.train, EPOCHS, cell["seed"], "cpu", budget.step)
    found = {part: cnn.accuracy(model, getattr(corpus, part), "cpu") for part in ("validation", "test")}
    return found | budget.kept()


def predict(corpus, cell: dict) -> dict:
    """Train the language model of ``benchmarks.ant.language`` for a short time."""
    frequencies, made = np.bincount(corpus.train.numpy()), []

    def budget(*arguments, **options):
        made.append(BudgetBy(*arguments, cell=cell, frequencies=frequencies, **options))
        return made[0]

    k, part = cell["anchors"], PARTS[cell["work"]]
    model = language.Cell("dynamic", 100 / k, k, cell["l1"], epochs=1, part=part)
    found = language.train(model, corpus, torch.device("cpu"), budget)
    return {"valid": found["valid"], "test": found["test"]} | made[0].kept()


def usual(work: str) -> dict:
    return {"work": work, "worth": USUAL[work], "anchors": 20 if work == "newsgroups" else 1000, "l1": 0.0}


CHANGES = {  # the values that are compared, by what is trained
    "worth": {"newsgroups": list(WORTHS), "ptb": list(WORTHS), "ptb, longer": list(WORTHS)[:4]},
    "anchors": {"newsgroups": [5, 20, 80, 180], "ptb, longer": [250, 500, 1000]},
    "l1": {"newsgroups": [0.0, 1e-5], "ptb": [0.0, 1e-6]},
}


def runs_of(work: str, name: str, value) -> list[dict]:
    """Return the cells with one setting changed, one per seed."""
    return [usual(work) | {name: value, "seed": seed} for seed in (SEEDS if work == "newsgroups" else SEEDS[:1])]


def mean(found: list[dict], part: str) -> str:
    return f"{np.mean([one[part] for one in found]):.1f}" if found else ""


def compared(results: dict[str, dict], name: str) -> str:
    """Return the table of what one setting changes."""
    works = CHANGES[name]
    values = dict.fromkeys(value for some in works.values() for value in some)
    header, rows = [name], [[f"{value:g}" if isinstance(value, float) else str(value)] for value in values]
    for work in works:
        part, unit = ("validation", "%") if work == "newsgroups" else ("valid", "perplexity")
        header += [f"{work}: validation, {unit}", "test", "entries per row"]
        for row, value in zip(rows, values, strict=True):
            found = [results[str(cell)] for cell in runs_of(work, name, value) if str(cell) in results]
            spent = ", ".join(f"{number:g}" for number in found[0]["per row"]) if found else ""
            row += [mean(found, part), mean(found, "test"), spent]
    return common.table(rows, header)


SETUP = f"""\
`ParameterBudget` cuts T down to a number of entries, those of least worth first, and fits what is left to the rows as
they were; not here, where worths are compared. Here by worths of all kinds, in two
models: the CNN for 20 Newsgroups of `ant_text.md` ({EPOCHS} epochs, {SIZE:g} of the dense rows' parameters, means of
{len(SEEDS)} seeds), and the language model of `ant_language.md`, its output tied to the embedding, in short: one epoch
over {PARTS["ptb"]:.0%} of the Penn Treebank's training words or, longer, {PARTS["ptb, longer"]:.0%}, at
{language.SIZE:g} of the dense rows' parameters, one seed. No penalty but where the last table has one. Entries per row:
of the 10 most frequent words (padding is one), the next 90, and so on.

‖a‖ is the length of an entry's anchor; row energy and row lengths sum ‖∂L/∂t_i‖² and ‖∂L/∂t_i‖ over the steps, for row
i of T; running means look {1 / (1 - MEMORY):.0f} steps back. *Nothing comes back*: an entry that was cut stays zero."""
FOUND = """\
In the classifier, worths that look at how often a word is seen are ahead of the size of an entry, alone or times the
length of its anchor, by about as much as seeds differ. In the language model the longer training turns around what the
short one says: there, where the output layer reads all rows for every word, frequency costs, and the more of it the
more. That was with more anchors than columns, where frequent words keep more entries than their rows have numbers. With
as many anchors as columns, T of both signs and better learning rates, frequency gains there, too
(`ant_language_learning.md`). So the library weighs rows by √frequency, and by ⁴√frequency where a model takes all rows
at once. Gradients tell no more than frequencies do. Whether entries may come back decides little; it is what fills a
budget up where entries vanish by themselves."""
COUNTED = """\
Cut by abs(t) ‖a‖ √frequency in the classifier and by abs(t) ‖a‖ in the language model, as in the next table. An eighth
of the budget, what a layer takes unless it is told otherwise, holds 91 anchors in the classifier and 312 in the
language model, of which it takes d = 200."""
PENALISED = "λ of the proximal optimizer, until the budget is reached. The library needs none."
EXPLAINED = {
    "worth": ("By worth", FOUND),
    "anchors": ("By the number of anchors", COUNTED),
    "l1": ("By a penalty besides", PENALISED),
}


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--report", action="store_true", help="write the results of the cells that are there")
    options = parser.parse_args()
    options.data = common.data_or_skip(options)
    torch.set_num_threads(1)
    kept = cells.Cells("ant_worth", **SETTINGS)
    news = corpora.load(options.data, "newsgroups", LENGTH, MIN_COUNT, cells.FOLDER / "texts")
    words = language.Corpus(options.data / "ptb")
    results = {}
    for name, works in CHANGES.items():
        for cell in (cell for work in works for value in works[work] for cell in runs_of(work, name, value)):
            train = (classify, news) if cell["work"] == "newsgroups" else (predict, words)
            if cell in kept or not options.report:
                results[str(cell)] = kept(cell, lambda train=train, cell=cell: train[0](train[1], cell))
    sections = [f"## {title}\n\n{text}\n\n{compared(results, name)}" for name, (title, text) in EXPLAINED.items()]
    common.write_result("ant.worth", "What an entry of T is worth", [SETUP, *sections])


if __name__ == "__main__":
    main()
