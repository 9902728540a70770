"""The CNN for sentence classification of Kim (2014) over any embedding layer, and its training."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

WIDTHS, FILTERS, DROPOUT, BATCH = (3, 4, 5), 50, 0.5, 64


class TextCNN(nn.Module):
    """Embeddings, filters over 3, 4 and 5 words, the maximum of each over the text, dropout, a linear layer."""

    def __init__(self, embedding: nn.Module, d: int, n_classes: int):
        super().__init__()
        self.embedding = embedding
        self.filters = nn.ModuleList(nn.Conv2d(d, FILTERS, (1, width)) for width in WIDTHS)
        self.dropout = nn.Dropout(DROPOUT)
        self.output = nn.Linear(FILTERS * len(WIDTHS), n_classes)

    def forward(self, ids):
        embedded = self.embedding(ids).transpose(1, 2).unsqueeze(2)  # 2-d convolutions are quicker than 1-d ones
        with torch.autocast(embedded.device.type, torch.bfloat16):  # and bfloat16 than float32, by half
            found = [filters(embedded).squeeze(2).max(2).values for filters in self.filters]
        found = torch.cat(found, 1).float().relu()
        return self.output(self.dropout(found))


def train(model: TextCNN, optimizer, penalty, texts, n_epochs: int, seed: int, device, after=lambda: None) -> None:
    """Take ``n_epochs`` over the texts; the learning rate falls linearly to 0. ``after`` is called after every step."""
    ids, labels = (torch.from_numpy(part) for part in texts)
    generator = torch.Generator().manual_seed(seed)
    starts = [(group, group["lr"]) for group in optimizer.param_groups]
    n_steps, step = n_epochs * steps_of(texts), 0
    model.train()
    for _ in range(n_epochs):
        for batch in torch.randperm(len(ids), generator=generator).split(BATCH):
            for group, lr in starts:
                group["lr"] = lr * (1 - step / n_steps)
            loss = nn.functional.cross_entropy(model(ids[batch].to(device)), labels[batch].to(device)) + penalty()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            after()
            step += 1


def steps_of(texts) -> int:
    """Return the steps of an epoch."""
    return -(-len(texts[0]) // BATCH)


@torch.no_grad()
def accuracy(model: TextCNN, texts, device) -> float:
    """Return the percentage of texts that are classified correctly."""
    model.eval()
    ids, labels = texts
    guesses = [model(part.to(device)).argmax(1).cpu().numpy() for part in torch.from_numpy(ids).split(500)]
    return 100 * float(np.mean(np.concatenate(guesses) == labels))
