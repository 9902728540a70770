"""Training with anchors without torch: a slow twin that takes every step, gradients, and the classifier around it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import slimvec as sv

pytest.importorskip("numba")
pytest.importorskip("scipy")
from scipy.sparse import csr_array

from slimvec.sparse.text.bags import Bags, learn_words, read_texts, without_unknown
from slimvec.sparse.text.first_entries import first_entries
from slimvec.sparse.text.learnt import KnownWords
from slimvec.sparse.text.model import INITIAL, TextModel
from slimvec.sparse.training.slot_store import SlotStore

N, K, D, CLASSES = 12, 4, 3, 3


class Literal:
    """The same model with a dense T, every step taken in every row: the slow, obvious twin."""

    def __init__(self, model, free, *, nonnegative):
        self.T = model.store.read(np.arange(N))
        self.A, self.W, self.b = model.anchors.copy(), model.weights.copy(), model.intercept.copy()
        self.S, self.l1, self.nonnegative = np.ones((N, K)), model.l1, nonnegative
        self.S[tuple(free.T)] = 0
        self.v, self.dense_v = np.zeros(N), [np.full_like(part, INITIAL) for part in (self.A, self.W, self.b)]

    def gradients(self, X, y):
        means = X @ self.T @ self.A
        odds = np.exp(means @ self.W + self.b)
        G = (odds / odds.sum(axis=1, keepdims=True) - np.eye(CLASSES)[y]) / len(y)
        by_means = G @ self.W.T
        return X.T @ by_means @ self.A.T, (X @ self.T).T @ by_means, means.T @ G, G.sum(axis=0)

    def loss(self, X, y):
        logits = X @ self.T @ self.A @ self.W + self.b
        return np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(y)), y])

    def step(self, X, y, lr, births):
        by_T, *by_dense = self.gradients(X, y)
        self.v += (by_T**2).mean(axis=1)
        scale = np.array([1 / np.sqrt(v) if v > 0 else 0 for v in self.v])[:, None]
        moved = self.T - lr * scale * by_T
        threshold = lr * scale * self.l1 * self.S
        shrunk = np.maximum(moved - threshold, 0)
        if not self.nonnegative:
            shrunk -= np.maximum(-moved - threshold, 0)
        self.T = shrunk * (self.T != 0) if not births else shrunk
        for part, v, gradient in zip((self.A, self.W, self.b), self.dense_v, by_dense, strict=True):
            v[...] = v + gradient**2
            part[...] = part - lr * gradient / np.sqrt(v)


def random_bags(generator, n, n_rows=N):
    sizes = generator.integers(0, 6, n)
    return Bags(generator.integers(0, n_rows, sizes.sum()), sizes, N, np.float64)


def dense(bags):
    X = np.zeros((len(bags), N))
    X[np.repeat(np.arange(len(bags)), np.diff(bags.offsets)), bags.rows] = bags.weights
    return X


def make_model(generator, l1, *, nonnegative=True, related=False):
    free = np.array([[0, 1], [0, 3], [5, 0], [7, 2]] if related else np.empty((0, 2), np.int64))
    entries = first_entries((N, K), np.array([7, 0, 3, 9]))
    store = SlotStore(entries, free, nonnegative=nonnegative, dtype=np.float64)
    return TextModel(store, generator.standard_normal((K, D)), CLASSES, generator, l1), free


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    l1=st.sampled_from([0.0, 0.001, 0.01, 0.05]),
    nonnegative=st.booleans(),
    related=st.booleans(),
    n_steps=st.integers(1, 40),
)
def test_lazy_steps_on_the_non_zeros_are_those_of_a_dense_transform(seed, l1, nonnegative, related, n_steps):
    generator = np.random.default_rng(seed)
    model, free = make_model(generator, l1, nonnegative=nonnegative, related=related)
    twin = Literal(model, free, nonnegative=nonnegative)
    for number in range(n_steps):
        bags, lr, births = random_bags(generator, 3), float(generator.uniform(0, 0.3)), number < 0.8 * n_steps
        y = generator.integers(0, CLASSES, 3)
        model.step(bags, y, lr, births=births)
        twin.step(dense(bags), y, lr, births)
    model.settle()
    close = {"rtol": 1e-10, "atol": 1e-12}
    assert np.allclose(model.store.read(np.arange(N)), twin.T, **close)
    assert np.allclose(model.anchors, twin.A, **close)
    assert np.allclose(model.weights, twin.W, **close)
    assert np.allclose(model.intercept, twin.b, **close)


def test_an_epoch_is_that_of_the_twin():
    generator = np.random.default_rng(0)
    model, free = make_model(generator, 0.003)
    twin = Literal(model, free, nonnegative=True)
    bags, y = random_bags(generator, 20), generator.integers(0, CLASSES, 20)
    done = []
    model.train(
        bags, y, n_epochs=2, batch_size=8, lr=0.2, generator=np.random.default_rng(1),
        progress=lambda stage, count, total: done.append((stage, count, total)),
    )  # fmt: skip
    generator, number, X = np.random.default_rng(1), 0, dense(bags)
    for _ in range(2):
        order = generator.permutation(20)
        for first in (0, 8, 16):
            some = order[first : first + 8]
            twin.step(X[some], y[some], 0.2 * (1 - number / 6), number <= 4)
            number += 1
    assert np.allclose(model.store.read(np.arange(N)), twin.T, rtol=1e-12, atol=1e-12)
    assert np.isclose(model.loss(bags, y), twin.loss(X, y), rtol=1e-12)
    assert done == [("training", count, 6) for count in range(1, 7)]


def test_rows_that_wait_are_behind_until_they_are_read():
    """Not vacuous: before they are settled, stored rows differ from those that took every step."""
    generator = np.random.default_rng(0)
    model, _ = make_model(generator, 0.05)
    both = Bags(np.array([0, 7]), np.array([2]), N, np.float64)
    model.step(both, np.array([0]), 0.01)
    before = model.store.read(np.array([7]))
    for _ in range(20):
        model.step(Bags(np.array([0]), np.array([1]), N, np.float64), np.array([0]), 0.1)
    assert np.array_equal(model.store.read(np.array([7])), before)
    model.settle(np.array([7]))
    assert model.store.read(np.array([7])).sum() < before.sum()


def test_gradients_are_the_slopes_of_the_loss():
    generator = np.random.default_rng(0)
    model, free = make_model(generator, 0.0)
    bags, y = random_bags(generator, 7), generator.integers(0, CLASSES, 7)
    for _ in range(5):
        model.step(bags, y, 0.1)
    twin = Literal(model, free, nonnegative=True)
    X, h = dense(bags), 1e-6

    def slopes(values):
        out = np.empty_like(values)
        for place in np.ndindex(values.shape):
            kept = values[place]
            values[place] = kept + h
            up = twin.loss(X, y)
            values[place] = kept - h
            out[place] = (up - twin.loss(X, y)) / (2 * h)
            values[place] = kept
        return out

    rows, by_rows, by_dense = model.gradients(bags, y)
    by_T = np.zeros((N, K))
    by_T[rows] = by_rows
    for found, values in zip((by_T, *by_dense), (twin.T, twin.A, twin.W, twin.b), strict=True):
        assert np.abs(found).max() > 1e-3
        assert np.allclose(found, slopes(values), atol=1e-8)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**31), nonnegative=st.booleans(), related=st.booleans())
def test_entries_are_born_when_their_gradient_exceeds_the_penalty(seed, nonnegative, related):
    generator = np.random.default_rng(seed)
    model, free = make_model(generator, 0.02, nonnegative=nonnegative, related=related)
    penalty = np.full((N, K), 0.02)
    penalty[tuple(free.T)] = 0
    bags, y = random_bags(generator, 5), generator.integers(0, CLASSES, 5)
    rows, gradient, _ = model.gradients(bags, y)
    zero = model.store.read(rows) == 0
    model.step(bags, y, 0.1)
    outweighs = -gradient > penalty[rows] if nonnegative else np.abs(gradient) > penalty[rows]
    assert np.array_equal((model.store.read(rows) != 0)[zero], outweighs[zero])


def test_words_and_bags():
    texts = ["The cat, the CAT and I.", ["the", "I", "Zoë"], "", "zoë and Zoë2"]
    words, flat, sizes = learn_words(texts, 2)
    assert words == ["the", "cat", "and"]
    assert flat.tolist() == [0, 1, 0, 1, 2, 0, 2]
    assert sizes.tolist() == [5, 1, 0, 1]
    bags = Bags(flat, sizes, 3)
    assert [part.tolist() for part in (bags.offsets, bags.rows)] == [[0, 3, 4, 4, 5], [0, 1, 2, 0, 2]]
    assert np.allclose(bags.weights, [0.4, 0.4, 0.2, 1, 1])
    some = bags.take(np.array([3, 0, 2]))
    assert [part.tolist() for part in (some.offsets, some.rows)] == [[0, 1, 4, 4], [2, 0, 1, 2]]
    known = KnownWords(sv.SparseTable(np.eye(1, 2), csr_array((3, 1)), ["the", "cat", "and"]).vocabulary)
    flat, sizes = without_unknown(*read_texts(["and the", ["dogs", 7]], known.__getitem__))
    assert (flat.tolist(), sizes.tolist()) == ([2, 0], [2, 0])


TOPICS = {
    "sea": "ship sail wave salt crew deck",
    "kitchen": "salt pan stove bread flour oven",
    "sky": "star moon cloud",
}


def corpus(n=300, seed=0):
    generator = np.random.default_rng(seed)
    noise = [f"word{i}" for i in range(200)]
    labels = [str(label) for label in generator.choice(list(TOPICS), n)]
    texts = [
        " ".join([*generator.choice(TOPICS[label].split(), 3), *generator.choice(noise, 8)]) for label in labels
    ]  # fmt: skip
    return texts, labels


@pytest.fixture(scope="module")
def fitted():
    return sv.TextClassifier(n_anchors=6, embedding_dim=8, l1=1e-3).fit(*corpus())


class TestClassifier:
    def test_it_learns_and_zeros_what_says_nothing(self, fitted):
        assert fitted.score(*corpus(seed=1)) > 0.95
        table = fitted.to_table()
        T = table.transform
        noise = [row for row, word in enumerate(table.words) if word.startswith("word")]
        telling = [row for row, word in enumerate(table.words) if not word.startswith("word")]
        assert T[telling].nnz / len(telling) > 3 * T[noise].nnz / len(noise)
        assert fitted.n_parameters_ == 6 * 8 + T.nnz
        assert T.data.min() > 0
        assert fitted.classes_.tolist() == sorted(TOPICS)

    def test_more_penalty_fewer_entries(self):
        counts = [sv.TextClassifier(6, 8, l1).fit(*corpus()).n_parameters_ for l1 in (0.0, 1e-4, 1e-3)]
        assert counts[0] > counts[1] > counts[2]

    def test_probabilities_are_the_softmax_of_the_mean(self, fitted):
        table = fitted.to_table()
        texts = ["ship salt", "ship ship unheard-of salt", "", ["ship"], "unheard"]
        expected = []
        for bag in (["ship", "salt"], ["ship", "ship", "salt"], [], ["ship"], []):
            mean = table.lookup(bag).mean(axis=0) if bag else np.zeros(8)
            odds = np.exp(fitted.coef_ @ mean + fitted.intercept_)
            expected.append(odds / odds.sum())
        found = fitted.predict_proba(texts)
        assert np.allclose(found, expected, atol=1e-6)
        assert fitted.predict(texts).tolist() == [fitted.classes_[np.argmax(row)] for row in expected]
        assert fitted.predict_proba([]).shape == (0, 3)

    def test_the_same_seed_gives_the_same_model(self, fitted):
        again = sv.TextClassifier(n_anchors=6, embedding_dim=8, l1=1e-3).fit(*corpus())
        assert np.array_equal(again.coef_, fitted.coef_)
        assert (again.to_table().transform != fitted.to_table().transform).nnz == 0
        other = sv.TextClassifier(n_anchors=6, embedding_dim=8, l1=1e-3, random_state=1).fit(*corpus())
        assert not np.array_equal(other.coef_, fitted.coef_)

    def test_integer_labels(self):
        texts, labels = corpus()
        numbers = [sorted(TOPICS).index(label) - 1 for label in labels]
        model = sv.TextClassifier(6, 8).fit(texts, numbers)
        assert model.predict(texts[:1]).dtype == np.int64
        assert model.classes_.tolist() == [-1, 0, 1]

    def test_anchors_that_are_words_and_relations(self):
        texts, labels = corpus()
        anchors = ["ship", "oven", "moon"]
        relations = [("word3", "oven"), ("moon", "nowhere"), ("word4", "word5")]
        model = sv.TextClassifier(embedding_dim=8, l1=1.0, anchors=anchors, relations=relations).fit(texts, labels)
        table = model.to_table()
        assert table.anchor_words == tuple(anchors)
        held = set(zip(*(part.tolist() for part in table.transform.nonzero()), strict=True))
        row = {word: place for place, word in enumerate(table.words)}
        # λ = 1 outweighs every gradient: only unpenalised entries live.
        free = {(row[word], column) for column, word in enumerate(anchors)} | {(row["word3"], 1)}
        assert held <= free
        assert len(held) >= 3
        frequent = sv.TextClassifier(2, 8, anchors="frequency").fit(texts, labels).to_table()
        assert frequent.anchor_words == frequent.words[:2]

    def test_given_anchors(self):
        given = np.random.default_rng(0).standard_normal((5, 8))
        model = sv.TextClassifier(embedding_dim=8, anchors=given, learning_rate=1e-6).fit(*corpus())
        assert np.allclose(model.to_table().anchors, given, atol=1e-4)

    def test_files(self, fitted, tmp_path):
        path = tmp_path / "model.slim"
        fitted.save(path)
        texts = corpus(seed=2)[0]
        loaded = sv.TextClassifier.load(path)
        assert np.array_equal(loaded.predict_proba(texts), fitted.predict_proba(texts))
        assert loaded.predict(texts).tolist() == fitted.predict(texts).tolist()
        assert loaded.get_params() == fitted.get_params()
        table = sv.open(path, verify=True)
        assert isinstance(table, sv.SparseTable)
        assert np.array_equal(table.lookup(["ship"]), fitted.to_table().lookup(["ship"]))
        numbers = sv.TextClassifier(3, 4).fit(texts, np.arange(len(texts)) % 2)
        numbers.save(path)
        assert np.array_equal(sv.TextClassifier.load(path).predict(texts), numbers.predict(texts))

    def test_a_loaded_classifier_needs_numpy_alone(self, fitted, tmp_path):
        path = tmp_path / "model.slim"
        fitted.save(path)
        code = f"""
import sys
for module in ("scipy", "numba", "torch", "sklearn"): sys.modules[module] = None
import slimvec as sv
print(sv.TextClassifier.load({str(path)!r}).predict(["ship sail"])[0])
"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "sea"

    def test_files_that_hold_no_classifier(self, fitted, tmp_path):
        path = tmp_path / "model.slim"
        fitted.to_table().save(path)
        with pytest.raises(sv.FormatError, match="holds no classifier"):
            sv.TextClassifier.load(path)
        fitted.save(path)
        content = path.read_bytes()
        for old, new in ((b'"coef"', b'"coeg"'), (b'\\"n_classes\\": 3', b'\\"n_classes\\": 2')):
            assert old in content
            path.write_bytes(content.replace(old, new))
            with pytest.raises(sv.FormatError, match=str(path)):
                sv.TextClassifier.load(path)

    def test_an_interrupted_fit_leaves_the_earlier_one(self):
        model = sv.TextClassifier(4, 8).fit(*corpus())
        before = model.coef_.copy()

        def stop(_stage, done, _total):
            if done == 3:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            model.fit(*corpus(seed=3), progress=stop)
        assert np.array_equal(model.coef_, before)
        assert model.score(*corpus()) > 0.9

    def test_scikit_learn(self):
        base = pytest.importorskip("sklearn.base")
        from sklearn.model_selection import GridSearchCV

        texts, labels = corpus()
        model = base.clone(sv.TextClassifier(6, 8))
        assert base.is_classifier(model)
        search = GridSearchCV(model, {"l1": [1e-3, 10.0]}, cv=3).fit(texts, labels)
        assert search.best_params_ == {"l1": 1e-3}
        assert search.best_score_ > 0.9


@pytest.mark.parametrize(("options", "texts", "labels", "error", "message"), [
    ({}, "a text", ["a"], TypeError, r"texts is str 'a text'; expected a sequence of texts"),
    ({}, ["good", 3], ["a", "b"], TypeError, r"texts\[1\] is int; expected a string or a list of tokens"),
    ({}, [["good", 3]], ["a"], TypeError, r"the token 3 of type int"),
    ({}, ["good bad"] * 3, ["a", "b"], ValueError, r"labels has shape \(2,\); expected \(3,\)"),
    ({}, ["good bad"] * 2, ["a", "a"], ValueError, r"labels has 1 classes; expected two or more"),
    ({}, ["good bad"] * 2, [0.5, 1.5], TypeError, r"labels has dtype float64; expected strings or integers"),
    ({}, ["good bad"] * 2, ["a", 3], TypeError, r"labels holds 3 beside strings; expected strings alone"),
    ({}, ["good bad"] * 2, np.array(["a", np.nan], object), TypeError, r"labels holds nan beside strings"),
    ({}, ["good bad"] * 2, np.array([3, 2**63], np.uint64), ValueError, r"labels holds 9223372036854775808; expected"),
    ({}, ["good", "bad"], ["a", "b"], ValueError, r"no word 2 times"),
    ({"l1": -1}, ["good bad"] * 2, ["a", "b"], ValueError, r"l1=-1"),
    ({"learning_rate": 0}, ["good bad"] * 2, ["a", "b"], ValueError, r"learning_rate=0"),
    ({"n_epochs": 0}, ["good bad"] * 2, ["a", "b"], ValueError, r"n_epochs=0"),
    ({"batch_size": 2.0}, ["good bad"] * 2, ["a", "b"], TypeError, r"batch_size=2.0"),
    ({"n_anchors": 0}, ["good bad"] * 2, ["a", "b"], ValueError, r"n_anchors=0"),
    ({"anchors": "rare"}, ["good bad"] * 2, ["a", "b"], ValueError, r"anchors='rare'"),
    ({"anchors": "frequency"}, ["good bad"] * 2, ["a", "b"], ValueError, r"n_anchors=20; .*there are 2 words"),
    ({"anchors": None}, ["good bad"] * 2, ["a", "b"], TypeError, r"anchors is NoneType"),
    ({"anchors": ["good", "god"]}, ["good bad"] * 2, ["a", "b"], ValueError, r"'god' is not among the words"),
    ({"anchors": np.ones((3, 4))}, ["good bad"] * 2, ["a", "b"], ValueError, r"anchors has 4 columns; expected 100"),
    ({"anchors": np.full((3, 100), np.nan)}, ["good bad"] * 2, ["a", "b"], ValueError, r"anchors holds NaN"),
    ({"relations": []}, ["good bad"] * 2, ["a", "b"], ValueError, r"relations are about anchors that are words"),
    ({"relations": ["ab"], "anchors": ["good"]}, ["good bad"] * 2, ["a", "b"], ValueError, r"relations holds 'ab'"),
])  # fmt: skip
def test_refusals(options, texts, labels, error, message):
    with pytest.raises(error, match=message):
        sv.TextClassifier(**options).fit(texts, labels)


def test_refusals_of_what_is_not_fitted(fitted):
    for call in (
        lambda m: m.predict(["a"]),
        lambda m: m.to_table(),
        lambda m: m.n_parameters_,
        lambda m: m.save("nowhere"),
    ):
        with pytest.raises(ValueError, match="not fitted yet"):
            call(sv.TextClassifier())
    with pytest.raises(ValueError, match=r"labels has shape \(1,\); expected \(2,\)"):
        fitted.score(["ship", "oven"], ["sea"])
    with pytest.raises(TypeError, match=r"labels has dtype int64; expected labels like those that were fitted"):
        fitted.score(["ship", "oven"], [0, 1])
