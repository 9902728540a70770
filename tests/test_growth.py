"""How many anchors: the rule, what goes and what comes, and training across the change."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import slimvec as sv
from test_text_classifier import CLASSES, D, K, Literal, N, corpus, dense, make_model, random_bags

pytest.importorskip("numba")
pytest.importorskip("scipy")
from slimvec.sparse.product import CsrParts
from slimvec.sparse.text.model import INITIAL
from slimvec.sparse.training.anchor_rule import AnchorRule, most_used, residual_anchors
from slimvec.sparse.training.slot_store import SlotStore


def test_the_rule():
    rule = AnchorRule(nonzero_cost=0.001, anchor_cost=0.1, most=13)
    losses_and_counts = [(0.9, 12), (0.8, 12), (0.7, 12), (0.75, 10), (0.9, 8), (0.8, 10), (0.7, 12)]
    assert [rule.next_count(loss, 500, 10) for loss, _ in losses_and_counts] == [12, 12, 12, 10, 8, 10, 12]
    assert rule.scores[0] == pytest.approx(0.9 + 0.001 * 500 + 0.099 * 10)
    assert rule.best_count == 10
    assert AnchorRule(0.001, 0.1, most=13).next_count(0.6, 500, 12) == 13
    fewer = AnchorRule(0.001, 0.1)
    assert [fewer.next_count(loss, 500, 2) for loss in (0.7, 0.8, 0.9)] == [4, 4, 2]  # two scores tell nothing yet
    assert fewer.next_count(1.0, 500, 4) == 2
    # Another anchor, or other non-zeros, weigh as a loss does.
    assert AnchorRule(1.0, 3.0).next_count(0.0, 2, 5) == 7
    costs = AnchorRule(0.5, 3.0)
    costs.next_count(1.0, 4, 2)
    assert costs.scores == [1.0 + 2.0 + 5.0]


def test_which_columns_stay():
    use = np.array([0.5, 0.0, 3.0, 0.0, 1.0])
    assert most_used(use, 9).tolist() == [0, 2, 4]
    assert most_used(use, 2).tolist() == [2, 4]
    assert most_used(np.zeros(3), 2).tolist() == [0]


def test_new_anchors_lie_along_rows_that_need_them():
    generator = np.random.default_rng(0)
    residuals = np.zeros((50, 6))
    residuals[7], residuals[30] = [0, 3, 0, 0, 0, 0], [0, 0, 0, -1, 0, 0]
    found = residual_anchors(residuals, 2, 2.5, generator)
    assert sorted(found.tolist()) == [[0, 0, 0, -2.5, 0, 0], [0, 2.5, 0, 0, 0, 0]]
    more = residual_anchors(residuals, 5, 1.0, generator)
    assert np.allclose(np.linalg.norm(more, axis=1), 1)
    assert residual_anchors(residuals[:3], 5, 1.0, generator).shape == (3, 6)
    assert residual_anchors(residuals, 0, 1.0, generator).shape == (0, 6)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_columns_of_slots_come_and_go(seed):
    generator = np.random.default_rng(seed)
    T = generator.standard_normal((9, 5)) * (generator.random((9, 5)) < 0.4)
    indptr = np.concatenate([[0], np.cumsum((T != 0).sum(axis=1))])
    store = SlotStore(CsrParts(T.shape, indptr, np.nonzero(T)[1], T[T != 0]), nonnegative=False, dtype=np.float64)
    assert np.allclose(store.column_sums(), np.abs(T).sum(axis=0))
    kept = np.flatnonzero(generator.random(5) < 0.6)
    n_new = int(generator.integers(0, 4))
    store.resize_columns(kept, n_new)
    T = np.concatenate([T[:, kept], np.zeros((9, n_new))], axis=1)
    rows = np.arange(9)
    assert np.array_equal(store.read(rows), T)
    gradient = generator.standard_normal(T.shape)
    store.step(rows, gradient, np.ones(9), np.full(9, 0.3))
    moved = T - gradient
    assert np.allclose(store.read(rows), np.sign(moved) * np.maximum(np.abs(moved) - 0.3, 0), atol=1e-15)


def test_training_goes_on_exactly_after_anchors_came_and_went():
    generator = np.random.default_rng(0)
    model, free = make_model(generator, 0.01)
    twin = Literal(model, free, nonnegative=True)

    def steps(n):
        for _ in range(n):
            bags, y = random_bags(generator, 3), generator.integers(0, CLASSES, 3)
            model.step(bags, y, 0.1)
            twin.step(dense(bags), y, 0.1, births=True)

    steps(10)
    kept, new = np.array([0, 2, 3]), generator.standard_normal((2, D))
    before = model.store.nnz
    model.resize_anchors(kept, new)
    twin.T = np.concatenate([twin.T[:, kept], np.zeros((N, 2))], axis=1)
    twin.A = np.concatenate([twin.A[kept], new])
    twin.dense_v[0] = np.concatenate([twin.dense_v[0][kept], np.full((2, D), INITIAL)])
    twin.S = np.ones((N, K + 1))
    assert np.allclose(model.store.read(np.arange(N)), twin.T, rtol=1e-12, atol=1e-12)
    steps(10)
    model.settle()
    assert np.allclose(model.store.read(np.arange(N)), twin.T, rtol=1e-10, atol=1e-12)
    assert np.allclose(model.anchors, twin.A, rtol=1e-10, atol=1e-12)
    assert twin.T[:, 3:].any()  # the new anchors are used
    assert before > 0


def test_anchors_without_rows_change_nothing():
    generator = np.random.default_rng(0)
    model, _ = make_model(generator, 0.01)
    bags, y = random_bags(generator, 10), generator.integers(0, CLASSES, 10)
    for _ in range(5):
        model.step(bags, y, 0.1)
    before = model.loss(bags, y)
    model.resize_anchors(np.arange(K), generator.standard_normal((3, D)))
    assert model.loss(bags, y) == pytest.approx(before, rel=1e-14)


def test_lasting_entries_are_those_that_a_longer_penalty_leaves():
    generator = np.random.default_rng(0)
    model, _ = make_model(generator, 0.01)
    for _ in range(5):
        model.step(random_bags(generator, 10), generator.integers(0, CLASSES, 10), 0.1)
    model.settle()
    found, all_of_them = model.lasting(0.02), model.store.nnz
    model._due += 0.02
    model.settle()
    assert found == model.store.nnz < all_of_them


def test_residuals_point_where_the_loss_falls():
    generator = np.random.default_rng(0)
    model, free = make_model(generator, 0.0)
    bags, y = random_bags(generator, 7), generator.integers(0, CLASSES, 7)
    for _ in range(5):
        model.step(bags, y, 0.1)
    rows, residuals = np.unique(bags.rows), model.residuals(bags, y)
    twin, X, h = Literal(model, free, nonnegative=True), dense(bags), 1e-6
    E = twin.T @ twin.A

    def loss(E):
        logits = X @ E @ twin.W + twin.b
        return np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(y)), y])

    for place, row in enumerate(rows):
        for column in range(D):
            step = np.zeros_like(E)
            step[row, column] = h
            slope = (loss(E + step) - loss(E - step)) / (2 * h)
            assert residuals[place, column] == pytest.approx(-slope / np.sqrt(model._row_squares[row]), abs=1e-6)


class TestClassifier:
    def test_auto(self):
        stages = []
        model = sv.TextClassifier("auto", 8, 1e-3, n_epochs=10, batch_size=16)
        model.fit(*corpus(), progress=lambda stage, done, total: stages.append((stage, done == total)))
        assert 2 <= model.to_table().n_anchors <= 30
        assert model.score(*corpus(seed=1)) > 0.95
        assert [stage for stage, last in stages if last] == ["counting anchors", "training"]
        again = sv.TextClassifier("auto", 8, 1e-3, n_epochs=10, batch_size=16).fit(*corpus())
        assert np.array_equal(again.coef_, model.coef_)

    def test_refusals(self):
        with pytest.raises(ValueError, match="makes anchors of its own"):
            sv.TextClassifier("auto", anchors="frequency").fit(*corpus())
        with pytest.raises(TypeError, match="n_anchors='many' is not an integer"):
            sv.TextClassifier("many").fit(*corpus())
