"""Recall as `slimvec.evaluate.retrieval` reports it, against recall counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

import slimvec as sv
from slimvec.evaluate import retrieval
from slimvec.evaluate.retrieval import exact_neighbours, recall


@pytest.fixture(scope="module")
def halves():
    generator = np.random.default_rng(4)
    rows = generator.standard_normal((40, 32))[generator.integers(0, 40, 2100)] + generator.standard_normal((2100, 32))
    rows = (rows * np.linspace(0.5, 2, 2100)[:, None] + 0.3).astype(np.float32)
    return rows[100:], rows[:100]


@pytest.mark.parametrize("metric", ["cosine", "dot"])
def test_the_truth_is_the_truth(halves, metric):
    base, queries = halves
    scores = queries.astype(np.float64) @ base.T.astype(np.float64)
    if metric == "cosine":
        scores /= np.linalg.norm(base.astype(np.float64), axis=1)
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :7]
    assert np.array_equal(exact_neighbours(queries, base, 7, metric), expected)
    half = np.ascontiguousarray(base, np.float16)
    assert recall(exact_neighbours(queries, half, 7, metric), expected) > 0.95


def test_equal_vectors_are_found_in_order():
    rows = np.repeat(np.eye(3, dtype=np.float32), 20_000, axis=0)  # several blocks
    assert exact_neighbours(rows[:1], rows, 5, "cosine").tolist() == [[0, 1, 2, 3, 4]]
    assert exact_neighbours(rows[-1:], rows, 5, "dot").tolist() == [[40_000, 40_001, 40_002, 40_003, 40_004]]


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
    with pytest.raises(ValueError, match="metric='l2'"):
        retrieval(table, queries, base, metric="l2")
    with pytest.raises(ValueError, match="no encoder"):
        retrieval(sv.BinaryTable(table.codes(), 32), queries, base)
