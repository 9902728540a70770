"""Sentences classified by the means of their words."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import slimvec as sv
from slimvec.evaluate import isotropy, sentence_classification
from slimvec.evaluate.sentences import sentence_vectors
from slimvec.evaluate.word_rows import WordRows

pytest.importorskip("sklearn")


@pytest.fixture
def words():
    return sv.Vectors(["good", "bad", "film"], [[3.0, 0.0], [-3.0, 0.0], [0.0, 6.0]])


def test_sentence_vectors_by_hand(words, monkeypatch):
    monkeypatch.setattr("slimvec.evaluate.sentences.SENTENCES_AT_ONCE", 2)
    sentences = [["good", "film", "indeed"], ["unknown"], [], ["Bad"], ["film", "film"]]
    zero, coverage = sentence_vectors(WordRows(words), sentences)
    assert zero.tolist() == [[1, 2], [0, 0], [0, 0], [-3, 0], [0, 6]]
    assert coverage == 5 / 7
    skip, _ = sentence_vectors(WordRows(words), sentences, "skip")
    assert skip.tolist() == [[1.5, 3], [0, 0], [0, 0], [-3, 0], [0, 6]]


def test_codes_give_the_means_that_their_table_gives(animals, table):
    sentences = [["cat1", "boat2", "boat3"], ["cat7"]]
    found, _ = sentence_vectors(WordRows(table), sentences)
    assert np.allclose(found, table.mean(sentences))


def test_what_can_be_told_is_told_and_what_cannot_is_not(words):
    generator = np.random.default_rng(0)
    texts = [" ".join(generator.choice(["film", "unknown"], 3)) for _ in range(120)]
    sets = {
        "told": [(str(i % 2), f"{text} {['bad', 'good'][i % 2]}") for i, text in enumerate(texts)],
        "chance": [(str(generator.integers(2)), text) for text in texts],
    }
    scores = sentence_classification(words, sets, folds=3, epochs=60)
    by_key = {(score.name, score.classifier): score for score in scores}
    assert by_key["told", "logistic"].accuracy == 1.0
    assert by_key["told", "mlp"].accuracy > 0.95
    assert by_key["chance", "logistic"].accuracy < 0.7
    assert by_key["told", "logistic"].sentences == 120
    assert 0.5 < by_key["told", "logistic"].coverage < 1
    assert scores == sentence_classification(words, sets, folds=3, epochs=60)


def test_three_labels(words):
    sets = {"x": [("a", "good"), ("b", "bad"), ("c", "film")] * 6}
    assert sentence_classification(words, sets, classifiers=["logistic"], folds=2)[0].accuracy == 1.0


def test_bad_input(words, monkeypatch):
    with pytest.raises(ValueError, match="classifiers holds 'svm'"):
        sentence_classification(words, {}, classifiers=["svm"])
    with pytest.raises(ValueError, match="unknown='mean'; expected 'zero' or 'skip'"):
        sentence_classification(words, {}, unknown="mean")
    with pytest.raises(ValueError, match="folds=1"):
        sentence_classification(words, {}, folds=1)
    with pytest.raises(ValueError, match="set 'small' holds 2 sentences; expected 5 or more, one a fold"):
        sentence_classification(words, {"small": [("1", "good"), ("0", "bad")]})
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    with pytest.raises(ImportError, match=r"slimvec\[evaluate\]"):
        sentence_classification(words, {"x": [("a", "good"), ("b", "bad")] * 9})


def test_isotropy_is_at_hand():
    assert isotropy is sv.isotropy
