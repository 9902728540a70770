"""The anchor layer: in nn.Embedding's place, and out of torch as a table."""

from __future__ import annotations

import copy
import io
import subprocess
import sys

import numpy as np
import pytest

from slimvec.sparse.product import CsrParts
from slimvec.sparse.training.slot_store import SlotStore

torch = pytest.importorskip("torch")
nn = pytest.importorskip("slimvec.nn")

STORES = [{"storage": "dense"}, {"storage": "dense", "sparse": True}, {"storage": "slots"}]


def dense(layer):
    T = layer.transform.to_csr()
    out = np.zeros(T.shape, np.float32)
    out[np.repeat(np.arange(T.shape[0]), np.diff(T.indptr)), T.indices] = T.data
    return out


@pytest.mark.parametrize("store", STORES, ids=str)
class TestInEveryStore:
    def test_rows_are_those_of_the_product_and_of_the_table(self, store):
        layer = nn.AnchorEmbedding(30, 5, 4, padding_idx=-1, **store)
        E = dense(layer) @ layer.anchors.detach().numpy()
        ids = torch.tensor([[3, 3, 29], [0, 7, 12]])
        assert np.allclose(layer(ids).detach().numpy(), E[ids.numpy()], atol=1e-6)
        assert layer(ids).shape == (2, 3, 5)
        assert not layer(ids)[0, 2].any()
        words = [f"w{i}" for i in range(30)]
        table = layer.to_table(words)
        assert np.allclose(table.lookup(["w7", 12]), E[[7, 12]], atol=1e-6)
        assert table.n_parameters == layer.n_parameters == 4 * 5 + np.count_nonzero(dense(layer))

    def test_bags_are_those_of_torch(self, store):
        bag = nn.AnchorEmbeddingBag(30, 5, 4, padding_idx=2, mode="mean", **store)
        E = torch.from_numpy(dense(bag)) @ bag.anchors.detach()
        flat, offsets = torch.tensor([1, 2, 2, 9, 1, 4]), torch.tensor([0, 3])
        plain = torch.nn.functional.embedding_bag(flat, E, offsets, mode="mean", padding_idx=2)
        assert torch.allclose(bag(flat, offsets), plain, atol=1e-6)
        assert torch.allclose(bag(flat.reshape(2, 3)), plain, atol=1e-6)

    def test_state_dict_copies_and_pickles(self, store):
        layer = nn.AnchorEmbedding(30, 5, 4, **store)
        optimizer = nn.ProximalSGD(layer, lr=0.1, l1=0.3)
        for _ in range(3):
            optimizer.zero_grad()
            layer(torch.tensor([1, 5])).sum().backward()
            optimizer.step()
        copied = copy.deepcopy(layer)
        other = nn.AnchorEmbedding(30, 5, 4, **store)
        buffer = io.BytesIO()
        torch.save(layer.state_dict(), buffer)
        buffer.seek(0)
        other.load_state_dict(torch.load(buffer))
        ids = torch.arange(30)
        assert torch.equal(layer(ids), other(ids))
        assert torch.equal(layer(ids), copied(ids))
        optimizer.zero_grad()
        copied(ids).sum().backward()  # a copy trains on its own
        assert all(value.grad is None for value in layer.parameters())
        if store["storage"] == "slots":
            assert layer.transform.take_gradient() is None
            assert len(copied.transform.take_gradient()[0]) == 30

    def test_tied_logits(self, store):
        layer = nn.AnchorEmbedding(30, 5, 4, **store)
        hidden = torch.randn(2, 3, 5, requires_grad=True)
        E = torch.from_numpy(dense(layer)) @ layer.anchors.detach()
        logits = layer.logits(hidden)
        assert torch.allclose(logits, hidden @ E.T, atol=1e-5)
        logits.square().sum().backward()
        assert torch.allclose(hidden.grad, 2 * (hidden.detach() @ E.T) @ E, rtol=1e-4, atol=1e-4)

    def test_sampled_softmax_learns_what_the_full_one_does(self, store):
        torch.manual_seed(0)
        layer = nn.AnchorEmbedding(30, 5, 4, **store)
        optimizer = nn.ProximalSGD(layer, lr=0.2)
        hidden, targets = torch.eye(3, 5) * 3, torch.tensor([4, 0, 17])
        for _ in range(300):
            optimizer.zero_grad()
            layer.sampled_softmax_loss(hidden, targets, 20).backward()
            optimizer.step()
        assert layer.logits(hidden).argmax(dim=1).tolist() == targets.tolist()

    def test_padding_stays_zero(self, store):
        layer = nn.AnchorEmbedding(10, 3, 4, padding_idx=0, **store)
        optimizer = nn.ProximalSGD(layer, lr=0.1, l1=0.01)
        for _ in range(5):
            optimizer.zero_grad()
            (layer(torch.tensor([0, 1])) - 1).square().sum().backward()
            optimizer.step()
        assert not layer(torch.tensor([0])).any()

    @pytest.mark.parametrize("of_all", [lambda layer, h: layer.logits(h), lambda layer, h: h @ layer.weight.T])
    def test_padding_stays_zero_where_all_rows_are_read(self, store, of_all):
        layer = nn.AnchorEmbedding(10, 3, 4, padding_idx=2, nonnegative=False, **store)
        optimizer = nn.ProximalSGD(layer, lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            scores = of_all(layer, layer(torch.tensor([0, 1, 2])))
            torch.nn.functional.cross_entropy(scores, torch.tensor([2, 1, 2])).backward()
            optimizer.step()
        assert not dense(layer)[2].any()
        assert not layer.to_table().lookup([2]).any()


OPTIMIZERS = {
    "sgd": lambda model: nn.ProximalSGD(model, lr=0.01, l1=0.1),
    "sgd, L2": lambda model: nn.ProximalSGD(model, lr=0.01, l1=0.1, l2=0.01),
    "adagrad": lambda model: nn.ProximalAdagrad(model, lr=0.05, l1=0.02, rowwise=True),
    "adagrad, plain": lambda model: nn.ProximalAdagrad(model, lr=0.05, l1=5e-3, rowwise=True, metric="plain"),
}


@pytest.mark.parametrize("case", OPTIMIZERS)
@pytest.mark.parametrize("nonnegative", [True, False])
def test_slots_equal_a_dense_transform(case, nonnegative):
    """Over random gradients and fixed anchors: otherwise rounding in one feeds back through the other.

    Trained together on a loss, the two float32 transforms were 2e-6 apart after 100 steps, the dense one 3e-6 from
    float64 and the slots 2e-6.
    """
    torch.manual_seed(0)
    generator = np.random.default_rng(0)
    relations = [(3, 8), (20, 1), (30, 3)]
    layers = [
        nn.AnchorEmbedding(
            40, 6, anchor_rows=range(1, 11), relations=relations, nonnegative=nonnegative, storage=storage, sparse=True
        )
        for storage in ("slots", "dense")
    ]
    with torch.no_grad():
        layers[1].anchors.copy_(layers[0].anchors)
        layers[1].transform.weight.copy_(torch.from_numpy(dense(layers[0])))
    optimizers = [OPTIMIZERS[case](layer) for layer in layers]
    for optimizer in optimizers:
        optimizer.param_groups[0]["lr"] = 0.0
    # Thresholding and then dividing by 1 + ημ rounds twice in a dense float32 transform, and the same way every time.
    tolerance = 2e-6 if "L2" in case else 1e-6
    born = died = 0
    before = dense(layers[0]) != 0
    for step in range(100):
        ids = torch.from_numpy(generator.integers(40, size=8))
        directions = torch.from_numpy(generator.standard_normal((8, 6), np.float32))
        for layer, optimizer in zip(layers, optimizers, strict=True):
            optimizer.zero_grad()
            (layer(ids) * directions).sum().backward()
            optimizer.step()
        assert torch.allclose(layers[0].anchors.grad, layers[1].anchors.grad, rtol=1e-5, atol=1e-5)
        if step % 10 < 9:
            continue  # looking brings all rows up to date
        slots, twin = dense(layers[0]), dense(layers[1])
        assert np.abs(slots - twin).max() <= tolerance
        born, died = born + int((~before & (slots != 0)).sum()), died + int((before & (slots == 0)).sum())
        before = slots != 0
    assert min(born, died) > 20  # entries came and went


def test_the_softmax_over_slots_is_that_over_a_dense_transform():
    torch.manual_seed(0)
    generator = np.random.default_rng(0)
    slots, twin = (nn.AnchorEmbedding(60, 6, 8, storage=storage) for storage in ("slots", "dense"))
    with torch.no_grad():
        twin.anchors.copy_(slots.anchors)
        twin.transform.weight.copy_(torch.from_numpy(dense(slots)))
    optimizers = [nn.ProximalSGD(layer, lr=0.1, l1=0.05) for layer in (slots, twin)]
    screened = []
    step_output = slots.transform.store.step_output
    slots.transform.store.step_output = lambda *arguments, **options: screened.append(
        step_output(*arguments, **options)
    )
    for _ in range(100):
        ids, targets = torch.from_numpy(generator.integers(60, size=(2, 4)))
        for layer, optimizer in zip((slots, twin), optimizers, strict=True):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(layer.logits(layer(ids)), targets).backward()
            optimizer.step()
        assert np.abs(dense(slots) - dense(twin)).max() <= 1e-6
    assert 0 < np.mean(screened) < 40  # of 60 rows: screening leaves some out, never all


@pytest.mark.parametrize("store", STORES)
def test_zero_grad_drops_what_a_loss_left(store):
    layer = nn.AnchorEmbedding(60, 6, 8, **store)
    before, anchors = dense(layer), layer.anchors.detach().clone()
    optimizer = nn.ProximalSGD(layer, lr=0.1)
    (layer.logits(torch.randn(3, 6)).square().sum() + layer(torch.tensor([1, 2])).square().sum()).backward()
    optimizer.zero_grad()
    optimizer.step()
    assert np.array_equal(dense(layer), before)
    assert torch.equal(layer.anchors, anchors)


def test_store_moves_rows_that_outgrow_their_room():
    generator = np.random.default_rng(0)
    store = SlotStore(CsrParts((50, 20), np.zeros(51, np.int64), np.empty(0), np.empty(0)), nonnegative=False)
    T, rows = np.zeros((50, 20), np.float32), np.arange(50)
    for step in range(60):
        some = np.sort(generator.choice(50, 10, replace=False))
        gradient = generator.standard_normal((10, 20)).astype(np.float32)
        threshold = np.full(10, 0.5 if step % 2 else 2.0)
        store.step(some, gradient, np.ones(10), threshold)
        moved = T[some] - gradient
        T[some] = np.sign(moved) * np.maximum(np.abs(moved) - threshold[:, None].astype(np.float32), 0)
        assert np.array_equal(store.read(rows), T)
    assert store.nnz == np.count_nonzero(T)
    assert store.nbytes < 50_000


@pytest.mark.parametrize(("k", "dtype"), [(1, "float32"), (8, "float64"), (5, "bfloat16"), (8, "float16")])
def test_as_many_anchors_as_columns_start_at_right_angles(k, dtype):
    torch.manual_seed(0)
    anchors = nn.AnchorEmbedding(20, 8, k, dtype=getattr(torch, dtype)).anchors
    assert anchors.dtype == getattr(torch, dtype)
    assert anchors.is_contiguous()
    assert torch.allclose((anchors @ anchors.T).double(), 8 * torch.eye(k).double(), atol=0.2 if k > 1 else 1e-4)
    torch.manual_seed(1)
    assert not torch.equal(anchors, nn.AnchorEmbedding(20, 8, k, dtype=getattr(torch, dtype)).anchors)  # random ones


def test_more_anchors_than_columns_start_as_drawn_and_given_ones_as_given():
    torch.manual_seed(0)
    drawn = torch.randn(9, 8)
    torch.manual_seed(0)
    assert torch.equal(nn.AnchorEmbedding(20, 8, 9).anchors, drawn)
    assert torch.equal(nn.AnchorEmbedding(20, 8, anchors=drawn[:4].numpy()).anchors, drawn[:4])


@pytest.mark.parametrize("store", STORES, ids=str)
def test_a_step_without_a_gradient_is_none(store):
    layer = nn.AnchorEmbedding(10, 3, 4, **store)
    optimizer = nn.ProximalSGD(layer, lr=0.1, l1=1.0)
    (layer(torch.tensor([1])) * 0).sum().backward()
    optimizer.step()
    after_one = layer.to_table().lookup(range(10))
    optimizer.zero_grad()
    optimizer.step()
    assert np.array_equal(layer.to_table().lookup(range(10)), after_one)


def test_slots_in_autocast_and_moved_to_other_numbers():
    layer = nn.AnchorEmbedding(10, 4, 3, storage="slots")
    with torch.autocast("cpu", torch.bfloat16):
        scores = layer.logits(layer(torch.tensor([1, 2])))
    scores.square().sum().backward()
    assert layer.anchors.grad.any()
    with pytest.raises(TypeError, match=r"moved to torch.bfloat16, cpu; expected float32 on"):
        layer.bfloat16()(torch.tensor([1]))


@pytest.mark.parametrize(
    ("part", "damage"),
    [
        ("indptr", lambda part: part.index_fill(0, torch.tensor(3), -100_000)),
        ("data", lambda part: part[:-1]),
        ("indices", lambda part: part.index_fill(0, torch.tensor(0), -1)),
    ],
)
def test_damaged_slots_are_refused(part, damage):
    layer = nn.AnchorEmbedding(10, 4, 3, storage="slots")
    state = layer.state_dict()
    state[f"transform.{part}"] = damage(state[f"transform.{part}"])
    with pytest.raises(RuntimeError, match=r"does not fit indices and data: it is damaged"):
        layer.load_state_dict(state)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_a_mixture_of_other_numbers_leaves_as_a_table(dtype):
    layer = nn.AnchorMixture(20, 4, [3, 5], dtype=dtype)
    expected = layer(torch.arange(20)).detach().float().numpy()
    assert np.allclose(layer.to_table().lookup(range(20)), expected, atol=2e-2)


def test_mixture():
    torch.manual_seed(0)
    layer = nn.AnchorMixture(20, 4, [3, 5])
    optimizer = nn.ProximalSGD(layer, lr=0.1, l1=0.1)
    for _ in range(20):
        optimizer.zero_grad()
        layer(torch.arange(20)).square().sum().backward()
        optimizer.step()
    expected = sum(
        torch.softmax(part.transform.weight, dim=1) @ part.anchors for part in layer.components
    ).detach().numpy()  # fmt: skip
    assert layer.count_nonzero() < 20 * 8
    assert np.allclose(layer.to_table().lookup(range(20)), expected, atol=1e-5)


def test_anchors_from_vectors_relations_and_losses():
    X = np.random.default_rng(0).standard_normal((12, 4))
    layer = nn.AnchorEmbedding.from_vectors(X, 3, relations=[(0, 1)])
    chosen = layer.anchor_rows.numpy()
    assert np.allclose(layer(torch.from_numpy(chosen)).detach().numpy(), X[chosen], atol=1e-6)
    assert layer.to_table([f"w{i}" for i in range(12)]).anchor_words == tuple(f"w{i}" for i in chosen)
    A = layer.anchors.detach().numpy()
    assert np.isclose(layer.orthogonality_loss().item(), np.abs(A @ A.T)[~np.eye(3, dtype=bool)].sum(), rtol=1e-5)
    T = dense(layer)
    assert np.isclose(layer.negative_loss(torch.tensor([[5, 6], [6, 7]])).item(), T[5] @ T[6] + T[6] @ T[7], rtol=1e-5)


def test_refusals():
    with pytest.raises(ValueError, match=r"expected one number"):
        nn.AnchorEmbedding(10, 3, 2, anchors=np.ones((4, 3)))
    with pytest.raises(ValueError, match=r"storage='sparse'"):
        nn.AnchorEmbedding(10, 3, 2, storage="sparse")
    with pytest.raises(ValueError, match=r"expected anchor_rows"):
        nn.AnchorEmbedding(10, 3, 2, relations=[(0, 1)])
    with pytest.raises(ValueError, match=r"anchor_rows repeats"):
        nn.AnchorEmbedding(10, 3, anchor_rows=[1, 1])
    for odd, error in ((0, ValueError), (2.5, TypeError)):
        with pytest.raises(error, match=rf"nonzeros={odd}"):
            nn.AnchorEmbedding(10, 3, 2, storage="slots", nonzeros=odd)
    with pytest.raises(ValueError, match=r"n_anchors=0; expected at least 1"):
        nn.AnchorMixture(10, 3, [0, 0], n_parameters=40)
    with pytest.raises(TypeError, match=r"n_parameters=40.5 is not an integer"):
        nn.AnchorMixture(10, 3, [2, 2], n_parameters=40.5)
    for odd in ([(1, 2, 3), (4, 5, 6)], [(1, 2, 3)], [(1.7, 2)], [("a", "b")], [3]):
        with pytest.raises(TypeError, match=r"relations holds .*; expected pairs of row numbers"):
            nn.AnchorEmbedding(10, 3, anchor_rows=[1, 2], relations=odd)
    spoilt = np.where(np.arange(30).reshape(10, 3) == 7, np.nan, 1.0)
    with pytest.raises(ValueError, match=r"anchors holds NaN or infinity in row 2"):
        nn.AnchorEmbedding(10, 3, anchors=spoilt[:3])
    with pytest.raises(ValueError, match=r"vectors holds NaN or infinity in row 2"):
        nn.AnchorEmbedding.from_vectors(spoilt, 3)
    layer = nn.AnchorEmbedding(10, 3, 2, storage="slots")
    optimizer = nn.ProximalAdam(layer)
    layer(torch.tensor([1])).sum().backward()
    with pytest.raises(ValueError, match=r"keeps state per entry"):
        optimizer.step()


def test_without_torch():
    code = "import sys; sys.modules['torch'] = None; import slimvec; import slimvec.nn"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "slimvec[torch]" in done.stderr


@pytest.mark.parametrize("kind", [nn.AnchorEmbedding, nn.AnchorEmbeddingBag])
@pytest.mark.parametrize("storage", ["dense", "slots"])
def test_rows_that_a_layer_does_not_have(storage, kind):
    layer = kind(10, 3, 2, storage=storage)
    for bad in (10, -1, 10**9):
        with pytest.raises(IndexError):
            layer(torch.tensor([[3, bad]]))
    for dtype in (torch.float32, torch.bool):
        with pytest.raises(TypeError, match="ids has dtype torch.*; expected integers"):
            layer(torch.ones(1, 2, dtype=dtype))
