"""A top-k sparse autoencoder, which writes vectors as sums of few units as anchors do (Gao et al., ICLR 2025).

x ≈ b + D topₖ(ReLU(E (x - b) + e)). Units that met no row for as many rows as there are learn to write what the others
leave (AuxK in the paper), so that few stay dead. D has columns of length one, and E starts as its transpose.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

AUXILIARY, SHARE = 64, 1 / 32  # dead units that write what is left, and the weight of their error


class Autoencoder(nn.Module):
    """``n_units`` units, of which ``k`` write a row; b starts at the mean of the rows."""

    def __init__(self, mean, n_units: int, k: int):
        super().__init__()
        self.k = k
        self.bias = nn.Parameter(mean.clone())
        self.decoder = nn.Parameter(nn.functional.normalize(torch.randn(n_units, len(mean))))
        self.encoder = nn.Parameter(self.decoder.detach().clone())
        self.threshold = nn.Parameter(torch.zeros(n_units))
        self.register_buffer("idle", torch.zeros(n_units))  # rows since a unit met one

    def forward(self, rows):
        """Return what units make of rows."""
        return nn.functional.linear(rows - self.bias, self.encoder, self.threshold).relu()

    def decoded(self, values, units):
        return nn.functional.embedding_bag(units, self.decoder, per_sample_weights=values, mode="sum")

    def loss(self, rows, n_rows: int):
        """Return the squared error and that of dead units, those that met none of the last ``n_rows``, on the rest."""
        active = self(rows)
        values, units = active.topk(self.k, sorted=False)
        rest = rows - self.bias - self.decoded(values, units)
        self.idle += len(rows)
        self.idle[units[values > 0]] = 0
        dead = (self.idle >= n_rows).nonzero()[:, 0]
        error = rest.square().sum(1).mean()
        if len(dead) == 0:
            return error
        values, places = active[:, dead].topk(min(AUXILIARY, len(dead)), sorted=False)
        left = rest.detach() - self.decoded(values, dead[places])
        return error + SHARE * left.square().sum(1).mean()


def fit(X, n_units: int, k: int, n_epochs: int, lr: float, batch: int) -> tuple:
    """Return values and units of all rows, ``(n, k)``, D ``(n_units, d)`` and b ``(d,)``.

    Adam; the learning rate falls linearly to 0. Rows are learnt at a scale where their squared length is 1 on average.
    """
    torch.manual_seed(0)
    scale = float(np.sqrt(np.square(X).sum(axis=1).mean()))
    rows = torch.from_numpy(X / np.float32(scale))
    model = Autoencoder(rows.mean(0), n_units, k)
    trainer = torch.optim.Adam(model.parameters(), lr=lr, fused=True)
    n_steps, step = n_epochs * -(-len(rows) // batch), 0
    for _ in range(n_epochs):
        for chosen in torch.randperm(len(rows)).split(batch):
            trainer.param_groups[0]["lr"] = lr * (1 - step / n_steps)
            loss = model.loss(rows[chosen], len(rows))
            trainer.zero_grad()
            loss.backward()
            trainer.step()
            with torch.no_grad():
                model.decoder /= model.decoder.norm(dim=1, keepdim=True)
            step += 1
    with torch.no_grad():
        parts = [model(part).topk(k, sorted=False) for part in rows.split(batch)]
        values, units = (torch.cat(found).numpy() for found in zip(*parts, strict=True))
        return values * scale, units, model.decoder.numpy(), model.bias.numpy() * scale
