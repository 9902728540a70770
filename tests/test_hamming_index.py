"""HammingIndex beyond search: distances, all pairs, adding, removing, files."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import slimvec as sv
from conftest import random_codes
from slimvec.files import pages


def distances(a, b):
    return np.bitwise_count(a[:, None] ^ b).sum(axis=2, dtype=np.int32)


def equal(index, codes, n_bits):
    """Whether an index holds exactly these codes: every distance agrees, and it still finds them."""
    fresh = sv.HammingIndex(codes, n_bits)
    queries = random_codes(3, n_bits, seed=77)
    assert len(index) == len(codes)
    assert np.array_equal(index.pairwise(), distances(codes, codes))
    if len(codes):
        ours, theirs = (i.search(queries, k=min(5, len(codes))) for i in (index, fresh))
        assert np.array_equal(ours.indices, theirs.indices)
        assert np.array_equal(ours.distances, theirs.distances)
    return True


def test_distances_and_pairwise(isa):
    codes, queries = random_codes(70, 75), random_codes(4, 75, seed=1)
    index = sv.HammingIndex(codes, n_bits=75)
    expected = distances(queries, codes)
    assert np.array_equal(index.pairwise(queries), expected)
    assert np.array_equal(index.pairwise(queries, threads=1), expected)
    assert index.pairwise().dtype == np.int32
    rows = np.random.default_rng(0).integers(0, 70, (4, 9))
    assert np.array_equal(index.distances(queries, rows), np.take_along_axis(expected, rows, axis=1))
    assert np.array_equal(index.distances(queries, [69, 0]), expected[:, [69, 0]])
    assert np.array_equal(index.distances(queries, rows.T[:, :1].T.astype(np.uint8)[:1].ravel()), expected[:, rows[0]])
    assert index.distances(queries, np.empty((4, 0), int)).shape == (4, 0)
    assert index.distances(queries[:0], []).shape == (0, 0)
    assert index.pairwise(queries[:0]).shape == (0, 70)


@given(st.integers(1, 70), st.lists(st.integers(0, 40), max_size=8), st.integers(0, 1000))
def test_adding_and_removing_property(n_bits, steps, seed):
    generator = np.random.default_rng(seed)
    codes = random_codes(3, n_bits, seed)
    index = sv.HammingIndex(codes, n_bits)
    for step, n in enumerate(steps):
        if step % 3 < 2:
            more = random_codes(n, n_bits, seed + step)
            assert index.add(more).tolist() == list(range(len(codes), len(codes) + n))
            codes = np.vstack([codes, more])
        else:
            rows = generator.permutation(len(codes))[:n]  # distinct: a 0 or 1 for each of all codes is refused
            assert index.remove(rows) == len(rows)
            codes = np.delete(codes, rows, axis=0)
        assert equal(index, codes, n_bits)


def test_removing_by_bools():
    codes = random_codes(40, 33)
    index = sv.HammingIndex(codes, n_bits=33)
    gone = np.arange(40) % 3 == 0
    assert index.remove(gone) == 14
    assert equal(index, codes[~gone], 33)
    assert index.remove([]) == 0
    assert index.remove(np.ones(26, bool)) == 26
    assert equal(index, codes[:0], 33)
    index.add(codes[:5])
    assert equal(index, codes[:5], 33)


def test_an_empty_index_grows():
    index = sv.HammingIndex(np.empty((0, 5), np.uint8), n_bits=33)
    codes = random_codes(100, 33)
    for code in codes:
        index.add(code[None])
    assert equal(index, codes, 33)


@pytest.mark.parametrize("n", [0, 1, 16, 1000])
def test_files(n, tmp_path):
    codes = random_codes(n, 75)
    sv.HammingIndex(codes, n_bits=75).save(tmp_path / "index")
    index = sv.open(tmp_path / "index", verify=True)
    assert repr(index) == f"<slimvec.HammingIndex: {n} codes of 75 bits>"
    assert equal(index, codes, 75)
    index.add(codes[:7])  # a mapped file is never written to
    index.remove([0] if n else [])
    assert equal(index, np.vstack([codes, codes[:7]])[1 if n else 0 :], 75)
    assert equal(sv.open(tmp_path / "index"), codes, 75)


def test_a_search_sees_whole_changes_only():
    """Codes come in pairs of equals, so every query must find both or neither."""
    pairs = np.repeat(random_codes(2000, 64, seed=5), 2, axis=0)
    index = sv.HammingIndex(pairs[:2])
    wrong = []
    done = threading.Event()

    def search():
        while not done.is_set():
            found = index.search(pairs[:1], k=2)
            if found.distances.tolist() != [[0, 0]]:
                wrong.append(found)

    searchers = [threading.Thread(target=search) for _ in range(2)]
    for thread in searchers:
        thread.start()
    for first in range(2, 1000, 2):
        index.add(pairs[first : first + 2])
        if first % 50 == 0:
            index.remove(np.arange(2, len(index) // 2))
    done.set()
    for thread in searchers:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("n_bytes", [0, 60, 64, 4096, (2 << 20) - 4, 2 << 20, (5 << 20) + 64])
def test_codes_lie_where_scans_like_them(n_bytes):
    memory = pages.zeros((n_bytes // 4,))
    assert memory.nbytes == n_bytes
    assert not memory.any()
    assert n_bytes == 0 or memory.ctypes.data % (64 if n_bytes < 2 << 20 else 2 << 20) == 0
    memory[:] = 7  # all of it is there, and writable
    assert (memory == 7).all()


class TestBadInput:
    index = sv.HammingIndex(random_codes(20, 75), n_bits=75)
    query = random_codes(2, 75)

    @pytest.mark.parametrize(
        ("indices", "error", "message"),
        [
            ([20], IndexError, "row 20 is outside the table's rows 0 ... 19"),
            ([[0], [-1]], IndexError, "row -1 is outside"),
            ([[0]], ValueError, r"indices has shape \(1, 1\); expected \(m,\) or \(2, m\)"),
            (3, ValueError, r"indices has shape \(\)"),
            (np.zeros((2, 1, 1), int), ValueError, r"indices has shape \(2, 1, 1\)"),
            ([1.5], TypeError, "indices holds"),
        ],
    )
    def test_distances(self, indices, error, message):
        with pytest.raises(error, match=message):
            self.index.distances(self.query, indices)

    def test_codes(self):
        for method in (self.index.pairwise, self.index.add, lambda codes: self.index.distances(codes, [0])):
            with pytest.raises(ValueError, match=r"codes has shape \(1, 4\); expected \(n, 10\)"):
                method(random_codes(1, 32))
            with pytest.raises(TypeError, match="codes has dtype int64"):
                method(self.query.astype(np.int64))
        with pytest.raises(ValueError, match="threads=0"):
            self.index.pairwise(self.query, threads=0)
        assert len(self.index) == 20

    @pytest.mark.parametrize(
        ("indices", "error", "message"),
        [
            ([20], IndexError, "row 20 is outside"),
            ([True] * 19, ValueError, r"indices has shape \(19,\); expected \(20,\)"),
            (["a"], KeyError, "no words"),
        ],
    )
    def test_remove(self, indices, error, message):
        with pytest.raises(error, match=message):
            self.index.remove(indices)
        assert len(self.index) == 20
