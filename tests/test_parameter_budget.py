"""A budget of parameters: kept, whatever the store and the optimizer, also by a training that is resumed."""

from __future__ import annotations

import copy
import io
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
nn = pytest.importorskip("slimvec.nn")
from test_anchor_embedding import dense  # noqa: E402 - needs torch

N, D, K, N_STEPS = 60, 6, 8, 40
WAYS = {
    "dense, Adam": ({"storage": "dense"}, lambda model: nn.ProximalAdam(model, lr=0.02)),
    "dense, Adam, l1": ({"storage": "dense"}, lambda model: nn.ProximalAdam(model, lr=0.02, l1=1e-4)),
    "dense, signed, SGD": ({"nonnegative": False}, lambda model: nn.ProximalSGD(model, lr=0.05)),
    "lazy, Yogi": ({"sparse": True}, lambda model: nn.ProximalYogi(model, lr=0.02)),
    "lazy, Adagrad": ({"sparse": True}, lambda model: nn.ProximalAdagrad(model, lr=0.1, rowwise=True)),
    "slots, SGD": ({"storage": "slots"}, lambda model: nn.ProximalSGD(model, lr=0.05)),
    "slots, Adagrad": ({"storage": "slots"}, lambda model: nn.ProximalAdagrad(model, lr=0.1, rowwise=True)),
    "slots, Adagrad, l1": ({"storage": "slots"}, lambda model: nn.ProximalAdagrad(model, l1=1e-3, rowwise=True)),
}


class Training:
    """Rows learnt towards random ones, a few per step, within a budget."""

    def __init__(self, way, n_parameters=K * D + 100, n_steps=N_STEPS):
        options, optimizer = WAYS[way]
        torch.manual_seed(1)
        self.layer = nn.AnchorEmbedding(N, D, K, n_parameters=n_parameters, padding_idx=3, **options)
        self.optimizer = optimizer(self.layer)
        self.budget = nn.ParameterBudget(self.layer, self.optimizer, n_steps=n_steps)
        self.wanted = torch.randn(N, D, generator=torch.Generator().manual_seed(2))

    def parts(self):
        return {"layer": self.layer, "optimizer": self.optimizer, "budget": self.budget}

    def run(self, first, last):
        """Take the steps from ``first`` on; return T after each."""
        found = []
        for step in range(first, last):
            ids = torch.randint(N, (25,), generator=torch.Generator().manual_seed(step))
            self.optimizer.zero_grad()
            (self.layer(ids) - self.wanted[ids]).square().sum().backward()
            self.optimizer.step()
            self.budget.step()
            found.append(dense(self.layer))
        return found


@pytest.mark.parametrize("way", WAYS)
def test_a_layer_ends_within_its_budget(way):
    training = Training(way)
    Ts = training.run(0, N_STEPS)
    sizes = [np.count_nonzero(T) for T in Ts]
    assert max(sizes[:8]) > 150  # nothing is cut before the first moment
    assert sizes[20] > 100  # not at once
    assert max(sizes[27:]) <= 100  # the second moment is step 28
    assert 0.99 * (K * D + 100) <= training.layer.n_parameters <= K * D + 100
    assert training.budget.is_fixed
    assert training.optimizer.param_groups[-1]["l1"] == 0


@pytest.mark.parametrize("way", WAYS)
def test_zeros_stay_once_it_is_reached(way, monkeypatch):
    """But for the steps in which entries may come: here the last one only."""
    monkeypatch.setattr("slimvec.nn.parameter_budget.N_CUTS", 1)
    training = Training(way)
    Ts = training.run(0, N_STEPS)
    for before, after in zip(Ts[27:-2], Ts[28:-1], strict=True):
        assert not after[before == 0].any()
        assert not np.array_equal(before, after)  # it goes on learning
    assert training.layer.transform.zeros_stay


@pytest.mark.parametrize("stopped", [15, 34])
@pytest.mark.parametrize("way", WAYS)
def test_a_resumed_training_ends_the_same_to_the_bit(way, stopped):
    whole = Training(way)
    whole.run(0, stopped)
    saved = io.BytesIO()
    torch.save({name: part.state_dict() for name, part in whole.parts().items()}, saved)
    whole.run(stopped, N_STEPS)
    resumed = Training(way)
    with torch.no_grad():
        resumed.layer.anchors.zero_()
    saved.seek(0)
    states = torch.load(saved, weights_only=True)
    for name, part in resumed.parts().items():
        part.load_state_dict(states[name])
    resumed.run(stopped, N_STEPS)
    assert np.array_equal(dense(resumed.layer), dense(whole.layer))
    assert torch.equal(resumed.layer.anchors, whole.layer.anchors)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_numbers_of_other_types(dtype):
    layer = nn.AnchorEmbedding(N, D, K, n_parameters=K * D + 100, dtype=dtype)
    optimizer = nn.ProximalAdagrad(layer)
    budget = nn.ParameterBudget(layer, optimizer, n_steps=4)
    for _ in range(4):
        optimizer.zero_grad()
        layer(torch.arange(N)).square().sum().backward()
        optimizer.step()
        budget.step()
    assert layer.n_parameters == K * D + 100


@pytest.mark.parametrize("way", ["dense, Adam", "slots, Adagrad"])
def test_copies_go_on_alike(way):
    training = Training(way)
    training.run(0, 15)
    twins = [copy.deepcopy(training), pickle.loads(pickle.dumps(training))]  # noqa: S301
    training.run(15, N_STEPS)
    for twin in twins:
        twin.run(15, N_STEPS)
        assert np.array_equal(dense(twin.layer), dense(training.layer))


def test_slots_are_cut_as_a_dense_transform_is(monkeypatch):
    monkeypatch.setattr("slimvec.nn.parameter_budget.can_refit", lambda layer: False)
    trainings = [Training(way) for way in ("slots, SGD", "dense, signed, SGD")]
    plain = nn.AnchorEmbedding(N, D, K, padding_idx=3)
    with torch.no_grad():
        plain.anchors.copy_(trainings[0].layer.anchors)
        plain.transform.weight.copy_(torch.from_numpy(dense(trainings[0].layer)))
    trainings[1].layer = plain
    trainings[1].optimizer = nn.ProximalSGD(plain, lr=0.05)
    trainings[1].budget = nn.ParameterBudget(plain, trainings[1].optimizer, K * D + 100, n_steps=N_STEPS)
    ours, theirs = (training.run(0, N_STEPS)[-1] for training in trainings)
    assert np.allclose(ours, theirs, atol=1e-5)
    assert np.count_nonzero(ours) == 100


@pytest.mark.parametrize("storage", ["dense", "slots"])
def test_rows_count_by_how_often_they_are_read(storage):
    torch.manual_seed(0)
    layers = [nn.AnchorEmbedding(N, D, K, storage=storage), nn.AnchorEmbeddingBag(N, D, K, storage=storage)]
    model = torch.nn.ModuleList(layers)
    budget = nn.ParameterBudget(model, nn.ProximalSGD(model), 2 * K * D + 24, n_steps=5)
    ids = torch.tensor([[7, 7, 7, 7, 9], [7, 11, 11, 9, 9]])
    for layer in layers:
        with torch.no_grad():
            layer.anchors.zero_()[:, 0] = 1
        put(layer, np.ones((N, K), np.float32))
        layer(ids)
        layer.eval()(ids)  # is no training
        assert layer.reads[[7, 9, 11, 12, N]].tolist() == [5, 3, 2, 0, 0]
    put(layers[0], np.where(np.arange(N) == 11, 1.5, 1.0)[:, None] * np.ones((N, K), np.float32))  # 1.5 √2 > √3
    budget.finish()
    assert [np.flatnonzero(dense(layer).any(axis=1)).tolist() for layer in layers] == [[7, 11], [7]]
    assert layers[0].reads is None


@pytest.mark.parametrize("whole", [lambda layer: layer.weight, lambda layer: layer.logits(torch.ones(2, D))])
@pytest.mark.parametrize("storage", ["dense", "slots"])
def test_frequency_counts_less_where_an_output_layer_reads_all_rows(storage, whole):
    """Of rows of 1.5, read once, and 1, read 16 times, the second stays by √16, and by ⁴√16 = 2; of 2.1 and 1, read 16
    times, the first by the fourth root alone.
    """
    for long, stays in ((1.5, 7), (2.1, 5)):
        layer = nn.AnchorEmbedding(N, D, K, anchors=np.ones((K, D)), storage=storage)
        put(layer, np.where(np.arange(N) == 5, long, 1.0)[:, None] * np.ones((N, K), np.float32))
        budget = nn.ParameterBudget(layer, nn.ProximalSGD(layer), K * D + K, n_steps=5)
        layer(torch.tensor([7] * 16 + [5]))
        whole(layer.eval())
        assert layer.reads[-1] == 0
        whole(layer.train())
        assert layer.reads[-1] > 0
        budget.finish()
        assert np.flatnonzero(dense(layer).any(axis=1)).tolist() == [stays]


def test_rows_that_an_output_layer_alone_reads_count_alike():
    layer = nn.AnchorEmbedding(N, D, K, anchors=np.ones((K, D)))
    put(layer, np.where(np.arange(N) == 5, 1.5, 1.0)[:, None] * np.ones((N, K), np.float32))
    budget = nn.ParameterBudget(layer, nn.ProximalSGD(layer), K * D + K, n_steps=5)
    layer.logits(torch.ones(2, D))
    budget.finish()
    assert np.flatnonzero(dense(layer).any(axis=1)).tolist() == [5]


def test_processes_have_to_agree_on_counts(monkeypatch):
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    layer = nn.AnchorEmbedding(N, D, K)
    with pytest.raises(ValueError, match="counts is None, and each process would count other rows"):
        nn.ParameterBudget(layer, nn.ProximalSGD(layer), 100, n_steps=5)
    nn.ParameterBudget(layer, nn.ProximalSGD(layer), 100, n_steps=5, counts=np.ones(N))


def test_counts_that_are_given():
    layer = nn.AnchorEmbedding(N, D, K)
    put(layer, np.ones((N, K), np.float32))
    counts = np.zeros(N, np.uint32)
    counts[[50, 20]] = 3, 1
    budget = nn.ParameterBudget(layer, nn.ProximalSGD(layer), K * D + 2 * K, n_steps=5, counts=counts)
    layer(torch.full((100,), 7))  # what the layer counts itself is less than what is said
    budget.finish()
    assert np.flatnonzero(dense(layer).any(axis=1)).tolist() == [20, 50]
    assert budget.report().lines[0].n_entries == 2 * K
    for bad in ([1, 2, 3], -np.ones(N), np.full(N, np.nan), np.ones((N, 1))):
        with pytest.raises(ValueError, match=r"counts has shape .*; expected \(60,\), numbers of at least 0"):
            nn.ParameterBudget(layer, nn.ProximalSGD(layer), 100, n_steps=5, counts=bad)


def test_a_tied_output_stays_within_it():
    torch.manual_seed(0)
    layer = nn.AnchorEmbedding(N, D, K, storage="slots")
    optimizer = nn.ProximalSGD(layer, lr=0.1)
    budget = nn.ParameterBudget(layer, optimizer, K * D + 90, n_steps=N_STEPS)
    for _ in range(N_STEPS):
        ids = torch.randint(N, (30,))
        before = dense(layer)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(layer.logits(layer(ids)), (ids + 1) % N).backward()
        optimizer.step()
        if layer.transform.zeros_stay:
            assert not dense(layer)[before == 0].any()
        budget.step()
    assert 0.99 * (K * D + 90) <= layer.n_parameters <= K * D + 90


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_the_entries_that_stay_are_those_of_most_worth(data):
    n, d, k = (data.draw(st.integers(1, most)) for most in (9, 4, 5))
    storage = data.draw(st.sampled_from(["dense", "slots"]))
    n_kept = data.draw(st.integers(1, n * k))
    layer = nn.AnchorEmbedding(n, d, k, storage=storage, nonnegative=False)
    small = st.integers(-3, 3).map(lambda value: value / 2)  # equal worths, and zeros
    drawn = np.array(data.draw(st.lists(small, min_size=n * k, max_size=n * k)), np.float32).reshape(n, k)
    lengths = data.draw(st.lists(st.integers(0, 3), min_size=k, max_size=k))
    with torch.no_grad():
        layer.anchors.zero_()[:, 0] = torch.tensor(lengths)
    put(layer, drawn)
    nn.ParameterBudget(layer, nn.ProximalSGD(layer), k * d + n_kept, n_steps=3).finish()
    worth = np.abs(drawn) * np.array(lengths)
    present = sorted(zip(*np.nonzero(drawn), strict=True), key=lambda place: (-worth[place], place))
    expected = np.zeros_like(drawn)
    for place in present[:n_kept]:
        expected[place] = drawn[place]
    assert np.array_equal(dense(layer), expected)


def put(layer, values):
    """Give T some values, in any store."""
    twin = nn.AnchorEmbedding(layer.num_embeddings, layer.embedding_dim, layer.n_anchors, nonnegative=False)
    with torch.no_grad():
        twin.transform.weight.copy_(torch.from_numpy(values))
    parts = twin.transform.to_csr()
    state = {name: torch.from_numpy(np.asarray(getattr(parts, name))) for name in ("indptr", "indices", "data")}
    is_slots = hasattr(layer.transform, "store")
    layer.transform.load_state_dict(state if is_slots else twin.transform.state_dict())


@settings(max_examples=10, deadline=None)
@given(
    way=st.sampled_from(sorted(WAYS)),
    n_kept=st.integers(1, 200),
    n_steps=st.integers(1, 30),
    cut=st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted),
)
def test_no_training_ends_above_its_budget(way, n_kept, n_steps, cut):
    training = Training(way)
    budget = nn.ParameterBudget(training.layer, training.optimizer, K * D + n_kept, n_steps=n_steps, cut=cut)
    training.budget = budget
    for step in range(n_steps):
        training.run(step, step + 1)
        assert not budget.is_fixed or training.layer.n_parameters <= K * D + n_kept
    assert budget.is_fixed


def test_layers_share_a_budget():
    torch.manual_seed(0)
    strong, weak = nn.AnchorEmbedding(N, D, 3), nn.AnchorEmbedding(N, D, 5, storage="slots")
    with torch.no_grad():
        strong.anchors.mul_(100)
    model = torch.nn.ModuleList([strong, weak])
    nn.ParameterBudget(model, nn.ProximalSGD(model), 8 * D + 150, n_steps=1).finish()
    assert strong.count_nonzero() + weak.count_nonzero() == 150
    assert strong.count_nonzero() > 140  # of 180: long anchors add more


def test_a_mixture_holds_what_it_was_made_for():
    mixture = nn.AnchorMixture(N, D, [4, 3], n_parameters=7 * D + 101)
    optimizer = nn.ProximalAdam(mixture, lr=0.01)
    budget = nn.ParameterBudget(mixture, optimizer, n_steps=1)
    mixture(torch.arange(N)).square().sum().backward()
    optimizer.step()
    budget.step()
    assert mixture.n_parameters == budget.n_parameters == 7 * D + 101


def test_a_layer_is_told_what_it_may_hold():
    layer = nn.AnchorEmbedding(1000, 16, n_parameters=4000)
    assert layer.budget == 4000
    assert layer.n_anchors == 16
    assert nn.AnchorEmbedding(1000, 16, n_parameters=1600).n_anchors == 12  # an eighth
    assert nn.AnchorEmbedding(1000, 16, n_parameters=100).n_anchors == 2
    assert nn.AnchorEmbedding(1000, 16, 7, n_parameters=4000).n_anchors == 7
    given = nn.AnchorEmbedding.from_vectors(np.eye(40, 16), n_parameters=120)
    assert len(given.anchor_rows) == given.n_anchors == nn.AnchorEmbedding(40, 16, n_parameters=120).n_anchors
    for options in ({"n_anchors": 7}, {"anchors": np.eye(7, 16)}, {"anchor_rows": range(7)}):
        with pytest.raises(ValueError, match="n_parameters=112; expected more, as 7 anchors of 16 numbers take 112"):
            nn.AnchorEmbedding(1000, 16, n_parameters=112, **options)
    with pytest.raises(TypeError, match="n_parameters=120.0 is not an integer"):
        nn.AnchorEmbedding.from_vectors(np.eye(40, 16), n_parameters=120.0)
    with pytest.raises(ValueError, match="n_parameters=16; expected more"):
        nn.AnchorEmbedding(1000, 16, n_parameters=16)
    with pytest.raises(ValueError, match="give .. anchors; expected one number"):
        nn.AnchorEmbedding(1000, 16)


def test_what_was_kept():
    layer = nn.AnchorEmbedding(200, 2, 3)
    with torch.no_grad():
        layer.transform.weight.zero_()[:50] = 1.0
    budget = nn.ParameterBudget(layer, nn.ProximalSGD(layer), 500, n_steps=1)
    report = budget.report()
    assert [tuple(line) for line in report.lines] == [(0, 1, 10, 30, 0), (0, 11, 100, 120, 50), (0, 101, 200, 0, 100)]
    assert (report.n_parameters, report.budget) == (156, 500)
    assert str(report).splitlines()[0] == "156 of 500 parameters"
    assert str(report).splitlines()[3].split() == ["1", "-", "10", "30", "3.00", "0"]
    options = {"n_steps": 1, "counts": np.arange(200)}
    rare_first = nn.ParameterBudget(layer, nn.ProximalSGD(layer), 500, **options).report()
    assert [line.n_entries for line in rare_first.lines] == [0, 0, 150]
    both = torch.nn.ModuleList([layer, layer_of_three := nn.AnchorEmbedding(3, 2, 3)])
    two = nn.ParameterBudget(both, nn.ProximalSGD(both), 100, n_steps=1).report()
    assert [line.layer for line in two.lines] == [0, 0, 0, 1]
    assert "layer 1: 1 - 3" in str(two)
    assert two.n_parameters == layer.n_parameters + layer_of_three.n_parameters


def test_finishing_early():
    training = Training("dense, Adam")
    training.run(0, 5)
    training.budget.finish()
    assert training.layer.n_parameters == K * D + 100
    before = dense(training.layer)
    training.budget.finish()
    assert np.array_equal(dense(training.layer), before)
    with pytest.raises(RuntimeError, match="n_steps=40; expected no more"):
        training.run(5, 6)
    assert not dense(training.layer)[before == 0].any()  # whoever trains on stays within it


def test_refusals():
    layer = nn.AnchorEmbedding(20, 4, 3)
    optimizer = nn.ProximalSGD(layer)
    make = nn.ParameterBudget
    with pytest.raises(TypeError, match="layer is Embedding; expected an AnchorEmbedding"):
        make(torch.nn.Embedding(3, 4), optimizer, 40, n_steps=5)
    with pytest.raises(TypeError, match="layer is str"):
        make("layer", optimizer, 40, n_steps=5)
    with pytest.raises(TypeError, match="optimizer is SGD; expected one of slimvec.nn"):
        make(layer, torch.optim.SGD(layer.parameters()), 40, n_steps=5)
    for other in (nn.ProximalSGD(nn.AnchorEmbedding(20, 4, 3)), nn.ProximalSGD(layer.parameters())):
        with pytest.raises(ValueError, match="optimizer does not train the T of this layer"):
            make(layer, other, 40, n_steps=5)
    for n_parameters in (-1, 12, 73):
        with pytest.raises(ValueError, match=f"n_parameters={n_parameters}; expected between 13 and 72"):
            make(layer, optimizer, n_parameters, n_steps=5)
    with pytest.raises(ValueError, match="n_parameters is None"):
        make(layer, optimizer, n_steps=5)
    with pytest.raises(ValueError, match="n_steps=0; expected at least 1"):
        make(layer, optimizer, 40, n_steps=0)
    for cut in ((0.7, 0.2), (-0.1, 0.5), (0.5, 1.1), (float("nan"), 1)):
        with pytest.raises(ValueError, match="expected 0 <= first <= second <= 1"):
            make(layer, optimizer, 40, n_steps=5, cut=cut)
    for cut in (0.5, (1, 2, 3), "ab", None):
        with pytest.raises(TypeError, match="expected two numbers"):
            make(layer, optimizer, 40, n_steps=5, cut=cut)
    state = make(layer, optimizer, 40, n_steps=5).state_dict()
    with pytest.raises(ValueError, match="state is of n_steps=5; expected 6"):
        make(layer, optimizer, 40, n_steps=6).load_state_dict(state)
    with pytest.raises(ValueError, match=r"state has no \['n_taken'\]"):
        make(layer, optimizer, 40, n_steps=5).load_state_dict({k: v for k, v in state.items() if k != "n_taken"})
    for value in (float("nan"), float("inf")):
        with torch.no_grad():
            layer.transform.weight[4, 1] = value
        with pytest.raises(ValueError, match="NaN or infinite"):
            make(layer, optimizer, 40, n_steps=1).step()
