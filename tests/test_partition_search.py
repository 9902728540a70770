"""Searching some lists of codes: the compiled walk against its twin, ties by row, masks, threads, what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import each_isa, random_codes
from slimvec import _core, reference
from slimvec.binary.codes import BlockedCodes
from slimvec.isa import current


def same(ours, theirs):
    return all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


class Sample:
    """Codes in lists, of which many scores are equal, some of them 0."""

    def __init__(self, n, n_bits, n_lists, n_queries=5, n_factors=2, seed=0):
        rng = np.random.default_rng(seed)
        codes = random_codes(n, n_bits, seed)
        codes[n // 2 :] = codes[: n - n // 2]
        self.codes = BlockedCodes.from_rows(codes, n_bits)
        factors = rng.integers(0, 3, (len(self.codes.blocks), n_factors, 16)).astype(np.float16)
        factors[:, 1] -= 1
        starts = np.sort(rng.integers(0, n + 1, n_lists + 1))
        starts[0], starts[-1] = 0, n
        self.n, self.n_lists, self.n_queries, self.rng = n, n_lists, n_queries, rng
        self.table = (self.codes.blocks, n, n_bits, factors.view(np.uint16))
        self.lists = (starts, rng.permutation(n).astype(np.uint32))
        self.queries = rng.integers(-8191, 8192, (n_queries, n_bits)).astype(np.int16)
        self.queries[:1] = 0
        self.units = rng.random(n_queries).astype(np.float32)

    def check(self, n_probes, k, metric="dot", mask=None, n_threads=1):
        probes = np.stack([self.rng.permutation(self.n_lists)[:n_probes] for _ in range(self.n_queries)])
        offsets = self.rng.integers(-1, 2, probes.shape).astype(np.float32)
        arguments = (*self.table, metric, *self.lists, self.queries, self.units, probes.astype(np.int32), offsets)
        for spilled in (None, self.spilled()):
            expected = reference.partition_search(*arguments, spilled, k, mask)
            for isa in each_isa():
                found = _core.partition_search(current(), *arguments, spilled, k, mask, n_threads)
                assert same(found, expected), isa

    def spilled(self):
        """Codes of two thirds of the rows in other lists, and whole queries."""
        rng, n, d = np.random.default_rng(7), 2 * self.n // 3, 5
        codes = BlockedCodes.from_rows(random_codes(n, self.table[2], 8), self.table[2])
        factors = rng.integers(0, 3, (len(codes.blocks), self.table[3].shape[1], 16)).astype(np.float16)
        starts = np.sort(rng.integers(0, n + 1, self.n_lists + 1))
        starts[0], starts[-1] = 0, n
        positions = rng.permutation(self.n)[:n].astype(np.uint32)
        centroids, queries = (
            (rng.integers(-2047, 2048, (m, d)).astype(np.int16), rng.random(m) / 1e7)
            for m in (self.n_lists, self.n_queries)
        )
        return (codes.blocks, n, factors.view(np.uint16), starts, positions, centroids), queries


@pytest.mark.parametrize("n_bits", [1, 33, 300])
@pytest.mark.parametrize(("n", "n_lists"), [(1, 1), (15, 3), (17, 40), (500, 1), (1500, 20)])
def test_search_equals_its_twin(n, n_lists, n_bits):
    for n_factors, metric in ((2, "cosine"), (3, "cosine"), (3, "dot"), (3, "l2")):
        sample = Sample(n, n_bits, n_lists, n_factors=n_factors)
        mask = sample.codes.pack_mask(np.arange(n) % 3 == 0)
        for k in {1, min(10, n), n}:
            for n_probes in {1, n_lists}:
                sample.check(n_probes, k, metric)
                sample.check(n_probes, k, metric, mask)


@given(st.integers(1, 70), st.integers(1, 200), st.integers(1, 30), st.integers(0, 1000), st.data())
def test_search_property(n_bits, n, n_lists, seed, data):
    sample = Sample(n, n_bits, n_lists, data.draw(st.integers(1, 20)), seed=seed)
    k, n_probes = data.draw(st.integers(1, n)), data.draw(st.integers(1, n_lists))
    sample.check(n_probes, k, n_threads=data.draw(st.integers(1, 4)))


@pytest.mark.parametrize("n_queries", [0, 1, 3, 9, 100])
def test_any_number_of_threads_finds_the_same(n_queries):
    sample = Sample(20_000, 300, 50, n_queries)
    starts, rows = sample.lists
    probes = np.tile(np.arange(50, dtype=np.int32), (n_queries, 1))
    offsets = np.ones(probes.shape, np.float32)
    arguments = (*sample.table, "dot", starts, rows, sample.queries, sample.units, probes, offsets)
    for spilled in (None, sample.spilled()):
        asked = *arguments, spilled, 20, None
        one, *others = (_core.partition_search(current(), *asked, n_threads) for n_threads in (1, 2, 3, 8))
        assert all(same(one, other) for other in others)


@pytest.mark.parametrize("d", [1, 7, 16, 300, 511, 512, 513, 1100])
@pytest.mark.parametrize("n", [1, 2, 33, 2000])
def test_nearest_lists_equal_their_twin(n, d):
    rng = np.random.default_rng(d)
    n_queries = 19 if n < 2000 or d < 20 else 2
    centroids, queries = (rng.integers(-2047, 2048, (m, d)).astype(np.int16) for m in (n, n_queries))
    queries[0] = 2047
    centroids[:1] = 2047
    centroids[n // 2 :] = centroids[: n - n // 2]  # ties
    steps, units = rng.random(n) + 0.5, rng.random(n_queries)
    steps[n // 2 :] = steps[: n - n // 2]
    inverse = (rng.random(n) + 0.1).astype(np.float32)
    inverse[n // 2 :] = inverse[: n - n // 2]
    few = max(1, d // 3)
    narrow = np.clip(centroids[:, :few] >> 4, -128, 127).astype(np.int8)
    narrow[:1] = -128
    led = (narrow, steps * 1.5), (np.ascontiguousarray(queries[:, :few]), units * 1.5)
    for more in ((None, None, None), (inverse, None, None), (None, inverse, None), (None, None, inverse)):
        for n_read in {1, (n + 9) // 10, n // 4 + 1, (n + 1) // 2, n}:
            for lead in (None, led):
                asked = (centroids, steps), *more, (queries, units), lead, n_read
                expected = reference.nearest_lists(*asked)
                for isa in each_isa():
                    assert all(map(same, _core.nearest_lists(current(), *asked), expected)), isa


@pytest.mark.parametrize("shape", [(1, 5, 7), (3, 1, 1), (70, 33, 40), (2, 300, 428), (0, 4, 6)])
def test_prepared_queries_equal_their_twin(isa, shape):
    n, d, p = shape
    rng = np.random.default_rng(d)
    vectors, mean = rng.standard_normal((n, d)), rng.standard_normal(d).astype(np.float32)
    frame = rng.standard_normal((d, p)).astype(np.float32)
    vectors[1:2] *= 1e30
    bits = rng.integers(0, p, 3 * p).astype(np.uint32), rng.random(3 * p).astype(np.float32)
    second = rng.integers(0, p, p).astype(np.uint32), rng.random(p)
    lead = rng.standard_normal(p // 2).astype(np.float32)
    for options in ((None, None, None), (bits, second, lead), (bits, None, lead[:0]), (None, second, None)):
        made = _core.prepare_queries(current(), vectors, mean, frame, *options)
        expected = reference.prepare_queries(vectors, mean, frame, *options)
        for own, other in zip(made, expected, strict=True):
            if isinstance(own, tuple):
                assert all(map(same, own, other))
            else:
                assert own == other if isinstance(own, (int, type(None))) else same(own, other)


def test_queries_that_are_no_numbers_are_told_of(isa):
    vectors = np.ones((50, 3))
    vectors[[7, 41], 1] = np.inf, np.nan
    frame, zeros = np.ones((3, 2), np.float32), np.zeros(3, np.float32)
    made = _core.prepare_queries(current(), vectors, zeros, frame, None, None, None)
    assert made[1] == 7
    assert np.isnan(made[2][1][[7, 41]]).all()
    assert np.isfinite(made[2][1][np.r_[:7, 8:41, 42:50]]).all()


def test_what_does_not_fit_queries_is_refused():
    vectors, mean, frame = np.ones((2, 3)), np.ones(3, np.float32), np.ones((3, 4), np.float32)
    fitting = {"vectors": vectors, "mean": mean, "frame": frame, "bits": None, "second": None, "lead_at_mean": None}
    for message, wrong in [
        ("and mean", {"mean": mean[:2].copy()}),
        ("frame must have shape", {"frame": frame[:2].copy()}),
        ("must name directions", {"bits": (np.array([4], np.uint32), np.ones(1, np.float32))}),
        ("one factor each", {"bits": (np.array([1], np.uint32), np.ones(2, np.float32))}),
        ("must name directions", {"second": (np.array([4], np.uint32), np.ones(1))}),
        ("one entry for each of the last", {"lead_at_mean": np.ones(5, np.float32)}),
    ]:
        with pytest.raises(ValueError, match=message):
            _core.prepare_queries(current(), **{**fitting, **wrong})


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (1, 1), (5, 17), (40, 300)])
def test_rounded_rows_equal_their_twin(dtype, shape):
    rows = np.random.default_rng(shape[0]).standard_normal(shape).astype(dtype)
    rows[:1] *= 0
    rows[1:2] *= dtype(1e-30)
    rows[2:3, :2] = np.finfo(dtype).max
    rows[-1:] *= np.finfo(dtype).tiny  # a step that is infinite
    if rows.size > 100:
        rows[3], rows[4, 1:4] = np.arange(shape[1]) / 2, np.nan  # halves; no number
        rows[4, 0], rows[5, 7], rows[6, 7] = np.finfo(dtype).max, np.inf, -np.inf
        rows[3, -1] = 2047  # halves stay halves
    for largest in (1, 2047, 8191):
        (values, peaks), (expected, largest_of) = _core.round_rows(rows, largest), reference.round_rows(rows, largest)
        assert np.array_equal(values, expected)
        assert np.array_equal(peaks, largest_of, equal_nan=True)
        assert (values.dtype, peaks.dtype) == (np.int16, dtype)


def test_rounding_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="must have shape"):
        _core.round_rows(np.zeros(3), 5)
    with pytest.raises(ValueError, match="largest must be at least 1"):
        _core.round_rows(np.zeros((3, 1)), 0)
    with pytest.raises(TypeError):
        _core.round_rows(np.zeros((3, 2), np.float16), 5)


def test_lists_that_are_no_numbers_come_last(isa):
    centroids, queries = np.arange(12, dtype=np.int16).reshape(4, 3), np.ones((1, 3), np.int16)
    steps = np.array([1, np.nan, 1, np.nan])
    asked = (centroids, steps), None, None, None, (queries, np.ones(1)), None, 4
    lists, products = _core.nearest_lists(current(), *asked)
    assert lists.tolist() == [[2, 0, 1, 3]]
    assert np.isnan(products[0, 2:]).all()


def test_nearest_lists_refuse_what_does_not_fit():
    own, asked = (np.zeros((4, 3), np.int16), np.ones(4)), (np.zeros((2, 3), np.int16), np.ones(2))
    narrow = np.zeros((4, 2), np.int8), np.ones(4)
    fitting = {"centroids": own, "inverse_norms": None, "half_squares": None, "spreads": None, "queries": asked}
    fitting |= {"lead": (narrow, (np.zeros((2, 2), np.int16), np.ones(2))), "n_read": 1}
    for message, wrong in [
        ("between -2047 and 2047", {"queries": (asked[0] + np.int16(2048), asked[1])}),
        ("between -2047 and 2047", {"lead": (narrow, (np.full((2, 2), -2048, np.int16), np.ones(2)))}),
        ("as wide as centroids", {"queries": (asked[0][:, 1:].copy(), asked[1])}),
        ("as wide as centroids", {"lead": (narrow, asked)}),
        ("must have shape", {"queries": (asked[0][0], asked[1])}),
        ("must have shape", {"lead": ((asked[0].astype(np.int8), asked[1]), asked)}),
        ("steps must have one entry", {"centroids": (own[0], np.ones(3))}),
        ("steps must have one entry", {"queries": (asked[0], np.ones(3))}),
        ("inverse_norms must have one entry", {"inverse_norms": np.ones(3, np.float32)}),
        ("half_squares must have one entry", {"half_squares": np.ones(3, np.float32)}),
        ("spreads must have one entry", {"spreads": np.ones(5, np.float32)}),
        ("n_read must lie between", {"n_read": 0}),
        ("n_read must lie between", {"n_read": 5}),
    ]:
        with pytest.raises(ValueError, match=message):
            _core.nearest_lists(current(), **{**fitting, **wrong})


def test_what_does_not_fit_is_refused():
    sample = Sample(100, 40, 5)
    probes, offsets = np.zeros((5, 2), np.int32), np.zeros((5, 2), np.float32)
    starts, rows = sample.lists

    more, whole = sample.spilled()

    def search(starts=starts, rows=rows, probes=probes, offsets=offsets, spilled=None, k=3):
        own = *sample.table, "dot", starts, rows, sample.queries, sample.units
        return _core.partition_search(current(), *own, probes, offsets, spilled, k, None, 1)

    def spilled_but(place, other):
        return (*more[:place], other, *more[place + 1 :]), whole

    search()
    search(spilled=(more, whole))
    for wrong in (
        {"starts": starts[:-1]},
        {"starts": starts + 1},
        {"starts": starts[::-1].copy()},
        {"rows": rows[1:]},
        {"probes": probes - 1},
        {"probes": probes + 5},
        {"probes": probes[1:]},
        {"offsets": offsets[:, 1:].copy()},
        {"probes": probes[:, :0].copy(), "offsets": offsets[:, :0].copy()},
        {"k": 0},
        {"k": 101},
        {"spilled": spilled_but(1, more[1] + 16)},
        {"spilled": spilled_but(2, np.zeros((len(more[0]), 3, 16), np.uint16))},
        {"spilled": spilled_but(3, more[3][1:].copy())},
        {"spilled": spilled_but(3, np.append(more[3], more[3][-1:]))},
        {"spilled": spilled_but(4, more[4][1:].copy())},
        {"spilled": spilled_but(5, (more[5][0][1:].copy(), more[5][1]))},
        {"spilled": (more, (whole[0][:, 1:].copy(), whole[1]))},
        {"spilled": (more, (whole[0] + np.int16(4095), whole[1]))},
    ):
        with pytest.raises(ValueError, match=r"must|probes"):
            search(**wrong)
    with pytest.raises(IndexError, match="damaged: it names row 100 of 100"):
        search(
            rows=rows + np.uint32(1),
            probes=np.tile(np.arange(5, dtype=np.int32), (5, 1)),
            offsets=np.zeros((5, 5), np.float32),
            k=100,
        )
    every = {"probes": np.tile(np.arange(5, dtype=np.int32), (5, 1)), "offsets": np.zeros((5, 5), np.float32), "k": 100}
    with pytest.raises(IndexError, match="damaged: it names the code of row 10[0-9] of 100"):
        search(spilled=spilled_but(4, more[4] % 10 + np.uint32(100)), **every)
    with pytest.raises(IndexError, match="damaged: it names row 1[0-9][0-9] of 100"):
        search(rows=rows + np.uint32(100), spilled=(more, whole), **every)
