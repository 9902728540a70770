"""Rows in two lists: what more is found in as many lists, by the same scores; what a damaged file is told by."""

from __future__ import annotations

import copy
import functools
import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import slimvec as sv
from conftest import each_isa
from slimvec.centroids import Centroids
from slimvec.files.table_file import read_content
from slimvec.files.table_writer import save_table
from slimvec.isa import current

D = 24


def clusters(n, seed=0):
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).standard_normal((12, D))
    return (centres[rng.integers(0, 12, n)] + 0.5 * rng.standard_normal((n, D))).astype(np.float32)


X, QUERIES = clusters(1500), clusters(30, 1)
UNIT = X / np.linalg.norm(X, axis=1, keepdims=True)


def made(vectors=X, **options):
    return sv.TransformCoding(**{"n_bits": 48, "partitions": 40, "spill": True} | options).compress(vectors)


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@functools.cache
def two(refine_bits):
    """Return the table of rows in two lists each, with so many second bits."""
    return made(refine_bits=refine_bits)


@pytest.fixture(scope="module", params=[(0, "long"), (3, "long"), (0, "unit"), (3, "unit")], ids=str)
def tables(request):
    """A table with one list for each row, and one with two."""
    refine_bits, rows = request.param
    vectors = X if rows == "long" else UNIT
    both = two(refine_bits) if rows == "long" else made(UNIT, refine_bits=refine_bits)
    return made(vectors, refine_bits=refine_bits, spill=False), both


@pytest.mark.parametrize("metric", ["cosine", "dot", "l2"])
def test_of_all_lists_nothing_changes(tables, metric, isa):
    one, two = tables
    for options in ({}, {"probes": 40}, {"probes": 1000}, {"oversample": None}, {"mask": np.arange(0, 1500, 7)}):
        assert same(
            one.search(QUERIES, 20, metric=metric, **options), two.search(QUERIES, 20, metric=metric, **options)
        )
    assert same(one.range_search(QUERIES, 0.3, metric="dot"), two.range_search(QUERIES, 0.3, metric="dot"))
    assert same(one.range_search(QUERIES, 0.9), two.range_search(QUERIES, 0.9))
    rows = np.array([3, 1499, 3])
    assert np.array_equal(one.lookup(rows, original=True), two.lookup(rows, original=True))
    assert one.most_similar(5) == two.most_similar(5)


@pytest.mark.parametrize("metric", ["cosine", "dot", "l2"])
def test_as_many_lists_find_more(tables, metric):
    every = tables[0].search(QUERIES, 10, metric=metric)
    for probes, more in ((1, 0.08), (2, 0.03)):
        shares = [
            np.mean([np.isin(a, b).mean() for a, b in zip(found.indices, every.indices, strict=True)])
            for found in (table.search(QUERIES, 10, metric=metric, probes=probes) for table in tables)
        ]
        assert shares[1] > shares[0] + more


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([0, 3]),
    st.sampled_from(["cosine", "dot", "l2"]),
    st.integers(1, 45),
    st.integers(1, 200),
    st.floats(0.01, 1.5),
    st.integers(0, 2**32),
    st.integers(1, 3),
)
def test_whatever_is_read_each_row_is_found_once_by_its_own_score(refine_bits, metric, probes, k, share, seed, threads):
    table = two(refine_bits)
    allowed = np.random.default_rng(seed).random(len(X)) < share
    allowed[seed % len(X)] = True
    every = table.search(QUERIES[:5], len(X), metric=metric, oversample=None)
    found = table.search(QUERIES[:5], k, metric=metric, probes=probes, mask=allowed, threads=threads)
    for q in range(5):
        score_of = dict(zip(every.indices[q].tolist(), every.scores[q].tolist(), strict=True))
        rows = found.indices[q].tolist()
        assert len(set(rows)) == len(rows) == min(k, int(allowed.sum()))  # further lists are read where these are few
        assert allowed[rows].all()
        assert found.scores[q].tolist() == [score_of[row] for row in rows]
        assert sorted(zip(-found.scores[q], rows, strict=True)) == list(zip(-found.scores[q], rows, strict=True))


def test_every_row_of_the_lists_is_found():
    """Of a search for all rows, those in the lists that it reads: by the first list or the second."""
    table = two(0)
    parts = table._parts
    own, second = parts.partition.lists(np.arange(1500)), parts.spilled.lists(parts.partition, np.arange(1500))
    assert (own != second).all()
    centroids = parts.encoder.centroids.astype(np.float64)
    for query in QUERIES[:5]:
        cosines = centroids @ query / np.linalg.norm(centroids, axis=1)
        read = np.argsort(-cosines, kind="stable")[:2]
        there = np.isin(own, read) | np.isin(second, read)
        k = int(there.sum())
        found = table.search(query[None], k, probes=2, mask=there)  # of others, further lists would have to be read
        assert np.array_equal(np.sort(found.indices[0]), np.flatnonzero(there))


def test_rows_that_are_alike_keep_no_other_out():
    """Second codes of forty equal rows may all promise too much: rows of the lists that are read stay found."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((20, D))
    rows = np.repeat(
        (centres[rng.integers(0, 20, 200)] + 0.7 * rng.standard_normal((200, D))).astype(np.float32), 40, 0
    )
    asked = rows[::40][rng.integers(0, 200, 300)] + (0.3 * rng.standard_normal((300, D))).astype(np.float32)
    table = made(rows, n_bits=24, partitions=20)
    one = sv.BinaryTable.from_parts(replace(table._parts, spilled=None))
    for probes in (2, 5, 19):
        for k in (1, 10):
            own, both = (some.search(asked, k, probes=probes).scores for some in (one, table))
            assert (both >= own).all()


@pytest.mark.parametrize("k", [1, 3, 20])
def test_all_that_is_read_is_refined_where_all_is_asked_for(k):
    """Among few allowed rows, or with oversample=None, no row of the lists that are read is left out."""
    allowed = np.zeros(1500, bool)
    allowed[np.random.default_rng(3).permutation(1500)[:60]] = True
    for table in (two(0), two(3)):
        parts = table._parts
        one = sv.BinaryTable.from_parts(replace(parts, spilled=None))
        for options in ({"mask": allowed}, {"mask": allowed, "originals": X}, {}):
            own, both = (some.search(QUERIES, k, probes=39, oversample=None, **options) for some in (one, table))
            assert (both.scores >= own.scores).all()


def test_any_isa_and_any_number_of_threads_find_the_same():
    found = [two(3).search(QUERIES, 15, probes=4, threads=threads) for threads in (1, 2, 5)]
    for isa in each_isa():
        assert current().name == isa
        found += [two(3).search(QUERIES, 15, probes=4)]
        alone = [two(3).search(query[None], 15, probes=4) for query in QUERIES]
        found.append([np.concatenate(part) for part in zip(*alone, strict=True)])
    assert all(same(found[0], other) for other in found[1:])


def test_the_second_list_is_the_one_whose_error_goes_another_way():
    rows, centroids = X[:300].astype(np.float64), clusters(60, 3)
    given = Centroids.of(centroids)
    own = given.nearest(X[:300])
    errors = rows[:, None] - centroids
    directions = errors[np.arange(300), own] / np.linalg.norm(errors[np.arange(300), own], axis=1, keepdims=True)
    losses = np.square(errors).sum(axis=2) + np.einsum("nkd,nd->nk", errors, directions) ** 2
    losses[np.arange(300), own] = np.inf
    found = given.second(X[:300], own)
    assert np.allclose(losses[np.arange(300), found], losses.min(axis=1), rtol=1e-4)
    assert (
        found == np.argsort(np.where(losses == np.inf, np.inf, np.square(errors).sum(axis=2)), axis=1)[:, 0]
    ).mean() < 1
    assert np.array_equal(given.second(centroids, np.arange(60)), nearest_other(centroids))  # no error, no direction


def nearest_other(centroids):
    apart = np.square(centroids[:, None].astype(np.float64) - centroids).sum(axis=2)
    np.fill_diagonal(apart, np.inf)
    return apart.argmin(axis=1)


def test_groups_of_centroids_choose_nearly_as_all_do(monkeypatch):
    rows, centroids = clusters(2000, 5), clusters(900, 6)
    whole = Centroids.of(centroids)
    own = whole.nearest(rows)
    monkeypatch.setattr("slimvec.centroids.MANY", 800)
    grouped = Centroids.of(centroids)
    assert grouped.members
    found = grouped.second(rows, own)
    assert (found != own).all()
    assert (found == whole.second(rows, own)).mean() > 0.9


@pytest.mark.parametrize("n", [1, 2, 13, 40])
@pytest.mark.parametrize("partitions", [1, 2, 100, "auto"])
def test_few_rows_and_few_lists(n, partitions):
    table = made(X[:n], partitions=partitions, n_bits=None)
    assert (table._parts.spilled is None) == (table._parts.partition.n_lists == 1)
    found = table.search(X[:n], k=n + 3, probes=1)
    assert (np.sort(found.indices, axis=1) == np.arange(n)).all()


def test_equal_rows_are_found_in_order():
    table = made(np.tile(X[:1], (50, 1)), partitions=7, n_bits=None)
    assert np.array_equal(table.search(X[:1], k=50, probes=1).indices[0], np.arange(50))
    empty = sv.TransformCoding(48, partitions=5, spill=True).fit(X).to_table(X[:0])
    assert empty.search(QUERIES, probes=2).indices.shape == (30, 0)


def test_fewer_lists_promise_as_much(tables):
    one, two = (table._parts.partition.calibration for table in tables)
    assert one.probes == two.probes
    assert one.recall[10][-1] == two.recall[10][-1]
    assert two.recall[10][1] > one.recall[10][1] + 0.03
    level = 0.95 * one.recall[10][-1]
    assert two.probes_for(level, 10, exactly=False) < one.probes_for(level, 10, exactly=False)
    found = tables[1].search(QUERIES, 10, recall=level)
    assert same(found, tables[1].search(QUERIES, 10, probes=two.probes_for(level, 10, exactly=False)))


def test_a_file_holds_both_lists(tables, tmp_path):
    one, two = tables
    path = tmp_path / "two.slim"
    two.save(path)
    one.save(tmp_path / "one.slim")
    opened = sv.open(path, verify=True)
    streamed = tmp_path / "streamed.slim"
    vectors = X if one._parts.factors.has_weights else UNIT
    refine_bits = 0 if one._parts.refinement is None else 3
    sv.TransformCoding(48, partitions=40, spill=True, refine_bits=refine_bits).compress(vectors, output=streamed)
    assert path.read_bytes() == streamed.read_bytes()
    for other in (opened, copy.deepcopy(two), pickle.loads(pickle.dumps(opened))):  # noqa: S301
        for options in ({"probes": 2}, {"recall": 0.6}):
            assert same(two.search(QUERIES, **options), other.search(QUERIES, **options))
    spilled = opened._parts.spilled
    more = two.info()["bytes"]["spilled"]
    assert more == one.info()["bytes"]["codes"] + one.info()["bytes"]["factors"] + 4 * 1500 + 8 * 41
    assert two._parts.bits_per_row == one._parts.bits_per_row + 48 + 16 * spilled.factors.shape[1] + 32
    assert b'"format_version":"4"' in path.read_bytes()[:4096]
    assert b'"format_version":"3"' in (tmp_path / "one.slim").read_bytes()[:4096]


def rewritten(path, table, change=None, drop=(), **tensors):
    """Write a table anew with other facts and tensors, checksums right."""
    table.save(path)
    content = read_content(path)
    facts = {name: fact for name, fact in content.facts.items() if name not in {"crc32", "checksum"}}
    if change is not None:
        change(facts)
    kept = {name: np.array(tensor) for name, tensor in content.tensors.items() if name not in drop}
    save_table(path, facts, {**kept, **{name: edit(kept[name]) for name, edit in tensors.items()}})
    return path


@pytest.mark.parametrize(
    ("name", "edit", "said"),
    [
        ("spilled.starts", lambda starts: starts[::-1].copy(), "does not rise"),
        ("spilled.starts", lambda starts: starts + 1, "does not rise"),
        ("spilled.starts", lambda starts: starts[1:].copy(), r"spilled\.starts"),
        ("spilled.positions", lambda positions: positions[1:].copy(), r"spilled\.positions"),
        ("spilled.codes", lambda codes: codes[1:].copy(), r"spilled\.codes"),
        ("spilled.codes", lambda codes: np.full_like(codes, 1 << 30), "past bit|holds more"),
        ("spilled.factors", lambda factors: factors[:, :1].copy(), r"spilled\.factors"),
    ],
)
def test_what_is_damaged_is_told_of_when_a_file_is_opened(tmp_path, name, edit, said):
    with pytest.raises(sv.FormatError, match=said):
        sv.open(rewritten(tmp_path / "a.slim", two(0), **{name: edit}))


@pytest.mark.parametrize("edit", [np.zeros_like, lambda positions: positions + np.uint32(1)])
def test_positions_that_are_not_those_of_all_rows_are_told_of(tmp_path, edit):
    path = rewritten(tmp_path / "a.slim", two(0), **{"spilled.positions": edit})
    with pytest.raises(sv.FormatError, match=r"spilled\.positions"):
        sv.open(path, verify=True)
    opened = sv.open(path)
    assert same(opened.search(QUERIES), two(0).search(QUERIES))  # by their own lists


@pytest.mark.parametrize(
    ("name", "edit"),
    [
        ("spilled.positions", lambda positions: np.full_like(positions, 1500)),
        ("spilled.factors", lambda factors: np.full_like(factors, np.inf)),
        ("spilled.factors", lambda factors: np.full_like(factors, np.nan)),
    ],
)
def test_what_a_search_of_some_lists_meets_is_told_of_before(tmp_path, name, edit):
    path = rewritten(tmp_path / "a.slim", two(0), **{name: edit})
    with pytest.raises(sv.FormatError, match=name):
        sv.open(path, verify=True)
    for mask in (None, np.ones(1500, bool)):
        for queries in (QUERIES, QUERIES[:1]):
            with pytest.raises(sv.FormatError, match=name):
                sv.open(path).search(queries, probes=1, mask=mask)


@pytest.mark.parametrize(
    ("change", "drop", "said"),
    [
        (lambda facts: facts.pop("spilled"), (), "does not tell of"),
        (lambda facts: facts.update(spilled=True), (), "cannot have"),
        (lambda facts: facts.update(spilled=None), (), "does not tell of"),
        (None, ("spilled.codes",), "'spilled.codes' is missing"),
        (None, ("spilled.positions",), "'spilled.positions' is missing"),
    ],
)
def test_wrong_facts_are_told_of(tmp_path, change, drop, said):
    with pytest.raises(sv.FormatError, match=said):
        sv.open(rewritten(tmp_path / "a.slim", two(0), change, drop))


def test_a_table_without_lists_cannot_spill(tmp_path):
    plain = made(partitions=None, spill=False)
    with pytest.raises(sv.FormatError, match="cannot have"):
        sv.open(rewritten(tmp_path / "a.slim", plain, lambda facts: facts.update(spilled={})))


def test_what_users_may_get_wrong_is_named():
    with pytest.raises(ValueError, match=r"spill=True, but there are no lists.*expected partitions="):
        sv.TransformCoding(48, spill=True).fit(X)
    for wrong in (1, "yes", None):
        with pytest.raises(TypeError, match=f"spill={wrong!r}; expected True or False"):
            sv.TransformCoding(48, partitions=4, spill=wrong).fit(X)


def test_second_codes_stand_for_what_their_centroid_leaves():
    """Scores of codes in second lists estimate the same products, and err little more."""
    parts = two(0)._parts
    partition, spilled = parts.partition, parts.spilled
    swapped = replace(
        parts,
        codes=spilled.codes,
        factors=replace(parts.factors, values=spilled.factors),
        partition=replace(partition, starts=spilled.starts, rows=partition.rows[spilled.positions]),
        spilled=None,
    )
    errors = []
    for some in (parts, swapped):
        scores, rows = sv.BinaryTable.from_parts(some).search(QUERIES, len(X), metric="dot")
        errors.append(scores - np.take_along_axis(QUERIES @ X.T, rows, axis=1))
    own, second = (np.sqrt(np.square(error).mean()) for error in errors)
    assert own < second < 1.5 * own
    assert abs(errors[1].mean()) < 0.25 * second
