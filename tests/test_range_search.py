"""All rows down to a score: kernels against their twins, and tables against a search of all rows, cut at the bound."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import slimvec as sv
from conftest import each_isa
from slimvec import _core, reference
from slimvec.isa import current
from test_asymmetric import Sample
from test_partition_search import Sample as ListedSample

N, D = 400, 24
RNG = np.random.default_rng(0)
X = (RNG.standard_normal((12, D))[RNG.integers(0, 12, N)] + 0.4 * RNG.standard_normal((N, D))).astype(np.float32)
X[300:] = X[:100]  # equal rows have equal scores
X *= RNG.uniform(0.5, 2, (N, 1)).astype(np.float32)
QUERIES = np.concatenate([X[:6] * 1.5, np.zeros((1, D)), RNG.standard_normal((3, D))]).astype(np.float32)
UNIT = X / np.linalg.norm(X, axis=1, keepdims=True)

TABLES = {
    "signs": lambda: sv.ITQ(20, n_iter=3).compress(X, factors=True),
    "signs of unit rows": lambda: sv.ITQ(20, n_iter=3).compress(UNIT, factors=True),
    "codes alone": lambda: sv.ITQ(20, n_iter=3).compress(X),
    "grid": lambda: sv.TransformCoding(40).compress(X),
    "lists": lambda: sv.TransformCoding(40, partitions=7).compress(X),
    "signs in lists": lambda: sv.ITQ(20, n_iter=3, partitions=7).compress(X),
    "refined": lambda: sv.TransformCoding(30, refine_bits=2).compress(X),
    "refined lists": lambda: sv.TransformCoding(30, refine_bits=2, partitions=7).compress(X),
}


@pytest.fixture(scope="module", params=TABLES)
def table(request):
    return TABLES[request.param]()


def same(ours, theirs):
    return all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("n_bits", [1, 33, 300])
@pytest.mark.parametrize("n", [1, 17, 700])
def test_kernels_equal_their_twins(isa, n, n_bits):
    for n_factors, metric in ((2, "cosine"), (3, "cosine"), (3, "l2")):
        sample = Sample(n, n_bits, n_factors)
        scores = reference.asymmetric_scores(*sample.table, metric, *sample.arguments)
        for place in (0, n // 2, n - 1):
            limits = np.sort(scores, axis=1)[:, place].copy()  # what is found lies above the limit, not at it
            limits[0] = -np.inf
            for mask in (None, sample.codes.pack_mask(np.arange(n) % 3 != 1)):
                arguments = *sample.table, metric, *sample.arguments, limits, mask
                expected = reference.asymmetric_range_search(*arguments)
                for threads in (1, 3):
                    assert same(_core.asymmetric_range_search(current(), *arguments, threads), expected)


@pytest.mark.parametrize(("n", "n_lists"), [(1, 1), (17, 40), (700, 20)])
def test_lists_equal_their_twin(isa, n, n_lists):
    sample = ListedSample(n, 33, n_lists)
    probes = np.stack([sample.rng.permutation(n_lists)[: n_lists // 2 + 1] for _ in range(sample.n_queries)])
    offsets = sample.rng.integers(-1, 2, probes.shape).astype(np.float32)
    mask = sample.codes.pack_mask(np.arange(n) % 3 != 1)
    for limit in (-np.inf, -1, 0, 3e3):
        limits = np.full(sample.n_queries, limit, np.float32)
        asked = sample.queries, sample.units, probes.astype(np.int32), offsets, limits, mask
        expected = reference.partition_range_search(*sample.table, "dot", *sample.lists, *asked)
        for threads in (1, 3):
            found = _core.partition_range_search(current(), *sample.table, "dot", *sample.lists, *asked, threads)
            assert same(found, expected)


def cut(table, bound, mask, metric):
    """What a search of all rows finds, down to the bound."""
    every = table.search(QUERIES, k=N, oversample=None, mask=mask, metric=metric)
    kept = every.scores >= np.float32(bound)
    return np.concatenate([[0], np.cumsum(kept.sum(axis=1))]), every.scores[kept], every.indices[kept]


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.floats(-1.2, 1.2), st.integers(0, 2**32), st.booleans(), st.booleans())
def test_it_is_a_search_of_all_rows_down_to_the_bound(table, bound, seed, masked, at_a_score):
    rng = np.random.default_rng(seed)
    mask = rng.random(N) < 0.3 if masked else None
    for metric in ("cosine",) if table._parts.factors is None else ("cosine", "dot"):
        least = bound
        if at_a_score:
            least = float(rng.choice(table.search(QUERIES, k=9, oversample=None, metric=metric).scores.ravel()))
        found = table.range_search(QUERIES, least, metric=metric, mask=mask)
        assert same(found, cut(table, least, mask, metric))
        assert found.offsets.dtype == found.indices.dtype == np.int64
        assert found.scores.dtype == np.float32


def test_the_answer_does_not_depend_on_threads_or_instruction_set(table):
    one = table.range_search(QUERIES, 0.3, threads=1)
    assert len(one.indices) > 20
    for isa in each_isa():
        for threads in (1, 2, 5):
            assert same(one, table.range_search(QUERIES, 0.3, threads=threads)), isa


def test_it_finds_what_is_near():
    table = sv.TransformCoding(6 * D).compress(UNIT)
    cosines = UNIT[:50] @ UNIT.T
    found = table.range_search(UNIT[:50], 0.9)
    for q in range(50):
        own = set(found.indices[found.offsets[q] : found.offsets[q + 1]].tolist())
        assert set(np.flatnonzero(cosines[q] > 0.92).tolist()) <= own <= set(np.flatnonzero(cosines[q] > 0.88).tolist())


def test_no_queries_and_no_rows(table):
    found = table.range_search(np.empty((0, D), np.float32), 0.5)
    assert [part.tolist() for part in found] == [[0], [], []]
    nothing = table.range_search(QUERIES, -2, mask=np.zeros(N, bool))
    assert nothing.offsets.tolist() == [0] * (len(QUERIES) + 1)


@pytest.mark.parametrize("bound", [float("nan"), float("inf"), -float("inf")])
def test_a_bound_is_finite(table, bound):
    with pytest.raises(ValueError, match=r"min_score=.*; expected a finite number"):
        table.range_search(QUERIES, bound)


@pytest.mark.parametrize("bound", [None, "0.5", True, [0.5]])
def test_a_bound_is_a_number(table, bound):
    with pytest.raises(TypeError, match=r"min_score has type .*; expected a number"):
        table.range_search(QUERIES, bound)


def test_bad_queries(table):
    with pytest.raises(ValueError, match="queries has 23 columns; expected 24"):
        table.range_search(QUERIES[:, 1:], 0.5)
    with pytest.raises(ValueError, match="queries holds NaN"):
        table.range_search(np.full((1, D), np.nan), 0.5)
    with pytest.raises(ValueError, match="metric='l3'"):
        table.range_search(QUERIES, 0.5, metric="l3")


def test_inner_products_need_lengths():
    with pytest.raises(ValueError, match='metric="dot" needs the lengths of rows; expected a table with factors'):
        TABLES["codes alone"]().range_search(QUERIES, 0.5, metric="dot")
