"""Anchors in the place of a model's embeddings, tied ones too, and layers that start from vectors and tables."""

from __future__ import annotations

import copy
import io

import numpy as np
import pytest

import slimvec as sv

torch = pytest.importorskip("torch")
nn = pytest.importorskip("slimvec.nn")
from slimvec.sparse.product import CsrParts  # noqa: E402 - needs torch

N, D = 300, 8
SMALL = {"min_rows": 100}


class Model(torch.nn.Module):
    """A bag of words, a word of a position, and the next word: an output tied to the embedding."""

    def __init__(self, *, bias=True, **options):
        super().__init__()
        self.words = torch.nn.Embedding(N, D, **options)
        self.positions = torch.nn.Embedding(4, D)
        self.inner = torch.nn.ModuleDict({"output": torch.nn.Linear(D, N, bias=bias)})
        self.inner["output"].weight = self.words.weight

    def forward(self, ids):
        hidden = self.words(ids) + self.positions(torch.arange(ids.shape[1]))
        return self.inner["output"](torch.tanh(hidden))


def ids_of(seed, shape=(6, 4)):
    return torch.randint(N, shape, generator=torch.Generator().manual_seed(seed))


def loss_of(model, seed):
    ids = ids_of(seed)
    return torch.nn.functional.cross_entropy(model(ids).flatten(0, 1), (ids.flatten() + 1) % N)


def train(model, layers, n_steps=30, optimizer=None):
    optimizer = nn.ProximalAdam(model, lr=0.02) if optimizer is None else optimizer
    budget = nn.ParameterBudget(layers, optimizer, n_steps=n_steps)
    for step in range(n_steps):
        optimizer.zero_grad()
        loss_of(model, step).backward()
        optimizer.step()
        budget.step()


def dense_twin(model):
    """Return the model as it was, with the rows that anchors have now."""
    twin = Model(bias=model.inner["output"].bias is not None)
    with torch.no_grad():
        twin.words.weight.copy_(model.words.weight)
        twin.positions.weight.copy_(model.positions.weight)
        if model.inner["output"].bias is not None:
            twin.inner["output"].bias.copy_(model.inner["output"].bias)
    return twin


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("storage", ["dense", "slots"])
def test_a_tied_output_stays_tied(storage, bias):
    torch.manual_seed(0)
    model = Model(bias=bias)
    old_bias, positions = model.inner["output"].bias, model.positions
    layers = nn.replace_embedding(model, 0.5, storage=storage, **SMALL)
    assert list(layers) == [model.words]
    assert type(model.words) is nn.AnchorEmbedding
    assert model.positions is positions
    assert model.inner["output"].embedding is model.words
    assert model.inner["output"].bias is old_bias
    assert layers[0].budget == N * D // 2
    optimizer = nn.ProximalSGD(model, lr=0.5) if storage == "slots" else None
    train(model, layers, optimizer=optimizer)
    assert 0.99 * N * D / 2 <= layers[0].n_parameters <= N * D / 2
    twin = dense_twin(model)
    assert torch.allclose(model(ids_of(99)), twin(ids_of(99)), atol=1e-5)
    assert torch.equal(model.inner["output"].weight, model.words.weight)


def test_gradients_of_both_uses_come_together():
    """That of T A by T and by A, of the same model with dense rows."""
    torch.manual_seed(0)
    model = Model()
    (layer,) = nn.replace_embedding(model, 0.5, **SMALL)
    twin = dense_twin(model)
    for each in (model, twin):
        loss_of(each, 1).backward()
    T, A, G = layer.transform.weight, layer.anchors, twin.words.weight.grad
    assert torch.allclose(T.grad, G @ A.T, rtol=1e-4, atol=1e-6)
    assert torch.allclose(A.grad, T.T @ G, rtol=1e-4, atol=1e-6)
    assert torch.allclose(model.inner["output"].bias.grad, twin.inner["output"].bias.grad, atol=1e-6)


def test_rows_start_about_as_long_as_those_that_they_replace():
    for scale in (0.02, 3.0):
        torch.manual_seed(0)
        model = Model()
        with torch.no_grad():
            model.words.weight.mul_(scale)
        (layer,) = nn.replace_embedding(model, 0.5, **SMALL)
        assert 0.5 * scale < float(layer.weight.detach().square().mean().sqrt()) < 2 * scale


def test_signs_are_free_where_an_output_is_tied():
    tied, alone = Model(), torch.nn.Sequential(torch.nn.Embedding(N, D))
    layers = [nn.replace_embedding(model, 0.5, **SMALL)[0] for model in (tied, alone)]
    assert [bool((layer.transform.weight < 0).any()) for layer in layers] == [True, False]
    assert [layer.nonnegative for layer in layers] == [False, True]


def test_a_trained_model_goes_on_from_its_rows():
    pytest.importorskip("numba")
    model = Model(padding_idx=3)
    spectrum = torch.tensor([8.0, 6, 4, 3, 0.2, 0.2, 0.1, 0.1])
    with torch.no_grad():
        model.words.weight.mul_(spectrum)
    before = model.words.weight.detach().clone()
    (layer,) = nn.replace_embedding(model, 0.7, keep_rows=True, **SMALL)
    assert layer.n_parameters <= int(0.7 * N * D)
    assert layer.padding_idx == 3
    left = torch.linalg.norm(layer.weight.detach() - before) / torch.linalg.norm(before)
    assert float(left) < 0.35
    model = Model(padding_idx=3)
    with torch.no_grad():
        model.words.weight[3] = 1
    with pytest.raises(ValueError, match="words has a padding row 3 that is not zero"):
        nn.replace_embedding(model, 0.7, keep_rows=True, **SMALL)


def test_shared_embeddings_become_one_layer():
    torch.manual_seed(0)
    first, second = torch.nn.Embedding(N, D, padding_idx=2), torch.nn.Embedding(N, D, padding_idx=2)
    second.weight = first.weight
    model = torch.nn.Sequential(first, second, torch.nn.ModuleList([first, torch.nn.Embedding(2 * N, D)]))
    layers = nn.replace_embedding(model, 1200, **SMALL)
    assert model[0] is model[1] is model[2][0] is layers[0]
    assert model[2][1] is layers[1]
    assert [layer.budget for layer in layers] == [400, 800]  # by the numbers that each has
    assert layers[0].padding_idx == 2
    assert not layers[0](torch.tensor([2])).any()
    assert layers[1].padding_idx is None


def test_what_an_embedding_is_told_is_kept():
    model = torch.nn.Sequential(torch.nn.Embedding(N, D, padding_idx=-1, sparse=True, dtype=torch.float64)).eval()
    (layer,) = nn.replace_embedding(model, 0.5, **SMALL)
    assert layer.padding_idx == N - 1
    assert layer.transform.lazy
    assert layer.anchors.dtype == torch.float64
    assert not layer.training
    layer(torch.tensor([5])).sum().backward()
    assert layer.transform.weight.grad.is_sparse


@pytest.mark.parametrize("storage", ["dense", "slots"])
def test_copies_and_states(storage):
    torch.manual_seed(0)
    model = Model()
    layers = nn.replace_embedding(model, 0.5, storage=storage, **SMALL)
    train(model, layers, optimizer=nn.ProximalSGD(model, lr=0.5))
    twin = copy.deepcopy(model)
    assert twin.inner["output"].embedding is twin.words is not model.words
    saved = io.BytesIO()
    torch.save(model.state_dict(), saved)
    saved.seek(0)
    loaded = Model()
    nn.replace_embedding(loaded, 0.5, storage=storage, **SMALL)
    loaded.load_state_dict(torch.load(saved, weights_only=True))
    for other in (twin, loaded):
        assert torch.equal(other(ids_of(5)), model(ids_of(5)))
    assert len(list(model.parameters())) == (4 if storage == "dense" else 3)  # A and T once


def embedding(**options):
    return torch.nn.Embedding(N, D, **options)


class Scaled(torch.nn.Embedding):
    def forward(self, ids):
        return 2 * super().forward(ids)


class Named(torch.nn.Embedding):
    """More than its kind in name alone."""


class Owner(torch.nn.Module):
    def __init__(self, weight):
        super().__init__()
        self.table = weight


def hooked():
    part = embedding()
    part.register_forward_hook(lambda *_: None)
    return part


def shared(**options):
    parts = torch.nn.ModuleList([embedding(), embedding(**options)])
    parts[1].weight = parts[0].weight
    return parts


def with_owner():
    part = embedding()
    return torch.nn.ModuleDict({"words": part, "other": Owner(part.weight)})


def parametrized():
    part = embedding()
    torch.nn.utils.parametrizations.weight_norm(part)
    return part


def in_a_wrapper():
    model = torch.nn.parallel.DistributedDataParallel.__new__(torch.nn.parallel.DistributedDataParallel)
    torch.nn.Module.__init__(model)
    model.module = embedding()
    return model


REFUSED = {
    "max_norm": (lambda: embedding(max_norm=1.0), "0 has max_norm=1.0.*set it to None"),
    "scale_grad_by_freq": (
        lambda: embedding(scale_grad_by_freq=True),
        "0 has scale_grad_by_freq=True.*set it to False",
    ),
    "forward": (lambda: Scaled(N, D), "0 is a Scaled with a forward of its own"),
    "hooks": (hooked, "0 has hooks"),
    "frozen": (lambda: embedding().requires_grad_(requires_grad=False), "0 is frozen"),
    "meta": (lambda: embedding(device="meta"), "0 is on the meta device"),
    "padding": (lambda: shared(padding_idx=2), r"0.0, 0.1 share a weight, and differ in padding_idx"),
    "sparse": (lambda: shared(sparse=True), r"differ in padding_idx or sparse"),
    "owner": (with_owner, r"0.other.table is the weight of 0.words, in a Owner; expected"),
    "parametrized": (parametrized, "0 has a weight that is computed"),
    "small": (
        lambda: torch.nn.Embedding(99, D),
        r"model has 0 \(99 rows\); expected one of at least min_rows=100 rows",
    ),
    "none": (lambda: torch.nn.Linear(3, 3), "model has no embedding; expected one"),
    "wrapper": (in_a_wrapper, "DistributedDataParallel, which knows the old weights; expected the model inside"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_anchors_cannot_do_is_refused(name):
    make, message = REFUSED[name]
    model = torch.nn.Sequential(make())
    before = list(model.modules())
    with pytest.raises((ValueError, TypeError), match=message):
        nn.replace_embedding(model, 0.5, **SMALL)
    assert all(one is other for one, other in zip(before, model.modules(), strict=True))


def test_a_subclass_that_computes_alike_is_replaced():
    model = torch.nn.Sequential(Named(N, D))
    assert nn.replace_embedding(model, 0.5, **SMALL)[0] is model[0]


def test_budgets():
    make = lambda: torch.nn.Sequential(embedding(), torch.nn.Embedding(100, D))  # noqa: E731
    for budget in (0.0, 1.0, -0.5, float("nan"), np.float32(2)):
        with pytest.raises(ValueError, match="expected an int, or a part of 3200 numbers"):
            nn.replace_embedding(make(), budget, **SMALL)
    for budget in (0, 3200, 9999):
        with pytest.raises(ValueError, match=f"budget={budget}; expected between 1 and 3199: the embeddings"):
            nn.replace_embedding(make(), budget, **SMALL)
    for budget in ("much", None, True):
        with pytest.raises(TypeError, match="budget="):
            nn.replace_embedding(make(), budget, **SMALL)
    with pytest.raises(ValueError, match="budget=60 leaves 15 numbers to 1, of whose anchors the fewest take 16"):
        nn.replace_embedding(make(), 60, **SMALL)
    assert [layer.budget for layer in nn.replace_embedding(make(), np.int64(801), **SMALL)] == [600, 201]
    with pytest.raises(TypeError, match="model is Embedding; expected a torch module that holds"):
        nn.replace_embedding(embedding(), 0.5, **SMALL)
    with pytest.raises(ValueError, match="storage='sparse'; expected one of"):
        nn.replace_embedding(make(), 0.5, storage="sparse", **SMALL)


# ---- from vectors, and from tables


def low_rank(n=200, d=12, rank=4, seed=0):
    generator = np.random.default_rng(seed)
    return (generator.standard_normal((n, rank)) @ generator.standard_normal((rank, d))).astype(np.float32)


@pytest.mark.parametrize("storage", ["dense", "slots"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "int4"])
def test_a_layer_starts_as_a_table_is(storage, dtype):
    pytest.importorskip("numba")
    table = sv.ANT(n_anchors=20, nonzeros=3, n_rounds=1).compress(low_rank(), dtype=dtype)
    layer = nn.AnchorEmbedding.from_pretrained(table, n_parameters=400, padding_idx=-3, storage=storage)
    expected = table.lookup(range(200))
    expected[197] = 0
    assert np.allclose(layer.weight.detach().numpy(), expected, atol=1e-5)
    assert layer.count_nonzero() == table.transform.nnz - np.diff(table.transform.indptr)[197]
    assert (layer.budget, layer.nonnegative) == (400, True)
    assert np.allclose(layer.to_table().lookup(range(200)), expected, atol=1e-5)


def test_signs_of_a_table_are_kept():
    signed = sv.SparseTable(np.eye(3, 4), CsrParts((2, 3), np.array([0, 1, 2]), np.array([2, 0]), np.array([-1.0, 2])))
    layer = nn.AnchorEmbedding.from_pretrained(signed)
    assert not layer.nonnegative
    assert layer.budget is None
    assert np.array_equal(layer.weight.detach().numpy(), [[0, 0, -1, 0], [2, 0, 0, 0]])
    with pytest.raises(ValueError, match="nonnegative=True, and the table has entries below 0"):
        nn.AnchorEmbedding.from_pretrained(signed, nonnegative=True)
    with pytest.raises(ValueError, match="n_anchors=2; expected 3, which the table has"):
        nn.AnchorEmbedding.from_pretrained(signed, 2)


@pytest.mark.parametrize("nonnegative", [True, False])
def test_a_layer_starts_near_given_vectors(nonnegative):
    pytest.importorskip("numba")
    X = low_rank()
    given = [
        X,
        torch.from_numpy(X),
        torch.nn.Parameter(torch.from_numpy(X)),
        sv.Vectors([f"w{i}" for i in range(200)], X),
    ]
    layers = [
        nn.AnchorEmbedding.from_pretrained(one, n_parameters=1100, padding_idx=5, nonnegative=nonnegative)
        for one in given
    ]
    rows = layers[0].weight.detach().numpy()
    assert not rows[5].any()
    X[5] = 0
    assert np.linalg.norm(rows - X) < (0.35 if nonnegative else 0.02) * np.linalg.norm(X)
    assert (layers[0].transform.weight.min() >= 0) == nonnegative
    assert layers[0].n_parameters <= 1100
    assert layers[0].n_anchors == 12  # a third of the budget holds 30, and d is 12
    for layer in layers[1:]:
        assert torch.equal(layer.weight, layers[0].weight)
    few = nn.AnchorEmbedding.from_pretrained(X, 5, n_parameters=300)
    assert few.n_anchors == 5
    assert few.n_parameters <= 300


def test_what_no_layer_starts_from():
    start = nn.AnchorEmbedding.from_pretrained
    X = low_rank()
    with pytest.raises(ValueError, match="n_parameters is None, and vectors have no anchors yet"):
        start(X)
    with pytest.raises(ValueError, match="n_parameters=12; expected between 13 and 2400: 200 rows of 12"):
        start(X, n_parameters=12)
    with pytest.raises(ValueError, match="n_parameters=60; expected more, as 5 anchors of 12 numbers take 60"):
        start(X, 5, n_parameters=60)
    with pytest.raises(ValueError, match="padding_idx=200; expected between -200 and 199"):
        start(X, n_parameters=900, padding_idx=200)
    with pytest.raises(ValueError, match="given has shape"):
        start(X[0], n_parameters=900)
    with pytest.raises(TypeError, match="given is the text 'glove'"):
        start("glove", n_parameters=900)
    for others in ({"softmax": True}, {"anchors": X[:5]}, {"anchor_rows": [0, 1]}):
        with pytest.raises(TypeError, match="from_pretrained takes A and T from what is given; leave them out"):
            start(X, n_parameters=900, **others)
    X[7, 2] = np.nan
    with pytest.raises(ValueError, match="given holds NaN or infinity in row 7"):
        start(X, n_parameters=900)


# ---- models of transformers


@pytest.mark.parametrize("name", ["GPT2", "Bert", "T5"])
def test_models_of_transformers(name):
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    some = {"vocab_size": 6000}
    if name == "GPT2":
        config = transformers.GPT2Config(n_positions=16, n_embd=16, n_layer=1, n_head=2, **some)
        model, output = transformers.GPT2LMHeadModel(config), lambda model: model.lm_head
    elif name == "Bert":
        sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
        config = transformers.BertConfig(**sizes, **some)
        model, output = transformers.BertForMaskedLM(config), lambda model: model.cls.predictions.decoder
    else:
        sizes = {"d_model": 16, "d_kv": 8, "d_ff": 16, "num_layers": 1, "num_heads": 2, "decoder_start_token_id": 0}
        config = transformers.T5Config(**sizes, **some)
        model, output = transformers.T5ForConditionalGeneration(config), lambda model: model.lm_head
    layers = nn.replace_embedding(model, 0.25)
    assert len(layers) == 1
    assert model.get_input_embeddings() is layers[0]
    assert output(model).embedding is layers[0]
    optimizer = nn.ProximalAdam(model, lr=3e-3)
    budget = nn.ParameterBudget(layers, optimizer, n_steps=12)
    ids = torch.randint(1, 6000, (4, 8), generator=torch.Generator().manual_seed(1))
    losses = []
    for _ in range(12):
        optimizer.zero_grad()
        loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        optimizer.step()
        budget.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert 0.99 * 24000 <= layers[0].n_parameters <= 24000
    assert torch.equal(
        copy.deepcopy(model).eval()(input_ids=ids, labels=ids).logits, model.eval()(input_ids=ids, labels=ids).logits
    )
