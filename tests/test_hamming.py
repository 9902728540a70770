"""Exact search: every ISA against the NumPy twin, over sizes that hit every tail, ties, threads and bad input.

Ties are certain, not possible: a third of the codes repeat, and at few bits most distances coincide. A search that
broke them by anything but the lower index, or dropped one at the edge of a chunk of codes, could not pass.
"""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import slimvec as sv
from conftest import random_codes
from slimvec import _core, reference
from slimvec.binary.codes import BlockedCodes
from slimvec.isa import current

WIDTHS = [1, 8, 31, 32, 33, 75, 150, 256, 300, 992, 993, 1023, 1024, 4096]


def codes_with_ties(n, n_bits, seed=0):
    codes = random_codes(n, n_bits, seed)
    codes[2 * n // 3 :] = codes[: n - 2 * n // 3]
    return codes


@pytest.mark.parametrize("n_bits", WIDTHS)
@pytest.mark.parametrize("n", [1, 15, 16, 17, 65, 1025, 2500])
def test_search_equals_its_twin(isa, n, n_bits):
    blocks = BlockedCodes.from_rows(codes_with_ties(n, n_bits), n_bits)
    queries = random_codes(3, n_bits, seed=9)
    for k in {1, min(10, n), n}:
        distances, indices = blocks.search(queries, k, None, 2)
        expected_distances, expected_indices = reference.hamming_search(blocks.blocks, n, n_bits, queries, k, None)
        assert np.array_equal(distances, expected_distances)
        assert np.array_equal(indices, expected_indices)
    all_distances = reference.hamming_pairwise(blocks.blocks, n, n_bits, queries)
    assert np.array_equal(blocks.pairwise(queries, 2), all_distances)
    rows = np.random.default_rng(n).integers(0, n, (3, 7))
    expected = reference.hamming_distances(blocks.blocks, n, n_bits, queries, rows)
    assert np.array_equal(blocks.distances(queries, rows), expected)


def some_masks(n):
    generator = np.random.default_rng(n)
    yield np.zeros(n, bool)
    yield generator.random(n) < 0.3
    yield generator.random(n) < 0.01  # most blocks of 16 are skipped
    yield (np.arange(n) >= n // 3) & (np.arange(n) < n // 2)


def same(ours, theirs):
    return all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("n_bits", [1, 33, 300, 1024])
@pytest.mark.parametrize("n", [1, 16, 17, 1025, 2500])
def test_masked_search_equals_its_twin(isa, n, n_bits):
    blocks = BlockedCodes.from_rows(codes_with_ties(n, n_bits), n_bits)
    queries = random_codes(3, n_bits, seed=9)
    for mask in some_masks(n):
        packed = blocks.pack_mask(mask)
        for k in {1, min(10, n)}:
            twin = reference.hamming_search(blocks.blocks, n, n_bits, queries, k, packed)
            assert same(blocks.search(queries, k, packed, 2), twin)


@pytest.mark.parametrize("n_bits", [1, 33, 300, 1024])
@pytest.mark.parametrize("n", [1, 16, 17, 2500])
def test_range_search_equals_its_twin(isa, n, n_bits):
    blocks = BlockedCodes.from_rows(codes_with_ties(n, n_bits), n_bits)
    queries = random_codes(3, n_bits, seed=9)
    for mask in (None, *some_masks(n)):
        packed = blocks.pack_mask(mask)
        for radius in (0, n_bits // 2, n_bits):
            twin = reference.hamming_range_search(blocks.blocks, n, n_bits, queries, radius, packed)
            assert same(blocks.range_search(queries, radius, packed, 2), twin)


def test_masks_as_bools_and_as_rows_agree():
    index = sv.HammingIndex(codes_with_ties(1000, 75), n_bits=75)
    queries = random_codes(4, 75, seed=3)
    for mask in some_masks(1000):
        rows = np.flatnonzero(mask)
        found = index.search(queries, 5, mask=mask)
        assert found.indices.shape == found.distances.shape == (4, min(5, len(rows)))
        assert np.isin(found.indices, rows).all()
        for other in (rows, rows[::-1].copy(), rows.tolist(), np.repeat(rows, 2)):
            assert same(found, index.search(queries, 5, mask=other))
    assert index.search(queries, 3, mask=[7]).indices.tolist() == [[7]] * 4


def test_range_and_nearest_tell_the_same_distances():
    index = sv.HammingIndex(codes_with_ties(30_000, 300), n_bits=300)
    queries = random_codes(5, 300, seed=5)
    nearest = index.search(queries, k=50)
    radius = int(nearest.distances[:, -1].max())
    found = index.range_search(queries, radius)
    assert found.offsets[0] == 0
    for q in range(5):
        mine = slice(found.offsets[q], found.offsets[q + 1])
        assert np.array_equal(found.indices[mine][:50], nearest.indices[q])
        assert np.array_equal(found.distances[mine][:50], nearest.distances[q])
        assert (found.distances[mine] <= radius).all()
    for threads in (1, 3, 8):
        assert same(found, index.range_search(queries, radius, threads))
    assert index.range_search(queries, radius=10**30).offsets[-1] == 5 * 30_000
    empty = index.range_search(np.empty((0, 38), np.uint8), radius=3)
    assert [part.tolist() for part in empty] == [[0], [], []]


@pytest.fixture(scope="module")
def many_codes():
    return sv.HammingIndex(codes_with_ties(60_000, 300), n_bits=300)


@pytest.mark.parametrize("n_queries", [1, 2, 7, 64, 65])
def test_the_answer_does_not_depend_on_threads(isa, n_queries, many_codes):
    queries = random_codes(n_queries, 300, seed=5)
    one = many_codes.search(queries, k=20, threads=1)
    for threads in (2, 3, 8, None):
        many = many_codes.search(queries, k=20, threads=threads)
        assert np.array_equal(one.distances, many.distances)
        assert np.array_equal(one.indices, many.indices)


@given(st.integers(1, 70), st.integers(1, 60), st.data())
def test_search_property(n_bits, n, data):
    seed = data.draw(st.integers(0, 1000))
    codes = codes_with_ties(n, n_bits, seed)
    k = data.draw(st.integers(1, n))
    distances, indices = sv.HammingIndex(codes, n_bits).search(codes[:2], k)
    keys = distances * n + indices
    assert (np.diff(keys, axis=1) > 0).all()  # ordered by (distance, index), no index twice
    assert (indices[:, 0] <= np.arange(len(codes[:2]))).all()  # a code finds itself or an equal one before it
    assert (distances[:, 0] == 0).all()
    assert np.array_equal(distances, np.bitwise_count(codes[:2, None] ^ codes[indices]).sum(axis=2))


def test_no_queries_give_no_answers():
    distances, indices = sv.HammingIndex(random_codes(5, 16)).search(np.empty((0, 2), np.uint8), k=3)
    assert distances.shape == indices.shape == (0, 3)
    assert distances.dtype == np.int32
    assert indices.dtype == np.int64


def test_n_bits_defaults_to_whole_bytes():
    index = sv.HammingIndex(random_codes(5, 16))
    assert (len(index), index.n_bits) == (5, 16)


def test_padding_codes_are_never_found():
    """The last block is filled up with zero codes; a zero query is nearest to those, if they were let in."""
    index = sv.HammingIndex(np.full((17, 4), 255, np.uint8))
    distances, indices = index.search(np.zeros((1, 4), np.uint8), k=17)
    assert (distances == 32).all()
    assert indices.tolist() == [list(range(17))]


def test_python_threads_may_share_an_index():
    index = sv.HammingIndex(random_codes(20_000, 128))
    queries = random_codes(8, 128, seed=2)
    expected = index.search(queries, k=5)
    wrong = []

    def search(q):
        for _ in range(20):
            found = index.search(queries[q : q + 1], k=5)
            if not np.array_equal(found.indices[0], expected.indices[q]):
                wrong.append(q)

    threads = [threading.Thread(target=search, args=(q,)) for q in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


class TestBadInput:
    index = sv.HammingIndex(random_codes(20, 75), n_bits=75)
    query = random_codes(1, 75)

    @pytest.mark.parametrize(("k", "message"), [(0, "k=0"), (-1, "k=-1; expected at least 1")])
    def test_k(self, k, message):
        with pytest.raises(ValueError, match=message):
            self.index.search(self.query, k=k)

    def test_k_type(self):
        with pytest.raises(TypeError, match=r"k=2\.5 is not an integer"):
            self.index.search(self.query, k=2.5)

    @pytest.mark.parametrize(
        ("mask", "error", "message"),
        [
            ([True] * 19, ValueError, r"mask has shape \(19,\); expected \(20,\), one bool per code"),
            (np.ones((20, 1), bool), ValueError, r"mask has shape \(20, 1\)"),
            ([20], IndexError, "row 20 is outside the table's rows 0 ... 19"),
            ([-1], IndexError, "row -1 is outside"),
            ([1.5], TypeError, "mask holds"),
            (["a"], KeyError, "has no words"),
        ],
    )
    def test_mask(self, mask, error, message):
        for search in (self.index.search, self.index.range_search):
            with pytest.raises(error, match=message):
                search(self.query, 1, mask=mask)

    @pytest.mark.parametrize(("radius", "error"), [(-1, ValueError), (1.5, TypeError), (None, TypeError)])
    def test_radius(self, radius, error):
        with pytest.raises(error, match=f"radius={radius}"):
            self.index.range_search(self.query, radius)

    def test_range_search_of_an_empty_index(self):
        empty = sv.HammingIndex(np.empty((0, 4), np.uint8))
        assert empty.range_search(np.zeros((1, 4), np.uint8), 3).offsets.tolist() == [0, 0]

    def test_a_larger_k_gives_what_there_is(self):
        assert self.index.search(self.query, k=21).indices.shape == (1, 20)
        assert self.index.search(self.query, k=2**70).indices.shape == (1, 20)

    def test_empty_index(self):
        found = sv.HammingIndex(np.empty((0, 4), np.uint8)).search(np.zeros((1, 4), np.uint8), k=1)
        assert found.distances.shape == found.indices.shape == (1, 0)

    def test_threads(self):
        with pytest.raises(ValueError, match="threads=0; expected at least 1"):
            self.index.search(self.query, k=1, threads=0)

    def test_dtype_and_width(self):
        with pytest.raises(TypeError, match="codes has dtype float64"):
            self.index.search(self.query.astype(float), k=1)
        with pytest.raises(ValueError, match=r"codes has shape \(1, 4\); expected \(n, 10\), the bytes of 75 bits"):
            self.index.search(random_codes(1, 32), k=1)
        with pytest.raises(ValueError, match=r"codes has shape \(10,\)"):
            self.index.search(self.query[0], k=1)

    def test_construction(self):
        with pytest.raises(ValueError, match="n_bits=0"):
            sv.HammingIndex(random_codes(2, 8), n_bits=0)
        with pytest.raises(ValueError, match=r"codes has shape \(2, 1\)"):
            sv.HammingIndex(random_codes(2, 8), n_bits=9)
        with pytest.raises(TypeError, match="codes is a masked array"):
            sv.HammingIndex(np.ma.masked_array(random_codes(2, 8)))
        with pytest.raises(ValueError, match="bits set past bit 2"):
            sv.HammingIndex(np.full((2, 1), 255, np.uint8), n_bits=3)

    def test_the_border_checks_again(self):
        blocks = BlockedCodes.from_rows(random_codes(20, 75), 75)
        for k, threads in ((0, 1), (21, 1), (1, 0)):
            with pytest.raises(ValueError, match="must"):
                _core.hamming_search(current(), blocks.blocks, 20, 75, self.query, k, None, threads)
        for bad in (np.zeros(3, np.uint8), np.zeros((2, 2), np.uint8), np.full(4, 255, np.uint8)):
            with pytest.raises(ValueError, match="mask must"):
                _core.hamming_search(current(), blocks.blocks, 20, 75, self.query, 1, bad, 1)
            with pytest.raises(ValueError, match="mask must"):
                _core.hamming_range_search(current(), blocks.blocks, 20, 75, self.query, 1, bad, 1)
        with pytest.raises(ValueError, match="one row per query"):
            _core.hamming_distances(current(), blocks.blocks, 20, 75, random_codes(2, 75), np.zeros((1, 3), np.int64))
        for row in (-1, 20, 2**40):
            with pytest.raises(IndexError, match=f"row {row} is outside the table's rows 0 ... 19"):
                _core.hamming_distances(current(), blocks.blocks, 20, 75, self.query, np.array([[0, row]]))
        with pytest.raises(ValueError, match="n_threads must"):
            _core.hamming_pairwise(current(), blocks.blocks, 20, 75, self.query, 0)
