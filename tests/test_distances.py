"""Searches by Euclidean distance: estimates beside the distances themselves, and where a table cannot tell them."""

from __future__ import annotations

import numpy as np
import pytest

import slimvec as sv
from slimvec.files.table_writer import save_table

N, D = 3000, 48
pytestmark = pytest.mark.xdist_group("distances")  # tables of all codings are made once

CODINGS = {
    "signs": lambda rows: sv.IIQ(n_remove=0).compress(rows, factors=True),
    "signs in lists": lambda rows: sv.IIQ(n_remove=0, partitions=20).compress(rows),
    "several bits": lambda rows: sv.TransformCoding(n_bits=144).compress(rows),
    "refined": lambda rows: sv.TransformCoding(n_bits=96, refine_bits=4).compress(rows),
    "lists": lambda rows: sv.TransformCoding(n_bits=144, partitions=20).compress(rows),
    "lists, refined": lambda rows: sv.TransformCoding(n_bits=96, partitions=20, refine_bits=4).compress(rows),
}
LEAST_RECALL = {
    "signs": 0.35,
    "signs in lists": 0.35,
    "several bits": 0.75,
    "refined": 0.95,
    "lists": 0.8,
    "lists, refined": 0.95,
}


@pytest.fixture(scope="module")
def rows():
    generator = np.random.default_rng(0)
    made = generator.standard_normal((N, D)) * np.exp(-np.arange(D) / 16) + 0.3
    made *= generator.uniform(0.5, 2, (N, 1))  # what is near by direction is not what is near
    made[7] = 0
    return made.astype(np.float32)


@pytest.fixture(scope="module")
def queries(rows):
    return rows[:40] + np.random.default_rng(1).normal(0, 0.1, (40, D)).astype(np.float32)


@pytest.fixture(scope="module")
def tables(rows):
    return {name: make(rows) for name, make in CODINGS.items()}


def distances(rows, queries):
    return np.linalg.norm(rows.astype(np.float64)[None] - queries[:, None], axis=2)


def found_of(rows, queries, indices, k=10):
    nearest = np.argsort(distances(rows, queries), axis=1, kind="stable")[:, :k]
    return np.mean([len(np.intersect1d(a, b)) / k for a, b in zip(indices, nearest, strict=True)])


@pytest.mark.parametrize("coding", CODINGS)
def test_estimates(rows, queries, tables, coding):
    table = tables[coding]
    found = table.search(queries, 10, metric="l2", oversample=None)
    assert found_of(rows, queries, found.indices) >= LEAST_RECALL[coding]
    assert found_of(rows, queries, table.search(queries, 10, metric="dot").indices) < 0.3
    exact = np.take_along_axis(distances(rows, queries), found.indices, axis=1)
    assert (found.scores <= 0).all()
    assert (np.diff(found.scores) <= 0).all()
    assert np.abs(found.scores + exact).mean() < (0.5 if coding.startswith("signs") else 0.12)


@pytest.mark.parametrize("coding", CODINGS)
def test_originals_make_distances_exact(rows, queries, tables, coding):
    found = tables[coding].search(queries, 10, metric="l2", oversample=40, originals=rows)
    assert found_of(rows, queries, found.indices) > 0.95
    exact = np.take_along_axis(distances(rows, queries), found.indices, axis=1)
    assert np.allclose(found.scores, -exact, rtol=1e-6)


@pytest.mark.parametrize("coding", CODINGS)
def test_range_search_is_search_down_to_a_bound(rows, queries, tables, coding):
    table = tables[coding]
    every = table.search(queries, N, metric="l2", oversample=None)
    for bound in (every.scores[3, 20], every.scores[5, 0], np.float32(-2), 0.0, 0.5):
        found = table.range_search(queries, bound, metric="l2")
        kept = every.scores >= np.float32(bound)
        assert np.array_equal(found.scores, every.scores[kept])
        assert np.array_equal(np.diff(found.offsets), kept.sum(axis=1))


def test_lists_are_probed_by_distance(tables, queries):
    table = tables["lists"]
    some = table.search(queries, 10, metric="l2", probes=5)
    every = table.search(queries, 10, metric="l2", probes=20)
    assert np.array_equal(every.indices, table.search(queries, 10, metric="l2").indices)
    assert np.mean([len(np.intersect1d(a, b)) / 10 for a, b in zip(some.indices, every.indices, strict=True)]) > 0.8


def test_every_isa_and_any_number_of_threads(tables, queries, isa):
    table = tables["lists, refined"]
    found = [table.search(queries, 10, metric="l2", threads=threads) for threads in (1, 3)]
    with sv.use_isa("scalar"):
        found.append(table.search(queries, 10, metric="l2"))
    assert all(np.array_equal(one.scores, found[0].scores) for one in found)
    assert all(np.array_equal(one.indices, found[0].indices) for one in found)


def test_zeros_have_distances_too(rows, tables):
    table = tables["refined"]
    zero = np.zeros((1, D), np.float32)
    found = table.search(zero, 5, metric="l2")
    assert 7 in found.indices[0]  # the row of zeros
    assert np.allclose(-found.scores[0, 1:], np.linalg.norm(rows[found.indices[0, 1:]], axis=1), rtol=0.2)
    exact = table.search(zero, 1, metric="l2", originals=rows)
    assert (exact.indices[0, 0], exact.scores[0, 0]) == (7, 0)


def test_rows_of_unit_length(rows, queries):
    kept = np.delete(rows, 7, axis=0)
    unit = kept / np.linalg.norm(kept, axis=1, keepdims=True)
    table = sv.TransformCoding(n_bits=288).compress(unit)
    found = table.search(queries, 10, metric="l2")
    exact = np.take_along_axis(distances(unit, queries), found.indices, axis=1)
    assert np.abs(found.scores + exact).max() < 0.05
    assert np.array_equal(found.indices, table.search(queries, 10, metric="dot").indices)


@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_any_unit(tables, rows, queries, scale):
    wide, asked = rows.astype(np.float64) * scale, queries.astype(np.float64) * scale
    found = CODINGS["several bits"](wide).search(asked, 10, metric="l2")
    expected = tables["several bits"].search(queries, 10, metric="l2")
    assert np.mean(found.indices == expected.indices) > 0.9
    # Roundings of learning differ, and some rows get other codes for it.
    assert np.allclose(found.scores / scale, expected.scores, rtol=4e-2, atol=4e-2)


def test_saved_and_in_shards(rows, queries, tmp_path):
    model = sv.TransformCoding(n_bits=144).fit(rows)
    table = model.to_table(rows)
    table.save(tmp_path / "one.slim")
    model.to_shards([rows[:1000], rows[1000:]], tmp_path / "many")
    expected = table.search(queries, 10, metric="l2")
    for name in ("one.slim", "many"):
        opened = sv.open(tmp_path / name)
        found = opened.search(queries, 10, metric="l2")
        assert np.array_equal(found.indices, expected.indices)
        assert np.array_equal(found.scores, expected.scores)


class TestRefused:
    def test_codes_without_factors(self, rows, queries):
        table = sv.IIQ(n_remove=0).compress(rows)
        message = 'metric="l2" needs the lengths of rows; expected a table with factors'
        with pytest.raises(ValueError, match=message):
            table.search(queries, metric="l2")
        with pytest.raises(ValueError, match=message):
            table.range_search(queries, -1, metric="l2")

    def test_rows_too_short_to_tell(self, rows, queries):
        short = np.vstack([rows + 3, np.full((2, D), 1e-4, np.float32)])
        table = sv.TransformCoding(n_bits=96).compress(short)
        with pytest.raises(ValueError, match="2 of the vectors are so short"):
            table.search(queries, metric="l2")
        with pytest.raises(ValueError, match="2 of the vectors are so short"):
            table.range_search(queries, -1, metric="l2")
        assert table.search(queries, metric="dot").indices.shape == (40, 10)

    def test_files_that_do_not_say(self, tables, queries, tmp_path):
        facts, tensors = tables["several bits"]._parts.to_content()
        assert facts["factors"]["short"] == 0
        for said in (None, "0", True):
            save_table(tmp_path / "table.slim", facts | {"factors": {**facts["factors"], "short": said}}, tensors)
            with pytest.raises(ValueError, match="of which this table is not sure; compress them again"):
                sv.open(tmp_path / "table.slim").search(queries, metric="l2")

    def test_queries_beyond_all_rows(self, tables, queries):
        with pytest.raises(ValueError, match="queries: row 2 is so long"):
            tables["signs"].search(np.vstack([queries[:2], queries[:1].astype(np.float64) * 1e30]), metric="l2")

    def test_other_metrics(self, tables, queries):
        with pytest.raises(ValueError, match=r"metric='l1'; expected one of \('cosine', 'dot', 'l2'\)"):
            tables["signs"].search(queries, metric="l1")
