"""Formats whose rows are mapped: safetensors with words, Hugging Face folders; and .zst."""

from __future__ import annotations

import json
import re
import sys

import numpy as np
import pytest

import slimvec as sv
from slimvec.cli import main

WORDS = ["the", "größe", "new york", "\n"]
MATRIX = np.random.default_rng(0).standard_normal((4, 6)).astype(np.float32)


def safetensors(**tensors):
    codes = {"<f8": "F64", "<f4": "F32", "<f2": "F16", "<i8": "I64", "<i4": "I32", "|i1": "I8", "|u1": "U8"}
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, tensor in tensors.items():
        place = [len(data), len(data) + tensor.nbytes]
        code = tensor.dtype.names[0] if tensor.dtype.names else codes[tensor.dtype.str]
        header[name] = {"dtype": code, "shape": tensor.shape, "data_offsets": place}
        data += tensor.tobytes()
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


class TestSafetensors:
    @pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8"])
    def test_with_words(self, tmp_path, dtype):
        path = tmp_path / "v.safetensors"
        path.write_bytes(safetensors(ids=np.arange(4), weight=MATRIX.astype(dtype)))
        (tmp_path / "words.txt").write_text("a\nb\nc\nd\n")
        for source in (path, (path, tmp_path / "words.txt")):
            vectors = sv.read_vectors(source)
            assert vectors.words == ("a", "b", "c", "d")
            assert np.array_equal(vectors.matrix, MATRIX.astype(dtype))
            assert not vectors.matrix.flags.writeable  # mapped

    def test_what_the_format_s_own_library_writes(self, tmp_path):
        numpy = pytest.importorskip("safetensors.numpy")
        numpy.save_file({"weight": MATRIX}, tmp_path / "v.safetensors")
        (tmp_path / "words.txt").write_text("a\nb\nc\nd\n")
        assert np.array_equal(sv.read_vectors(tmp_path / "v.safetensors").matrix, MATRIX)

    def test_a_matrix_without_words(self, tmp_path, capsys):
        (tmp_path / "v.safetensors").write_bytes(safetensors(x=MATRIX))
        assert main(["compress", str(tmp_path / "v.safetensors"), "-o", str(tmp_path / "t"), "--remove", "0"]) == 0
        assert "rows        4\n" in capsys.readouterr().out
        with pytest.raises(FileNotFoundError, match="words.txt does not exist"):
            sv.read_vectors(tmp_path / "v.safetensors")

    @pytest.mark.parametrize(
        ("tensors", "message"),
        [
            ({"x": MATRIX[0]}, "found none"),
            ({"x": MATRIX, "y": MATRIX}, r"found x \(4 x 6 float32\), y \(4 x 6 float32\); choose one by tensor="),
            ({"x": np.ones((2, 2), "<i8")}, "found none"),
        ],
    )
    def test_which_matrix(self, tmp_path, tensors, message):
        (tmp_path / "v.safetensors").write_bytes(safetensors(**tensors))
        with pytest.raises(sv.FormatError, match=message):
            sv.read_vectors((tmp_path / "v.safetensors", "words.txt"))

    @pytest.mark.parametrize(
        "change",
        [
            lambda entry: entry.update(shape=[4, 7]),
            lambda entry: entry.update(shape=[-4, -6]),
            lambda entry: entry.update(shape="4"),
            lambda entry: entry.update(data_offsets=[8, 104]),
            lambda entry: entry.update(data_offsets=[-96, 0]),
            lambda entry: entry.pop("dtype"),
        ],
    )
    def test_lies(self, tmp_path, change):
        raw = safetensors(x=MATRIX)
        size = int.from_bytes(raw[:8], "little")
        header = json.loads(raw[8 : 8 + size])
        change(header["x"])
        text = json.dumps(header).encode()
        path = tmp_path / "v.safetensors"
        path.write_bytes(len(text).to_bytes(8, "little") + text + raw[8 + size :])
        with pytest.raises(sv.FormatError, match=r"v.safetensors: a damaged safetensors file"):
            sv.read_vectors((path, "words.txt"))

    @pytest.mark.parametrize("raw", [b"", b"\xff" * 30, b"\x03" + bytes(7) + b"{xx"])
    def test_other_files(self, tmp_path, raw):
        (tmp_path / "v.safetensors").write_bytes(raw)
        with pytest.raises(sv.FormatError, match=r"v.safetensors"):
            sv.read_vectors((tmp_path / "v.safetensors", "words.txt"), format="safetensors")


class TestTokenFolder:
    """tokenizer.json and model.safetensors, as model2vec saves them."""

    def make(self, folder, vocabulary, added=(), **tensors):
        content = {"model": {"type": "WordPiece", "vocab": vocabulary}, "added_tokens": list(added)}
        (folder / "tokenizer.json").write_text(json.dumps(content))
        (folder / "model.safetensors").write_bytes(safetensors(**tensors))
        return folder

    def test_tokens_in_the_order_of_their_numbers(self, tmp_path):
        folder = self.make(tmp_path, {"b": 1, "ä": 0, "\n": 2}, [{"id": 3, "content": "[PAD]"}], embeddings=MATRIX)
        vectors = sv.read_vectors(folder)
        assert vectors.words == ("ä", "b", "\n", "[PAD]")
        assert np.array_equal(vectors.matrix, MATRIX)
        assert not vectors.matrix.flags.writeable  # mapped
        assert sv.read_vectors(folder, limit=2).words == ("ä", "b")

    def test_unigram_lists_and_rows_of_padding(self, tmp_path):
        vectors = sv.read_vectors(self.make(tmp_path, [["b", -1.5], ["a", -2.0]], embeddings=MATRIX))
        assert vectors.words == ("b", "a")
        assert np.array_equal(vectors.matrix, MATRIX[:2])

    def test_mapping_and_weights(self, tmp_path):
        mapping, weights = np.array([1, 1, 0, 3, 2]), np.array([1, 0.5, 2, 1, 3])
        numbers = {word: number for number, word in enumerate("abcde")}
        vectors = sv.read_vectors(self.make(tmp_path, numbers, embeddings=MATRIX, mapping=mapping, weights=weights))
        assert np.allclose(vectors.matrix, MATRIX[mapping] * weights[:, None], rtol=1e-6, atol=0)
        assert vectors.matrix.dtype == np.float32

    def test_it_compresses(self, tmp_path):
        folder = self.make(tmp_path, {str(i): i for i in range(4)}, embeddings=MATRIX)
        assert main(["compress", str(folder), "-o", str(tmp_path / "t"), "--remove", "0"]) == 0
        assert sv.open(tmp_path / "t").words == ("0", "1", "2", "3")

    @pytest.mark.parametrize(
        ("vocabulary", "tensors", "message"),
        [
            ({"a": 0, "b": 2}, {}, "numbers of its 2 tokens are not 0 ... 1"),
            ({"a": 0, "b": 0}, {}, "numbers of its 2 tokens"),
            ({str(i): i for i in range(5)}, {}, "5 tokens for the 4 rows"),
            (3, {}, "not a usable tokenizer"),
            ({"a": []}, {}, "token"),
            ({"a": 0}, {"mapping": np.array([4])}, "mapping of tokens to rows"),
            ({"a": 0}, {"mapping": np.array([-1])}, "mapping of tokens to rows"),
            ({"a": 0}, {"weights": np.ones(3)}, r"weights have shape \(3,\); expected \(4,\)"),
        ],
    )
    def test_what_does_not_fit(self, tmp_path, vocabulary, tensors, message):
        with pytest.raises(sv.FormatError, match=message):
            sv.read_vectors(self.make(tmp_path, vocabulary, embeddings=MATRIX, **tensors))

    def test_broken_json(self, tmp_path):
        folder = self.make(tmp_path, {}, embeddings=MATRIX)
        for text in ("{", "[]", "[" * 100_000):
            (folder / "tokenizer.json").write_text(text)
            with pytest.raises(sv.FormatError, match=r"tokenizer.json: not a usable tokenizer"):
                sv.read_vectors(folder)


def compress_zstd(data):
    if sys.version_info >= (3, 14):
        from compression import zstd

        return zstd.compress(data)
    return pytest.importorskip("zstandard").compress(data)


class TestZstd:
    @pytest.fixture
    def text(self):
        numbers = np.random.default_rng(0).standard_normal((3000, 40))
        return "".join(f"w{i} {' '.join(map(repr, row))}\n" for i, row in enumerate(numbers.tolist())).encode()

    def test_one_frame_and_several(self, tmp_path, text):
        (tmp_path / "v.txt").write_bytes(text)
        expected = sv.read_vectors(tmp_path / "v.txt")
        middle = text.index(b"\n", len(text) // 2) - 7  # within a number
        pieces = (text[:middle], b"", text[middle:])
        for raw in (compress_zstd(text), b"".join(map(compress_zstd, pieces))):
            (tmp_path / "v.txt.zst").write_bytes(raw)
            read = sv.read_vectors(tmp_path / "v.txt.zst")
            assert read.words == expected.words
            assert np.array_equal(read.matrix, expected.matrix)
        blocks = list(sv.VectorFile(tmp_path / "v.txt.zst").blocks())
        assert np.array_equal(np.concatenate(blocks), expected.matrix)

    def test_damage(self, tmp_path, text):
        raw = bytearray(compress_zstd(text))
        path = tmp_path / "v.zst"
        path.write_bytes(raw[:-1000])
        with pytest.raises(sv.FormatError, match=r"v.zst: damaged zstd data \(the file ends within a frame: truncated"):
            sv.read_vectors(path)
        raw[len(raw) // 2 : len(raw) // 2 + 200] = bytes(200)
        path.write_bytes(raw)
        with pytest.raises(sv.FormatError, match=r"v.zst: "):
            sv.read_vectors(path)
        path.write_bytes(compress_zstd(text) + b"trailing")
        with pytest.raises(sv.FormatError, match=r"v.zst: damaged zstd data"):
            sv.read_vectors(path)

    @pytest.mark.skipif(sys.version_info >= (3, 14), reason="Python itself decompresses")
    def test_without_the_package_the_extra_is_named(self, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "zstandard", None)
        (tmp_path / "v.zst").write_bytes(b"\x28\xb5\x2f\xfd....")
        with pytest.raises(ImportError, match=re.escape("pip install 'slimvec[zstd]'")):
            sv.read_vectors(tmp_path / "v.zst")
