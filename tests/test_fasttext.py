"""fastText's binary models: words by their own rows and those of their n-grams, and any other words, too."""

from __future__ import annotations

import gzip
import pickle
import struct

import numpy as np
import pytest

import slimvec as sv
from slimvec.cli import main
from slimvec.vectors import subwords
from slimvec.vectors.formats import FASTTEXT_BINARY, recognise
from slimvec.vectors.ngrams import NGrams
from slimvec.vectors.rows import Rows
from slimvec.vectors.word_list import Words

FROZEN_ROWS = [606866, 525807, 1605985, 925915, 114038, 1900137, 1147321, 342149, 679512]
FROZEN_VECTORS = {
    "größe": [-0.125370741, 0.07625857, -0.479399502, -0.0901500434, 0.268711358, -0.295124978],
    "漢字": [-0.698214889, -0.324103117, -0.0198689252, -0.0158707201, 0.416624159, -0.63975215],
    "</s>": [0.411630541, 1.04251337, -0.12853466, 1.36646342, -0.66519469, 0.351510078],
    "colourful": [-0.195998713, -0.490522474, -0.454797357, 0.0176294055, 0.230928689, 0.0605233312],
    "colour": [-0.398488402, -0.612881005, -0.0670812204, -0.203039989, 0.127227515, -0.0147743523],
    "漢字漢字": [-0.309476823, -0.154723942, -0.106714182, 0.458329767, 0.253093332, -0.161044955],
}
WORDS = ["the", "größe", "new-york", "</s>", "a", "漢字", "🙂b", "colourful"]
UNKNOWN = ["colour", "grö", "漢字漢字", "york-new", "🙂", "z" * 40]
MATRIX = np.random.default_rng(0).standard_normal((8, 6)).astype(np.float32)
BUCKETS = np.random.default_rng(1).standard_normal((50, 6)).astype(np.float32)
MAGIC = struct.pack("<i", 793712314)


def fasttext(words, matrix, labels=(), buckets=None, pruned=None, *, letters=(3, 6), model=2, version=12, data=None):
    """A model as fastText's saveModel writes it, without the output matrix, which is not read."""
    buckets = np.empty((0, matrix.shape[1]), np.float32) if buckets is None else buckets
    rows = np.concatenate([matrix, buckets])
    n_buckets = len(buckets) if pruned is None else 50
    head = MAGIC + struct.pack("<i", version) if version else b""
    head += struct.pack("<12i d", matrix.shape[1], 5, 5, 5, 5, 1, 2, model, n_buckets, *letters, 100, 1e-4)
    entries = [(word, 0) for word in words] + [(label, 1) for label in labels]
    head += struct.pack("<3iq", len(entries), len(words), len(labels), 1234)
    if version:
        head += struct.pack("<q", -1 if pruned is None else len(pruned))
    spelt = [(word if isinstance(word, bytes) else word.encode(), kind) for word, kind in entries]
    head += b"".join(word + b"\0" + struct.pack("<qb", number, kind) for number, (word, kind) in enumerate(spelt))
    if version:
        head += b"".join(struct.pack("<2i", *pair) for pair in pruned or ()) + struct.pack("<?", data is not None)
    return head + (struct.pack("<2q", *rows.shape) + rows.tobytes() if data is None else data)


def quantized(codes, centroids, dim, width, norms=None):
    """A matrix as QuantMatrix::save writes it."""

    def quantizer(centroids, dim, width):
        parts = -(-dim // width)
        return struct.pack("<4i", dim, parts, width, dim - (parts - 1) * width) + centroids.tobytes()

    raw = struct.pack("<?2qi", norms is not None, len(codes), dim, codes.size) + codes.tobytes()
    raw += quantizer(centroids, dim, width)
    return raw if norms is None else raw + norms[0].tobytes() + quantizer(norms[1], 1, 1)


def ngrams(word, least, most, n_buckets):
    """The remainders of a word's n-grams, letter by letter: the obvious twin of what is vectorised."""
    text = b"<" + word.encode() + b">"
    found = []
    for i in range(len(text)):
        if text[i] & 0xC0 == 0x80:
            continue
        j, n = i, 1
        while j < len(text) and n <= most:
            j += 1
            while j < len(text) and text[j] & 0xC0 == 0x80:
                j += 1
            if n >= least and not (n == 1 and (i == 0 or j == len(text))):
                hashed = 2166136261
                for byte in text[i:j]:
                    hashed = (hashed ^ (byte | 0xFFFFFF00 if byte > 127 else byte)) * 16777619 % 2**32
                found.append(hashed % n_buckets)
            n += 1
    return found if word != "</s>" else []


def composed(word, least, most):
    own = [MATRIX[WORDS.index(word)]] if word in WORDS else []
    return np.mean([*own, *(BUCKETS[number] for number in ngrams(word, least, most, 50))], 0, np.float64)


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.bin"
    path.write_bytes(fasttext(WORDS, MATRIX, labels=["__label__x"], buckets=BUCKETS))
    return path


class TestNGrams:
    @pytest.mark.parametrize("letters", [(3, 6), (1, 4), (2, 2), (0, 3), (5, 5), (3, 900), (4, 3)])
    def test_against_the_obvious_loop(self, letters):
        words = [*WORDS, *UNKNOWN, "", "<", "x", "é"]
        rows, offsets = NGrams(*letters, 997).rows(Words.of([word.encode() for word in words]))
        for i, word in enumerate(words):
            assert rows[offsets[i] : offsets[i + 1]].tolist() == ngrams(word, *letters, 997), word

    def test_the_hash_of_fasttext(self):
        """get_subwords of fastText 0.9.2, of a model without words, n-grams of 3 to 4 letters, 2,000,000 buckets."""
        rows, _ = NGrams(3, 4, 2_000_000).rows(Words.of(["größe".encode()]))
        assert rows.tolist() == FROZEN_ROWS


class TestFastText:
    @pytest.mark.parametrize("letters", [(3, 6), (1, 4), (5, 5)])
    def test_words_are_means_of_rows(self, tmp_path, letters):
        (tmp_path / "m.bin").write_bytes(fasttext(WORDS, MATRIX, ["__label__x"], BUCKETS, letters=letters))
        vectors = sv.read_vectors(tmp_path / "m.bin")
        assert vectors.words == tuple(WORDS)
        assert vectors.matrix.dtype == np.float32
        assert np.allclose(vectors.matrix, [composed(word, *letters) for word in WORDS], rtol=0, atol=1e-6)
        assert not np.allclose(vectors.matrix, MATRIX)

    def test_as_fasttext_has_them(self, model):
        """get_word_vector of fastText 0.9.2, to the last bit."""
        made = sv.FastText(model).vectors(FROZEN_VECTORS)
        assert made.tolist() == np.array(list(FROZEN_VECTORS.values()), np.float32).tolist()

    def test_unknown_words(self, model):
        made = sv.FastText(model)
        assert isinstance(made, Rows)
        assert (made.vocabulary.words, len(made), made.dim) == (tuple(WORDS), 8, 6)
        assert repr(made) == "<slimvec.FastText: model.bin, 8 words, 6 dimensions>"
        mixed = [UNKNOWN[0], *WORDS, *UNKNOWN]
        assert np.allclose(made.vectors(mixed), [composed(word, 3, 6) for word in mixed], rtol=0, atol=1e-6)
        assert made.vectors(iter(())).shape == (0, 6)
        with pytest.raises(KeyError, match="unknown word '': the model has none of its n-grams either"):
            made.vectors(["the", ""])
        with pytest.raises(TypeError, match=r"words='the' is a string; expected a list of words, such as \['the'\]"):
            made.vectors("the")
        with pytest.raises(TypeError, match=r"words\[1\] is int 3; expected str"):
            made.vectors(["the", 3])

    def test_its_words_are_compressed_and_found_by_unknown_ones(self, model):
        made = sv.FastText(model)
        table = sv.IIQ(n_remove=0).compress(made, factors=True)
        expected = sv.IIQ(n_remove=0).compress(sv.read_vectors(model), factors=True)
        assert np.array_equal(table.codes(), expected.codes())
        assert table.most_similar(made.vectors(["colourfull"])[0], k=1)[0][0] == "colourful"

    def test_it_stays_in_its_file(self, model):
        everything = sv.read_vectors(model).matrix
        file = sv.VectorFile(model, limit=3)
        assert (file.sequential, len(file), file.dim, file.matrix) == (False, 3, 6, None)
        assert file.vocabulary.words == tuple(WORDS[:3])
        assert np.array_equal(file.take(np.array([2, 0])), everything[[2, 0]])
        assert np.array_equal(np.concatenate(list(file.blocks())), everything[:3])
        assert np.array_equal(np.asarray(file), everything[:3])
        with pytest.raises(IndexError, match=r"rows 0 \.\.\. 3 are not all of 0 \.\.\. 2"):
            file.take(np.array([0, 3]))

    def test_words_that_come_again(self, tmp_path):
        (tmp_path / "m.bin").write_bytes(fasttext(["the", *WORDS[:-1]], MATRIX, buckets=BUCKETS))
        with pytest.warns(UserWarning, match="1 words appear again, such as 'the'"):
            vectors = sv.read_vectors(tmp_path / "m.bin")
        with pytest.warns(UserWarning, match="1 words appear again"):
            made = sv.FastText(tmp_path / "m.bin")
        assert np.array_equal(made.vectors(WORDS[:-1]), vectors.matrix)
        assert np.array_equal(made.take(np.arange(7)), vectors.matrix)
        assert vectors.words == tuple(WORDS[:-1])

    @pytest.mark.parametrize("size", [1, 60, 1000])
    def test_in_pieces(self, model, monkeypatch, size):
        """However few rows are gathered at once, also within a word."""
        expected = sv.FastText(model).vectors([*WORDS, *UNKNOWN])
        monkeypatch.setattr(subwords, "GATHERED_BYTES", size)
        monkeypatch.setattr(subwords, "WORDS_AT_ONCE", 3)
        assert np.allclose(sv.FastText(model).vectors([*WORDS, *UNKNOWN]), expected, rtol=0, atol=1e-6)

    def test_on_the_command_line(self, model, tmp_path, capsys):
        assert main(["compress", str(model), "-o", str(tmp_path / "t"), "--remove", "0"]) == 0
        assert capsys.readouterr().err == ""
        assert sv.open(tmp_path / "t").words == tuple(WORDS)
        expected = sv.IIQ(n_remove=0).compress(sv.read_vectors(model))
        assert np.array_equal(sv.open(tmp_path / "t").codes(), expected.codes())


class TestWithoutNGrams:
    """Words have the vectors of their rows, which stay mapped."""

    @pytest.mark.parametrize(
        "options",
        [
            {"letters": (3, 0), "buckets": BUCKETS},  # of n-grams of words, in classifiers
            {"letters": (3, 0)},
            {"letters": (3, 6)},
            {"version": 11, "model": 3, "buckets": BUCKETS},  # classifiers had n-grams of words alone then
            {"version": 0, "model": 3, "buckets": BUCKETS},
        ],
    )
    def test_they_are_mapped(self, tmp_path, options):
        path = tmp_path / "m.bin"
        path.write_bytes(fasttext(WORDS, MATRIX, **options))
        vectors = sv.read_vectors(path, limit=7)
        assert vectors.words == tuple(WORDS[:7])
        assert np.array_equal(vectors.matrix, MATRIX[:7])
        assert not vectors.matrix.flags.writeable
        assert np.array_equal(sv.VectorFile(path).matrix, MATRIX)
        made = sv.FastText(path)
        assert np.array_equal(made.vectors(["a", "the"]), MATRIX[[4, 0]])
        with pytest.raises(KeyError, match="unknown word 'colorful'; near spellings: 'colourful'"):
            made.vectors(["a", "colorful"])

    @pytest.mark.parametrize("padding", range(4))
    def test_rows_that_start_anywhere_compress_alike(self, tmp_path, padding):
        words = ["a" * (padding + 1), *map(str, range(99))]
        matrix = np.random.default_rng(1).standard_normal((100, 8)).astype(np.float32)
        (tmp_path / "m.bin").write_bytes(fasttext(words, matrix))
        table = sv.IIQ(n_remove=0).compress(sv.read_vectors(tmp_path / "m.bin"), factors=True)
        expected = sv.IIQ(n_remove=0).compress(sv.Vectors(words, matrix), factors=True)
        assert np.array_equal(table.codes(), expected.codes())
        assert np.array_equal(table.lookup([5], original=True), expected.lookup([5], original=True))

    def test_many_words(self, tmp_path):
        words = [f"a-rather-long-word-number-{i}" for i in range(50_000)]  # more than is read at once
        (tmp_path / "m.bin").write_bytes(fasttext(words, np.ones((50_000, 1), np.float32)))
        assert list(sv.read_vectors(tmp_path / "m.bin")) == words


class TestVersions:
    """Models of other years, with the same rows."""

    @pytest.mark.parametrize("options", [{"version": 11}, {"version": 0}, {"pruned": []}])
    def test_they_have_the_same_vectors(self, model, options):
        expected = sv.read_vectors(model)
        model.write_bytes(fasttext(WORDS, MATRIX, buckets=BUCKETS, **options))
        assert recognise(model) is FASTTEXT_BINARY
        vectors = sv.read_vectors(model)
        assert vectors.words == expected.words
        assert np.array_equal(vectors.matrix, expected.matrix)

    def test_classifiers_of_today_have_n_grams(self, model):
        expected = sv.read_vectors(model)
        model.write_bytes(fasttext(WORDS, MATRIX, ["__label__x"], BUCKETS, model=3))
        assert np.array_equal(sv.read_vectors(model).matrix, expected.matrix)

    def test_versions_to_come_are_refused(self, model):
        model.write_bytes(fasttext(WORDS, MATRIX, version=13))
        with pytest.raises(sv.FormatError, match=r"model.bin: a fastText model of version 13; expected version 11 or"):
            sv.read_vectors(model)


PRUNED = {number: row for row, number in enumerate([3, 48, 7, 22, 31, 40, 11, 12, 0, 49, 27, 33, 18])}


class TestQuantized:
    """``.ftz``: rows in product quantization, and some n-grams only."""

    def parts(self, dim=6, width=4, n_rows=8 + 13):
        rng = np.random.default_rng(3)
        centroids = rng.standard_normal(256 * dim).astype(np.float32)
        codes = rng.integers(0, 256, (n_rows, -(-dim // width)), np.uint8)
        rows = np.empty((n_rows, dim), np.float32)
        for i in range(n_rows):
            for part, first in enumerate(range(0, dim, width)):
                own = min(width, dim - first)
                start = 256 * first + int(codes[i, part]) * own
                rows[i, first : first + own] = centroids[start : start + own]
        return codes, centroids, rows

    @pytest.mark.parametrize("normed", [False, True])
    def test_rows(self, tmp_path, normed):
        codes, centroids, rows = self.parts()
        norms = None
        if normed:
            norms = np.arange(21, dtype=np.uint8)[::-1].copy(), np.linspace(1, 5, 256, dtype=np.float32)
            rows *= norms[1][norms[0]][:, None]
        data = quantized(codes, centroids, 6, 4, norms)
        path = tmp_path / "m.ftz"
        path.write_bytes(fasttext(WORDS, MATRIX, pruned=list(PRUNED.items()), letters=(2, 4), data=data))
        vectors = sv.read_vectors(path)
        for word in WORDS:
            own = [WORDS.index(word)] + [8 + PRUNED[n] for n in ngrams(word, 2, 4, 50) if n in PRUNED]
            assert np.allclose(vectors[word], rows[own].mean(0), rtol=0, atol=1e-6)
        own = [8 + PRUNED[n] for n in ngrams("colour", 2, 4, 50) if n in PRUNED]
        assert own
        assert np.allclose(sv.FastText(path).vectors(["colour"])[0], rows[own].mean(0), rtol=0, atol=1e-6)

    def test_with_no_n_grams_left(self, tmp_path):
        codes, centroids, rows = self.parts(n_rows=8)
        path = tmp_path / "m.ftz"
        path.write_bytes(fasttext(WORDS, MATRIX, pruned=[], data=quantized(codes, centroids, 6, 4)))
        assert np.array_equal(sv.read_vectors(path).matrix, rows)
        assert np.array_equal(np.concatenate(list(sv.VectorFile(path).blocks())), rows)


class TestDamage:
    def test_every_truncation(self, tmp_path):
        codes, centroids, _ = TestQuantized().parts(width=6)
        pruned = list(PRUNED.items())
        norms = codes[:, 0].copy(), centroids[:256]
        packed = fasttext(WORDS, MATRIX, pruned=pruned, data=quantized(codes, centroids, 6, 6, norms))
        for raw in (fasttext(WORDS, MATRIX, buckets=BUCKETS), packed, fasttext(WORDS, MATRIX, version=0)):
            for size in range(4, len(raw), 29):
                (tmp_path / "m.bin").write_bytes(raw[:size])
                with pytest.raises(sv.FormatError, match=r"m.bin: "):
                    sv.read_vectors(tmp_path / "m.bin", format="fasttext-binary")

    @pytest.mark.parametrize(
        ("at", "value", "message"),
        [
            (4, 99, "version 99; expected version 11 or 12"),
            (40, 51, "58 rows does not fit 8 words and 51 n-grams"),
            (48, 1 << 30, "n-grams have up to 1073741824 letters"),
            (64, -1, "damaged"),
            (68, 1 << 30, "damaged"),
            (64, 1 << 30, "truncated"),
            (88, 1, "truncated"),
        ],
    )
    def test_lies(self, model, at, value, message):
        raw = bytearray(model.read_bytes())
        raw[at : at + 4] = struct.pack("<i", value)
        model.write_bytes(raw)
        for read in (sv.read_vectors, sv.FastText):
            with pytest.raises(sv.FormatError, match=message):
                read(model)

    @pytest.mark.parametrize("pair", [(3, 13), (3, -1)])
    def test_n_grams_without_rows(self, tmp_path, pair):
        codes, centroids, _ = TestQuantized().parts()
        data = quantized(codes, centroids, 6, 4)
        (tmp_path / "m.ftz").write_bytes(fasttext(WORDS, MATRIX, pruned=[pair], data=data))
        with pytest.raises(sv.FormatError, match=r"m.ftz: its matrix of 21 rows does not fit 8 words"):
            sv.read_vectors(tmp_path / "m.ftz")

    def test_words_that_are_not_utf8(self, tmp_path):
        path = tmp_path / "m.bin"
        path.write_bytes(fasttext([WORDS[0], b"\xff\xfe", *WORDS[2:]], MATRIX, buckets=BUCKETS))
        left = WORDS[:1] + WORDS[2:]
        for read in (sv.read_vectors, sv.VectorFile, sv.FastText):
            with pytest.raises(sv.FormatError, match=r'm.bin: word 2: its bytes are no UTF-8 .*; on_error="skip"'):
                read(path)
            with pytest.warns(UserWarning, match=r"m.bin: 1 rows cannot be read and are left out \(word 2\)"):
                made = read(path, on_error="skip")
            assert made.vocabulary.words == tuple(left)
            rows = np.concatenate(list(made.blocks()))
            assert np.allclose(rows, [composed(word, 3, 6) for word in left], rtol=0, atol=1e-6)
        path.write_bytes(fasttext([b"\xff"], MATRIX[:1]))
        with pytest.raises(sv.FormatError, match="no row of it can be read: word 1"):
            sv.read_vectors(path, on_error="skip")

    def test_compressed_ones_are_unpacked(self, model):
        packed = model.with_suffix(".bin.gz")
        packed.write_bytes(gzip.compress(model.read_bytes()))
        assert np.array_equal(sv.FastText(packed).vectors(UNKNOWN), sv.FastText(model).vectors(UNKNOWN))
        assert np.array_equal(sv.read_vectors(packed).matrix, sv.read_vectors(model).matrix)

    @pytest.mark.filterwarnings("ignore:.* cannot be read")
    def test_pickled_by_its_place(self, tmp_path):
        (tmp_path / "m.bin").write_bytes(fasttext([b"\xff", *WORDS[1:]], MATRIX, buckets=BUCKETS))
        made = sv.FastText(tmp_path / "m.bin", on_error="skip")
        raw = pickle.dumps(made)
        assert len(raw) < 500
        assert np.array_equal(pickle.loads(raw).vectors(UNKNOWN), made.vectors(UNKNOWN))  # noqa: S301 - our own
        file = sv.VectorFile(tmp_path / "m.bin", on_error="skip")
        copied = pickle.loads(pickle.dumps(file))  # noqa: S301 - our own
        assert np.array_equal(np.asarray(copied), np.asarray(file))

    def test_other_files(self, tmp_path):
        (tmp_path / "m.bin").write_bytes(b"x" * 1000)
        with pytest.raises(sv.FormatError, match="not a fastText model: it does not begin like one"):
            sv.FastText(tmp_path / "m.bin")
        with pytest.raises(FileNotFoundError):
            sv.FastText(tmp_path / "none")

    def test_a_pair_is_refused(self, model):
        with pytest.raises(ValueError, match="a folder or a pair holds rows and words apart"):
            sv.read_vectors((model, model))
