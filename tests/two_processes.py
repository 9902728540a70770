"""One of two processes that train a model together: ``python two_processes.py STORE RANK OUT``, in tests."""

from __future__ import annotations

import sys

import numpy as np
import torch

from slimvec import nn

N, D, N_STEPS, N_PROCESSES = 60, 6, 30, 2
WAYS = {
    "dense": ({}, lambda model: nn.ProximalSGD(model, lr=0.3, l1=1e-4)),
    "dense, Adam": ({}, lambda model: nn.ProximalAdam(model, lr=0.02, eps=1e-3)),
    "lazy": ({"sparse": True}, lambda model: nn.ProximalAdagrad(model, lr=0.1, l1=1e-4, rowwise=True)),
    "slots": ({"storage": "slots"}, lambda model: nn.ProximalSGD(model, lr=0.3)),
}


class Model(torch.nn.Module):
    """An embedding, a layer, and the output that is tied to the embedding."""

    def __init__(self, **options):
        super().__init__()
        self.words = nn.AnchorEmbedding(N, D, 5, n_parameters=5 * D + 90, **options)
        self.inner = torch.nn.Linear(D, D)
        self.output = nn.TiedOutput(self.words, torch.nn.Parameter(torch.zeros(N)))

    def forward(self, ids):
        return self.output(torch.tanh(self.inner(self.words(ids))))


def train(way, model, wrapped, batches):
    """Take all steps; ``wrapped`` is the model or what stands for it."""
    optimizer = WAYS[way][1](wrapped)
    budget = nn.ParameterBudget(model, optimizer, n_steps=N_STEPS, counts=np.arange(N, 0, -1))
    for ids in batches:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(wrapped(ids), (ids * 7) % N).backward()
        optimizer.step()
        budget.step()
    return model


def batches(rank=None):
    """Return all batches, or one process's half of each."""
    whole = [torch.randint(N, (16,), generator=torch.Generator().manual_seed(step)) for step in range(N_STEPS)]
    return whole if rank is None else [ids[rank::N_PROCESSES] for ids in whole]


def make(way, seed):
    torch.manual_seed(seed)
    return Model(**WAYS[way][0])


def main(store, rank, out):
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=N_PROCESSES)
    found = {}
    for way in WAYS:
        model = make(way, seed=rank)  # the first process's start counts
        wrapped = torch.nn.parallel.DistributedDataParallel(model)
        try:
            found[way] = train(way, model, wrapped, batches(rank)).state_dict()
        except RuntimeError as error:
            found[way] = str(error)
    torch.save(found, out)
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
