"""``write_vectors`` and ``slimvec export``: what is written is read again, bit by bit, here and by others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import slimvec as sv
from slimvec.cli import main

WORDS = ["cat", "größe", "at 5", "☃", "\u00a0x"]
NAMES = ["v.txt", "v.bin", "v.npy"]
BLANKS_ARE_TOLD = "ignore:.* words hold blanks, such as:UserWarning"


def floats(n, d):
    bits = np.random.default_rng(0).integers(0, 1 << 32, (n, d), np.uint32).view(np.float32)
    return np.where(np.isfinite(bits), bits, np.float32(-0.0))  # every kind of number, tiny ones too


@pytest.mark.filterwarnings(BLANKS_ARE_TOLD)
@pytest.mark.parametrize("name", [*NAMES, "v.txt.gz", "v.bin.gz", "v.gz"])
@pytest.mark.parametrize("n", [1, 5, 5000])
def test_it_is_read_again(tmp_path, name, n):
    words = WORDS[:n] if n <= 5 else [f"w{i}" for i in range(n)]
    if "bin" in name:
        words = [word.replace(" ", "_") for word in words]
    matrix = floats(n, 7)
    sv.write_vectors(tmp_path / name, words, matrix)
    read = sv.read_vectors(tmp_path / name)
    assert list(read) == words
    assert np.array_equal(read.matrix.view(np.uint32), matrix.view(np.uint32))


@pytest.mark.filterwarnings(BLANKS_ARE_TOLD)
@settings(max_examples=100, deadline=None)
@given(
    words=st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=5, unique=True), name=st.sampled_from(NAMES)
)
def test_any_words_come_back_or_are_refused(tmp_path_factory, words, name):
    path = tmp_path_factory.mktemp("w") / name
    matrix = np.arange(3.0 * len(words)).reshape(-1, 3) - 2
    try:
        sv.write_vectors(path, words, matrix)
    except ValueError:
        assert list(path.parent.iterdir()) == []
        return
    read = sv.read_vectors(path)
    assert list(read) == words
    assert np.array_equal(read.matrix, matrix)


def test_gensim_reads_it(tmp_path):
    models = pytest.importorskip("gensim.models")
    matrix = floats(4, 7)
    matrix[abs(matrix) < 1e-30] = 0  # gensim reads tiny numbers as it pleases
    for name, binary in (("v.txt", False), ("v.bin", True)):
        sv.write_vectors(tmp_path / name, [*WORDS[:2], "a", "b"], matrix)
        read = models.KeyedVectors.load_word2vec_format(tmp_path / name, binary=binary)
        assert read.index_to_key == [*WORDS[:2], "a", "b"]
        assert np.array_equal(read.vectors, matrix)


def test_formats_by_name_and_by_word(tmp_path):
    sv.write_vectors(tmp_path / "a", ["x"], [[1, 2]])
    assert (tmp_path / "a").read_bytes() == b"1 2\nx 1 2\n"
    sv.write_vectors(tmp_path / "b.txt", ["x"], np.float16([[1, 0.1]]), format="word2vec-binary")
    assert (tmp_path / "b.txt").read_bytes() == b"1 2\nx " + np.float32([1, np.float16(0.1)]).tobytes() + b"\n"
    sv.write_vectors(tmp_path / "c.npy", None, [[1, 2]])
    assert np.array_equal(np.load(tmp_path / "c.npy"), np.float32([[1, 2]]))
    assert not (tmp_path / "words.txt").exists()


def test_progress_is_told(tmp_path):
    told = []
    sv.write_vectors(tmp_path / "a", map(str, range(5000)), np.ones((5000, 2)), progress=lambda *a: told.append(a))
    assert told == [("writing vectors", 4096, 5000), ("writing vectors", 5000, 5000)]


@pytest.mark.parametrize(
    ("words", "matrix", "options", "message"),
    [
        (["a"], [[1.0], [2.0]], {}, "words has 1 words; expected 2"),
        (["a", "a"], [[1.0], [2.0]], {}, "twice"),
        (["a"], [[np.nan]], {}, "NaN or infinity in row 0"),
        (["a"], [[1e39]], {}, "too large for float32"),
        ([""], [[1.0]], {}, "''"),
        (["a\nb"], [[1.0]], {"format": "npy"}, "a.nb.*blanks='_'"),
        (["a "], [[1.0]], {}, "'a '"),
        (["a", "b\t0.1\t0.2"], [[1.0, 2.0]] * 2, {}, "b.t0.1.t0.2"),
        (["a b"], [[1.0]], {"format": "word2vec-binary"}, "'a b'"),
        (None, [[1.0]], {}, "there are no words, which word2vec needs"),
        (["a"], [[1.0]], {"format": "parquet"}, "format='parquet'; expected one of word2vec, word2vec-binary, npy"),
        (["a"], np.ones((1, 0)), {}, "at least one column"),
    ],
)
def test_refused(tmp_path, words, matrix, options, message):
    with pytest.raises(ValueError, match=message):
        sv.write_vectors(tmp_path / "v", words, matrix, **options)
    assert list(tmp_path.iterdir()) == []


def test_whatever_stops_it_older_files_stay(tmp_path):
    for name in NAMES:
        sv.write_vectors(tmp_path / name, ["a"], [[1.0]])
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def stop(*_):
        raise KeyboardInterrupt

    for name in NAMES:
        with pytest.raises(KeyboardInterrupt):
            sv.write_vectors(tmp_path / name, ["b"], [[2.0]], progress=stop)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_an_array_has_not_the_name_of_its_words(tmp_path):
    with pytest.raises(ValueError, match="words.txt is where the words would be; expected another name"):
        sv.write_vectors(tmp_path / "words.txt", ["a"], [[1.0]], format="npy")
    sv.write_vectors(tmp_path / "words.txt", None, [[1.0]], format="npy")
    assert np.load(tmp_path / "words.txt").tolist() == [[1.0]]


def test_words_of_another_array_stay(tmp_path):
    sv.write_vectors(tmp_path / "a.npy", ["a"], [[1.0]])
    sv.write_vectors(tmp_path / "a.npy", ["b"], [[2.0]])
    with pytest.raises(FileExistsError, match="words.txt exists and belongs to another file"):
        sv.write_vectors(tmp_path / "b.npy", ["c"], [[3.0]])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npy", "words.txt"]
    assert list(sv.read_vectors(tmp_path / "a.npy")) == ["b"]


class TestExport:
    def export(self, *arguments):
        return main(["export", *map(str, arguments)])

    def test_codes(self, table, tmp_path, capsys):
        table.save(tmp_path / "t")
        assert self.export(tmp_path / "t", "-o", tmp_path / "v.bin") == 0
        assert capsys.readouterr().out == f"{tmp_path / 'v.bin'}: 40 x 75\n"
        read = sv.read_vectors(tmp_path / "v.bin")
        assert read.words == table.words
        assert np.array_equal(read.matrix, table.lookup(range(40)))

    def test_originals(self, animals, tmp_path):
        table = sv.IIQ(n_bits=75, n_remove=0).compress(animals, factors=True)
        table.save(tmp_path / "t")
        assert self.export(tmp_path / "t", "-o", tmp_path / "v.txt", "--original") == 0
        assert np.array_equal(sv.read_vectors(tmp_path / "v.txt").matrix, table.lookup(range(40), original=True))

    def test_a_table_without_words(self, tmp_path, capsys):
        sv.BinaryTable(np.uint8([[1], [2]]), 2).save(tmp_path / "t")
        assert self.export(tmp_path / "t", "-o", tmp_path / "v.npy") == 0
        assert np.array_equal(np.load(tmp_path / "v.npy"), [[1, -1], [-1, 1]])
        assert self.export(tmp_path / "t", "-o", tmp_path / "v.txt") == 2
        assert "there are no words, which word2vec needs; write an .npy file" in capsys.readouterr().err

    def test_anchors(self, tmp_path):
        path = Path(__file__).parent / "data" / "v1" / "sparse-float32.slim"
        table = sv.open(path)
        assert self.export(path, "-o", tmp_path / "v.txt") == 0
        assert np.array_equal(sv.read_vectors(tmp_path / "v.txt").matrix, table.lookup(range(5)))
        assert self.export(path, "-o", tmp_path / "w.txt", "--original") == 0  # its rows are vectors like the originals
        assert (tmp_path / "w.txt").read_bytes() == (tmp_path / "v.txt").read_bytes()

    def test_refused(self, table, tmp_path, capsys):
        table.save(tmp_path / "t")
        assert self.export(tmp_path / "t", "-o", tmp_path / "t") == 2
        assert "is the table itself" in capsys.readouterr().err
        assert self.export(tmp_path / "t", "-o", tmp_path / "v", "--original") == 2
        sv.HammingIndex(np.uint8([[1]])).save(tmp_path / "h")
        assert self.export(tmp_path / "h", "-o", tmp_path / "v") == 2
        assert sorted(path.name for path in tmp_path.iterdir()) == ["h", "t"]
