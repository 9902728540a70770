"""Which entries of T are worth their place: what ``ParameterBudget`` cuts by, and what it could have cut by.

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
SIZE, ANCHORS = 1 / 40, 20  # of the dense rows' parameters
MEMORY = 0.95  # of running means
PARTS = {"ptb": 0.15, "ptb, longer": 0.4}  # of the training words
SETTINGS = {"texts": (D, LENGTH, MIN_COUNT, EPOCHS, LR, START, SIZE), "ptb": language.SETTINGS, "memory": MEMORY}

WORTHS = {  # of T, by what a budget has seen
    "abs(t)": lambda T, seen: T.abs(),
    "abs(t) ‖a‖": lambda T, seen: T.abs() * seen.lengths,
    "abs(t) ‖a‖ ⁴√frequency": lambda T, seen: T.abs() * seen.lengths * seen.counts**0.25,
    "abs(t) ‖a‖ √frequency": lambda T, seen: T.abs() * seen.lengths * seen.counts.sqrt(),
    "abs(t) ‖a‖ frequency": lambda T, seen: T.abs() * seen.lengths * seen.counts,
    "abs(t ∂L/∂t), running mean": lambda T, seen: seen.effects,
    "abs(t) ‖a‖ √row energy": lambda T, seen: T.abs() * seen.lengths * seen.energies.sqrt(),
    "abs(t) ‖a‖ √row lengths": lambda T, seen: T.abs() * seen.lengths * seen.sums.sqrt(),
    "abs(t) √mean square of ∂L/∂t": lambda T, seen: T.abs() * seen.squares.sqrt(),
}
OURS, FOR_GOOD = "abs(t) ‖a‖", "abs(t) ‖a‖, nothing comes back"
WORTHS[FOR_GOOD] = WORTHS[OURS]


class BudgetBy(ParameterBudget):
    """A budget for one dense T, cut by a worth of choice."""

    def __init__(self, layer, *arguments, worth: str, counts, **options):
        self.worth = worth
        super().__init__(layer, *arguments, **options)
        (self.layer,) = self._layers
        T = self.layer.transform.weight
        self.counts = torch.as_tensor(counts, dtype=torch.float32)[:, None]
        self.energies, self.sums = torch.zeros(len(T), 1), torch.zeros(len(T), 1)
        self.effects, self.squares = torch.zeros_like(T), torch.zeros_like(T)

    @torch.no_grad()
    def step(self) -> None:
        T = self.layer.transform.weight
        self.energies += T.grad.square().sum(dim=1, keepdim=True)
        self.sums += torch.linalg.vector_norm(T.grad, dim=1, keepdim=True)
        self.effects.lerp_((T * T.grad).abs_(), 1 - MEMORY)
        self.squares.lerp_(T.grad.square(), 1 - MEMORY)
        super().step()

    def _hold(self) -> None:
        super()._hold()
        if self.worth == FOR_GOOD:
            self._layers[0].transform.zeros_stay = self.n_taken >= self._first

    def _worths(self):
        T = self.layer.transform.weight.detach()
        self.lengths = torch.linalg.vector_norm(self.layer.anchors.detach(), dim=1)
        made = WORTHS[self.worth](T, self)[T != 0]
        return [made]


def classify(corpus, cell: dict) -> dict:
    """Train the CNN of ``benchmarks.ant.text`` within a budget."""
    torch.manual_seed(cell["seed"])
    n = len(corpus.words)
    layer = AnchorEmbedding(n, D, cell["anchors"], n_parameters=int(SIZE * n * D), padding_idx=corpora.PADDING)
    with torch.no_grad():
        layer.transform.weight.mul_(START)
    model = cnn.TextCNN(layer, D, corpus.n_classes)
    optimizer = ProximalAdam(model, lr=LR, l1=cell["l1"])
    n_steps, counts = EPOCHS * cnn.steps_of(corpus.train), np.bincount(corpus.train[0].ravel(), minlength=n)
    budget = BudgetBy(layer, optimizer, n_steps=n_steps, worth=cell["worth"], counts=counts)
    cnn.train(model, optimizer, lambda: 0.0, corpus.train, EPOCHS, cell["seed"], "cpu", budget.step)
    found = {part: cnn.accuracy(model, getattr(corpus, part), "cpu") for part in ("validation", "test")}
    return found | kept(layer, budget)


def kept(layer, budget) -> dict:
    """Return the size of a layer, after checking it, and where its entries are."""
    assert 0.99 * budget.n_parameters <= layer.n_parameters <= budget.n_parameters
    lines = budget.report(budget.counts[:, 0]).lines
    return {
        "parameters": layer.n_parameters,
        "per row": [round(line.n_entries / (line.last - line.first + 1), 2) for line in lines],
    }


def predict(corpus, cell: dict) -> dict:
    """Train the language model of ``benchmarks.ant.language`` for a short time."""
    counts, layers = np.bincount(corpus.train.numpy()), []

    class Budget(BudgetBy):
        def __init__(self, layer, *arguments, **options):
            super().__init__(layer, *arguments, worth=cell["worth"], counts=counts, **options)
            layers.append((layer, self))

    made = language.Cell(
        "dynamic", 100 / cell["anchors"], cell["anchors"], cell["l1"], epochs=1, part=PARTS[cell["work"]]
    )
    found = language.train(made, corpus, torch.device("cpu"), Budget)
    return {"valid": found["valid"], "test": found["test"]} | kept(*layers[0])


NEWS = {"work": "newsgroups", "worth": OURS, "anchors": 20, "l1": 0.0}
WORDS = {"work": "ptb", "worth": OURS, "anchors": 1000, "l1": 0.0, "seed": language.SEED}
CHANGES = {  # what is compared, and the values beside the usual one
    "worth": (list(WORTHS), list(WORTHS)),
    "anchors": ([20, 5, 80], [1000, 250, 500]),
    "l1": ([0.0, 1e-5], [0.0, 1e-6]),
}


def runs(found: dict, usual: dict, name: str, value) -> list[dict]:
    """Return the runs with one setting changed, of all seeds."""
    cell = usual | {name: value}
    listed = [cell] if "seed" in cell else [cell | {"seed": seed} for seed in SEEDS]
    return [found[key] for key in map(key_of, listed) if key in found]


def key_of(cell: dict) -> str:
    return str(sorted(cell.items()))


def mean(some: list[dict], part: str) -> str:
    return f"{np.mean([one[part] for one in some]):.1f}" if some else ""


def compared(found: dict, name: str) -> str:
    """Return the table of what one setting changes."""
    rows = []
    for value in dict.fromkeys([*CHANGES[name][0], *CHANGES[name][1]]):
        news, words = runs(found, NEWS, name, value), runs(found, WORDS, name, value)
        spent = [", ".join(f"{number:g}" for number in some[0]["per row"]) if some else "" for some in (news, words)]
        label = f"{value:g}" if isinstance(value, float) else str(value)
        rows.append([label, mean(news, "validation"), mean(news, "test"), spent[0],
                     mean(words, "valid"), mean(words, "test"), spent[1]])  # fmt: skip
    per_row = "entries per row"
    header = [name, "newsgroups: validation, %", "test, %", per_row, "PTB: validation perplexity", "test", per_row]
    return common.table(rows, header)


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--report", action="store_true", help="write the results of the cells that are there")
    options = parser.parse_args()
    options.data = common.data_or_skip(options)
    torch.set_num_threads(1)
    kept_cells = cells.Cells("ant_worth", **SETTINGS)
    news = corpora.load(options.data, "newsgroups", LENGTH, MIN_COUNT, cells.FOLDER / "texts")
    words = language.Corpus(options.data / "ptb")
    wanted = []
    for name, (of_news, of_words) in CHANGES.items():
        wanted += [NEWS | {name: value, "seed": seed} for value in of_news for seed in SEEDS]
        wanted += [WORDS | {name: value} for value in of_words]
    found = {}
    for cell in wanted:
        train = (classify, news) if cell["work"] == "newsgroups" else (predict, words)
        if cell in kept_cells or not options.report:
            found[key_of(cell)] = kept_cells(cell, lambda train=train, cell=cell: train[0](train[1], cell))
    common.write_result("ant.worth", "What an entry of T is worth", report(found))


def report(found: dict) -> list[str]:
    facts = "TODO"
    return [facts, *(f"## {name}\n\n{compared(found, name)}" for name in CHANGES)]


if __name__ == "__main__":
    main()
