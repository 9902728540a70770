"""An epoch of the text CNN on 20 Newsgroups with anchors whose T is stored as its non-zeros, beside dense rows.

Run: ``python -m benchmarks.ant.epoch``. Each training has a process of its own, on one thread, in turns.
"""

from __future__ import annotations

import resource
import time
from pathlib import Path

import numpy as np

from benchmarks import cells, common

EPOCHS, TURNS = 3, 3  # the first epoch is not counted
LEAST = 15  # per cent of the validation texts, of 20 classes: what a layer that learns finds after so few epochs
NAME = "newsgroups"
SLOTS, WITHIN = "ANT, slots, λ = 3e-5", "ANT, slots, 1/40 of the numbers"
LAYERS = ("dense rows, Adam", "dense rows, Adagrad", SLOTS, WITHIN)


def measure(folder: str, name: str) -> None:
    """Print seconds of processor time of an epoch, two kinds of megabytes, accuracy and parameters."""
    import torch

    from benchmarks.ant import baselines, cnn, corpora
    from benchmarks.ant.methods import ANCHORS, ANT_LR, L1, LR, D
    from benchmarks.ant.text import LENGTH, MIN_COUNT
    from slimvec.nn import AnchorEmbedding, ParameterBudget, ProximalAdagrad

    torch.set_num_threads(1)
    corpus = corpora.load(Path(folder), NAME, LENGTH, MIN_COUNT, cells.FOLDER / "texts")
    torch.manual_seed(0)
    n, padding = len(corpus.words), corpora.PADDING
    load_what_compiles()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    l1, cut, most = L1, lambda: None, [0]
    if name.startswith("dense"):
        layer = baselines.Dense(n, D, padding)
    elif name == WITHIN:
        layer, l1 = AnchorEmbedding(n, D, n_parameters=n * D // 40, padding_idx=padding, storage="slots"), 0.0
    else:
        layer = AnchorEmbedding(n, D, ANCHORS, padding_idx=padding, storage="slots")
    model = cnn.TextCNN(layer, D, corpus.n_classes)
    if name.startswith("dense"):
        optimizer = (torch.optim.Adam if "Adam" in name else torch.optim.Adagrad)(model.parameters(), lr=LR[NAME])
    else:
        optimizer = ProximalAdagrad(model, lr=10 * ANT_LR, l1=l1, rowwise=True)
    if name == WITHIN:
        n_steps = EPOCHS * cnn.steps_of(corpus.train)
        cut = ParameterBudget(layer, optimizer, n_steps=n_steps, cut=(0, 0.7)).step

    def after():
        most[0] = max(most[0], held_by(layer, optimizer))
        cut()

    ends = [time.process_time()]
    cnn.train(
        model, optimizer, lambda: 0.0, corpus.train, EPOCHS, 0, "cpu", after, lambda _: ends.append(time.process_time())
    )
    more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    found = cnn.accuracy(model, corpus.validation, "cpu")
    print(np.median(np.diff(ends)[1:]), most[0] / 1e6, more, found, layer.n_parameters)


def load_what_compiles() -> None:
    """Take steps of a small layer, so that numba and its loops are in memory, whatever layer is measured."""
    import torch

    from slimvec.nn import AnchorEmbedding, ParameterBudget, ProximalAdagrad

    layer = AnchorEmbedding(100, 8, 4, padding_idx=0, n_parameters=60, storage="slots")
    optimizer = ProximalAdagrad(layer, lr=0.1, l1=1e-5, rowwise=True)
    budget = ParameterBudget(layer, optimizer, n_steps=5, cut=(0, 0.7))
    for _ in range(5):
        optimizer.zero_grad()
        layer(torch.randint(100, (32,))).square().mean().backward()
        optimizer.step()
        budget.step()


def held_by(layer, optimizer) -> int:
    """Return the bytes of a layer, of its gradient and of what the optimizer keeps of it."""
    stored = layer.transform.store.nbytes if hasattr(layer, "transform") else 0
    for parameter in layer.parameters():
        state = [kept for kept in optimizer.state[parameter].values() if hasattr(kept, "nbytes")]
        stored += sum(each.nbytes for each in (parameter, parameter.grad, *state) if each is not None)
    return stored


def measured(folder: str, name: str) -> list[float]:
    code = f"from benchmarks.ant.epoch import measure; measure({folder!r}, {name!r})"
    found = common.numbers_of(code)
    assert found[3] > LEAST, (name, found)
    return found


def main() -> None:
    data = common.data_or_skip(common.parser(__doc__).parse_args())
    runs: dict[str, list[list[float]]] = {name: [] for name in LAYERS}
    for _ in range(TURNS):
        for name in LAYERS:
            runs[name].append(measured(str(data), name))
            print(name, runs[name][-1], flush=True)
    seconds = {name: np.array([run[0] for run in found]) for name, found in runs.items()}
    rows = []
    for name, found in runs.items():
        ratios = [f"{np.median(seconds[name] / seconds[other]):.2f}" for other in LAYERS[:2]]
        held, megabytes, accuracy, numbers = np.median(np.array(found)[:, 1:], axis=0)
        sizes = f"{held:.0f}", f"{megabytes:.0f}", f"{numbers:,.0f}"
        rows.append([name, f"{np.median(seconds[name]):.1f}", *ratios, *sizes, f"{accuracy:.1f}"])
    facts = (
        f"The CNN of `ant_text.md`, {EPOCHS} epochs of which the first is not counted, one thread, processor time, "
        f"median of {TURNS} turns, ratios within a turn; megabytes at most of the layer, its gradient and what the "
        "optimizer keeps of it, and resident ones beyond those before the model, when numba is loaded. "
        "Learning rates were not searched for: accuracy, on validation texts, only shows that a layer learns."
    )
    header = [
        "layer", "s per epoch", "over dense rows by Adam", "by Adagrad", "MB of the layer", "MB resident",
        "parameters at the end", "validation, %",
    ]  # fmt: skip
    common.write_result("ant.epoch", "An epoch with T as a store of its non-zeros", [facts, common.table(rows, header)])


if __name__ == "__main__":
    main()
