"""A text classifier in C: the same words of every text, the same bits of scores, the same class, as in Python."""

from __future__ import annotations

import importlib.util
import json
import re
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import slimvec as sv
from in_c import LIBRARY, InC, in_python, load
from mutations import SEVERAL, damaged_tensors
from slimvec.files.table_writer import save_table

ROOT = Path(__file__).parent.parent
DATA = ROOT / "tests" / "data" / "v1"
SAMPLE = (DATA / "classifier.slim").read_bytes()
built = pytest.mark.skipif(not LIBRARY.exists(), reason="the C library is not built: cmake --preset default")

# Words that lower-casing and splitting are about, and what lies between them.
LETTERS = "aZß_9éÉİıΣσςΑάʼ’.:-·\u00ad\u200d ǅ𝐀𐐀ﬁⅣ²١日ー"
WORDS = [
    "as",
    "ας",
    "ασ",
    "σσ",
    "i",
    "is",
    "istanbul",
    "größe",
    "naïve",
    "日ー",
    "𐐨𐐨",
    "σας",
    "a9_",
    "ⅳ²",
    "ﬁﬁ",
    "αα",
    "γα",
]


def saved(path, words=tuple(WORDS), classes=("no", "yes", "größe"), seed=0, dim=5, kind=sv.TextClassifier, **weights):
    """Save a classifier, or a tagger, with these words, and return it loaded; weights are random where not given."""
    generator = np.random.default_rng(seed)
    words, n = list(dict.fromkeys(words)), len(classes)
    table = sv.SparseTable(
        generator.standard_normal((4, dim)).astype(np.float32),
        csr(generator.standard_normal((len(words), 4)).astype(np.float32)), words,
    )  # fmt: skip
    facts, tensors = table.to_content()
    tensors["coef"] = generator.standard_normal((n, dim)).astype(np.float32)
    tensors["intercept"] = generator.standard_normal(n).astype(np.float32)
    tensors |= weights
    if isinstance(classes[0], str):
        from slimvec.vocabulary import Vocabulary

        tensors |= Vocabulary(classes).to_tensors("classes")
    else:
        tensors["classes"] = np.array(classes, np.int64)
    save_table(path, {**facts, "n_classes" if kind is sv.TextClassifier else "n_tags": n}, tensors)
    return kind.load(path)


def csr(dense):
    from slimvec.sparse.product import CsrParts

    rows, columns = np.nonzero(dense)
    return CsrParts(dense.shape, np.searchsorted(rows, np.arange(len(dense) + 1)), columns, dense[rows, columns])


@pytest.fixture(scope="module")
def library():
    return load()


@pytest.fixture(scope="module")
def both(library, tmp_path_factory):
    path = tmp_path_factory.mktemp("classifier") / "model.slim"
    model = saved(path)
    return InC(library, path), model


def compare(c, model, text):
    scores = model.logits([text])[0]
    found = c.classify(text.encode())
    assert np.array_equal(found[1], scores), text
    assert found[0] == scores.argmax()
    assert model.predict([text])[0] == model.classes_[found[0]]


@built
@pytest.mark.filterwarnings("ignore")
@given(
    text=st.one_of(
        st.text(st.sampled_from(LETTERS + "asi"), max_size=40), st.lists(st.sampled_from(WORDS)).map(" ".join)
    )
)
@example("ΑΣ")
@example("ΑΣ Σ ΑΣ.Α ΑΣ. ΣΑΣ α’Σ Σα")
@example("İstanbul İİ IS is İ")
@example("GRÖßE Größe naïve NAÏVE")
@example("𐐀𐐀 Ⅳ² a9_ A9_")
def test_the_same_words_of_any_text(both, text):
    compare(*both, text)


@built
def test_the_same_words_of_every_letter(library, tmp_path):
    """Each letter of Unicode alone, twice, between other letters, and with a sigma at both sides of it."""
    if unicodedata.unidata_version != "14.0.0":
        pytest.skip("C has the letters of Unicode 14")
    letters = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    forms = [f"a{letter}b {letter}{letter} AΣ{letter} A{letter}Σ {letter}ΣB" for letter in letters]
    texts = [" . ".join(forms[first : first + 500]) for first in range(0, len(forms), 500)]  # means of all their words
    tokens = dict.fromkeys(word for text in texts for word in re.findall(r"\b\w\w+\b", text.lower()))
    assert len(tokens) > 400_000
    model = saved(tmp_path / "model.slim", tokens, dim=2)
    c = InC(library, tmp_path / "model.slim")
    assert np.array_equal([c.classify(text.encode())[1] for text in texts], model.logits(texts))


def test_the_tables_of_letters_are_those_of_the_script():
    spec = importlib.util.spec_from_file_location("letters", ROOT / "tools" / "letters.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = (ROOT / "cpp" / "capi" / "letters.hpp").read_text()
    if f"Unicode {unicodedata.unidata_version}:" not in found:
        pytest.skip("made by a Python with another version of Unicode")
    assert module.letters() == found


@built
def test_a_fitted_classifier(library, tmp_path):
    pytest.importorskip("numba")
    texts = ["a good film", "good fun", "what a bad film", "bad, just bad"] * 10
    for labels, names in ((["+", "+", "-", "-"] * 10, ["+", "-"]), ([7, 7, -3, -3] * 10, [-3, 7])):
        model = sv.TextClassifier(n_anchors=2, embedding_dim=4).fit(texts, labels)
        model.save(tmp_path / "model.slim")
        c = InC(library, tmp_path / "model.slim")
        assert c.classes() == names
        for text in [*texts[:4], "", "nothing that is known", "BAD Film"]:
            compare(c, model, text)
        assert names[c.classify(b"good")[0]] == labels[0]
        c.close()


@built
def test_rows_in_the_place_of_texts(both):
    c, model = both
    rows = [c.find(word.encode()) for word in ("größe", "unknown", "is", "is")]
    assert rows[1] == -1
    for found, text in ((c.classify(rows), "größe is is"), (c.classify([]), ""), (c.classify([-1]), "")):
        assert np.array_equal(found[1], model.logits([text])[0])
    assert c.classify([0, len(WORDS)]) is None
    assert "outside the table" in c.error()


@built
def test_what_is_refused(both, library, tmp_path):
    c, _ = both
    assert c.classify(b"gr\xf6\xdfe") is None
    assert "not UTF-8" in c.error()
    for which in (-1, 3):
        assert c.class_(which) is None
    assert "class 3 is none of 3" in c.error()
    sv.SparseTable(np.eye(2, 3), csr(np.eye(2, dtype=np.float32)), ["a", "b"]).save(tmp_path / "table.slim")
    table = InC(library, tmp_path / "table.slim")
    assert table.classes() is None
    assert table.classify(b"a") is None
    assert "holds no text classifier" in table.error()
    assert table.is_tagger() == -1
    assert c.is_tagger() == 0
    assert c.tag(b"is") is None
    assert "holds a text classifier: slimvec_classify gives the class" in c.error()
    for value in (np.nan, np.inf, np.float32(3e38)):
        model = saved(tmp_path / "bad.slim", coef=np.full((3, 5), value, np.float32))
        bad = InC(library, tmp_path / "bad.slim")
        text = " ".join(WORDS)
        here = in_python(model.logits, [text])
        assert (bad.classify(text.encode()) is None) == (here is None)
        if not np.isfinite(value):
            assert "NaN or infinite" in bad.error()


@built
@pytest.mark.parametrize("name", ["frozen", "numbers"])
@SEVERAL
@given(data=st.data())
def test_damaged_classifiers(library, tmp_path_factory, name, data):
    """Both refuse the classifier of a file, or give the same scores, or refuse to."""
    path = tmp_path_factory.getbasetemp() / "damaged.slim"
    sample = SAMPLE
    if name == "numbers":
        saved(path, classes=(4, -1, 2**40))
        sample = path.read_bytes()
    path.write_bytes(data.draw(damaged_tensors(sample)))
    model = in_python(sv.TextClassifier.load, path)
    try:
        c = InC(library, path)
    except ValueError:
        assert model is None
        return
    classes = c.classes()
    assert (classes is None) == (model is None), c.error()
    if model is not None:
        assert [str(one).rstrip("\0") for one in classes] == [str(one) for one in model.classes_]
        for text in ("a good film, größe is", "", "what fun"):
            here, there = in_python(model.logits, [text]), c.classify(text.encode())
            assert (here is None) == (there is None), c.error()
            assert here is None or np.array_equal(here[0], there[1])
    c.close()


@built
def test_the_frozen_file(library):
    answers = json.loads((DATA / "later.json").read_text())["classifier"]
    c = InC(library, DATA / "classifier.slim")
    for text, probabilities, name in zip(*(answers[key] for key in ("texts", "probabilities", "classes")), strict=True):
        which, scores = (
            c.classify(text.encode()) if isinstance(text, str) else c.classify([c.find(w.encode()) for w in text])
        )
        assert c.classes()[which] == name
        assert np.allclose(np.exp(scores) / np.exp(scores).sum(), probabilities, atol=1e-5)
