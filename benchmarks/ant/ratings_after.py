"""Matrix factorisation of MovieLens-100k: anchors that are learnt after dense rows, and trained on from there.

Data, model and training are those of ``benchmarks.ant.ratings``. Dense rows are trained first; then a layer of fewer
numbers that starts near them takes their place, and is trained for some more epochs, in which no entry of T comes or
goes.

Run: ``python -m benchmarks.ant.ratings_after``. Each training is a cell: a second start goes on where the first one was
stopped.
"""

from __future__ import annotations

import copy
import itertools
from dataclasses import asdict, dataclass
from functools import cache, partial
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from benchmarks import common
from benchmarks.ant import baselines
from benchmarks.ant.ratings import (
    EPOCHS,
    LESS,
    SHARE,
    D,
    Factorisation,
    K,
    Ratings,
    n_steps,
    rmse,
    take_epochs,
)
from benchmarks.cells import Cells
from slimvec.nn import AnchorEmbedding, ParameterBudget, ProximalAdam, pair_from_pretrained

SEEDS = (0, 1, 2, 3, 4)
DENSE_LR, MORE = 0.01, 10  # of ``ratings``; epochs that come after
SHRINKAGE = (0.05, 0.065, 0.08, 0.1, 0.12)
LR = (0.0015, 0.003, 0.006)  # tried for what comes after
DENSE, LONGER = "dense", "dense, 30 epochs"


@dataclass(frozen=True)
class Cell:
    method: str
    seed: int
    shrinkage: float
    lr: float = 0.0
    share: float = 1.0


class Side(NamedTuple):
    """Rows of users, or of items, and how often each is rated."""

    rows: torch.Tensor
    counts: torch.Tensor


def near_rows(sides: list[Side], rooms: list[int]) -> list[nn.Module]:
    """Return layers that are near to the rows of either side."""
    start = AnchorEmbedding.from_pretrained
    return [start(own.rows, K, n_parameters=room, counts=own.counts) for own, room in zip(sides, rooms, strict=True)]


def near_products(sides: list[Side], rooms: list[int]) -> list[nn.Module]:
    """Return layers whose products with each other are near to those of the rows."""
    counts = tuple(side.counts for side in sides)
    return list(pair_from_pretrained(*(side.rows for side in sides), K, n_parameters=sum(rooms), counts=counts))


def low_rank(rows: torch.Tensor, room: int) -> baselines.LowRank:
    return baselines.LowRank(*rows.shape, baselines.LowRank.rank_for(*rows.shape, room))


def low_rank_near_rows(sides: list[Side], rooms: list[int]) -> list[nn.Module]:
    """Return the layers of low rank that are nearest to rows, whose errors count as much as for anchors."""
    layers = []
    for (rows, counts), room in zip(sides, rooms, strict=True):
        layer, weights = low_rank(rows, room), counts.clamp_min(1).sqrt()[:, None]
        left, sizes, right = torch.linalg.svd(weights * rows, full_matrices=False)
        rank = len(layer.right)
        roots = sizes[:rank].sqrt()
        layer.left.data, layer.right.data = left[:, :rank] * roots / weights, roots[:, None] * right[:rank]
        layers.append(layer)
    return layers


def low_rank_near_products(sides: list[Side], rooms: list[int]) -> list[nn.Module]:
    """Return the layers of low rank whose products are nearest to those of the rows, weighed by both sides' counts."""
    layers = [low_rank(side.rows, room) for side, room in zip(sides, rooms, strict=True)]
    rank = min(len(layer.right) for layer in layers)
    weights = [side.counts.clamp_min(1).sqrt()[:, None] for side in sides]
    (first, one), (second, other) = (torch.linalg.qr(w * side.rows) for w, side in zip(weights, sides, strict=True))
    left, sizes, right = torch.linalg.svd(one @ other.T)
    for layer, basis, turned, w in zip(layers, (first, second), (left, right.T), weights, strict=True):
        layer.left.data.zero_()
        layer.left.data[:, :rank] = basis @ turned[:, :rank] * sizes[:rank].sqrt() / w
        layer.right.data = torch.eye(len(layer.right), D)
    return layers


STARTS = {  # layers of both sides, from what the dense rows are, and with room for so many parameters
    "ANT after dense rows": near_rows,
    "ANT after dense rows, by products": near_products,
    "low rank after dense rows": low_rank_near_rows,
    "low rank after dense rows, by products": low_rank_near_products,
}


def errors_of(model: Factorisation, ratings: Ratings) -> dict:
    return {"valid": rmse(model, ratings.valid), "test": rmse(model, ratings.test)}


@cache
def dense_rows(ratings: Ratings, seed: int, n_epochs: int, shrinkage: float) -> Factorisation:
    torch.manual_seed(seed)
    model = Factorisation([baselines.Dense(n, D) for n in ratings.sizes], ratings.train[:, 2].double().mean().item())
    take_epochs(model, [torch.optim.Adam(model.parameters(), lr=DENSE_LR)], ratings, n_epochs, shrinkage, [])
    return model


def train(cell: Cell, ratings: Ratings) -> dict:
    """Return errors and parameters at the end and, of what comes after dense rows, errors at its start."""
    n_epochs = EPOCHS + (MORE if cell.method == LONGER else 0)
    model = copy.deepcopy(dense_rows(ratings, cell.seed, n_epochs, cell.shrinkage))
    torch.manual_seed(len(SEEDS) + cell.seed)
    started = None
    if cell.method in STARTS:
        sides = [
            Side(layer.weight.detach(), torch.bincount(ratings.train[:, side], minlength=layer.num_embeddings))
            for side, layer in enumerate(model.layers)
        ]
        rooms = [int(cell.share * side.rows.numel()) for side in sides]
        model.layers = nn.ModuleList(STARTS[cell.method](sides, rooms))
        started = errors_of(model, ratings)
        optimizers, budgets = [torch.optim.Adam(model.biases.parameters(), lr=cell.lr)], []
        for layer in model.layers:
            if isinstance(layer, baselines.LowRank):
                optimizers.append(layer.optimizer(layer, cell.lr))
                continue
            optimizers.append(ProximalAdam(layer, lr=cell.lr))
            steps = n_steps(ratings, MORE)
            budgets.append(ParameterBudget(layer, optimizers[-1], n_steps=steps, cut=(0, 0)))
        take_epochs(model, optimizers, ratings, MORE, cell.shrinkage, budgets)
    held = sum(layer.n_parameters for layer in model.layers)
    return {**errors_of(model, ratings), "parameters": held, "started": started}


def spread(values) -> str:
    return f"{np.mean(values):.4f} ± {np.std(values, ddof=1):.4f}"


def main() -> None:
    data = common.data_or_skip(common.parser(__doc__).parse_args())
    torch.set_num_threads(1)
    cells = Cells("ant_ratings_after", d=D, anchors=K, epochs=EPOCHS, more=MORE)
    parts = {seed: Ratings(data / "movielens" / "u.data", seed) for seed in SEEDS}

    def found(cell):
        return cells(asdict(cell), partial(train, cell, parts[cell.seed]))

    rows, dense = [], None
    for method, share in [(DENSE, 1.0), (LONGER, 1.0), *itertools.product(STARTS, (SHARE, LESS))]:
        grid = itertools.product(SHRINKAGE, LR if method in STARTS else (0.0,))
        tried = [[Cell(method, seed, shrinkage, lr, share) for seed in SEEDS] for shrinkage, lr in grid]
        best = min(tried, key=lambda cells: np.mean([found(cell)["valid"] for cell in cells]))
        runs = [found(cell) for cell in best]
        errors = np.array([run["test"] for run in runs])
        dense = errors if dense is None else dense
        rows.append([
            method, f"{np.mean([run['parameters'] for run in runs]):,.0f}",
            spread([run["started"]["test"] for run in runs]) if method in STARTS else "", spread(errors),
            spread(errors - dense) if method != DENSE else "", f"{best[0].shrinkage:g}", f"{best[0].lr or DENSE_LR:g}",
        ])  # fmt: skip
        print(rows[-1], flush=True)
    facts = (
        f"943 users and 1,682 items, {D} columns; 90 % of the ratings to train with, 5 % to choose by, 5 % reported, "
        f"split and started anew for each of {len(SEEDS)} seeds (mean ± standard deviation). Dense rows are trained "
        f"for {EPOCHS} epochs, learning rates falling from {DENSE_LR:g} to 0. After them: layers of at most "
        f"1/{1 / SHARE:.0f} or 1/{1 / LESS:.0f} of the numbers in either table, which start as near to the dense rows "
        f"as so few come, errors of a row weighed by the root of how often it is rated, and are trained for "
        f"{MORE} epochs more: `AnchorEmbedding.from_pretrained(rows, {K}, n_parameters=..., counts=...)`, both signs, "
        "`ProximalAdam` without a penalty, `ParameterBudget(cut=(0, 0))`; or U V by the singular values. By products: "
        "those of users and items are to stay, not the rows: `pair_from_pretrained`; or the singular values of all "
        "products. "
        f"Shrinkage ({', '.join(map(str, SHRINKAGE))}) and the learning rate of what comes after "
        f"({', '.join(map(str, LR))}) were chosen by the mean of the validation parts of all seeds."
    )
    header = [
        "layer", "parameters of the rows", "RMSE, test, at its start", "RMSE, test", "less that of dense rows, by seed",
        "shrinkage", "learning rate",
    ]  # fmt: skip
    title = "ANT after dense rows, in matrix factorisation"
    common.write_result("ant.ratings_after", title, [facts, common.table(rows, header)])


if __name__ == "__main__":
    main()
