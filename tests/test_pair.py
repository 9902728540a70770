"""Layers of which rows are multiplied with each other: near the products of two tables, within one budget."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("numba")

from slimvec import nn  # noqa: E402

N, M, D = 300, 200, 16
RNG = np.random.default_rng(0)
USERS = RNG.standard_normal((N, D)).astype(np.float32)
ITEMS = (RNG.standard_normal((M, D)) * 0.7 ** np.arange(D)).astype(np.float32)  # most of it in a few directions
COUNTS = np.where(np.arange(N) % 5 == 0, 200, 1), np.where(np.arange(M) % 5 == 0, 200, 1)


def pair(users=USERS, items=ITEMS, n_parameters=1500, **options):
    return nn.pair_from_pretrained(users, items, 8, n_parameters=n_parameters, **options)


def products(layers):
    users, items = (layer.weight.detach().numpy().astype(np.float64) for layer in layers)
    return users @ items.T


def error(layers, of_users=slice(None), of_items=slice(None)):
    """The root of the mean square, of the products of some rows."""
    return np.sqrt(np.square(products(layers) - USERS @ ITEMS.T)[of_users][:, of_items].mean())


def test_products_are_nearer_than_those_of_layers_near_the_rows():
    start = nn.AnchorEmbedding.from_pretrained
    apart = [start(rows, 8, n_parameters=len(rows) * 3) for rows in (USERS, ITEMS)]
    together = pair()
    assert [layer.n_parameters for layer in together] == [layer.n_parameters for layer in apart] == [900, 600]
    assert error(together) < 0.75 * error(apart)


def test_what_the_other_side_does_not_use_costs_nothing():
    """Columns without items leave the users' products as they were, however much is in them."""
    items = ITEMS * (np.arange(D) < 5)
    users = USERS + 10 * (np.arange(D) >= 5) * USERS
    exact = users @ items.T
    made, loud = pair(USERS, items), pair(users, items)
    for layers in (made, loud):
        assert np.square(products(layers) - exact).mean() < 0.05 * np.square(exact).mean()


def test_rows_seen_often_keep_their_products():
    often = [counts > 1 for counts in COUNTS]
    plain, weighed = pair(), pair(counts=COUNTS)
    assert error(weighed, *often) < 0.7 * error(plain, *often)


def test_the_scale_of_either_side_changes_little_but_roundings():
    exact = USERS.astype(np.float64) @ ITEMS.T
    plain, scaled = (products(pair(USERS * np.float32(f), ITEMS * np.float32(g))) for f, g in ((1, 1), (1e-3, 1e5)))
    errors = [np.linalg.norm(found - exact) for found in (plain, scaled / 100)]
    assert errors[1] == pytest.approx(errors[0], rel=0.03)  # roundings choose other entries
    zero = pair(items=np.zeros_like(ITEMS))
    assert not products(zero).any()


@pytest.mark.parametrize("n_parameters", [1001, 1500, 2500])
def test_one_budget_for_both(n_parameters):
    layers = pair(n_parameters=n_parameters)
    held = [layer.n_parameters for layer in layers]
    assert 0.99 * n_parameters <= sum(held) <= n_parameters
    assert held[0] == pytest.approx(n_parameters * N / (N + M), rel=0.01)
    assert [layer.budget for layer in layers] == pytest.approx(held, rel=0.01)


@pytest.mark.parametrize(("n", "n_parameters"), [(2, 500), (3, 34), (3, 3000), (2, 3231)])
def test_a_small_table_beside_a_large_one_has_room(n, n_parameters):
    layers = nn.pair_from_pretrained(USERS[:n], ITEMS, n_parameters=n_parameters)
    assert sum(layer.n_parameters for layer in layers) <= n_parameters
    assert min(layer.n_parameters for layer in layers) > D


@pytest.mark.parametrize("options", [{"storage": "slots"}, {"nonnegative": True}, {"random_state": 7}], ids=str)
def test_layers_are_made_as_asked(options):
    layers = pair(torch.from_numpy(USERS), torch.nn.Parameter(torch.from_numpy(ITEMS)), **options)
    for layer in layers:
        assert ("Slot" in type(layer.transform).__name__) == ("storage" in options)
        if "nonnegative" in options:
            assert layer.transform.weight.min() >= 0
    assert error(layers) < 0.8 * np.sqrt(np.square(USERS @ ITEMS.T).mean())


def test_they_are_trained_on_from_there():
    layers = torch.nn.ModuleList(pair())
    wanted = 1.5 * torch.from_numpy(USERS @ ITEMS.T)

    def apart():
        return (layers[0].weight @ layers[1].weight.T - wanted).square().mean()

    before = apart().item()
    optimizer = nn.ProximalAdam(layers, lr=0.003)
    budget = nn.ParameterBudget(layers, optimizer, n_steps=40, cut=(0, 0))
    for _ in range(40):
        optimizer.zero_grad()
        apart().backward()
        optimizer.step()
        budget.step()
    assert apart().item() < 0.7 * before
    assert sum(layer.n_parameters for layer in layers) <= 1500


@pytest.mark.parametrize(
    ("options", "kind", "said"),
    [
        ({"items": ITEMS[:, :9]}, ValueError, "second has 9 columns; expected 16, as first has"),
        ({"users": USERS * np.float32(np.nan)}, ValueError, "first .*NaN"),
        ({"users": USERS[0]}, ValueError, "first has shape .*; expected two dimensions"),
        ({"n_parameters": 33}, ValueError, "n_parameters=33; expected between 34 and 8000"),
        (
            {"n_parameters": 300},
            ValueError,
            "n_parameters=300; expected more: 120 of them .* 8 anchors of 16 .* take 128",
        ),
        ({"n_parameters": 9000}, ValueError, "n_parameters=9000"),
        ({"counts": 3}, TypeError, "counts: expected two arrays"),
        ({"counts": (COUNTS[1], COUNTS[0])}, ValueError, r"counts has shape \(200,\); expected \(300,\)"),
    ],
)
def test_bad_input(options, kind, said):
    with pytest.raises(kind, match=said):
        pair(**options)
