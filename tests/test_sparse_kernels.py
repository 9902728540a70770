"""The compiled functions of sparse tables against their NumPy twins, bit for bit, on every instruction set."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import slimvec as sv
from slimvec import _core, reference
from slimvec.isa import current

INDEX_TYPES = [np.uint8, np.uint16, np.uint32]
FLOAT_TYPES = [np.float32, np.float16]


def random_rows(n, n_anchors, index=np.uint16, value=np.float32, offset=np.uint32, seed=0, longest=7):
    """CSR parts whose rows have 0 to ``longest`` entries, some twice the same anchor."""
    generator = np.random.default_rng(seed)
    indptr = np.concatenate([[0], np.cumsum(generator.integers(0, longest + 1, n))]).astype(offset)
    indices = generator.integers(0, n_anchors, indptr[-1]).astype(index)
    values = generator.standard_normal(indptr[-1]).astype(value)
    return indptr, indices, values


def random_anchors(n_anchors, d, dtype=np.float32, seed=1):
    return np.random.default_rng(seed).standard_normal((n_anchors, d)).astype(dtype)


def assert_same(got, expected):
    for a, b in zip(got, expected, strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        assert a.tobytes() == b.tobytes()


class TestLookup:
    @pytest.mark.parametrize("anchor", FLOAT_TYPES)
    @pytest.mark.parametrize("d", [1, 2, 7, 8, 15, 16, 17, 31, 64, 75, 128, 129, 300])
    def test_widths(self, isa, d, anchor):
        """Every width of every register, and columns past the last whole one."""
        rows = random_rows(90, 40)
        anchors = random_anchors(40, d, anchor)
        ids = np.random.default_rng(2).integers(0, 90, 200)
        assert_same(
            [_core.sparse_lookup(current(), *rows, anchors, ids)], [reference.sparse_lookup(*rows, anchors, ids)]
        )

    @pytest.mark.parametrize("index", INDEX_TYPES)
    @pytest.mark.parametrize("value", FLOAT_TYPES)
    @pytest.mark.parametrize("offset", [np.uint32, np.int64])
    def test_types(self, isa, index, value, offset):
        rows = random_rows(50, 256, index, value, offset)
        anchors = random_anchors(256, 33)
        ids = np.arange(50)
        assert_same(
            [_core.sparse_lookup(current(), *rows, anchors, ids)], [reference.sparse_lookup(*rows, anchors, ids)]
        )

    @pytest.mark.parametrize("anchor", FLOAT_TYPES)
    def test_anchors_that_lie_apart(self, isa, anchor):
        rows, wide = random_rows(30, 10), random_anchors(10, 40, anchor)
        for part in (wide[:, :33], wide[:, 3:4], wide[::2, 5:40].repeat(2, axis=0), wide[:, 7:]):
            got = _core.sparse_lookup(current(), *rows, part, np.arange(30))
            assert_same([got], [reference.sparse_lookup(*rows, part, np.arange(30))])

    @pytest.mark.parametrize("n_entries", [1023, 1024, 1025, 5000])
    def test_rows_longer_than_the_stage(self, isa, n_entries):
        """Rows are gathered in pieces; what is before and after a long one must not suffer."""
        indptr = np.cumsum([0, 3, 0, n_entries, 2, n_entries, 1]).astype(np.uint32)
        generator = np.random.default_rng(3)
        indices = generator.integers(0, 300, indptr[-1]).astype(np.uint16)
        values = generator.standard_normal(indptr[-1]).astype(np.float16)
        anchors = random_anchors(300, 21)
        ids = np.array([0, 1, 2, 3, 4, 5, 2, 1, 0])
        assert_same(
            [_core.sparse_lookup(current(), indptr, indices, values, anchors, ids)],
            [reference.sparse_lookup(indptr, indices, values, anchors, ids)],
        )

    def test_every_float16(self, isa):
        """As values and as anchors: subnormals, infinities, every finite number."""
        halves = np.arange(65536, dtype=np.uint16).view(np.float16)
        with np.errstate(invalid="ignore"):  # as ARM finds signalling NaNs
            floats = halves.astype(np.float32)
        indptr, indices = np.arange(65537, dtype=np.uint32), np.zeros(65536, np.uint8)
        rows = _core.sparse_lookup(
            current(), indptr, indices, halves, np.ones((1, 1), np.float32), np.arange(65536)
        ).ravel()
        assert np.array_equal(rows, floats, equal_nan=True)
        one = np.ones(1, np.float32)
        row = _core.sparse_lookup(current(), indptr[:2], indices[:1], one, halves[None], np.array([0]))[0]
        assert np.array_equal(row, floats, equal_nan=True)

    def test_nothing(self, isa):
        rows = random_rows(5, 4, longest=0)
        assert not _core.sparse_lookup(current(), *rows, random_anchors(4, 9), np.arange(5)).any()
        assert _core.sparse_lookup(current(), *rows, random_anchors(4, 9), np.empty(0, np.int64)).shape == (0, 9)
        assert _core.sparse_lookup(current(), *rows, random_anchors(4, 0), np.arange(5)).shape == (5, 0)


class TestBagMean:
    @pytest.mark.parametrize("weighted", [False, True])
    @pytest.mark.parametrize("value", FLOAT_TYPES)
    def test_bags(self, isa, value, weighted):
        rows, anchors = random_rows(60, 30, value=value), random_anchors(30, 19)
        generator = np.random.default_rng(4)
        ids = generator.integers(0, 60, 700)
        offsets = np.array([0, 0, 1, 21, 21, 600, 700])  # one bag of more entries than the stage holds
        weights = generator.standard_normal(700).astype(np.float32) if weighted else None
        assert_same(
            [_core.sparse_bag_mean(current(), *rows, anchors, ids, offsets, weights)],
            [reference.sparse_bag_mean(*rows, anchors, ids, offsets, weights)],
        )

    def test_weights_that_cancel_give_zeros(self, isa):
        rows, anchors = random_rows(4, 3, longest=3, seed=5), random_anchors(3, 5)
        weights = np.array([1, -1], np.float32)
        means = _core.sparse_bag_mean(current(), *rows, anchors, np.array([0, 1]), np.array([0, 2]), weights)
        assert not means.any()


class TestSearch:
    @pytest.mark.parametrize("n_queries", [0, 1, 2, 5, 70])
    @pytest.mark.parametrize("scaled", [False, True])
    @pytest.mark.parametrize("masked", [False, True])
    def test_answers(self, isa, n_queries, scaled, masked):
        n, n_anchors = 333, 40
        rows = random_rows(n, n_anchors, value=np.float16, seed=6)
        generator = np.random.default_rng(7)
        scores = generator.integers(-2, 3, (n_queries, n_anchors)).astype(np.float32)  # ties among them
        scales = generator.integers(0, 3, n).astype(np.float32) if scaled else None
        mask = np.packbits(generator.random(n) < 0.1, bitorder="little") if masked else None
        for k in (1, 10, 50, n):
            expected = reference.sparse_search(*rows, scales, scores, k, mask)
            for n_threads in (1, 2, 3):
                assert_same(_core.sparse_search(current(), *rows, scales, scores, k, mask, n_threads), expected)

    def test_any_number_of_threads(self, isa):
        """Enough rows that threads are really started: they are not for small tables."""
        n = 300_000
        rows = random_rows(n, 200, np.uint8, longest=5, seed=8)
        scores = np.random.default_rng(9).standard_normal((3, 200)).round(1).astype(np.float32)
        one = _core.sparse_search(current(), *rows, None, scores, 1000, None, 1)
        dense = reference_scores(rows, scores)
        order = np.argsort(-dense, axis=1, kind="stable")[:, :1000]
        assert_same(one, (np.take_along_axis(dense, order, 1) + 0, order))
        for n_threads in (2, 5):
            assert_same(_core.sparse_search(current(), *rows, None, scores, 1000, None, n_threads), one)

    def test_alone_or_in_a_batch(self, isa):
        rows = random_rows(500, 60, seed=10)
        scores = random_anchors(70, 60)
        batch = _core.sparse_search(current(), *rows, None, scores, 9, None, 1)
        for q in (0, 1, 63, 64, 69):
            alone = _core.sparse_search(current(), *rows, None, scores[q : q + 1], 9, None, 1)
            assert_same(alone, [part[q : q + 1] for part in batch])

    @pytest.mark.parametrize("n_queries", [1, 3])
    def test_nan_and_infinity_have_a_place(self, isa, n_queries):
        indptr, indices = np.arange(201, dtype=np.uint32), np.arange(200, dtype=np.uint8)
        values = np.ones(200, np.float32)
        scores = np.resize(np.array([np.nan, -np.inf, 1, -0.0, np.inf, 0, -1], np.float32), (n_queries, 200))
        for k in (1, 30, 100, 170, 200):
            got = _core.sparse_search(current(), indptr, indices, values, None, scores, k, None, 1)
            expected = reference.sparse_search(indptr, indices, values, None, scores, k, None)
            assert np.array_equal(got[0], expected[0], equal_nan=True)
            assert np.array_equal(got[1], expected[1])


def reference_scores(rows, scores):
    """Column by column instead of row by row: fast, and the same order of sums within each row."""
    indptr, indices, values = rows
    dense = np.zeros((len(scores), len(indptr) - 1), np.float32)
    lengths = np.diff(indptr.astype(np.int64))
    for j in range(lengths.max()):
        has = np.flatnonzero(lengths > j)
        at = indptr[has] + j
        dense[:, has] += values[at] * scores[:, indices[at]]
    return dense


class TestDamage:
    """What a damaged file could hold: an error, never a read outside."""

    def calls(self, indptr, indices, values, n_anchors=5, ids=(0, 1, 2)):
        anchors = random_anchors(n_anchors, 8)
        ids = np.array(ids)
        yield lambda: _core.sparse_lookup(current(), indptr, indices, values, anchors, ids)
        offsets = np.array([0, len(ids)])
        yield lambda: _core.sparse_bag_mean(current(), indptr, indices, values, anchors, ids, offsets, None)
        for n_queries in (1, 2):
            scores = np.zeros((n_queries, n_anchors), np.float32)
            yield lambda scores=scores: _core.sparse_search(
                current(), indptr, indices, values, None, scores, 1, None, 1
            )

    @pytest.mark.parametrize("index", INDEX_TYPES)
    def test_indices(self, isa, index):
        for bad in (5, 6, np.iinfo(index).max):
            for place in range(4):
                indices = np.array([1, 2, 3, 4], index)
                indices[place] = bad
                for call in self.calls(np.array([0, 1, 2, 4]), indices, np.ones(4, np.float32)):
                    with pytest.raises(sv.FormatError, match=f"index {bad} is outside the 5 anchors"):
                        call()

    @pytest.mark.parametrize(
        "indptr",
        [[0, 2, 1, 4], [0, 1, 2, 5], [-1, 1, 2, 4], [0, 2**62, 2**62, 4], [0, 1, -(2**63), 4], [9, 9, 9, 9]],
    )
    def test_offsets(self, isa, indptr):
        for call in self.calls(np.array(indptr), np.zeros(4, np.uint8), np.ones(4, np.float32)):
            with pytest.raises(sv.FormatError, match="fall or overrun"):
                call()

    def test_only_what_is_touched_is_checked(self, isa):
        indices = np.array([0, 200], np.uint8)
        anchors = random_anchors(5, 8)
        rows = (np.arange(3), indices, np.ones(2, np.float32))
        assert np.array_equal(_core.sparse_lookup(current(), *rows, anchors, np.array([0]))[0], anchors[0])

    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data())
    def test_any_parts(self, data):
        """Whatever the arrays hold: an answer equal to the twin's, or an error that says why."""
        n_entries = data.draw(st.integers(0, 12))
        indptr = np.array(data.draw(st.lists(st.integers(-2, 14), min_size=4, max_size=4)), np.int64)
        indices = np.array(data.draw(st.lists(st.integers(0, 6), min_size=n_entries, max_size=n_entries)), np.uint16)
        ids = data.draw(st.lists(st.integers(-1, 3), max_size=5))
        parts = indptr, indices, np.ones(n_entries, np.float32)
        anchors = random_anchors(5, 8)
        try:
            got = _core.sparse_lookup(current(), *parts, anchors, np.array(ids, np.int64))
        except (sv.FormatError, IndexError):
            touched = [row for row in ids if 0 <= row < 3]
            bad = len(touched) < len(ids) or any(
                not 0 <= indptr[r] <= indptr[r + 1] <= n_entries or (indices[indptr[r] : indptr[r + 1]] >= 5).any()
                for r in touched
            )
            assert bad
        else:
            assert_same([got], [reference.sparse_lookup(*parts, anchors, np.array(ids, np.int64))])


class TestTheBorder:
    rows = random_rows(20, 6)
    anchors = random_anchors(6, 4)
    ids = np.arange(3)

    @pytest.mark.parametrize("row", [-1, 20, 2**62, -(2**63)])
    def test_ids(self, isa, row):
        with pytest.raises(IndexError, match=f"row {row} is outside the table's rows 0 ... 19"):
            _core.sparse_lookup(current(), *self.rows, self.anchors, np.array([row]))
        with pytest.raises(IndexError, match=f"row {row} is outside"):
            _core.sparse_bag_mean(current(), *self.rows, self.anchors, np.array([row]), np.array([0, 1]), None)

    @pytest.mark.parametrize("offsets", [[-1, 1], [3, 2], [0, 4], [0, 2**62]])
    def test_offsets_of_bags(self, isa, offsets):
        with pytest.raises(ValueError, match="offsets must not fall"):
            _core.sparse_bag_mean(current(), *self.rows, self.anchors, self.ids, np.array(offsets), None)

    def test_types_and_shapes(self):
        indptr, indices, values = self.rows
        bad_calls = [
            (indptr.astype(np.int32), indices, values, self.anchors, self.ids),
            (indptr, indices.astype(np.int64), values, self.anchors, self.ids),
            (indptr, indices, values.astype(np.float64), self.anchors, self.ids),
            (indptr, indices, values, self.anchors.astype(np.float64), self.ids),
            (indptr, indices, values, self.anchors, self.ids.astype(np.int32)),
            (indptr, indices.astype(">u2"), values, self.anchors, self.ids),
            (indptr, indices, values.astype(">f2"), self.anchors, self.ids),
            (indptr, indices, values[:-1], self.anchors, self.ids),
            (indptr[:0], indices, values, self.anchors, self.ids),
            (indptr[None], indices, values, self.anchors, self.ids),
            (indptr, indices, values, self.anchors[0], self.ids),
            (indptr, indices, values, self.anchors.T, self.ids),
            (indptr, indices, values, self.anchors[:, ::2], self.ids),
            (indptr, indices, values, self.anchors[::-1], self.ids),
            (indptr, indices, values, np.broadcast_to(self.anchors[:1], (6, 4)), self.ids),
            (indptr, indices[::2], values[::2], self.anchors, self.ids),
            (indptr, indices, values, self.anchors, self.ids[None]),
            (indptr, misaligned(indices), values, self.anchors, self.ids),
            (indptr, indices, misaligned(values), self.anchors, self.ids),
            (misaligned(indptr), indices, values, self.anchors, self.ids),
            (indptr, indices, values, misaligned(self.anchors), self.ids),
            (indptr, indices, values, self.anchors, misaligned(self.ids)),
        ]
        for call in bad_calls:
            with pytest.raises((TypeError, ValueError)):
                _core.sparse_lookup(current(), *call)

    def test_search(self):
        scores = np.zeros((2, 6), np.float32)
        good = (*self.rows, None, scores, 1, None, 1)
        for place, bad in [
            (3, np.ones(19, np.float32)), (3, np.ones((20, 1), np.float32)), (4, scores[0]), (5, 0), (5, 21),
            (6, np.zeros(2, np.uint8)), (6, np.zeros((3, 1), np.uint8)), (7, 0),
        ]:  # fmt: skip
            with pytest.raises(ValueError, match="must"):
                _core.sparse_search(current(), *good[:place], bad, *good[place + 1 :])


def misaligned(array):
    raw = bytearray(array.nbytes + 1)
    view = np.frombuffer(raw, array.dtype, array.size, 1).reshape(array.shape)
    view[...] = array
    return view
