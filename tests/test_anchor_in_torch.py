"""What torch does to modules: gradients are exact, and compiled, copied, replicated or saved layers are the same."""

from __future__ import annotations

import copy
import io

import pytest

torch = pytest.importorskip("torch")
nn = pytest.importorskip("slimvec.nn")

STORES = [{"storage": "dense"}, {"storage": "dense", "sparse": True}, {"storage": "slots"}]
EVERYTHING = torch.arange(30)


def classifier(**options):
    return torch.nn.Sequential(nn.AnchorEmbedding(30, 5, 4, **options), torch.nn.Linear(5, 3))


def train(model, called, optimizer, seed, n=10):
    """Take steps; ``called`` is the model or what stands for it."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(n):
        ids = torch.randint(30, (6,), generator=generator)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(called(ids), ids % 3).backward()
        optimizer.step()
    return model(EVERYTHING).detach()


# ---- gradients


def in_float64(kind, *arguments, **options):
    torch.manual_seed(0)
    return kind(*arguments, dtype=torch.float64, **options)


LAYERS = {
    "embedding": lambda: in_float64(nn.AnchorEmbedding, 6, 3, 4),
    "softmax": lambda: in_float64(nn.AnchorEmbedding, 6, 3, 4, softmax=True),
    "both signs": lambda: in_float64(nn.AnchorEmbedding, 6, 3, 4, nonnegative=False),
    "padding": lambda: in_float64(nn.AnchorEmbedding, 6, 3, 4, padding_idx=3),
    "bag": lambda: in_float64(nn.AnchorEmbeddingBag, 6, 3, 4),
    "bag of sums": lambda: in_float64(nn.AnchorEmbeddingBag, 6, 3, 4, mode="sum", padding_idx=3),
    "bag of maxima": lambda: in_float64(nn.AnchorEmbeddingBag, 6, 3, 4, mode="max"),
    "mixture": lambda: in_float64(nn.AnchorMixture, 6, 3, [2, 4]),
}


def check_gradients(layer, call):
    """``call(layer)`` against finite differences in all its parameters."""
    names, parameters = zip(*layer.named_parameters(), strict=True)

    class Called(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = layer

        def forward(self):
            return call(self.layer)

    def function(*values):
        named = {f"layer.{name}": value for name, value in zip(names, values, strict=True)}
        return torch.func.functional_call(Called(), named, ())

    assert torch.autograd.gradcheck(function, [value.detach().clone().requires_grad_() for value in parameters])


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_gradients_of_rows(make):
    check_gradients(make(), lambda layer: layer(torch.tensor([[0, 3], [3, 5]])))


@pytest.mark.parametrize("kind", ["embedding", "softmax", "both signs"])
@pytest.mark.parametrize("n_hidden", [2, 9])  # fewer than columns, and more: T (A h), and (T A) h
def test_gradients_of_a_tied_output(kind, n_hidden):
    hidden = torch.randn(n_hidden, 3, dtype=torch.float64, requires_grad=True)
    layer = LAYERS[kind]()
    check_gradients(layer, lambda layer: layer.logits(layer(torch.tensor([[0, 3], [3, 5]])) + hidden[:2, None]))
    assert torch.autograd.gradcheck(layer.logits, [hidden])


@pytest.mark.parametrize("kind", ["embedding", "softmax", "both signs"])
def test_gradients_of_all_rows_and_of_losses(kind):
    layer = LAYERS[kind]()
    check_gradients(layer, lambda layer: layer.weight)
    check_gradients(layer, lambda layer: layer.orthogonality_loss())
    check_gradients(layer, lambda layer: layer.negative_loss(torch.tensor([[0, 1], [4, 1]])))


@pytest.mark.parametrize("store", STORES, ids=str)
def test_all_rows(store):
    layer = nn.AnchorEmbedding(30, 5, 4, padding_idx=2, **store)
    assert torch.allclose(layer.weight, layer(EVERYTHING), atol=1e-6)
    assert not layer.weight[2].any()


# ---- compiled


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # torch's compiler looks at it while tracing
@pytest.mark.parametrize("store", STORES, ids=str)
@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_a_compiled_model_trains_as_it_does_without(store, backend):
    torch.manual_seed(0)
    model = classifier(**store)
    twin = copy.deepcopy(model)
    torch.compiler.reset()
    compiled = torch.compile(twin, backend=backend)
    make = lambda each: nn.ProximalAdagrad(each, lr=0.1, l1=0.02, rowwise=True)  # noqa: E731
    plain = train(model, model, make(model), seed=1)
    assert torch.allclose(train(twin, compiled, make(twin), seed=1), plain, rtol=1e-5, atol=1e-6)
    assert 0 < model[0].count_nonzero() == twin[0].count_nonzero() < 120
    assert torch.allclose(compiled(EVERYTHING), plain, rtol=1e-5, atol=1e-6)


@pytest.mark.filterwarnings("ignore:The .grad attribute")
def test_compiled_logits():
    torch.manual_seed(0)
    for store in STORES:
        layer, hidden = nn.AnchorEmbedding(30, 5, 4, **store), torch.randn(3, 5)
        torch.compiler.reset()
        logits = torch.compile(layer.logits, backend="eager")(hidden)
        assert torch.allclose(logits, hidden @ layer.weight.T, atol=1e-5)


# ---- copied and replicated


@pytest.mark.parametrize("store", STORES, ids=str)
def test_a_copy_made_while_rows_wait_is_up_to_date_and_goes_its_own_way(store):
    model = classifier(**store)
    optimizer = nn.ProximalSGD(model, lr=0.1, l1=0.02)
    train(model, model, optimizer, seed=1)
    optimizer.zero_grad()
    model(torch.tensor([1])).sum().backward()
    optimizer.step()  # rows wait again
    twin = copy.deepcopy(model)
    before = twin(EVERYTHING).detach()
    assert torch.equal(before, model(EVERYTHING).detach())
    train(model, model, optimizer, seed=2)
    assert torch.equal(before, twin(EVERYTHING).detach())
    later = nn.ProximalSGD(twin, lr=0.1, l1=0.02)
    train(twin, twin, later, seed=2)
    assert torch.allclose(twin(EVERYTHING), model(EVERYTHING), rtol=1e-5, atol=1e-6)


def replica(module):
    """One of ``torch.nn.DataParallel``'s replicas, on the CPU: the same steps as ``torch.nn.parallel.replicate``."""
    made = module._replicate_for_data_parallel()
    for name, child in module.named_children():
        setattr(made, name, replica(child))
    for name, value in module.named_parameters(recurse=False):
        made._parameters.pop(name, None)
        object.__setattr__(made, name, value.clone())  # not a leaf: gradients flow to the original
    return made


def test_replicas_give_the_rows_and_gradients_of_the_original():
    model = classifier()
    optimizer = nn.ProximalSGD(model, lr=0.1, l1=0.02)
    train(model, model, optimizer, seed=1)
    ids = torch.tensor([3, 4, 4, 9])
    optimizer.zero_grad()
    expected = model(ids)
    expected.sum().backward()
    gradients = [value.grad.clone() for value in model.parameters()]
    optimizer.zero_grad()
    parts = [replica(model)(half) for half in ids.chunk(2)]
    assert torch.allclose(torch.cat(parts), expected, atol=1e-6)
    torch.cat(parts).sum().backward()
    for value, gradient in zip(model.parameters(), gradients, strict=True):
        assert torch.allclose(value.grad, gradient, atol=1e-6)


@pytest.mark.parametrize("store", STORES[1:], ids=str)
def test_replicas_of_rows_that_wait_are_refused(store):
    model = classifier(**store)
    optimizer = nn.ProximalSGD(model, lr=0.1, l1=0.02)
    train(model, model, optimizer, seed=1)
    with pytest.raises(RuntimeError, match=r"sparse=False"):
        replica(model)
    model.eval()  # brings all rows up to date
    assert torch.allclose(replica(model)(EVERYTHING), model(EVERYTHING), atol=1e-6)


# ---- saved


@pytest.mark.parametrize("store", STORES, ids=str)
@pytest.mark.parametrize("make", [
    lambda model: nn.ProximalSGD(model, lr=0.1, l1=0.02),
    lambda model: nn.ProximalAdagrad(model, lr=0.1, l1=0.02, rowwise=True),
], ids=["sgd", "adagrad"])  # fmt: skip
def test_training_goes_on_from_a_file(store, make):
    torch.manual_seed(0)
    model = classifier(padding_idx=4, **store)
    optimizer = make(model)
    train(model, model, optimizer, seed=1)
    buffer = io.BytesIO()
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, buffer)
    buffer.seek(0)
    saved = torch.load(buffer, weights_only=True)  # no pickled objects
    twin = classifier(padding_idx=4, **store)
    later = make(twin)
    twin.load_state_dict(saved["model"])
    later.load_state_dict(saved["optimizer"])
    assert torch.equal(twin(EVERYTHING), model(EVERYTHING))
    assert torch.allclose(
        train(twin, twin, later, seed=2), train(model, model, optimizer, seed=2), rtol=1e-5, atol=1e-6
    )
    assert twin[0].count_nonzero() == model[0].count_nonzero() < 120
