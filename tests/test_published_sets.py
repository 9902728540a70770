"""Evaluation sets are read in the forms in which they are published: words and scores here are made up."""

from __future__ import annotations

import numpy as np
import pytest

import slimvec as sv
from slimvec.evaluate import analogy, word_similarity
from slimvec.evaluate.datasets import Analogy, named_sets, read_analogies, read_categories, read_pairs

PAIRS = [("cat", "dog", 6.5), ("cat", "sea", 1.25), ("ship", "sea", 5.0)]


def raters(n, score):
    return [str(round(score) + i % 2) for i in range(n)]


def table(separator, *columns, header=()):
    """Lines of words, scores and what else: a function of (number, first, second, score) for each column."""
    lines = [separator.join(column(i, *pair) for column in columns) for i, pair in enumerate(PAIRS)]
    return "".join(line + "\n" for line in [separator.join(header)] * bool(header) + lines)


def first(_i, a, _b, _score):
    return a


def second(_i, _a, b, _score):
    return b


def score(_i, _a, _b, value):
    return str(value)


def is_(text):
    return lambda *_: text


def index(start):
    return lambda i, *_: str(i + start)


def rated(n):
    return [lambda _i, _a, _b, value, r=r: raters(n, value)[r] for r in range(n)]


SIMLEX = [
    "word1",
    "word2",
    "POS",
    "SimLex999",
    "conc(w1)",
    "conc(w2)",
    "concQ",
    "Assoc(USF)",
    "SimAssoc333",
    "SD(SimLex)",
]
HYPERLEX = ["WORD1", "WORD2", "POS", "TYPE", "AVG_SCORE", "AVG_SCORE_0_10", "STD", "SCORE_1", "SCORE_2"]
FORMS = {
    "comments": "# Some pairs, version 2.0\n# Word 1\tWord 2\tHuman (mean)\n" + table("\t", first, second, score),
    "comments of other widths": table(" ", first, second, score) + "#end of the file\n",
    "WordSim csv": table(",", first, second, score, header=["Word 1", "Word 2", "Human (mean)"]),
    "WordSim tab": table("\t", first, second, score, header=["Word 1", "Word 2", "Human (mean)"]),
    "WordSim with blanks": "Word 1 Word 2 Human (mean)\n" + table(" ", first, second, score),
    "WordSim with raters": table(
        ",", first, second, score, *rated(13), header=["Word 1", "Word 2", "Human (mean)", *map(str, range(1, 14))]
    ),
    "raters before the mean": table(
        ",", first, second, *rated(3), score, header=["Word 1", "Word 2", "1", "2", "3", "Mean"]
    ),
    "SimLex": table(
        "\t", first, second, is_("N"), score, *[is_("2.5")] * 3, is_("7"), is_("1"), is_("0.4"), header=SIMLEX
    ),
    "HyperLex": table(
        " ", first, second, is_("n"), is_("hyp-1"), score, is_("9"), is_("1"), *rated(2), header=HYPERLEX
    ),
    "MTurk": table(",", first, second, score),
    "rare words": table("\t", first, second, score, *rated(10)),
    "semicolons": table(";", first, second, score),
    "semicolons and decimal commas": table(";", first, second, score).replace(".", ","),
    "SimVerb": table("\t", first, second, is_("V"), score, is_("SYNONYMS")),
    "SimVerb with blanks": table(" ", first, second, is_("V"), score, is_("SYNONYMS")),
    "numbered csv": table(",", index(0), first, second, score, header=["", "word1", "word2", "similarity"]),
    "the score first": table(
        ",", index(0), score, first, second, is_("x"), header=["", "similarity", "word1", "word2", "relation"]
    ),
    "topics": table(",", is_("sea"), first, second, score, header=["topic", "term1", "term2", "score"]),
    "contexts": table("\t", index(1), first, is_("n"), second, is_("v"), is_("a b c"), is_("d e"), score, *rated(10)),
    "numbered": table("\t", index(1), first, second, score),
    "written by R": '"word1" "word2" "rating"\n' + table(" ", index(1), *[
        lambda *a, f=f: f'"{f(*a)}"' for f in (first, second)
    ], score),
    "UTF-8 with a mark and Windows' lines": "\ufeff" + table(",", first, second, score).replace("\n", "\r\n"),
    "lines that end in carriage returns": table("\t", first, second, score).replace("\n", "\r"),
    "quoted": table(",", lambda *a: f'"{first(*a)}"', second, score),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_pairs(form, tmp_path):
    (tmp_path / "set").write_bytes(FORMS[form].encode())
    assert read_pairs(tmp_path / "set") == PAIRS


def test_utf_16(tmp_path):
    (tmp_path / "set.csv").write_text(FORMS["WordSim csv"], encoding="utf-16")
    assert read_pairs(tmp_path / "set.csv") == PAIRS


@pytest.mark.parametrize(
    "text",
    [
        "#nlp\t#ai\t5\n##ing\tcat\t4\n",
        "w1 w2 3\nword term 4\n",
        "0\t1\t4\n1\t2\t5\n",
        "mean score 2\nhuman gold 3\n",
        "n v 3\na r 4\n",
        "north sea\tsea\t7\n# hash\tsea\t7\n",
    ],
)
def test_words_that_look_like_something_else_are_words(text, tmp_path):
    """Files that were read from the beginning."""
    (tmp_path / "set.txt").write_text(text)
    separator = "\t" if "\t" in text else " "
    expected = [line.split(separator) for line in text.splitlines()]
    assert read_pairs(tmp_path / "set.txt") == [(a, b, float(value)) for a, b, value in expected]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "cat dog 5\nnew york city 5\nsea cat 2\n",
            "line 2: 'new york city 5'; expected two words and a score, or a h",
        ),
        ("new york city 5\nnew york town 5\n", "line 1: 'new york city 5'; expected two"),
        ("cat\tdog\t5\ncat\tsea\tn/a\nsea\tdog\t2\n", "line 2: 'cat sea n/a'"),
        ("cat,dog,5\ncat,sea,nan\n", "line 2: 'cat sea nan'"),
        ("cat,dog,5\n,sea,2\n", "line 2: ' sea 2'"),
        ("cat dog 5\ncat 4\nsea dog 3\n", "line 2: 'cat 4'"),
        ("word1,word2,one,two\ncat,dog,1,2\n", "line 1: .* a header that calls one column mean, score, rating or sim"),
        ("word1,word2,score 1,score 2\ncat,dog,1,2\n", "line 1: .* a header that calls one column mean"),
        ("word1,word2,note\ncat,dog,fine\n", "line 2: 'cat dog fine'"),
        ("word1,word2,score\n", None),
    ],
)
def test_what_does_not_fit_is_named(text, message, tmp_path):
    (tmp_path / "set.txt").write_text(text)
    if message is None:
        assert read_pairs(tmp_path / "set.txt") == []
        return
    with pytest.raises(sv.FormatError, match=message):
        read_pairs(tmp_path / "set.txt")


def test_lemmas_are_found_by_their_words(tmp_path):
    vectors = sv.Vectors(["cat", "dog", "sea", "ship"], np.random.default_rng(0).standard_normal((4, 5)))
    tagged = table(" ", lambda *a: first(*a) + "-n", lambda *a: second(*a) + "-v", score)
    (tmp_path / "MEN_dataset_lemma_form_full").write_text(tagged)
    (tmp_path / "plain.csv").write_text(FORMS["MTurk"])
    (tmp_path / "README").write_text("about the sets")
    lemmas, plain = word_similarity(vectors, tmp_path)
    assert lemmas[1:] == plain[1:]
    assert plain.covered_pairs == 3
    with_tags = sv.Vectors(["cat-n", "dog-v", "sea-v", "ship-n", "cat"], [[1.0, 0], [1, 1], [0, 1], [1, 2], [-3, 1]])
    assert word_similarity(with_tags, tmp_path / "MEN_dataset_lemma_form_full")[0].covered_pairs == 3


CATEGORIES = [("animal", "cat"), ("animal", "sea dog"), ("water", "sea")]


@pytest.mark.parametrize(
    "text",
    [
        "animal\tcat\nanimal\tsea dog\nwater\tsea\n",
        "cat\tanimal\nsea dog\tanimal\nsea\twater\n",
        "animal,cat\nanimal,sea dog\nwater,sea\n",
        ",category,word\n0,animal,cat\n1,animal,sea dog\n2,water,sea\n",
        "concept\tclass\ncat\tanimal\nsea dog\tanimal\nsea\twater\n",
        "Word;Category\ncat;animal\nsea dog;animal\nsea;water\n",
        "cat\tanimal\tliving\tnatural\nsea dog\tanimal\tliving\tnatural\nsea\twater\tother\tnatural\n",
        "animal\tcat\t12\nanimal\tsea dog\t3\nwater\tsea\t9\n",
        "cat\tanimal\tattri\tx-j\ncat\tanimal\thyper\tx-n\nsea dog\tanimal\tevent\tgo-v\nsea\twater\tmero\tx-n\n",
    ],
)
def test_categories(text, tmp_path):
    (tmp_path / "set.txt").write_text(text)
    assert read_categories(tmp_path / "set.txt") == CATEGORIES


def test_categories_apart_by_blanks(tmp_path):
    (tmp_path / "set.txt").write_text("animal cat\nanimal dog\nwater sea\n")
    assert read_categories(tmp_path / "set.txt") == [("animal", "cat"), ("animal", "dog"), ("water", "sea")]


def test_analogies_of_pairs(tmp_path):
    path = tmp_path / "E01 [country - capital].txt"
    path.write_text("oslo\tnorway\nparis\tfrance/gaul\n")
    section = "E01 [country - capital]"
    assert read_analogies(path) == [
        Analogy(section, "oslo", "norway", "paris", "france"),
        Analogy(section, "paris", "france", "oslo", "norway"),
    ]
    vectors = sv.Vectors(["oslo", "norway", "paris", "france"], [[1.0, 0, 0], [1.0, 0, 1], [0, 1.0, 0], [0, 1.0, 1]])
    assert analogy(vectors, tmp_path)[0].accuracy == 1.0
    for damaged in ("a b c d\na b\n", "a b\na b c d\n", "a\tb\n" * 1001):
        path.write_text(damaged)
        with pytest.raises(sv.FormatError, match="line (2|1001): "):
            read_analogies(path)


def test_no_set_of_a_folder_hides_another(tmp_path):
    (tmp_path / "A.csv").write_text(FORMS["MTurk"])
    (tmp_path / "A.txt").write_text(FORMS["rare words"])
    (tmp_path / "B.TXT").write_text(FORMS["rare words"])
    (tmp_path / ".hidden").write_text("no set")
    (tmp_path / "folder").mkdir()
    assert named_sets(tmp_path, read_pairs) == {"A.csv": PAIRS, "A.txt": PAIRS, "B": PAIRS}
