"""Taggers that learn from files, to the bit what they learn from memory, and files that hold them."""

from __future__ import annotations

import gzip
import subprocess
import sys

import numpy as np
import pytest

import slimvec as sv

pytest.importorskip("numba")
pytest.importorskip("scipy")
from test_text_tagger import OPTIONS, assert_same, corpus


@pytest.fixture(scope="module")
def fitted():
    return sv.TextTagger(**OPTIONS).fit(*corpus())


def write(path, texts, tags, end="\n"):
    lines = ["".join(f"__label__{tag} " for tag in one) + text + end for text, one in zip(texts, tags, strict=True)]
    path.write_text("".join(lines), encoding="utf-8", newline="")
    return path


@pytest.mark.parametrize("options", [{}, {"n_anchors": "auto"}, {"min_count": 9, "anchors": "frequency"}])
def test_a_file_makes_the_model_that_its_texts_make(tmp_path, monkeypatch, options):
    for name in ("WINDOW_BYTES", "FIRST_BYTES"):  # many blocks
        monkeypatch.setattr(f"slimvec.vectors.window.{name}", 1 << 10)
    texts, tags = corpus(200)
    options = {**OPTIONS, "n_epochs": 3, **options}
    theirs = sv.TextTagger(**options).fit(texts, tags)
    path = write(tmp_path / "texts.txt", texts, tags)
    assert_same(sv.TextTagger(**options).fit_file(path), theirs)
    changed = (
        path.read_bytes().replace(b"\n", b" \r\n\r\n \t\r\n").replace(b"__label__sea ", b"__label__sea\t __label__sea ")
    )
    (tmp_path / "texts.gz").write_bytes(gzip.compress(b"  " + changed))
    assert_same(sv.TextTagger(**options).fit_file(tmp_path / "texts.gz"), theirs)


def test_tags_without_words_and_words_without_tags(tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text("__label__a\n__label__a __label__größe\ngood film\ngood\n__label__a")
    model = sv.TextTagger(1, 2, n_epochs=1).fit_file(path)
    assert_same(
        model,
        sv.TextTagger(1, 2, n_epochs=1).fit(["", "", "good film", "good", ""], [["a"], ["größe", "a"], [], [], ["a"]]),
    )
    assert model.classes_.tolist() == ["a", "größe"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"__label__a good\n__label__ bad\n", "line 2 has '__label__' in its text; expected labels, such as __label__"),
        (b"\ngood __label__a\n", "line 2 has '__label__a' in its text"),
        (b"__label__a good\n__label__b b\xffd", "line 2 is not UTF-8 at byte 13"),
        (b"good\nfilm\ngood film\n", "0 labels; expected one or more"),
        (b"", "0 labels; expected one or more"),
    ],
)  # fmt: skip
def test_lines_that_are_refused(tmp_path, content, message):
    path = tmp_path / "texts.txt"
    path.write_bytes(content)
    with pytest.raises(sv.FormatError, match=f"texts.txt: {message}"):
        sv.TextTagger().fit_file(path)
    path.write_bytes(b"good a__label__a\n__label__b good\n")  # a word like others
    assert sv.TextTagger(1, 2, n_epochs=1).fit_file(path).classes_.tolist() == ["b"]


# ---- saved files


def test_files(fitted, tmp_path):
    path, texts = tmp_path / "model.slim", corpus(seed=2)[0]
    fitted.save(path)
    loaded = sv.TextTagger.load(path)
    assert_same(loaded, fitted)
    assert loaded.predict(texts) == fitted.predict(texts)
    assert loaded.get_params() == fitted.get_params()
    assert b'"format_version":"5"' in path.read_bytes()[:4096]
    assert np.array_equal(sv.open(path, verify=True).lookup(["ship"]), fitted.to_table().lookup(["ship"]))
    sv.open(path).save(tmp_path / "table.slim")  # a table as others, which older programs open
    assert b'"format_version":"1"' in (tmp_path / "table.slim").read_bytes()[:4096]
    numbers = sv.TextTagger(3, 4).fit(texts, [[i % 3, -7] for i in range(len(texts))])
    numbers.save(path)
    assert sv.TextTagger.load(path).predict(texts[:9], threshold=0.1) == numbers.predict(texts[:9], threshold=0.1)
    code = f"""
import sys
for module in ("scipy", "numba", "torch", "sklearn"): sys.modules[module] = None
import slimvec as sv
print(sv.TextTagger.load({str(path)!r}).predict(["ship"], threshold=0)[0])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(numbers.predict(["ship"], threshold=0)[0])


def test_files_of_the_other_kind_and_damaged_ones(fitted, tmp_path):
    path = tmp_path / "model.slim"
    fitted.to_table().save(path)
    with pytest.raises(sv.FormatError, match="holds no tagger; slimvec.open reads tables"):
        sv.TextTagger.load(path)
    sv.TextClassifier(2, 3, n_epochs=1).fit(["good bad"] * 4, ["a", "b"] * 2).save(path)
    with pytest.raises(sv.FormatError, match="holds a classifier; slimvec.TextClassifier.load reads it"):
        sv.TextTagger.load(path)
    fitted.save(path)
    with pytest.raises(sv.FormatError, match="holds a tagger; slimvec.TextTagger.load reads it"):
        sv.TextClassifier.load(path)
    content, n_tags = path.read_bytes(), b'\\"n_tags\\": 4'
    for old, new, message in (
        (b'"coef"', b'"coeg"', "tensor 'coef' is missing"),
        (n_tags, b'\\"n_tags\\": 3', "expected int64"),
        (n_tags, b'\\"n_tags\\":-4', "n_tags is -4; expected an integer of at least 1"),
        (n_tags, b'\\"n_tags\\":{}', "n_tags is {}; expected an integer"),
        (n_tags, b'\\"n_gats\\": 4', "holds no tagger"),
        (b'\\"dimension\\": 8', b'\\"n_classes\\": 8', "says n_classes and n_tags; expected one of them: damaged"),
    ):
        assert old in content
        path.write_bytes(content.replace(old, new))
        with pytest.raises(sv.FormatError, match=f"{path}.*{message}"):
            sv.TextTagger.load(path)
        with pytest.raises(sv.FormatError, match=str(path)):
            sv.TextClassifier.load(path)
