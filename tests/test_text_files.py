"""Classifiers that learn from files: as from memory, to the bit, in memory that does not grow with the file."""

from __future__ import annotations

import gzip
import tracemalloc

import numpy as np
import pytest

import slimvec as sv

pytest.importorskip("numba")
pytest.importorskip("scipy")
from slimvec.sparse.text.bags import Bags, learn_words
from slimvec.sparse.text.stored_bags import stored_bags
from slimvec.sparse.text.text_lines import read_lines

NOISE = [f"word{i}" for i in range(300)]
TOPICS = {"sea": ["ship", "Wave", "größe"], "kitchen": ["salt", "Σίγμα", "pan"], "sky": ["star", "x", "İstanbul"]}


def lines(n, seed=0):
    """Yield labels and texts."""
    generator = np.random.default_rng(seed)
    for label in generator.choice(list(TOPICS), n):
        words = [*generator.choice(TOPICS[str(label)], 3), *generator.choice(NOISE, int(generator.integers(0, 12)))]
        yield str(label), ", ".join(words)


def write(path, found, end="\n"):
    path.write_text("".join(f"__label__{label} {text}{end}" for label, text in found), encoding="utf-8", newline="")
    return path


@pytest.mark.parametrize("options", [{}, {"n_anchors": "auto", "l1": 1e-5}, {"min_count": 9, "anchors": "frequency"}])
def test_a_file_makes_the_model_that_its_texts_make(tmp_path, monkeypatch, options):
    monkeypatch.setattr("slimvec.vectors.window.WINDOW_BYTES", 1 << 10)  # many blocks
    monkeypatch.setattr("slimvec.vectors.window.FIRST_BYTES", 1 << 10)
    labels, texts = zip(*lines(250), strict=True)
    path = write(tmp_path / "texts.txt", zip(labels, texts, strict=True))
    assert sum(1 for _ in read_lines(path)) > 5
    options = {"n_anchors": 4, "embedding_dim": 6, "n_epochs": 2, **options}
    ours = sv.TextClassifier(**options).fit_file(path)
    theirs = sv.TextClassifier(**options).fit(texts, labels)
    assert list(ours.to_table()) == list(theirs.to_table())
    assert ours.classes_.tolist() == theirs.classes_.tolist() == sorted(TOPICS)
    for one, other in ((ours.coef_, theirs.coef_), (ours.intercept_, theirs.intercept_)):
        assert np.array_equal(one, other)
    assert np.array_equal(ours.to_table().anchors, theirs.to_table().anchors)
    assert np.array_equal(ours.logits(texts), theirs.logits(texts))
    assert ours.n_parameters_ == theirs.n_parameters_


def test_bags_of_a_file_are_those_of_its_texts(tmp_path, monkeypatch):
    monkeypatch.setattr("slimvec.vectors.window.FIRST_BYTES", 64)
    monkeypatch.setattr("slimvec.vectors.window.WINDOW_BYTES", 64)
    labels, texts = zip(*lines(60), strict=True)
    words, flat, sizes = learn_words(texts, 3)
    expected = Bags(flat, sizes, len(words))
    with stored_bags(write(tmp_path / "texts.txt", zip(labels, texts, strict=True)), 3) as found:
        assert found.words == words
        assert [str(found.classes[target]) for target in found.targets] == list(labels)
        for some in (np.arange(60), np.array([7, 7, 0]), np.array([], np.int64)):
            one, other = found.bags.take(some), expected.take(some)
            for name in ("offsets", "rows", "weights"):
                assert np.array_equal(getattr(one, name), getattr(other, name))
                assert getattr(one, name).dtype == getattr(other, name).dtype


def peak(call):
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_file(tmp_path, monkeypatch):
    """But by a few bytes a text, and less than by a twentieth of the file."""
    for name in ("FIRST_BYTES", "WINDOW_BYTES"):  # which both files are beyond
        monkeypatch.setattr(f"slimvec.vectors.window.{name}", 1 << 16)
    monkeypatch.setattr("slimvec.sparse.text.learnt.TEXTS_AT_ONCE", 100)
    model = sv.TextClassifier(2, 4, n_epochs=1)
    model.fit_file(write(tmp_path / "small.txt", lines(100)))  # compiles

    def predict(path):
        with path.open(encoding="utf-8") as file:
            model.predict(file)

    paths = []
    for n in (600, 2400):
        found = ((label, text + " word7" * 200) for label, text in lines(n))
        paths.append(write(tmp_path / f"{n}.txt", found))
    growth = paths[1].stat().st_size - paths[0].stat().st_size
    for call in (model.fit_file, predict):
        small, large = (peak(lambda path=path: call(path)) for path in paths)  # noqa: B023 - called at once
        assert large - small < 0.05 * growth


@pytest.mark.parametrize("kind", ["gz", "returns", "mark", "utf-16", "blank", "tabs"])
def test_files_of_other_kinds(tmp_path, kind):
    found = list(lines(40))
    path = write(tmp_path / "texts.txt", found)
    plain = path.read_bytes()
    changed = {
        "gz": lambda: gzip.compress(plain),
        "returns": lambda: plain.replace(b"\n", b"\r\n"),
        "mark": lambda: b"\xef\xbb\xbf" + plain,
        "utf-16": lambda: plain.decode().encode("utf-16"),
        "blank": lambda: b"\n  \n" + plain.replace(b"\n", b"\n\n") + b"\t\n",
        "tabs": lambda: plain.replace(b" ", b"\t \t", 1),
    }
    path.write_bytes(changed[kind]())
    texts = [text for block in read_lines(path) for text in block.texts]
    labels = [label for block in read_lines(path) for label in block.labels]
    assert list(zip(labels, (text.rstrip() for text in texts), strict=True)) == found


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"__label__a good\nfine\n", "line 2 begins with 'fine'; expected a label, such as __label__sports"),
        (b"\n\n__label__ good\n", "line 3 begins with '__label__'"),
        (b"__label__a __label__b good\n", "line 1 has two labels"),
        (b"__label__a good\n__label__b b\xffd", "line 2 is not UTF-8 at byte 13"),
        (b"__label__a good\n__label__a good", "1 labels; expected two or more"),
        (b"", "0 labels; expected two or more"),
    ],
)
def test_lines_that_are_refused(tmp_path, content, message):
    path = tmp_path / "texts.txt"
    path.write_bytes(content)
    with pytest.raises(sv.FormatError, match=f"texts.txt: {message}"):
        sv.TextClassifier().fit_file(path)


def test_refusals(tmp_path, monkeypatch):
    path = write(tmp_path / "texts.txt", lines(20))
    with pytest.raises(ValueError, match="l1=-1"):
        sv.TextClassifier(l1=-1).fit_file(path)
    with pytest.raises(FileNotFoundError):
        sv.TextClassifier().fit_file(tmp_path / "nothing.txt")
    with pytest.raises(ValueError, match="texts holds no word 99 times"):
        sv.TextClassifier(min_count=99).fit_file(path)
    monkeypatch.setattr("slimvec.sparse.text.text_lines.MOST_LINE_BYTES", 1 << 16)
    monkeypatch.setattr("slimvec.vectors.window.WINDOW_BYTES", 1 << 10)
    monkeypatch.setattr("slimvec.vectors.window.FIRST_BYTES", 1 << 10)
    path.write_bytes(b"__label__a good\n" * 5000 + b"__label__b " + b"x" * (1 << 17) + b"\n")
    with pytest.raises(sv.FormatError, match="line 5001 is longer than 65536 bytes; expected a text"):
        list(read_lines(path))


def test_a_file_of_labels_without_texts(tmp_path):
    path = tmp_path / "texts.txt"
    path.write_bytes(b"__label__a good\n__label__b\n__label__a good\n__label__b\n")
    model = sv.TextClassifier(1, 2).fit_file(path)
    assert model.predict(["good", ""]).tolist() == ["a", "b"]


def test_texts_are_asked_for_as_they_are_needed(monkeypatch):
    monkeypatch.setattr("slimvec.sparse.text.learnt.TEXTS_AT_ONCE", 8)
    monkeypatch.setattr("slimvec.sparse.text.learnt.MOST_KNOWN", 100)
    labels, texts = zip(*lines(50), strict=True)
    model = sv.TextClassifier(4, 6, n_epochs=2).fit(texts, labels)
    found = model.logits(iter(texts))
    assert np.array_equal(found, np.concatenate([model.logits([text]) for text in texts]))
    assert found.dtype == np.float32
    with pytest.raises(TypeError, match=r"texts\[17\] is int"):
        model.predict([*texts[:17], 3])
    with pytest.raises(TypeError, match="texts is str"):
        model.predict("a text")


def test_scores_that_are_not_finite_are_refused():
    labels, texts = zip(*lines(50), strict=True)
    model = sv.TextClassifier(4, 6, n_epochs=1).fit(texts, labels)
    for bad in (np.nan, np.inf):
        model.coef_[:] = bad
        with pytest.raises(ValueError, match="scores of classes are NaN or infinite"):
            model.predict(["ship " * 3, "salt star wave"])
