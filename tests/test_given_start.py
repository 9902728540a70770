"""Layers that start near given vectors: rows that count more, and trainings that keep the entries of the start."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("numba")
sparse = pytest.importorskip("scipy.sparse")

import slimvec as sv  # noqa: E402
from slimvec import nn  # noqa: E402

N, D = 300, 12
ROWS = np.random.default_rng(0).standard_normal((N, D)).astype(np.float32)
WANTED = 1.5 * ROWS  # after a training
COUNTS = np.where(np.arange(N) % 10 == 0, 900, 1)


def start(counts=None, **options):
    return nn.AnchorEmbedding.from_pretrained(ROWS, 8, n_parameters=700, counts=counts, **options)


def errors(layer, wanted=ROWS):
    return np.linalg.norm(layer.weight.detach().numpy() - wanted, axis=1)


@pytest.mark.parametrize("nonnegative", [False, True])
def test_rows_seen_often_come_nearer(nonnegative):
    plain, weighed = (start(counts, nonnegative=nonnegative) for counts in (None, COUNTS))
    often = COUNTS > 1
    assert errors(weighed)[often].mean() < 0.8 * errors(plain)[often].mean()
    assert errors(weighed)[~often].mean() > errors(plain)[~often].mean()
    entries = [np.count_nonzero(layer.transform.weight.detach().numpy(), axis=1) for layer in (plain, weighed)]
    assert entries[1][often].mean() > entries[0][often].mean()
    assert weighed.n_parameters <= 700
    assert (weighed.transform.weight.min() >= 0) or not nonnegative


@pytest.mark.parametrize("counts", [np.full(N, 7), [0.0] * N, np.ones(N, np.int8)], ids=["sevens", "zeros", "ones"])
def test_rows_seen_alike_count_alike(counts):
    assert torch.equal(start(counts).weight, start().weight)


def test_rows_that_count_next_to_nothing():
    often, weighed = COUNTS > 1, errors(start(np.where(COUNTS > 1, 1e30, 0)))
    assert np.isfinite(weighed).all()
    assert weighed[often].mean() < 0.6 * errors(start())[often].mean()


@pytest.mark.parametrize("counts", [np.ones(N - 1), np.full(N, -1), np.full(N, np.nan), 3, np.ones((N, 1))], ids=str)
def test_counts_that_are_none(counts):
    with pytest.raises(ValueError, match=r"counts has shape .*; expected \(300,\), numbers of at least 0"):
        start(counts)


def test_rows_of_zeros_stay_zeros():
    layer = nn.AnchorEmbedding.from_pretrained(np.zeros((30, 4)), 2, n_parameters=60)
    assert not layer.weight.any()
    assert torch.isfinite(layer.anchors).all()


def test_a_table_chooses_nothing():
    table = sv.ANT(n_anchors=8, nonzeros=2, n_rounds=1).compress(ROWS)
    with pytest.raises(TypeError, match="counts: a table gives T as it is"):
        nn.AnchorEmbedding.from_pretrained(table, counts=COUNTS)


def steps(layer, optimizer, budget, n):
    for _ in range(n):
        optimizer.zero_grad()
        (layer(torch.arange(N)) - torch.from_numpy(WANTED)).square().mean().backward()
        optimizer.step()
        budget.step()


@pytest.mark.parametrize("kind", [nn.ProximalAdam, nn.ProximalSGD])
@pytest.mark.parametrize("nonnegative", [False, True])
def test_entries_of_the_start_are_kept(kind, nonnegative):
    layer = start(nonnegative=nonnegative)
    before, error = layer.transform.weight.detach().clone(), errors(layer, WANTED).mean()
    optimizer = kind(layer, lr=0.01)
    budget = nn.ParameterBudget(layer, optimizer, n_steps=20, cut=(0, 0))
    assert budget.is_fixed
    for _ in range(4):
        steps(layer, optimizer, budget, 5)
        assert not layer.transform.weight.detach()[before == 0].any()
    assert not torch.equal(layer.transform.weight, before)
    assert errors(layer, WANTED).mean() < error
    assert layer.n_parameters <= 700
    with pytest.raises(RuntimeError, match="expected no more"):
        budget.step()


def test_such_a_training_goes_on_from_its_state():
    def made():
        layer = start()
        optimizer = nn.ProximalAdam(layer, lr=0.01)
        return layer, optimizer, nn.ParameterBudget(layer, optimizer, n_steps=10, cut=(0, 0))

    whole = made()
    steps(*whole, 10)
    first = made()
    steps(*first, 4)
    second = nn.AnchorEmbedding(N, D, 8, n_parameters=700, nonnegative=False)  # with more than the budget
    optimizer = nn.ProximalAdam(second, lr=0.01)
    budget = nn.ParameterBudget(second, optimizer, n_steps=10, cut=(0, 0))
    for new, old in zip((second, optimizer, budget), first, strict=True):
        new.load_state_dict(old.state_dict())
    steps(second, optimizer, budget, 6)
    assert torch.equal(second.weight, whole[0].weight)


def test_layers_above_the_budget_are_cut_after_the_first_step():
    layer = nn.AnchorEmbedding(N, D, 8, n_parameters=700)
    optimizer = nn.ProximalAdam(layer, lr=0.01)
    budget = nn.ParameterBudget(layer, optimizer, n_steps=10, cut=(0, 0))
    assert layer.n_parameters > 700
    assert not budget.is_fixed
    steps(layer, optimizer, budget, 1)
    assert layer.n_parameters <= 700


@pytest.mark.parametrize("storage", ["dense", "slots"])
def test_an_entry_that_a_table_has_twice_is_a_sum(storage):
    entries = np.array([1.0, 2.0, 0.0]), np.array([0, 0, 1]), np.array([0, 2, 3])
    table = sv.SparseTable([[1.0, 2.0], [3.0, 4.0]], sparse.csr_array(entries, shape=(2, 2)))
    layer = nn.AnchorEmbedding.from_pretrained(table, storage=storage)
    assert layer(torch.arange(2)).tolist() == table.lookup([0, 1]).tolist() == [[3, 6], [0, 0]]
    assert layer.count_nonzero() == 1
