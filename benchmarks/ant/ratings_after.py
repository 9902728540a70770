"""Matrix factorisation of MovieLens-100k: anchors that are learnt after dense rows, and trained on from there.

Data, model and training are those of ``benchmarks.ant.ratings``. Dense rows are trained first; then a layer of fewer
numbers that starts near them takes their place, and is trained for some more epochs, in which no entry of T comes or
goes.

Run: ``python -m benchmarks.ant.ratings_after``. Each training is a cell: a second start goes on where the first one was
stopped.
"""

from __future__ import annotations

import itertools
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np
import torch

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
from slimvec.nn import AnchorEmbedding, ParameterBudget, ProximalAdam

SEEDS = (0, 1, 2, 3, 4)
DENSE_LR, MORE = 0.01, 10  # of ``ratings``; epochs that come after
SHRINKAGE = (0.05, 0.065, 0.08, 0.1, 0.12, 0.15)
LR = (0.0015, 0.003, 0.006)  # tried for what comes after
RIDGE = 1e-3
DENSE, LONGER, LOW_RANK = "dense", "dense, 30 epochs", "low rank after dense rows"
NEAR, PRODUCTS = "ANT after dense rows", "ANT after dense rows, by products"


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


def near_rows(own: Side, other: Side, room: int) -> AnchorEmbedding:
    return AnchorEmbedding.from_pretrained(own.rows, K, n_parameters=room, counts=own.counts)


def near_products(own: Side, other: Side, room: int) -> AnchorEmbedding:
    """Return the layer whose products with rows of the other side, as often as these are rated, are nearest to own."""
    moments = (other.rows.T * other.counts) @ other.rows / other.counts.sum()
    factor = torch.linalg.cholesky(moments + RIDGE * torch.eye(D))
    layer = AnchorEmbedding.from_pretrained(own.rows @ factor, K, n_parameters=room, counts=own.counts)
    layer.anchors.data = torch.linalg.solve(factor, layer.anchors.data, left=False)
    return layer


def of_low_rank(own: Side, other: Side, room: int) -> baselines.LowRank:
    """Return the layer of low rank that is nearest to rows, whose errors count as much as for anchors."""
    rows, counts = own
    layer = baselines.LowRank(*rows.shape, baselines.LowRank.rank_for(*rows.shape, room))
    rank, weights = len(layer.right), counts.clamp_min(1).sqrt()[:, None]
    left, sizes, right = torch.linalg.svd(weights * rows, full_matrices=False)
    roots = sizes[:rank].sqrt()
    layer.left.data, layer.right.data = left[:, :rank] * roots / weights, roots[:, None] * right[:rank]
    return layer


STARTS = {NEAR: near_rows, PRODUCTS: near_products, LOW_RANK: of_low_rank}


def errors_of(model: Factorisation, ratings: Ratings) -> dict:
    return {"valid": rmse(model, ratings.valid), "test": rmse(model, ratings.test)}


def train(cell: Cell, ratings: Ratings) -> dict:
    """Return errors and parameters at the end and, of what comes after dense rows, errors at its start."""
    torch.manual_seed(cell.seed)
    model = Factorisation([baselines.Dense(n, D) for n in ratings.sizes], ratings.train[:, 2].double().mean().item())
    n_epochs = EPOCHS + (MORE if cell.method == LONGER else 0)
    take_epochs(model, [torch.optim.Adam(model.parameters(), lr=DENSE_LR)], ratings, n_epochs, cell.shrinkage, [])
    started = None
    if cell.method in STARTS:
        sides = [
            Side(layer.weight.detach(), torch.bincount(ratings.train[:, side], minlength=layer.num_embeddings))
            for side, layer in enumerate(model.layers)
        ]
        for side, (own, other) in enumerate((sides, sides[::-1])):
            room = int(cell.share * own.rows.numel())
            model.layers[side] = STARTS[cell.method](own, other, room)
        started = errors_of(model, ratings)
        optimizers, budgets = [torch.optim.Adam(model.biases.parameters(), lr=cell.lr)], []
        for layer in model.layers:
            if cell.method == LOW_RANK:
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
        tried = [Cell(method, 0, shrinkage, lr, share) for shrinkage, lr in grid]
        best = min(tried, key=lambda cell: found(cell)["valid"])
        runs = [found(replace(best, seed=seed)) for seed in SEEDS]
        errors = np.array([run["test"] for run in runs])
        dense = errors if dense is None else dense
        rows.append([
            method, f"{np.mean([run['parameters'] for run in runs]):,.0f}",
            spread([run["started"]["test"] for run in runs]) if method in STARTS else "", spread(errors),
            spread(errors - dense) if method != DENSE else "", f"{best.shrinkage:g}", f"{best.lr or DENSE_LR:g}",
        ])  # fmt: skip
        print(rows[-1], flush=True)
    facts = (
        f"943 users and 1,682 items, {D} columns; 90 % of the ratings to train with, 5 % to choose by, 5 % reported, "
        f"split and started anew for each of {len(SEEDS)} seeds (mean ± standard deviation). Dense rows are trained "
        f"for {EPOCHS} epochs, learning rates falling from {DENSE_LR:g} to 0. After them: layers of at most "
        f"1/{1 / SHARE:.0f} or 1/{1 / LESS:.0f} of the numbers in either table, which start as near to the dense rows "
        f"as so few come, errors of a row weighed by the root of how often it is rated, and are trained for {MORE} "
        f"epochs more: `AnchorEmbedding.from_pretrained(rows, {K}, n_parameters=..., counts=...)`, both signs, "
        "`ProximalAdam` without a penalty, `ParameterBudget(cut=(0, 0))`; or U V by the singular values. By products: "
        "errors are those of products with the rows of the other side. Shrinkage "
        f"({', '.join(map(str, SHRINKAGE))}) and the learning rate of what comes after ({', '.join(map(str, LR))}) "
        "were chosen on the validation part of seed 0."
    )
    header = [
        "layer", "parameters of the rows", "RMSE, test, at its start", "RMSE, test", "less that of dense rows, by seed",
        "shrinkage", "learning rate",
    ]  # fmt: skip
    title = "ANT after dense rows, in matrix factorisation"
    common.write_result("ant.ratings_after", title, [facts, common.table(rows, header)])


if __name__ == "__main__":
    main()
