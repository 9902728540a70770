"""Files of older commits that newer code must open, with their answers: ``make_later.py``, ``v2`` to ``v5``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import slimvec as sv

FROZEN = Path(__file__).parent / "data" / "v1"
GRID = Path(__file__).parent / "data" / "v2" / "grid"
INDEX = Path(__file__).parent / "data" / "index1"
INDEX_2 = Path(__file__).parent / "data" / "index2"
INDEX_3 = Path(__file__).parent / "data" / "index3"  # the same in one file
LISTS = Path(__file__).parent / "data" / "v3" / "lists"
TWO_LISTS = Path(__file__).parent / "data" / "v4" / "two_lists"
TAGGER = Path(__file__).parent / "data" / "v5" / "tagger"
SIGNS = Path(__file__).parent / "data" / "v3" / "signs_in_lists"
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


def test_the_tagger():
    answers = json.loads(TAGGER.with_suffix(".json").read_text())
    model = sv.TextTagger.load(TAGGER.with_suffix(".slim"))
    assert np.allclose(model.logits(answers["texts"]), answers["logits"], atol=1e-5)
    assert np.allclose(model.predict_proba(answers["texts"]), answers["probabilities"], atol=1e-5)
    for threshold in ("0.5", "0.01"):
        assert model.predict(answers["texts"], threshold=float(threshold)) == answers[threshold]
    assert {"calm", "sea", "rain"} < set(sv.open(TAGGER.with_suffix(".slim"), verify=True).words)


def check_neighbours_and_codes(table, answers):
    """Check what a table answers to words and to vectors that are to be encoded; return these."""
    nearest = [[table.words.index(word) for word, _ in table.most_similar(key, 4)] for key in table.words]
    assert nearest == answers["nearest"]
    queries = np.float32(answers["queries"])
    assert table.encode(queries).tolist() == answers["codes"]
    return queries


@pytest.mark.parametrize("preload", [False, True])
def test_codes_of_several_bits(preload, isa):
    answers = json.loads(GRID.with_suffix(".json").read_text())
    table = sv.open(GRID.with_suffix(".slim"), verify=True, preload=preload)
    assert table.words[:5] == WORDS
    assert table.lookup(range(20)).tolist() == answers["rows"]
    assert np.allclose(table.lookup(range(20), original=True), answers["originals"], atol=1e-5)
    queries = check_neighbours_and_codes(table, answers)
    for metric in ("cosine", "dot"):
        found = table.search(queries, k=4, metric=metric)
        assert found.indices.tolist() == answers[metric]["rows"]
        assert np.allclose(found.scores, answers[metric]["scores"], rtol=1e-4)


@pytest.mark.parametrize("preload", [False, True])
@pytest.mark.parametrize("made", [LISTS, TWO_LISTS], ids=["one list", "two lists"])
def test_refined_codes_in_lists(made, preload, isa):
    answers = json.loads(made.with_suffix(".json").read_text())
    table = sv.open(made.with_suffix(".slim"), verify=True, preload=preload)
    assert table.words[:5] == WORDS
    assert np.allclose(table.lookup(range(40)), answers["rows"], atol=1e-5)
    assert np.allclose(table.lookup(range(40), original=True), answers["originals"], atol=1e-5)
    queries = check_neighbours_and_codes(table, answers)
    for name, how in (("1", {"probes": 1}), ("4", {}), ("recall", {"recall": 0.5})):
        found = table.search(queries, k=4, **how)
        assert found.indices.tolist() == answers[name]["rows"]
        assert np.allclose(found.scores, answers[name]["scores"], rtol=1e-4)


@pytest.mark.parametrize("preload", [False, True])
def test_codes_of_signs_in_lists(preload, isa):
    answers = json.loads(SIGNS.with_suffix(".json").read_text())
    table = sv.open(SIGNS.with_suffix(".slim"), verify=True, preload=preload)
    assert table.words[:5] == WORDS
    assert table.lookup(range(40)).tolist() == answers["rows"]
    assert np.allclose(table.lookup(range(40), original=True), answers["originals"], atol=1e-5)
    queries = check_neighbours_and_codes(table, answers)
    for metric in ("cosine", "dot", "l2"):
        for name, how in (("2", {"probes": 2}), ("all", {}), ("recall", {"recall": 0.4})):
            found = table.search(queries, k=4, metric=metric, **how)
            assert found.indices.tolist() == answers[f"{metric} {name}"]["rows"]
            assert np.allclose(found.scores, answers[f"{metric} {name}"]["scores"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("preload", [False, True])
@pytest.mark.parametrize("kind", ["integers", "texts"])
def test_folders_of_indexes(preload, kind, isa):
    answers = json.loads((INDEX / f"{kind}.json").read_text())
    index = sv.open(INDEX / kind, verify=True, preload=preload)
    assert index.ids.tolist() == answers["ids"]
    assert np.allclose(index.vectors(index.ids), answers["vectors"], atol=1e-5)
    hits = index.search(np.float32(answers["queries"]), k=4)
    assert hits.ids == answers["found"]
    assert np.allclose(np.stack(hits.scores), answers["scores"], rtol=1e-4)
    assert len(index) == 35
    assert index.info()["segments"] == 2


@pytest.mark.parametrize("preload", [False, True])
@pytest.mark.parametrize("place", [INDEX_2 / "columns", INDEX_3 / "columns.slim"])
def test_indexes_with_columns(place, preload):
    answers = json.loads((INDEX_2 / "columns.json").read_text())
    index = sv.open(place, verify=True, preload=preload)
    assert index.columns(answers["ids"]) == answers["columns"]
    where = 'year > 2000 AND "a ""kind""" = ? OR sold'
    assert index.search(np.float32(answers["queries"]), 4, where, parameters=["ä"]).ids == answers["found"]
