"""An index: the same answers as one table, whatever was added, removed and replaced before; errors that say what."""

from __future__ import annotations

import threading
from unittest.mock import Mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import slimvec as sv
from slimvec.binary.asymmetric import rescore
from slimvec.index import piece_scan
from slimvec.index.coder import Coder
from slimvec.index.given_ids import as_ids
from slimvec.index.id_slots import find_id, find_ids, make_id_slots
from slimvec.index.ids import ids_of
from slimvec.index.segments import Segment

D = 24
X = np.random.default_rng(0).standard_normal((600, D)).astype(np.float32) * np.linspace(2, 0.5, D, dtype=np.float32)
QUERIES = np.random.default_rng(1).standard_normal((5, D)).astype(np.float32)


@pytest.fixture(scope="module", params=[None, 9])
def fitted(request):
    return sv.Index.build(X, n_bits=32, refine_bits=3, partitions=request.param)


@pytest.fixture(scope="module", params=[None, 9])
def unrefined(request):
    return sv.Index.build(X, n_bits=40, refine_bits=0, partitions=request.param)


def empty(fitted, kind="integers"):
    """Return an index of the same encoder without rows."""
    nothing = Segment(fitted._state.coder.empty, ids_of(as_ids([], "ids", kind)))
    return sv.Index(fitted._state.coder, [nothing], kind, 0 if kind == "integers" else None)


def assert_same_hits(a, b):
    assert a.ids == b.ids
    assert len(a.scores) == len(b.scores)
    for one, other in zip(a.scores, b.scores, strict=True):
        assert np.allclose(one, other, atol=1e-6)


def assert_nearly_same_hits(a, b):
    """Rows that were encoded alone have other last bits than together with others: nearly equal scores may swap."""
    assert len(a.scores) == len(b.scores)
    for ids, scores, others, expected in zip(a.ids, a.scores, b.ids, b.scores, strict=True):
        assert np.allclose(scores, expected, atol=1e-6)
        there = dict(zip(others, expected.tolist(), strict=True))
        last = expected[-1] if len(expected) else 0
        for one, score in zip(ids, scores.tolist(), strict=True):
            assert abs(score - there.get(one, last)) <= 2e-6


def test_an_index_of_one_segment_is_its_table(isa, fitted):
    table = sv.TransformCoding(32, refine_bits=3, partitions=fitted.info()["lists"]).compress(X)
    for k in (1, 10, 600, 601):
        hits, (scores, rows) = fitted.search(QUERIES, k), table.search(QUERIES, k)
        assert hits.ids == rows.tolist()
        assert np.array_equal(np.stack(hits.scores), scores)
    mask = np.arange(600) % 7 == 3
    assert fitted.search(QUERIES, 9, mask).ids == table.search(QUERIES, 9, mask=mask).indices.tolist()
    assert fitted.search(QUERIES, 9, [5, 3]).ids == table.search(QUERIES, 9, mask=[5, 3]).indices.tolist()
    assert np.array_equal(fitted.vectors([7, 3]), table.lookup([7, 3], original=True))


def change(index, rows, name, fresh, data, vectors=X):
    """Do something to an index, and to a dict of ids to rows of ``vectors``, 600 of them, in its order."""
    action = data.draw(st.sampled_from(["add", "add", "add", "remove", "update", "compact"]))
    if action == "add":
        numbers = data.draw(st.lists(st.integers(0, 599), min_size=1, max_size=40))
        ids = [name(next(fresh) * 37) for _ in numbers]
        index.add(vectors[numbers], ids=ids)
        rows |= dict(zip(ids, numbers, strict=True))
    elif action == "compact":
        index.compact()
    elif rows:
        ids = data.draw(st.lists(st.sampled_from(sorted(rows)), min_size=1, max_size=10, unique=True))
        old = [rows.pop(one) for one in ids]
        if action == "remove":
            index.remove(ids)
        else:
            numbers = [(number + 1) % 600 for number in old]
            index.update(vectors[numbers], ids=ids)
            rows |= dict(zip(ids, numbers, strict=True))


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_whatever_was_done_before_answers_are_those_of_the_rows_that_are_left(fitted, data):
    """Random changes beside a list of (id, vector), from which another index is made at once."""
    kind = data.draw(st.sampled_from(["integers", "texts"]))
    name = int if kind == "integers" else str
    index, rows, fresh = empty(fitted, kind), {}, iter(range(10_000))
    for _ in range(data.draw(st.integers(1, 8))):
        change(index, rows, name, fresh, data)
    assert index.ids.tolist() == list(rows)
    assert len(index) == len(rows)
    assert all(one in index for one in rows)
    expected = empty(fitted, kind)
    if rows:
        expected.add(X[list(rows.values())], ids=list(rows))
        assert np.allclose(index.vectors(list(rows)), expected.vectors(list(rows)), atol=1e-5)
    k = data.draw(st.integers(1, 12))
    assert_nearly_same_hits(index.search(QUERIES, k), expected.search(QUERIES, k))
    some = [one for one in rows if rows[one] % 3 == 0]
    bools = [rows[one] % 3 == 0 for one in rows]
    hits = expected.search(QUERIES, k, some)
    assert all(len(found) == min(k, len(some)) and set(found) <= set(some) for found in hits.ids)
    for where in (some, set(some), np.array(bools, bool), lambda ids: np.isin(ids.tolist(), some)):
        assert_nearly_same_hits(index.search(QUERIES, k, where), hits)


def assert_it_is_cut(index, queries, bound, where, n):
    """Assert that what reaches a bound is what a search of all rows finds, down to that bound."""
    found, every = index.range_search(queries, bound, where), index.search(queries, n, where)
    kept = [scores >= np.float32(bound) for scores in every.scores]
    assert found.ids == [[a for a, b in zip(*pair, strict=True) if b] for pair in zip(every.ids, kept, strict=True)]
    assert len(found.scores) == len(kept)
    for one, other, some in zip(found.scores, every.scores, kept, strict=True):
        assert one.dtype == np.float32
        assert np.array_equal(one, other[some])


@settings(max_examples=25, deadline=None)
@given(st.data(), st.floats(-1.2, 1.2))
def test_what_reaches_a_bound_is_a_search_of_all_rows_down_to_it(fitted, unrefined, data, bound):
    """Also where rows were marked, replaced and put together before; and at a score, which is reached."""
    kind = data.draw(st.sampled_from(["integers", "texts"]))
    name = int if kind == "integers" else str
    index, rows = empty(data.draw(st.sampled_from([fitted, unrefined])), kind), {}
    fresh = iter(range(10_000))
    for _ in range(data.draw(st.integers(1, 8))):
        change(index, rows, name, fresh, data)
    some = [one for one in rows if rows[one] % 3 == 0]
    queries = np.concatenate([QUERIES, np.zeros((1, D), np.float32)])
    if rows and data.draw(st.booleans()):
        bound = float(data.draw(st.sampled_from(index.search(QUERIES[1], 5).scores.tolist())))
    for where in (None, some, np.array([rows[one] % 3 == 0 for one in rows], bool), lambda ids: np.isin(ids, some)):
        if some or not callable(where):
            assert_it_is_cut(index, queries, bound, where, max(1, len(rows)))


def test_what_reaches_a_bound_is_near():
    """Beside true cosines, by blocks of queries, of which some find nothing and one comes alone."""
    index = sv.Index.build(X, n_bits=6 * D)
    index.remove(range(0, 600, 5))
    index.add(np.repeat(X[3:4], 3, axis=0), ids=[1000, 1001, 1002])
    cosines = (X[:40] @ X.T) / np.linalg.norm(X[:40], axis=1)[:, None] / np.linalg.norm(X, axis=1)
    cosines[:, ::5] = -1
    found = index.range_search(X[:40], 0.6)
    for query, ids in enumerate(found.ids):
        assert set(np.flatnonzero(cosines[query] > 0.65).tolist()) <= set(ids)
        assert all(cosines[query, one] > 0.55 for one in ids if one < 1000)
    assert found.ids[3][:4] == [3, 1000, 1001, 1002]
    assert len({len(ids) for ids in found.ids}) > 1
    alone = index.range_search(X[3], 0.6)
    assert alone.ids == found.ids[3]
    assert index.range_search(X[3], 1.5).ids == []
    assert sum(map(len, index.range_search(X[:2], -1).ids)) == 2 * len(index)


def test_equal_rows_come_in_order_and_zeros_are_alike(fitted):
    index = empty(fitted)
    for first in range(0, 30, 3):
        index.add(np.repeat(X[:1], 3, axis=0), ids=range(first, first + 3))
    assert index.search(X[0], 30).ids == list(range(30))
    index.add(np.zeros((2, D)), ids=[70, 71])
    index.remove(0)
    assert index.search(np.zeros(D), 3).ids == [1, 2, 3]
    assert index.search(np.zeros(D), 3, where=[71, 8]).ids == [8, 71]
    assert not index.search(np.zeros(D), 3).scores.any()


def test_vectors_of_unit_length_beside_others(fitted):
    """Segments with weights and without compare, and come together."""
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    index = sv.Index.build(unit[:300], refine_bits=4)
    assert index._state.segments[0].parts.factors.n_factors == 2
    index.add(3 * unit[300:], ids=range(300, 600))
    before = index.search(unit[290:310], 3)
    assert [found[0] for found in before.ids] == list(range(290, 310))
    index.compact()
    assert index._state.segments[0].parts.factors.n_factors == 3
    after = index.search(unit[290:310], 3)
    assert np.allclose(np.stack(before.scores), np.stack(after.scores), atol=2e-3)
    assert [found[0] for found in after.ids] == list(range(290, 310))


def test_numbers_go_on(fitted):
    index = sv.Index.build(X[:100], n_bits=16)
    index.remove(range(90, 100))
    index.add(X[:5])
    assert index.ids[-5:].tolist() == [100, 101, 102, 103, 104]
    index.add(X[:1], ids=[500])
    index.add(X[:1])
    assert index.ids[-1] == 501
    named = sv.Index.build(X[:50], ids=np.arange(50) * 2)
    with pytest.raises(ValueError, match="rows of this index have ids of their own"):
        named.add(X[:1])


def test_shortlists_of_few_rows_are_of_a_bounded_size(monkeypatch):
    """However many queries share them."""
    sizes = []

    def noted(codes, factors, queries, shortlist, k, n_threads):
        sizes.append(shortlist.size)
        return rescore(codes, factors, queries, shortlist, k, n_threads)

    index = sv.Index.build(X, n_bits=16, refine_bits=0)
    expected = index.search(X[:50], 3, where=range(0, 600, 50))
    monkeypatch.setattr(piece_scan, "rescore", noted)
    monkeypatch.setattr(piece_scan, "CANDIDATES", 100)
    assert_same_hits(index.search(X[:50], 3, where=range(0, 600, 50)), expected)
    assert max(sizes) <= 100 < sum(sizes)


def test_an_update_that_is_broken_off_changes_nothing(tmp_path, monkeypatch):
    """By Ctrl-C, or for want of memory, after the old rows were marked."""
    index = sv.Index.build(X[:100], n_bits=16)
    index.add(X[100:150])
    index.save(tmp_path / "a")
    before, held = index.search(QUERIES, 150), index.info()
    with monkeypatch.context() as patched:
        patched.setattr(Coder, "join", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            index.update(X[200:240], ids=range(90, 130))
    assert index.info() == held
    assert_same_hits(index.search(QUERIES, 150), before)
    assert not index.refresh()
    index.update(X[200:240], ids=range(90, 130))
    index.save()
    assert_same_hits(sv.open(tmp_path / "a").search(QUERIES, 150), index.search(QUERIES, 150))


@pytest.mark.parametrize(
    ("call", "change"),
    [("encode", lambda i: i.add(X[:3])), ("join", lambda i: i.compact())],
)
def test_searches_go_on_while_others_wait(monkeypatch, call, change):
    index = sv.Index.build(X[:100], n_bits=16)
    index.remove(5)
    found, own = threading.Event(), getattr(Coder, call)

    def slowly(*args):
        threading.Thread(target=lambda: index.search(X[0], 3) and found.set()).start()
        assert found.wait(20)
        return own(*args)

    monkeypatch.setattr(Coder, call, slowly)
    change(index)


def test_nothing_is_left(fitted):
    index = empty(fitted)
    assert index.search(QUERIES, 3).ids == [[]] * 5
    index.add(X[:3], ids=[1, 2, 3])
    index.remove([1, 2, 3])
    assert len(index) == 0
    assert index.search(QUERIES[0], 3).ids == []
    assert index.search(QUERIES, 3, where=[]).ids == [[]] * 5
    index.compact()
    assert index.ids.tolist() == []
    index.add(X[:2], ids=[1, 9])
    assert index.search(X[1], 1).ids == [9]


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda i: i.add(X[:2], ids=[7, 8]), ValueError, "ids holds 7, which is there already"),
        (lambda i: i.add(X[:2], ids=[800, 800]), ValueError, "ids holds 800 twice"),
        (lambda i: i.add(X[:2], ids=["a", "b"]), TypeError, "ids holds strings, such as 'a'; this index has integers"),
        (lambda i: i.add(X[:2], ids=[1000]), ValueError, "ids has 1 ids; expected 2"),
        (lambda i: i.add(X[:2, :5], ids=[1000, 1001]), ValueError, "source has 5 columns; expected 24"),
        (lambda i: i.add(X[:2], ids=[1000, None]), TypeError, "ids holds nothing in row 1"),
        (lambda i: i.add(X[:2], ids=[1000.0, 1001.0]), TypeError, "ids holds 1000.0 in row 0"),
        (lambda i: i.add(X[:2], ids="id"), ValueError, "ids='id' names a column, and source, ndarray, has none"),
        (lambda i: i.add([[np.nan] * D], ids=[1000]), ValueError, r"row 0 \(id 1000\) holds NaN"),
        (lambda i: i.add(X[:2], ids=[2**63, 1]), ValueError, "expected integers of 64 bits"),
        (lambda i: i.remove([5, 1000]), KeyError, "ids holds 1000, which is no id"),
        (lambda i: i.remove(1000), KeyError, "ids holds 1000, which is no id"),
        (lambda i: i.remove("a"), TypeError, "this index has integers as ids"),
        (lambda i: i.remove([[5, 6]]), TypeError, r"ids holds \[5, 6\] in row 0"),
        (lambda i: i.update(X[:2], ids=[5, 1000]), KeyError, "ids holds 1000"),
        (lambda i: i.update(X[:2], ids=None), ValueError, "ids is None, and source has none"),
        (lambda i: i.add(X[:1], ids=["\ud800"]), ValueError, "ids holds a character that UTF-8 cannot write"),
        (lambda i: i.vectors([1000]), KeyError, "ids holds 1000"),
        (lambda i: i.search(QUERIES, 0), ValueError, "k=0"),
        (lambda i: i.range_search(QUERIES, np.nan), ValueError, "min_score=nan; expected a finite number"),
        (lambda i: i.range_search(QUERIES, "0.5"), TypeError, "min_score has type str; expected a number"),
        (lambda i: i.range_search(QUERIES[:, :3], 0.5), ValueError, "queries has 3 columns; expected 24"),
        (lambda i: i.range_search(QUERIES, 0.5, [1000]), KeyError, "where holds 1000"),
        (lambda i: i.search(QUERIES[:, :3]), ValueError, "queries has 3 columns; expected 24"),
        (lambda i: i.search(QUERIES * np.nan), ValueError, "queries holds NaN"),
        (lambda i: i.search(QUERIES, where=[1000]), KeyError, "where holds 1000"),
        (lambda i: i.search(QUERIES, where=[True, False]), ValueError, r"where has shape \(2,\); expected \(600,\)"),
        (lambda i: i.search(QUERIES, where=np.arange(600) % 2), ValueError, "holds a 0 or 1 for each row"),
        (lambda i: i.search(QUERIES, where=lambda ids: ids), ValueError, "where returned int64"),
        (lambda i: i.search(QUERIES, where=1.5), TypeError, "where is float"),
    ],
)
def test_what_is_wrong_is_said_and_changes_nothing(fitted, act, error, message):
    before = fitted.info()
    with pytest.raises(error, match=message):
        act(fitted)
    assert fitted.info() == before


def test_hits():
    index = sv.Index.build(X[:100], ids=[f"<{i}>" for i in range(100)])
    one, many = index.search(X[3], 2), index.search(X[:3], 2)
    assert one.ids[0] == "<3>"
    assert one[0] == ("<3>", float(one.scores[0]))
    assert len(many) == 3
    assert [hits.ids[0] for hits in many] == ["<0>", "<1>", "<2>"]
    assert many[1:].ids == many.ids[1:]
    assert list(many[::-1][0]) == list(many[2])
    assert list(one[1:]) == [one[1]]
    assert "&lt;0&gt;" in many._repr_html_()
    pytest.importorskip("pandas")
    frame = many.to_pandas()
    assert frame["query"].tolist() == [0, 0, 1, 1, 2, 2]
    assert frame["rank"].tolist() == [0, 1] * 3
    assert frame["id"].tolist() == [one for found in many.ids for one in found]


@pytest.mark.parametrize("n", [0, 1, 2, 3, 1000])
def test_integers_are_found(n):
    ids = np.random.default_rng(n).permutation(np.arange(-n, n, 2) * 10**15)
    slots, repeated = make_id_slots(ids)
    assert repeated == -1
    assert find_ids(ids, slots, ids).tolist() == list(range(n))
    assert [find_id(ids, slots, int(one)) for one in ids] == list(range(n))
    others = ids + 1
    assert (find_ids(ids, slots, others) == -1).all()
    assert all(find_id(ids, slots, int(one)) == -1 for one in others)
    if n > 2:
        twice = np.concatenate([ids, ids[1:3]])
        assert make_id_slots(twice)[1] == n


def test_searches_beside_changes_see_one_state():
    """A row that is replaced again and again is there once, in every search; its neighbours never go."""
    index = sv.Index.build(X[:200], n_bits=32)
    stop, seen = threading.Event(), []

    def search():
        while not stop.is_set():
            seen.append(sorted(index.search(X[0], 500).ids))

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    for turn in range(60):
        index.update(X[turn : turn + 5], ids=range(5))
        index.remove(100 + turn)
    stop.set()
    for thread in threads:
        thread.join()
    assert len(seen) > 3
    for ids in seen:
        assert ids[:100] == list(range(100))
        assert ids[100:] == list(range(300 - len(ids), 200))
