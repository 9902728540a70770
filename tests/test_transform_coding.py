"""TransformCoding and the tables of its codes: what every method promises, and what only codes of several bits do."""

import json

import numpy as np
import pytest

import slimvec as sv
from slimvec import baselines
from slimvec.evaluate import retrieval

RNG = np.random.default_rng(0)
SPECTRUM = np.linspace(2, 0.2, 24).astype(np.float32)
X = (RNG.standard_normal((1200, 24), dtype=np.float32) * SPECTRUM) @ np.linalg.qr(RNG.standard_normal((24, 24)))[0]
X = (X + 0.3).astype(np.float32)
ROWS, ASKED = X[:1000], X[1000:]


@pytest.fixture(scope="module")
def table():
    words = [f"w{i}" for i in range(len(ROWS))]
    return sv.TransformCoding(n_bits=72).compress(sv.Vectors(words, ROWS))


def recall(table, **options):
    """Return the share of the ten true neighbours by cosine of held-out queries that a table finds."""
    unit = ROWS / np.linalg.norm(ROWS, axis=1, keepdims=True)
    truth = np.argsort(-(ASKED @ unit.T), axis=1, kind="stable")[:, :10]
    found = table.search(ASKED, 10, **options).indices
    return np.mean([len(set(a) & set(b)) / 10 for a, b in zip(truth, found, strict=True)])


@pytest.mark.parametrize(("n_bits", "n_remove"), [(24, 0), (10, 0), (20, 3), (1, 0)])
def test_one_bit_everywhere_without_descent_is_iiq(n_bits, n_remove):
    coding = sv.TransformCoding(n_bits, n_remove, max_bits_per_direction=1, n_passes=0, n_iter=7).fit(ROWS)
    iiq = sv.IIQ(n_bits, n_remove, n_iter=7).fit(ROWS)
    np.testing.assert_array_equal(coding.transform(X), iiq.transform(X))


def test_more_bits_find_more_and_all_methods_of_as_many_bits_less():
    found = [recall(sv.TransformCoding(n_bits).compress(ROWS)) for n_bits in (12, 24, 48, 96)]
    assert found == sorted(found)
    assert found[-1] > 0.9
    for rival in (sv.ITQ(24), baselines.RandomRotation(24)):
        assert found[1] > recall(rival.compress(ROWS, factors=True), oversample=None) + 0.02


def test_every_choice_pays():
    best = recall(sv.TransformCoding(24).compress(ROWS))
    assert best > recall(sv.TransformCoding(24, n_passes=0).compress(ROWS))
    assert best > recall(sv.TransformCoding(24, max_bits_per_direction=1).compress(ROWS)) + 0.01


def test_bits_follow_the_variance():
    coding = sv.TransformCoding(40).fit(ROWS)
    assert coding.bits_.sum() == 40
    assert (np.diff(coding.bits_.astype(int)) <= 0).all()
    variances = ((ROWS - coding.mean_) @ coding.directions_).var(axis=0)
    assert variances[coding.bits_ == coding.bits_.max()].mean() > 2 * variances[coding.bits_ == 1].mean()
    np.testing.assert_allclose(coding.directions_.T @ coding.directions_, np.eye(len(coding.bits_)), atol=1e-5)


def test_streams_and_merges_to_the_same_bits():
    coding = sv.TransformCoding(48, max_train_rows=300)
    whole = coding.fit(ROWS)
    streamed = sv.TransformCoding(48, max_train_rows=300).fit_blocks(ROWS[i : i + 77] for i in range(0, 1000, 77))
    np.testing.assert_array_equal(streamed.transform(X), whole.transform(X))
    parts = coding.sums(24).update(ROWS[:400]).merge(coding.sums(24, first_row=400).update(ROWS[400:]))
    merged = sv.TransformCoding(48, max_train_rows=300).fit_sums(parts)
    np.testing.assert_array_equal(merged.bits_, whole.bits_)
    np.testing.assert_allclose(merged.directions_, whole.directions_, atol=1e-3)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_any_dtype_and_any_scale(dtype):
    rows = ROWS.astype(dtype)
    codes = sv.TransformCoding(48).fit(rows).transform(rows)
    if dtype != np.float16:
        for scale in (2.0**-60, 2.0**60):
            scaled = (rows * dtype(scale)).astype(dtype)
            np.testing.assert_array_equal(sv.TransformCoding(48).fit(scaled).transform(scaled), codes)


def test_scores_estimate_cosines_and_products(table):
    unit = ROWS / np.linalg.norm(ROWS, axis=1, keepdims=True)
    for metric, exact in (
        ("cosine", (ASKED / np.linalg.norm(ASKED, axis=1, keepdims=True)) @ unit.T),
        ("dot", ASKED @ ROWS.T),
    ):
        scores, rows = table.search(ASKED, 1000, metric=metric)
        errors = scores - np.take_along_axis(exact, rows, axis=1)
        assert abs(errors.mean()) < 0.02 * exact.std()
        assert errors.std() < 0.2 * exact.std()


def test_the_table_answers_as_others_do(table, tmp_path):
    assert table.lookup(["w3", 4]).shape == (2, len(sv.TransformCoding(72).fit(ROWS).bits_))
    original = table.lookup(range(1000), original=True)
    assert np.linalg.norm(original - ROWS) < 0.25 * np.linalg.norm(ROWS - ROWS.mean(axis=0))
    rows = table.lookup(range(1000))
    np.testing.assert_allclose(
        np.linalg.norm(rows, axis=1), np.linalg.norm(original - ROWS.mean(axis=0), axis=1), rtol=1e-3
    )
    np.testing.assert_array_equal(table["w3"], rows[3])
    np.testing.assert_allclose(
        table.mean([["w1", "w2"], []]), [rows[1:3].mean(axis=0), np.zeros(rows.shape[1])], atol=1e-6
    )
    np.testing.assert_allclose(table.mean([["w1", "w2"]], original=True), [original[1:3].mean(axis=0)], atol=1e-5)
    np.testing.assert_array_equal(table.encode(ROWS), table.codes())
    best = table.search(original[5][None], k=4, oversample=None)
    named = table.most_similar("w5", k=3)
    assert [name for name, _ in named] == [f"w{row}" for row in best.indices[0] if row != 5][:3]
    assert table.most_similar(ROWS[5], k=1)[0][0] == "w5"
    assert len(table.most_similar(positive=["w1", "w2"], negative=["w3"], k=5)) == 5
    only = table.search(ASKED[:3], k=10, mask=["w7", "w9"])
    assert set(only.indices.ravel().tolist()) == {7, 9}
    exact = table.search(ASKED, k=10, originals=ROWS)
    assert np.mean(exact.scores[:, 0] >= table.search(ASKED, k=10).scores[:, 0] - 0.2) == 1

    path = tmp_path / "t.slim"
    table.save(path)
    again = sv.open(path, verify=True)
    np.testing.assert_array_equal(again.search(ASKED).indices, table.search(ASKED).indices)
    np.testing.assert_array_equal(again.search(ASKED).scores, table.search(ASKED).scores)
    np.testing.assert_array_equal(again.encode(ASKED), table.encode(ASKED))
    assert again.info()["bytes"] == table.info()["bytes"]
    assert again.info()["bytes"]["encoder"] < path.stat().st_size


def test_answers_are_the_same_on_every_instruction_set(table, isa):
    found = table.search(ASKED, 10, threads=2)
    with sv.use_isa("scalar"):
        expected = table.search(ASKED, 10, threads=1)
        codes = table.encode(ASKED)
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_array_equal(found.scores, expected.scores)
    np.testing.assert_array_equal(table.encode(ASKED), codes)


def test_removed_directions_are_in_no_code_and_no_energy():
    strong = np.zeros(24, np.float32)
    strong[0] = 50
    rows = ROWS + RNG.standard_normal((1000, 1), dtype=np.float32) * strong
    coding = sv.TransformCoding(48, n_remove=1).fit(rows)
    table = coding.to_table(rows)
    removed = np.linalg.svd(rows - coding.mean_, full_matrices=False)[2][0]
    other = rows + 100 * removed
    assert (table.encode(other) != table.encode(rows)).mean() < 0.02
    assert (table.encode(rows + 1) != table.encode(rows)).mean() > 0.2
    assert abs(table.lookup(range(1000), original=True)[:, 0].std()) < 0.2 * rows[:, 0].std()


def test_retrieval_judges_it(table):
    methods = [row.method for row in retrieval(table, ASKED[:50], ROWS, k=5)]
    assert "scan" in methods
    assert "hamming" not in methods


def test_distances_between_its_codes_are_refused(table):
    with pytest.raises(ValueError, match=r"mean nothing.*table\.search"):
        table.search_codes(table.codes([0]))


def test_few_rows_equal_rows_and_one_direction():
    line = np.outer(np.arange(20), np.ones(5)).astype(np.float32)
    coding = sv.TransformCoding(max_bits_per_direction=4).fit(line)
    assert coding.bits_.tolist() == [4]
    assert sv.TransformCoding(6).fit(line).bits_.tolist() == [6]
    with pytest.raises(ValueError, match=r"n_bits=7; expected at most 6: 6 bits for each of 1 direction"):
        sv.TransformCoding(7).fit(line)
    for rows in (line[:1], np.ones((9, 5), np.float32), np.zeros((3, 5), np.float32)):
        table = sv.TransformCoding(5).compress(rows)
        np.testing.assert_allclose(table.lookup([0], original=True), rows[:1], atol=1e-6)
    assert sv.TransformCoding().compress(RNG.standard_normal((4, 30))).n_bits <= 6 * 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_bits": 0}, "n_bits"),
        ({"n_remove": 24}, "n_remove"),
        ({"max_bits_per_direction": 0}, "max_bits_per_direction=0; expected between 1 and 6"),
        ({"max_bits_per_direction": 7}, "max_bits_per_direction"),
        ({"n_iter": -1}, "n_iter"),
        ({"n_passes": -1}, "n_passes"),
        ({"n_passes": 1001}, "n_passes=1001; expected between 0 and 1000"),
        ({"n_bits": 24 * 6 + 1}, "expected at most 144"),
    ],
)
def test_bad_parameters(options, message):
    with pytest.raises(ValueError, match=message):
        sv.TransformCoding(**options).fit(ROWS)


def test_constants_beside_the_spectrum_are_no_directions():
    rows = np.hstack([ROWS, np.full((1000, 3), 5, np.float32)])
    with pytest.raises(ValueError, match="of 24 directions"):
        sv.TransformCoding(24 * 6 + 1).fit(rows)


def test_command_line(tmp_path, capsys):
    from slimvec.cli import main

    np.save(tmp_path / "vectors.npy", ROWS)
    (tmp_path / "words.txt").write_text("\n".join(f"w{i}" for i in range(1000)))
    out = tmp_path / "t.slim"
    assert main(["compress", str(tmp_path), "-o", str(out), "--method", "transform-coding", "--bits", "48"]) == 0
    made = sv.open(out, verify=True)
    assert made.info()["made_by"]["method"] == "TransformCoding"
    np.testing.assert_array_equal(made.codes(), sv.TransformCoding(48).compress(ROWS).codes())
    assert main(["neighbors", str(out), "w3"]) == 0
    assert main(["info", str(out)]) == 0
    assert "48 per row" in capsys.readouterr().out


def _with_facts(path, change, tensors=None):
    """Rewrite a table's file with other facts or tensors, its checksums made anew."""
    from slimvec.files.table_file import read_content
    from slimvec.files.table_writer import save_table

    content = read_content(path)
    facts = json.loads(json.dumps(content.facts))
    facts.pop("crc32", None)
    change(facts)
    save_table(path, facts, {**content.tensors, **(tensors or {})})


@pytest.mark.parametrize(
    ("change", "tensors"),
    [
        (lambda facts: facts["grid"].update(parallel="x"), {}),
        (lambda facts: facts["grid"].update(passes=1.5), {}),
        (lambda facts: facts["grid"].update(passes=-1), {}),
        (lambda facts: facts["grid"].update(passes=True), {}),
        (lambda facts: facts["grid"].update(passes=10**18), {}),
        (lambda facts: facts["grid"].update(passes=1001), {}),
        (lambda facts: facts.update(grid=3), {}),
        (lambda facts: None, {"bits": lambda bits: bits[::-1].copy()}),
        (lambda facts: None, {"bits": lambda bits: np.where(np.arange(len(bits)) == 0, 9, bits).astype(np.uint8)}),
        (lambda facts: None, {"steps": lambda steps: -steps}),
        (lambda facts: None, {"steps": lambda steps: steps * np.float32(np.inf)}),
        (lambda facts: None, {"steps": lambda steps: np.where(np.arange(len(steps)) == 0, 1e-39, steps).astype("f4")}),
        (lambda facts: None, {"weights": lambda weights: weights * np.float32(np.nan)}),
        (lambda facts: None, {"directions": lambda directions: directions[:, 1:].copy()}),
    ],
)
def test_damaged_grids_are_refused(table, tmp_path, change, tensors):
    from slimvec.files.table_file import read_content

    path = tmp_path / "t.slim"
    table.save(path)
    held = read_content(path).tensors
    _with_facts(path, change, {name: edit(np.array(held[name])) for name, edit in tensors.items()})
    with pytest.raises(sv.FormatError):
        sv.open(path)


@pytest.mark.parametrize("metric", ["cosine", "dot"])
def test_factors_that_are_no_numbers_are_told_of(table, tmp_path, metric):
    from slimvec.files.table_file import read_content

    path = tmp_path / "t.slim"
    table.save(path)
    factors = np.array(read_content(path).tensors["factors"])
    factors[3, 0, 5] = np.nan
    _with_facts(path, lambda facts: None, {"factors": factors})
    damaged = sv.open(path)
    assert len(damaged.search(ASKED, 10, metric=metric).indices) == len(ASKED)
    with pytest.raises(sv.FormatError, match="no numbers"):
        damaged.search(ASKED, len(ROWS), metric=metric)


@pytest.mark.parametrize("exponent", [-120, -30, 0, 1, 10, 100])
def test_the_unit_of_a_grid_is_exact(exponent):
    """A step just below a power of two has that power's half as its unit, which a rounded logarithm misses."""
    from slimvec.binary.levels import Grid

    step = np.ldexp(np.float32(1), exponent)
    for longest, unit in ((step, step), (np.nextafter(step, np.float32(0)), step / 2)):
        grid = Grid(np.ones(1, np.uint8), longest[None], np.ones(1, np.float32), 0.0, 0)
        assert grid.unit == unit


def test_older_programs_are_told_to_update(table, tmp_path):
    table.save(tmp_path / "new")
    sv.IIQ(24).compress(ROWS).save(tmp_path / "old")
    raw = {name: (tmp_path / name).read_bytes()[:300] for name in ("new", "old")}
    assert b'"format_version":"2"' in raw["new"]
    assert b'"format_version":"1"' in raw["old"]


def test_streams_into_a_file(tmp_path):
    np.save(tmp_path / "v.npy", ROWS)
    made = sv.TransformCoding(48).compress(sv.VectorFile(tmp_path / "v.npy"), output=tmp_path / "t.slim")
    whole = sv.TransformCoding(48).compress(ROWS)
    np.testing.assert_array_equal(made.codes(), whole.codes())
    np.testing.assert_array_equal(made.search(ASKED).scores, whole.search(ASKED).scores)


def test_parameters_are_kept_and_described():
    coding = sv.TransformCoding(48, max_bits_per_direction=3)
    assert coding.get_params()["max_bits_per_direction"] == 3
    with pytest.raises(ValueError, match="not fitted"):
        coding.transform(ROWS)
    parameters = coding.compress(ROWS).info()["made_by"]["parameters"]
    assert parameters["n_bits"] == 48
    assert parameters["n_passes"] == 3
