"""Language modelling on the Penn Treebank: a dense tied embedding and anchors at the same epochs (ANT paper, table 2).

Runs on a GPU where torch finds one, else on one CPU thread; there ``MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=-1`` in
the environment halves the time, as big arrays are then used again rather than returned to the system at every step.

Run: ``python -m benchmarks.ant.language``. Each training is a cell: a second start goes on where the first one was
stopped; ``--report`` writes those that are there.
"""

from __future__ import annotations

import gzip
from collections import Counter
from dataclasses import asdict, dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import sparse
from scipy.sparse.linalg import svds
from torch import nn

from benchmarks import common
from benchmarks.cells import Cells
from slimvec.nn import AnchorEmbedding, ParameterBudget, ProximalAdam

if TYPE_CHECKING:
    from pathlib import Path

D, LAYERS, DROPOUT, CLIP = 200, 2, 0.2, 0.25
BATCH, LENGTH, SEED = 20, 70, 0
EPOCHS, LONG = 4, 16
SPREAD = 0.1  # standard deviation of the entries of E at the start, of every layer
LR_OTHERS, LR_ANCHORS = 3e-3, 3e-3
EPS = 1e-5  # of Adam for T: rows of words that hardly occur stay where they are, and lose entries
OWN_EPS = 1e-8  # of all else, as torch has it
START = 16  # non-zeros per row that T starts with
SIZE = 0.25  # of A and T together, of the dense parameters
WINDOW = 4  # words apart that vectors are counted from
CUT = (0.2, 0.7)  # the part of training in which T loses entries down to that size
SETTINGS = {
    "model": (D, LAYERS, DROPOUT),
    "training": (BATCH, LENGTH, CLIP, SEED),
    "start": (SPREAD, START),
    "rates": (LR_OTHERS, LR_ANCHORS, EPS),
    "cut": ("ParameterBudget, which fits rows again", *CUT),
}
REMARK = (
    "In the paper, 1,000 dynamic anchors end 2.3 above dense rows (79.4 and 77.1) with a fifth of their parameters. "
    "Here, too, they come that near, once both train for long. Neither they nor dense rows are at their best: "
    "`ant_language_budget.md` has better settings for both, by which a quarter and a tenth of the numbers suffice."
)
SHOWN = ("year", "stock", "company", "president")  # anchors whose words are listed


@dataclass(frozen=True)
class Cell:
    """One model to train, for some epochs over a part of the training text."""

    kind: str  # dense, or how anchors are chosen: dynamic or frequency
    lr: float  # of the dense rows, or of T
    n_anchors: int = 0
    l1: float = 0.0
    size: float = SIZE  # 1: nothing is cut
    epochs: int = EPOCHS
    part: float = 1.0
    start: str = "few"  # non-zeros a row, "few" or all, on "random" or "orthogonal" anchors or on those of "words"
    signed: bool = False  # whether T may have entries below 0
    lr_anchors: float = LR_ANCHORS
    eps: float = EPS
    cut: tuple[float, float] = CUT
    d: int = D
    n_words: int | None = None  # of the corpus; None: all
    seed: int = SEED
    refit: bool = True  # whether a cut fits rows again
    by_frequency: bool = True  # whether entries of frequent rows are worth more

    @property
    def is_cut(self) -> bool:
        return self.n_anchors > 0 and self.size < 1


L1 = 1e-6
SHORT = {"epochs": 1, "part": 0.4}
TUNED = [  # by the validation text: dense rows; 1,000 dynamic anchors, as proximal steps leave them, and cut
    *(Cell("dense", lr, eps=OWN_EPS, **SHORT) for lr in (0.02, 0.04, 0.08)),
    *(Cell("dynamic", 0.1, 1000, l1, 1, **SHORT) for l1 in (0, 1e-6, 1e-5)),
    *(Cell("dynamic", 0.1, 1000, l1, **SHORT) for l1 in (0, 1e-6, 3e-6)),
]
DENSE, FREQUENT = Cell("dense", 0.08, eps=OWN_EPS), Cell("frequency", 0.1, 1000, L1)
DYNAMIC = [Cell("dynamic", 100 / k, k, L1) for k in (1000, 500, 2000)]
GROUPS = {  # dense rows first
    LONG: [replace(cell, epochs=LONG) for cell in (DENSE, DYNAMIC[0])],
    EPOCHS: [DENSE, FREQUENT, *DYNAMIC],
}


class Corpus:
    """The three parts of the text as word numbers, words by falling frequency in the training part.

    Where ``n_words`` are asked for, all others are the unknown one, which the text has already.
    """

    def __init__(self, folder: Path, n_words: int | None = None):
        self.folder = folder
        train, valid, test = (self._read(folder / f"ptb.{name}.txt.gz") for name in ("train", "valid", "test"))
        self.words = [word for word, _ in Counter(train).most_common(n_words)]
        row = {word: place for place, word in enumerate(self.words)}
        other = row["<unk>"]
        self.train, self.valid, self.test = (
            torch.tensor([row.get(word, other) for word in text]) for text in (train, valid, test)
        )  # fmt: skip

    @staticmethod
    def _read(path: Path) -> list[str]:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            return file.read().replace("\n", " <eos> ").split()


class LanguageModel(nn.Module):
    """Two LSTM layers between an embedding and its transpose."""

    def __init__(self, embedding: nn.Module):
        super().__init__()
        self.embedding = embedding
        self.lstm = nn.LSTM(embedding.embedding_dim, embedding.embedding_dim, LAYERS, dropout=DROPOUT)
        self.dropout = nn.Dropout(DROPOUT)
        self.bias = nn.Parameter(torch.zeros(embedding.num_embeddings))

    def forward(self, ids, state):
        """Return the logits of what follows each id, ``(length, batch, n)``, and the state after the last."""
        E = self.embedding.weight  # of anchors, too: the output needs all rows, so that E is made once for both
        hidden, state = self.lstm(self.dropout(nn.functional.embedding(ids, E)), state)
        return nn.functional.linear(self.dropout(hidden), E, self.bias), state


def make_embedding(cell: Cell, corpus: Corpus) -> nn.Module:
    n, d = len(corpus.words), cell.d
    if cell.kind == "dense":
        layer = nn.Embedding(n, d)
        nn.init.normal_(layer.weight, std=SPREAD)
        if cell.start == "words":
            layer.weight.data.copy_(SPREAD * counted(corpus, d))
        return layer
    rows = np.arange(cell.n_anchors) if cell.kind == "frequency" else None
    anchors = SPREAD * torch.randn(cell.n_anchors, d)
    if cell.start in ("orthogonal", "words"):  # as long as random ones
        nn.init.orthogonal_(anchors, SPREAD * d**0.5)
    layer = AnchorEmbedding(n, d, anchors=anchors, anchor_rows=rows, nonnegative=not cell.signed)
    T = layer.transform.weight.data
    if cell.start == "words":
        T.copy_(counted(corpus, d) @ anchors.T / (SPREAD * d))
    if cell.start == "few":
        first = 0 if rows is None else cell.n_anchors
        kept = torch.rand(T[first:].shape).argsort(dim=1) < START
        entries = torch.randn(kept.shape) / START**0.5
        T[first:] = kept * (entries if cell.signed else entries.abs())
    return layer


def counted(corpus: Corpus, d: int) -> torch.Tensor:
    """Return vectors of words from the training text, ``(n, d)``, of variance 1: what goes with what, factored.

    Words up to ``WINDOW`` apart are counted, near ones more; positive pointwise mutual information with contexts
    smoothed by a power of .75, and its singular vectors times the roots of the singular values (Levy, Goldberg and
    Dagan, TACL 2015).
    """
    ids, n = corpus.train.numpy(), len(corpus.words)
    pairs = [(np.ones(len(ids) - gap) / gap, (ids[:-gap], ids[gap:])) for gap in range(1, WINDOW + 1)]
    forward = sum(sparse.csr_array(some, shape=(n, n)) for some in pairs)
    counts = (forward + forward.T).tocoo()
    of_words = counts.sum(axis=1)
    contexts = of_words**0.75 / (of_words**0.75).sum()
    information = np.log(counts.data / (of_words[counts.row] * contexts[counts.col]))
    positive = sparse.csr_array((np.maximum(information, 0), (counts.row, counts.col)), shape=(n, n))
    U, sizes, _ = svds(positive, d, random_state=SEED)
    vectors = U * np.sqrt(sizes)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    return torch.from_numpy(vectors / vectors.std()).float()


def make_optimizers(model: LanguageModel, cell: Cell) -> list[torch.optim.Optimizer]:
    """Adam for all parts, with a proximal step for T."""
    own = set(model.embedding.parameters())
    others = torch.optim.Adam([part for part in model.parameters() if part not in own], lr=LR_OTHERS)
    if cell.kind == "dense":
        return [others, torch.optim.Adam(own, lr=cell.lr, eps=cell.eps)]
    optimizer = ProximalAdam(model.embedding, lr=cell.lr, l1=cell.l1, eps=cell.eps)
    optimizer.param_groups[0].update(lr=cell.lr_anchors, eps=OWN_EPS)
    return [others, optimizer]


def batches(ids, batch: int, length: int):
    """Cut a text into ``batch`` strands, and yield ``(inputs, targets)`` of up to ``length`` steps along them."""
    strands = ids[: (len(ids) - 1) // batch * batch].reshape(batch, -1).T
    following = ids[1 : strands.numel() + 1].reshape(batch, -1).T
    for first in range(0, len(strands), length):
        yield strands[first : first + length], following[first : first + length]


@torch.no_grad()
def perplexity(model: LanguageModel, ids) -> float:
    model.eval()
    state, total, count = None, 0.0, 0
    for inputs, targets in batches(ids, 10, LENGTH):
        logits, state = model(inputs, state)
        total += nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum").item()
        count += targets.numel()
    model.train()
    return float(np.exp(total / count))


class LeavingAsIs(ParameterBudget):
    """A budget whose cuts leave entries and anchors as they are."""

    def _leave(self, layer, kept, of_rows) -> None:
        layer.transform.keep(kept)


def train(cell: Cell, corpus: Corpus, device: torch.device, budget_type: type = ParameterBudget) -> dict:
    torch.manual_seed(cell.seed)
    model = LanguageModel(make_embedding(cell, corpus)).to(device)
    optimizers = make_optimizers(model, cell)
    text = corpus.train[: int(cell.part * len(corpus.train))].to(device)
    n_steps = cell.epochs * sum(1 for _ in batches(text, BATCH, LENGTH))
    budget = None
    if cell.is_cut:
        n_parameters = int(cell.size * len(corpus.words) * cell.d)
        options = {"n_steps": n_steps, "cut": cell.cut}
        if cell.by_frequency:  # a model that takes all rows at once does not say which words it has seen
            options["counts"] = np.bincount(text.cpu().numpy(), minlength=len(corpus.words))
        kind = budget_type if cell.refit else LeavingAsIs
        budget = kind(model.embedding, optimizers[-1], n_parameters, **options)
    rates = [(group, group["lr"]) for optimizer in optimizers for group in optimizer.param_groups]
    done = 0
    for _ in range(cell.epochs):
        state = None
        for inputs, targets in batches(text, BATCH, LENGTH):
            for group, lr in rates:
                group["lr"] = lr * (1 - done / n_steps)
            state = step(model, optimizers, inputs, targets, state)
            done += 1
            if budget is not None:
                budget.step()
    scores = {part: perplexity(model, getattr(corpus, part).to(device)) for part in ("valid", "test")}
    return scores | learnt(model.embedding, corpus.words) | {"device": device_name(device)}


def step(model, optimizers, inputs, targets, state):
    """Take one step, products in bfloat16; return the LSTM's state, cut off from the past."""
    for optimizer in optimizers:
        optimizer.zero_grad()
    with torch.autocast(inputs.device.type, torch.bfloat16):
        logits, state = model(inputs, state)
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
    loss.backward()
    nn.utils.clip_grad_norm_(model.lstm.parameters(), CLIP)
    for optimizer in optimizers:
        optimizer.step()
    return tuple(part.detach() for part in state)


def learnt(embedding: nn.Module, words: list[str]) -> dict:
    """Return the number of parameters and, where anchors are words, which words lean on which (table 4)."""
    if not isinstance(embedding, AnchorEmbedding):
        return {"parameters": embedding.weight.numel()}
    found = {"parameters": embedding.n_parameters, "nonzeros": embedding.count_nonzero()}
    if embedding.anchor_rows is not None:
        table = embedding.to_table(words)
        pairs = [(word, anchor) for word, anchor, _ in table.largest_pairs(4 * table.n_anchors) if word != anchor]
        found["pairs"] = pairs[:20]
        found["words"] = {name: [word for word, _ in table.associations(name, 9) if word != name] for name in SHOWN}
    return found


def device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "one CPU thread"


def prepared(doc: str) -> tuple[bool, Cells, Corpus, torch.device]:
    """Return whether to train nothing more, what was trained before, the corpus, and where to train."""
    parser = common.parser(doc)
    parser.add_argument("--report", action="store_true", help="train nothing more: report the cells that are there")
    options = parser.parse_args()
    data = common.data_or_skip(options)
    torch.set_num_threads(1)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return options.report, Cells("ant_language", **SETTINGS), Corpus(data / "ptb"), device


def main() -> None:
    only_report, cells, corpus, device = prepared(__doc__)
    results = {
        cell: cells(asdict(cell), lambda cell=cell: train(cell, corpus, device))
        for cell in [*chain(*GROUPS.values()), *TUNED]
        if not only_report or asdict(cell) in cells
    }
    common.write_result("ant.language", "ANT in a language model", report(results, corpus, device))


def report(results: dict[Cell, dict], corpus: Corpus, device: torch.device) -> list[str]:
    tuned = [[cell.kind, f"{cell.lr:g}", f"{cell.l1:g}" if cell.n_anchors else "",
              "yes" if cell.is_cut else "", f"{results[cell]['parameters']:,}",
              f"{results[cell]['valid']:.1f}"] for cell in TUNED if cell in results]  # fmt: skip
    facts = (
        f"Penn Treebank, {len(corpus.words):,} words; {LAYERS} LSTM layers of {D}, output tied to the input embedding, "
        f"full softmax with a bias per word; dropout {DROPOUT}; batches of {BATCH} × {LENGTH} words as in the paper. "
        f"{LONG} or {EPOCHS} epochs over the {len(corpus.train):,} training words, where the paper has 500, so that "
        "perplexities are far from the paper's; Adam, learning rates falling to 0, products in bfloat16 (evaluation in "
        f"float32), one seed, {device.type}. ANT: T ≥ 0, which starts with {START} random entries per row (frequency "
        f"anchors: these words' rows as they are); proximal Adam in its own metric, λ = {L1:g}; the learning rate of T "
        "is in proportion to 1 / |A|. Proximal steps alone shrink what they keep. So with a small λ T stays far too "
        f"full, and by `ParameterBudget` it loses entries from {CUT[0]:.0%} of the training on, until at {CUT[1]:.0%} "
        f"A and T hold {SIZE:.0%} of the dense parameters; these then train on without a penalty."
    )
    sections = [
        facts,
        *(compared(epochs, results, corpus) for epochs in GROUPS if GROUPS[epochs][0] in results),
        REMARK,
    ]
    how = (
        f"By the perplexity of the validation text, after one epoch over the first {SHORT['part']:.0%} of the training "
        "words; the other numbers of anchors take what 1,000 took. Learning rates of the anchors, Adam's ε and when to "
        "cut were tried in the same way, outside of this script."
    )
    sections += [
        "## How it was tuned",
        how,
        common.table(tuned, ["embedding", "learning rate", "λ", "cut", "parameters", "valid"]),
    ]
    if FREQUENT in results:
        sections += associations(results[FREQUENT])
    return sections


def compared(epochs: int, results: dict[Cell, dict], corpus: Corpus) -> str:
    """Return the table of what was trained for so many epochs."""
    dense, *others = GROUPS[epochs]
    size, base, rows = len(corpus.words) * D, results[dense]["test"], []
    for cell in [cell for cell in (dense, *others) if cell in results]:
        found, is_dense = results[cell], cell == dense
        rows.append(["dense" if is_dense else f"ANT, {cell.kind}", f"{cell.n_anchors or len(corpus.words):,}",
                     "" if is_dense else f"{found['nonzeros']:,}", f"{found['parameters']:,}",
                     f"1/{size / found['parameters']:.1f}", f"{found['valid']:.1f}", f"{found['test']:.1f}",
                     "" if is_dense else f"{found['test'] - base:+.1f}"])  # fmt: skip
    header = ["embedding", "anchors", "nnz(T)", "parameters", "of dense", "valid", "test perplexity", "over dense"]
    missing = [f"{cell.n_anchors:,} {cell.kind}" for cell in others if cell not in results]
    more = f"\n\nNot trained yet: {', '.join(missing)} anchors." if missing else ""
    return f"## {epochs} epochs\n\n{common.table(rows, header)}{more}"


def associations(found: dict) -> list[str]:
    """Table 4 of the paper."""
    pairs = ", ".join(f"{word} – {anchor}" for word, anchor in found["pairs"])
    near = [[name, ", ".join(listed)] for name, listed in found["words"].items()]
    return [
        f"## Words learnt with {FREQUENT.n_anchors:,} frequency anchors, {EPOCHS} epochs",
        (
            "The paper's table 4: the words in which an anchor weighs most, and the largest entries of T. Words of a "
            "kind come together, but not always with the word that their anchor started as: anchors train on."
        ),
        common.table(near, ["anchor", "words"]),
        f"Largest pairs (word – anchor): {pairs}.",
    ]


if __name__ == "__main__":
    main()
