"""Reading embedding files of every format, and everything that can be wrong with them."""

from __future__ import annotations

import gzip
import os
import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import slimvec as sv

WORDS = ["the", "größe", "new york", ". . .", "at 5", "\u00a0", "it's"]
MATRIX = np.random.default_rng(0).standard_normal((7, 5)).astype(np.float32)


def lines(words, matrix):
    return [f"{word} {' '.join(repr(float(x)) for x in row)}" for word, row in zip(words, matrix, strict=True)]


def write(path, text, ending="\n", last="\n"):
    path.write_bytes((ending.join(text) + last).encode())
    return path


@pytest.fixture
def glove(tmp_path):
    return write(tmp_path / "glove.txt", lines(WORDS, MATRIX))


def word2vec_binary(words, matrix, newline=b"\n"):
    header = f"{len(words)} {matrix.shape[1]}\n".encode()
    records = (w.encode() + b" " + row.astype("<f4").tobytes() + newline for w, row in zip(words, matrix, strict=True))
    return header + b"".join(records)


def check(vectors, words=WORDS, matrix=MATRIX):
    assert vectors.words == tuple(words)
    assert vectors.matrix.dtype == np.float32
    assert np.array_equal(vectors.matrix, matrix)


class TestFormats:
    def test_glove(self, glove):
        check(sv.read_vectors(glove))
        check(sv.read_vectors(str(glove), format="glove"))

    @pytest.mark.parametrize("separator", [" ", "\t"])
    def test_word2vec_text_and_fasttext(self, tmp_path, separator):
        text = ["7 5", *(f"{separator.join(line.rsplit(' ', 5))}{separator}" for line in lines(WORDS, MATRIX))]
        path = write(tmp_path / "w.vec", text)  # fastText ends lines with a blank
        check(sv.read_vectors(path))
        check(sv.read_vectors(path, format="fasttext"))
        check(sv.read_vectors(path, format="word2vec"))

    @pytest.mark.parametrize("newline", [b"\n", b""])
    def test_word2vec_binary(self, tmp_path, newline):
        words = [word.replace(" ", "_") for word in WORDS]
        (tmp_path / "w.bin").write_bytes(word2vec_binary(words, MATRIX, newline))
        check(sv.read_vectors(tmp_path / "w.bin"), words)
        check(sv.read_vectors(tmp_path / "w.bin", limit=3), words[:3], MATRIX[:3])

    def test_binary_whose_first_bytes_could_be_text(self, tmp_path):
        matrix = np.frombuffer(b"cafe" * 10, "<f4").reshape(2, 5).copy()
        (tmp_path / "w.bin").write_bytes(word2vec_binary(["a", "b"], matrix))
        check(sv.read_vectors(tmp_path / "w.bin"), ["a", "b"], matrix)

    def test_compressed(self, tmp_path, glove):
        path = tmp_path / "w.gz"
        path.write_bytes(gzip.compress(glove.read_bytes()))
        check(sv.read_vectors(path))
        path.write_bytes(gzip.compress(word2vec_binary(["a", "b"], MATRIX[:2])))
        check(sv.read_vectors(path), ["a", "b"], MATRIX[:2])

    @pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
    def test_npy_folder_file_and_pair(self, tmp_path, dtype):
        np.save(tmp_path / "vectors.npy", MATRIX.astype(dtype))
        write(tmp_path / "words.txt", WORDS)
        for source in (tmp_path, tmp_path / "vectors.npy", (tmp_path / "vectors.npy", tmp_path / "words.txt")):
            vectors = sv.read_vectors(source)
            assert vectors.words == tuple(WORDS)
            assert isinstance(vectors.matrix.base, np.memmap)
            assert vectors.matrix.dtype == dtype
            assert vectors["the"].dtype == np.float32
            assert np.array_equal(vectors.matrix, MATRIX.astype(dtype))
        assert sv.read_vectors(tmp_path, limit=2).words == tuple(WORDS[:2])

    @pytest.mark.parametrize("ending", ["\n", "\r\n"])
    @pytest.mark.parametrize("last", ["", "\n", "\n\n\n"])
    @pytest.mark.parametrize("header", [True, False])
    def test_line_ends(self, tmp_path, ending, last, header):
        text = (["7 5"] if header else []) + lines(WORDS, MATRIX)
        check(sv.read_vectors(write(tmp_path / "w.txt", text, ending, last)))

    def test_pipes(self, glove, tmp_path):
        for content in (glove.read_bytes(), gzip.compress(glove.read_bytes())):
            path = tmp_path / f"pipe{len(content)}"
            os.mkfifo(path)
            writer = threading.Thread(target=path.write_bytes, args=(content,))
            writer.start()
            check(sv.read_vectors(path))
            writer.join()

    @pytest.mark.parametrize("header", [True, False])
    def test_one_line_and_many_blank_ones(self, tmp_path, header):
        text = (["1 5"] if header else []) + lines(["a"], MATRIX[:1])
        check(sv.read_vectors(write(tmp_path / "w.txt", text, last="\n" * 30)), ["a"], MATRIX[:1])

    def test_byte_order_mark_of_a_word_list(self, tmp_path):
        np.save(tmp_path / "vectors.npy", MATRIX[:2])
        write(tmp_path / "words.txt", ["\ufeffa", "b"])
        assert sv.read_vectors(tmp_path).words == ("a", "b")

    def test_byte_order_mark(self, tmp_path):
        check(sv.read_vectors(write(tmp_path / "w.txt", ["\ufeff7 5", *lines(WORDS, MATRIX)])))
        check(sv.read_vectors(write(tmp_path / "w.txt", ["\ufeff" + lines(WORDS, MATRIX)[0]])), WORDS[:1], MATRIX[:1])

    def test_notations_of_numbers(self, tmp_path):
        path = write(tmp_path / "w.txt", ["a 1 -2 +3 .5 1e-3", "b 1E2 0 -0 7. 1e-60"])
        check(sv.read_vectors(path), ["a", "b"], np.array([[1, -2, 3, 0.5, 1e-3], [100, 0, 0, 7, 0]], np.float32))

    def test_numeric_words(self, tmp_path):
        path = write(tmp_path / "w.txt", lines(["1", "2.5", "-3", "nan", "inf"], MATRIX[:5]))
        check(sv.read_vectors(path), ["1", "2.5", "-3", "nan", "inf"], MATRIX[:5])

    def test_long_rows(self, tmp_path):
        wide = np.random.default_rng(0).standard_normal((2, 4000)).astype(np.float32)
        check(sv.read_vectors(write(tmp_path / "w.txt", ["2 4000", *lines(["a", "b"], wide)])), ["a", "b"], wide)

    @settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n\r\t \x0b\x0c\0"), min_size=1),
                    min_size=1, max_size=20, unique=True), st.booleans())  # fmt: skip
    def test_any_words_come_back(self, tmp_path, words, header):
        words = [f"w{word}" for word in words]
        matrix = np.random.default_rng(0).standard_normal((len(words), 3)).astype(np.float32)
        path = write(tmp_path / "w.txt", ([f"{len(words)} 3"] if header else []) + lines(words, matrix))
        check(sv.read_vectors(path), words, matrix)


class TestLimitAndProgress:
    @pytest.mark.parametrize("limit", [1, 6, 7, 100])
    @pytest.mark.parametrize("header", [True, False])
    def test_limit(self, tmp_path, limit, header):
        path = write(tmp_path / "w.txt", (["7 5"] if header else []) + lines(WORDS, MATRIX))
        check(sv.read_vectors(path, limit=limit), WORDS[:limit], MATRIX[:limit])

    @pytest.mark.parametrize("compressed", [True, False])
    def test_progress_reaches_the_end(self, tmp_path, compressed):
        data = ("a" + " 1.5" * 50 + "\n").encode()
        data = b"".join(b"%d" % i + data for i in range(5000))
        path = tmp_path / "w"
        path.write_bytes(gzip.compress(data) if compressed else data)
        calls = []
        sv.read_vectors(path, progress=lambda *call: calls.append(call))
        done = [d for _, d, _ in calls]
        assert len(done) >= 5
        assert done == sorted(done)
        assert calls[-1] == ("reading vectors", path.stat().st_size, path.stat().st_size)


class TestDuplicates:
    def test_the_first_is_kept(self, tmp_path):
        path = write(tmp_path / "w.txt", lines(["a", "b", "a", "a", "c"], MATRIX[:5]))
        with pytest.warns(UserWarning, match=r"w\.txt: 2 words appear again, such as 'a'; the first ones are kept"):
            vectors = sv.read_vectors(path)
        check(vectors, ["a", "b", "c"], MATRIX[[0, 1, 4]])

    def test_in_a_folder(self, tmp_path):
        np.save(tmp_path / "vectors.npy", MATRIX[:2])
        write(tmp_path / "words.txt", ["a", "a"])
        with pytest.warns(UserWarning, match="1 words appear again"):
            check(sv.read_vectors(tmp_path), ["a"], MATRIX[:1])


class TestDamage:
    @pytest.mark.parametrize("header", [True, False])
    @pytest.mark.parametrize(
        ("bad", "message"),
        [
            ("x 1 2 3 abc 5", "'abc' is not a number"),
            ("x 1 2 3 1_0 5", "'1_0' is not a number"),
            ("x 1 2 3 0x1 5", "'0x1' is not a number"),
            ("x 1 2 3 1,5 5", "'1,5' is not a number"),
            ("x 1 2 3 -- 5", "'--' is not a number"),
            ("x 1 2 3 1e 5", "'1e' is not a number"),
            ("x 1 2 3 ４ 5", "'４' is not a number"),
            ("x 1 2 3 nan 5", "'nan' is not a finite float32 number"),
            ("x 1 2 -inf 4 5", "'-inf' is not a finite float32 number"),
            ("x 1 2 3 1e39 5", "'1e39' is not a finite float32 number"),
            ("x 1 2 3 4", "expected a word and 5 numbers, found 5 fields"),
            ("1 2 3 4 5", "expected a word and 5 numbers, found 5 fields"),
            ("x", "expected a word and 5 numbers, found 1 fields"),
            ("x 1 2 3 " + 60 * "z" + " 5", "'z{37}...' is not a number"),
        ],
    )
    def test_bad_lines_are_named(self, tmp_path, header, bad, message):
        text = (["4 5"] if header else []) + lines(["a", "b"], MATRIX[:2]) + [bad] + lines(["c"], MATRIX[2:3])
        with pytest.raises(sv.FormatError, match=f"w.txt: line {4 if header else 3}: .*{message}"):
            sv.read_vectors(write(tmp_path / "w.txt", text))

    @pytest.mark.parametrize("header", [True, False])
    def test_a_bad_first_line_is_named_too(self, tmp_path, header):
        text = (["3 5"] if header else []) + ["a 1 2 three 4 5", *lines(["b", "c"], MATRIX[:2])]
        with pytest.raises(sv.FormatError, match=f"line {2 if header else 1}: 'three' is not a number"):
            sv.read_vectors(write(tmp_path / "w.txt", text))

    def test_a_header_with_too_few_dimensions(self, tmp_path):
        """Taken at its word it would make numbers part of the words."""
        path = write(tmp_path / "w.txt", ["7 4", *lines(["a", "b", "c", "d", "e", "f", "g"], MATRIX)])
        with pytest.raises(sv.FormatError, match="line 1: the header says 4 dimensions, but the lines have 5 numbers"):
            sv.read_vectors(path)

    @pytest.mark.parametrize("header", ["2 99999999", "2 0", "2 9999999999999999999999", "9" * 5000 + " 2"])
    def test_impossible_headers(self, tmp_path, header):
        for kind in ("word2vec", "word2vec-binary"):
            with pytest.raises(sv.FormatError, match="w.txt: line 1: expected a header"):
                sv.read_vectors(write(tmp_path / "w.txt", [header, "a 1 2"]), format=kind)

    def test_counts(self, tmp_path):
        path = write(tmp_path / "w.txt", ["8 5", *lines(WORDS, MATRIX)])
        with pytest.raises(sv.FormatError, match="promised 8 words, but the file ends after 7: truncated"):
            sv.read_vectors(path)
        check(sv.read_vectors(path, limit=7))
        write(path, ["6 5", *lines(WORDS, MATRIX)])
        with pytest.raises(sv.FormatError, match="line 8: the header promised 6 words, but there are more"):
            sv.read_vectors(path)
        check(sv.read_vectors(path, limit=5), WORDS[:5], MATRIX[:5])

    def test_blank_line_in_the_middle(self, tmp_path):
        text = lines(WORDS, MATRIX)
        with pytest.raises(sv.FormatError, match="line 3: blank, with more lines after it"):
            sv.read_vectors(write(tmp_path / "w.txt", [*text[:2], "", *text[2:]]))

    def test_not_utf8(self, tmp_path):
        path = tmp_path / "w.txt"
        path.write_bytes(b"a 1 2\n\xff\xfe 3 4\n")
        with pytest.raises(sv.FormatError, match="line 2: the word is not UTF-8"):
            sv.read_vectors(path)

    @pytest.mark.parametrize("content", [b"", b"\n\n", b"   \n"])
    def test_empty(self, tmp_path, content):
        (tmp_path / "w").write_bytes(content)
        with pytest.raises(sv.FormatError, match="the file is empty"):
            sv.read_vectors(tmp_path / "w")

    def test_no_vectors_at_all(self, tmp_path):
        with pytest.raises(sv.FormatError, match="line 1: expected a word and its numbers, found ''"):
            sv.read_vectors(write(tmp_path / "w", [*([""] * 20), "a 1 2"]))
        with pytest.raises(sv.FormatError, match="line 1: expected a word and its numbers, found 'hello world'"):
            sv.read_vectors(write(tmp_path / "w", ["hello world", "good bye"]))
        with pytest.raises(sv.FormatError, match="line 1: expected a header of two numbers"):
            sv.read_vectors(write(tmp_path / "w", lines(["a"], MATRIX[:1])), format="word2vec")
        with pytest.raises(sv.FormatError, match="line 1: expected a header"):
            sv.read_vectors(write(tmp_path / "w", lines(["a"], MATRIX[:1])), format="word2vec-binary")

    def test_every_truncation_of_a_binary_file(self, tmp_path):
        raw = word2vec_binary(["abc", "def"], MATRIX[:2], b"")
        for size in range(4, len(raw)):
            (tmp_path / "w").write_bytes(raw[:size])
            with pytest.raises(sv.FormatError, match="truncated"):
                sv.read_vectors(tmp_path / "w", format="word2vec-binary")

    def test_damaged_binary(self, tmp_path):
        path = tmp_path / "w"
        path.write_bytes(word2vec_binary(["a", "b"], MATRIX[:2]) + b"more")
        with pytest.raises(sv.FormatError, match="promised 2 words, but there are more bytes"):
            sv.read_vectors(path)
        path.write_bytes(word2vec_binary(["a", "b"], np.where(np.eye(2, 5), np.nan, 0)))
        with pytest.raises(sv.FormatError, match=r"word 1 \('a'\): NaN or infinity"):
            sv.read_vectors(path)
        path.write_bytes(b"1 2\n" + b"x" * 20_000)
        with pytest.raises(sv.FormatError, match="not word2vec binary"):
            sv.read_vectors(path, format="word2vec-binary")
        path.write_bytes(b"1 2\n\xff " + bytes(8))
        with pytest.raises(sv.FormatError, match="word 1 of 1: not UTF-8"):
            sv.read_vectors(path, format="word2vec-binary")
        path.write_bytes(b"6 1")  # a header that ends with the file
        with pytest.raises(sv.FormatError, match="w: word 1 of 6: the file ends: truncated"):
            sv.read_vectors(path, format="word2vec-binary")

    def test_damaged_gzip(self, tmp_path, glove):
        raw = gzip.compress(glove.read_bytes())
        (tmp_path / "w.gz").write_bytes(raw[:-20])
        with pytest.raises(sv.FormatError, match="damaged gzip data"):
            sv.read_vectors(tmp_path / "w.gz")
        for at in range(20, len(raw) - 8, 7):
            damaged = bytearray(raw)
            damaged[at] ^= 0x55
            (tmp_path / "w.gz").write_bytes(damaged)
            with pytest.raises(sv.FormatError):
                sv.read_vectors(tmp_path / "w.gz")

    def test_npy(self, tmp_path):
        np.save(tmp_path / "vectors.npy", MATRIX)
        with pytest.raises(FileNotFoundError, match=r"words\.txt does not exist; an array needs its words"):
            sv.read_vectors(tmp_path)
        write(tmp_path / "words.txt", WORDS[:-1])
        with pytest.raises(sv.FormatError, match="has 6 words for the 7 rows"):
            sv.read_vectors(tmp_path)
        (tmp_path / "words.txt").write_bytes(b"a\n\xff\nc\n")
        with pytest.raises(sv.FormatError, match="line 2: not UTF-8"):
            sv.read_vectors(tmp_path)
        np.save(tmp_path / "vectors.npy", MATRIX[0])
        with pytest.raises(sv.FormatError, match=r"shape \(5,\); expected two dimensions"):
            sv.read_vectors(tmp_path)
        raw = (tmp_path / "vectors.npy").read_bytes()
        for size in (0, 5, 20, len(raw) - 1):
            (tmp_path / "vectors.npy").write_bytes(raw[:size])
            with pytest.raises(sv.FormatError, match=r"not a usable \.npy file"):
                sv.read_vectors(tmp_path)

    def test_pickles_are_not_loaded(self, tmp_path):
        np.save(tmp_path / "vectors.npy", np.array([[{}]], object), allow_pickle=True)
        write(tmp_path / "words.txt", ["a"])
        with pytest.raises(sv.FormatError, match="not a usable"):
            sv.read_vectors(tmp_path)

    def test_places_and_arguments(self, tmp_path, glove):
        with pytest.raises(FileNotFoundError):
            sv.read_vectors(tmp_path / "none")
        with pytest.raises(ValueError, match="format='csv'; expected one of word2vec,"):
            sv.read_vectors(glove, format="csv")
        with pytest.raises(ValueError, match="limit=0; expected at least 1"):
            sv.read_vectors(glove, limit=0)
        with pytest.raises(ValueError, match="format='glove' does not fit"):
            sv.read_vectors(tmp_path, format="glove")
        with pytest.raises(ValueError, match=r"path has 3 parts; expected a pair"):
            sv.read_vectors((glove, glove, glove))
        with pytest.raises(sv.FormatError, match=r"not a usable \.npy file"):
            sv.read_vectors((glove, glove))


class TestVectors:
    def test_access(self):
        vectors = sv.Vectors(WORDS, MATRIX)
        assert (len(vectors), vectors.dim) == (7, 5)
        assert np.array_equal(vectors["größe"], MATRIX[1])
        assert "größe" in vectors
        assert "x" not in vectors
        assert repr(vectors) == "<slimvec.Vectors: 7 words, 5 dimensions, float32>"
        assert vectors.matrix is MATRIX

    def test_bad_input(self):
        with pytest.raises(KeyError, match="unknown word 'größ'; near spellings: 'größe'"):
            sv.Vectors(WORDS, MATRIX)["größ"]
        with pytest.raises(TypeError, match="0 is int; expected a word"):
            sv.Vectors(WORDS, MATRIX)[0]
        with pytest.raises(ValueError, match="2 words for 7 rows"):
            sv.Vectors(["a", "b"], MATRIX)
        with pytest.raises(ValueError, match="'a' twice"):
            sv.Vectors(["a", "a"], MATRIX[:2])
        with pytest.raises(ValueError, match="two dimensions"):
            sv.Vectors(["a"], MATRIX[0])
