"""Word similarity, categorization and analogies, against answers worked out by hand."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
import scipy.stats

import slimvec as sv
from slimvec.evaluate import analogy, categorization, word_similarity
from slimvec.evaluate.categorization import purity
from slimvec.evaluate.datasets import Analogy, Pair, read_analogies, read_categories, read_pairs, read_sentences
from slimvec.evaluate.similarity import ranks, spearman
from slimvec.evaluate.word_rows import WordRows


@pytest.fixture
def words():
    return sv.Vectors(["cat", "dog", "sea", "north sea"], [[2.0, 0.0], [1.0, 1.0], [0.0, 3.0], [-1.0, 0.0]])


# ---- Spearman


def test_ties_share_the_mean_of_their_ranks():
    assert ranks(np.array([30.0, 10.0, 20.0, 20.0])).tolist() == [4.0, 1.0, 2.5, 2.5]


def test_spearman_is_scipys():
    generator = np.random.default_rng(0)
    for n in (2, 3, 50):
        x, y = generator.integers(0, 6, (2, n)) + np.arange(n) % 2
        assert spearman(x, y) == pytest.approx(scipy.stats.spearmanr(x, y).statistic, abs=1e-12), (x, y)


def test_spearman_by_hand():
    assert spearman([1, 2, 3], [10, 30, 20]) == pytest.approx(0.5)
    assert spearman([1, 2, 3], [1, 2, 3]) == 1.0
    assert math.isnan(spearman([1, 1, 1], [1, 2, 3]))
    assert math.isnan(spearman([], []))


# ---- word similarity


def test_a_missing_word_is_the_mean_vector(words):
    """The mean is (.5, 1): cosines with cat .447, with dog .949, with sea .894, with itself 1."""
    pairs = [("cat", "x", 1), ("dog", "x", 3), ("sea", "x", 2), ("x", "y", 4), ("cat", "sea", 0)]
    found = word_similarity(words, {"one": pairs})[0]
    assert found == ("one", pytest.approx(1.0), found.covered_score, 5, 1)
    assert math.isnan(found.covered_score)
    swapped = word_similarity(words, {"one": [*pairs[:3], ("x", "y", 2.5), pairs[4]]})[0]
    assert swapped.score == pytest.approx(spearman([1, 3, 2, 4, 0], [1, 3, 2, 2.5, 0])) != 1.0


def test_the_mean_of_codes_is_a_vector_of_real_numbers():
    table = sv.BinaryTable(sv.pack([[1, 1, 1], [1, 1, -1], [1, -1, -1]]), 3, words=["a", "b", "c"])
    assert np.allclose(WordRows(table).mean, [1, 1 / 3, -1 / 3])


def test_case_spaces_and_covered_pairs(words):
    pairs = [("Cat", "DOG", 2), ("sea", "north sea", 1), ("cat", "North Sea", 0), ("cow", "cat", 9)]
    found = word_similarity(words, {"one": pairs})[0]
    assert (found.pairs, found.covered_pairs, found.covered_score) == (4, 3, pytest.approx(1.0))


def test_codes_anchors_and_floats_are_judged_alike(words):
    pairs = [("cat", "dog", 3), ("cat", "sea", 2), ("cat", "north sea", 1)]
    signs = np.sign(words.matrix - 0.5)
    codes = sv.BinaryTable(sv.pack(signs), 2, words=words.words)
    assert word_similarity(codes, {"x": pairs}) == word_similarity(sv.Vectors(words.words, signs), {"x": pairs})
    anchors = sv.baselines.Prune(0).compress(words)
    assert word_similarity(anchors, {"x": pairs}) == word_similarity(words, {"x": pairs})


@pytest.mark.parametrize("n_bits", [75, 300])
def test_pairs_of_codes_that_differ_in_as_many_bits_are_tied(n_bits):
    generator = np.random.default_rng(0)
    signs = np.where(generator.random((300, n_bits)) < 0.5, -1, 1)
    table = sv.BinaryTable(sv.pack(signs), n_bits, words=map(str, range(300)))
    first, second = generator.integers(0, 300, (2, 500))
    alike = (signs[first] * signs[second]).sum(axis=1)
    scores = alike + n_bits**0.5 * generator.standard_normal(500)
    pairs = [(str(a), str(b), score) for a, b, score in zip(first, second, scores, strict=True)]
    assert word_similarity(table, {"one": pairs})[0].score == pytest.approx(spearman(alike, scores), abs=1e-12)


def test_a_zero_row_has_cosine_zero():
    vectors = sv.Vectors(["a", "b", "c"], [[0.0, 0.0], [1.0, 0.0], [-1.0, 0.1]])
    found = word_similarity(vectors, {"x": [("a", "b", 2), ("b", "c", 1), ("b", "b", 3)]})
    assert found[0].score == pytest.approx(1.0)


# ---- categorization


def test_purity_by_hand():
    assert purity([0, 0, 0, 1, 1, 1], ["a", "a", "b", "b", "b", "b"]) == pytest.approx(5 / 6)
    assert purity([0, 0, 0, 0], ["a", "b", "c", "c"]) == 0.5


def test_obvious_categories_are_found(animals):
    pytest.importorskip("sklearn")
    items = [(word.rstrip("0123456789"), word) for word in animals.words]
    found = categorization(animals, {"x": [*items, ("cat", "unknown")]}, seeds=(0, 1))[0]
    assert found[:1] + found[4:] == ("x", 41, 40, 2)
    assert found.purity >= 40 / 41
    assert len(found.best) == 2
    assert categorization(animals, {"x": items}, seeds=(5,))[0].purity == 1.0


def test_seeds_fix_the_result_and_spread_it():
    pytest.importorskip("sklearn")
    generator = np.random.default_rng(0)
    vectors = sv.Vectors(map(str, range(60)), np.sign(generator.standard_normal((60, 6))))
    noise = {"x": [(str(i % 6), str(i)) for i in range(60)]}
    first = categorization(vectors, noise, seeds=(0, 1, 2, 3))
    assert first == categorization(vectors, noise, seeds=(0, 1, 2, 3))
    assert first[0].std > 0
    assert first[0].purity < 0.8


def test_zero_rows_are_clustered_without_cosines():
    pytest.importorskip("sklearn")
    vectors = sv.Vectors(list("abcd"), [[0.0, 0.0], [0.0, 0.1], [1.0, 1.0], [1.0, 1.1]])
    found = categorization(vectors, {"x": [("1", "a"), ("1", "b"), ("2", "c"), ("2", "d")]}, seeds=(0,))
    assert found[0].purity == 1.0


# ---- analogies


@pytest.fixture
def family():
    """By hand: b - a + c of (man, woman, king) is queen's direction, though king itself is nearer to woman + king."""
    matrix = [[1, 0, 0], [1, 1, 0], [1, 0, 2], [1, 1, 2], [0, 0, 5], [0, -4, 1]]
    return sv.Vectors(["man", "woman", "king", "queen", "crown", "stone"], np.array(matrix, np.float32))


def brute_force(vectors, a, b, c, rule):
    unit = vectors.matrix / np.linalg.norm(vectors.matrix, axis=1, keepdims=True)
    rows = [vectors.vocabulary.row(word) for word in (a, b, c)]
    cosines = [unit @ unit[row] for row in rows]
    if rule == "3CosAdd":
        scores = cosines[1] - cosines[0] + cosines[2]
    else:
        near = [(1 + cosine) / 2 for cosine in cosines]
        scores = near[1] * near[2] / (near[0] + 0.001)
    scores[rows] = -np.inf
    return vectors.words[int(np.argmax(scores))]


@pytest.mark.parametrize("scale", [2.0**-100, 2.0**80])
def test_vectors_of_any_length_are_judged_alike(family, scale):
    far = sv.Vectors(family.words, family.matrix * np.float32(scale))
    pairs = [("man", "woman", 3), ("king", "queen", 4), ("king", "stone", 1), ("man", "unicorn", 2)]
    assert word_similarity(far, {"one": pairs}) == word_similarity(family, {"one": pairs})
    questions = [("", "man", "woman", "king", "queen"), ("", "crown", "king", "queen", "stone")]
    assert analogy(far, {"one": questions}) == analogy(family, {"one": questions})


@pytest.mark.parametrize("rule", ["3CosAdd", "3CosMul"])
def test_answers_are_those_of_brute_force(rule, monkeypatch):
    monkeypatch.setattr(sys.modules["slimvec.evaluate.analogy"], "QUESTIONS_AT_ONCE", 7)
    monkeypatch.setattr("slimvec.evaluate.word_rows.BLOCK_ROWS", 13)
    generator = np.random.default_rng(2)
    vectors = sv.Vectors([f"w{i}" for i in range(50)], generator.standard_normal((50, 4)).astype(np.float32))
    triples = [[f"w{i}" for i in generator.choice(50, 3, replace=False)] for _ in range(40)]
    right = [("x", *triple, brute_force(vectors, *triple, rule)) for triple in triples]
    assert analogy(vectors, {"x": right}, rules=[rule])[0].accuracy == 1.0
    other = "3CosMul" if rule == "3CosAdd" else "3CosAdd"
    assert analogy(vectors, {"x": right}, rules=[other])[0].accuracy < 1.0  # the rules differ


def test_coverage_sections_and_limit(family):
    questions = [
        ("royal", "man", "woman", "king", "queen"),
        ("royal", "Man", "King", "woman", "queen"),
        ("other", "man", "stone", "king", "woman"),
        ("other", "man", "woman", "emperor", "empress"),
    ]
    added, multiplied = analogy(family, {"x": questions})
    assert (added.rule, added.questions, added.covered_questions) == ("3CosAdd", 4, 3)
    assert added.sections == {"royal": 1.0, "other": 0.0}
    assert (added.accuracy, added.covered_accuracy) == (0.5, pytest.approx(2 / 3))
    assert multiplied.rule == "3CosMul"
    assert analogy(family, {"x": questions}, limit=3)[0].sections["royal"] == 0.0  # queen is row 3
    assert math.isnan(analogy(family, {"x": questions[3:]})[0].covered_accuracy)


# ---- files


def test_files_are_read(tmp_path, words):
    (tmp_path / "B.txt").write_text("cat dog 3.5\n\ncat\tsea\t1\r\n")
    (tmp_path / "A.tsv").write_text("north sea\tsea\t7\nsea\tcat\t1\n", encoding="latin-1")
    (tmp_path / "notes.md").write_text("not a set")
    assert read_pairs(tmp_path / "B.txt") == [Pair("cat", "dog", 3.5), Pair("cat", "sea", 1.0)]
    assert read_pairs(tmp_path / "A.tsv")[0] == Pair("north sea", "sea", 7.0)
    assert [found.name for found in word_similarity(words, tmp_path)] == ["A", "B"]
    assert [found.name for found in word_similarity(words, tmp_path / "B.txt")] == ["B"]


def test_both_formats_of_analogies(tmp_path):
    path = tmp_path / "google.txt"
    path.write_text(": capital-world\nAthens Greece Oslo Norway\n: kin\nboy girl son daughter\n")
    assert read_analogies(path) == [
        Analogy("capital-world", "Athens", "Greece", "Oslo", "Norway"),
        Analogy("kin", "boy", "girl", "son", "daughter"),
    ]
    path.write_text("good better rough JJ_JJR rougher\n")
    assert read_analogies(path) == [Analogy("JJ_JJR", "good", "better", "rough", "rougher")]


def test_latin_1_and_odd_line_ends(tmp_path):
    (tmp_path / "MR.all").write_bytes("1 caf\xe9 is\x85 fine\n0 no\n".encode("latin-1"))
    assert read_sentences(tmp_path / "MR.all") == [("1", "café is\x85 fine"), ("0", "no")]


@pytest.mark.parametrize(
    ("read", "line", "message"),
    [
        (read_pairs, "cat dog", "line 2: 'cat dog'; expected two words and a score"),
        (read_pairs, "cat dog high", "expected two words and a score"),
        (read_categories, "sea animal cat", "expected a category, a tab and a word"),
        (read_sentences, "1", "expected a label, a space and a text"),
        (read_analogies, "a b c", "expected four words"),
    ],
)
def test_damaged_files_are_named_with_the_line(tmp_path, read, line, message):
    (tmp_path / "x.txt").write_text("\n" + line + "\n")
    with pytest.raises(sv.FormatError, match=message):
        read(tmp_path / "x.txt")


def test_bad_input(words, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="table has no words"):
        word_similarity(sv.IIQ(2, 0).compress(np.eye(4)), {})
    with pytest.raises(TypeError, match="table is ndarray; expected a BinaryTable, a SparseTable or Vectors"):
        word_similarity(np.eye(3), {})
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        word_similarity(words, tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="no evaluation set"):
        word_similarity(words, tmp_path)
    with pytest.raises(ValueError, match="rules holds '3CosDiv'"):
        analogy(words, {}, rules=["3CosDiv"])
    with pytest.raises(ValueError, match="seeds is empty"):
        categorization(words, {}, seeds=())
    for few in ([], [("a", "cat")]):
        with pytest.raises(ValueError, match=f"set 'small' holds {len(few)} words; expected two or more to cluster"):
            categorization(words, {"small": few})
    monkeypatch.setitem(sys.modules, "sklearn.cluster", None)
    with pytest.raises(ImportError, match=r"slimvec\[evaluate\]"):
        categorization(words, {"x": [("a", "cat"), ("b", "dog")]})
