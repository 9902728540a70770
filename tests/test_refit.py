"""What a cut leaves is fitted to the rows of before: nearer to them than the entries of most worth alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
nn = pytest.importorskip("slimvec.nn")
from slimvec.nn.refit import can_refit, greatest, refit  # noqa: E402 - needs torch

N, D, K = 80, 6, 8


def rows_of(layer):
    return layer.transform.weight.detach() @ layer.anchors.detach()


def error(layer, E, weights):
    return float((weights[:, None] * (rows_of(layer) - E)).square().sum())


def cut(layer, n, weights):
    """Keep the entries of most worth alone."""
    worths = layer.transform.worths(weights, torch.linalg.vector_norm(layer.anchors.detach(), dim=1))
    layer.transform.keep(greatest(worths, n))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_it_leaves_so_many_entries_and_a_smaller_error(data):
    torch.manual_seed(data.draw(st.integers(0, 1000)))
    k, nonnegative = data.draw(st.integers(1, 9)), data.draw(st.booleans())
    n = data.draw(st.integers(1, (N - 1) * k))
    layers = [nn.AnchorEmbedding(N, D, k, padding_idx=3, nonnegative=nonnegative) for _ in range(2)]
    layers[1].load_state_dict(layers[0].state_dict())
    weights = torch.rand(N) + 0.1
    E = rows_of(layers[0])
    refit(layers[0], n, weights)
    cut(layers[1], n, weights)
    assert layers[0].count_nonzero() <= n
    assert not layers[0].transform.weight[3].any()
    assert not nonnegative or bool((layers[0].transform.weight >= 0).all())
    assert error(layers[0], E, weights) <= error(layers[1], E, weights) * 1.001 + 1e-5


def test_it_finds_columns_in_which_rows_are_sparse():
    """Rows of two entries each, seen by T = E in the columns of I: cut there, they would lose most of what they are."""
    generator = torch.Generator().manual_seed(0)
    kept = torch.rand(N, D, generator=generator).argsort(dim=1) < 2
    turned = torch.linalg.qr(torch.randn(D, D, generator=generator)).Q
    nearby = torch.linalg.qr(turned + 0.15 * torch.randn(D, D, generator=generator)).Q
    E = kept * torch.randn(N, D, generator=generator) @ turned
    layers = [nn.AnchorEmbedding(N, D, anchors=nearby, nonnegative=False) for _ in range(2)]
    for layer, change in zip(layers, (refit, cut), strict=True):
        layer.transform.weight.data.copy_(E @ nearby.T)
        change(layer, 2 * N, torch.ones(N))
    errors = [error(layer, E, torch.ones(N)) for layer in layers]
    assert errors[0] < errors[1] / 3


def test_nothing_left_is_no_error():
    layer = nn.AnchorEmbedding(N, D, K)
    before = layer.anchors.detach().clone()
    refit(layer, 0, torch.ones(N))
    assert layer.count_nonzero() == 0
    assert torch.equal(layer.anchors, before)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_other_precisions(dtype):
    layer = nn.AnchorEmbedding(N, D, K, dtype=dtype)
    refit(layer, 100, torch.ones(N))
    assert layer.anchors.dtype == layer.transform.weight.dtype == dtype
    assert layer.count_nonzero() == 100
    assert bool(torch.isfinite(layer.anchors).all())


def test_which_layers_are_refitted():
    assert can_refit(nn.AnchorEmbedding(N, D, K))
    assert not can_refit(nn.AnchorEmbedding(N, D, K, storage="slots"))
    assert not can_refit(nn.AnchorEmbedding(N, D, K, softmax=True))


def test_a_budget_refits_until_it_is_reached(monkeypatch):
    torch.manual_seed(0)
    layer = nn.AnchorEmbedding(N, D, K)
    optimizer = nn.ProximalAdam(layer, lr=0.01)
    budget = nn.ParameterBudget(layer, optimizer, K * D + 100, n_steps=40, cut=(0.2, 0.7))
    found = []
    monkeypatch.setattr(
        "slimvec.nn.parameter_budget.refit",
        lambda *arguments: (found.append((budget.n_taken, arguments[1])), refit(*arguments)),
    )
    for _ in range(40):
        optimizer.zero_grad()
        layer(torch.arange(N)).square().sum().backward()
        optimizer.step()
        budget.step()
    assert found[0][0] == 9  # step 8 counts what there is
    assert found[-1][0] == 27
    assert np.all(np.diff([n for _, n in found]) <= 0)
    assert layer.count_nonzero() == 100
