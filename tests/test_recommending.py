"""What is recommended reaches what was asked for, is the cheapest of what does, and says what it is."""

from __future__ import annotations

import copy
import pickle
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import slimvec as sv
from slimvec.cli import main
from slimvec.evaluate.truth import exact_neighbours, recall_with_ties
from slimvec.index.incoming import checked_rows
from slimvec.progress import ignore
from slimvec.recommending import other_ways, sample, trial
from slimvec.recommending.choices import Choice, Shape
from slimvec.recommending.choosing import Trials
from slimvec.recommending.sample import Sample
from slimvec.recommending.trend import expected, exponent_of, grown
from slimvec.recommending.trial import Timing

D = 24
RNG = np.random.default_rng(0)
X = RNG.standard_normal((1500, D)).astype(np.float32) * np.linspace(2, 0.5, D, dtype=np.float32)
QUERIES = RNG.standard_normal((300, D)).astype(np.float32) * np.linspace(2, 0.5, D, dtype=np.float32)


@pytest.fixture(autouse=True, scope="module")
def quick():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sample, "ENCODED", 6_000)  # 150 queries
        patch.setattr(trial, "ALONE", 2)
        for module in (trial, other_ways):
            patch.setattr(module, "TransformCoding", partial(sv.TransformCoding, n_iter=2))
        yield


@pytest.fixture(scope="module")
def found():
    return sv.recommend(X, recall=0.9)


def recall_of(index, queries=QUERIES, base=X, k=10):
    true = exact_neighbours(queries, base, k, "cosine")
    return recall_with_ties(np.array(index.search(queries, k).ids), true, queries, base, "cosine")


def test_fresh_queries_find_what_was_promised(found):
    assert found.best.recall >= 0.9
    assert abs(recall_of(found.build(X)) - found.best.recall) < 0.02 + 3 * found.best.error


def test_build_takes_a_recall(found):
    index = sv.Index.build(X, ids=[f"row {i}" for i in range(len(X))], recall=0.9)
    assert index.info()["bits"] == found.best.n_bits
    assert index.info()["bytes"] == 1504 * found.best.bytes_per_row
    assert index.search(X[3], 1).ids == ["row 3"]


def test_with_lists_codes_find_more_than_lists_are_to(found):
    index = sv.Index.build(X, recall=0.9, partitions=30)
    assert index.info()["bytes"] > 1504 * found.best.bytes_per_row
    true = exact_neighbours(QUERIES, X, 10, "cosine")
    hits = index.search(QUERIES, 10, recall=0.9)
    assert recall_with_ties(np.array(hits.ids), true, QUERIES, X, "cosine") > 0.87
    assert hits.ids != index.search(QUERIES, 10).ids  # not all lists were read


def test_bytes_are_those_of_the_index(found):
    for setting in found.settings:
        if not setting.originals:
            index = sv.Index.build(X[:480], n_bits=setting.n_bits, refine_bits=setting.refine_bits)
            assert index.info()["bytes"] == 480 * setting.bytes_per_row  # whole blocks


def test_bytes_of_rows_of_unit_length_that_vary_in_few_directions():
    flat = X[:480] @ np.eye(7, D, dtype=np.float32)[np.r_[:7, [0] * (D - 7)]]
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    drawn = Sample.of(checked_rows(flat, None, None, "raise"), 5, ignore)
    assert drawn.shape.n_factors == 2
    assert drawn.shape.rank < D
    for choice in drawn.shape.choices():
        index = sv.Index.build(flat, n_bits=choice.n_bits, refine_bits=choice.refine_bits)
        assert index.info()["bytes"] == 480 * drawn.shape.bytes_of(choice)


def test_the_table_says_all(found):
    text, page = str(found), found._repr_html_()
    for setting in found.settings:
        for part in (str(setting.n_bits), str(setting.bytes_per_row), f"{setting.recall:.3f} ± {setting.error:.3f}"):
            assert part in text
            assert part in page
    assert "fewest bytes per row for recall 0.9" in text
    assert text.count("->") == 2  # the line, and how it is made
    assert f"Index.build(X, n_bits={found.best.n_bits}, refine_bits={found.best.refine_bits})" in text
    assert "1,500 rows" in text
    assert "Extrapolated" in text
    assert found.settings == sorted(found.settings, key=lambda one: one.bytes_per_row)
    assert "Recommendation" in repr(found)


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])  # noqa: S301
def test_it_can_be_copied_and_sent(found, way):
    assert str(way(found)) == str(found)
    assert way(found).best == found.best


def test_no_line_is_beaten_by_another(found):
    codes = [one for one in found.settings if not one.originals and one != found.best]
    for one, other in pairwise(codes):
        assert other.recall >= one.recall


def test_the_cheapest_that_was_tried_is_recommended(found):
    reach = [one.bytes_per_row for one in found.settings if one.recall >= 0.9 and not one.originals]
    assert found.best.bytes_per_row == min(reach)


def test_originals_are_counted(found):
    (one,) = (setting for setting in found.settings if setting.originals)
    codes = sv.TransformCoding(one.n_bits).compress(X[:480]).info()["bytes"]
    assert one.bytes_per_row == (codes["codes"] + codes["factors"]) / 480 + 4 * D
    assert one.recall >= 0.9
    assert "originals=X" in str(found)


def test_lists_are_recommended_of_many_rows_and_where_they_are_faster(found, monkeypatch):
    assert not any(one.partitions for one in found.settings)
    drawn = Sample.of(checked_rows(X[:600], None, None, "raise"), 10, ignore)
    slow, quick = found.best._replace(ms_alone=1e9), found.best._replace(ms_alone=-1.0)
    assert other_ways.with_lists(drawn, [slow], 0.9) is None
    monkeypatch.setattr(other_ways, "LISTS_PAY", 600)
    assert other_ways.with_lists(drawn, [quick], 0.9) is None
    assert other_ways.with_lists(drawn, [slow], 0.9999) is None
    one = other_ways.with_lists(drawn, [slow], 0.9)
    assert 1 <= one.probes <= one.partitions
    assert one.bytes_per_row == found.best.bytes_per_row + 4
    coding = sv.TransformCoding(one.n_bits, refine_bits=one.refine_bits, partitions="auto", n_iter=2)
    table = coding.compress(X[:600])
    true = exact_neighbours(QUERIES, X[:600], 10, "cosine")
    rows = table.search(QUERIES, 10, probes=one.probes).indices
    assert recall_with_ties(rows, true, QUERIES, X[:600], "cosine") > 0.87
    monkeypatch.setattr(found, "settings", [*found.settings, one])
    assert 'partitions="auto"' in str(found)
    assert f"{one.probes} of {one.partitions}" in found._repr_html_()


def test_a_budget_without_a_recall_is_spent():
    for budget in (12, 33.5):
        found = sv.recommend(X, None, budget=budget)
        assert found.best.bytes_per_row <= budget
        assert found.best.recall == max(one.recall for one in found.settings if one.bytes_per_row <= budget)
    assert "33.5 bytes" in str(found)


def test_a_budget_that_suffices_changes_nothing(found):
    again = sv.recommend(X, 0.9, budget=found.best.bytes_per_row)
    assert again.best[:5] == found.best[:5]


def test_of_many_rows_some_are_looked_at_and_recall_is_told_of_all(found, monkeypatch):
    monkeypatch.setattr(sample, "LOOKED_AT", 500)
    few = sv.recommend(X, recall=0.9)
    assert (few.n_rows, few.n_seen) == (1500, 500)
    assert few.exponent > 0
    assert found.exponent is None
    assert "grow with the power" in str(few)
    assert "grow with the power" not in str(found)
    assert abs(recall_of(few.build(X)) - few.best.recall) < 0.03 + 3 * few.best.error


def test_the_sample(monkeypatch):
    monkeypatch.setattr(sample, "SAMPLE_ROWS", 600)
    rows = checked_rows(X, None, None, "raise")
    drawn = Sample.of(rows, 10, ignore)
    together = np.concatenate([drawn.base, drawn.queries])
    assert len(np.unique(together, axis=0)) == len(together) == 750
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    asked = drawn.queries / np.linalg.norm(drawn.queries, axis=1, keepdims=True)
    exact = -np.sort(-(asked @ unit.T), axis=1)[:, 1:41]  # no row is its own neighbour
    assert np.allclose(drawn.cosines, exact, atol=1e-5)
    near = drawn.near[drawn.places]
    near /= np.linalg.norm(near, axis=2, keepdims=True)
    assert np.allclose(np.einsum("qwd,qd->qw", near, asked), exact, atol=1e-5)


def test_misses_are_those_of_the_search_it_stands_for():
    """Codes order the near rows as a search that scores every row does, and the same share is missed."""
    drawn = Sample.of(checked_rows(X, None, None, "raise"), 10, ignore)
    for choice in (Choice(64, 0), Choice(32, 3)):
        coding = sv.TransformCoding(choice.n_bits, refine_bits=choice.refine_bits, n_iter=2)
        table = coding.fit(drawn.base).to_table(X)
        own = [int(np.flatnonzero((query == X).all(axis=1))[0]) for query in drawn.queries]
        rows = table.search(drawn.queries, 11, oversample=None).indices
        rows = np.array([[row for row in found if row != mine][:10] for found, mine in zip(rows, own, strict=True)])
        exact = np.einsum("qkd,qd->qk", X[rows] / np.linalg.norm(X[rows], axis=2, keepdims=True), drawn.queries)
        last = drawn.cosines[:, 9:10] * np.linalg.norm(drawn.queries, axis=1, keepdims=True)
        missed = 1 - (exact >= last - 1e-5).mean()
        told = trial.Trial.of(drawn, choice).misses[0].mean()
        assert told == pytest.approx(missed, abs=0.02)


def test_equal_rows_count(monkeypatch):
    """Where ten rows are as near as the last true neighbour, whichever of them is found."""
    drawn = Sample.of(checked_rows(np.repeat(X[:60], 8, axis=0), None, None, "raise"), 10, ignore)
    order = np.argsort(-drawn.cosines, axis=1, kind="stable")
    assert drawn.misses(order).max() == 0
    swapped = order.copy()
    swapped[:, 7:15] = order[:, 7:15][:, ::-1]  # the second bunch of equals: seven of the first are others
    assert drawn.misses(swapped).max() == 0
    assert drawn.misses(order[:, ::-1]).min() == 1


@given(st.floats(-0.4, 0.4), st.floats(0.005, 0.05), st.integers(30_000, 10_000_000))
@settings(max_examples=50, deadline=None)
def test_a_power_law_is_recovered(exponent, least, n):
    sizes = np.array([20_000.0, 10_000, 5_000, 2_500])
    misses = [scale * least * (sizes / sizes[0])[:, None] ** exponent * np.ones(10) for scale in (1, 2.5)]
    assume(misses[0].min() >= 0.002)
    assert exponent_of([one.mean(axis=1) for one in misses], sizes) == pytest.approx(exponent)
    for one, told in zip(misses, expected(misses, sizes, n), strict=True):
        assert told.recall == pytest.approx(1 - min(1, one[0, 0] * (n / sizes[0]) ** exponent))
        assert told.error == pytest.approx(0, abs=1e-9)


def test_nothing_missed_stays_so_and_errors_grow_with_distance():
    sizes = np.array([800.0, 400])
    assert grown(np.zeros(10), [np.zeros((2, 10))], sizes, 10**6) == (1, 0)
    noisy = 0.05 + 0.02 * np.random.default_rng(0).random((2, 10)) - np.array([[0], [0.01]])
    errors = [grown(noisy[0], [noisy], sizes, n).error for n in (800, 8_000, 80_000)]
    assert 0 < errors[0] < errors[1] < errors[2]


def test_times_grow_with_the_rows():
    timing = Timing((100, 300), (1.0, 2.0), (0.5, 0.5))
    assert timing.at(1100) == pytest.approx((6.0, 0.5))
    assert Timing((100, 300), (2.0, 1.0), (1.0, 2.0)).at(500) == (1.0, 3.0)  # noise makes no time shorter
    assert Timing((100, 300), (0.1, 3.0), (0.0, 3.0)).at(600) == (6.0, 6.0)  # nor longer than in proportion


def test_the_search_by_halves_finds_the_cheapest():
    shape = Shape(100, 2)
    choices = shape.choices()
    assert [shape.bytes_of(one) for one in choices] == sorted(map(shape.bytes_of, choices))

    class Known(Trials):
        def recall(self, choice):
            self.made[choice] = None
            return self.expected()[choice].recall

        def expected(self):
            from slimvec.recommending.trend import Expected

            return {one: Expected(shape.bytes_of(one) / 1000, 0.0) for one in self.made}

    for wanted in choices:
        trials = Known(type("Drawn", (), {"shape": shape}), ignore)
        best = trials.cheapest(shape.bytes_of(wanted) / 1000)
        assert shape.bytes_of(best) == shape.bytes_of(wanted)
        assert len(trials.made) <= 10
    assert Known(type("Drawn", (), {"shape": shape}), ignore).cheapest(0.9) is None


@pytest.mark.parametrize("recall", [0, 1, 1.0, 1.5, -0.1, float("nan")])
def test_a_recall_that_is_no_share(recall):
    for ask in (sv.recommend, lambda rows, recall: sv.Index.build(rows, recall=recall)):
        with pytest.raises(ValueError, match="recall=.*above 0 and below 1"):
            ask(X, recall)


@pytest.mark.parametrize("recall", ["0.9", True, None])
def test_a_recall_that_is_no_number(recall):
    with pytest.raises(TypeError, match="recall="):
        sv.recommend(X, recall)


@pytest.mark.parametrize(("budget", "error"), [(0, ValueError), (-3, ValueError), ("9", TypeError), (True, TypeError)])
def test_a_budget_that_is_none(budget, error):
    with pytest.raises(error, match="budget="):
        sv.recommend(X, budget=budget)


def test_what_cannot_be_had_is_told(found):
    with pytest.raises(ValueError, match=rf"budget=10 bytes per row; .* at least {found.best.bytes_per_row}"):
        sv.recommend(X, 0.9, budget=10)
    with pytest.raises(ValueError, match="budget=3 .*expected at least 10"):
        sv.recommend(X, None, budget=3)
    with pytest.raises(ValueError, match="find at most 0.99"):
        sv.recommend(X, 0.999999)
    with pytest.raises(ValueError, match="199 rows; expected at least 200"):
        sv.recommend(X[:199])
    with pytest.raises(ValueError, match="1500 rows; expected at least 1800"):
        sv.recommend(X, k=150)
    with pytest.raises(ValueError, match="k=0"):
        sv.recommend(X, k=0)
    with pytest.raises(ValueError, match="k=201; expected at most 200"):
        sv.recommend(X, k=201)
    with pytest.raises(ValueError, match="recall=0.9 chooses n_bits and refine_bits"):
        sv.Index.build(X, recall=0.9, n_bits=32)
    bad = X.copy()
    bad[5, 5] = np.nan
    with pytest.raises(ValueError, match="row 5 "):
        sv.recommend(bad)
    assert sv.recommend(bad, 0.5, on_bad="skip").n_rows == 1499


def test_rows_that_are_all_equal():
    found = sv.recommend(np.ones((300, 8), np.float32), 0.9)
    assert found.best.recall == 1


def test_choices_of_few_directions_are_made():
    assert all(one.n_bits <= 18 for one in Shape(3, 3).choices())
    assert Choice(18, 0) in Shape(3, 3).choices()


def test_the_command(tmp_path, capsys):
    np.save(tmp_path / "x.npy", X)
    assert main(["recommend", str(tmp_path / "x.npy"), "--budget", "16"]) == 0
    assert "highest recall within 16 bytes" in capsys.readouterr().out
    assert main(["recommend", str(tmp_path / "x.npy"), "--recall", "2"]) == 2
    assert "recall=2.0" in capsys.readouterr().err
