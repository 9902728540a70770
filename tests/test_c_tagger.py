"""A text tagger in C: of every text the same bits of scores, and the same tags at every threshold, as in Python."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import slimvec as sv
from in_c import InC, in_python, load
from mutations import SEVERAL, damaged_tensors
from test_c_classifier import LETTERS, WORDS, built, saved

FROZEN = Path(__file__).parent / "data" / "v5" / "tagger.slim"
NAMES = ("no", "yes", "größe", "a", "sea", "ς")


@pytest.fixture(scope="module")
def library():
    return load()


@pytest.fixture(scope="module")
def both(library, tmp_path_factory):
    path = tmp_path_factory.mktemp("tagger") / "model.slim"
    model = saved(path, classes=NAMES, kind=sv.TextTagger)
    return InC(library, path), model


def compare(c, model, text, threshold):
    which, scores = c.tag(text.encode(), threshold)
    assert np.array_equal(scores, model.logits([text])[0]), text
    assert [c.class_(tag) for tag in which] == model.predict([text], threshold=threshold)[0]
    return len(which)


@built
@pytest.mark.filterwarnings("ignore")
@given(
    text=st.one_of(
        st.text(st.sampled_from(LETTERS + "asi"), max_size=40), st.lists(st.sampled_from(WORDS)).map(" ".join)
    ),
    threshold=st.sampled_from([0, 1e-300, 0.5, np.nextafter(0.5, 1), np.nextafter(1, 0), 1]) | st.floats(0, 1),
)
@example("ΑΣ Σ ΑΣ.Α ΑΣ. ΣΑΣ α’Σ Σα", 0.5)
@example("GRÖßE Größe naïve NAÏVE", 0.25)
def test_the_same_tags_of_any_text(both, text, threshold):
    compare(*both, text, threshold)


@built
def test_thresholds_at_a_score(both):
    """The log-odds of a threshold are as near to a score as numbers can be, and on both sides of it."""
    c, model = both
    counts = []
    for text in (" ".join(WORDS[first::3]) for first in range(3)):
        for score in model.logits([text])[0].tolist():
            near = 1 / (1 + np.exp(-score))
            counts += [compare(c, model, text, near * (1 + step * 2.0**-52)) for step in range(-8, 9)]
    assert len(set(counts)) > 3
    assert compare(c, model, "is", 0) == len(NAMES)
    assert compare(c, model, "is", 1) == 0


@built
def test_ties_are_in_the_order_of_the_tags(library, tmp_path):
    weights = {"coef": np.zeros((6, 5), np.float32), "intercept": np.array([0, -0.0, 2, 0, 2, -1], np.float32)}
    model = saved(tmp_path / "model.slim", classes=NAMES, kind=sv.TextTagger, **weights)
    c = InC(library, tmp_path / "model.slim")
    assert c.tag(b"is")[0] == [2, 4, 0, 1, 3]
    assert model.predict(["is"]) == [["größe", "sea", "no", "yes", "a"]]


@built
def test_a_fitted_tagger(library, tmp_path):
    pytest.importorskip("numba")
    texts = ["rain and wind", "wind at sea", "calm sea", "nothing new"] * 20
    for tags in ([["weather"], ["weather", "sea"], ["sea"], []], [[7], [-3, 7], [-3], []]):
        model = sv.TextTagger(4, 8, n_epochs=30).fit(texts, tags * 20)
        model.save(tmp_path / "model.slim")
        c = InC(library, tmp_path / "model.slim")
        assert c.is_tagger() == 1
        assert c.classes() == model.classes_.tolist()
        for text, expected in zip(texts[:4], tags, strict=True):
            assert compare(c, model, text, 0.5) == len(expected)
            assert {c.class_(tag) for tag in c.tag(text.encode())[0]} == set(expected)
        for text in ("", "nothing that is known", "WIND Sea"):
            compare(c, model, text, 0.3)
        c.close()


@built
def test_rows_in_the_place_of_texts(both):
    c, model = both
    rows = [c.find(word.encode()) for word in ("größe", "unknown", "is", "is")]
    for of_rows, text in ((rows, "größe is is"), ([], ""), ([-1], "")):
        which, scores = c.tag(of_rows, 0.1)
        assert np.array_equal(scores, model.logits([text])[0])
        assert [c.class_(tag) for tag in which] == model.predict([text], threshold=0.1)[0]
    assert c.tag([0, len(WORDS)]) is None
    assert "outside the table" in c.error()


@built
def test_what_is_refused(both, library, tmp_path):
    c, _ = both
    assert c.tag(b"gr\xf6\xdfe") is None
    assert "not UTF-8" in c.error()
    for threshold in (-1e-9, 1.1, np.nan, np.inf, -np.inf):
        assert c.tag(b"is", threshold) is None
        assert "expected a number between 0 and 1" in c.error()
    for text in (b"is", [0]):
        assert c.classify(text) is None
        assert "holds a text tagger: slimvec_tag gives the tags" in c.error()
    for value in (np.nan, np.inf):
        saved(tmp_path / "bad.slim", coef=np.full((3, 5), value, np.float32), kind=sv.TextTagger)
        bad = InC(library, tmp_path / "bad.slim")
        assert bad.tag(b"is") is None
        assert "NaN or infinite" in bad.error()


@built
@pytest.mark.parametrize("name", ["frozen", "numbers"])
@SEVERAL
@given(data=st.data())
def test_damaged_taggers(library, tmp_path_factory, name, data):
    """Both refuse the tagger of a file, or give the same scores and tags, or refuse to; neither classifies by it."""
    path = tmp_path_factory.getbasetemp() / "damaged_tagger.slim"
    sample = FROZEN.read_bytes()
    if name == "numbers":
        saved(path, classes=(4, -1, 2**40), kind=sv.TextTagger)
        sample = path.read_bytes()
    path.write_bytes(data.draw(damaged_tensors(sample)))
    model = in_python(sv.TextTagger.load, path)
    assert in_python(sv.TextClassifier.load, path) is None
    try:
        c = InC(library, path)
    except ValueError:
        assert model is None
        return
    assert c.is_tagger() == (-1 if model is None else 1), c.error()
    assert (c.classes() is None) == (model is None)
    if model is not None:
        assert [str(one).rstrip("\0") for one in c.classes()] == [str(one) for one in model.classes_]
        for text in ("rain and wind at sea, größe is", "", "nothing"):
            here, there = in_python(model.logits, [text]), c.tag(text.encode(), 0.2)
            assert (here is None) == (there is None), c.error()
            if here is not None:
                assert np.array_equal(here[0], there[1])
                names = model.classes_.tolist()
                assert model.predict([text], threshold=0.2) == [[names[tag] for tag in there[0]]]
    c.close()


@built
def test_the_frozen_file(library):
    answers = json.loads(FROZEN.with_suffix(".json").read_text())
    c = InC(library, FROZEN)
    for number, words in enumerate(answers["texts"]):
        for threshold in ("0.5", "0.01"):
            which, scores = c.tag([c.find(word.encode()) for word in words], float(threshold))
            assert [c.class_(tag) for tag in which] == answers[threshold][number]
            assert np.allclose(scores, answers["logits"][number], atol=1e-5)
