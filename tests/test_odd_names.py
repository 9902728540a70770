"""Writing under names of compressed files, and words that other programs, or slimvec, could not read again."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

import slimvec as sv
from slimvec.cli import main

WORDS = ["cat", ". . .", "at 5", "größe"]
MATRIX = np.random.default_rng(0).standard_normal((4, 5)).astype(np.float32)


@pytest.fixture
def saved(tmp_path):
    """A table whose words hold blanks."""
    sv.BinaryTable(sv.pack(MATRIX), 5, words=WORDS).save(tmp_path / "t.slim")
    return tmp_path / "t.slim"


class TestCompressedNames:
    @pytest.mark.parametrize("name", ["v.txt.gz", "v.GZ", "v.bin.gz"])
    def test_gzip(self, tmp_path, name):
        sv.write_vectors(tmp_path / name, ["a", "b"], MATRIX[:2])
        raw = gzip.decompress((tmp_path / name).read_bytes())
        sv.write_vectors(tmp_path / name.lower().replace(".gz", ""), ["a", "b"], MATRIX[:2])
        assert (tmp_path / name.lower().replace(".gz", "")).read_bytes() == raw
        first = (tmp_path / name).read_bytes()
        sv.write_vectors(tmp_path / name, ["a", "b"], MATRIX[:2])
        assert (tmp_path / name).read_bytes() == first  # no time, no name in it

    @pytest.mark.parametrize("name", ["v.txt.zst", "v.bin.zst"])
    def test_zstandard(self, tmp_path, name):
        pytest.importorskip("zstandard")
        matrix = np.random.default_rng(0).standard_normal((9000, 5)).astype(np.float32)
        sv.write_vectors(tmp_path / name, map(str, range(9000)), matrix)
        assert (tmp_path / name).read_bytes()[:4] == b"\x28\xb5\x2f\xfd"
        assert np.array_equal(sv.read_vectors(tmp_path / name).matrix, matrix)

    def test_gensim_reads_it(self, tmp_path):
        models = pytest.importorskip("gensim.models")
        for name, binary in (("v.txt.gz", False), ("v.bin.gz", True)):
            sv.write_vectors(tmp_path / name, ["a", "b"], MATRIX[:2])
            read = models.KeyedVectors.load_word2vec_format(tmp_path / name, binary=binary)
            assert np.array_equal(read.vectors, MATRIX[:2])

    @pytest.mark.parametrize(
        ("name", "remedy"),
        [("v.npy.gz", "leave out .gz"), ("v.npy.zst", "leave out .zst"), ("v.txt.bz2", "expected .gz, .zst, or none"),
         ("v.zip", "expected .gz, .zst, or none"), ("v.XZ", "expected .gz, .zst, or none")],
    )  # fmt: skip
    def test_others_are_refused(self, tmp_path, name, remedy):
        with pytest.raises(ValueError, match=f"{name} is the name of a compressed file, .*{remedy}"):
            sv.write_vectors(tmp_path / name, ["a", "b"], MATRIX[:2])
        with pytest.raises(ValueError, match="is the name of a compressed file"):
            sv.write_vectors(tmp_path / name, ["a", "b"], MATRIX[:2], format="npy")
        assert list(tmp_path.iterdir()) == []

    def test_tables_are_not_compressed(self, tmp_path, saved, capsys):
        rows = np.random.default_rng(0).standard_normal((40, 6))
        message = "t.gz is the name of a compressed file; tables are mapped: leave out .gz"
        for make in (
            lambda out: sv.open(saved).save(out),
            lambda out: sv.IIQ(n_remove=0).compress(rows, output=out),
            lambda out: sv.baselines.LowRank(2).compress(rows, output=out),
        ):
            with pytest.raises(ValueError, match=message):
                make(tmp_path / "t.gz")
        np.save(tmp_path / "v.npy", rows)
        assert main(["compress", str(tmp_path / "v.npy"), "-o", str(tmp_path / "t.gz")]) == 2
        assert message in capsys.readouterr().err
        assert not (tmp_path / "t.gz").exists()

    def test_export(self, saved, tmp_path):
        assert main(["export", str(saved), "-o", str(tmp_path / "v.bin.gz"), "--blanks", "_"]) == 0
        read = sv.read_vectors(tmp_path / "v.bin.gz")
        assert list(read) == ["cat", "._._.", "at_5", "größe"]
        assert gzip.decompress((tmp_path / "v.bin.gz").read_bytes()).startswith(b"4 5\ncat ")


class TestBlanks:
    @pytest.mark.parametrize("name", ["v.txt", "v.bin", "v.npy"])
    def test_they_are_rewritten(self, tmp_path, name, recwarn):
        words = ["new york", "", " x", "a\nb", "cat", "\u00a0"]
        matrix = np.random.default_rng(0).standard_normal((6, 3)).astype(np.float32)
        sv.write_vectors(tmp_path / name, words, matrix, blanks="_")
        read = sv.read_vectors(tmp_path / name)
        assert list(read) == ["new_york", "_", "_x", "a_b", "cat", "\u00a0"]
        assert np.array_equal(read.matrix, matrix)
        assert not recwarn

    @pytest.mark.parametrize("words", [["a b", "a_b"], ["a_b", "a b"], ["a b", "a\tb"], ["", " "]])
    def test_words_stay_apart(self, tmp_path, words):
        with pytest.raises(ValueError, match="choose another blanks='_'"):
            sv.write_vectors(tmp_path / "v.bin", words, MATRIX[:2], blanks="_")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("blanks", ["", " ", "a b", "\n"])
    def test_blanks_for_blanks(self, tmp_path, blanks):
        with pytest.raises(ValueError, match="blanks=.*expected what to write"):
            sv.write_vectors(tmp_path / "v.bin", WORDS, MATRIX, blanks=blanks)

    def test_binary_names_the_remedy(self, saved, tmp_path, capsys):
        with pytest.raises(ValueError, match=r"words holds '\. \. \.'.*; blanks='_'"):
            sv.write_vectors(tmp_path / "v.bin", WORDS, MATRIX)
        assert main(["export", str(saved), "-o", str(tmp_path / "v.bin")]) == 2
        assert "--blanks _" in capsys.readouterr().err
        assert not (tmp_path / "v.bin").exists()

    def test_text_is_written_with_a_warning(self, saved, tmp_path, capsys):
        with pytest.warns(UserWarning, match=r"v\.txt: 2 words hold blanks, such as '\. \. \.': .*; blanks='_'"):
            sv.write_vectors(tmp_path / "v.txt", WORDS, MATRIX)
        assert list(sv.read_vectors(tmp_path / "v.txt")) == WORDS
        assert main(["export", str(saved), "-o", str(tmp_path / "w.txt")]) == 0
        assert "slimvec: warning: " in capsys.readouterr().err

    @pytest.mark.parametrize("name", ["v.txt", "v.bin"])
    def test_gensim_reads_what_is_rewritten(self, saved, tmp_path, name):
        models = pytest.importorskip("gensim.models")
        assert main(["export", str(saved), "-o", str(tmp_path / name), "--blanks", "_"]) == 0
        read = models.KeyedVectors.load_word2vec_format(tmp_path / name, binary=name == "v.bin")
        assert read.index_to_key == ["cat", "._._.", "at_5", "größe"]

    @pytest.mark.filterwarnings("ignore:.*words hold blanks")
    def test_text_of_gensim_is_read(self, tmp_path):
        models = pytest.importorskip("gensim.models")
        made = models.KeyedVectors(5)
        made.add_vectors(WORDS, MATRIX)
        made.save_word2vec_format(tmp_path / "v.txt")
        assert sorted(sv.read_vectors(tmp_path / "v.txt")) == sorted(WORDS)


class TestWhatIsWrittenIsRead:
    """Words that make a line look like another one are refused as text, or come back."""

    @pytest.mark.parametrize("dim", [1, 2, 3, 20])
    @pytest.mark.parametrize(
        "form", ["item {}", "lat {}.5", "a b c d e {}", "{} {}", "x {}.0 {}.0 {}.0", "x 1 2 3 4 5 {}", "{}", "{}.25"]
    )
    @pytest.mark.parametrize("n", [2, 12])
    @pytest.mark.filterwarnings("ignore:.*words hold blanks")
    def test_names_with_numbers(self, tmp_path, form, dim, n):
        words = [form.format(*[i] * 3) for i in range(n)]
        matrix = np.random.default_rng(0).standard_normal((n, dim)).astype(np.float32)
        refusal = None
        try:
            sv.write_vectors(tmp_path / "v", words, matrix)
        except ValueError as error:
            refusal = str(error)
        if refusal is not None:
            assert "blanks='_'" in refusal
            assert form in {"lat {}.5", "x {}.0 {}.0 {}.0", "x 1 2 3 4 5 {}"}
            assert list(tmp_path.iterdir()) == []
            sv.write_vectors(tmp_path / "v", words, matrix, blanks="_")
            words = [word.replace(" ", "_") for word in words]
        read = sv.read_vectors(tmp_path / "v")
        assert list(read) == words
        assert np.array_equal(read.matrix, matrix)
