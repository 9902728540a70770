"""Tables with lists: what is read, what is found, what is promised, and what a damaged file is told by."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import replace
from functools import cache, partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import slimvec as sv
from conftest import each_isa
from slimvec import _core
from slimvec.binary.calibration import Calibration
from slimvec.binary.training.lists import kmeans
from slimvec.binary.true_neighbours import NearestRows
from slimvec.blas import nearest
from slimvec.centroids import Centroids
from slimvec.files.table_file import checksum_of, read_content
from slimvec.isa import current
from slimvec.progress import ignore
from slimvec.reference import refined_search

D = 24


def clusters(n, seed=0, spread=0.5, of=12):
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).standard_normal((of, D))
    rows = centres[rng.integers(0, of, n)] + spread * rng.standard_normal((n, D))
    return rows.astype(np.float32)


X, QUERIES = clusters(600), clusters(9, 1)


def made(vectors=X, **options):
    return sv.TransformCoding(**{"n_bits": 48, "partitions": 10} | options).compress(vectors)


@cache
def usual(refine_bits=0):
    return made(refine_bits=refine_bits)


@pytest.fixture(scope="module", params=[0, 3])
def table(request):
    return usual(request.param)


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def order_of_lists(table, query):
    """All lists, the one whose centroid makes the smallest angle with the query first."""
    centroids = table._parts.encoder.centroids.astype(np.float64)
    return np.argsort(-(centroids @ query) / np.linalg.norm(centroids, axis=1), kind="stable")


def expected(table, scores, rows, query, n_probes, k, allowed):
    """What a search of some lists must find, from the scores of all rows."""
    order, lists = order_of_lists(table, query), table._parts.partition.lists(rows)
    while True:
        kept = np.isin(lists, order[:n_probes]) & allowed[rows]
        if kept.sum() >= min(k, allowed.sum()) or n_probes >= len(order):
            return scores[kept][:k], rows[kept][:k]
        n_probes *= 4


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 12), st.integers(1, 60), st.integers(0, 2**32), st.booleans(), st.integers(1, 3))
def test_probes_find_the_best_of_their_lists(n_probes, k, seed, masked, threads):
    table = usual()
    every = table.search(QUERIES, k=len(X))
    allowed = np.random.default_rng(seed).random(len(X)) < (0.05 if masked else 2)
    allowed[0] = True
    found = table.search(QUERIES, k=k, probes=n_probes, mask=allowed if masked else None, threads=threads)
    for q, query in enumerate(QUERIES):
        wanted = expected(table, every.scores[q], every.indices[q], query, n_probes, k, allowed)
        np.testing.assert_array_equal(found.indices[q], wanted[1])
        np.testing.assert_array_equal(found.scores[q], wanted[0])


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 1), st.integers(1, 60), st.integers(0, 2**32), st.sampled_from([1, 3, 10]), st.integers(1, 40))
def test_masks_hold_for_first_codes_and_second_ones(share, k, seed, n_probes, oversample):
    """Whatever is read and refined: rows that are allowed, each once, as many as there are, by scores that all have."""
    allowed = np.random.default_rng(seed).random(len(X)) < share
    allowed[seed % len(X)] = True
    table = usual(3)
    found = table.search(QUERIES, k=k, probes=n_probes, oversample=oversample, mask=allowed)
    every = table.search(QUERIES, k=len(X), oversample=None, probes=10)
    n = min(k, int(allowed.sum()))
    for q in range(len(QUERIES)):
        score_of = dict(zip(every.indices[q].tolist(), every.scores[q].tolist(), strict=True))
        rows = found.indices[q].tolist()
        assert len(rows) == len(set(rows)) == n
        assert allowed[rows].all()
        assert found.scores[q].tolist() == [score_of[row] for row in rows]
        if n_probes == 10 and k * oversample >= allowed.sum():  # all that is allowed was refined
            assert rows == [row for row in every.indices[q].tolist() if allowed[row]][:n]


def test_all_lists_are_the_whole_table_however_it_is_asked(table, isa):
    every = table.search(QUERIES, k=50)
    assert same(every, table.search(QUERIES, k=50, probes=10))
    assert same(every, table.search(QUERIES, k=50, probes=1000))
    for threads in (1, 2, 5):
        assert same(every, table.search(QUERIES, k=50, threads=threads))
        one_by_one = [table.search(query[None], k=50, probes=3, threads=threads) for query in QUERIES]
        together = table.search(QUERIES, k=50, probes=3)
        scores, rows = (np.concatenate(part) for part in zip(*one_by_one, strict=True))
        np.testing.assert_allclose(together.scores, scores, atol=1e-4)  # queries are rounded
        assert (together.indices == rows).mean() > 0.95


def test_scores_estimate_cosines_and_products(table):
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    cosines = QUERIES @ unit.T / np.linalg.norm(QUERIES, axis=1, keepdims=True)
    scores, rows = table.search(QUERIES, k=len(X))
    true = np.take_along_axis(cosines, rows, axis=1)
    assert np.abs(scores - true).mean() < 0.04
    assert abs((scores - true).mean()) < 0.005
    scores, rows = table.search(QUERIES, k=len(X), metric="dot")
    assert np.corrcoef(scores.ravel(), np.take_along_axis(QUERIES @ X.T, rows, axis=1).ravel())[0, 1] > 0.99


def test_rows_mean_what_they_meant(table):
    words = [f"w{i}" for i in range(len(X))]
    named = made(sv.Vectors(words, X), refine_bits=3 if table._parts.refinement else 0)
    rows = np.array([5, 599, 0, 5])
    vectors = named.lookup(["w5", "w599", 0, 5], original=True)
    assert np.linalg.norm(vectors - X[rows]) < 0.35 * np.linalg.norm(X[rows])
    np.testing.assert_array_equal(vectors, table.lookup(rows, original=True))
    encoder = named._parts.encoder
    refined = named._parts.refinement
    directions = encoder.directions if refined is None else refined.refiner.directions
    np.testing.assert_allclose(
        named.lookup(rows), (vectors - encoder.mean) @ directions, atol=0.06 if refined is None else 1e-4
    )
    means = named.mean([["w5", "w599"]], original=True)
    np.testing.assert_allclose(means[0], vectors[:2].mean(axis=0), atol=1e-5)
    neighbours = [int(word[1:]) for word, _ in named.most_similar("w5", k=5)]
    assert 5 not in neighbours
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    assert (unit[neighbours] @ unit[5]).min() > np.sort(unit @ unit[5])[-60]
    np.testing.assert_array_equal(named.codes(rows), named.codes()[rows])
    np.testing.assert_array_equal(named.codes(), named.encode(X))
    with pytest.raises(ValueError, match="several bits mean nothing"):
        named.search_codes(named.codes([0]))


def test_originals_score_what_lists_hold(table):
    exact = X @ QUERIES.T / np.linalg.norm(X, axis=1, keepdims=True)
    found = table.search(QUERIES, k=5, probes=10, originals=X, oversample=40)
    np.testing.assert_array_equal(found.indices, np.argsort(-exact.T, axis=1, kind="stable")[:, :5])
    few = table.search(QUERIES, k=5, probes=1, originals=X, oversample=100)  # more than the list holds
    assert (few.indices >= 0).all()
    for q, query in enumerate(QUERIES):
        first = table._parts.partition.lists(few.indices[q])
        assert set(first) == {order_of_lists(table, query)[0]}


def test_a_file_holds_it_all(table, tmp_path):
    table.save(tmp_path / "a.slim")
    opened = sv.open(tmp_path / "a.slim", verify=True)
    others = [opened, copy.deepcopy(table), pickle.loads(pickle.dumps(opened))]  # noqa: S301
    others.append(
        sv.TransformCoding(48, partitions=10, refine_bits=3 if table._parts.refinement else 0).compress(
            X, output=tmp_path / "b.slim"
        )
    )
    assert (tmp_path / "a.slim").read_bytes()[8:12] == (tmp_path / "b.slim").read_bytes()[8:12]
    for other in others:
        assert same(table.search(QUERIES, k=20, probes=2), other.search(QUERIES, k=20, probes=2))
        assert same(table.search(QUERIES, recall=0.5), other.search(QUERIES, recall=0.5))
        np.testing.assert_array_equal(table.lookup([7], original=True), other.lookup([7], original=True))
    assert table.info()["bytes"]["partition"] == 4 * len(X) + 8 * 11 + 4 * 10
    without = sv.TransformCoding(48, refine_bits=3 if table._parts.refinement else 0).compress(X)
    assert 32 * D / table.compression_ratio == pytest.approx(32 * D / without.compression_ratio + 32)


def rewritten(path, change_facts=None, **tensors):
    """Write a table file anew with other facts or tensors, checksums right."""
    raw = path.read_bytes()
    size = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + size])
    facts = json.loads(header["__metadata__"]["facts"])
    body = bytearray(raw[8 + size :])
    for name, value in tensors.items():
        begin, end = header[name]["data_offsets"]
        data = value.tobytes()
        assert len(data) == end - begin
        body[begin:end] = data
        facts["crc32"].pop(name, None)
    if change_facts is not None:
        change_facts(facts)
    facts.pop("checksum", None)
    header["__metadata__"]["facts"] = json.dumps(facts)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 64 + 56)
    other = path.with_name("changed.slim")
    other.write_bytes(len(text).to_bytes(8, "little") + text + bytes(body))
    return other


@pytest.mark.parametrize(
    ("tensor", "value", "said"),
    [
        ("partition.starts", lambda starts: starts[::-1].copy(), "does not rise"),
        ("partition.starts", lambda starts: starts + 1, "does not rise"),
        ("centroids", lambda rows: rows * np.float32(np.nan), "no centroids"),
        ("partition.spreads", lambda spreads: np.full_like(spreads, -1), "no distances"),
        ("partition.spreads", lambda spreads: np.full_like(spreads, np.inf), "no distances"),
    ],
)
def test_damaged_lists_are_told_of_when_a_file_is_opened(tmp_path, tensor, value, said):
    path = tmp_path / "a.slim"
    usual().save(path)
    with pytest.raises(sv.FormatError, match=said):
        sv.open(rewritten(path, **{tensor: value(read_content(path).tensors[tensor])}))


@pytest.mark.parametrize("edit", [np.zeros_like, lambda rows: rows + 1, lambda rows: rows + np.uint32(1 << 31)])
def test_rows_that_are_no_permutation_are_told_of(tmp_path, edit):
    path = tmp_path / "a.slim"
    usual().save(path)
    wrong = rewritten(path, **{"partition.rows": edit(read_content(path).tensors["partition.rows"])})
    with pytest.raises(sv.FormatError):
        sv.open(wrong, verify=True)
    opened = sv.open(wrong)
    with pytest.raises(sv.FormatError, match=r"partition\.rows"):
        opened.lookup([3])
    for ask in (opened.search, partial(opened.search, probes=1), partial(opened.range_search, min_score=0.9)):
        with pytest.raises(sv.FormatError, match="damaged"):
            ask(QUERIES)


@pytest.mark.parametrize(
    "change",
    [
        lambda facts: facts.update(partition=3),
        lambda facts: facts["partition"].update(calibration=[]),
        lambda facts: facts["partition"]["calibration"].update(probes=[]),
        lambda facts: facts["partition"]["calibration"].update(probes=[1, 2, 11]),
        lambda facts: facts["partition"]["calibration"].update(probes=[2, 1, 10]),
        lambda facts: facts["partition"]["calibration"].update(recall={}),
        lambda facts: facts["partition"]["calibration"].update(recall={"10": [2.0, 1, 1, 1, 1]}),
        lambda facts: facts["partition"]["calibration"].update(reach={"x": [1, 1, 1, 1, 1]}),
        lambda facts: facts["partition"]["calibration"].update(reach={"7": [1, 1, 1, 1, 1]}),
        lambda facts: facts["partition"]["calibration"].update(reach={"\u00b2": [1, 1, 1, 1, 1]}),
        lambda facts: facts["partition"]["calibration"].update(reach={"9" * 5000: [1, 1, 1, 1, 1]}),
        lambda facts: facts["partition"].update(calibrations=[]),
        lambda facts: facts["partition"]["calibrations"].update(cosine=facts["partition"]["calibration"]),
        lambda facts: facts["partition"]["calibrations"].update(dot=None),
        lambda facts: facts["partition"]["calibrations"]["l2"].update(probes=[1, 2]),
        lambda facts: facts.pop("partition"),
    ],
)
def test_wrong_facts_are_told_of(tmp_path, change):
    path = tmp_path / "a.slim"
    usual().save(path)
    with pytest.raises(sv.FormatError):
        sv.open(rewritten(path, change))


@pytest.mark.parametrize("metric", ["cosine", "dot", "l2"])
def test_lists_may_hold_fewer_rows_than_are_handed_to_originals(table, metric):
    found = table.search(QUERIES, 5, metric=metric, probes=1, originals=X)
    assert (found.indices >= 0).all()
    every = table.search(QUERIES, len(X), metric=metric, oversample=None, originals=X)
    for some, all_of, its in zip(found.indices, every.indices, found.scores, strict=True):
        places = np.flatnonzero(np.isin(all_of, some))
        assert all_of[places].tolist() == some.tolist()  # in the order of exact scores
        assert (np.diff(its) <= 0).all()


def test_what_users_may_get_wrong_is_named():
    table, plain = usual(), made(partitions=None)
    for wrong, said in (
        ({"probes": 3, "recall": 0.9}, "expected one of them"),
        ({"probes": 0}, "probes=0; expected at least 1"),
        ({"recall": 0}, "recall=0; expected a share"),
        ({"recall": 1.1}, "recall=1.1; expected a share"),
        ({"recall": "most"}, "recall='most'; expected a share"),
        ({"recall": True}, "recall=True; expected a share"),
        ({"recall": 1}, "these codes find at most"),
    ):
        with pytest.raises(ValueError, match=said):
            table.search(QUERIES, **wrong)
    with pytest.raises(TypeError, match=r"probes=2\.5 is not an integer"):
        table.search(QUERIES, probes=2.5)
    for name, value in (("probes", 3), ("recall", 0.9)):
        with pytest.raises(ValueError, match=f"{name}: there are no lists"):
            plain.search(QUERIES, **{name: value})
    with pytest.raises(ValueError, match="partitions=0; expected between 1"):
        sv.TransformCoding(partitions=0).fit(X)
    for wrong in ("some", 2.5, True):
        with pytest.raises(TypeError, match=f"partitions={wrong!r} is not an integer"):
            sv.TransformCoding(partitions=wrong).fit(X)


@pytest.mark.parametrize("n", [1, 2, 13, 40])
@pytest.mark.parametrize("partitions", [1, 40, 100, "auto"])
def test_few_rows_and_more_lists_than_rows(n, partitions):
    table = made(X[:n], partitions=partitions, n_bits=None)
    assert table.info()["lists"] <= n
    found = table.search(X[:n], k=n + 3, probes=1)
    assert found.indices.shape == (n, n)
    assert (np.sort(found.indices, axis=1) == np.arange(n)).all()
    assert len(table.lookup(np.arange(n), original=True)) == n
    if n < 3:
        with pytest.raises(ValueError, match="too few rows"):
            table.search(X[:n], recall=0.5)


def test_equal_rows_are_found_in_order():
    table = made(np.tile(X[:1], (50, 1)), partitions=7, n_bits=None)
    np.testing.assert_array_equal(table.search(X[:1], k=50, probes=1).indices[0], np.arange(50))
    np.testing.assert_allclose(table.lookup([49], original=True)[0], X[0], rtol=1e-5)


def test_a_table_of_no_rows():
    table = sv.TransformCoding(48, partitions=5).fit(X).to_table(X[:0])
    assert table.search(QUERIES, probes=2).indices.shape == (len(QUERIES), 0)


def test_zero_queries_and_scaled_ones(table):
    zero = table.search(np.zeros((1, D)), k=4, probes=1)
    np.testing.assert_array_equal(zero.indices[0], np.arange(4))
    assert not zero.scores.any()
    assert same(table.search(QUERIES, probes=2), table.search(QUERIES * 2.0**60, probes=2))


@pytest.mark.parametrize("scale", [2.0**-60, 2.0**-20, 2.0**20, 2.0**60])
def test_the_scale_of_rows_changes_nothing(table, scale):
    scaled = made(X * np.float32(scale), refine_bits=3 if table._parts.refinement else 0)
    one, other = table.search(QUERIES, k=20, probes=3), scaled.search(QUERIES, k=20, probes=3)
    assert (one.indices == other.indices).mean() > 0.95
    np.testing.assert_allclose(one.scores, other.scores, atol=1e-4)


def test_streams_give_the_same_table(tmp_path):
    whole = made(partitions=5, max_train_rows=None)
    coding = sv.TransformCoding(48, partitions=5, max_train_rows=None)
    streamed = coding.fit_blocks(X[i : i + 70] for i in range(0, len(X), 70)).to_table(X)
    assert same(whole.search(QUERIES, k=30, probes=2), streamed.search(QUERIES, k=30, probes=2))
    np.save(tmp_path / "x.npy", X)
    mapped = made(np.load(tmp_path / "x.npy", mmap_mode="r"), partitions=5, max_train_rows=None)
    assert same(whole.search(QUERIES, k=30, probes=2), mapped.search(QUERIES, k=30, probes=2))


def test_recall_is_what_was_promised():
    rows = clusters(8000, 3, 1.5, 200)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)  # others: test_unequal_lengths
    queries = clusters(500, 4, 1.5, 200)
    table = sv.TransformCoding(48, refine_bits=6, partitions="auto").compress(unit)
    scores = queries @ unit.T
    least = -np.partition(-scores, 9, axis=1)[:, 9:10]
    n_read = []
    for promised in (0.5, 0.8, 0.9):
        found = table.search(queries, k=10, recall=promised)
        kept = np.take_along_axis(scores, found.indices, axis=1) >= least * (1 - 1e-6)
        assert abs(kept.mean() - promised) < 0.04  # two deviations of what 512 rows and 500 queries tell at a half
        n_read.append(table._parts.partition.calibration.probes_for(promised, 10, exactly=False))
    assert n_read == sorted(set(n_read))
    assert n_read[-1] < table._parts.partition.n_lists / 4


@pytest.mark.parametrize("metric", ["dot", "l2"])
def test_of_rows_of_one_length_lists_are_read_by_angle(metric):
    table = made(X / np.linalg.norm(X, axis=1, keepdims=True))
    asked = QUERIES / np.linalg.norm(QUERIES, axis=1, keepdims=True)
    expected, found = (table.search(asked, k=5, probes=2, metric=one) for one in ("cosine", metric))
    assert np.array_equal(found.indices, expected.indices)


def test_probes_are_read_between_those_that_were_measured():
    measured = Calibration((1, 4, 16), {10: (0.5, 0.8, 0.9)}, {10: (0.6, 0.9, 1.0)})
    assert [measured.probes_for(share, 10, exactly=False) for share in (0.1, 0.5, 0.65, 0.8, 0.9)] == [1, 1, 2, 4, 16]
    assert measured.probes_for(0.95, 100, exactly=True) == 8
    with pytest.raises(ValueError, match=r"at most 0\.900 of 10"):
        measured.probes_for(0.95, 1, exactly=False)


def test_true_neighbours_are_gathered_block_by_block():
    asking = np.array([0, 77, 599])
    gathered = NearestRows(asking, X[asking])
    for first in range(0, 600, 130):
        gathered.update(first, X[first : first + 130])
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    scores = unit[asking] @ unit.T
    scores[np.arange(3), asking] = -2
    for k in (1, 10, 100):
        wanted = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        for found, true in zip(gathered.of(k), wanted, strict=True):
            assert set(true) <= set(found)
            assert len(found) <= k + 2


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 12), st.integers(0, 2**32))
def test_kmeans_finds_centroids_that_are_means(n, n_lists, seed):
    rng = np.random.default_rng(seed)
    rows = rng.integers(-3, 4, (n, 3)).astype(np.float32)
    n_lists = min(n, n_lists)
    centroids = kmeans(rows, n_lists, np.random.default_rng(0), ignore)
    assert centroids.shape == (n_lists, 3)
    assert np.isfinite(centroids).all()
    loss = np.square(rows - centroids[nearest(rows, centroids)]).sum()
    assert loss <= np.square(rows - rows.mean(axis=0)).sum() + 1e-4
    np.testing.assert_array_equal(centroids, kmeans(rows, n_lists, np.random.default_rng(0), ignore))


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.integers(1, 8), min_size=1, max_size=40), st.integers(0, 2**32), st.integers(1, 3), st.integers(1, 70)
)
def test_refined_search_equals_its_twin(bits, seed, n_threads, k):
    rng = np.random.default_rng(seed)
    bits = np.sort(np.array(bits, np.uint8))[::-1].copy()
    codes = np.packbits(rng.integers(0, 2, (30, int(bits.sum()))).astype(bool), axis=1, bitorder="little")
    numbers = rng.integers(-2, 3, (30, 3)).astype(np.float16).view(np.uint16)
    values = rng.integers(-8191, 8192, (4, len(bits))).astype(np.int16)
    ids = rng.integers(-1, 30, (4, 70))
    first = rng.integers(-2, 3, ids.shape).astype(np.float32)
    factors = rng.random((2, *ids.shape))
    for ratios, weights in ((None, None), factors):
        given = (codes, bits, numbers, values, rng.random(4), ids, first, ratios, weights, k)
        expected = refined_search(*given)
        for isa in each_isa():
            assert same(_core.refined_search(current(), *given, n_threads), expected), isa


def test_refined_products_of_long_rows_are_exact():
    good = {
        "codes": np.full((1, 3000), 255, np.uint8),
        "bits": np.full(3000, 8, np.uint8),
        "numbers": np.array([[1, 0]], np.float16).view(np.uint16),
        "values": np.full((1, 3000), 8191, np.int16),
        "units": np.ones(1),
        "ids": np.zeros((1, 1), np.int64),
        "first": np.zeros((1, 1), np.float32),
        "ratios": None,
        "weights": None,
        "k": 1,
        "n_threads": 1,
    }
    scores, _ = _core.refined_search(current(), **good)
    assert scores[0, 0] == np.float32(3000 * 8191 * 127.5)
    for name, wrong in (
        ("codes", good["codes"][:, 1:].copy()),
        ("bits", good["bits"] + np.uint8(1)),
        ("values", good["values"] + np.int16(1)),
        ("numbers", good["numbers"][:, 1:].copy()),
        ("units", np.ones(2)),
        ("ids", np.zeros((2, 1), np.int64)),
        ("first", np.zeros((1, 2), np.float32)),
        ("ratios", np.zeros((1, 2))),
        ("weights", np.zeros((2, 1))),
        ("k", 0),
        ("k", 2),
        ("n_threads", 0),
    ):
        with pytest.raises(ValueError, match="must"):
            _core.refined_search(current(), **good | {name: wrong})
    for row in (-2, 1):
        with pytest.raises(IndexError, match=f"row {row} is outside a table of 1"):
            _core.refined_search(current(), **good | {"ids": np.full((1, 1), row)})


def test_checksums_cover_the_facts_of_lists(tmp_path):
    path = tmp_path / "a.slim"
    usual().save(path)
    raw = path.read_bytes()
    at = raw.index(b"calibration")
    changed = bytearray(raw)
    place = raw.index(b"0.", at)
    changed[place + 2] = ord("1") if raw[place + 2] != ord("1") else ord("2")
    path.write_bytes(changed)
    with pytest.raises(sv.FormatError):
        sv.open(path, verify=True)
    assert checksum_of({}, {}) == checksum_of({"checksum": 1}, {})


@pytest.fixture(scope="module")
def many_lists():
    """Rows of one length, for which one metric is measured and not three, whose many lists have a lead, and queries."""
    rng = np.random.default_rng(5)
    falling = np.geomspace(1, 0.02, 96).astype(np.float32)
    rows, queries = (rng.standard_normal((n, 96), dtype=np.float32) * falling for n in (6000, 40))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return sv.TransformCoding(96, partitions=2100, n_iter=2, n_passes=0).compress(rows), rows, queries


@pytest.mark.xdist_group("many lists")
def test_a_first_look_along_a_few_directions_loses_little(many_lists):
    table, _, queries = many_lists
    lead = table._parts.encoder.lead
    assert lead is not None
    assert lead.directions.shape[1] == 32
    whole = copy.copy(table._parts.encoder)
    whole.__dict__.update(lead=None, frame=whole.directions)
    exact = sv.BinaryTable.from_parts(replace(table._parts, encoder=whole))
    for probes in (1, 20, 200, 1000):
        found, expected = (one.search(queries, k=10, probes=probes).indices for one in (table, exact))
        assert np.mean([len(np.intersect1d(a, b)) for a, b in zip(found, expected, strict=True)]) > 9
    assert same(table.search(queries, k=10, probes=1000), exact.search(queries, k=10, probes=1000))
    assert same(table.search(queries, k=10, probes=2100), exact.search(queries, k=10))


@pytest.mark.xdist_group("many lists")
def test_a_query_finds_the_same_alone_and_among_others(many_lists):
    table, _, queries = many_lists
    together = table.search(queries, k=10, probes=30)
    for i in (0, 17, 39):
        alone = table.search(queries[i : i + 1], k=10, probes=30)
        assert same((together.scores[i : i + 1], together.indices[i : i + 1]), alone)


@pytest.mark.xdist_group("many lists")
def test_groups_of_centroids_find_nearly_the_nearest(many_lists, monkeypatch):
    monkeypatch.setattr("slimvec.centroids.MANY", 2000)
    monkeypatch.setattr("slimvec.centroids.N_GROUPS", 8)
    table, rows, _ = many_lists
    centroids = table._parts.encoder.centroids
    grouped = Centroids.of(centroids)
    assert 40 < len(grouped.members) == len(grouped.heads) < 50
    assert np.array_equal(np.sort(np.concatenate(grouped.members)), np.arange(2100))
    found, exact = grouped.nearest(rows), nearest(rows, centroids)
    assert (found == exact).mean() > 0.8
    lengths = [np.linalg.norm(rows - centroids[of], axis=1).mean() for of in (found, exact)]
    assert lengths[0] < 1.02 * lengths[1]
    assert np.array_equal(grouped.nearest(centroids[:7]), np.arange(7))
    twice = Centroids.of(np.vstack([centroids, centroids]))
    assert np.array_equal(twice.nearest(centroids) % 2100, np.arange(2100))


def test_few_centroids_are_all_met():
    rows, centroids = clusters(300), clusters(40, 2)
    assert np.array_equal(Centroids.of(centroids).nearest(rows), nearest(rows, centroids))
