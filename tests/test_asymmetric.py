"""Float queries against codes: kernels against their twins, what scores mean, shortlists, originals, reconstruction."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import slimvec as sv
from conftest import each_isa, random_codes
from slimvec import _core, reference
from slimvec.binary.codes import BlockedCodes
from slimvec.isa import current


def same(ours, theirs):
    return all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


METRICS = st.sampled_from(["cosine", "dot", "l2"])


class Sample:
    """Codes, factors and queries of which many scores are equal: a third of the codes and of the factors repeat."""

    def __init__(self, n, n_bits, n_factors, seed=0):
        generator = np.random.default_rng(seed)
        codes = random_codes(n, n_bits, seed)
        codes[2 * n // 3 :] = codes[: n - 2 * n // 3]
        self.n_queries = 5
        self.codes = BlockedCodes.from_rows(codes, n_bits)
        factors = generator.integers(1, 4, (len(self.codes.blocks), n_factors, 16)).astype(np.float16)
        factors[:, 1] -= 2
        queries = generator.integers(-8191, 8192, (self.n_queries, n_bits)).astype(np.int16)
        units = generator.random(self.n_queries).astype(np.float32)
        offsets = generator.standard_normal(self.n_queries).astype(np.float32)
        self.arguments = (queries, units, offsets)
        self.table = (self.codes.blocks, n, n_bits, factors.view(np.uint16))

    def check(self, k, metric, mask=None, n_threads=2):
        """On every instruction set."""
        expected = reference.asymmetric_search(*self.table, metric, *self.arguments, k, mask)
        for isa in each_isa():
            found = _core.asymmetric_search(current(), *self.table, metric, *self.arguments, k, mask, n_threads)
            assert same(found, expected), isa

    def check_shortlist(self, ids, k, metric, n_threads=2):
        expected = reference.asymmetric_rescore(*self.table, metric, ids, *self.arguments, k)
        for isa in each_isa():
            found = _core.asymmetric_rescore(current(), *self.table, metric, ids, *self.arguments, k, n_threads)
            assert same(found, expected), isa


@pytest.mark.parametrize("n_bits", [1, 31, 32, 33, 75, 300, 1024, 4096])
@pytest.mark.parametrize("n", [1, 15, 16, 17, 1025, 2500])
def test_search_equals_its_twin(n, n_bits):
    for n_factors, metric in ((2, "cosine"), (3, "cosine"), (3, "dot"), (3, "l2")):
        sample = Sample(n, n_bits, n_factors)
        for k in {1, min(10, n), n}:
            sample.check(k, metric)
        sample.check(min(3, n), metric, sample.codes.pack_mask(np.arange(n) % 3 == 1))
        ids = np.stack([np.random.default_rng(q).permutation(n)[: n // 2 + 1] for q in range(5)])
        ids[0, 0] = ids[1, -1] = -1
        for k in {1, n // 2 + 1}:
            sample.check_shortlist(ids, k, metric)


@given(st.integers(1, 70), st.integers(1, 60), st.integers(0, 1000), METRICS, st.data())
def test_search_property(n_bits, n, seed, metric, data):
    sample = Sample(n, n_bits, 3, seed)
    k = data.draw(st.integers(1, n))
    sample.check(k, metric)
    sample.check_shortlist(np.tile(np.arange(n), (5, 1)), k, metric)


def test_the_most_bits_and_the_largest_sums():
    sample = Sample(17, 262_143, 2)
    sample.codes.blocks[0, :, :2] = [0, 0xFFFFFFFF]
    sample.codes.blocks[0, -1, 1] = 0x7FFFFFFF
    sample.arguments[0][:2] = [[8191], [-8191]]
    for k in (1, 17):
        sample.check(k, metric="dot")


@given(st.sampled_from([1, 40, 1030]), st.integers(0, 1000), st.integers(-3, 3), METRICS)
def test_any_factors_and_queries(n_bits, seed, largest, metric):
    """Every instruction set finds the same, also where scores do not rise with dots, as in a damaged file."""
    n, generator = 700, np.random.default_rng(seed)
    sample = Sample(n, n_bits, 3, seed)
    some = generator.random(sample.table[3].shape) < 10.0**largest
    sample.table[3][some] = generator.integers(0, 1 << 16, some.sum())
    sample.arguments[0][:3] >>= np.array([[14], [6], [1]])
    sample.arguments[0][1, 1:] = 0
    sample.arguments[1][4] *= -1
    for k in (1, 20, n):
        asked = (*sample.table, metric, *sample.arguments, k, None, 1)
        found = [_core.asymmetric_search(current(), *asked) for _ in each_isa()]
        assert all(same(found[0], other) for other in found[1:])


def test_the_answer_does_not_depend_on_threads(isa):
    sample = Sample(60_000, 64, 2)
    one = _core.asymmetric_search(current(), *sample.table, "dot", *sample.arguments, 20, None, 1)
    for threads in (2, 3, 8):
        assert same(one, _core.asymmetric_search(current(), *sample.table, "dot", *sample.arguments, 20, None, threads))


# ---- what a table makes of it


@pytest.fixture(scope="module")
def clustered():
    """Vectors whose neighbours are not a matter of chance, with a common direction as sentence embeddings have."""
    generator = np.random.default_rng(1)
    centres = generator.standard_normal((300, 96))
    rows = centres[generator.integers(0, 300, 5200)] + 0.7 * generator.standard_normal((5200, 96)) + 0.5
    return rows[200:].astype(np.float32), rows[:200].astype(np.float32)


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def nearest(rows, queries, k=10):
    return np.argsort(-unit(queries) @ unit(rows).T, axis=1, kind="stable")[:, :k]


def recall(found, truth):
    return np.mean([len(np.intersect1d(a, b)) / len(b) for a, b in zip(found, truth, strict=True)])


@pytest.mark.parametrize("lengths", ["equal", "unequal"])
def test_scores_find_more_than_codes(clustered, lengths, tmp_path):
    rows, queries = clustered
    rows = unit(rows) if lengths == "equal" else rows * np.linspace(0.5, 2, len(rows), dtype=np.float32)[:, None]
    truth = nearest(rows, queries)
    table = sv.ITQ().compress(rows, factors=True)
    table.save(tmp_path / "table")
    table = sv.open(tmp_path / "table", verify=True)
    by_code = recall(table.search_codes(table.encode(queries)).indices, truth)
    by_score = recall(table.search(queries).indices, truth)
    by_scan = recall(table.search(queries, oversample=None).indices, truth)
    exact = recall(table.search(queries, originals=rows).indices, truth)
    assert by_code + 0.02 < by_score <= by_scan + 0.02
    assert by_scan < exact
    assert exact > 0.99
    assert table.info()["bytes"]["factors"] == (len(rows) + 8) // 16 * 32 * (2 if lengths == "equal" else 3)
    assert table.compression_ratio == 32 * 96 / (96 + (32 if lengths == "equal" else 48))


@pytest.mark.parametrize("metric", ["cosine", "dot"])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e6])
def test_scores_estimate(clustered, metric, scale):
    rows, queries = (part * np.float32(scale) for part in clustered)
    table = sv.ITQ().compress(rows, factors=True)
    scores, indices = table.search(queries, k=5, metric=metric, oversample=None)
    products = np.take_along_axis(queries @ rows.T, indices, axis=1)
    lengths = np.linalg.norm(queries, axis=1)[:, None] * np.linalg.norm(rows, axis=1)[indices]
    assert np.abs(scores * (lengths if metric == "cosine" else 1) - products).mean() < 0.1 * lengths.mean()
    exact = table.search(queries, k=5, metric=metric, oversample=None, originals=rows)
    expected = np.sort(unit(queries) @ unit(rows).T if metric == "cosine" else queries @ rows.T, axis=1)[:, :-6:-1]
    assert np.isclose(exact.scores, expected, rtol=1e-4).mean() > 0.98


def test_the_shortlist_scores_as_the_scan_does(clustered, isa):
    rows, queries = clustered
    table = sv.ITQ(n_iter=5).compress(rows, factors=True)
    for metric in ("cosine", "dot"):
        scan = table.search(queries[:20], k=7, oversample=None, metric=metric)
        assert same(scan, table.search(queries[:20], k=7, oversample=len(rows), metric=metric))
        assert same(scan, table.search(queries[:20], k=7, oversample=None, metric=metric, threads=3))
    with sv.use_isa("scalar"):
        assert same(table.search(queries[:20], k=7), table.search(queries[:20], k=7, threads=2))
    found = table.search(queries[:20], k=7)
    assert same(found, table.search(queries[:20].astype(np.float64), k=7))


def test_masks_hold_at_every_stage(clustered):
    rows, queries = clustered
    tables = [sv.ITQ(n_iter=5).compress(rows, factors=factors) for factors in (True, False)]
    allowed = np.arange(len(rows)) % 7 == 3
    stages = ({}, {"oversample": None}, {"originals": rows}, {"originals": rows, "oversample": None})
    for table, options in product(tables, stages):
        found = table.search(queries, k=5, mask=allowed, **options)
        assert found.indices.shape == found.scores.shape == (len(queries), 5)
        assert (found.indices % 7 == 3).all()
        few = table.search(queries[:2], k=5, mask=[3, 10], **options)
        assert np.array_equal(np.sort(few.indices, axis=1), [[3, 10]] * 2)
        assert np.isfinite(few.scores).all()
        every = table.search(queries[:2], k=len(rows), **options)
        order = [[row for row in one if row in {3, 10}] for one in every.indices.tolist()]
        assert few.indices.tolist() == order
        none = table.search(queries[:2], k=5, mask=[], **options)
        assert none.indices.shape == none.scores.shape == (2, 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int8])
def test_originals_may_be_mapped(clustered, dtype, tmp_path):
    rows, queries = clustered
    rows, queries = np.rint(20 * rows).astype(dtype), 20 * queries
    np.save(tmp_path / "rows.npy", rows)
    table = sv.ITQ(n_iter=5).compress(rows)  # codes alone make the shortlist
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    scores, indices = table.search(queries, k=3, oversample=100, originals=mapped)
    assert recall(indices, nearest(rows.astype(np.float32), queries, 3)) > 0.99
    expected = (unit(queries)[:, None] * unit(rows.astype(np.float32))[indices]).sum(axis=2)
    assert np.allclose(scores, expected, atol=1e-5)


@pytest.mark.parametrize("metric", ["cosine", "dot", "l2"])
def test_originals_are_read_of_rows_on_the_shortlist_alone(metric):
    """Also where the lists that are read hold fewer rows than it has room for."""
    rng = np.random.default_rng(8)
    X = np.concatenate([rng.normal(3, 0.1, (20, 8)), rng.normal(-3, 0.1, (20, 8))]).astype(np.float32)
    table = sv.TransformCoding(16, refine_bits=0, partitions=2).compress(X)
    expected = table.search(X[:20], 2, probes=1, originals=X, oversample=20, metric=metric)
    X[20:] = np.nan
    found = table.search(X[:20], 2, probes=1, originals=X, oversample=20, metric=metric)
    assert np.array_equal(found[0], expected[0])
    assert np.array_equal(found.indices, expected.indices)


def test_zero_vectors_and_zero_queries():
    rows = np.vstack([np.zeros((1, 8)), np.random.default_rng(0).standard_normal((40, 8))])
    table = sv.ITQ(n_iter=5).compress(rows, factors=True)
    scores, indices = table.search(np.vstack([np.zeros((1, 8)), rows[5:6]]), k=41, oversample=None)
    assert (scores[0] == 0).all()
    assert sorted(indices[0]) == list(range(41))
    assert scores[1, indices[1] == 0] == 0
    assert table.search(np.empty((0, 8)), k=3).indices.shape == (0, 3)
    assert table.search(np.empty((0, 8)), k=3, originals=rows).indices.shape == (0, 3)


def test_reconstruction(clustered):
    rows, _ = clustered
    table = sv.ITQ().compress(sv.Vectors(map(str, range(len(rows))), rows), factors=True)
    again = table.lookup(np.arange(len(rows)), original=True)
    assert again.shape == rows.shape
    centred = rows - rows.mean(axis=0)
    residual = np.linalg.norm(again - rows) / np.linalg.norm(centred)
    # The signs of a normal variable, well scaled, leave (1 - 2 / π) of its square; a rotation that fits leaves less.
    assert residual < (1 - 2 / np.pi) ** 0.5
    for worse in (0.8, 1.25):  # the best multiple of all, as the shrinkage promises
        assert np.linalg.norm(rows.mean(axis=0) + worse * (again - rows.mean(axis=0)) - rows) > residual
    means = table.mean([["1", "2", "unknown", 2], [], ["nobody"], ["7"]], original=True)
    assert np.allclose(means[0], (again[1] + 2 * again[2]) / 3, atol=1e-5)
    assert not means[1:3].any()
    assert np.allclose(means[3], again[7], atol=1e-5)
    assert table.mean([], original=True).shape == (0, 96)
    assert table.lookup([], original=True).shape == (0, 96)


def test_more_bits_than_dimensions_reconstruct_better(clustered):
    rows = clustered[0]

    def residual(n_bits):
        table = sv.ITQ(n_bits=n_bits).compress(rows, factors=True)
        return np.linalg.norm(table.lookup(np.arange(len(rows)), original=True) - rows)

    assert residual(192) < 0.9 * residual(96) < 0.9 * residual(48)


class TestBadInput:
    rows = np.random.default_rng(0).standard_normal((50, 16)).astype(np.float32)
    table = sv.ITQ(n_iter=2).compress(rows, factors=True)
    plain = sv.ITQ(n_iter=2).compress(rows)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"k": 0}, "k=0; expected at least 1"),
            ({"oversample": 0}, "oversample=0; expected at least 1"),
            ({"metric": "euclidean"}, "metric='euclidean'; expected one of"),
            ({"originals": np.zeros((49, 16))}, "originals has 49 rows; expected 50"),
            ({"originals": np.zeros((50, 15))}, "originals has 15 columns; expected 16"),
            ({"originals": np.full((50, 16), np.nan)}, "originals holds NaN or infinity in row"),
            ({"threads": 0}, "threads=0"),
        ],
    )
    def test_options(self, options, message):
        with pytest.raises(ValueError, match=message):
            self.table.search(self.rows[:2], **options)

    def test_queries(self):
        for oversample in (10, None):
            with pytest.raises(ValueError, match="queries holds NaN or infinity in row 1"):
                self.table.search(np.array([[0.0] * 16, [np.nan] * 16]), oversample=oversample)
        with pytest.raises(ValueError, match="queries has 15 columns; expected 16"):
            self.table.search(np.zeros((1, 15)))
        with pytest.raises(ValueError, match="2 columns of uint8, as packed codes; search them by search_codes"):
            self.table.search(self.table.codes(), originals=self.rows)

    def test_a_larger_k_gives_what_there_is(self):
        for options in ({}, {"oversample": None}, {"originals": self.rows}):
            assert self.table.search(self.rows[:2], k=51, **options).indices.shape == (2, 50)

    def test_inner_products_need_lengths(self):
        with pytest.raises(ValueError, match=r'metric="dot" needs the lengths of rows'):
            self.plain.search(self.rows[:2], metric="dot")
        assert self.plain.search(self.rows[:2], metric="dot", originals=self.rows).indices.shape == (2, 10)

    def test_reconstruction_needs_factors(self):
        with pytest.raises(ValueError, match="original=True needs factors of each row"):
            self.plain.lookup([0], original=True)
        with pytest.raises(ValueError, match="original=True needs factors of each row"):
            self.plain.mean([[0]], original=True)

    def test_too_many_bits_for_the_sums(self):
        wide = 1 << 18
        blocks = np.zeros(BlockedCodes.shape(1, wide), np.uint32)
        factors = np.zeros((1, 2, 16), np.uint16)
        ones = np.ones(1, np.float32)
        with pytest.raises(ValueError, match="n_bits must be at most 262143"):
            _core.asymmetric_search(
                current(), blocks, 1, wide, factors, "dot", np.zeros((1, wide), np.int16), ones, ones, 1, None, 1
            )

    def test_the_border_checks_again(self):
        sample = Sample(20, 40, 2)
        queries, units, offsets = sample.arguments
        blocks, n, n_bits, factors = sample.table
        good = [blocks, n, n_bits, factors, "dot", queries, units, offsets, 3, None, 1]
        assert _core.asymmetric_search(current(), *good)
        for place, bad, message in (
            (3, factors[:1], "factors must have shape"),
            (3, np.zeros((2, 4, 16), np.uint16), "factors must have shape"),
            (4, "l1", "metric must be cosine, dot or l2"),
            (5, queries[:, 1:].copy(), "queries must have shape"),
            (5, np.full_like(queries, 8192), "queries must lie between"),
            (6, units[1:], "units must have one entry"),
            (7, offsets[1:], "offsets must have one entry"),
            (8, 0, "k must lie"),
            (8, 21, "k must lie"),
            (9, np.full(4, 255, np.uint8), "mask must not allow"),
            (10, 0, "n_threads must"),
        ):
            arguments = [*good]
            arguments[place] = bad
            with pytest.raises(ValueError, match=message):
                _core.asymmetric_search(current(), *arguments)
        ids = np.zeros((5, 2), np.int64)
        for bad, error in ((ids[:1], ValueError), (ids - 2, IndexError), (ids + 20, IndexError), (ids[0], ValueError)):
            with pytest.raises(error):
                _core.asymmetric_rescore(current(), *good[:5], bad, *good[5:8], 1, 1)
