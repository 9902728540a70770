"""Codes of signs in lists: what an unpartitioned table of the same codes finds, and what lists are read for."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import slimvec as sv
from slimvec import _core, reference
from slimvec.binary.codes import BlockedCodes
from slimvec.binary.encoder import Encoder
from slimvec.files.table_file import read_content
from slimvec.files.table_writer import save_table
from slimvec.isa import current

N, D = 500, 24
RNG = np.random.default_rng(5)
X = (RNG.standard_normal((12, D))[RNG.integers(0, 12, N)] + 0.5 * RNG.standard_normal((N, D))).astype(np.float32)
X[N // 2 :] = X[: N - N // 2]  # ties, in other places of their lists
QUERIES = np.vstack([X[:5] * 1.3, RNG.standard_normal((4, D))]).astype(np.float32)
WORDS = [f"w{i}" for i in range(N)]
ROWS = {"of any length": X, "of unit length": X / np.linalg.norm(X, axis=1, keepdims=True)}


def same(ours, theirs):
    return all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


def without_lists(table):
    """The table of the same codes, row by row."""
    parts = table._parts
    codes = BlockedCodes.from_rows(table.codes(), table.n_bits)
    places = parts.partition.positions
    values = np.zeros_like(parts.factors.values)
    rows = np.arange(len(table))
    values[rows // 16, :, rows % 16] = parts.factors.values[places // 16, :, places % 16]
    factors = replace(parts.factors, values=values)
    encoder = Encoder(parts.encoder.mean, parts.encoder.projection)
    return sv.BinaryTable.from_parts(replace(parts, codes=codes, factors=factors, encoder=encoder, partition=None))


@pytest.fixture(scope="module", params=ROWS)
def table(request):
    return sv.IIQ(20, n_iter=5, partitions=9).compress(sv.Vectors(WORDS, ROWS[request.param]))


@pytest.fixture(scope="module")
def plain(table):
    return without_lists(table)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 60),
    st.sampled_from(["cosine", "dot", "l2"]),
    st.sampled_from([None, "auto", 1, 3]),
    st.floats(0, 1),
    st.integers(0, 2**32),
    st.integers(1, 3),
)
def test_without_probes_lists_change_nothing(table, plain, k, metric, oversample, share, seed, threads):
    mask = np.random.default_rng(seed).random(N) < share
    for allowed in (None, mask):
        asked = {"k": k, "mask": allowed, "threads": threads}
        found = [one.search(QUERIES, metric=metric, oversample=oversample, **asked) for one in (table, plain)]
        assert same(*found)
        codes = plain.encode(QUERIES)
        assert same(*(one.search_codes(codes, **asked) for one in (table, plain)))
        radius = {"radius": k // 6, "mask": allowed, "threads": threads}
        assert same(*(one.range_search_codes(codes, **radius) for one in (table, plain)))
        near = {"min_score": -5 if metric == "l2" else 0.5, "metric": metric, "mask": allowed}
        assert same(*(one.range_search(QUERIES, **near) for one in (table, plain)))


def test_rows_and_words_mean_what_they_meant(table, plain, isa):
    rows = np.array([7, 499, 0, 7])
    assert np.array_equal(table.lookup(rows), plain.lookup(rows))
    assert np.array_equal(table.lookup(["w3"], original=True), plain.lookup(["w3"], original=True))
    assert np.array_equal(table.codes(), plain.codes())
    assert np.array_equal(table.encode(X[:9]), plain.encode(X[:9]))
    for weights in (None, [[1.0, 2.0], [0.5]]):
        bags = [["w3", "w77"], ["w0"]]
        assert np.array_equal(table.mean(bags, weights), plain.mean(bags, weights))
    assert table.most_similar("w9", k=7) == plain.most_similar("w9", k=7)
    other = {"positive": ["w9", "w4"], "negative": ["w100"], "k": 7}
    assert table.most_similar(**other) == plain.most_similar(**other)
    assert table.most_similar(QUERIES[0], k=7) == plain.most_similar(QUERIES[0], k=7)


def test_some_lists_are_scored_whole(table, plain):
    every = plain.search(QUERIES, k=N, oversample=None)
    centroids = table._parts.encoder.centroids.astype(np.float64)
    cosines = QUERIES @ centroids.T / np.linalg.norm(centroids, axis=1)
    for probes in (1, 3, 9, 20):
        found = table.search(QUERIES, k=15, probes=probes)
        for q in range(len(QUERIES)):
            read = np.argsort(-cosines[q])[:probes]
            kept = np.isin(table._parts.partition.lists(every.indices[q]), read)
            assert np.array_equal(found.indices[q], every.indices[q][kept][:15])
            assert np.array_equal(found.scores[q], every.scores[q][kept][:15])
    assert len(np.unique(table.search(QUERIES, k=300, probes=1).indices[0])) == 300


def test_recall_reads_enough_lists():
    rng = np.random.default_rng(3)
    rows, queries = (
        np.random.default_rng(99).standard_normal((200, D))[rng.integers(0, 200, n)] + rng.standard_normal((n, D))
        for n in (6000, 800)
    )
    table = sv.IIQ(96, n_remove=0, n_iter=5, partitions="auto").compress(rows)
    cosines = queries @ (rows / np.linalg.norm(rows, axis=1, keepdims=True)).T
    least = -np.partition(-cosines, 9, axis=1)[:, 9:10]
    for promised in (0.45, 0.6):
        found = table.search(queries, k=10, recall=promised).indices
        assert abs((np.take_along_axis(cosines, found, axis=1) >= least).mean() - promised) < 0.04


def test_codes_are_those_of_the_method_without_lists():
    """Where all rows are learnt from: then the sample is no other."""
    listed, usual = (
        method.compress(X, factors=True) for method in (sv.IIQ(20, n_iter=5, partitions=4), sv.IIQ(20, n_iter=5))
    )
    assert np.array_equal(listed.codes(), usual.codes())
    assert same(listed.search(QUERIES), usual.search(QUERIES))
    assert sv.ITQ(20, partitions=4).compress(X).info()["lists"] == 4
    fitted = sv.IIQ(20, n_iter=5, partitions=4).fit(X)
    assert np.array_equal(fitted.transform(X), usual.codes())
    again = fitted.set_params(partitions=None).fit(X).to_table(X)
    assert again._parts.partition is None
    assert again._parts.factors is None


def test_a_file_holds_it_all(table, tmp_path):
    table.save(tmp_path / "a.slim")
    opened = sv.open(tmp_path / "a.slim", verify=True)
    sv.IIQ(20, n_iter=5, partitions=9).compress(X, output=tmp_path / "b.slim")
    for other in (opened, copy.deepcopy(table), pickle.loads(pickle.dumps(opened))):  # noqa: S301
        assert same(table.search(QUERIES, probes=2), other.search(QUERIES, probes=2))
        assert same(table.search(QUERIES, recall=0.4), other.search(QUERIES, recall=0.4))
        assert same(table.search_codes(table.codes([3])), other.search_codes(table.codes([3])))
    assert sv.open(tmp_path / "b.slim").info()["lists"] == 9


@pytest.mark.parametrize(
    ("name", "said"),
    [("factors", "'factors' is missing"), ("centroids", "'centroids'"), ("mean", "does not tell of")],
)
def test_what_lists_need_is_missed(table, tmp_path, name, said):
    table.save(tmp_path / "a.slim")
    content = read_content(tmp_path / "a.slim")
    facts = {key: fact for key, fact in content.facts.items() if key not in {"crc32", "checksum"}}
    tensors = {key: np.array(value) for key, value in content.tensors.items() if key != name}
    save_table(tmp_path / "b.slim", facts, tensors)
    with pytest.raises(sv.FormatError, match=said):
        sv.open(tmp_path / "b.slim")


def test_rows_that_are_no_permutation_are_told_of(table, tmp_path):
    table.save(tmp_path / "a.slim")
    content = read_content(tmp_path / "a.slim")
    facts = {key: fact for key, fact in content.facts.items() if key not in {"crc32", "checksum"}}
    tensors = {key: np.array(value) for key, value in content.tensors.items()}
    tensors["partition.rows"][3] = tensors["partition.rows"][4]
    save_table(tmp_path / "b.slim", facts, tensors)
    damaged = sv.open(tmp_path / "b.slim")
    codes = table.codes([0])
    for ask in (damaged.lookup, damaged.codes, damaged.search_codes, damaged.search):
        with pytest.raises(sv.FormatError, match=r"partition\.rows"):
            ask({damaged.search_codes: codes, damaged.search: QUERIES}.get(ask, [1]))


@pytest.mark.parametrize("n", [1, 2, 40])
@pytest.mark.parametrize("partitions", [1, 60, "auto"])
def test_few_rows_equal_rows_and_no_rows(n, partitions):
    method = sv.IIQ(8, n_iter=2, partitions=partitions)
    for rows in (X[:n], np.tile(X[:1], (n, 1))):
        table = method.compress(rows)
        found = table.search(rows, k=n + 2, probes=1)
        assert (np.sort(found.indices, axis=1) == np.arange(n)).all()
    np.testing.assert_array_equal(found.indices[0], np.arange(n))  # equal rows, in order
    assert method.to_table(X[:0]).search(QUERIES, probes=1).indices.shape == (len(QUERIES), 0)


def test_a_lead_comes_behind_the_bits():
    rng = np.random.default_rng(5)
    falling = np.geomspace(1, 0.02, 96).astype(np.float32)
    rows, queries = (rng.standard_normal((n, 96), dtype=np.float32) * falling for n in (4000, 20))
    table = sv.IIQ(48, n_remove=0, n_iter=2, partitions=1100).compress(rows)
    assert table._parts.encoder.lead is not None
    plain = without_lists(table)
    assert same(table.search(queries), plain.search(queries))
    assert same(table.search(queries, probes=1100), plain.search(queries, oversample=None))
    assert np.array_equal(table.encode(queries), plain.encode(queries))


@pytest.mark.parametrize("n_bits", [1, 33, 300, 5000])
@pytest.mark.parametrize("n", [1, 17, 700])
def test_rows_of_codes_equal_their_twin(isa, n, n_bits):
    rng = np.random.default_rng(n)
    codes = rng.integers(0, 2, (n, n_bits)).astype(bool)
    codes[n // 2 :] = codes[: n - n // 2]
    blocks = BlockedCodes.from_rows(np.packbits(codes, axis=1, bitorder="little"), n_bits)
    queries = np.packbits(rng.integers(0, 2, (5, n_bits)).astype(bool), axis=1, bitorder="little")
    rows = rng.permutation(n).astype(np.uint32)
    own = blocks.blocks, n, n_bits, queries
    for mask in (None, blocks.pack_mask(rng.random(n) < 0.4)):
        for k in {1, min(10, n), n}:
            expected = reference.hamming_search(*own, k, mask, rows)
            assert all(same(_core.hamming_search(current(), *own, k, mask, t, rows), expected) for t in (1, 3))
        expected = reference.hamming_range_search(*own, n_bits // 2, mask, rows)
        assert same(_core.hamming_range_search(current(), *own, n_bits // 2, mask, 2, rows), expected)


def test_rows_that_do_not_fit_codes_are_refused():
    blocks = BlockedCodes.from_rows(np.zeros((3, 1), np.uint8), 8)
    own = current(), blocks.blocks, 3, 8, np.zeros((1, 1), np.uint8)
    for rows in (np.arange(2), np.arange(4), np.array([0, 1, 3])):
        for search in (_core.hamming_search, _core.hamming_range_search):
            with pytest.raises(ValueError, match="rows must"):
                search(*own, 1, None, 1, rows.astype(np.uint32))
