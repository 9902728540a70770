"""Rows of four-bit weights: what packing loses, and that everything else works on them as on plain rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array, random_array

import slimvec as sv
from slimvec import _core, reference
from slimvec.isa import current
from slimvec.sparse.packed import pack_rows, packed_sizes, unpack_rows
from slimvec.sparse.parts import SparseParts


def random_transform(n, k, per_row, seed=0):
    matrix = random_array((n, k), density=min(1.0, per_row / k), format="csr", dtype=np.float32, rng=seed)
    matrix.data -= 0.5
    return matrix


@pytest.fixture
def transform():
    matrix = random_transform(120, 700, 25)
    matrix.data[matrix.indptr[3] : matrix.indptr[5]] = 0  # rows without anything
    return matrix


@pytest.fixture
def table(transform):
    anchors = np.random.default_rng(1).standard_normal((700, 20))
    return sv.SparseTable(anchors, transform, [f"w{i}" for i in range(120)], dtype="int4", solver={"nonzeros": 3})


class TestPacking:
    @given(st.integers(0, 30), st.sampled_from([1, 2, 256, 257, 700, 5000]), st.integers(0, 40), st.integers(0, 99))
    def test_columns_stay_and_weights_are_within_half_a_step(self, n, k, per_row, seed):
        matrix = random_transform(n, k, per_row, seed)
        offsets, packed = pack_rows(matrix.indptr, matrix.indices, matrix.data)
        indptr, indices, values = unpack_rows(offsets, packed)
        back = csr_array((values, indices, indptr), (n, k)).toarray()
        exact = matrix.toarray()
        step = np.abs(exact).max(axis=1, initial=0, keepdims=True) / 7
        assert (np.abs(back - exact) <= 0.5 * step + 1e-2 * step).all()
        assert_array_equal(packed_sizes(np.diff(indptr)), np.diff(offsets))
        for got, expected in zip((indptr, indices, values), reference.unpack_sparse_rows(offsets, packed), strict=True):
            assert_array_equal(got, expected)

    def test_multiples_of_a_power_of_two_come_back_exactly(self):
        matrix = csr_array(np.array([[7.0, 0, -3, 1], [0, 0, 0, 0], [0.875, -0.875, 0.5, 0.125]], np.float32))
        indptr, indices, values = unpack_rows(*pack_rows(matrix.indptr, matrix.indices, matrix.data))
        assert_array_equal(csr_array((values, indices, indptr), (3, 4)).toarray(), matrix.toarray())

    def test_the_bytes_of_a_row(self):
        """What a file holds: scale, gaps, weights; a column 300 above the last takes an entry of weight 0."""
        offsets, packed = pack_rows(np.array([0, 3]), np.array([310, 2, 10]), np.array([7.0, -7.0, 2.0]))
        assert_array_equal(offsets, [0, 8])
        assert_array_equal(packed, [0x00, 0x3C, 2, 8, 255, 45, 0x29, 0x70])

    def test_order_and_numbers_too_small(self):
        offsets, packed = pack_rows(np.array([0, 2, 3]), np.array([5, 1, 0]), np.array([1.0, 0.01, 1e-9]))
        indptr, indices, values = unpack_rows(offsets, packed)
        assert_array_equal(indptr, [0, 1, 1])
        assert (indices.tolist(), values.round(3).tolist()) == ([5], [1.0])


class TestKernels:
    def test_lookup_bags_and_search(self, isa, transform):
        parts = pack_rows(transform.indptr, transform.indices, transform.data)
        rows = reference.unpack_sparse_rows(*parts)
        generator = np.random.default_rng(2)
        anchors = generator.standard_normal((700, 21), dtype=np.float32)
        ids = generator.integers(0, 120, 300)
        got = _core.sparse_lookup(current(), *parts, None, anchors, ids)
        assert got.tobytes() == reference.sparse_lookup(*rows, anchors, ids).tobytes()

        bags, weights = np.array([0, 10, 10, 300]), generator.random(300, np.float32)
        got = _core.sparse_bag_mean(current(), *parts, None, anchors, ids, bags, weights)
        assert got.tobytes() == reference.sparse_bag_mean(*rows, anchors, ids, bags, weights).tobytes()

        for n_queries in (1, 7, 65):
            scores = generator.standard_normal((n_queries, 700), dtype=np.float32)
            got = _core.sparse_search(current(), *parts, None, None, scores, 9, None, 2)
            for have, want in zip(got, reference.sparse_search(*rows, None, scores, 9, None), strict=True):
                assert have.tobytes() == want.tobytes()

    def test_bytes_of_another_type(self, isa):
        with pytest.raises(TypeError, match="indices has a dtype"):
            _core.sparse_lookup(
                current(), np.array([0, 4]), np.zeros(4, np.uint16), None, np.ones((2, 3), np.float32), np.array([0])
            )


class TestTable:
    def test_it_answers_as_a_table_of_the_rounded_numbers(self, table, isa):
        plain = sv.SparseTable(table.anchors, table.transform)
        rows = np.arange(120)
        assert_array_equal(table.lookup(rows), plain.lookup(rows))
        assert_array_equal(table.mean([[0, 5], [7]]), plain.mean([[0, 5], [7]]))
        queries = np.random.default_rng(3).standard_normal((4, 20))
        for metric in ("cosine", "dot"):
            for got, expected in zip(
                table.search(queries, metric=metric), plain.search(queries, metric=metric), strict=True
            ):
                assert_array_equal(got, expected)
        assert table.most_similar("w0", 3)[0][0] == f"w{plain.most_similar(0, 3)[0][0]}"
        assert table.associations(5) == [(f"w{row}", weight) for row, weight in plain.associations(5)]
        assert [pair[1:] for pair in table.largest_pairs(4)] == [pair[1:] for pair in plain.largest_pairs(4)]

    def test_close_to_what_was_given(self, table, transform):
        exact = transform @ table.anchors.astype(np.float32)
        error = np.linalg.norm(table.lookup(np.arange(120)) - exact) / np.linalg.norm(exact)
        assert 0.01 < error < 0.12

    def test_save_and_open(self, table, tmp_path):
        table.save(tmp_path / "t.safetensors")
        opened = sv.open(tmp_path / "t.safetensors")
        assert_array_equal(opened.lookup(["w7", "w119"]), table.lookup(["w7", "w119"]))
        assert opened.info() == table.info()
        assert (
            table.info()["bytes"]["transform"]
            < 0.5 * sv.SparseTable(table.anchors, table.transform, dtype="float16").info()["bytes"]["transform"]
        )
        assert table.n_parameters == table.anchors.size + table.transform.nnz

    def test_empty(self, tmp_path):
        table = sv.SparseTable(np.ones((2, 3)), csr_array((0, 2)), dtype="int4")
        table.save(tmp_path / "t.safetensors")
        assert sv.open(tmp_path / "t.safetensors").lookup([]).shape == (0, 3)

    def test_damaged_bytes_are_found_by_whoever_reads_them(self, table):
        """Every way to read a row whose gaps lead past the last anchor."""
        product = table._product
        packed = product.indices.copy()
        begin, end = product.indptr[7:9]
        packed[begin + 2 : end] = 255
        damaged = sv.SparseTable.from_parts(
            SparseParts(type(product)(product.anchors, product.indptr, packed, None), table._parts.inverse_norms)
        )
        for read in (
            lambda: damaged.lookup([7]),
            lambda: damaged.mean([[7]]),
            lambda: damaged.search(np.ones((1, 20))),
            lambda: damaged.search(np.ones((9, 20))),
            lambda: damaged.transform,
            lambda: damaged.associations(1),
        ):
            with pytest.raises(sv.FormatError, match="damaged"):
                read()
        assert_allclose(damaged.lookup([6]), table.lookup([6]))

    def test_ant_compresses_to_it(self):
        rows = np.random.default_rng(4).standard_normal((400, 12), dtype=np.float32)
        ant = sv.ANT(30, 6, n_rounds=2, random_state=0)
        table = ant.compress(rows, dtype="int4")
        exact = ant.transform_ @ ant.anchors_
        lost, coded = (np.linalg.norm(table.lookup(np.arange(400)) - one) for one in (exact, rows))
        assert lost < 0.3 * coded
        assert table.encode(rows[:2]).shape == (2, 30)
