"""An index whose rows lie in lists: the answers of its rows one by one, whatever was done before and may be found."""

from __future__ import annotations

from copy import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import slimvec as sv
from slimvec.binary.calibration import Calibration
from slimvec.index.piece_scan import FEW_IN_LISTS
from test_index import assert_nearly_same_hits, change, empty

D = 24


def clusters(n, seed, of=12):
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).standard_normal((of, D))
    return (centres[rng.integers(0, of, n)] + 0.5 * rng.standard_normal((n, D))).astype(np.float32)


X, QUERIES = clusters(600, 0), clusters(5, 1)


@pytest.fixture(scope="module")
def plain():
    return sv.Index.build(X, n_bits=48, refine_bits=0, partitions=10)


@pytest.fixture(scope="module")
def refined():
    return sv.Index.build(X, n_bits=48, refine_bits=3, partitions=10)


def order_of_lists(index, query):
    """All lists, the one whose centroid makes the smallest angle with the query first."""
    centroids = index._state.coder.encoder.centroids.astype(np.float64)
    return np.argsort(-(centroids @ query) / np.linalg.norm(centroids, axis=1), kind="stable")


def list_of(index):
    """Return the list of each id."""
    found = {}
    for piece in index._state.view().pieces:
        lists = piece.parts.partition.lists(piece.rows)
        found |= dict(zip(piece.ids.values[piece.rows].tolist(), lists.tolist(), strict=True))
    return found


def few(index, some):
    """Return those of ``some`` that are so few among the rows of their segment that all of them are looked at."""
    found = set()
    for piece in index._state.view().pieces:
        own = set(piece.ids.values[piece.rows].tolist()) & some
        found |= own if len(own) * FEW_IN_LISTS < len(piece.parts) else set()
    return found


def expected(index, number, n_probes, k, some):
    """What a search of some lists must find, from the scores of all rows."""
    every = index.search(QUERIES, max(1, len(index)))
    lists, order, looked_at = list_of(index), order_of_lists(index, QUERIES[number]), few(index, some)
    pairs = [(one, score) for one, score in zip(every.ids[number], every.scores[number], strict=True) if one in some]
    while True:
        read = set(order[:n_probes].tolist())
        kept = [pair for pair in pairs if lists[pair[0]] in read or pair[0] in looked_at]
        if len(kept) >= min(k, len(pairs)) or n_probes >= len(order):
            return kept[:k]
        n_probes *= 4


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_whatever_was_done_before_probes_find_the_best_of_their_lists(plain, data):
    """Random changes, conditions and probes beside a search of all rows, cut to what lies in these lists."""
    kind = data.draw(st.sampled_from(["integers", "texts"]))
    name = int if kind == "integers" else str
    index, rows, fresh = empty(plain, kind), {}, iter(range(10_000))
    if data.draw(st.booleans()):  # as many as make others few
        rows = {name(next(fresh) * 37): i for i in range(500)}
        index.add(X[:500], ids=list(rows))
    for _ in range(data.draw(st.integers(1, 6))):
        change(index, rows, name, fresh, data, X)
    k, n_probes, share = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 12)), data.draw(st.integers(1, 200))
    some = {one for one in rows if rows[one] % share == 0}
    for where in (None, list(some)):
        hits = index.search(QUERIES, k, where, probes=n_probes, threads=data.draw(st.integers(1, 3)))
        for number in range(len(QUERIES)):
            pairs = expected(index, number, n_probes, k, set(rows) if where is None else some)
            assert len(hits.ids[number]) == len(pairs)
            assert np.allclose(hits.scores[number], [score for _, score in pairs], atol=1e-6)
            there = dict(zip(hits.ids[number], hits.scores[number].tolist(), strict=True))
            last = pairs[-1][1] if pairs else 0
            assert all(abs(there.get(one, last) - score) <= 2e-6 for one, score in pairs)


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_refined_rows_too(refined, data):
    """As one segment of the same rows has them."""
    index, rows, fresh = empty(refined), {}, iter(range(10_000))
    for _ in range(data.draw(st.integers(1, 8))):
        change(index, rows, int, fresh, data, X)
    other = empty(refined)
    if rows:
        other.add(X[list(rows.values())], ids=list(rows))
    k, n_probes = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 12))
    for where in (None, [one for one in rows if rows[one] % 3 == 0]):
        hits = index.search(QUERIES, k, where, probes=n_probes)
        assert_nearly_same_hits(hits, other.search(QUERIES, k, where, probes=n_probes))
        assert all(len(ids) == min(k, len(rows if where is None else where)) for ids in hits.ids)


def test_an_index_of_one_segment_is_its_table(isa, plain, refined):
    for index, refine_bits in ((plain, 0), (refined, 3)):
        table = sv.TransformCoding(48, refine_bits=refine_bits, partitions=10).compress(X)
        for options in ({}, {"probes": 1}, {"probes": 3}, {"recall": 0.7}):
            hits, (scores, rows) = index.search(QUERIES, 7, **options), table.search(QUERIES, 7, **options)
            assert hits.ids == rows.tolist()
            assert np.array_equal(np.stack(hits.scores), scores)
        mask = np.arange(600) % 3 == 1
        hits = index.search(QUERIES, 7, mask, recall=0.7)
        assert hits.ids == table.search(QUERIES, 7, mask=mask, recall=0.7).indices.tolist()


def test_rows_of_unit_length_beside_others(refined):
    """Segments with weights and without, whose scores must be comparable."""
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    index = sv.Index.build(unit[:300], n_bits=48, refine_bits=3, partitions=10)
    index.add(1.05 * unit[300:])  # whose codes may differ a little
    other = sv.Index.build(unit[:300], n_bits=48, refine_bits=3, partitions=10)
    other.add(unit[300:])
    assert [one.parts.factors.has_weights for one in index._state.view().pieces] == [False, True]
    ours, theirs = (one.search(QUERIES, 600, probes=10) for one in (index, other))
    for i in range(len(QUERIES)):
        scores, expected = (dict(zip(hits.ids[i], hits.scores[i].tolist(), strict=True)) for hits in (ours, theirs))
        scores, expected = (np.array([found[one] for one in range(300, 600)]) for found in (scores, expected))
        assert np.abs(scores - expected).max() < 0.06
        assert abs(scores @ expected / (expected @ expected) - 1) < 0.005


def test_queries_of_zeros_and_all_scores_down_to_a_bound(plain):
    index = empty(plain)
    index.add(X[:40])
    index.add(X[40:60])
    index.remove([0, 41])
    assert index.search(np.zeros(D), 3, probes=1).ids == [1, 2, 3]
    every, found = index.search(QUERIES, 60), index.range_search(QUERIES, 0.3)
    assert found.ids == [
        [one for one, score in zip(ids, scores, strict=True) if score >= np.float32(0.3)]
        for ids, scores in zip(every.ids, every.scores, strict=True)
    ]


def test_what_lists_are_told_of(plain):
    assert plain.info()["lists"] == 10
    assert ("a row", "48 bits, of 24 numbers, in 10 lists") in plain.describe(1)
    without = sv.Index.build(X[:100], n_bits=16)
    assert without.info()["lists"] is None
    for options in ({"probes": 2}, {"recall": 0.9}):
        with pytest.raises(ValueError, match=f"{next(iter(options))}: there are no lists"):
            without.search(QUERIES, **options)
    with pytest.raises(ValueError, match="probes and recall both"):
        plain.search(QUERIES, probes=1, recall=0.9)
    with pytest.raises(ValueError, match="probes=0"):
        plain.search(QUERIES, probes=0)


MEASURED = Calibration(
    (1, 2, 4, 8, 16, 32),
    {10: (0.5, 0.6, 0.7, 0.8, 0.9, 0.95), 100: (0.3, 0.45, 0.6, 0.75, 0.85, 0.93)},
    {10: (0.5, 0.65, 0.8, 0.9, 0.97, 1.0), 100: (0.3, 0.5, 0.65, 0.8, 0.9, 1.0)},
)


def test_of_fewer_rows_more_lists_are_read():
    assert MEASURED.probes_for(0.8, 10, False) == 8
    assert MEASURED.probes_for(0.8, 10, False, 1.0) == 8
    # 8 lists hold .9 of the ten nearest; of the hundred nearest 16 do, and of the thousand nearest twice as many.
    assert MEASURED.probes_for(0.8, 10, False, 0.1) == 16
    assert MEASURED.probes_for(0.8, 10, False, 0.01) == 32
    assert MEASURED.probes_for(0.8, 10, False, 0.0001) == 32
    assert MEASURED.probes_for(0.8, 10, False, 0.5) in range(9, 16)


def test_recall_is_reached_among_some_of_the_rows():
    """Of a third of the rows, drawn at random, about as many neighbours are found as were asked for, or more.

    Also if the others were removed.
    """
    rows, queries = clusters(6000, 3, of=300), clusters(300, 4, of=300)
    index = sv.Index.build(rows, n_bits=96, refine_bits=4, partitions=64)
    exact = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    for share in (1, 3, 10):
        some = np.flatnonzero(np.random.default_rng(0).integers(0, share, 6000) == 0)
        true = some[np.argsort(-(queries @ exact[some].T), axis=1)[:, :10]]
        left = copy(index)
        left.remove(np.setdiff1d(np.arange(6000), some))
        for hits in (index.search(queries, 10, some, recall=0.9), left.search(queries, 10, recall=np.float32(0.9))):
            found = np.mean([len(set(a) & set(b.tolist())) / 10 for a, b in zip(hits.ids, true, strict=True)])
            assert 0.87 < found < 0.97
