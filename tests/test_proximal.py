"""Proximal optimizers: rows that wait are what rows would be that take every step."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
nn = pytest.importorskip("slimvec.nn")
dense_rows = pytest.importorskip("slimvec.nn.dense_rows")

N, K, D = 7, 3, 2


def literal_shrink(t, threshold, nonnegative):
    return np.maximum(t - threshold, 0) if nonnegative else np.sign(t) * np.maximum(np.abs(t) - threshold, 0)


class Literal:
    """Every step on every entry, in NumPy, as the formulas stand in METHODS: the slow, obvious twin."""

    def __init__(self, kind, T, *, l1, metric, nonnegative, free, l2=0.0, betas=(0.9, 0.999), rows=False):
        self.kind, self.T, self.l1, self.metric, self.nonnegative = kind, T.copy(), l1, metric, nonnegative
        self.l2, self.betas, self.rows, self.t = l2, betas, rows, 0
        self.S = 1.0 - free
        self.m = np.zeros_like(T)
        self.v = np.full(T.shape if kind != "rowwise" else (len(T), 1), {"yogi": 1e-6}.get(kind, 0.1))

    def step(self, g, lr):
        self.t += 1
        size, den = lr, 1.0
        if self.kind in ("adagrad", "rowwise"):
            self.v = self.v + (g**2 if self.kind == "adagrad" else (g**2).mean(axis=1, keepdims=True))
            den = np.sqrt(self.v) + 1e-10
            T = self.T - lr * g / den
        elif self.kind == "yogi":
            b1, b2 = self.betas
            self.m = b1 * self.m + (1 - b1) * g
            self.v = self.v - (1 - b2) * np.sign(self.v - g**2) * g**2
            size = lr * np.sqrt(1 - b2**self.t) / (1 - b1**self.t)
            den = np.sqrt(self.v) + 1e-3
            T = self.T - size * self.m / den
        else:
            T = self.T - lr * g
        if self.rows:
            T = np.maximum(T, 0) if self.nonnegative else T
            norms = np.linalg.norm(T, axis=1, keepdims=True)
            T = T * np.maximum(norms - lr * self.l1, 0) / np.maximum(norms, 1e-300)
        else:
            threshold = (size * self.l1 / den if self.metric == "own" else lr * self.l1) * self.S
            T = literal_shrink(T, threshold, self.nonnegative)
        self.T = T / (1 + lr * self.l2)


CASES = {
    "sgd": ("sgd", lambda model, o: nn.ProximalSGD(model, l1=o["l1"], l2=o["l2"])),
    "sgd rows": ("sgd", lambda model, o: nn.ProximalSGD(model, l1=o["l1"], l2=o["l2"], penalty="rows")),
    "adagrad": ("adagrad", lambda model, o: nn.ProximalAdagrad(model, l1=o["l1"], metric=o["metric"])),
    "adagrad rows": (
        "adagrad",
        lambda model, o: nn.ProximalAdagrad(model, l1=o["l1"], metric="plain", penalty="rows"),
    ),
    "rowwise": ("rowwise", lambda model, o: nn.ProximalAdagrad(model, l1=o["l1"], metric=o["metric"], rowwise=True)),
    "yogi": ("yogi", lambda model, o: nn.ProximalYogi(model, l1=o["l1"], metric=o["metric"])),
    "yogi, no momentum": (
        "yogi",
        lambda model, o: nn.ProximalYogi(model, l1=o["l1"], metric=o["metric"], betas=(0.0, 0.99)),
    ),
}


def make_layer(nonnegative, related, sparse=True):
    relations = [(0, 3), (1, 5), (4, 2)] if related else None
    return nn.AnchorEmbedding(
        N, D, anchor_rows=[0, 1, 2], relations=relations, nonnegative=nonnegative, sparse=sparse, dtype=torch.float64
    )


@pytest.mark.parametrize("case", CASES)
@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    l1=st.sampled_from([0.01, 0.1, 1.0]),
    l2=st.sampled_from([0.0, 0.3]),
    metric=st.sampled_from(["own", "plain"]),
    nonnegative=st.booleans(),
    related=st.booleans(),
    n_steps=st.integers(1, 60),
)
def test_lazy_rows_equal_steps_taken_every_time(case, seed, l1, l2, metric, nonnegative, related, n_steps):
    kind, make = CASES[case]
    nonnegative |= case == "yogi"  # with both signs its momentum has no closed form
    related &= "rows" not in case
    torch.manual_seed(seed % 1000)
    generator = np.random.default_rng(seed)
    layer = make_layer(nonnegative, related)
    weight = layer.transform.weight
    with torch.no_grad():
        weight.mul_(3)
    optimizer = make(layer, {"l1": l1, "l2": l2, "metric": metric})
    group = optimizer.param_groups[-1]
    free = (
        np.zeros((N, K)) if layer.transform.unpenalised is None else layer.transform.unpenalised.numpy().astype(float)
    )
    assert free.any() == related
    twin = Literal(
        kind, weight.detach().numpy(), l1=l1, nonnegative=nonnegative, free=free, rows="rows" in case,
        metric=group["metric"], l2=group.get("l2", 0.0), betas=group.get("betas", (0.9, 0.999)),
    )  # fmt: skip
    for _ in range(n_steps):
        lr = float(generator.uniform(0.001, 0.2))
        rows = np.sort(generator.choice(N, generator.integers(1, 4), replace=False))
        gradient = np.zeros((N, K))
        gradient[rows] = generator.standard_normal((len(rows), K))
        group["lr"] = lr
        ids = torch.from_numpy(rows)
        read = layer.transform.read(ids) if layer.transform.settle(ids) is None else None
        assert np.allclose(read.detach().numpy(), twin.T[rows], rtol=1e-12, atol=1e-12)
        optimizer.zero_grad()
        (read * torch.from_numpy(gradient[rows])).sum().backward()
        assert weight.grad.is_sparse
        optimizer.step()
        twin.step(gradient, lr)
    optimizer.flush()
    assert np.allclose(weight.detach().numpy(), twin.T, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("case", CASES)
def test_a_dense_step_is_the_same_in_blocks_of_rows(case, monkeypatch):
    make = CASES[case][1]
    torch.manual_seed(0)
    layer = make_layer(True, "rows" not in case, sparse=False)
    twin = copy.deepcopy(layer)
    for block in (1 << 16, 2 * K):  # all rows at once, and two at a time
        monkeypatch.setattr(dense_rows, "BLOCK", block)
        trained = layer if block == 2 * K else twin
        optimizer = make(trained, {"l1": 0.05, "l2": 0.1, "metric": "plain"})
        for step in range(10):
            optimizer.zero_grad()
            (trained(torch.arange(N)) - step).square().sum().backward()
            optimizer.step()
    assert torch.equal(layer.transform.weight, twin.transform.weight)
    assert layer.count_nonzero() > 0


def test_untouched_rows_do_wait_and_lose_their_entries():
    """Not vacuous: between flushes the stored rows differ from those that took every step."""
    layer = make_layer(True, False)
    optimizer = nn.ProximalSGD(layer, lr=0.1, l1=0.1)
    before = layer.transform.weight.detach().clone()
    for _ in range(200):
        optimizer.zero_grad()
        layer(torch.tensor([0])).square().sum().backward()
        optimizer.step()
    assert torch.equal(layer.transform.weight[3:], before[3:])
    layer.eval()
    assert not layer.transform.weight[3:].any()


def test_the_clock_starts_over_before_it_loses_precision():
    layer = make_layer(True, False)
    optimizer = nn.ProximalSGD(layer, lr=1.0, l1=0.0, l2=9.0)  # a factor of 10 per step
    for _ in range(250):
        optimizer.zero_grad()
        layer(torch.tensor([0])).sum().backward()
        optimizer.step()
    assert optimizer._lazy[1].clock.now < 150
    optimizer.flush()
    assert layer.transform.weight[3:].abs().max() < 1e-240


def test_adam_stands_still_but_for_the_penalty():
    layer = make_layer(True, False)
    optimizer = nn.ProximalAdam(layer, lr=0.01, l1=0.1, metric="plain")
    weight = layer.transform.weight
    start = weight.detach().clone()
    for _ in range(5):
        optimizer.zero_grad()
        layer(torch.tensor([0])).sum().backward()
        optimizer.step()
    optimizer.flush()
    assert torch.allclose(weight[3:], (start[3:] - 5 * 0.01 * 0.1).clamp_min(0), rtol=0, atol=1e-12)


def test_state_is_saved_up_to_date_and_goes_on():
    def train(layer, optimizer, seed, n):
        generator = torch.Generator().manual_seed(seed)
        for _ in range(n):
            optimizer.zero_grad()
            layer(torch.randint(N, (2,), generator=generator)).square().sum().backward()
            optimizer.step()

    torch.manual_seed(0)
    layer = make_layer(True, True)
    optimizer = nn.ProximalYogi(layer, lr=0.01, l1=0.01)
    train(layer, optimizer, 1, 20)
    twin = make_layer(True, True)
    later = nn.ProximalYogi(twin, lr=0.01, l1=0.01)
    twin.load_state_dict(layer.state_dict())
    later.load_state_dict(copy.deepcopy(optimizer.state_dict()))  # torch's share their tensors
    train(layer, optimizer, 2, 20)
    train(twin, later, 2, 20)
    for one, other in zip(layer.state_dict().values(), twin.state_dict().values(), strict=True):
        assert torch.allclose(one, other, rtol=1e-12, atol=1e-12)


def test_refusals():
    layer = make_layer(True, False)
    with pytest.raises(ValueError, match=r"l1=-1"):
        nn.ProximalSGD(layer, l1=-1)
    with pytest.raises(ValueError, match=r"metric='other'"):
        nn.ProximalAdagrad(layer, metric="other")
    with pytest.raises(ValueError, match=r"no closed form"):
        nn.ProximalAdagrad(layer, penalty="rows", metric="own")
    bias, filters = torch.nn.Parameter(torch.ones(3)), torch.nn.Parameter(torch.ones(3, 2, 2))
    with pytest.raises(ValueError, match=r"rowwise=True is of the rows of a matrix, and a parameter has shape \(3,\)"):
        nn.ProximalAdagrad([bias], rowwise=True)
    with pytest.raises(ValueError, match=r'penalty="rows" is of the rows of a matrix, .* shape \(3, 2, 2\)'):
        nn.ProximalSGD([filters], l1=0.1, penalty="rows")
    optimizer = nn.ProximalSGD([filters], l1=0.1)
    with pytest.raises(ValueError, match=r"l2=-1"):
        optimizer.add_param_group({"params": [bias], "l2": -1})
    assert len(optimizer.param_groups) == 1
    plain = torch.nn.Embedding(5, 2, sparse=True)
    optimizer = nn.ProximalSGD(plain.parameters(), l1=0.1)
    plain(torch.tensor([1])).sum().backward()
    with pytest.raises(ValueError, match=r"pass the model itself"):
        optimizer.step()


def test_group_lasso_of_a_plain_embedding_removes_rows():
    plain = torch.nn.Embedding(5, 2)
    optimizer = nn.ProximalSGD(plain.parameters(), lr=0.1, l1=0.5, penalty="rows")
    for _ in range(200):
        optimizer.zero_grad()
        (plain(torch.tensor([1])) - 3).square().sum().backward()
        optimizer.step()
    assert [bool(row.any()) for row in plain.weight] == [False, True, False, False, False]
