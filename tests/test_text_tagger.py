"""Any number of tags a text: gradients beside a slow twin, what is learnt, lists of tags, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import slimvec as sv

pytest.importorskip("numba")
pytest.importorskip("scipy")
from slimvec.sparse.text.first_entries import first_entries
from slimvec.sparse.text.model import TextModel
from slimvec.sparse.text.text_losses import Logistic, TagLists, sigmoid
from slimvec.sparse.training.slot_store import SlotStore
from test_text_classifier import CLASSES, D, K, Literal, N, dense, random_bags


class Tagged(Literal):
    """The slow twin, taught by a logistic loss for each tag; y is a matrix of zeros and ones."""

    def gradients(self, X, y):
        means = X @ self.T @ self.A
        G = (1 / (1 + np.exp(-(means @ self.W + self.b))) - y) / len(y)
        by_means = G @ self.W.T
        return X.T @ by_means @ self.A.T, (X @ self.T).T @ by_means, means.T @ G, G.sum(axis=0)

    def loss(self, X, y):
        probabilities = 1 / (1 + np.exp(-(X @ self.T @ self.A @ self.W + self.b)))
        return -np.sum(np.where(y, np.log(probabilities), np.log(1 - probabilities))) / len(y)


def make_both(generator, l1, *, nonnegative=True):
    store = SlotStore(first_entries((N, K), np.array([7, 0, 3, 9])), None, nonnegative=nonnegative, dtype=np.float64)
    model = TextModel(store, generator.standard_normal((K, D)), CLASSES, generator, l1, Logistic())
    return model, Tagged(model, np.empty((0, 2), np.int64), nonnegative=nonnegative)


def random_tags(generator, n):
    y = generator.random((n, CLASSES)) < 0.4
    return y, TagLists(np.nonzero(y)[1], y.sum(axis=1))


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    l1=st.sampled_from([0.0, 0.001, 0.01, 0.05]),
    nonnegative=st.booleans(),
    n_steps=st.integers(1, 30),
)
def test_steps_are_those_of_the_twin(seed, l1, nonnegative, n_steps):
    generator = np.random.default_rng(seed)
    model, twin = make_both(generator, l1, nonnegative=nonnegative)
    for number in range(n_steps):
        bags, lr, births = random_bags(generator, 3), float(generator.uniform(0, 0.3)), number < 0.8 * n_steps
        y, tags = random_tags(generator, 3)
        model.step(bags, tags, lr, births=births)
        twin.step(dense(bags), y, lr, births)
    model.settle()
    for found, expected in (
        (model.store.read(np.arange(N)), twin.T),
        (model.anchors, twin.A),
        (model.weights, twin.W),
        (model.intercept, twin.b),
    ):
        assert np.allclose(found, expected, rtol=1e-10, atol=1e-12)
    bags, (y, tags) = random_bags(generator, 9), random_tags(generator, 9)
    assert np.isclose(model.loss(bags, tags), twin.loss(dense(bags), y), rtol=1e-10)


def test_gradients_are_the_slopes_of_the_loss():
    generator = np.random.default_rng(0)
    model, _ = make_both(generator, 0.0)
    bags, (y, tags) = random_bags(generator, 7), random_tags(generator, 7)
    for _ in range(5):
        model.step(bags, tags, 0.1)
    twin = Tagged(model, np.empty((0, 2), np.int64), nonnegative=True)
    rows, by_rows, by_dense = model.gradients(bags, tags)
    by_T, X, h = np.zeros((N, K)), dense(bags), 1e-6
    by_T[rows] = by_rows
    for found, values in zip((by_T, *by_dense), (twin.T, twin.A, twin.W, twin.b), strict=True):
        assert np.abs(found).max() > 1e-3
        for place in np.ndindex(values.shape):
            kept, around = values[place], []
            for values[place] in (kept + h, kept - h):
                around.append(twin.loss(X, y))
            values[place] = kept
            assert found[place] == pytest.approx((around[0] - around[1]) / (2 * h), abs=1e-8)


def test_logits_of_any_size():
    logits = np.array([[0, -1, 1, 100, -100, 1e30, -1e30]], np.float32)
    found = sigmoid(logits)
    assert found.dtype == np.float32
    assert np.allclose(found, [[0.5, 0.2689414, 0.7310586, 1, 0, 1, 0]], atol=1e-7)
    assert 0 < found[0, 4] < 1e-43
    tags = TagLists(np.array([5, 4]), np.array([2]))
    assert Logistic().total(np.array([[0.0, 0, 0, 0, -1000, 1000]]), tags) == pytest.approx(4 * np.log(2) + 1000)
    assert Logistic().gradient(np.array([[0.0, 0, 0, 0, -1000, 1000]]), tags).tolist() == [[0.5] * 4 + [-1, 0]]


TOPICS = {
    "sea": "ship sail wave crew deck tide",
    "kitchen": "pan stove bread flour oven dish",
    "sky": "star moon cloud sun planet comet",
    "war": "sword siege army truce spear fort",
}


def corpus(n=400, seed=0):
    """Return texts about none, some or all of four things."""
    generator, texts, tags = np.random.default_rng(seed), [], []
    for _ in range(n):
        about = [name for name in TOPICS if generator.random() < 0.4]
        told = [word for name in about for word in generator.choice(TOPICS[name].split(), 3)]
        texts.append(" ".join(generator.permutation([*told, *(f"word{i}" for i in generator.integers(0, 80, 5))])))
        tags.append(about)
    return texts, tags


OPTIONS = {"n_anchors": 6, "embedding_dim": 8, "l1": 1e-3, "n_epochs": 30}


@pytest.fixture(scope="module")
def fitted():
    return sv.TextTagger(**OPTIONS).fit(*corpus())


def assert_same(one, other):
    assert list(one.to_table()) == list(other.to_table())
    assert one.classes_.tolist() == other.classes_.tolist()
    for name in ("coef_", "intercept_"):
        assert np.array_equal(getattr(one, name), getattr(other, name))
    assert np.array_equal(one.logits(corpus(seed=5)[0]), other.logits(corpus(seed=5)[0]))


def test_overlapping_tags_are_learnt(fitted):
    texts, tags = corpus(seed=1)
    assert {0, 1, 2, 3, 4} == {len(one) for one in tags}
    assert fitted.score(texts, tags) > 0.95
    assert fitted.classes_.tolist() == sorted(TOPICS)
    table = fitted.to_table()
    telling = [row for row, word in enumerate(table.words) if not word.startswith("word")]
    noise = [row for row, word in enumerate(table.words) if word.startswith("word")]
    T = table.transform
    assert T[telling].nnz / len(telling) > 2 * T[noise].nnz / len(noise)
    assert fitted.n_parameters_ == 6 * 8 + T.nnz


def test_a_classifier_could_not(fitted):
    """Not vacuous: one tag for each text, and the right one at that, is far below."""
    texts, tags = corpus(seed=1)
    first = [one[:1] for one in tags]
    right, said = sum(map(len, first)), sum(map(len, first)) + sum(map(len, tags))
    assert 2 * right / said < 0.8 < fitted.score(texts, tags)


def test_probabilities_and_thresholds(fitted):
    table, texts = fitted.to_table(), ["ship oven unheard-of oven", "", ["moon"], "unheard"]
    means = [
        table.lookup(bag).mean(axis=0) if bag else np.zeros(8) for bag in (["ship", "oven", "oven"], [], ["moon"], [])
    ]
    expected = 1 / (1 + np.exp(-(np.stack(means) @ fitted.coef_.T + fitted.intercept_)))
    found = fitted.predict_proba(texts)
    assert found.dtype == np.float32
    assert np.allclose(found, expected, atol=1e-6)
    for threshold in (0, 0.01, 0.5, np.float32(0.75), 1):
        for tags, of_text in zip(fitted.predict(texts, threshold=threshold), expected, strict=True):
            order = [name for value, name in sorted(zip(-of_text, fitted.classes_, strict=True)) if -value >= threshold]
            assert tags == order
            assert all(type(tag) is str for tag in tags)
    assert fitted.predict(texts) == fitted.predict(texts, threshold=0.5)
    assert fitted.predict([]) == []
    assert fitted.predict_proba([]).shape == (0, 4)
    highest = fitted.logits([""])[0].max()
    assert abs(highest) < 5
    exactly = 1 / (1 + np.exp(-float(highest)))
    assert [len(fitted.predict([""], threshold=exactly * by)[0]) for by in (1 - 1e-12, 1 + 1e-12)] == [1, 0]


def test_lists_of_other_kinds(fitted):
    texts, tags = corpus()
    for kind in (tuple, set, iter, lambda one: np.array(one, str), lambda one: [*one, *one[::-1]]):
        assert_same(sv.TextTagger(**OPTIONS).fit(texts, [kind(one) for one in tags]), fitted)
    assert_same(sv.TextTagger(**OPTIONS).fit(iter(texts), iter(tags)), fitted)
    numbers = [np.array([sorted(TOPICS).index(tag) - 1 for tag in one], np.int32) for one in tags]
    model = sv.TextTagger(**OPTIONS).fit(texts, numbers)
    assert np.array_equal(model.logits(texts), fitted.logits(texts))
    assert model.classes_.tolist() == [-1, 0, 1, 2]
    assert model.score(texts, numbers) == fitted.score(texts, tags)
    assert type(model.predict(texts, threshold=0)[0][0]) is int


def test_one_tag_alone_and_other_settings():
    texts, tags = corpus(150)
    model = sv.TextTagger(**OPTIONS).fit(texts, [["sea"] * ("sea" in one) for one in tags])
    assert model.predict(["ship and sail and wave", "bread, flour"]) == [["sea"], []]
    automatic = sv.TextTagger("auto", 8, 1e-3, n_epochs=10, batch_size=16).fit(texts, tags)
    assert 2 <= automatic.to_table().n_anchors <= 30
    assert automatic.score(texts, tags) > 0.9
    with pytest.raises(ValueError, match="expected a number for one text"):
        sv.TextTagger("auto", min_count=1).fit(["wind at sea"], [["weather"]])
    words = sv.TextTagger(**{**OPTIONS, "anchors": ["ship", "oven", "moon", "sword"]}).fit(texts, tags)
    assert words.to_table().anchor_words == ("ship", "oven", "moon", "sword")


def test_scores():
    model = sv.TextTagger(4, 8, n_epochs=60).fit(["aa bb", "bb", "aa", "cc"] * 20, [["a", "b"], ["b"], ["a"], []] * 20)
    texts = ["aa bb", "cc", "bb"]
    assert model.predict(texts, threshold=0.5)[1:] == [[], ["b"]]
    assert sorted(model.predict(texts)[0]) == ["a", "b"]
    assert model.score(texts, [["b", "a"], [], {"b"}]) == 1
    assert model.score(texts, [["b", "a", "a"], ["new"], []]) == 2 * 2 / (3 + 3)
    assert model.score(["cc"], [[]]) == 1
    assert model.score(["cc"], [["a"]]) == 0
    with pytest.raises(ValueError, match="tags holds 1 lists; expected 2, one per text"):
        model.score(["cc", "aa"], [["a"]])
    with pytest.raises(ValueError, match="texts is empty"):
        model.score([], [])
    with pytest.raises(TypeError, match="tags holds 3; expected tags like those that were fitted, such as 'a'"):
        model.score(["cc"], [[3]])


def test_scikit_learn():
    base = pytest.importorskip("sklearn.base")
    from sklearn.metrics import f1_score
    from sklearn.model_selection import GridSearchCV

    texts, tags = corpus(200)
    model = base.clone(sv.TextTagger(**OPTIONS))
    search = GridSearchCV(model, {"l1": [1e-3, 10.0]}, cv=3).fit(texts, tags)
    assert search.best_params_ == {"l1": 1e-3}
    model.fit(texts[:100], tags[:100])
    truth = [[name in one for name in model.classes_] for one in tags]
    found = [[name in one for name in model.classes_] for one in model.predict(texts)]
    assert model.score(texts, tags) == pytest.approx(f1_score(truth, found, average="micro"), rel=1e-12)


GOOD = ["good bad"] * 2


@pytest.mark.parametrize(("tags", "error", "message"), [
    (["a", "b"], TypeError, r"tags\[0\] is str 'a'; expected a list of tags for each text, such as .*; of texts"),
    ([["a"], "b"], TypeError, r"tags\[1\] is str 'b'; expected a list of tags for each text, .*\[\]\]$"),
    (np.array(["a", "b"]), TypeError, r"tags\[0\] is str_ 'a'; .*TextClassifier learns"),
    ([3, 4], TypeError, r"tags\[0\] is int '3'"),
    ([["a"], None], TypeError, r"tags\[1\] is NoneType"),
    ([["a"], {"b": 1}], TypeError, r"tags\[1\] is dict"),
    ([["a"], b"b"], TypeError, r"tags\[1\] is bytes"),
    ("ab", TypeError, r"tags is str 'ab'"),
    ({"a": 1}, TypeError, r"tags is dict"),
    (7, TypeError, r"tags is int '7'"),
    (np.eye(2), TypeError, r"tags has 2 dimensions; .* of zeros and ones: \[numpy.flatnonzero\(row\)"),
    ([["a"]], ValueError, r"tags holds 1 lists; expected 2, one per text"),
    ([["a"], [], []], ValueError, r"tags holds 3 lists; expected 2"),
    ([[], ()], ValueError, r"tags holds 2 lists without a tag; expected at least one tag"),
    ([["a"], [3]], TypeError, r"tags holds 'a' and 3; expected strings alone, or integers alone"),
    ([["a"], [["b"]]], TypeError, r"tags\[1\] holds \"\['b'\]\" of type list; expected strings or integers"),
    ([["a"], [{}]], TypeError, r"tags\[1\] holds '{}' of type dict"),
    ([[0.5], []], TypeError, r"tags\[0\] holds '0.5' of type float"),
    ([[True], []], TypeError, r"tags\[0\] holds 'True' of type bool"),
    ([[None], []], TypeError, r"tags\[0\] holds 'None' of type NoneType"),
    ([[1], [2**63]], ValueError, r"tags\[1\] holds 9223372036854775808; expected integers of 64 bits"),
])  # fmt: skip
def test_refused_tags(tags, error, message):
    with pytest.raises(error, match=message):
        sv.TextTagger(2, 3).fit(GOOD, tags)


def test_other_refusals(fitted):
    with pytest.raises(TypeError, match="texts is str 'a text'"):
        sv.TextTagger().fit("a text", [["a"]])
    with pytest.raises(ValueError, match="l1=-1"):
        sv.TextTagger(l1=-1).fit(GOOD, [["a"], []])
    for threshold in (-0.1, 1.1, np.nan, np.inf):
        with pytest.raises(ValueError, match=f"threshold={threshold}; expected a number between 0 and 1"):
            fitted.predict(["ship"], threshold=threshold)
    for threshold in ("0.5", None, True, [0.5]):
        with pytest.raises(TypeError, match="expected a number between 0 and 1"):
            fitted.predict(["ship"], threshold=threshold)
    for call in (lambda m: m.predict(["a"]), lambda m: m.to_table(), lambda m: m.save("nowhere")):
        with pytest.raises(ValueError, match="not fitted yet"):
            call(sv.TextTagger())


def test_an_interrupted_fit_leaves_the_earlier_one():
    model = sv.TextTagger(4, 8, n_epochs=2).fit(*corpus(100))
    before = model.coef_.copy()

    def stop(_stage, done, _total):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.fit(*corpus(100, seed=3), progress=stop)
    assert np.array_equal(model.coef_, before)
