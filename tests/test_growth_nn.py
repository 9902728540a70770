"""The number of anchors of a torch layer changes while it is trained, and the optimizer goes on."""

from __future__ import annotations

import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch")
nn = pytest.importorskip("slimvec.nn")
from test_anchor_embedding import dense  # noqa: E402 - needs torch

OPTIMIZERS = {
    "sgd": lambda model: nn.ProximalSGD(model, lr=0.05, l1=0.05),
    "adagrad": lambda model: nn.ProximalAdagrad(model, lr=0.05, l1=0.05),
    "rowwise": lambda model: nn.ProximalAdagrad(model, lr=0.05, l1=0.05, rowwise=True),
    "adam": lambda model: nn.ProximalAdam(model, lr=0.01, l1=0.05),
    "yogi": lambda model: nn.ProximalYogi(model, lr=0.01, l1=0.05),
}


def train(layer, optimizer, n_steps, seed, d=5):
    generator = torch.Generator().manual_seed(seed)
    for _ in range(n_steps):
        ids = torch.randint(30, (6,), generator=generator)
        wanted = torch.randn(6, d, generator=generator)
        optimizer.zero_grad()
        (layer(ids) - wanted).square().sum().backward()
        optimizer.step()


@pytest.mark.parametrize("sparse", [True, False])
@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_state_is_kept_for_what_stays_and_made_for_what_comes(kind, sparse):
    torch.manual_seed(0)
    layer = nn.AnchorEmbedding(30, 5, 4, sparse=sparse)
    optimizer = OPTIMIZERS[kind](layer)
    train(layer, optimizer, 8, 0)
    optimizer.flush()
    A, T = layer.anchors.detach().clone(), layer.transform.weight.detach().clone()
    old = [copy.deepcopy(dict(optimizer.state[value])) for value in (layer.anchors, layer.transform.weight)]
    nn.resize_anchors(layer, optimizer, [0, 3], np.ones((3, 5)))
    assert torch.equal(layer.anchors, torch.cat([A[[0, 3]], torch.ones(3, 5)]))
    assert torch.equal(layer.transform.weight, torch.cat([T[:, [0, 3]], torch.zeros(30, 3)], dim=1))
    groups = [group["params"] for group in optimizer.param_groups]
    assert groups[0][0] is layer.anchors
    assert groups[1][0] is layer.transform.weight
    assert len(optimizer.state) == (0 if kind == "sgd" else 2)
    first = {"sum": 0.1, "exp_avg": 0.0, "exp_avg_sq": 1e-6 if kind == "yogi" else 0.0}
    for name, values in old[0].items():
        found = optimizer.state[layer.anchors][name]
        assert torch.equal(found, torch.cat([values[[0, 3]], torch.full((3, 5), first[name])]))
    for name, values in old[1].items():
        found = optimizer.state[layer.transform.weight][name]
        expected = values if kind == "rowwise" else torch.cat([values[:, [0, 3]], torch.full((30, 3), first[name])], 1)
        assert torch.equal(found, expected)
    before = dense(layer)
    train(layer, optimizer, 8, 1)
    assert dense(layer).shape == (30, 5)
    assert not np.array_equal(dense(layer), before)
    twin = nn.AnchorEmbedding(30, 5, 5, sparse=sparse)
    twin.load_state_dict(layer.state_dict())
    assert torch.equal(twin(torch.arange(30)), layer(torch.arange(30)))


@pytest.mark.parametrize("kind", ["sgd", "rowwise"])
def test_slots_go_on_as_a_dense_transform_does(kind):
    torch.manual_seed(0)
    layers = [nn.AnchorEmbedding(30, 5, 4, storage=storage) for storage in ("slots", "dense")]
    with torch.no_grad():
        layers[1].anchors.copy_(layers[0].anchors)
        layers[1].transform.weight.copy_(torch.from_numpy(dense(layers[0])))
    new = torch.randn(2, 5)
    for layer in layers:
        optimizer = OPTIMIZERS[kind](layer)
        train(layer, optimizer, 10, 0)
        nn.resize_anchors(layer, optimizer, [1, 2, 3], new)
        assert not dense(layer)[:, 3:].any()
        train(layer, optimizer, 10, 1)
        assert dense(layer)[:, 3:].any()
    assert np.allclose(dense(layers[0]), dense(layers[1]), atol=1e-5)
    assert torch.allclose(layers[0].anchors, layers[1].anchors, atol=1e-5)


@pytest.mark.parametrize("storage", ["dense", "slots"])
def test_a_layer_that_is_too_small_grows(storage):
    torch.manual_seed(0)
    wanted = torch.randn(60, 8).abs() @ torch.randn(8, 12)  # eight anchors would do
    layer = nn.AnchorEmbedding(60, 12, 2, storage=storage)
    optimizer = nn.ProximalAdagrad(layer, lr=0.3, l1=1e-3, rowwise=True)
    growth = nn.AnchorGrowth(layer, optimizer, nonzero_cost=1e-4, most=11)
    losses = []
    for _ in range(30):
        for ids in torch.randperm(60).split(20):
            optimizer.zero_grad()
            (layer(ids) - wanted[ids]).square().mean().backward()
            optimizer.step()
        with torch.no_grad():
            losses.append((layer(torch.arange(60)) - wanted).square().mean().item())
        before = layer(torch.arange(60)).detach()
        n_old = layer.n_anchors
        if growth.step(losses[-1]) >= n_old:
            assert torch.allclose(
                layer(torch.arange(60)), before, atol=1e-5
            )  # new anchors change nothing by themselves
        assert layer.n_anchors == len(layer.anchors) == layer.transform.n_anchors <= 11
    assert max(growth.counts) >= 8
    assert losses[-1] < 0.2 * losses[0]


def test_anchors_that_no_row_uses_go():
    layer = nn.AnchorEmbedding(20, 4, 5)
    with torch.no_grad():
        layer.transform.weight[:, [1, 4]] = 0
    optimizer = nn.ProximalSGD(layer, lr=0.0)
    growth = nn.AnchorGrowth(layer, optimizer, nonzero_cost=0.0, anchor_cost=1.0)
    layer(torch.arange(20)).sum().backward()
    kept = layer.anchors.detach()[[0, 2, 3]].clone()
    assert growth.step(1.0) == 5  # three stay, two come
    assert torch.equal(layer.anchors[:3], kept)


def test_bags_and_copies():
    bag = nn.AnchorEmbeddingBag(20, 4, 3)
    optimizer = nn.ProximalSGD(bag, lr=0.1)
    growth = nn.AnchorGrowth(bag, optimizer, nonzero_cost=1e-3)
    bag(torch.tensor([[1, 2], [5, 2]])).square().sum().backward()
    assert bag.latest_gradient.shape == (3, 4)
    optimizer.step()
    assert growth.step(1.0) == 5
    assert torch.equal(copy.deepcopy(bag)(torch.tensor([[1, 2]])), bag(torch.tensor([[1, 2]])))


def test_refusals():
    layer = nn.AnchorEmbedding(20, 4, 3)
    optimizer = nn.ProximalSGD(layer)
    with pytest.raises(ValueError, match="no gradient yet"):
        nn.AnchorGrowth(layer, optimizer, nonzero_cost=1e-3).step(1.0)
    with pytest.raises(ValueError, match="nonzero_cost=-1"):
        nn.AnchorGrowth(layer, optimizer, nonzero_cost=-1)
    with pytest.raises(TypeError, match="layer is Embedding"):
        nn.AnchorGrowth(torch.nn.Embedding(3, 4), optimizer, nonzero_cost=1e-3)
    with pytest.raises(ValueError, match="does not train this layer"):
        nn.resize_anchors(nn.AnchorEmbedding(20, 4, 3), optimizer, [0], [])
    for options in ({"anchor_rows": [1, 2, 3]}, {"softmax": True, "n_anchors": 3}):
        other = nn.AnchorEmbedding(20, 4, **options)
        with pytest.raises(ValueError, match="cannot change its anchors"):
            nn.resize_anchors(other, nn.ProximalSGD(other), [0], [])
    for kept in ([], [3], [1, 0], [-1]):
        with pytest.raises(ValueError, match="expected rising anchors below 3"):
            nn.resize_anchors(layer, optimizer, kept, np.empty((0, 4)))
