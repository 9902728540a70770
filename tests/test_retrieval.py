"""Recall as `slimvec.evaluate.retrieval` reports it, against recall counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import slimvec as sv
from slimvec.evaluate import retrieval
from slimvec.evaluate.truth import exact_neighbours, recall, recall_with_ties


@pytest.fixture(scope="module")
def halves():
    generator = np.random.default_rng(4)
    rows = generator.standard_normal((40, 32))[generator.integers(0, 40, 2100)] + generator.standard_normal((2100, 32))
    rows = (rows * np.linspace(0.5, 2, 2100)[:, None] + 0.3).astype(np.float32)
    return rows[100:], rows[:100]


@pytest.mark.parametrize("metric", ["cosine", "dot", "l2"])
def test_the_truth_is_the_truth(halves, metric):
    base, queries = halves
    scores = queries.astype(np.float64) @ base.T.astype(np.float64)
    if metric == "cosine":
        scores /= np.linalg.norm(base.astype(np.float64), axis=1)
    elif metric == "l2":
        scores = -np.linalg.norm(queries.astype(np.float64)[:, None] - base, axis=2)
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :7]
    assert np.array_equal(exact_neighbours(queries, base, 7, metric), expected)
    half = np.ascontiguousarray(base, np.float16)
    assert recall(exact_neighbours(queries, half, 7, metric), expected) > 0.95


def test_equal_vectors_are_found_in_order():
    rows = np.repeat(np.eye(3, dtype=np.float32), 20_000, axis=0)  # several blocks
    assert exact_neighbours(rows[:1], rows, 5, "cosine").tolist() == [[0, 1, 2, 3, 4]]
    assert exact_neighbours(rows[-1:], rows, 5, "dot").tolist() == [[40_000, 40_001, 40_002, 40_003, 40_004]]


def shares_that_reach(found, truth, queries, vectors, metric):
    """Tied recall, one found row after the other, in exact integers' float64."""
    counted = []
    for query, mine, true in zip(queries, found, truth, strict=True):
        scores = vectors.astype(np.float64) @ query.astype(np.float64)
        if metric == "cosine":
            norms = np.linalg.norm(vectors.astype(np.float64), axis=1)
            scores = np.divide(scores, norms, out=np.zeros_like(scores), where=norms > 0)
        elif metric == "l2":
            scores = -np.linalg.norm(vectors.astype(np.float64) - query, axis=1)
        counted += [scores[row] >= min(scores[true]) - 1e-9 for row in mine]
    return np.mean(counted)


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.sampled_from(["cosine", "dot", "l2"]))
def test_rows_as_near_as_the_last_true_one_count(seed, k, metric):
    generator = np.random.default_rng(seed)
    vectors = generator.integers(-1, 2, (30, 4)).astype(np.float32)  # most of them several times
    queries = generator.integers(-2, 3, (5, 4)).astype(np.float32)
    truth = exact_neighbours(queries, vectors, k, metric)
    found = np.array([generator.permutation(30)[:k] for _ in queries])
    with_ties = recall_with_ties(found, truth, queries, vectors, metric)
    assert with_ties == pytest.approx(shares_that_reach(found, truth, queries, vectors, metric))
    assert recall(found, truth) <= with_ties + 1e-12
    for scale in (1e-30, 1e30):
        assert recall_with_ties(found, truth, queries * scale, vectors * np.float32(scale), metric) == with_ties
    assert recall_with_ties(truth, truth, queries, vectors, metric) == 1


def test_ties_are_told_from_near_misses():
    query = np.array([[1, 0]], np.float32)
    vectors = np.array([[1, 0], [1 - 1e-7, 0], [1 - 1e-5, 0], [1, 1e6]], np.float32)
    truth = np.array([[0]])
    assert recall_with_ties(np.array([[1]]), truth, query, vectors, "dot") == 1
    assert recall_with_ties(np.array([[2]]), truth, query, vectors, "dot") == 0
    assert recall_with_ties(np.array([[2]]), truth, query, vectors, "cosine") == 1
    long = 1000 * vectors  # what rounds away follows the scale
    assert recall_with_ties(np.array([[1]]), truth, query, long, "dot") == 1
    assert recall_with_ties(np.array([[2]]), truth, query, long, "dot") == 0
    vectors[3, 0] = 0.5  # a long row is no reason to be lenient
    assert recall_with_ties(np.array([[3]]), truth, query, vectors, "dot") == 0
    assert recall_with_ties(np.array([[3]]), truth, 0 * query, vectors, "dot") == 1  # to zeros, all rows are alike
    assert recall_with_ties(np.array([[-1]]), np.array([[3]]), query, vectors, "dot") == 0  # none, and not the last row
    nothing = np.empty((0, 1), np.int64)
    assert recall_with_ties(nothing, nothing, query[:0], vectors, "dot") == 0


def test_copies_take_nothing_away(halves):
    base, queries = halves
    twice = np.vstack([base, base])
    truth = exact_neighbours(queries, twice, 5, "cosine")
    copies = (truth + len(base)) % len(twice)
    assert recall(copies, truth) == pytest.approx(0.8)
    assert recall_with_ties(copies, truth, queries, twice, "cosine") == 1
    for way in retrieval(sv.TransformCoding().compress(twice), queries, twice, k=5):
        assert way.recall + 0.001 < way.recall_with_ties <= 1


def test_bytes_are_those_of_what_is_used(halves):
    base, queries = halves
    half = base.astype(np.float16)
    encoder = (32 + 32 * 32) * 4 / 2000
    sizes = {
        way.method: way.bytes_per_row
        for way in retrieval(sv.ITQ(n_iter=1).compress(base, factors=True), queries, half, oversample=(2,))
    }
    assert sizes == {
        "hamming": 4 + encoder,
        "scores": 4 + 6 + encoder,
        "scan": 4 + 6 + encoder,
        "scores + originals": 4 + 6 + encoder + 64,
        "scan + originals": 4 + 6 + encoder + 64,
    }
    words = sv.Vectors(map(str, range(2000)), base)
    table = sv.TransformCoding(33, n_iter=1).compress(words)
    scan, _ = retrieval(table, queries=queries, truth_vectors=words)
    stored = table.info()["bytes"]
    assert scan.bytes_per_row == 8 + 6 + stored["encoder"] / 2000
    assert stored["words"] > 0


def test_every_way_is_reported_as_it_is(halves):
    base, queries = halves
    table = sv.ITQ().compress(base, factors=True)
    truth = exact_neighbours(queries, base, 10, "cosine")
    ways = {(way.method, way.oversample): way for way in retrieval(table, queries, base, oversample=(2, 10))}
    assert set(ways) == {
        ("hamming", None),
        ("scores", 2),
        ("scores", 10),
        ("scan", None),
        ("scores + originals", 2),
        ("scores + originals", 10),
        ("scan + originals", None),
    }
    for (method, wide), options in {
        ("scores", 2): {"oversample": 2},
        ("scan", None): {"oversample": None},
        ("scores + originals", 10): {"oversample": 10, "originals": base},
    }.items():
        assert ways[method, wide].recall == recall(table.search(queries, **options).indices, truth)
    at_norm = queries * (table.info()["norm"] / np.linalg.norm(queries, axis=1, keepdims=True))  # as search takes them
    assert ways["hamming", None].recall == recall(table.search_codes(table.encode(at_norm)).indices, truth)
    assert ways["hamming", None].recall < ways["scores", 10].recall < ways["scores + originals", 10].recall
    for way in ways.values():
        assert way.scan_ms > 0
        assert way.total_ms > 0


def test_codes_alone(halves):
    base, queries = halves
    ways = retrieval(sv.ITQ().compress(base), queries, base, k=3, oversample=(5, 100), metric="dot")
    assert [(way.method, way.oversample) for way in ways] == [
        ("hamming", None),
        ("hamming + originals", 5),
        ("hamming + originals", 100),
    ]
    assert ways[0].recall < ways[1].recall < ways[2].recall


def test_bad_input(halves):
    base, queries = halves
    table = sv.ITQ(n_iter=1).compress(base, factors=True)
    with pytest.raises(ValueError, match="truth_vectors has 31 columns; expected 32"):
        retrieval(table, queries, base[:, :31])
    with pytest.raises(ValueError, match="truth_vectors has 1999 rows; expected 2000"):
        retrieval(table, queries, base[1:])
    with pytest.raises(ValueError, match="k=0"):
        retrieval(table, queries, base, k=0)
    with pytest.raises(ValueError, match="metric='l1'"):
        retrieval(table, queries, base, metric="l1")
    with pytest.raises(ValueError, match="no encoder"):
        retrieval(sv.BinaryTable(table.codes(), 32), queries, base)
