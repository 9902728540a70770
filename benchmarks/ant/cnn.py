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
        embedded = self.embedding(ids)
        places = torch.arange(ids.numel(), device=ids.device)
        if self.training and getattr(self.embedding, "differs_by_text", False):
            first, inverse = places, places.view(ids.shape)
        else:
            unique, inverse = torch.unique(ids, return_inverse=True)
            first = torch.empty_like(unique).scatter_(0, inverse.flatten(), places)
        found = [Greatest.apply(embedded, inverse, first, part.weight, part.bias) for part in self.filters]
        return self.output(self.dropout(torch.cat(found, 1).relu()))


class Greatest(torch.autograd.Function):
    """The greatest value of each filter over a text, as of convolutions with a maximum, but in less time.

    Filters meet each word of a batch once, however often it occurs, and gradients are of the one place that counts.
    """

    @staticmethod
    def forward(ctx, embedded, inverse, first, weight, bias):
        width, n_texts, length = weight.shape[3], *inverse.shape
        flat, n_places = embedded.flatten(0, 1), length - width + 1
        words = flat.index_select(0, first)
        found = 0
        for step in range(width):
            found = found + nn.functional.embedding(inverse[:, step : step + n_places], words @ weight[:, :, 0, step].T)
        values, places = found.max(1)
        starts = places + length * torch.arange(n_texts, device=places.device)[:, None]
        ctx.save_for_backward(flat, starts, weight)
        return values + bias

    @staticmethod
    def backward(ctx, slopes):
        flat, starts, weight = ctx.saved_tensors
        of_flat, of_weight = torch.zeros_like(flat), torch.empty_like(weight)
        for step in range(weight.shape[3]):
            places = (starts + step).flatten()
            of_rows = slopes[:, :, None] * weight[:, :, 0, step]
            of_flat.index_add_(0, places, of_rows.flatten(0, 1))
            rows = flat.index_select(0, places).view(of_rows.shape).transpose(0, 1)
            of_weight[:, :, 0, step] = torch.bmm(slopes.T[:, None], rows)[:, 0]
        length = len(flat) // len(starts)
        return of_flat.view(-1, length, flat.shape[1]), None, None, of_weight, slopes.sum(0)


def train(
    model: TextCNN, optimizer, penalty, texts, n_epochs: int, seed: int, device,
    after=lambda: None, after_epoch=lambda share: None,
) -> None:  # fmt: skip
    """Take ``n_epochs`` over the texts; the learning rate falls linearly to 0.

    ``after`` is called after every step, ``after_epoch`` after every epoch with the share of the training that is done.
    """
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
        after_epoch(step / n_steps)


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
