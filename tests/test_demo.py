"""The demo on the whole standard library: the vectors are real, and so are the neighbours."""

from __future__ import annotations

import contextlib
import io
import sys

import numpy as np
import pytest

import slimvec as sv
from slimvec.cli import demo, main

pytest.importorskip("scipy")


@pytest.fixture(scope="module")
def output(tmp_path_factory, _words_once):
    """What the command prints, in this process: pages that embed the same words share them (conftest.py)."""
    path = tmp_path_factory.mktemp("demo") / "demo.slim"
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        code = main(["demo", "-o", str(path)])
    assert (code, err.getvalue()) == (0, "")
    return path, out.getvalue()


@pytest.mark.xdist_group("words of the library")
def test_it_shows_the_main_job(output):
    path, text = output
    for shown in ("words of Python's standard library", "compressed to", "opened in", "nearest by 300 bits", "us ("):
        assert shown in text
    table = sv.open(path, verify=True)
    assert len(table) > 3000
    assert table.compression_ratio == 32


@pytest.mark.xdist_group("words of the library")
def test_neighbours_make_sense(output):
    table = sv.open(output[0])
    assert {word for word, _ in table.most_similar("month", k=5)} & {"year", "day", "weekday", "days"}
    assert {word for word, _ in table.most_similar("error", k=10)} & {"raise", "except", "invalid", "exception"}
    assert {word for word, _ in table.most_similar("red", k=5)} & {"blue", "green", "yellow"}


def test_anchors_instead_of_bits(monkeypatch, capsys):
    """The same steps over small vectors: embedding the library again would take longer than all other tests here."""
    pytest.importorskip("numba")
    words = [*demo.SHOWN, *(f"w{i}" for i in range(594))]
    matrix = np.random.default_rng(0).standard_normal((600, 20), dtype=np.float32)
    monkeypatch.setattr(demo, "embed", lambda *_: sv.Vectors(words, matrix))
    monkeypatch.setattr(demo, "library_words", lambda: [["a"]])
    demo.run(method="ant")
    shown = capsys.readouterr().out
    for part in ("600 rows of 20 floats from 500 anchors", "nearest by 10 of 500 anchors", "transform", "us ("):
        assert part in shown


def test_identifiers_are_split():
    words = [word.lower() for word in demo._WORD.findall("readLine snake_case MAX_SIZE parseHTTP x2y")]
    assert words == ["read", "line", "snake", "case", "max", "size", "parse", "http", "x", "y"]


def test_ppmi_is_positive_where_words_meet_more_than_by_chance():
    scipy_sparse = pytest.importorskip("scipy.sparse")
    pairs = scipy_sparse.csr_array(np.array([[0, 9, 1], [9, 0, 1], [1, 1, 0]], np.float32))
    information = demo._ppmi(pairs).toarray()
    assert information[0, 1] > information[0, 2] >= 0


def test_pairs_are_weighted_by_distance_and_do_not_cross_texts():
    counted = demo._count_pairs([["a", "b", "a"], ["b"]], ["a", "b"], lambda *_: None).toarray()
    assert counted == pytest.approx(np.array([[1.0, 2.0], [2.0, 0.0]]))


def test_too_little_text():
    with pytest.raises(ValueError, match="only 0 frequent words found"):
        demo.embed([["a", "few", "words"]])


def test_without_scipy_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.sparse", None)
    with pytest.raises(ImportError, match=r"needs SciPy, which is not installed; .*pip install 'slimvec\[train\]'"):
        demo.embed([["a"]])
