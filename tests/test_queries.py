"""Float queries of any length and scale: what they are brought to, what they find, and what is no query."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

import slimvec as sv
from slimvec.evaluate.truth import exact_neighbours
from slimvec.files.table_file import read_content
from slimvec.files.table_writer import save_table

STAGES = ({}, {"oversample": None}, {"originals": True}, {"originals": True, "oversample": None})


def unit(rows):
    rows = rows.astype(np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def recall(found, truth):
    return np.mean([len(np.intersect1d(a, b)) / len(b) for a, b in zip(found, truth, strict=True)])


@pytest.fixture(scope="module")
def vectors():
    """Rows and queries of norm 6 about a mean of norm 3.6, as word vectors have it."""
    generator = np.random.default_rng(0)
    rows = generator.standard_normal((300, 64))[generator.integers(0, 300, 3100)]
    rows = rows + 0.8 * generator.standard_normal((3100, 64))
    rows *= (36 - 3.6**2) ** 0.5 / np.sqrt((rows**2).sum(axis=1).mean())
    mean = generator.standard_normal(64)
    rows = (rows + mean * (3.6 / np.linalg.norm(mean))).astype(np.float32)
    return rows[100:], rows[:100]


@pytest.fixture(scope="module")
def tables(vectors):
    """Codes alone, codes with factors, and both for rows of length 1, with the rows that they were made from."""
    rows = vectors[0]
    return [
        (sv.ITQ(n_iter=3).compress(some, factors=factors), some)
        for some in (rows, unit(rows).astype(np.float32))
        for factors in (False, True)
    ]


def ways(tables):
    for (table, rows), stage in itertools.product(tables, STAGES):
        yield table, stage | ({"originals": rows} if "originals" in stage else {})


def without_norm(table, path):
    """Return a table as files had it that did not tell the norm."""
    table.save(path)
    content = read_content(path)
    facts = {name: fact for name, fact in content.facts.items() if name not in {"norm", "crc32"}}
    save_table(path, facts, {name: tensor.copy() for name, tensor in content.tensors.items()})
    return sv.open(path)


# ---- length


def test_short_and_long_queries_find_as_much(vectors, tables, tmp_path):
    rows, queries = vectors
    truth = np.argsort(-unit(queries) @ unit(rows).T, axis=1, kind="stable")[:, :10]
    for table, options in ways(tables[:2]):
        found = recall(table.search(6 * unit(queries), **options).indices, truth)
        for asked in (unit(queries), queries, 1000 * queries):
            assert abs(recall(table.search(asked, **options).indices, truth) - found) < 0.01
    old = without_norm(tables[0][0], tmp_path / "old")
    assert recall(old.search(unit(queries)).indices, truth) < 0.2 * recall(old.search(queries).indices, truth)


@settings(deadline=None, max_examples=30)
@given(
    st.floats(-30, 30),
    st.sampled_from([np.float32, np.float64]),
    st.sampled_from([0, 1, 2, 3]),
    st.sampled_from(STAGES),
    st.integers(0, 99),
)
def test_multiples_of_a_query_have_its_scores(vectors, tables, power, dtype, which, stage, row):
    table, rows = tables[which]
    options = stage | ({"originals": rows} if "originals" in stage else {})
    query = vectors[1][row : row + 1]
    once, again = (table.search(q, **options) for q in (query, (query * np.float64(10) ** power).astype(dtype)))
    # A multiple is rounded anew: a bit or a step of 1/8191 may fall to the other side.
    assert np.abs(once.scores - again.scores).max() < (2.1 / 64 if which in {0, 2} else 1e-3)
    assert np.mean(once.indices == again.indices) > 0.5
    assert np.abs(again.scores).max() <= 1


def test_powers_of_two_change_no_bit(vectors, tables):
    for table, options in ways(tables):
        once = table.search(vectors[1], **options)
        for power in (-90, -3, 100):  # further down, float32 has fewer digits
            again = table.search(np.ldexp(vectors[1], power), **options)
            assert np.array_equal(again.indices, once.indices)
            assert np.array_equal(again.scores, once.scores)
        assert table.most_similar(vectors[1][0] / 1024, 5) == table.most_similar(vectors[1][0], 5)


def test_cosines_stay_within_one(vectors):
    """Rows and queries of very unequal lengths, whose estimates went to 22 and more."""
    rows = vectors[0] * np.geomspace(1e-3, 10, len(vectors[0]), dtype=np.float32)[:, None]
    table = sv.ITQ(n_iter=3).compress(rows, factors=True)
    for scale, oversample in itertools.product((1e-3, 1, 1e3), (10, None)):
        scores = table.search(vectors[1] * np.float32(scale), k=len(rows), oversample=oversample).scores
        assert -1 <= scores.min() < scores.max() <= 1


def test_short_rows_do_not_crowd_out_others(vectors):
    """Of a row that is nearly the mean away from itself, the direction is not known; it was put before all others."""
    rows, queries = vectors[0].copy(), vectors[1]
    rows[::20] *= np.float32(1e-3)
    truth = np.argsort(-unit(queries) @ unit(rows).T, axis=1, kind="stable")[:, :10]
    table = sv.ITQ(n_iter=3).compress(rows, factors=True)
    listed, scanned = (recall(table.search(queries, oversample=n).indices, truth) for n in (10, None))
    assert scanned > listed - 0.02
    centred = sv.ITQ(n_iter=3).compress(rows - rows.mean(axis=0), factors=True)
    assert (centred._parts.factors.values[:, 2].ravel()[: len(rows)] > 0).all()


def test_inner_products_take_queries_as_they_are(vectors, tables):
    rows, queries = vectors
    table = tables[1][0]
    once, twice = (table.search(q, metric="dot", oversample=None) for q in (queries, 2 * queries))
    exact = np.take_along_axis(queries @ rows.T, once.indices, axis=1)
    assert np.abs(once.scores - exact).mean() < 0.1 * np.abs(exact).mean()
    assert not np.array_equal(2 * once.scores, twice.scores)
    assert np.allclose(2 * once.scores, twice.scores, rtol=0.3)


# ---- where the norm is kept


@pytest.mark.parametrize("factors", [False, True])
def test_the_norm_is_that_of_the_rows_and_comes_back(vectors, factors, tmp_path):
    rows = vectors[0]
    estimator = sv.ITQ(n_iter=2).fit(rows)
    table = estimator.to_table(rows, factors=factors)
    assert table.info()["norm"] == pytest.approx(np.sqrt((rows.astype(np.float64) ** 2).sum(axis=1).mean()))
    longer = estimator.to_table(3 * rows, factors=factors, output=tmp_path / "longer")
    assert longer.info()["norm"] == pytest.approx(3 * table.info()["norm"])
    table.save(tmp_path / "table")
    opened = sv.open(tmp_path / "table", verify=True)
    assert opened.info()["norm"] == table.info()["norm"]
    assert np.array_equal(opened.search(unit(rows[:9])).scores, table.search(unit(rows[:9])).scores)
    old = without_norm(table, tmp_path / "old")
    assert old.info()["norm"] == (pytest.approx(table.info()["norm"]) if factors else None)  # factors have a unit


def test_a_norm_that_is_none_is_refused(tables, tmp_path):
    tables[0][0].save(tmp_path / "table")
    content = read_content(tmp_path / "table")
    for norm in (0.0, -1.0, "6", float("nan"), None, 6):
        facts = {**content.facts, "norm": norm}
        save_table(tmp_path / "lie", facts, {name: tensor.copy() for name, tensor in content.tensors.items()})
        with pytest.raises(sv.FormatError, match="norm of the vectors is"):
            sv.open(tmp_path / "lie")


def test_a_table_by_hand_takes_queries_as_they_are(vectors, tables):
    table, encoder = tables[0][0], tables[0][0]._parts.encoder
    by_hand = sv.BinaryTable(table.codes(), 64, mean=encoder.mean, projection=encoder.projection)
    assert by_hand.info()["norm"] is None
    found = by_hand.search(vectors[1], k=5)
    nearest = table.search_codes(table.encode(vectors[1]), k=5)
    assert np.array_equal(found.indices, nearest.indices)
    assert np.array_equal(found.scores, (1 - 2 * nearest.distances / 64).astype(np.float32))
    assert by_hand.most_similar(vectors[1][0], 1)[0][0] == nearest.indices[0, 0]
    # Far beside the mean, or nothing beside it: right at scales that float32 does not hold.
    far, further = (by_hand.search(scale * vectors[1].astype(np.float64)).scores for scale in (1e30, 1e250))
    assert np.array_equal(far, further)
    centred = sv.BinaryTable(table.codes(), 64, mean=np.zeros(64), projection=encoder.projection)
    assert np.array_equal(centred.search(1e-99 * vectors[1].astype(float)).scores, centred.search(vectors[1]).scores)


def test_encode_makes_the_codes_of_the_table(vectors, tables):
    for table, rows in tables:
        assert np.array_equal(table.encode(rows), table.codes())


# ---- zeros, and numbers of any scale


def test_queries_of_zeros_get_rows_in_order(tables):
    queries = np.zeros((2, 64))
    for table, options in ways(tables):
        for mask in (None, [40, 3, 17, 5]):
            for metric in ("cosine", "dot"):
                if metric == "dot" and not table.info()["bytes"]["factors"] and "originals" not in options:
                    continue
                scores, rows = table.search(queries, k=3, mask=mask, metric=metric, **options)
                assert rows.tolist() == [[0, 1, 2] if mask is None else [3, 5, 17]] * 2
                assert not scores.any()
        assert table.most_similar(queries[0], 2) == [(0, 0.0), (1, 0.0)]


@pytest.mark.parametrize("scale", [1e-39, 1e-30, 1e-19, 1e19, 1e28])
@pytest.mark.parametrize("factors", [False, True])
def test_rows_of_any_scale(vectors, scale, factors):
    rows = (vectors[0][:600].astype(np.float64) * scale).astype(np.float32)
    table = sv.ITQ(n_iter=2).compress(rows, factors=factors)
    for stage in STAGES:
        options = stage | ({"originals": rows} if "originals" in stage else {})
        scores, found = table.search(rows[:50], k=3, **options)
        assert np.mean(found[:, 0] == np.arange(50)) > 0.9
        assert np.isfinite(scores).all()
        if "originals" in options:
            assert np.allclose(scores, np.take_along_axis(unit(rows[:50]) @ unit(rows).T, found, axis=1), atol=1e-6)


def test_originals_of_every_scale_at_once(vectors):
    rows = vectors[0][:400].astype(np.float64)
    table = sv.ITQ(n_iter=2).compress(rows)
    rows = rows * 10.0 ** np.random.default_rng(0).integers(-140, 140, (400, 1))
    rows[7] = 0
    scores = table.search(vectors[1], k=20, oversample=20, originals=rows).scores
    expected = np.divide(rows, np.linalg.norm(rows, axis=1, keepdims=True), out=np.zeros_like(rows), where=rows != 0)
    expected = unit(vectors[1]) @ expected.T
    assert np.allclose(scores, -np.sort(-expected, axis=1)[:, :20], atol=1e-6)
    assert table.search(rows[8:9], k=400, originals=rows).scores[0, 0] == pytest.approx(1)


def test_inner_products_of_any_scale_or_none(vectors, tables):
    """Scores that float32 holds are right, whatever made them; others are refused."""
    table, rows = tables[1]
    for scale in (1e-30, 1e30):
        queries = scale * vectors[1].astype(np.float64)
        scores, found = table.search(queries, metric="dot", originals=rows)
        assert np.allclose(scores, np.take_along_axis(queries @ rows.T, found, axis=1), rtol=1e-5)
        assert np.isfinite(table.search(queries, metric="dot").scores).all()
    truth = np.take_along_axis(queries @ rows.T, found, axis=1)
    assert np.abs(table.search(queries, metric="dot").scores - truth).mean() < 0.2 * truth.mean()
    for scale, options in itertools.product((1e-60, 1e60), ({}, {"originals": rows}, {"oversample": None})):
        with pytest.raises(ValueError, match="inner products of a query with its best rows reach .* float32 holds"):
            table.search(scale * vectors[1].astype(np.float64), metric="dot", **options)


@pytest.mark.parametrize("scale", [1e-320, 1e-200, 1e-40, 1e38, 1e200, 1e300])
def test_float64_queries_of_any_scale(vectors, tables, scale):
    for table, options in ways(tables):
        once, again = (table.search(q, **options) for q in (vectors[1][:9], vectors[1][:9].astype(float) * scale))
        assert np.allclose(once.scores, again.scores, atol=1e-6 if scale > 1e-300 else 0.1)
    with pytest.raises(ValueError, match="queries holds NaN or infinity in row 1"):
        table.search(np.array([[1.0] * 64, [np.inf] * 64]))


def test_vectors_too_small_for_float32_are_refused(vectors):
    for scale in (1e-300, 1e-60):
        with pytest.raises(ValueError, match="too small for float32.*; multiply it by a constant"):
            sv.ITQ().fit(scale * vectors[0].astype(np.float64))


@pytest.mark.parametrize("metric", ["cosine", "dot"])
@pytest.mark.parametrize("scale", [1e-30, 1e25])
def test_true_neighbours_of_any_scale(vectors, metric, scale):
    rows, queries = (part[:200].astype(np.float64) for part in vectors)
    scores = (unit(queries) @ unit(rows).T) if metric == "cosine" else queries @ rows.T
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :5]
    for asked, base in ((queries * scale, rows * scale), ((queries * scale).astype("f4"), (rows * scale).astype("f4"))):
        assert np.mean(exact_neighbours(asked, base, 5, metric) == expected) > 0.99


class TestSparse:
    generator = np.random.default_rng(0)
    transform = csr_array(generator.standard_normal((60, 8)) * (generator.random((60, 8)) < 0.4))
    anchors = generator.standard_normal((8, 12))
    queries = generator.standard_normal((10, 12))
    table = sv.SparseTable(anchors, transform)

    @settings(deadline=None)
    @given(st.floats(-30, 30), st.sampled_from([np.float32, np.float64]))
    def test_multiples_of_a_query_have_its_scores(self, power, dtype):
        once, again = (self.table.search(q) for q in (self.queries, (self.queries * 10.0**power).astype(dtype)))
        assert np.allclose(once.scores, again.scores, atol=1e-6)
        assert np.abs(again.scores).max() <= 1 + 1e-6

    @pytest.mark.parametrize("scale", [1e-320, 1e-200, 1e200, 1e300])
    def test_float64_queries_of_any_scale(self, scale):
        again = self.table.search(self.queries * scale)
        assert np.allclose(again.scores, self.table.search(self.queries).scores, atol=1e-6 if scale > 1e-300 else 0.01)
        with pytest.raises(ValueError, match="inner products of a query with its best rows reach"):
            self.table.search(self.queries * scale, metric="dot")

    @pytest.mark.parametrize("scale", [1e-30, 1e30])
    def test_inner_products_that_float32_holds(self, scale):
        small = sv.SparseTable(self.anchors / scale, self.transform)
        found = small.search(self.queries * scale, metric="dot")
        expected = self.table.search(self.queries, metric="dot")
        assert np.array_equal(found.indices, expected.indices)
        assert np.allclose(found.scores, expected.scores, rtol=1e-5)

    def test_queries_of_zeros_get_rows_in_order(self):
        for metric in ("cosine", "dot"):
            scores, rows = self.table.search(np.zeros((2, 12)), k=3, metric=metric, mask=[9, 4, 2, 30])
            assert rows.tolist() == [[2, 4, 9]] * 2
            assert not scores.any()


# ---- codes are no vectors


class TestCodesInPlaceOfVectors:
    def test_rows_of_lookup_are_refused(self, vectors):
        rows = vectors[0][:500]
        for factors in (False, True):
            named = sv.Vectors(map(str, range(500)), rows)
            table = sv.ITQ(n_iter=2).compress(named, factors=factors)
            message = r"in row 0 the code of row 7 .*search_codes\(table.codes\(words\)\).*original=True"
            for metric in ("cosine", "dot") if factors else ("cosine",):
                with pytest.raises(ValueError, match="queries holds " + message):
                    table.search(table.lookup(["7", "9"]), metric=metric)
            with pytest.raises(ValueError, match="query holds " + message):
                table.most_similar(table.lookup(["7"])[0])
            with pytest.raises(ValueError, match="queries holds in row 2 the code of row 3"):
                table.search(np.vstack([rows[:2], table["3"][None]]))
        assert table.search(table.lookup(["7"], original=True), k=1).indices == 7
        assert table.search_codes(table.codes(["7"]), k=1).indices == 7
        assert table.search(2 * table.lookup(["7"]), k=1).indices.shape == (1, 1)  # whoever means it may say so

    def test_narrow_tables(self):
        rows = np.random.default_rng(0).standard_normal((200, 16))
        table = sv.ITQ(n_iter=2).compress(rows)
        with pytest.raises(ValueError, match="the code of row 3"):
            table.search(table.lookup([3]))

    def test_rows_of_signs_may_be_vectors(self):
        """A table made from rows of -1 and +1 answers such rows, and still tells its own codes from them."""
        rows = np.where(np.random.default_rng(0).standard_normal((500, 64)) < 0.3, -1.0, 1.0)
        for dtype, factors in ((np.float32, False), (np.float64, True), (np.int8, False)):
            table = sv.ITQ(n_iter=2).compress(rows.astype(dtype), factors=factors)
            assert table.search(rows[:50].astype(dtype), k=1).indices[:, 0].tolist() == list(range(50))
            assert table.most_similar(rows[5], k=1)[0][0] == 5
            with pytest.raises(ValueError, match="the code of row 3"):
                table.search(table.lookup([3]))

    @pytest.mark.parametrize("d", [1, 2, 3, 8, 12])
    def test_few_signs_prove_nothing(self, d):
        """Any row of a few signs is the code of some row: one that was typed in is a vector."""
        rows = np.random.default_rng(0).standard_normal((400, d)) + 0.5
        table = sv.ITQ(n_iter=2).compress(rows)
        for query in (np.ones((1, d)), -np.ones((1, d))):
            assert table.search(query, k=3).indices.shape == (1, 3)
        signs = np.where(rows > 0, 1.0, -1.0)
        table = sv.ITQ(n_iter=2).compress(signs)
        assert table.search(signs[:100], k=3).indices.shape == (100, 3)

    def test_a_row_of_ones_is_a_vector(self, vectors):
        for table, _ in ((sv.ITQ(n_iter=2).compress(vectors[0], factors=f), f) for f in (False, True)):
            assert table.search(np.ones((1, 64)), k=1).indices.shape == (1, 1)

    def test_codes_that_are_their_own_codes_are_vectors(self, vectors):
        """Sign bits of a row of signs are the row: both readings give the same answer."""
        table = sv.baselines.SignBits().compress(vectors[0])
        assert table.search(table.lookup([7]), k=1).indices == 7
        assert table.most_similar(table.lookup([7])[0], k=1) == [(7, 1.0)]

    def test_standardized_vectors(self, vectors):
        """Their norm is that of rows of signs; 64 signs that agree are no chance even so."""
        rows = vectors[0].astype(np.float64)
        rows = (rows - rows.mean(axis=0)) / rows.std(axis=0)
        table = sv.ITQ(n_iter=2).compress(rows)
        assert table.info()["norm"] == pytest.approx(8)
        with pytest.raises(ValueError, match="the code of row"):
            table.search(table.lookup([7]))

    def test_other_widths_are_taken_as_they_are(self, vectors):
        table = sv.ITQ(32, n_iter=2).compress(vectors[0])
        with pytest.raises(ValueError, match="queries has 32 columns; expected 64"):
            table.search(table.lookup([7]))
