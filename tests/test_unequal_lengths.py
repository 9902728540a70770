"""Lists of rows of many lengths: which of them are read for inner products and distances, and what is promised."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import slimvec as sv
from slimvec.binary.probing import probe_order
from slimvec.binary.true_neighbours import NearestByMetric
from slimvec.evaluate.truth import exact_neighbours, recall_with_ties

pytestmark = pytest.mark.xdist_group("unequal lengths")  # one table of each scale for all

D = 24
METRICS = ("cosine", "dot", "l2")


def clusters(n, seed, of=200):
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).standard_normal((of, D))
    rows = centres[rng.integers(0, of, n)] + 0.8 * rng.standard_normal((n, D))
    return (rows * rng.lognormal(0, 0.4, (n, 1))).astype(np.float32)


ROWS, QUERIES = clusters(6000, 0), clusters(800, 1)


@pytest.fixture(scope="module", params=[2.0**-30, 1.0, 2.0**40])
def scale(request):
    return np.float32(request.param)


@pytest.fixture(scope="module")
def table(scale):
    return sv.TransformCoding(72, refine_bits=4, partitions="auto").compress(ROWS * scale)


def found_of(table, scale, metric, **reading):
    found = table.search(QUERIES * scale, 10, metric=metric, **reading).indices
    return recall_with_ties(found, exact_neighbours(QUERIES, ROWS, 10, metric), QUERIES, ROWS, metric)


@pytest.mark.parametrize("metric", METRICS)
def test_recall_is_what_was_promised(table, scale, metric):
    for promised in (0.85, 0.95):
        assert abs(found_of(table, scale, metric, recall=promised) - promised) < 0.03


def test_long_lists_that_differ_are_read_for_products(table, scale):
    """Fewer codes are read until most neighbours are among them than in the order of the centroids' own products."""
    parts = table._parts
    without = sv.BinaryTable.from_parts(replace(parts, partition=replace(parts.partition, spreads=None)))
    lists = parts.partition.lists(exact_neighbours(QUERIES, ROWS, 10, "dot"))
    codes = []
    for one in (table, without):
        order = probe_order(one._parts, QUERIES * scale, "dot")
        read = np.cumsum(np.diff(parts.partition.starts)[order], axis=1)
        places = np.argsort(order, axis=1)  # of each list
        codes.append(np.quantile(np.take_along_axis(read, np.take_along_axis(places, lists, axis=1), axis=1), 0.9))
    assert codes[0] < codes[1]
    centroids, lengths = parts.encoder.centroids / scale, np.linalg.norm(QUERIES, axis=1)
    worth = QUERIES @ centroids.T + 4 / D**0.5 * lengths[:, None] * (parts.partition.spreads / scale)
    best = np.argsort(-worth, axis=1)[:, :20]
    found = probe_order(parts, QUERIES * scale, "dot")[:, :20]
    assert np.mean([len(np.intersect1d(a, b)) for a, b in zip(best, found, strict=True)]) > 19.8  # queries are rounded
    for metric in ("cosine", "l2"):
        ours, theirs = (one.search(QUERIES * scale, 10, metric=metric, probes=20) for one in (table, without))
        assert np.array_equal(ours.indices, theirs.indices)
    every, all_lists = (table.search(QUERIES * scale, 10, metric="dot", probes=n) for n in (None, 10**6))
    assert np.array_equal(every.indices, all_lists.indices)


def test_spreads_are_distances_from_centroids(table, scale):
    parts = table._parts
    lists = parts.partition.lists(np.arange(len(ROWS)))
    squares = np.square((ROWS * scale).astype(np.float64) - parts.encoder.centroids[lists]).sum(axis=1)
    sizes = np.maximum(np.bincount(lists, minlength=parts.partition.n_lists), 1)
    expected = np.sqrt(np.bincount(lists, squares, minlength=parts.partition.n_lists) / sizes)
    np.testing.assert_allclose(parts.partition.spreads, expected, rtol=1e-4)


def test_a_file_holds_it(table, scale, tmp_path):
    table.save(tmp_path / "a.slim")
    opened = sv.open(tmp_path / "a.slim", verify=True)
    assert opened._parts.partition.others.keys() == {"dot", "l2"}
    for metric in METRICS:
        ours, theirs = (one.search(QUERIES * scale, 10, metric=metric, recall=0.8) for one in (table, opened))
        assert np.array_equal(ours.indices, theirs.indices)


def test_what_older_files_do_not_tell_is_named(table, scale, tmp_path):
    parts = table._parts
    older = replace(parts, partition=replace(parts.partition, others={}, spreads=None))
    sv.BinaryTable.from_parts(older).save(tmp_path / "a.slim")
    opened = sv.open(tmp_path / "a.slim")
    assert found_of(opened, scale, "cosine", recall=0.8) > 0.75
    for metric in ("dot", "l2"):
        with pytest.raises(ValueError, match=f'not measured for metric="{metric}"; expected probes, or a table'):
            opened.search(QUERIES, metric=metric, recall=0.8)


def test_products_that_may_be_beyond_float32_are_not_measured():
    table = sv.TransformCoding(24, partitions=9).compress(ROWS[:500] * np.float32(2.0**62))
    assert table._parts.partition.others.keys() == {"l2"}
    with pytest.raises(ValueError, match='not measured for metric="dot"'):
        table.search(QUERIES, metric="dot", recall=0.5)


def test_rows_of_one_length_need_no_more_than_cosines():
    rows = ROWS[:1500] / np.linalg.norm(ROWS[:1500], axis=1, keepdims=True)
    table = sv.TransformCoding(72, partitions=60).compress(rows)
    assert table._parts.partition.spreads is None
    assert not table._parts.partition.others
    asked = QUERIES / np.linalg.norm(QUERIES, axis=1, keepdims=True)
    expected = table.search(asked, recall=0.5).indices
    for metric in ("dot", "l2"):
        assert np.array_equal(table.search(asked, metric=metric, recall=0.5).indices, expected)


def test_neighbours_are_gathered_by_each_metric():
    asking = np.array([3, 500, 1999])
    rows = ROWS[:2000]
    gathered = NearestByMetric(asking, rows[asking], 7.0, METRICS)
    for first in range(0, 2000, 300):
        gathered.update(first, rows[first : first + 300])
    for metric, own in gathered.by_metric.items():
        for k in (1, 10, 100):
            found = own.of(k)
            for q, one in enumerate(asking):
                scores = _scores(metric, rows, rows[one])
                scores[one] = -np.inf
                assert set(np.argsort(-scores)[:k]) <= set(found[q])
                assert len(found[q]) <= k + 2


def _scores(metric, rows, query):
    products = rows.astype(np.float64) @ query.astype(np.float64)
    if metric == "dot":
        return products
    if metric == "l2":
        return -np.linalg.norm(rows.astype(np.float64) - query, axis=1)
    return products / np.linalg.norm(rows, axis=1)


def test_distances_that_the_table_cannot_tell_are_not_measured():
    rows = ROWS[:800] + np.float32(5)
    rows[3] = 1e-4
    table = sv.TransformCoding(24, partitions=9).compress(rows)
    assert table._parts.factors.n_short
    assert table._parts.partition.others.keys() == {"dot"}
