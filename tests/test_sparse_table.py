"""SparseTable: rows, means, search, neighbours, mixtures, what anchors mean, files and their damage."""

from __future__ import annotations

import json
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import slimvec as sv
from slimvec.files import table_file, table_writer

FROZEN = Path(__file__).parent / "data" / "v1"
WORDS = [f"cat{i}" for i in range(20)] + [f"boat{i}" for i in range(20)]


def random_transform(n, k, density=0.3, seed=0):
    return scipy.sparse.random_array((n, k), density=density, format="csr", rng=np.random.default_rng(seed))


@pytest.fixture(scope="module")
def dense():
    """The transform: two groups of rows that share anchors, one row empty."""
    generator = np.random.default_rng(1)
    weights = generator.random((40, 12)) * (generator.random((40, 12)) < 0.5)
    weights[:20, :6] = 0
    weights[20:, 6:] = 0
    weights[13] = 0
    return weights


@pytest.fixture(scope="module")
def anchors():
    return np.random.default_rng(2).standard_normal((12, 17)).astype(np.float32)


@pytest.fixture(scope="module")
def sparse(anchors, dense):
    names = [f"anchor{i}" for i in range(12)]
    return sv.SparseTable(anchors, scipy.sparse.csr_array(dense), WORDS, names, solver={"nonzeros": 3})


@pytest.fixture(scope="module")
def rows(anchors, dense):
    """E, in float64."""
    return dense.astype(np.float32).astype(np.float64) @ anchors.astype(np.float64)


def cosines(rows, queries):
    norms = np.outer(np.linalg.norm(queries, axis=1), np.linalg.norm(rows, axis=1))
    return np.divide(queries @ rows.T, norms, out=np.zeros(norms.shape), where=norms > 0)


class TestRows:
    def test_lookup(self, sparse, rows, isa):
        got = sparse.lookup(["boat3", 0, np.int32(5), "cat13"])
        assert (got.dtype, got.shape) == (np.float32, (4, 17))
        assert np.allclose(got, rows[[23, 0, 5, 13]], atol=1e-6)
        assert not got[3].any()
        assert np.array_equal(sparse["boat3"], got[0])
        assert np.array_equal(sparse[0], got[1])

    def test_one_key(self, sparse, isa):
        for key in ("cat3", 3, np.uint8(3)):
            assert np.array_equal(sparse[key], sparse.lookup([3])[0])
        with pytest.raises(KeyError, match="unknown word 'catt3'; near spellings: 'cat3"):
            sparse["catt3"]
        for bad in (40, -1):
            with pytest.raises(IndexError, match=f"row {bad} is outside the table's rows 0 ... 39"):
                sparse[bad]
        for bad in (1.5, True, None, [1]):
            with pytest.raises(TypeError, match="key holds .* expected words"):
                sparse[bad]

    @pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.int32, np.uint64, ">i8"])
    def test_lookup_by_any_integer_array(self, sparse, dtype):
        ids = np.array([3, 3, 39, 0], dtype)
        expected = sparse.lookup([3, 3, 39, 0])
        assert np.array_equal(sparse.lookup(ids), expected)
        assert np.array_equal(sparse.lookup(np.repeat(ids, 2)[::2]), expected)
        assert np.array_equal(sparse.lookup(ids[:1, None][0]), expected[:1])  # a stride that NumPy made 0
        misaligned = np.frombuffer(b"." + ids.tobytes(), np.uint8)[1:].view(dtype)
        assert np.array_equal(sparse.lookup(misaligned), expected)
        assert sparse.lookup(ids[:0]).shape == sparse.lookup([]).shape == (0, 17)

    @pytest.mark.parametrize("form", ["csr", "csc", "coo", "lil", "dok", "bsr"])
    def test_any_sparse_format(self, anchors, dense, sparse, form):
        for make in (scipy.sparse.csr_array, scipy.sparse.csr_matrix):
            table = sv.SparseTable(anchors, make(dense).asformat(form))
            assert np.array_equal(table.lookup(range(40)), sparse.lookup(range(40)))

    @pytest.mark.parametrize(
        ("k", "index"),
        [(255, "u1"), (256, "u1"), (257, "u2"), (65535, "u2"), (65536, "u2"), (65537, "u4")],
    )
    def test_the_smallest_index_type_that_fits(self, isa, tmp_path, k, index):
        anchors = np.arange(k, dtype=np.float32)[:, None]
        transform = scipy.sparse.csr_array(([1.0, 1.0, 2.0], ([0, 1, 2], [0, k - 1, k // 2])), shape=(3, k))
        table = sv.SparseTable(anchors, transform)
        assert table._product.indices.dtype == index
        assert table.lookup([0, 1, 2]).ravel().tolist() == [0, k - 1, 2 * (k // 2)]
        assert table.search([[1.0]], k=1, metric="dot").scores[0, 0] == max(k - 1, 2 * (k // 2))
        table.save(tmp_path / "t")
        assert sv.open(tmp_path / "t")[1] == k - 1

    def test_half_precision(self, anchors, dense, isa):
        half = sv.SparseTable(anchors, scipy.sparse.csr_array(dense), dtype="float16")
        assert half.anchors.dtype == np.float16
        expected = half.transform.toarray() @ half.anchors.astype(np.float32)
        assert np.allclose(half.lookup(range(40)), expected, atol=1e-5)
        full = sv.SparseTable(half.anchors, half.transform)
        assert np.array_equal(half.lookup(range(40)), full.lookup(range(40)))
        assert np.array_equal(half.search(expected, k=9).scores, full.search(expected, k=9).scores)
        assert half.info()["bytes"]["anchors"] * 2 == full.info()["bytes"]["anchors"]

    def test_given_parts_are_not_changed_or_needed(self, anchors, dense):
        given = scipy.sparse.csr_array(dense.astype(np.float32))
        mine = anchors.copy()
        table = sv.SparseTable(mine, given)
        before = table.lookup(range(40))
        assert np.array_equal(given.toarray(), dense.astype(np.float32))
        assert np.array_equal(table.anchors, anchors)
        assert np.array_equal(before, table.lookup(np.arange(40)))

    def test_empty_tables(self, tmp_path, isa):
        for n in (0, 3):
            table = sv.SparseTable([[1.0, 2.0]], scipy.sparse.csr_array((n, 1)), [f"w{i}" for i in range(n)])
            assert table.lookup(range(n)).tolist() == [[0, 0]] * n
            assert table.mean([[]]).tolist() == [[0, 0]]
            table.save(tmp_path / "t")
            assert sv.open(tmp_path / "t", verify=True).words == table.words
            assert table.largest_pairs() == []
            assert table.associations(0) == []
            assert table.info()["nonzeros"] == 0
        assert table.search([[1.0, 0.0]], k=2).indices.tolist() == [[0, 1]]

    def test_what_it_holds(self, sparse, dense):
        assert (len(sparse), sparse.dim, sparse.n_anchors) == (40, 17, 12)
        assert sparse.n_parameters == 12 * 17 + np.count_nonzero(dense)
        assert sparse.words[23] == "boat3"
        assert sparse.anchor_words[3] == "anchor3"
        assert "cat3" in sparse
        assert list(sparse) == WORDS
        assert repr(sparse) == "<slimvec.SparseTable: 40 rows of 17 floats from 12 anchors, with words>"
        assert np.array_equal(sparse.transform.toarray(), dense.astype(np.float32))
        assert type(sparse.transform) is scipy.sparse.csr_array

    def test_info(self, sparse, dense):
        info = sparse.info()
        nnz = np.count_nonzero(dense)
        assert (info["kind"], info["rows"], info["anchors"], info["dimension"]) == ("sparse", 40, 12, 17)
        assert (info["nonzeros"], info["n_parameters"]) == (nnz, 12 * 17 + nnz)
        assert info["bytes"]["anchors"] == 4 * 12 * 17
        assert info["bytes"]["transform"] == 5 * nnz + 4 * 41
        assert info["bytes"]["norms"] == 4 * 40
        assert info["bytes"]["words"] > len("".join(WORDS))
        assert info["compression_ratio"] == sparse.compression_ratio == 40 * 17 / info["n_parameters"]
        stored = sum(info["bytes"][part] for part in ("anchors", "transform", "norms"))
        assert info["stored_ratio"] == 4 * 40 * 17 / stored
        assert info["solver"] == {"nonzeros": 3}

    def test_encode_without_a_solver(self, anchors, dense):
        with pytest.raises(ValueError, match="does not know how its rows were coded"):
            sv.SparseTable(anchors, scipy.sparse.csr_array(dense)).encode(anchors)

    def test_encode_asks_the_solver(self, sparse, anchors, monkeypatch):
        calls = []
        coding = types.ModuleType("slimvec.sparse.solvers.solver")
        coding.encode = lambda *arguments: calls.append(arguments) or "T"
        monkeypatch.setitem(sys.modules, "slimvec.sparse.solvers.solver", coding)
        assert sparse.encode([[1.0] * 17]) == "T"
        X, given, parameters = calls[0]
        assert X.tolist() == [[1.0] * 17]
        assert np.array_equal(given, anchors)
        assert parameters == {"nonzeros": 3}


class TestMean:
    bags = (["cat1", "cat2", "unknown", 7], ["unknown"], [], ["boat1", "boat1"])

    def test_mean(self, sparse, rows, isa):
        means = sparse.mean(self.bags)
        assert np.allclose(means[0], rows[[1, 2, 7]].mean(axis=0), atol=1e-6)
        assert not means[1:3].any()
        assert np.allclose(means[3], rows[21], atol=1e-6)
        assert sparse.mean([]).shape == (0, 17)

    def test_weights(self, sparse, rows, isa):
        weights = [[1, 2, 50, 0.5], [3], [], [1, -1]]
        means = sparse.mean(self.bags, weights=weights)
        assert np.allclose(means[0], np.average(rows[[1, 2, 7]], axis=0, weights=[1, 2, 0.5]), atol=1e-6)
        assert not means[1:].any()
        again = sparse.mean(iter(self.bags), weights=weights)
        assert np.array_equal(again, means)

    def test_a_rectangle_of_rows(self, sparse, isa):
        generator = np.random.default_rng(3)
        bags, weights = generator.integers(0, 40, (30, 20)), generator.random((30, 20))
        assert np.array_equal(sparse.mean(bags), sparse.mean(bags.tolist()))
        assert np.array_equal(sparse.mean(bags.astype(np.uint8)), sparse.mean(bags.tolist()))
        assert np.array_equal(sparse.mean(bags, weights), sparse.mean(bags.tolist(), weights.tolist()))
        assert sparse.mean(bags[:, :0]).shape == (30, 17)
        assert not sparse.mean(bags[:, :0]).any()

    def test_bad_input(self, sparse):
        with pytest.raises(ValueError, match="weights has 1 lists for 4 bags"):
            sparse.mean(self.bags, weights=[[1]])
        with pytest.raises(ValueError, match=r"weights\[0\] has shape \(3,\); expected one weight per key: \(4,\)"):
            sparse.mean(self.bags[:1], weights=[[1, 2, 3]])
        for bad in (np.nan, np.inf):
            with pytest.raises(ValueError, match="weights holds NaN or infinity"):
                sparse.mean([[1]], weights=[[bad]])
        with pytest.raises(TypeError, match="bags='a film' is a string"):
            sparse.mean("a film", weights=[[1]])
        with pytest.raises(IndexError, match="row 40 is outside"):
            sparse.mean(np.array([[1, 40]]))


class TestSearch:
    @pytest.mark.parametrize("metric", ["cosine", "dot"])
    def test_scores(self, sparse, rows, metric, isa):
        queries = np.random.default_rng(4).standard_normal((70, 17))
        scores = cosines(rows, queries) if metric == "cosine" else queries @ rows.T
        found = sparse.search(queries, k=40, metric=metric)
        assert (found.scores.dtype, found.indices.dtype) == (np.float32, np.int64)
        assert np.allclose(found.scores, np.take_along_axis(scores, found.indices, 1), atol=1e-5)
        assert (np.sort(found.indices) == np.arange(40)).all()
        assert (np.diff(found.scores) <= 0).all()
        few = sparse.search(queries, 7, metric=metric)
        assert np.array_equal(few.indices, found.indices[:, :7])
        assert np.array_equal(few.scores, found.scores[:, :7])

    def test_the_same_alone_on_any_isa_and_for_any_threads(self, sparse, isa):
        queries = np.random.default_rng(5).standard_normal((66, 17)).astype(np.float32)
        with sv.use_isa("scalar"):
            expected = sparse.search(queries, k=11, threads=1)
        for threads in (1, 2, 5):
            got = sparse.search(queries, k=11, threads=threads)
            assert got.scores.tobytes() == expected.scores.tobytes()
            assert np.array_equal(got.indices, expected.indices)
        alone = sparse.search(queries[65:], k=11)
        assert alone.scores.tobytes() == expected.scores[65:].tobytes()

    def test_cosine_with_nothing_is_zero(self, sparse):
        found = sparse.search(np.zeros((1, 17)), k=40)
        assert not found.scores.any()
        assert found.indices.tolist() == [list(range(40))]
        every = sparse.search(np.ones((1, 17)), k=40)
        assert every.scores[0, every.indices[0].tolist().index(13)] == 0

    def test_mask(self, sparse, rows):
        queries = rows[:3]
        found = sparse.search(queries, k=25, mask=np.arange(40) >= 20)
        assert found.scores.shape == found.indices.shape == (3, 20)
        assert (found.indices >= 20).all()
        assert np.array_equal(sparse.search(queries, k=25, mask=range(20, 40)).indices, found.indices)
        alone = sparse.search(queries, k=3, mask=["cat4", 7])
        assert np.sort(alone.indices, axis=1).tolist() == [[4, 7]] * 3
        for metric in ("cosine", "dot"):
            none = sparse.search(queries, k=3, mask=[], metric=metric)
            assert none.scores.shape == none.indices.shape == (3, 0)
        with pytest.raises(KeyError, match="unknown word 'cow'"):
            sparse.search(queries, mask=["cow"])

    def test_most_similar(self, sparse, rows, isa):
        neighbours = sparse.most_similar("cat0", k=18)
        assert [word[:3] for word, _ in neighbours].count("cat") > 12
        assert "cat0" not in dict(neighbours)
        scores = cosines(rows, rows[:1])[0]
        for word, similarity in neighbours:
            assert similarity == pytest.approx(scores[WORDS.index(word)], abs=1e-5)
        assert np.allclose([similarity for _, similarity in neighbours], np.sort(scores[1:])[::-1][:18], atol=1e-5)
        assert len(sparse.most_similar("cat0", k=39)) == 39

    def test_most_similar_to_several_and_to_vectors(self, sparse, rows):
        several = dict(sparse.most_similar(["cat0", "boat0"], k=38))
        assert not {"cat0", "boat0"} & several.keys()
        scores = cosines(rows, rows[[0, 20]].mean(axis=0, keepdims=True))[0]
        for word, similarity in several.items():
            assert similarity == pytest.approx(scores[WORDS.index(word)], abs=1e-5)
        word, similarity = sparse.most_similar(rows[27].astype(np.float32), k=1)[0]
        assert word == "boat7"
        assert similarity == pytest.approx(1)
        assert sparse.most_similar(rows[27:28], k=1)[0][0] == "boat7"

    def test_ties_are_broken_by_row(self):
        table = sv.SparseTable([[1.0, 0.0], [0.0, 1.0]], scipy.sparse.csr_array([[1, 0], [0, 1], [2, 0], [3, 0.0]]))
        assert [row for row, _ in table.most_similar(0, k=3)] == [2, 3, 1]
        assert table.search([[1.0, 0.0]], k=4).indices.tolist() == [[0, 2, 3, 1]]

    @pytest.mark.parametrize("k", [0, -1])
    def test_k(self, sparse, k):
        with pytest.raises(ValueError, match=f"k={k}; expected at least 1"):
            sparse.most_similar("cat0", k=k)
        with pytest.raises(ValueError, match=f"k={k}; expected at least 1"):
            sparse.search(np.zeros((1, 17)), k=k)

    def test_a_larger_k_gives_what_there_is(self, sparse, anchors):
        assert len(sparse.most_similar("cat0", k=100)) == 39
        assert sparse.most_similar(list(sparse), k=3) == []
        assert sparse.search(np.ones((2, 17)), k=100).indices.shape == (2, 40)
        empty = sv.SparseTable(anchors, scipy.sparse.csr_array((0, len(anchors))))
        assert empty.search(np.ones((2, 17))).scores.shape == (2, 0)

    def test_bad_queries(self, sparse):
        with pytest.raises(ValueError, match="queries has 16 columns; expected 17"):
            sparse.search(np.zeros((1, 16)))
        with pytest.raises(ValueError, match=r"queries has shape \(17,\)"):
            sparse.search(np.zeros(17))
        for bad in (np.nan, np.inf):
            with pytest.raises(ValueError, match="queries holds NaN or infinity in row 1"):
                sparse.search(np.array([[0.0] * 17, [bad] * 17]))
        with pytest.raises(ValueError, match="metric='euclid'; expected 'cosine' or 'dot'"):
            sparse.search(np.zeros((1, 17)), metric="euclid")
        with pytest.raises(ValueError, match="threads=0; expected at least 1"):
            sparse.search(np.zeros((1, 17)), threads=0)
        with pytest.raises(ValueError, match=r"mask has shape \(3,\); expected \(40,\), one bool per row"):
            sparse.search(np.zeros((1, 17)), mask=[True] * 3)
        with pytest.raises(IndexError, match="row 40 is outside"):
            sparse.search(np.zeros((1, 17)), mask=[40])
        with pytest.raises(ValueError, match="query is empty"):
            sparse.most_similar([])
        with pytest.raises(ValueError, match="expected one vector"):
            sparse.most_similar(np.zeros((2, 17)))
        with pytest.raises(KeyError, match="unknown word 'catt3'; near spellings: 'cat3"):
            sparse.most_similar("catt3")

    @settings(max_examples=60, deadline=None)
    @given(data=st.data())
    def test_against_the_dense_product(self, data):
        n, k, d = (data.draw(st.integers(1, top)) for top in (30, 9, 20))
        generator = np.random.default_rng(data.draw(st.integers(0, 999)))
        dense = generator.integers(-3, 4, (n, k)) * (generator.random((n, k)) < 0.4)  # small integers: exact, and ties
        anchors = generator.integers(-3, 4, (k, d))
        queries = generator.integers(-3, 4, (data.draw(st.integers(0, 4)), d))
        table = sv.SparseTable(anchors, scipy.sparse.csr_array(dense), dtype=data.draw(st.sampled_from(["f4", "f2"])))
        assert np.array_equal(table.lookup(range(n)), dense @ anchors)
        products = queries @ (dense @ anchors).T
        order = np.argsort(-products, axis=1, kind="stable")
        found = table.search(queries, k=n, metric="dot")
        assert np.array_equal(found.indices, order)
        assert np.array_equal(found.scores, np.take_along_axis(products, order, 1))


class TestMixture:
    def expected(self, anchors, transforms):
        total = 0
        for a, t in zip(anchors, transforms, strict=True):
            e = np.exp(t - t.max(axis=1, keepdims=True))
            total = total + (e / e.sum(axis=1, keepdims=True)) @ a
        return total

    @pytest.mark.parametrize("sizes", [[7], [1, 5], [3, 4, 200]])
    def test_against_the_dense_softmax(self, sizes, isa, tmp_path):
        generator = np.random.default_rng(6)
        anchors = [generator.standard_normal((k, 11)) for k in sizes]
        transforms = [3 * generator.standard_normal((50, k)) * (generator.random((50, k)) < 0.3) for k in sizes]
        table = sv.SparseTable.mixture(anchors, [scipy.sparse.csr_array(t) for t in transforms])
        expected = self.expected(anchors, transforms)
        assert np.allclose(table.lookup(range(50)), expected, atol=1e-5)
        assert np.allclose(table.mean([[1, 2, 3]]), expected[1:4].mean(axis=0), atol=1e-5)
        found = table.search(anchors[0], k=50)
        assert np.allclose(found.scores, np.take_along_axis(cosines(expected, anchors[0]), found.indices, 1), atol=1e-5)
        table.save(tmp_path / "t")
        assert np.array_equal(sv.open(tmp_path / "t").lookup(range(50)), table.lookup(range(50)))
        stored = sum((k + 1) * 11 for k in sizes) + sum(np.count_nonzero(t) + 50 for t in transforms)
        assert table.n_parameters == stored
        assert table.info()["made_by"] == {"method": "mixture", "parameters": {"n_components": len(sizes)}}

    def test_large_entries_do_not_overflow(self):
        transform = np.array([[1000.0, 0, -1000], [-1000, 0, 0], [800, 800, 0], [-800, -900, -800]])
        anchors = np.eye(3)
        table = sv.SparseTable.mixture([anchors], [scipy.sparse.csr_array(transform)])
        assert np.allclose(table.lookup(range(4)), self.expected([anchors], [transform]), atol=1e-6)

    def test_entries_given_twice_are_summed_first(self):
        twice = scipy.sparse.csr_array((np.array([1.0, 2.0]), np.array([1, 1]), np.array([0, 2])), shape=(1, 2))
        assert twice.nnz == 2
        table = sv.SparseTable.mixture([np.eye(2)], [twice])
        assert np.allclose(table[0], self.expected([np.eye(2)], [np.array([[0.0, 3.0]])]))

    def test_bad_input(self):
        good = scipy.sparse.csr_array(np.ones((2, 3)))
        with pytest.raises(ValueError, match="1 anchors and 2 transforms"):
            sv.SparseTable.mixture([np.eye(3)], [good, good])
        with pytest.raises(ValueError, match=r"anchors\[0\] has shape \(0, 3\); expected at least one"):
            sv.SparseTable.mixture([np.empty((0, 3))], [good[:, :0]])
        with pytest.raises(ValueError, match="0 anchors"):
            sv.SparseTable.mixture([], [])
        with pytest.raises(ValueError, match=r"transforms\[1\]: expected a SciPy sparse matrix with 4 columns"):
            sv.SparseTable.mixture([np.eye(3), np.eye(4)], [good, good])
        with pytest.raises(ValueError, match="expected the same for all"):
            sv.SparseTable.mixture([np.eye(3), np.ones((3, 2))], [good, good])
        for spoilt in (np.inf, -np.inf, np.nan):
            with pytest.raises(ValueError, match=r"transforms\[1\] holds NaN or infinity"):
                sv.SparseTable.mixture([np.eye(3), np.eye(3)], [good, good * spoilt])


class TestAnchors:
    def test_associations(self, sparse, dense):
        column = dense[:, 3].astype(np.float32)
        order = [row for row in np.argsort(-column, kind="stable") if column[row]]
        assert sparse.associations(3, k=4) == [(WORDS[row], column[row]) for row in order[:4]]
        assert sparse.associations("anchor3", k=100) == [(WORDS[row], column[row]) for row in order]

    def test_largest_pairs(self, sparse, dense):
        values = dense.astype(np.float32)
        row, anchor = np.unravel_index(np.argsort(-values, axis=None, kind="stable")[:5], values.shape)
        expected = [(WORDS[i], f"anchor{j}", values[i, j]) for i, j in zip(row, anchor, strict=True)]
        assert sparse.largest_pairs(5) == expected
        assert len(sparse.largest_pairs(1000)) == np.count_nonzero(dense)

    def test_without_names(self, anchors, dense):
        table = sv.SparseTable(anchors, scipy.sparse.csr_array(dense))
        row, anchor, weight = table.largest_pairs(1)[0]
        assert (type(row), type(anchor), type(weight)) == (int, int, float)
        assert table.associations(anchor, 1)[0] == (row, weight)
        with pytest.raises(KeyError, match="unknown anchor 'fur': anchors have no names here, only 0 ... 11"):
            table.associations("fur")

    def test_bad_input(self, sparse):
        for bad in (-1, 12):
            with pytest.raises(ValueError, match=f"anchor={bad}; expected between 0 and 11"):
                sparse.associations(bad)
        with pytest.raises(TypeError, match="anchor=1.5 is not an integer"):
            sparse.associations(1.5)
        with pytest.raises(KeyError, match="unknown word 'anchr3'; near spellings: 'anchor3'"):
            sparse.associations("anchr3")
        with pytest.raises(ValueError, match="k=0; expected at least 1"):
            sparse.largest_pairs(0)


class TestConstruction:
    def test_bad_parts(self, anchors, dense):
        good = scipy.sparse.csr_array(dense)
        with pytest.raises(TypeError, match=r"transform is ndarray; expected a SciPy sparse matrix"):
            sv.SparseTable(anchors, dense)
        with pytest.raises(ValueError, match=r"transform has shape \(40, 11\); expected \(n, 12\)"):
            sv.SparseTable(anchors, good[:, :11])
        with pytest.raises(ValueError, match="anchors has shape"):
            sv.SparseTable(anchors[0], good)
        with pytest.raises(ValueError, match="expected at least one row and one column"):
            sv.SparseTable(anchors[:, :0], good)
        with pytest.raises(ValueError, match="words has 2 words; expected 40, one each"):
            sv.SparseTable(anchors, good, ["a", "b"])
        with pytest.raises(ValueError, match="anchor_words has 2 words; expected 12, one each"):
            sv.SparseTable(anchors, good, anchor_words=["a", "b"])
        with pytest.raises(ValueError, match="dtype='float64'; expected 'float32', 'float16' or 'int4'"):
            sv.SparseTable(anchors, good, dtype="float64")
        with pytest.raises(TypeError, match="transform has dtype complex128"):
            sv.SparseTable(anchors, good.astype(complex))

    @pytest.mark.parametrize("bad", [np.nan, np.inf, 1e39, 70000.0])
    def test_numbers_that_cannot_be_stored(self, anchors, dense, bad):
        dtype = "float16" if bad == 70000 else "float32"
        weights = dense.copy()
        weights[26, 5] = bad
        with pytest.raises(
            ValueError, match=f"transform holds NaN, infinity or a value too large for {dtype} in row 26"
        ):
            sv.SparseTable(anchors, scipy.sparse.csr_array(weights), dtype=dtype)
        wide = anchors.astype(np.float64)
        wide[4, 4] = bad
        with pytest.raises(ValueError, match="anchors holds NaN or infinity in row 4"):
            sv.SparseTable(wide, scipy.sparse.csr_array(dense), dtype=dtype)

    def test_rows_too_large_for_float32(self):
        with pytest.raises(ValueError, match="transform @ anchors holds NaN or infinity in row 1"):
            sv.SparseTable([[1e30]], scipy.sparse.csr_array([[1.0], [1e30]]))

    @pytest.mark.parametrize(
        ("part", "value"),
        [("indptr", [0, 2, 1, 3]), ("indptr", [1, 2, 3, 3]), ("indptr", [0, 1, 2, 9]), ("indptr", [0, 1, 3]),
         ("indices", [0, 1, 2]), ("indices", [0, -1, 1])],
    )  # fmt: skip
    def test_csr_that_someone_broke(self, part, value):
        broken = types.SimpleNamespace(
            shape=(3, 2), indptr=np.array([0, 1, 2, 3]), indices=np.array([0, 1, 0]), data=np.ones(3)
        )
        broken.tocsr = lambda: broken
        assert np.array_equal(sv.SparseTable(np.eye(2), broken).lookup([1]), [[0, 1]])
        setattr(broken, part, np.array(value))
        with pytest.raises(ValueError, match="transform is no valid CSR matrix"):
            sv.SparseTable(np.eye(2), broken)

    def test_tiny_rows_have_a_direction(self, isa):
        table = sv.SparseTable([[1e-38, 0.0], [0.0, 1e-38]], scipy.sparse.csr_array([[1.0, 0], [0, 1.0]]))
        found = table.search([[1.0, 0.0]], k=2)
        assert found.indices.tolist() == [[0, 1]]
        assert np.isfinite(found.scores).all()


def same(a, b):
    return (
        a.info() == b.info()
        and (a.words, a.anchor_words) == (b.words, b.anchor_words)
        and a.lookup(range(len(a))).tobytes() == b.lookup(range(len(b))).tobytes()
        and a.search(np.eye(a.dim), k=len(a)).scores.tobytes() == b.search(np.eye(b.dim), k=len(b)).scores.tobytes()
    )


class TestFiles:
    @pytest.mark.parametrize("dtype", ["float32", "float16"])
    def test_everything_comes_back(self, sparse, anchors, dense, dtype, tmp_path):
        table = sv.SparseTable(
            anchors, scipy.sparse.csr_array(dense), WORDS, sparse.anchor_words, dtype, solver={"l1": 0.5}
        )
        table.save(tmp_path / "t")
        opened = sv.open(tmp_path / "t", verify=True)
        assert same(opened, table)
        assert opened.info()["solver"] == {"l1": 0.5}
        assert opened.most_similar("cat0") == table.most_similar("cat0")
        opened.save(tmp_path / "t")
        assert same(sv.open(tmp_path / "t", verify=True), table)

    def test_opened_arrays_are_read_only_views_of_the_file(self, sparse, tmp_path):
        sparse.save(tmp_path / "t")
        product = sv.open(tmp_path / "t")._product
        for array in (product.anchors, product.indptr, product.indices, product.values):
            assert not array.flags.writeable
            assert not array.flags.owndata

    def test_safetensors_reads_it(self, sparse, tmp_path):
        safetensors = pytest.importorskip("safetensors.numpy")
        sparse.save(tmp_path / "t")
        tensors = safetensors.load_file(tmp_path / "t")
        parts = (tensors["values"], tensors["indices"].astype(int), tensors["indptr"].astype(int))
        rows = scipy.sparse.csr_array(parts, shape=(40, 12)) @ tensors["anchors"]
        assert np.allclose(rows, sparse.lookup(range(40)), atol=1e-6)

    @pytest.mark.parametrize("dtype", ["float32", "float16"])
    def test_the_frozen_files_of_version_1_still_open(self, dtype):
        answers = json.loads((FROZEN / "sparse.json").read_text())
        opened = sv.open(FROZEN / f"sparse-{dtype}.slim", verify=True)
        assert opened.words == ("cat", "dog", "größe", "new york", "sea")
        assert opened.anchor_words == ("fur", "water", "ÿ")
        assert opened.anchors.dtype == dtype
        assert opened.anchors.tolist() == answers["anchors"]
        assert opened.transform.toarray().tolist() == answers["transform"]
        assert opened.lookup(range(5)).tolist() == answers["rows"]
        found = opened.search(np.eye(4), k=5)
        assert found.indices.tolist() == answers["indices"]
        assert found.scores.tolist() == answers["scores"]
        assert opened.info()["solver"] == answers["solver"]


def use_everything(table):
    """Whatever opened must work or raise FormatError: for rows one by one, because damage may lie in a few."""
    calls = [
        table.info, lambda: table.words, lambda: table.anchor_words, lambda: table.transform,
        lambda: table.search(np.eye(table.dim)[:2], k=1), lambda: table.search(np.eye(table.dim)[:1], k=1),
        lambda: table.mean([list(range(len(table)))]), lambda: table.associations(0), lambda: table.largest_pairs(3),
        lambda: table.most_similar(0, k=1),
    ]  # fmt: skip
    calls += [lambda row=row: table.lookup([row]) for row in range(len(table))]
    refused = 0
    for call in calls:
        try:
            call()
        except sv.FormatError:
            refused += 1
    return refused


class TestDamage:
    @pytest.fixture
    def tensors(self):
        with np.errstate(all="ignore"):
            content = table_file.read_content(FROZEN / "sparse-float32.slim")
        return {name: tensor.copy() for name, tensor in content.tensors.items()}, {
            name: fact for name, fact in content.facts.items() if name != "crc32"
        }

    @pytest.mark.parametrize(
        ("name", "change"),
        [
            ("indices", lambda a: a.__setitem__(0, 3)),
            ("indices", lambda a: a.__setitem__(-1, 255)),
            ("indptr", lambda a: a.__setitem__(1, 2**32 - 1)),
            ("indptr", lambda a: a.__setitem__(2, 0)),
            ("indptr", lambda a: a.__setitem__(slice(1, -1), a[1:-1][::-1].copy())),
        ],
    )
    def test_entries_that_point_outside(self, tensors, name, change, tmp_path, isa):
        arrays, facts = tensors
        change(arrays[name])
        table_writer.save_table(tmp_path / "t", facts, arrays)
        table = sv.open(tmp_path / "t", verify=True)
        assert use_everything(table) >= 4
        with pytest.raises(sv.FormatError, match="damaged"):
            table.search(np.eye(4), k=1)

    @pytest.mark.parametrize("name", ["anchors", "values"])
    @pytest.mark.parametrize("number", [np.inf, np.nan])
    def test_rows_that_are_no_numbers(self, tensors, name, number, tmp_path):
        arrays, facts = tensors
        arrays[name][...] = number
        table_writer.save_table(tmp_path / "t", facts, arrays)
        table = sv.open(tmp_path / "t")
        use_everything(table)
        with pytest.raises(sv.FormatError, match=r"a row among \[0\] holds NaN or infinity: the table is damaged"):
            table.most_similar(0, k=1)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda t, f: t.pop("anchors"), "tensor 'anchors' is missing"),
            (lambda t, f: t.update(anchors=t["anchors"][:2]), r"tensor 'anchors' is float32 \(2, 4\)"),
            (lambda t, f: t.update(anchors=t["anchors"].view(np.uint32)), "expected float32 or float16"),
            (lambda t, f: t.update(indices=t["indices"].astype(np.uint16)), "tensor 'indices' is uint16"),
            (lambda t, f: t.update(indices=t["indices"][:-1]), "do not fit the offsets"),
            (lambda t, f: t.update(values=t["values"][:-1]), "do not fit the offsets"),
            (lambda t, f: t.update(values=t["values"].view(np.uint32)), "tensor 'values' is uint32"),
            (lambda t, f: t["indptr"].__setitem__(0, 1), "do not fit the offsets"),
            (lambda t, f: t["indptr"].__setitem__(-1, 2**32 - 1), "do not fit the offsets"),
            (lambda t, f: t.update(indptr=t["indptr"][:-1]), "tensor 'indptr'"),
            (lambda t, f: t.update(inverse_norms=t["inverse_norms"][:-1]), "tensor 'inverse_norms'"),
            (lambda t, f: f.update(rows=4), "tensor 'indptr'"),
            (lambda t, f: f.update(rows=-1), "rows is -1"),
            (lambda t, f: f.update(anchors=0), "anchors is 0"),
            (lambda t, f: f.update(anchors=2**40), "tensor 'anchors'"),
            (lambda t, f: f.update(dimension=5), "tensor 'anchors'"),
            (lambda t, f: f.update(solver=[1]), r"solver is \[1\]"),
            (lambda t, f: f.update(made_by=None), "made_by is None"),
            (lambda t, f: t.update({"words.offsets": t["words.offsets"][:-1]}), "words.offsets"),
            (lambda t, f: t.pop("anchor_words.offsets"), "anchor_words.offsets"),
        ],
    )
    def test_parts_that_do_not_fit(self, tensors, change, message, tmp_path):
        arrays, facts = tensors
        change(arrays, facts)
        table_writer.save_table(tmp_path / "t", facts, arrays)
        with pytest.raises(sv.FormatError, match=message):
            sv.open(tmp_path / "t")

    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data())
    def test_random_rewriting_is_survived(self, tmp_path, data):
        raw = bytearray(FROZEN.joinpath("sparse-float16.slim").read_bytes())
        start = 8 + int.from_bytes(raw[:8], "little")
        for _ in range(data.draw(st.integers(1, 5))):
            at = data.draw(st.integers(0, len(raw) - 1) | st.integers(start, len(raw) - 1))
            replacement = data.draw(st.binary(min_size=1, max_size=8))
            raw[at : at + len(replacement)] = replacement
        (tmp_path / "t").write_bytes(raw)
        try:
            table = sv.open(tmp_path / "t")
        except sv.FormatError:
            return
        use_everything(table)


def test_numpy_alone_is_enough(tmp_path):
    """A file is opened and used where no optional package can be imported; T as a SciPy matrix says what is missing."""
    code = f"""
import sys
for module in ("scipy", "numba", "tqdm"): sys.modules[module] = None
import numpy as np, slimvec as sv
table = sv.open({str(FROZEN / "sparse-float32.slim")!r})
table.save({str(tmp_path / "t")!r})
table.search(np.eye(4), k=2), table.mean([["cat", "sea"]], [[1, 2]]), table.associations("fur"), table.largest_pairs(2)
print(table.most_similar("cat", k=1)[0][0] in table)
try:
    table.transform
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "True",
        "this needs SciPy, which is not installed; install it with: pip install 'slimvec[train]'",
    ]
