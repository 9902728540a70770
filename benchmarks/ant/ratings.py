"""Matrix factorisation of MovieLens-100k: dense rows for users and items, ANT, and what it is compared with.

The ANT paper's later version has MovieLens-25M. Here, a rating is predicted as mean + bias of the user + bias of the
item + the inner product of their rows, as everywhere.

Run: ``python -m benchmarks.ant.ratings``. Each training is a cell: a second start goes on where the first one was
stopped.
"""

from __future__ import annotations

import itertools
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from benchmarks import common
from benchmarks.ant import baselines, variational
from benchmarks.cells import Cells
from slimvec.nn import AnchorEmbedding, ParameterBudget, ProximalAdam

if TYPE_CHECKING:
    from pathlib import Path

D, K, EPOCHS, BATCH = 32, 8, 20, 2048
SEEDS = (0, 1, 2)
SHARE, LESS = 1 / 10, 1 / 30  # of the dense parameters: what all others may have, and two of them besides
LR = (0.005, 0.01)  # tried for every method, and so is
SHRINKAGE = (0.05, 0.08, 0.1)  # the weight of the squared norms of a rating's two rows
FASTER = 40  # times the learning rate of the anchors has T, within a budget
STRENGTHS = {  # of the penalty that removes rows or entries
    "ANT": (3e-6, 1e-5, 3e-5),
    "group lasso": (0.1, 1.0),
    "VVD": (1e-6, 1e-5),
    "SparseVD": (1e-6, 1e-5),
    "SparseVD-Voc": (1e-6, 1e-5),
}


BUDGETED, LOW_RANK = "ANT within a budget", "low rank"


class Anchors(AnchorEmbedding):
    """ANT with what this experiment asks of a layer besides."""

    def __init__(self, n: int, l1: float):
        super().__init__(n, D, anchors=baselines.SPREAD * torch.randn(K, D))
        self.l1 = l1

    def penalty(self):
        return 0.0

    def optimizer(self, model, lr):
        return ProximalAdam(model, lr=lr, l1=self.l1)

    def cut(self, n_parameters):
        """Keep the largest entries of T."""
        T, excess = self.transform.weight.data, self.n_parameters - n_parameters
        if excess > 0:
            T[T[T > 0].kthvalue(excess).values >= T] = 0


class Budgeted(AnchorEmbedding):
    """ANT without a penalty, within a budget."""

    def __init__(self, n: int, room: int):
        super().__init__(n, D, n_parameters=room)
        self.anchors.data.mul_(baselines.SPREAD)

    def penalty(self):
        return 0.0

    def optimizer(self, model, lr):
        made = ProximalAdam(model, lr=FASTER * lr)
        made.param_groups[0]["lr"] = lr  # of the anchors
        return made

    def cut(self, n_parameters):
        assert self.n_parameters <= n_parameters


METHODS = {  # layer of n rows, with room for so many parameters, and a strength of its penalty
    "dense": lambda n, _room, _strength: baselines.Dense(n, D),
    "ANT": lambda n, _room, strength: Anchors(n, strength),
    BUDGETED: lambda n, room, _strength: Budgeted(n, room),
    "frequency": lambda n, room, _strength: baselines.Selected(n, D, np.arange(room // D - 1)),
    "group lasso": lambda n, _room, strength: baselines.GroupLasso(n, D, strength),
    "VVD": lambda n, _room, strength: variational.VVD(n, D, strength),
    "SparseVD": lambda n, _room, strength: variational.SparseVD(n, D, strength),
    "SparseVD-Voc": lambda n, _room, strength: variational.SparseVDVoc(n, D, strength),
    LOW_RANK: lambda n, room, _strength: baselines.LowRank(n, D, baselines.LowRank.rank_for(n, D, room)),
    "tensor train": lambda n, room, _strength: baselines.TensorTrain(n, D, baselines.TensorTrain.rank_for(n, D, room)),
    "frequency + hashed": lambda n, room, _strength: baselines.HashBuckets(n, D, room // D // 2, room // D // 2),
    "hash embeddings": lambda n, room, _strength: baselines.HashEmbedding(n, D, room // 2 // D, room // 4),
}


@dataclass(frozen=True)
class Cell:
    method: str
    seed: int
    shrinkage: float
    lr: float
    strength: float = 0.0
    share: float = SHARE


class Ratings:
    """Nine tenths to train with, half of the rest to choose by, half to report; rows by falling number of ratings."""

    def __init__(self, path: Path, seed: int):
        columns = np.loadtxt(path, dtype=np.int64)[:, :3]
        order = np.random.default_rng(seed).permutation(len(columns))
        first, second = int(0.9 * len(order)), int(0.95 * len(order))
        self.sizes = []
        for column in (0, 1):
            counts = np.bincount(columns[order[:first], column], minlength=columns[:, column].max() + 1)
            place = np.empty(len(counts), np.int64)
            place[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
            columns[:, column] = place[columns[:, column]]
            self.sizes.append(len(counts))
        listed = torch.from_numpy(columns[order])
        self.train, self.valid, self.test = listed[:first], listed[first:second], listed[second:]


class Factorisation(nn.Module):
    def __init__(self, layers: list[nn.Module], mean: float):
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.biases = nn.ModuleList(nn.Embedding(layer.num_embeddings, 1) for layer in layers)
        for bias in self.biases:
            nn.init.zeros_(bias.weight)
        self.mean = mean

    def forward(self, pairs):
        """Return predicted ratings, and the squared norms that a rating's shrinkage is about."""
        first, second = (layer(ids) for layer, ids in zip(self.layers, pairs.T, strict=True))
        biases = torch.cat([bias(ids) for bias, ids in zip(self.biases, pairs.T, strict=True)], 1)
        norms = first.square().sum(1) + second.square().sum(1) + biases.square().sum(1)
        return self.mean + biases.sum(1) + (first * second).sum(1), norms


@torch.no_grad()
def rmse(model: Factorisation, ratings) -> float:
    model.eval()
    error = (model(ratings[:, :2])[0].clamp(1, 5) - ratings[:, 2]).square().mean().sqrt().item()
    model.train()
    return error


def n_steps(ratings: Ratings, n_epochs: int) -> int:
    return n_epochs * -(-len(ratings.train) // BATCH)


def take_epochs(model: Factorisation, optimizers, ratings: Ratings, n_epochs: int, shrinkage: float, budgets) -> None:
    """Train; learning rates fall to 0."""
    train, steps = ratings.train.to(model.biases[0].weight.device), n_steps(ratings, n_epochs)
    schedules = [torch.optim.lr_scheduler.LambdaLR(each, lambda step: 1 - step / steps) for each in optimizers]
    for _ in range(n_epochs):
        for some in torch.randperm(len(train), device=train.device).split(BATCH):
            predicted, norms = model(train[some, :2])
            errors = (predicted - train[some, 2]).square().mean()
            penalties = sum(layer.penalty() for layer in model.layers if hasattr(layer, "penalty"))
            loss = errors + shrinkage * norms.mean() + penalties
            for optimizer in optimizers:
                optimizer.zero_grad()
            loss.backward()
            for optimizer, schedule in zip(optimizers, schedules, strict=True):
                optimizer.step()
                schedule.step()
            for budget in budgets:
                budget.step()


def train(cell: Cell, ratings: Ratings, device: torch.device) -> dict:
    torch.manual_seed(cell.seed)
    rooms = [int(cell.share * n * D) for n in ratings.sizes]
    layers = [METHODS[cell.method](n, room, cell.strength) for n, room in zip(ratings.sizes, rooms, strict=True)]
    model = Factorisation(layers, ratings.train[:, 2].double().mean().item()).to(device)
    optimizers = [layer.optimizer(layer, cell.lr) for layer in layers]
    optimizers.append(torch.optim.Adam(model.biases.parameters(), lr=cell.lr))
    budgets = [
        ParameterBudget(layer, optimizer, n_steps=n_steps(ratings, EPOCHS))
        for layer, optimizer in zip(layers, optimizers, strict=False)  # the last optimizer is of the biases
        if isinstance(layer, Budgeted)
    ]
    take_epochs(model, optimizers, ratings, EPOCHS, cell.shrinkage, budgets)
    if cell.method != "dense":
        for layer, room in zip(layers, rooms, strict=True):
            layer.cut(room)
    counts = [layer.n_parameters for layer in layers]
    valid, test = (rmse(model, part.to(device)) for part in (ratings.valid, ratings.test))
    return {"valid": valid, "test": test, "parameters": sum(counts)}


def biases_alone(ratings: Ratings) -> float:
    """RMSE on the test part of a mean and shrunk biases: what rows have to improve on."""
    train, test = ratings.train.numpy(), ratings.test.numpy()
    mean = train[:, 2].mean()
    biases = [np.zeros(n) for n in ratings.sizes]
    for _ in range(10):
        for own, other in ((0, 1), (1, 0)):
            rest = train[:, 2] - mean - biases[other][train[:, other]]
            sums = np.bincount(train[:, own], rest, minlength=len(biases[own]))
            biases[own] = sums / (5 + np.bincount(train[:, own], minlength=len(biases[own])))
    predicted = mean + biases[0][test[:, 0]] + biases[1][test[:, 1]]
    return float(np.sqrt(np.mean((np.clip(predicted, 1, 5) - test[:, 2]) ** 2)))


def main() -> None:
    data = common.data_or_skip(common.parser(__doc__).parse_args())
    torch.set_num_threads(1)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    cells = Cells("ant_ratings", d=D, anchors=K, epochs=EPOCHS, batch=BATCH, faster=FASTER)
    parts = {seed: Ratings(data / "movielens" / "u.data", seed) for seed in SEEDS}

    def found(cell):
        return cells(asdict(cell), lambda: train(cell, parts[cell.seed], device))

    rows = []
    for method, share in [*((method, SHARE) for method in METHODS), (BUDGETED, LESS), (LOW_RANK, LESS)]:
        grid = itertools.product(SHRINKAGE, LR, STRENGTHS.get(method, (0.0,)))
        best = min((Cell(method, 0, *values, share) for values in grid), key=lambda cell: found(cell)["valid"])
        chosen = [found(replace(best, seed=seed)) for seed in SEEDS]
        errors, counts = ([one[name] for one in chosen] for name in ("test", "parameters"))
        strength = f"{best.strength:g}" if best.strength else ""
        rows.append([method, f"{np.mean(counts):,.0f}", f"{np.mean(errors):.4f} ± {np.std(errors, ddof=1):.4f}",
                     f"{best.shrinkage:g}", f"{best.lr:g}", strength])  # fmt: skip
        print(rows[-1], flush=True)
    bare = [biases_alone(part) for part in parts.values()]
    facts = (
        f"943 users and 1,682 items, a table of {D} columns for each; {EPOCHS} epochs, batches of {BATCH:,}, learning "
        "rates falling to 0; 90 % of the ratings to train with, 5 % to choose by, 5 % reported, split and started "
        f"anew for each of {len(SEEDS)} seeds (mean ± standard deviation). All but the dense rows have at most "
        f"1/{1 / SHARE:.0f} of its parameters in either table, the last two 1/{1 / LESS:.0f}; methods that end with "
        f"more lose what they rank lowest. ANT: {K} dynamic anchors for users, {K} for items, T ≥ 0, Adam with the "
        "proximal step in its metric. Within a budget: `AnchorEmbedding(n_parameters=...)`, which chooses how many "
        f"anchors there are, no penalty, a learning rate of T that is {FASTER} times that of the anchors, and "
        f"`ParameterBudget`. Shrinkage ({', '.join(map(str, SHRINKAGE))}), learning rate "
        f"({', '.join(map(str, LR))}) and the strength of a method's own penalty were chosen on the validation part of "
        f"seed 0. A mean and biases alone, without any rows, reach {np.mean(bare):.4f}."
    )
    header = ["layer", "parameters of the rows", "RMSE, test", "shrinkage", "learning rate", "strength"]
    title = "ANT and others in matrix factorisation"
    common.write_result("ant.ratings", title, [facts, common.table(rows, header)])


if __name__ == "__main__":
    main()
