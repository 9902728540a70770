"""Refined codes: what a second code of each row adds, and that everything else works on as it did."""

import copy
import pickle

import numpy as np
import pytest

import slimvec as sv
from slimvec.binary.methods.refining import learn_refiner
from slimvec.files.table_file import read_content
from test_transform_coding import ASKED, ROWS, _with_facts, recall

UNIT = ROWS / np.linalg.norm(ROWS, axis=1, keepdims=True)


def refined(rows=ROWS, bits=24, refine_bits=3, **options):
    return sv.TransformCoding(bits, refine_bits=refine_bits, **options).compress(rows)


@pytest.fixture(scope="module")
def table():
    return sv.TransformCoding(24, refine_bits=3).compress(sv.Vectors([f"w{i}" for i in range(len(ROWS))], ROWS))


@pytest.mark.parametrize("rows", [ROWS, UNIT], ids=["any length", "unit"])
def test_more_bits_are_nearer_and_find_more(rows):
    made = [refined(rows, refine_bits=bits) for bits in (0, 1, 2, 4, 8)]
    errors = [np.linalg.norm(one.lookup(range(1000), original=True) - rows) for one in made]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.02 * errors[0]
    if rows is ROWS:
        found = [recall(one, oversample=20) for one in made]
        assert found == sorted(found)
        assert found[-1] > 0.99


@pytest.mark.parametrize("rows", [ROWS, UNIT], ids=["any length", "unit"])
@pytest.mark.parametrize("metric", ["cosine", "dot"])
def test_scores_are_those_of_the_refined_vectors(rows, metric):
    made = refined(rows, refine_bits=8)
    found = made.search(ASKED[:20], 1000, metric=metric, oversample=1)
    vectors = made.lookup(range(1000), original=True).astype(np.float64)
    asked = ASKED[:20].astype(np.float64)
    exact = asked @ rows.T
    if metric == "cosine":
        exact = asked @ (rows / np.linalg.norm(rows, axis=1, keepdims=True)).T
        exact /= np.linalg.norm(asked, axis=1, keepdims=True)
    np.testing.assert_allclose(found.scores, np.take_along_axis(exact, found.indices, axis=1), atol=0.01 * exact.max())
    assert np.linalg.norm(vectors - rows) < 0.01 * np.linalg.norm(rows)
    assert (np.diff(found.scores, axis=1) <= 0).all()


def test_a_row_asked_for_is_scored_as_its_refined_vector_is(table):
    mean = ROWS.mean(axis=0).astype(np.float64)
    vectors = table.lookup(range(1000), original=True).astype(np.float64)
    asked = ASKED[:5].astype(np.float64)
    products = (vectors - mean) @ (asked - mean).T + ((ROWS - mean) @ mean)[:, None] + asked @ mean
    found = table.search(ASKED[:5], 1000, metric="dot", oversample=1)
    expected = np.take_along_axis(products.T, found.indices, axis=1)
    np.testing.assert_allclose(found.scores, expected, atol=2e-3 * np.abs(products).max())


def test_oversample_is_measured_and_suffices(table):
    first, second = table.info()["oversample"]
    assert first >= second >= 2
    assert recall(table) > recall(table, oversample=None) - 0.01
    assert recall(table, oversample=1) <= recall(table)
    coarse = refined(bits=6).info()["oversample"][0]
    assert coarse > refined(bits=72).info()["oversample"][0]


def test_the_stages_follow_each_other(table):
    exact = table.search(ASKED, 10, originals=ROWS)
    assert recall(table, originals=ROWS) > max(0.99, recall(table) - 1e-9)
    every = table.search(ASKED, 10, originals=ROWS, oversample=None)
    assert np.mean(every.indices == exact.indices) > 0.98
    assert recall(table, originals=ROWS, oversample=3) > recall(table, oversample=3)
    assert table.search(ASKED[:0], 3).indices.shape == (0, 3)
    assert table.search(ASKED[:2], 5000).indices.shape == (2, 1000)
    only = table.search(ASKED[:3], 10, mask=["w7", "w9"])
    assert set(only.indices.ravel().tolist()) == {7, 9}
    zero = table.search(np.zeros((1, 24)), 3)
    assert zero.indices.tolist() == [[0, 1, 2]]
    np.testing.assert_allclose(table.search(1e3 * ASKED, 5).scores, table.search(ASKED, 5).scores, atol=1e-4)


def test_rows_means_and_words_are_of_the_refined_vectors(table):
    original, rows = table.lookup(range(1000), original=True), table.lookup(range(1000))
    assert rows.shape[1] == 24
    np.testing.assert_allclose(
        np.linalg.norm(rows, axis=1), np.linalg.norm(original - ROWS.mean(axis=0), axis=1), rtol=1e-3
    )
    np.testing.assert_array_equal(table["w3"], rows[3])
    np.testing.assert_allclose(table.mean([["w1", "w2"]], original=True), [original[1:3].mean(axis=0)], atol=1e-5)
    np.testing.assert_allclose(table.mean([["w1", "w2"]]), [rows[1:3].mean(axis=0)], atol=1e-5)
    assert [word for word, _ in table.most_similar("w5", k=3)] == [
        f"w{row}" for row in table.search(original[5][None], 4).indices[0] if row != 5
    ][:3]


def test_equal_rows_come_by_number():
    rows = np.repeat(ROWS[:40], 3, axis=0)
    found = refined(rows).search(ASKED, 12, oversample=None)
    triples = found.indices.reshape(len(ASKED), 4, 3)
    assert (triples == triples[:, :, :1] + np.arange(3)).all()


def test_answers_are_the_same_on_every_instruction_set_and_for_any_threads(table, isa):
    found = table.search(ASKED, 10, threads=2)
    made = refined()
    with sv.use_isa("scalar"):
        expected, other = table.search(ASKED, 10, threads=1), refined()
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_array_equal(found.scores, expected.scores)
    np.testing.assert_array_equal(made._parts.refinement.codes, other._parts.refinement.codes)


@pytest.mark.parametrize("way", ["file", "stream", "copy", "pickle"])
def test_files_streams_and_copies_hold_it(table, tmp_path, way):
    path = tmp_path / "t.slim"
    if way == "file":
        table.save(path)
        again = sv.open(path, verify=True)
    elif way == "stream":
        np.save(tmp_path / "v.npy", ROWS)
        again = sv.TransformCoding(24, refine_bits=3).compress(sv.VectorFile(tmp_path / "v.npy"), output=path)
    else:
        again = copy.deepcopy(table) if way == "copy" else pickle.loads(pickle.dumps(table))  # noqa: S301
    found, expected = again.search(ASKED), table.search(ASKED)
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_array_equal(found.scores, expected.scores)
    np.testing.assert_array_equal(again.lookup([1, 2], original=True), table.lookup([1, 2], original=True))
    sizes = again.info()["bytes"]
    assert {**sizes, "words": 0} == {**table.info()["bytes"], "words": 0}
    assert sizes["refinement"] == 1000 * (9 + 6)
    assert again.info()["oversample"] == table.info()["oversample"]
    assert again.compression_ratio == 32 * 24 / (24 + 48 + 72 + 48)


@pytest.mark.parametrize(
    ("change", "tensors"),
    [
        (lambda facts: facts.pop("refinement"), {}),
        (lambda facts: facts.update(refinement=3), {}),
        (lambda facts: facts["refinement"].update(oversample=[1.5, 2]), {}),
        (lambda facts: facts["refinement"].update(oversample=[0, 2]), {}),
        (lambda facts: facts["refinement"].update(oversample=[8, 1 << 62]), {}),
        (lambda facts: facts["refinement"].pop("passes"), {}),
        (lambda facts: facts.pop("grid"), {}),
        (lambda facts: None, {"order": lambda order: order * 0}),
        (lambda facts: None, {"order": lambda order: order + 1000}),
        (lambda facts: None, {"bits": lambda bits: bits[::-1].copy()}),
        (lambda facts: None, {"steps": lambda steps: -steps}),
        (lambda facts: None, {"codes": lambda codes: codes[1:].copy()}),
        (lambda facts: None, {"numbers": lambda numbers: numbers[:, :2].copy()}),
        (lambda facts: None, {"rest": lambda rest: rest[1:].copy()}),
    ],
)
def test_damaged_refinements_are_refused(table, tmp_path, change, tensors):
    path = tmp_path / "t.slim"
    table.save(path)
    held = read_content(path).tensors
    names = {f"refinement.{name}": edit for name, edit in tensors.items()}
    _with_facts(path, change, {name: edit(np.array(held[name])) for name, edit in names.items()})
    with pytest.raises(sv.FormatError):
        sv.open(path)


@pytest.mark.parametrize("value", [-1, 9])
def test_bits_beyond_what_there_is_are_refused(value):
    with pytest.raises(ValueError, match=rf"refine_bits={value}; expected between 0 and 8"):
        sv.TransformCoding(24, refine_bits=value).fit(ROWS)


def test_bits_and_shortlists_are_integers(table):
    with pytest.raises(TypeError, match=r"refine_bits=1.5 is not an integer"):
        sv.TransformCoding(24, refine_bits=1.5).fit(ROWS)
    with pytest.raises(ValueError, match=r"oversample='all'; expected an integer of at least 1, None or \"auto\""):
        table.search(ASKED, oversample="all")


@pytest.mark.parametrize("rows", [ROWS[:1], np.ones((9, 5), np.float32), np.zeros((3, 5), np.float32), ROWS[:7, :2]])
def test_few_rows_and_equal_rows(rows):
    made = sv.TransformCoding(refine_bits=6).compress(rows)
    np.testing.assert_allclose(made.lookup([0], original=True), rows[:1], atol=0.05)
    assert made.search(rows, k=1).indices.shape == (len(rows), 1)


@pytest.mark.parametrize("scale", [2.0**-60, 2.0**60])
def test_any_scale(scale):
    near, far = refined(ROWS), refined((ROWS * np.float32(scale)).astype(np.float32))
    found, expected = far.search(ASKED * np.float32(scale)), near.search(ASKED)
    assert np.mean(found.indices == expected.indices) > 0.99


def test_removed_directions_stay_removed():
    rows = ROWS + np.outer(np.random.default_rng(1).standard_normal(1000), np.eye(24)[0] * 50).astype(np.float32)
    made = refined(rows, refine_bits=8, n_remove=1)
    vectors = made.lookup(range(1000), original=True)
    assert vectors[:, 0].std() < 0.2 * rows[:, 0].std()
    np.testing.assert_allclose(vectors[:, 1:].std(axis=0), rows[:, 1:].std(axis=0), rtol=0.2)


def test_a_small_sample_takes_what_is_safe():
    coding = sv.TransformCoding(24).fit(ROWS)
    rest = np.zeros((24, 0), np.float32)
    values = ((ROWS[:15] - coding.mean_) @ coding.directions_).astype(np.float32)
    assert learn_refiner(coding._encoder(), rest, values, 2).oversample == (20, 20)
