"""Vectors asked of tables in C and in Python: searched, encoded, rows as vectors, and what is refused."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from scipy.sparse import csr_array

import slimvec as sv
from in_c import LIBRARY, METRICS, InC, close, compare_found, compare_vectors, load
from slimvec.files.table_file import read_content
from slimvec.files.table_writer import save_table

pytestmark = pytest.mark.skipif(not LIBRARY.exists(), reason="the C library is not built: cmake --preset default")

RNG = np.random.default_rng(11)
MIX = np.linalg.qr(RNG.standard_normal((24, 24)))[0] * np.linspace(2, 0.2, 24)[:, None]


def rows_of(n):
    return (RNG.standard_normal((n, 24)) @ MIX + 0.3).astype(np.float32)


ROWS, ASKED = rows_of(400), rows_of(40)
ASKED[7] = 0
UNIT = ROWS / np.linalg.norm(ROWS, axis=1, keepdims=True)
PROJECTION = np.linalg.qr(RNG.standard_normal((24, 24)))[0][:, :19]
WEIGHTS = csr_array(np.where(RNG.random((60, 9)) < 0.4, RNG.standard_normal((60, 9)), 0))
TABLES = {
    "factors": lambda: sv.IIQ(n_remove=0).compress(ROWS, factors=True),
    "unit": lambda: sv.IIQ(19, n_remove=0).compress(UNIT, factors=True),
    "removed": lambda: sv.IIQ(20).compress(ROWS, factors=True),
    "codes": lambda: sv.IIQ(n_remove=0).compress(ROWS),
    "by hand": lambda: sv.BinaryTable(sv.pack(ROWS @ PROJECTION), 19, mean=ROWS.mean(axis=0), projection=PROJECTION),
    "one row": lambda: sv.IIQ(9, n_remove=0).fit(ROWS).to_table(ROWS[:1], factors=True),
    "grid": lambda: sv.TransformCoding(48).compress(ROWS),
    "unit grid": lambda: sv.TransformCoding(29, n_remove=2).compress(UNIT),
    "one bit": lambda: sv.TransformCoding(20, max_bits_per_direction=1).compress(ROWS),
    "wide": lambda: sv.TransformCoding(24 * 6).compress(ROWS[:33]),
    "few": lambda: sv.TransformCoding(48).fit(ROWS).to_table(ROWS[:3]),
    "none": lambda: sv.TransformCoding(48).fit(ROWS).to_table(ROWS[:0]),
    "refined": lambda: sv.TransformCoding(48, refine_bits=3).compress(ROWS),
    "unit refined": lambda: sv.TransformCoding(29, refine_bits=1, n_remove=2).compress(UNIT),
    "few refined": lambda: sv.TransformCoding(48, refine_bits=2).fit(ROWS).to_table(ROWS[:3]),
    "lists": lambda: sv.TransformCoding(48, partitions=9).compress(ROWS),
    "unit lists": lambda: sv.TransformCoding(37, partitions=20, n_remove=1).compress(UNIT),
    "refined lists": lambda: sv.TransformCoding(29, refine_bits=2, partitions=9).compress(ROWS),
    "unit refined lists": lambda: sv.TransformCoding(24, refine_bits=3, partitions=5, n_remove=1).compress(UNIT),
    "one list": lambda: sv.TransformCoding(48, refine_bits=1, partitions=1).compress(ROWS),
    "empty lists": lambda: sv.TransformCoding(20, refine_bits=1, partitions=60).fit(ROWS).to_table(ROWS[:25]),
    "signs in lists": lambda: sv.IIQ(21, n_remove=0, partitions=9).compress(ROWS),
    "unit signs in lists": lambda: sv.IIQ(19, partitions=20).compress(UNIT),
    "no rows in lists": lambda: sv.TransformCoding(20, partitions=4).fit(ROWS).to_table(ROWS[:0]),
    "anchors": lambda: sv.SparseTable(RNG.standard_normal((9, 24)), WEIGHTS),
    "int4": lambda: sv.SparseTable(RNG.standard_normal((9, 24)), WEIGHTS, dtype="int4"),
}
OF_CODES = [name for name in TABLES if name not in {"anchors", "int4"}]
OF_GRIDS = ["grid", "unit grid", "one bit", "wide", "few", "refined", "unit refined", "few refined"]
IN_LISTS = [name for name in TABLES if "list" in name]


@pytest.fixture(scope="module")
def library():
    return load()


@pytest.fixture(scope="module")
def opened(library, tmp_path_factory):
    """Return what gives a table by name, as a pair: in C and in Python."""
    folder, tables = tmp_path_factory.mktemp("vectors"), {}

    def both(name):
        if name not in tables:
            path = folder / f"{name}.slim"
            TABLES[name]().save(path)
            tables[name] = InC(library, path), sv.open(path)
        return tables[name]

    return both


@pytest.mark.parametrize("name", TABLES)
def test_rows_and_scores(opened, name):
    c, table = opened(name)
    compare_vectors(c, table, ASKED)
    compare_vectors(c, table, ASKED[:3] * np.float32(1e30))
    compare_vectors(c, table, ASKED[:3] * np.float32(1e-30), ["cosine"])  # products are of nothing but roundings


@pytest.mark.parametrize("scale", [2.0**-70, 2.0**-30, 2.0**60])
@pytest.mark.parametrize(("method", "options"), [(sv.TransformCoding(48), {}), (sv.IIQ(24, 0), {"factors": True})])
def test_tables_of_any_scale(library, tmp_path, method, options, scale):
    path = tmp_path / "t.slim"
    method.compress(ROWS * np.float32(scale), **options).save(path)
    c, table = InC(library, path), sv.open(path)
    compare_vectors(c, table, ASKED * np.float32(scale))
    compare_vectors(c, table, ASKED, ["cosine"])


@pytest.mark.parametrize("name", sorted(set(TABLES) - {"by hand"}))  # whose norm is not known
def test_a_cosine_does_not_depend_on_lengths(opened, name):
    c, table = opened(name)
    rows, scores = c.search(ASKED, 5)
    for factor in (2.0**-20, 2.0**20):
        again = c.search(ASKED * np.float32(factor), 5)
        assert np.array_equal(again[0], rows)
        assert np.array_equal(again[1], scores)
    assert (scores[7] == 0).all()
    if name in OF_CODES:
        assert (rows[7] == np.arange(min(5, len(table)))).all()


@pytest.mark.parametrize("name", OF_CODES)
def test_codes_of_vectors(opened, name):
    c, table = opened(name)
    made, here = c.encode(ROWS), table.encode(ROWS)
    differing = np.unpackbits(made ^ here).sum()
    assert differing <= 1e-4 * here.size * 8
    assert c.encode(ROWS[:0]).shape == here[:0].shape


def with_exact_sums(table, path):
    """Save a table whose encoder has directions along axes and a mean of integers: products of integers are exact."""
    content = read_content(path)
    tensors = dict(content.tensors)
    name = "directions" if "directions" in tensors else "projection"
    d, width = tensors[name].shape
    order = np.random.default_rng(3).permutation(d)
    tensors[name] = np.eye(d, dtype=np.float32)[:, order[:width]]
    tensors["mean"] = np.arange(d, dtype=np.float32) % 3 - 1
    for name in ("removed", "refinement.rest"):
        if name in tensors:
            tensors[name] = np.eye(d, dtype=np.float32)[:, order[width : width + tensors[name].shape[1]]]
    if "centroids" in tensors:
        tensors["centroids"] = np.rint(4 * tensors["centroids"])
    facts = {key: fact for key, fact in content.facts.items() if key not in {"crc32", "checksum"}}
    save_table(path, facts, tensors)


@pytest.mark.parametrize(
    "name",
    [
        *("factors", "removed", "by hand", "grid", "unit grid", "one bit", "wide", "refined"),
        *("lists", "refined lists", "signs in lists"),
    ],
)
def test_codes_of_exact_sums_are_the_same_bits(library, tmp_path, name):
    path = tmp_path / "t.slim"
    table = TABLES[name]()
    table.save(path)
    with_exact_sums(table, path)
    c, table = InC(library, path), sv.open(path)
    for n in (1, 15, 16, 17, 300):
        vectors = np.random.default_rng(n).integers(-9, 10, (n, 24)).astype(np.float32)
        assert np.array_equal(c.encode(vectors), table.encode(vectors))
    if name != "by hand":  # which has no factors
        found, here = c.search(vectors, 10, "dot"), table.search(vectors, 10, metric="dot")
        assert np.array_equal(found[0], here.indices)
        assert np.array_equal(found[1], here.scores)


@pytest.mark.parametrize("name", OF_GRIDS)
def test_rows_of_grids_are_the_same_bits(opened, name):
    c, table = opened(name)
    every = np.arange(len(table))
    assert np.array_equal(c.lookup(every), table.lookup(every))
    assert np.allclose(c.mean(every), table.mean([every]), atol=1e-5)
    assert np.array_equal(c.mean(np.empty(0, np.int64))[0], np.zeros(c.dim))
    assert np.array_equal(c.mean([-1, 1, -1]), table.lookup([1]))


@pytest.mark.parametrize("name", IN_LISTS)
def test_rows_in_lists(opened, name):
    """What the centroid of a list adds to its rows is a sum, which C adds up in another order."""
    c, table = opened(name)
    every = np.arange(len(table))
    assert c.n_lists == table._parts.partition.n_lists
    assert close(c.lookup(every), table.lookup(every))
    assert close(c.mean(every), table.mean([every]))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("name", IN_LISTS)
def test_some_lists(opened, name, metric):
    """Also fewer than hold k rows: then further ones are read."""
    c, table = opened(name)
    for probes in (1, 2, 7, c.n_lists, c.n_lists + 5):
        for k in (1, 10, 60, 100, len(table) + 3):
            found, here = (one.search(ASKED, k, metric=metric, probes=probes) for one in (c, table))
            compare_found(found, here, strictly=metric != "l2")
            assert all(map(np.array_equal, found, c.search(ASKED, k, metric, threads=3, probes=probes)))
    every = c.search(ASKED, 10, metric)
    of_signs = table.has_distances  # which find a shortlist first, where all lists are read
    compare_found(every, table.search(ASKED, 10, metric=metric), strictly=metric != "l2")
    assert of_signs or all(map(np.array_equal, every, c.search(ASKED, 10, metric, probes=c.n_lists)))


@pytest.mark.parametrize(
    ("name", "metric"),
    [(name, metric) for name in ("factors", "grid", "refined", "refined lists") for metric in METRICS]
    + [("codes", "cosine"), ("anchors", "cosine"), ("anchors", "dot")],
)
def test_many_vectors_at_once_are_found_as_one(opened, name, metric):
    c, _ = opened(name)
    many = np.random.default_rng(8).standard_normal((600, 24)).astype(np.float32)
    rows, scores = c.search(many, 3, metric, threads=2)
    for i in (0, 255, 256, 599):
        alone = c.search(many[i : i + 1], 3, metric)
        assert np.array_equal(alone[0][0], rows[i])
        assert np.array_equal(alone[1][0], scores[i])


def refused(c, *arguments, **options):
    assert c.search(*arguments, **options) is None
    return c.error()


@pytest.mark.parametrize("name", TABLES)
def test_bad_arguments(opened, name):
    c, table = opened(name)
    bad = np.array(ASKED[:6])
    bad[3, 2] = np.nan
    if len(table):
        assert "NaN or infinity in vector 3" in refused(c, bad, 2)
    bad[3, 2] = np.inf
    assert c.encode(bad) is None
    assert ("vector 3" if name in OF_CODES else "no codes") in c.error()
    asked = ASKED[:2]
    assert "n_threads=0" in refused(c, asked, 2, threads=0)
    rows, scores = np.zeros(4, np.int64), np.zeros(4, np.float32)
    size = ctypes.c_size_t
    for k, metric, message in ((0, 0, "k=0"), (2, 3, "metric=3; expected"), (2, -1, "metric=-1")):
        asked_so = asked.ctypes, size(2), size(k), metric, size(1)
        assert c._c.slimvec_search(c._table, *asked_so, rows.ctypes, scores.ctypes) == -1
        assert message in c.error()
        assert not rows.any()


def test_what_a_table_must_have(library, opened, tmp_path):
    path = tmp_path / "bare.slim"
    sv.BinaryTable(sv.pack(ROWS), 24).save(path)
    bare = InC(library, path)
    for answer in (bare.search(ASKED, 2), bare.encode(ASKED)):
        assert answer is None
        assert "no encoder" in bare.error()
    assert bare.original_dim == -1
    assert bare.lookup_original([0]) is None
    assert "factors" in bare.error()
    codes, _ = opened("codes")
    assert codes.lookup_original([0]) is None
    assert "inner products need" in refused(codes, ASKED, 2, "dot")
    assert "distances need the lengths of rows; expected" in refused(codes, ASKED, 2, "l2")
    assert "of tables of codes only" in refused(opened("anchors")[0], ASKED, 2, "l2")
    for name in ("grid", "anchors"):
        assert "no lists" in refused(opened(name)[0], ASKED, 2, probes=3)
    assert "n_probes=0" in refused(opened("lists")[0], ASKED, 2, probes=0)
    grid, _ = opened("grid")
    far = np.full((1, 24), 1e38, np.float32)
    assert "beyond float32" in refused(grid, far, 2, "dot")
    assert "vector 0 is so long" in refused(grid, far, 2, "l2")


def test_distances_need_all_lengths(library, tmp_path):
    path = tmp_path / "short.slim"
    short = np.vstack([ROWS + 3, np.full((1, 24), 1e-4, np.float32)])
    sv.TransformCoding(48).compress(short).save(path)
    assert "of which this table is not sure" in refused(InC(library, path), ASKED, 2, "l2")


@pytest.mark.parametrize("name", ["factors", "codes"])
def test_codes_in_the_place_of_vectors_are_refused_as_in_python(opened, name):
    c, table = opened(name)
    codes = table.lookup(range(20))
    with pytest.raises(ValueError, match="is no vector|which is no"):
        table.search(codes, 3)
    assert "is the code of row" in refused(c, codes, 3)
    signs = np.where(np.random.default_rng(2).random((5, 24)) < 0.5, -1, 1).astype(np.float32)
    assert c.search(signs, 3) is not None  # of no row
    assert c.search(2 * codes, 3) is not None


@pytest.mark.parametrize("metric", METRICS)
def test_factors_that_are_no_numbers_are_told_of(library, tmp_path, metric):
    path = tmp_path / "t.slim"
    sv.TransformCoding(48).compress(ROWS).save(path)
    content = read_content(path)
    factors = np.array(content.tensors["factors"])
    factors[3, 0, 5] = np.nan
    save_table(path, content.facts, {**content.tensors, "factors": factors})
    c = InC(library, path)
    assert c.search(ASKED, 10, metric) is not None
    assert "no numbers" in refused(c, ASKED, len(ROWS), metric)
    assert c.nearest(53, 1) is None
    assert "row 53" in c.error() or "NaN" in c.error()


@pytest.mark.parametrize("norm", [1e-60, 1e60, 1e300, 1.7e308])
def test_norms_that_are_too_far_apart_are_told_of_by_both(library, tmp_path, norm):
    path = tmp_path / "t.slim"
    sv.IIQ(n_remove=0).compress(ROWS, factors=True).save(path)
    content = read_content(path)
    save_table(path, {**content.facts, "norm": norm}, content.tensors)
    c, table = InC(library, path), sv.open(path)
    for metric in METRICS:
        with pytest.raises(sv.FormatError, match="too far apart"):
            table.search(ASKED, 2, metric=metric)
        assert "too far apart" in refused(c, ASKED, 2, metric)
