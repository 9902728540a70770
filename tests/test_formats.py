"""The registry of formats: a row is all that one takes. Nobody takes a table for vectors, or vectors for a table."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

import slimvec as sv
from slimvec.cli import main
from slimvec.vectors import formats
from slimvec.vectors.formats import FORMATS, TABLE, Format, recognise
from slimvec.vectors.mapped import Loaded
from slimvec.vectors.readers import Read
from slimvec.vectors.rows import Rows
from slimvec.vectors.word_list import Words
from test_fasttext import fasttext
from test_mapped import safetensors
from test_storage import rewrite
from test_streaming import text_of
from test_vectors import word2vec_binary

WORDS = ["cat", "größe", "dog", "sea", "fur", "boat"]
MATRIX = np.random.default_rng(0).standard_normal((6, 5)).astype(np.float32)
FROZEN = Path(__file__).parent / "data" / "v1"


def npy(path):
    np.save(path, MATRIX)
    return path.read_bytes()


@pytest.fixture(params=["glove", "word2vec", "word2vec-binary", "fasttext-binary", "npy", "safetensors", "gzip"])
def vectors(request, tmp_path):
    """A file of each format, with the same vectors in it, and its title."""
    path = tmp_path / "vectors.npy"
    header = f"{len(WORDS)} {MATRIX.shape[1]}\n"
    contents = {
        "glove": lambda: text_of(WORDS, MATRIX).encode(),
        "gzip": lambda: gzip.compress(text_of(WORDS, MATRIX).encode()),
        "word2vec": lambda: header.encode() + text_of(WORDS, MATRIX).encode(),
        "word2vec-binary": lambda: word2vec_binary(WORDS, MATRIX, newline=b""),
        "fasttext-binary": lambda: fasttext(WORDS, MATRIX),
        "npy": lambda: npy(path),
        "safetensors": lambda: safetensors(weight=MATRIX),
    }
    path.write_bytes(contents[request.param]())
    if request.param in {"npy", "safetensors"}:
        (tmp_path / "words.txt").write_text("".join(f"{word}\n" for word in WORDS))
    name = "glove" if request.param == "gzip" else request.param
    return path, formats.format_named(name)


def same(a, b):
    rows = np.concatenate(list(a.blocks()))  # first: words may be known only then
    return list(a.vocabulary) == list(b.vocabulary) and np.array_equal(rows, b.matrix)


class TestEveryFormat:
    def test_it_is_recognised(self, vectors):
        path, row = vectors
        assert recognise(path) is row

    def test_in_its_file_as_in_memory(self, vectors):
        path, row = vectors
        for limit in (None, 4):
            read, file = sv.read_vectors(path, limit=limit), sv.VectorFile(path, limit=limit)
            assert same(read, sv.Vectors(WORDS[:limit], MATRIX[:limit]))
            assert isinstance(file, Rows)
            assert file.sequential == (row.load is None)
            assert (file.vocabulary is None) == file.sequential
            assert (len(file), file.dim) == read.matrix.shape
            assert same(file, read)
            if row.load is not None:
                assert np.array_equal(file.take(np.array([3, 1])), MATRIX[[3, 1]])

    def test_compressed_from_its_file_as_from_memory(self, vectors, tmp_path):
        path, _ = vectors
        expected = sv.IIQ(n_remove=0).compress(sv.read_vectors(path))
        table = sv.IIQ(n_remove=0).compress(sv.VectorFile(path))
        assert main(["compress", str(path), "-o", str(tmp_path / "t"), "--remove", "0"]) == 0
        for made in (table, sv.open(tmp_path / "t")):
            assert np.array_equal(made.codes(), expected.codes())
            assert made.words == tuple(WORDS)

    def test_it_is_no_table(self, vectors):
        path, row = vectors
        with pytest.raises(sv.FormatError, match=rf"vectors\.npy: .*{row.title} holds vectors .*sv\.read_vectors"):
            sv.open(path)


def test_repeated_words_of_an_array(tmp_path):
    np.save(tmp_path / "v.npy", MATRIX)
    (tmp_path / "words.txt").write_text("a\nb\na\nc\nd\ne\n")
    with pytest.warns(UserWarning, match="1 words appear again, such as 'a'"):
        file = sv.VectorFile(tmp_path / "v.npy")
    assert np.array_equal(file.matrix, MATRIX[[0, 1, 3, 4, 5]])
    assert repr(file) == "<slimvec.VectorFile: v.npy, 5 rows>"


def test_an_array_without_words(tmp_path, capsys):
    np.save(tmp_path / "v.npy", MATRIX)
    file = sv.VectorFile(tmp_path / "v.npy", limit=4)
    assert (file.vocabulary, len(file)) == (None, 4)
    assert main(["compress", str(tmp_path / "v.npy"), "-o", str(tmp_path / "t"), "--remove", "0"]) == 0
    assert sv.open(tmp_path / "t").words is None
    with pytest.raises(FileNotFoundError, match="an array needs its words beside it"):
        sv.read_vectors(tmp_path / "v.npy")


def test_what_looks_like_nothing_is_read_as_text_and_named_by_line(tmp_path):
    (tmp_path / "x").write_bytes(b"hello world\n")
    assert recognise(tmp_path / "x") is None
    with pytest.raises(sv.FormatError, match="x: line 1: expected a word and its numbers"):
        list(sv.VectorFile(tmp_path / "x").blocks())


class TestTextIsNoFloats:
    """What follows a header is text or binary, and all bytes of text make some floats, too."""

    @pytest.mark.parametrize("dim", [1, 2, 5])
    @pytest.mark.parametrize("limit", [None, 3])
    def test_decimal_commas(self, tmp_path, dim, limit):
        """A number such as "1,5" and a blank are as long as a float: no byte is left over."""
        rows = (" ".join(f"{number:.1f}" for number in row[:dim]) for row in np.abs(MATRIX).tolist())
        lines = (f"w {row}\n".replace(".", ",") for row in rows)
        (tmp_path / "v.txt").write_text(f"6 {dim}\n{''.join(lines)}")
        with pytest.raises(sv.FormatError, match="line 2: '[0-9],[0-9]' is not a number"):
            sv.read_vectors(tmp_path / "v.txt", limit=limit)

    @pytest.mark.parametrize("before", ["", "\n", "\r\n", "</s>\n", "# words\n", "</s> \n\n"])
    @pytest.mark.parametrize("form", [float.hex, "{:.1f}".format, "{:.0%}".format])
    def test_lines_of_other_things(self, tmp_path, before, form):
        lines = (f"w {' '.join(map(form, row))}\n" for row in MATRIX.tolist())
        (tmp_path / "v.txt").write_text(f"6 5\n{before}{''.join(lines)}", newline="")
        if not before and form(0.5) == "0.5":
            assert len(sv.read_vectors(tmp_path / "v.txt", limit=1)) == 1
            return
        with pytest.raises(sv.FormatError, match=r"line 2: (blank|expected a word|'\S+' is not a number)"):
            sv.read_vectors(tmp_path / "v.txt", limit=1)

    @pytest.mark.parametrize("dim", [1, 5])
    def test_a_first_word_that_is_blank(self, tmp_path, dim):
        (tmp_path / "v.txt").write_text(f"2 {dim}\n{' 0.5' * dim}\nb{' 1.5' * dim}\n")
        read = sv.read_vectors(tmp_path / "v.txt")
        assert (read.words, read.matrix[:, -1].tolist()) == (("", "b"), [0.5, 1.5])

    def test_a_damaged_first_line(self, tmp_path):
        """A blank of it became a control character; with one line the same."""
        lines = [f"w {' '.join(f'{number:.1f}' for number in row)}\n" for row in MATRIX.tolist()]
        for n in (1, 6):
            (tmp_path / "v.txt").write_text(f"{n} 5\n" + "".join(lines[:n]).replace(" ", "\7", 3).replace("\7", " ", 2))
            with pytest.raises(sv.FormatError, match="line 2: expected a word and 5 numbers, found 5 fields"):
                sv.read_vectors(tmp_path / "v.txt", limit=1)

    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    def test_a_blank_line_before_short_rows(self, tmp_path, end):
        (tmp_path / "v.txt").write_text(f"2 2{end}{end}a 1.5 2.5{end}b 1.0 2.0{end}", newline="")
        with pytest.raises(sv.FormatError, match="line 2: blank, with more lines after it"):
            sv.read_vectors(tmp_path / "v.txt")


def test_the_documented_names_are_those_of_the_registry():
    names = {row.name for row in FORMATS if row is not TABLE}
    assert all(f'"{name}"' in sv.read_vectors.__doc__ for name in names)
    with pytest.raises(ValueError, match="expected one of") as caught:
        formats.format_named("parquet")
    assert set(str(caught.value).split("one of ")[1].split(", or None")[0].split(", ")) == names


# ---- a format of one row and one function


def load_shout(path):
    """A magic, and an array of words and rows of five."""
    count, rest = int.from_bytes(path.read_bytes()[5:6]), path.read_bytes()[6:]
    words, _, rows = rest.partition(b"\0")
    return Loaded(np.frombuffer(rows, "<f4").reshape(count, 5), Words.of(words.split(b"\n")))


SHOUT = Format("shout", "a shout", lambda window: window.peek(5) == b"SHOUT", load_shout)


class WhisperReader:
    """A line per word, its numbers in front."""

    def __init__(self, window, limit, n_threads):
        window.line()
        self._window, self._left = window, limit
        self.dim, self.n_rows = window.peek_lines(1)[0].count(b","), None

    def read(self, rows):
        line = self._window.line().rstrip(b"\n") if self._left != 0 else b""
        if not line:
            return Read(0, np.empty(0, np.uint8), np.zeros(1, np.int64))
        self._left = None if self._left is None else self._left - 1
        *numbers, word = line.split(b",")
        rows[0] = [float(number) for number in numbers]
        return Read(1, np.frombuffer(word, np.uint8), np.array([0, len(word)]))


def write_whisper(path, words, blocks, shape):
    rows = np.concatenate(list(blocks))
    assert rows.shape == shape
    lines = [f"{','.join(map(repr, row))},{word}\n" for word, row in zip(words, rows.tolist(), strict=True)]
    path.write_text("psst\n" + "".join(lines))


WHISPER = Format(
    "whisper", "a whisper", lambda window: window.peek(5) == b"psst\n",
    reader=WhisperReader, write=write_whisper, suffix=".psst",
)  # fmt: skip


@pytest.fixture(params=["shout", "whisper"])
def invented(request, tmp_path, monkeypatch):
    """A file in a format that slimvec has not heard of before, and its row."""
    row = {"shout": SHOUT, "whisper": WHISPER}[request.param]
    monkeypatch.setattr(formats, "FORMATS", (row, *FORMATS))
    path = tmp_path / "v.own"
    if row is SHOUT:
        path.write_bytes(b"SHOUT\x06" + "\n".join(WORDS).encode() + b"\0" + MATRIX.tobytes())
    else:
        write_whisper(path, WORDS, [MATRIX], MATRIX.shape)
    return path, row


class TestInvented:
    """A row in the registry is all that it takes."""

    def test_reading(self, invented):
        path, row = invented
        for name in (None, row.name):
            assert same(sv.read_vectors(path, name), sv.Vectors(WORDS, MATRIX))
            assert same(sv.VectorFile(path, name, limit=4), sv.Vectors(WORDS[:4], MATRIX[:4]))
        with pytest.raises(ValueError, match=f"expected one of .*{row.name}, or None"):
            sv.read_vectors(path, "parquet")

    def test_opening(self, invented):
        path, row = invented
        with pytest.raises(sv.FormatError, match=f"v.own: .*{row.title} holds vectors and is not a table"):
            sv.open(path)

    def test_the_command_line(self, invented, tmp_path, capsys):
        path, _ = invented
        assert main(["compress", str(path), "-o", str(tmp_path / "t"), "--remove", "0"]) == 0
        assert sv.open(tmp_path / "t").words == tuple(WORDS)
        assert evaluate(tmp_path, path) == 0
        assert "v: similarity" in capsys.readouterr().out

    def test_writing(self, tmp_path, monkeypatch):
        monkeypatch.setattr(formats, "FORMATS", (WHISPER, *FORMATS))
        sv.write_vectors(tmp_path / "v.psst", WORDS, MATRIX)
        assert (tmp_path / "v.psst").read_text().startswith("psst\n")
        assert same(sv.read_vectors(tmp_path / "v.psst"), sv.Vectors(WORDS, MATRIX))
        table = sv.BinaryTable(sv.pack(MATRIX), 5, words=WORDS)
        table.save(tmp_path / "t")
        assert main(["export", str(tmp_path / "t"), "-o", str(tmp_path / "codes.psst")]) == 0
        assert np.array_equal(sv.read_vectors(tmp_path / "codes.psst").matrix, table.lookup(WORDS))
        with pytest.raises(ValueError, match="expected one of word2vec, word2vec-binary, npy, whisper, or None"):
            sv.write_vectors(tmp_path / "v", WORDS, MATRIX, format="shout")


def evaluate(tmp_path, path):
    folder = tmp_path / "data" / "similarity"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "PAIRS.tsv").write_text("cat\tdog\t3\nsea\tboat\t2\nfur\tsea\t1\ncat\tfur\t2.5\n")
    data = str(tmp_path / "data")
    return main(["evaluate", str(path), "--data", data, "-o", str(tmp_path / "r"), "--remove", "0", "--seeds", "1"])


# ---- tables and vectors


@pytest.fixture(params=[False, True])
def table(request, tmp_path):
    """A saved table, with factors or without."""
    made = sv.IIQ(n_remove=0).compress(sv.Vectors(WORDS, MATRIX), factors=request.param)
    made.save(tmp_path / "words.slim")
    return tmp_path / "words.slim", request.param


def metadata_last(header):
    """Another program might write it so."""
    header["__metadata__"] = dict(reversed(header.pop("__metadata__").items()))


class TestTablesAreNoVectors:
    @pytest.mark.parametrize("again", [False, True])
    @pytest.mark.parametrize("format", [None, "safetensors"])
    def test_they_are_refused_with_the_remedy(self, table, format, again):
        path, factors = table
        if again:
            rewrite(path, path, metadata_last)
        assert recognise(path) is TABLE
        export = "slimvec export --original" if factors else "slimvec export$"
        message = rf"words\.slim: it is a slimvec table already; expected vectors.* sv\.open\(path\), or .* {export}"
        (path.parent / "words.txt").write_text("".join(f"{word}\n" for word in WORDS))
        with pytest.raises(sv.FormatError, match=message):
            sv.read_vectors(path, format)
        with pytest.raises(sv.FormatError, match=message):
            sv.read_vectors((path, path.parent / "words.txt"), format)
        with pytest.raises(sv.FormatError, match=message):
            sv.IIQ(n_remove=0).fit(MATRIX).to_table(sv.VectorFile(path, format))

    def test_a_folder_of_one_is_refused(self, table):
        path, _ = table
        path.rename(path.with_name("model.safetensors"))
        path.with_name("tokenizer.json").write_text(json.dumps({"model": {"vocab": {"a": 0}}}))
        with pytest.raises(sv.FormatError, match=r"model\.safetensors: it is a slimvec table already"):
            sv.read_vectors(path.parent)

    @pytest.mark.parametrize("arguments", [[], ["--words", "words.txt"]])
    def test_compress(self, table, capsys, arguments):
        path, _ = table
        assert main(["compress", str(path), "-o", str(path.parent / "t"), *arguments]) == 2
        assert "words.slim: it is a slimvec table already; expected vectors" in capsys.readouterr().err
        assert not (path.parent / "t").exists()

    def test_evaluate_judges_them_as_they_are(self, table, tmp_path, capsys):
        assert evaluate(tmp_path, table[0]) == 0
        assert "the table" in capsys.readouterr().out

    @pytest.mark.parametrize("name", ["binary.slim", "factors.slim", "hamming.slim", "sparse-float16.slim"])
    def test_frozen_ones(self, name):
        assert recognise(FROZEN / name) is TABLE
        with pytest.raises(sv.FormatError, match="it is a slimvec table already"):
            sv.VectorFile(FROZEN / name)

    def test_a_damaged_one_is_still_one(self, table):
        path, _ = table
        path.write_bytes(path.read_bytes()[:200])
        assert recognise(path) is TABLE
        with pytest.raises(sv.FormatError, match="truncated"):
            sv.open(path)
        with pytest.raises(sv.FormatError, match="damaged"):
            sv.read_vectors(path)


class TestForeignSafetensors:
    def test_evaluate_takes_them_for_vectors(self, tmp_path, capsys):
        (tmp_path / "v.safetensors").write_bytes(safetensors(weight=MATRIX))
        (tmp_path / "words.txt").write_text("".join(f"{word}\n" for word in WORDS))
        assert evaluate(tmp_path, tmp_path / "v.safetensors") == 0
        shown = capsys.readouterr().out
        assert "float32" in shown
        assert "the table" not in shown

    def test_types_that_numpy_lacks_and_rows_that_start_anywhere(self, tmp_path):
        raw = safetensors(other=np.zeros(3, "<f2"), weight=MATRIX)
        size = int.from_bytes(raw[:8], "little")
        header = raw[8 : 8 + size].replace(b"F16", b"BF16")
        header += b" " * (-len(header) % 4)  # the rows start 6 bytes behind a multiple of 4
        raw = len(header).to_bytes(8, "little") + header + raw[8 + size :]
        path = tmp_path / "v.safetensors"
        path.write_bytes(raw)
        (tmp_path / "words.txt").write_text("".join(f"{word}\n" for word in WORDS))
        file = sv.VectorFile(path)
        assert not file.matrix.flags.aligned
        assert same(file, sv.Vectors(WORDS, MATRIX))
        codes = sv.IIQ(n_remove=0).compress(file).codes()
        assert np.array_equal(codes, sv.IIQ(n_remove=0).compress(MATRIX).codes())

    def test_a_large_header(self, tmp_path):
        tensors = {f"a rather long name of an empty tensor {i}": np.zeros(0, "<f4") for i in range(20_000)}
        path = tmp_path / "v.safetensors"
        path.write_bytes(safetensors(**tensors, weight=MATRIX))
        assert int.from_bytes(path.read_bytes()[:8], "little") > 1 << 20
        assert np.array_equal(sv.VectorFile(path).matrix, MATRIX)
        with pytest.raises(sv.FormatError, match="no table of slimvec: a safetensors file holds vectors"):
            sv.open(path)

    @pytest.mark.parametrize("change", [lambda raw: raw[:-1], lambda raw: raw + b"x"])
    def test_holes_and_truncation(self, tmp_path, change):
        (tmp_path / "v.safetensors").write_bytes(change(safetensors(weight=MATRIX)))
        with pytest.raises(sv.FormatError, match=r"v\.safetensors: a damaged safetensors file"):
            sv.VectorFile(tmp_path / "v.safetensors")


def test_a_table_in_memory_is_no_vectors(animals):
    table = sv.IIQ(n_bits=16).compress(animals)
    index = sv.HammingIndex(table.codes(), table.n_bits)
    for stored in (table, index):
        for call in (sv.IIQ().compress, sv.IIQ().fit, table.search, sv.isotropy):
            with pytest.raises(TypeError, match=r"is no array of vectors.*original=True"):
                call(stored)
