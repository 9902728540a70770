"""The short way of few queries through lists: what the stages one by one find, to the bit, or none of it."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import slimvec as sv
from slimvec import _core, reference
from slimvec.binary import few_queries
from slimvec.isa import current

pytestmark = pytest.mark.xdist_group("few queries")  # one table of each kind for all

D = 96


def rows(n, seed):
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).standard_normal((12, D)) + 0.3
    made = centres[rng.integers(0, 12, n)] + 0.5 * rng.standard_normal((n, D))
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


X, QUERIES = rows(900, 0), 3 * rows(few_queries.MOST + 1, 1)


@pytest.fixture(scope="module", params=[(0, 20, False), (3, 20, False), (2, 1100, False), (0, 20, True), (3, 20, True)])
def table(request):
    """Codes alone, refined ones, so many lists that queries look at a few directions first, and two lists for a row."""
    refine_bits, partitions, spill = request.param
    base = X if partitions < 1000 else rows(4000, 2) * np.r_[np.ones(6), np.full(D - 6, 0.05)].astype(np.float32)
    base = base / np.linalg.norm(base, axis=1, keepdims=True)
    made = sv.TransformCoding(48, refine_bits=refine_bits, partitions=partitions, spill=spill).compress(base)
    assert (made._parts.encoder.lead is not None) == (partitions == 1100)
    return made


def by_stages(table, queries, *arguments, **options):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(few_queries, "MOST", 0)
        return table.search(queries, *arguments, **options)


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def taken(monkeypatch):
    """Return a list to which each call of the core that finds something adds True, and others False."""
    calls, best = [], few_queries.ListSearch.best

    def told(self, *arguments):
        found = best(self, *arguments)
        calls.append(found is not None)
        return found

    monkeypatch.setattr(few_queries.ListSearch, "best", told)
    return calls


def test_it_is_taken(isa, table, monkeypatch):
    calls = taken(monkeypatch)
    for n in (1, 2, few_queries.MOST):
        for options in ({}, {"probes": 2}, {"recall": 0.5}, {"probes": 1, "oversample": 2}):
            asked = QUERIES[:n].astype(np.float64 if n == 2 else np.float32)
            assert same(table.search(asked, 10, **options), by_stages(table, asked, 10, **options))
            assert calls[-2:] == [True, False]


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 40),
    st.integers(1, few_queries.MOST),
    st.integers(1, 25),
    st.integers(1, 3),
    st.sampled_from([1, 3, 60]),
    st.sampled_from(["auto", None, 1]),
    st.integers(0, 2**32),
)
def test_it_finds_the_same(table, k, n, probes, threads, share, oversample, seed):
    rng = np.random.default_rng(seed)
    asked = QUERIES[rng.integers(0, len(QUERIES), n)] * rng.uniform(0.01, 100, (n, 1)).astype(np.float32)
    mask = None if share == 1 else rng.integers(0, share, len(table)) == 0
    options = {"probes": probes, "threads": threads, "mask": mask, "oversample": oversample}
    assert same(table.search(asked, k, **options), by_stages(table, asked, k, **options))


@pytest.mark.parametrize(
    "change",
    [
        lambda asked: asked * 0,
        lambda asked: asked * 1e200,
        lambda asked: asked[:, ::-1],
        lambda asked: asked.astype(np.float16),
        lambda asked: np.vstack([asked] * 6),
        lambda asked: asked[:0],
    ],
)
def test_what_is_out_of_the_ordinary_takes_the_long_way(table, change, monkeypatch):
    calls = taken(monkeypatch)
    asked = change(QUERIES[:3].astype(np.float64))
    found = table.search(asked, 5, probes=3)
    assert same(found, by_stages(table, asked, 5, probes=3))
    assert not any(calls)
    assert table.search(QUERIES[:1], 5, metric="dot").scores.shape == (1, 5)
    assert not any(calls)


def test_errors_are_the_same(table):
    for wrong in (np.nan, np.inf):
        asked = QUERIES[:2].copy()
        asked[1, 3] = wrong
        with pytest.raises(ValueError, match="queries holds NaN or infinity in row 1"):
            table.search(asked, 5, probes=2)
    with pytest.raises(ValueError, match="has 3 columns"):
        table.search(QUERIES[:1, :3], 5)


def test_damaged_factors(monkeypatch):
    made = sv.TransformCoding(48, partitions=5).compress(X[:200])
    made._parts.factors.values[:] = np.nan
    calls = taken(monkeypatch)
    with pytest.raises(sv.FormatError, match="factors of some rows are no numbers"):
        made.search(QUERIES[:1], 5)
    assert calls == [False]


def test_rows_of_other_lengths(monkeypatch):
    made = sv.TransformCoding(48, partitions=5).compress(X * np.linspace(1, 2, len(X), dtype=np.float32)[:, None])
    calls = taken(monkeypatch)
    made.search(QUERIES[:1], 5)
    assert calls == [False]


def test_copies_make_their_own(table):
    expected = table.search(QUERIES[:1], 5)
    for twin in (copy.copy(table), copy.deepcopy(table), pickle.loads(pickle.dumps(table))):  # noqa: S301
        assert same(twin.search(QUERIES[:1], 5), expected)


def test_an_index_takes_it(monkeypatch):
    for refine_bits in (0, 3):
        index = sv.Index.build(X, n_bits=48, refine_bits=refine_bits, partitions=20)
        calls = taken(monkeypatch)
        hits = index.search(QUERIES[:2], 5, probes=3)
        assert calls == [True]
        index.remove([hits.ids[0][0]])
        less = index.search(QUERIES[:2], 5, probes=3)
        assert calls[1:] == [True]
        assert less.ids[0][:4] == hits.ids[0][1:]
        some = np.arange(len(index)) % 3 == 0
        where = index.search(QUERIES[:2], 5, some, probes=3)
        monkeypatch.setattr(few_queries, "MOST", 0)
        for one, options in ((less, {}), (where, {"where": some})):
            other = index.search(QUERIES[:2], 5, probes=3, **options)
            assert one.ids == other.ids
            assert same(one.scores, other.scores)
        monkeypatch.undo()


@pytest.mark.parametrize("n", [0, 1, 5])
def test_rows_at_a_norm_equal_their_twin(n):
    made = np.random.default_rng(n).standard_normal((n, 7))
    assert np.array_equal(_core.at_norm(made, 2.5), reference.at_norm(made, 2.5))
    if n:
        for wrong in (0, 1e150, 1e-150, np.nan, np.inf):
            bad = made.copy()
            bad[-1] *= wrong
            assert _core.at_norm(bad, 2.5) is None
            assert reference.at_norm(bad, 2.5) is None


def test_what_does_not_fit_is_refused(table):
    parts = table._parts
    table.search(QUERIES[:1], 5)
    search = parts.list_search._made
    fitting = {
        "queries": QUERIES[:1],
        "k": 5,
        "n_shortlist": 50,
        "n_read": 2,
        "mask": None,
        "n_threads": 1,
    }
    assert search.search(current(), **fitting) is not None
    for wrong, what in (
        ({"queries": QUERIES[:1, :3].copy()}, "queries must have shape"),
        ({"k": 0}, "k and the rows"),
        ({"k": 60}, "k and the rows"),
        ({"n_shortlist": len(table) + 1}, "k and the rows"),
        ({"n_read": 0}, "n_read must"),
        ({"n_read": 2000}, "n_read must"),
        ({"n_threads": 0}, "n_threads must"),
        ({"mask": np.zeros(1, np.uint8)}, "mask must"),
    ):
        with pytest.raises(ValueError, match=what):
            search.search(current(), **(fitting | wrong))
    with pytest.raises(TypeError):
        search.search(current(), **(fitting | {"queries": QUERIES[:1].astype(np.int32)}))
    encoder, n = parts.encoder, len(table)
    codes = (parts.codes.blocks, n, 48, parts.factors.values.view(np.uint16))
    lists = (parts.partition.starts, parts.partition.rows)
    frame = (encoder.mean, encoder.frame, encoder.columns, encoder.lead_at_mean(1.0))
    lead = None if encoder.lead is None else encoder.lead.rows
    known = [codes, lists, encoder.rounded, encoder.inverse_norms, lead, None, frame, None, (1.0, 1.0)]
    _core.ListSearch(*known)
    for place, other in (
        (0, (*codes[:3], np.zeros((len(codes[0]), 3, 16), np.uint16))),
        (1, (lists[0][:-1].copy(), lists[1])),
        (2, (encoder.rounded[0][:1].copy(), encoder.rounded[1][:1].copy())),
        (3, encoder.inverse_norms[:1].copy()),
        (6, (encoder.mean[:3].copy(), *frame[1:])),
        (6, (*frame[:2], (frame[2][0] + np.uint32(1000), frame[2][1]), frame[3])),
        (6, (*frame[:3], np.zeros(500, np.float32))),
        (
            7,
            (
                np.zeros((3, 1), np.uint8),
                np.full(8, 1, np.uint8),
                np.zeros((3, 2), np.uint16),
                (frame[2][0], np.ones(8)),
            ),
        ),
    ):
        with pytest.raises(ValueError, match="must"):
            _core.ListSearch(*known[:place], other, *known[place + 1 :])
