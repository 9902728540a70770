"""Rows: whatever keeps the protocol is learnt from and compressed, in memory or not."""

from __future__ import annotations

import numpy as np
import pytest

import slimvec as sv
from conftest import assert_same_content
from slimvec.vectors.rows import MatrixRows, Rows, as_rows, checksum, whole

X = np.random.default_rng(2).standard_normal((9000, 20)).astype(np.float32)


class Generated:
    """Rows that no array holds: made block by block, of uneven sizes, each time they are walked over."""

    sequential = True
    vocabulary = None
    dim = 20

    def __init__(self):
        self.walks = 0

    def __len__(self):
        return len(X)

    def blocks(self, progress=None):
        self.walks += 1
        for first in range(0, len(X), 1700):
            yield X[first : first + 1700].copy()

    def take(self, rows):
        raise AssertionError("these are read in order")


def test_what_rows_are(tmp_path):
    path = tmp_path / "v.txt"
    path.write_text("a 1 2\nb 3 4\n")
    for rows in (Generated(), sv.Vectors(["a"], [[1.0]]), sv.VectorFile(path), MatrixRows(X)):
        assert isinstance(rows, Rows)
        assert as_rows(rows, "X") is rows
    for other in (X, [[1.0]], sv.BinaryTable(sv.pack([[1, 1]]), 2), "a"):
        assert not isinstance(other, Rows)


@pytest.mark.parametrize("factors", [False, True])
@pytest.mark.parametrize("max_train_rows", [1000, None])
def test_rows_of_any_kind_give_the_same_table(factors, max_train_rows):
    expected = sv.IIQ(16, max_train_rows=max_train_rows, n_iter=5).compress(X, factors=factors)
    generated = Generated()
    table = sv.IIQ(16, max_train_rows=max_train_rows, n_iter=5).compress(generated, factors=factors)
    assert generated.walks == 2  # once to fit, once to encode
    assert_same_content(table, expected)
    assert np.array_equal(expected.search(Generated(), k=2).indices, expected.search(X, k=2).indices)
    assert np.array_equal(table.encode(Generated()), table.codes())


def test_uneven_blocks_straight_into_a_file(tmp_path):
    """Blocks of 1700 rows are no whole number of the 16 codes that lie together in a file."""
    for factors in (False, True):
        expected = sv.IIQ(16, n_iter=2).compress(X, factors=factors)
        table = sv.IIQ(16, n_iter=2).compress(Generated(), factors=factors, output=tmp_path / "t")
        assert np.array_equal(table.codes(), expected.codes())
        assert_same_content(table, expected)


def test_sparse_methods_read_rows_whole():
    pytest.importorskip("numba")
    assert np.array_equal(whole(Generated()), X)
    table = sv.ANT(30, 3, n_rounds=1).compress(Generated())
    assert np.array_equal(table.lookup([5, 8999]), sv.ANT(30, 3, n_rounds=1).compress(X).lookup([5, 8999]))


def test_isotropy_of_rows():
    assert sv.isotropy(Generated()) == pytest.approx(sv.isotropy(X))


def test_checksums_tell_rows_apart():
    same = checksum(MatrixRows(X))
    other = X.copy()
    other[8999, 19] = np.nextafter(other[8999, 19], 9)
    assert checksum(MatrixRows(X.copy())) == same
    assert checksum(MatrixRows(np.asfortranarray(X))) == same
    assert checksum(MatrixRows(other)) != same
    assert checksum(MatrixRows(np.empty((0, 4)))) == (0, 4, 0)


def test_fit_in_parts_then_a_table_from_a_file(tmp_path):
    """fit_blocks, then to_table of a file that was not read before: the very file that compress writes."""
    words = [f"w{i}" for i in range(len(X))]
    sv.write_vectors(tmp_path / "v.vec", words, X)
    for name, factors in (("plain", False), ("factors", True)):
        iiq = sv.IIQ(16, n_iter=5)
        iiq.compress(sv.VectorFile(tmp_path / "v.vec"), factors=factors, output=tmp_path / f"{name}-compress")
        blocks = (X[first : first + 777] for first in range(0, len(X), 777))
        fitted = sv.IIQ(16, n_iter=5).fit_blocks(blocks)
        table = fitted.to_table(sv.VectorFile(tmp_path / "v.vec"), factors=factors, output=tmp_path / f"{name}-parts")
        assert (tmp_path / f"{name}-parts").read_bytes() == (tmp_path / f"{name}-compress").read_bytes()
        assert table.words[:3] == ("w0", "w1", "w2")


def test_factors_of_far_longer_vectors_are_refused():
    iiq = sv.IIQ(16, n_iter=2).fit(X)
    with pytest.raises(ValueError, match="vectors are too long beside those that were fitted"):
        iiq.to_table(X * np.float32(1e6), factors=True)
    assert len(iiq.to_table(X * np.float32(3), factors=True)) == len(X)


@pytest.mark.parametrize("scale", [1e6, 1e25, 1e37])
@pytest.mark.parametrize("options", [{"refine_bits": 0}, {"refine_bits": 4}, {"refine_bits": 2, "partitions": 3}])
def test_the_first_of_far_longer_vectors_is_named(options, scale):
    """Whatever comes of them on the way: neither warnings nor the words of kernels that meet NaN."""
    coding = sv.TransformCoding(16, n_iter=2, **options).fit(X)
    long = X.copy()
    long[70:90:10] = np.sign(X[70:90:10]) * np.float32(scale)
    with pytest.raises(ValueError, match="vectors are too long beside those .* first in row 70; fit on them"):
        coding.to_table(long)


# ---- data frames


class Frame:
    """What a data frame is to this library: an array to be, and attributes named as its columns are."""

    def __init__(self, array, *columns):
        self.array = array
        for column in columns:
            setattr(self, column, array[:, 0])

    def __array__(self, dtype=None, copy=None):
        return np.array(self.array, dtype=dtype, copy=copy)

    def __len__(self):
        return len(self.array)


def test_columns_may_have_any_name():
    frame = Frame(X[:100], "matrix", "vocabulary", "words", "shape", "dim")
    expected = sv.IIQ(8, n_iter=2).compress(X[:100], factors=True)
    table = sv.IIQ(8, n_iter=2).compress(frame, factors=True)
    assert np.array_equal(table.codes(), expected.codes())
    assert table.vocabulary is None
    assert np.array_equal(sv.pack(frame), sv.pack(X[:100]))
    assert np.array_equal(table.encode(frame), expected.codes())
    for options in ({}, {"originals": frame}):
        found = table.search(frame, k=2, **options)
        assert np.array_equal(found.indices, expected.search(X[:100], k=2, **dict.fromkeys(options, X[:100])).indices)
    index = sv.HammingIndex(Frame(expected.codes(), "matrix"))
    assert index.search(Frame(expected.codes(), "matrix"), k=1).distances.max() == 0
    pytest.importorskip("numba")
    sparse = sv.ANT(8, 2, n_rounds=1)
    assert np.array_equal(sparse.compress(frame).lookup([3]), sparse.compress(X[:100]).lookup([3]))


def test_our_own_rows_are_arrays_to_numpy(tmp_path):
    vectors = sv.Vectors([f"w{i}" for i in range(100)], X[:100])
    sv.write_vectors(tmp_path / "v.npy", vectors.words, X[:100])
    sv.write_vectors(tmp_path / "v.vec", vectors.words, X[:100])
    mapped = sv.VectorFile(tmp_path / "v.npy")
    table = sv.IIQ(8, n_iter=2).compress(vectors)
    for rows in (vectors, mapped, MatrixRows(X[:100])):
        assert np.shares_memory(np.asarray(rows), rows.matrix)
        assert np.asarray(rows, np.float64).dtype == np.float64
        assert np.array_equal(sv.pack(rows), sv.pack(X[:100]))
        assert table.search(rows, k=1, originals=rows).indices[:, 0].tolist() == list(range(100))
    with pytest.raises(TypeError, match=r"v\.vec is read in order; expected vectors in memory: use sv\.read_vectors"):
        sv.pack(sv.VectorFile(tmp_path / "v.vec"))


def column(cells):
    """Return an array of objects, as a data frame hands out a column."""
    array = np.empty(len(cells), object)
    for number, one in enumerate(cells):
        array[number] = one
    return array


@pytest.mark.parametrize("cell", [np.ndarray.tolist, np.copy, tuple])
def test_a_column_of_lists_is_a_matrix(cell):
    cells = column([cell(row) for row in X[:100]])
    expected = sv.IIQ(8, n_iter=2).compress(X[:100])
    for given in (cells, Frame(cells)):
        assert np.array_equal(sv.IIQ(8, n_iter=2).compress(given).codes(), expected.codes())
    assert expected.search(cells, k=1).indices.shape == (100, 1)


@pytest.mark.parametrize(
    ("cells", "error", "message"),
    [
        ([[1.0, 2.0], [3.0]], ValueError, r"X is a column whose row 1 has shape \(1,\), and row 0 has shape \(2,\)"),
        ([[1.0, 2.0], None], ValueError, r"row 1 is None, and row 0 has shape \(2,\).*np\.stack\(column\)"),
        ([["a", "b"], ["c", "d"]], TypeError, "X has dtype <U1; expected real numbers"),
        ([None, None], TypeError, "X has dtype object; expected real numbers"),
        ([1.5, 2.5], ValueError, r"X has shape \(2,\); expected two dimensions"),
    ],
)
def test_columns_that_are_no_matrix(cells, error, message):
    with pytest.raises(error, match=message):
        sv.IIQ(8).fit(column(cells))


def test_a_frame_of_one_column_of_lists_is_that_column():
    cells = np.empty((2, 1), object)
    cells[0, 0], cells[1, 0] = [1.0, 2.0], [3.0, 4.0]
    assert np.array_equal(as_rows(cells, "X").take(np.arange(2)), [[1.0, 2.0], [3.0, 4.0]])
