"""Files of format version 1 that newer code must open, each with its answers: ``tests/data/v1/make_later.py``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import slimvec as sv

FROZEN = Path(__file__).parent / "data" / "v1"
ANSWERS = json.loads((FROZEN / "later.json").read_text())
WORDS = ("cat", "dog", "größe", "new york", "sea")


@pytest.mark.parametrize("preload", [False, True])
@pytest.mark.parametrize("name", ["slots", "packed", "layer"])
def test_tables(name, preload):
    table = sv.open(FROZEN / f"{name}.slim", verify=True, preload=preload)
    assert table.words == WORDS
    assert np.allclose(table.lookup(WORDS), ANSWERS[name]["rows"], atol=1e-6)
    nearest = [[WORDS.index(word) for word, _ in table.most_similar(key, 4)] for key in WORDS]
    assert nearest == ANSWERS[name]["nearest"]


def test_the_classifier():
    answers = ANSWERS["classifier"]
    model = sv.TextClassifier.load(FROZEN / "classifier.slim")
    assert np.allclose(model.predict_proba(answers["texts"]), answers["probabilities"], atol=1e-5)
    assert model.predict(answers["texts"]).tolist() == answers["classes"]
    assert set(sv.open(FROZEN / "classifier.slim", verify=True).words) == {"a", "good", "film", "fun", "what", "bad"}
