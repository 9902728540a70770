"""Files with a row that is odd: no row is lost or taken for another in silence, and no file is lost for one row."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import slimvec as sv
from slimvec.cli import main
from slimvec.vectors.faults import Faults

MATRIX = np.random.default_rng(0).standard_normal((12, 4)).astype(np.float32)
WORDS = [f"w{i}" for i in range(12)]


def line(word, row, separator=" "):
    return separator.join([word, *(repr(float(x)) for x in row)])


def lines(words=WORDS, matrix=MATRIX):
    return [line(word, row) for word, row in zip(words, matrix, strict=True)]


def write(path, text, encoding="utf-8"):
    path.write_bytes("".join(f"{one}\n" for one in text).encode(encoding))
    return path


def write_binary(path, words, matrix, promised=None):
    records = [word + b" " + row.tobytes() + b"\n" for word, row in zip(words, matrix, strict=True)]
    path.write_bytes(f"{promised or len(words)} {matrix.shape[1]}\n".encode() + b"".join(records))
    return path


def check(path, words, matrix, warning=None, **options):
    """Both ways of reading give these rows, and warn as they should, once."""
    for streamed in (False, True):
        with pytest.warns(UserWarning, match=warning) if warning else pytest.warns() as caught:
            if streamed:
                file = sv.VectorFile(path, **options)
                rows = np.concatenate(list(file.blocks()))
                assert sum(map(len, file.blocks())) == len(rows)  # a second pass is as the first, and tells nothing
                read = sv.Vectors(file.vocabulary, rows)
            else:
                read = sv.read_vectors(path, **options)
        assert len(caught) == 1
        assert list(read) == list(words)
        assert np.array_equal(read.matrix, matrix)


class TestNumbersWithoutWords:
    @pytest.mark.parametrize("form", ["%.6f", "%.18e", "%8.3f"])
    @pytest.mark.parametrize("delimiter", [" ", "\t"])
    @pytest.mark.parametrize("n", [1, 2, 12])
    def test_they_are_refused_with_the_remedy(self, tmp_path, form, delimiter, n):
        np.savetxt(tmp_path / "m.tsv", MATRIX[:n], fmt=form, delimiter=delimiter)
        for read in (sv.read_vectors, lambda path: len(sv.VectorFile(path))):
            with pytest.raises(sv.FormatError, match=r"m\.tsv: line 1: .*no words: .*np\.loadtxt.*words\.txt"):
                read(tmp_path / "m.tsv")

    def test_integers(self, tmp_path):
        np.savetxt(tmp_path / "m.txt", np.sign(MATRIX), fmt="%d")
        with pytest.raises(sv.FormatError, match="no words"):
            sv.read_vectors(tmp_path / "m.txt")

    @pytest.mark.parametrize("form", ["%.6f", "%8.3f"])
    def test_under_a_header(self, tmp_path, form):
        np.savetxt(tmp_path / "m.txt", MATRIX, fmt=form, header="12 4", comments="")
        with pytest.raises(sv.FormatError, match="line 2: expected a word and 4 numbers, found 4 fields; .*no words"):
            sv.read_vectors(tmp_path / "m.txt")

    def test_words_may_be_numbers(self, tmp_path):
        for words in (["0", "1", "2"], ["0.5", "1.5", "x"], ["1", "0.25", "2"]):
            read = sv.read_vectors(write(tmp_path / "v.txt", lines(words, MATRIX[:3])))
            assert list(read) == words
            assert np.array_equal(read.matrix, MATRIX[:3])


class TestTablesOfOtherPrograms:
    """Comma-separated values, with titles or without: the error has the line that reads them, and it does."""

    @pytest.mark.parametrize("mark", [",", ";", ", "])
    @pytest.mark.parametrize("titled", [False, True])
    @pytest.mark.parametrize("words", [WORDS, range(12)])
    def test_they_are_told(self, tmp_path, mark, titled, words):
        titles = [mark.join(["word", *"abcd"])] if titled else []
        path = write(
            tmp_path / "v.csv", titles + [line(str(word), row, mark) for word, row in zip(words, MATRIX, strict=True)]
        )
        with pytest.raises(sv.FormatError, match="line 1: numbers between (commas|semicolons), which are") as caught:
            sv.read_vectors(path)
        with pytest.raises(sv.FormatError, match="line 1: numbers between"):
            sv.VectorFile(path, on_error="skip").dim  # noqa: B018
        names = {"pandas": pytest.importorskip("pandas"), "sv": sv, "path": path}
        remedy = str(caught.value)[str(caught.value).index("frame =") :].split("; ", 1)
        exec(remedy[0], names)  # noqa: S102 - our own
        vectors = eval(remedy[1], names)  # noqa: S307
        assert vectors.words == tuple(map(str, words))
        assert np.allclose(vectors.matrix, MATRIX)

    @pytest.mark.parametrize("mark", [",", ";"])
    @pytest.mark.parametrize("titled", [False, True])
    def test_numbers_alone(self, tmp_path, mark, titled):
        text = [mark.join("abcd")] * titled + [mark.join(map(repr, row)) for row in MATRIX.tolist()]
        path = write(tmp_path / "v.csv", text)
        with pytest.raises(sv.FormatError, match=r"which are read by np.loadtxt\(path, delim") as caught:
            sv.read_vectors(path)
        call = str(caught.value).split("read by ")[1].split(", or,")[0]
        assert np.allclose(eval(call, {"np": np, "path": path}), MATRIX)  # noqa: S307 - our own

    def test_titles_do_not_hide_numbers_alone(self, tmp_path):
        text = ["\t".join("abcd"), *("\t".join(map(repr, row)) for row in MATRIX.tolist())]
        for on_error in ("raise", "skip"):
            with pytest.raises(sv.FormatError, match="there are numbers alone, and no words"):
                sv.read_vectors(write(tmp_path / "v.tsv", text), on_error=on_error)

    def test_words_may_hold_commas(self, tmp_path):
        odd = [",", "1,000", "a,b", "1,2,3", "x,5"], [f"{word}," for word in "abcde"]
        for words, matrix in zip(odd, (MATRIX[:5], MATRIX[:5, :1]), strict=True):
            vectors = sv.read_vectors(write(tmp_path / "v.txt", lines(words, matrix)))
            assert vectors.words == tuple(words)
            assert np.array_equal(vectors.matrix, matrix)


class TestTwoLinesInOne:
    @pytest.mark.parametrize("header", [True, False])
    @pytest.mark.parametrize("glue", ["", " ", "\t"])
    @pytest.mark.parametrize("at", [0, 4, 10])
    def test_they_are_named_or_left_out(self, tmp_path, header, glue, at):
        text = lines()
        text[at : at + 2] = [text[at] + glue + text[at + 1]]
        path = write(tmp_path / "v.txt", (["11 4"] if header else []) + text)
        number = at + 1 + header
        with pytest.raises(sv.FormatError, match=f"line {number}: .*two lines in one.*on_error=.skip."):
            sv.read_vectors(path)
        kept = [i for i in range(12) if i not in {at, at + 1}]
        check(path, np.array(WORDS)[kept], MATRIX[kept], rf"1 rows .*\(line {number}\)", on_error="skip")

    def test_wide_rows_that_break_off(self, tmp_path):
        wide = np.random.default_rng(0).standard_normal((200, 300)).astype(np.float32)
        text = lines([f"w{i}" for i in range(200)], wide)
        text[150:152] = [text[150][:400] + text[151]]
        with pytest.raises(sv.FormatError, match="line 151: .*two lines in one"):
            sv.read_vectors(write(tmp_path / "v.txt", text))

    def test_words_with_numbers_in_them_are_words(self, tmp_path):
        words = ["at 5 pm", "1 2 3", "from 1.5 to 2", ". . . . .", "v 1.0 x 2.0 y 3.0"]
        read = sv.read_vectors(write(tmp_path / "v.txt", ["5 4", *lines(words, MATRIX[:5])]))
        assert list(read) == words


class TestNamesThatEndInNumbers:
    @pytest.mark.parametrize("dim", [1, 2, 4, 50])
    @pytest.mark.parametrize("form", ["item {}", "a long name of {}", "3 x {}"])
    def test_the_header_wins(self, tmp_path, form, dim):
        words = [form.format(i) for i in range(20)]
        matrix = np.random.default_rng(0).standard_normal((20, dim)).astype(np.float32)
        path = write(tmp_path / "v.txt", [f"20 {dim}", *lines(words, matrix)])
        read = sv.read_vectors(path)
        assert list(read) == words
        assert np.array_equal(read.matrix, matrix)


class TestBlankWords:
    @pytest.mark.parametrize("header", [True, False])
    @pytest.mark.parametrize("word", ["", " ", "  ", "\t"])
    @pytest.mark.parametrize("at", [0, 3, 11])
    def test_they_are_words(self, tmp_path, header, word, at):
        words = [*WORDS[:at], word, *WORDS[at + 1 :]]
        read = sv.read_vectors(write(tmp_path / "v.txt", (["12 4"] if header else []) + lines(words)))
        assert list(read) == words
        assert np.array_equal(read.matrix, MATRIX)


class TestCounts:
    @pytest.mark.parametrize("n", [11, 13])
    @pytest.mark.parametrize("binary", [True, False])
    def test_more_or_fewer_than_promised(self, tmp_path, n, binary):
        if binary:
            path = write_binary(tmp_path / "v", [word.encode() for word in WORDS], MATRIX, n)
        else:
            path = write(tmp_path / "v", [f"{n} 4", *lines()])
        with pytest.raises(sv.FormatError, match=r"promised|truncated.*on_error=.skip."):
            sv.read_vectors(path)
        check(path, WORDS, MATRIX, f"the header promised {n} words, but there are 12; what", on_error="skip")
        assert len(sv.read_vectors(path, limit=5, on_error="skip")) == 5

    def test_a_file_that_breaks_off(self, tmp_path):
        path = write_binary(tmp_path / "v", [word.encode() for word in WORDS], MATRIX)
        path.write_bytes(path.read_bytes()[:-7])
        with pytest.raises(
            sv.FormatError, match="word 12 of 12: the file ends within its numbers: truncated.*limit=11"
        ):
            sv.read_vectors(path)
        check(path, WORDS[:11], MATRIX[:11], "promised 12 words, but there are 11, and a part of one", on_error="skip")

    def test_what_follows_binary_rows_is_no_row(self, tmp_path):
        path = write_binary(tmp_path / "v", [word.encode() for word in WORDS], MATRIX)
        path.write_bytes(path.read_bytes() + b"x" * 30_000)
        check(path, WORDS, MATRIX, "promised 12 words, but there are 12, and a part of one", on_error="skip")

    def test_good_files_warn_of_nothing(self, tmp_path):
        binary = write_binary(tmp_path / "b", [word.encode() for word in WORDS], MATRIX)
        for path in (binary, write(tmp_path / "v", ["12 4", *lines()]), write(tmp_path / "w", lines())):
            for limit in (None, 3, 12, 50):
                read = sv.read_vectors(path, limit=limit, on_error="skip")
                assert list(read) == WORDS[:limit]


class TestSkipping:
    BAD = ("x 1 2 abc 4", "x 1 2 nan 4", "x 1 2 3", "x 1 2 1e39 4", "", "x", "1 2 3 4")

    @pytest.mark.parametrize("header", [True, False])
    @pytest.mark.parametrize("bad", BAD)
    def test_a_bad_line(self, tmp_path, header, bad):
        text = lines()
        text[7:7] = [bad]
        path = write(tmp_path / "v.txt", ([f"{12 + bool(bad)} 4"] if header else []) + text)
        with pytest.raises(sv.FormatError, match=f"line {8 + header}: .*; on_error=.skip."):
            sv.read_vectors(path)
        warning = rf"v\.txt: 1 rows cannot be read and are left out \(line {8 + header}\): line {8 + header}: "
        check(path, WORDS, MATRIX, warning, on_error="skip")

    def test_many(self, tmp_path):
        text = [one for good in lines() for one in (good, *self.BAD)]
        with pytest.warns(UserWarning, match=r"84 rows .*\(line 2, 3, 4, 5, 6, \.\.\.\): line 2: 'abc' is not"):
            read = sv.read_vectors(write(tmp_path / "v.txt", text), on_error="skip")
        assert list(read) == WORDS
        assert np.array_equal(read.matrix, MATRIX)

    def test_limit_counts_rows_that_are_kept(self, tmp_path):
        path = write(tmp_path / "v.txt", [self.BAD[0], *lines()])
        with pytest.warns(UserWarning, match="1 rows"):
            assert list(sv.read_vectors(path, limit=3, on_error="skip")) == WORDS[:3]

    def test_nothing_left(self, tmp_path):
        path = write(tmp_path / "v.txt", ["2 4", "a 1 2 3 x", "b 1 2 3 y"])
        with pytest.raises(sv.FormatError, match=r"v\.txt: no row of it can be read: line 2: 'x' is not a number"):
            sv.read_vectors(path, on_error="skip")

    @pytest.mark.parametrize("compressed", [True, False])
    def test_binary_words_that_are_cut(self, tmp_path, compressed):
        words = [word.encode() for word in WORDS]
        words[3], words[8] = "река".encode()[:-1], b"\xff" * 100
        path = write_binary(tmp_path / "v.bin", words, MATRIX)
        if compressed:
            path.write_bytes(gzip.compress(path.read_bytes()))
        with pytest.raises(sv.FormatError, match="word 4 of 12: not UTF-8 .*on_error=.skip."):
            sv.read_vectors(path)
        kept = [i for i in range(12) if i not in {3, 8}]
        warning = r"2 rows .*\(word 4, 9\): word 4 of 12: not UTF-8"
        check(path, np.array(WORDS)[kept], MATRIX[kept], warning, on_error="skip")

    def test_binary_rows_that_are_not_finite(self, tmp_path):
        matrix = MATRIX.copy()
        matrix[0, 0], matrix[11, 3] = np.nan, np.inf
        path = write_binary(tmp_path / "v.bin", [word.encode() for word in WORDS], matrix)
        check(path, WORDS[1:11], MATRIX[1:11], r"\(word 1, 12\): word 1 \('w0'\): NaN", on_error="skip")

    def test_many_blocks(self, tmp_path):
        """Bad rows beside the edges of blocks and of threads' parts."""
        n = 10_000
        matrix = np.random.default_rng(1).standard_normal((n, 3)).astype(np.float32)
        bad = [0, 1, 999, 1000, 4095, 4096, 4097, n - 1]
        text = [f"w{i} nan 1 2" if i in bad else line(f"w{i}", row) for i, row in enumerate(matrix)]
        path = write(tmp_path / "v.txt", [f"{n} 3", *text])
        kept = np.setdiff1d(np.arange(n), bad)
        check(path, [f"w{i}" for i in kept], matrix[kept], "8 rows cannot be read", on_error="skip")

    def test_the_command_line(self, tmp_path, capsys):
        text = lines()
        text[5] = "x 1 2 abc 4"
        path, out = write(tmp_path / "v.txt", text), tmp_path / "t"
        assert main(["compress", str(path), "-o", str(out)]) == 2
        assert "line 6: 'abc' is not a number" in (error := capsys.readouterr().err)
        assert "--on-error skip" in error
        assert main(["compress", str(path), "-o", str(out), "--on-error", "skip", "--remove", "0"]) == 0
        assert capsys.readouterr().err.count("slimvec: warning: ") == 1
        assert sv.open(out).words == (*WORDS[:5], *WORDS[6:])

    def test_newlines_before_a_bad_record(self, tmp_path):
        good = b"a " + MATRIX[0].tobytes()
        (tmp_path / "v").write_bytes(b"2 4\n" + good + b"\n" * 50_000 + b"\xff " + MATRIX[1].tobytes())
        with pytest.warns(UserWarning, match=r"v: 1 rows .*\(word 2\): word 2 of 2: not UTF-8[^;]*$"):
            assert list(sv.read_vectors(tmp_path / "v", "word2vec-binary", on_error="skip")) == ["a"]

    @pytest.mark.filterwarnings("ignore::UserWarning")
    @settings(max_examples=150, deadline=None)
    @given(
        at=st.integers(4, 300),
        change=st.binary(max_size=30),
        cut=st.integers(0, 40),
        binary=st.booleans(),
        encoding=st.sampled_from(["utf-8", "latin-1", "cp1252"]),
    )
    def test_whatever_is_damaged(self, tmp_path_factory, at, change, cut, binary, encoding):
        """Rows before the damage stay as they were, and those after it come back, unless it shifts them all."""
        path = tmp_path_factory.mktemp("w") / "v"
        if binary:
            raw = write_binary(path, [word.encode() for word in WORDS], MATRIX).read_bytes()
        else:
            raw = write(path, ["12 4", *lines()]).read_bytes()
        path.write_bytes(raw[:at] + change + raw[at + cut :])
        kind = "word2vec-binary" if binary else "word2vec"
        whole = raw[4 : max(at, 5) - 1]
        n_before = len(whole) // 19 - 1 if binary else whole.count(b"\n") - 1
        try:
            read = sv.read_vectors(path, kind, on_error="skip", encoding=encoding)
        except sv.FormatError:
            return
        for i in range(max(n_before, 0)):
            assert np.array_equal(read[WORDS[i]], MATRIX[i])
        if not binary and cut == 0 and at < len(raw):
            assert np.array_equal(read["w11"], MATRIX[11]) or at > raw.rindex(b"w11") - 2


class TestEncodings:
    LATIN = ("größe", "naïve", "Ã©", "cat", "new york", "été 5", "a", "b", "c", "d", "e", "f")

    @pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "ISO-8859-1"])
    @pytest.mark.parametrize("binary", [True, False])
    def test_words_are_decoded(self, tmp_path, encoding, binary, recwarn):
        words = [word.replace(" ", "_") for word in self.LATIN] if binary else self.LATIN
        if binary:
            path = write_binary(tmp_path / "v", [word.encode(encoding) for word in words], MATRIX)
        else:
            path = write(tmp_path / "v", ["12 4", *lines(words)], encoding)
        with pytest.raises(sv.FormatError, match="not UTF-8 .*encoding="):
            sv.read_vectors(path)
        file = sv.VectorFile(path, encoding=encoding)
        rows = np.concatenate(list(file.blocks()))
        for read in (sv.read_vectors(path, encoding=encoding), sv.Vectors(file.vocabulary, rows)):
            assert list(read) == list(words)  # "Ã©" is two letters, though its bytes are a UTF-8 one
            assert np.array_equal(read.matrix, MATRIX)
        assert not recwarn

    def test_many_bytes_to_a_letter(self, tmp_path):
        words = ["日本", "東京", "cat"]
        path = write(tmp_path / "v", lines(words, MATRIX[:3]), "gbk")
        assert list(sv.read_vectors(path, encoding="gbk")) == words

    def test_words_that_are_not_in_it(self, tmp_path):
        path = write_binary(tmp_path / "v", [b"a", b"\x81", b"c"], MATRIX[:3])
        with pytest.raises(sv.FormatError, match="word 2 of 3: not cp1252"):
            sv.read_vectors(path, encoding="cp1252")
        check(path, ["a", "c"], MATRIX[[0, 2]], r"\(word 2\)", encoding="cp1252", on_error="skip")
        path.write_bytes(b"a 1 2\n\x81 3 4\n\xc2\x81 5 6\nd 7 8\n")
        with pytest.raises(sv.FormatError, match="line 2: the word is not cp1252"):
            sv.read_vectors(path, encoding="cp1252")
        check(path, ["a", "d"], np.float32([[1, 2], [7, 8]]), r"\(line 2, 3\)", encoding="cp1252", on_error="skip")

    def test_the_command_line(self, tmp_path):
        path = write(tmp_path / "v", lines(self.LATIN), "latin-1")
        arguments = ["compress", str(path), "-o", str(tmp_path / "t"), "--remove", "0"]
        assert main(arguments) == 2
        assert main([*arguments, "--encoding", "latin-1"]) == 0
        assert sv.open(tmp_path / "t").words == self.LATIN

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-7", "cp037", "rot13", "klingon", "a\0b"])
    def test_refused(self, tmp_path, encoding):
        path = write(tmp_path / "v", lines())
        for read in (sv.read_vectors, lambda *given, **options: len(sv.VectorFile(*given, **options))):
            with pytest.raises(ValueError, match="encoding="):
                read(path, encoding=encoding)

    def test_where_words_are_in_utf8_anyway(self, tmp_path):
        sv.write_vectors(tmp_path / "vectors.npy", WORDS, MATRIX)
        for source in (tmp_path, tmp_path / "vectors.npy", (tmp_path / "vectors.npy", tmp_path / "words.txt")):
            with pytest.raises(ValueError, match="encoding='(latin-1|iso8859-1)' does not fit"):
                sv.read_vectors(source, encoding="latin-1")
            assert len(sv.read_vectors(source, encoding="UTF8", on_error="skip")) == 12

    def test_names_of_the_same(self):
        assert Faults(encoding="utf_8_sig").encoding == Faults(encoding="UTF8").encoding == "utf-8"
        with pytest.raises(ValueError, match="on_error='ignore'; expected one of raise, skip"):
            Faults("ignore")
