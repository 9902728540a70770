"""Files of named arrays (safetensors, .npz, HDF5): which one is read; numbers that NumPy lacks; damaged ones."""

from __future__ import annotations

import json
import struct
import sys
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import slimvec as sv
from slimvec.cli import main
from slimvec.vectors.formats import HDF5, NPZ, recognise
from test_mapped import safetensors

WORDS = ["cat", "größe", "new york", "sea"]
MATRIX = np.random.default_rng(0).standard_normal((4, 6)).astype(np.float32)
OTHER = np.zeros((9, 3), np.float32)
HALVES = (MATRIX.view(np.uint32) >> 16).astype("<u2")
WIDE = (HALVES.astype(np.uint32) << 16).view(np.float32)  # bfloat16 is the upper half of float32


def typed(array, code):
    """An array whose tensor is written as of that type."""
    return array.view([(code, array.dtype)]).reshape(array.shape)


def with_words(path):
    path.with_name("words.txt").write_text("".join(f"{word}\n" for word in WORDS), encoding="utf-8")
    return path


def check(vectors, matrix=MATRIX):
    assert vectors.words == tuple(WORDS)
    assert np.array_equal(vectors.matrix, matrix)


class TestNamedTensors:
    @pytest.fixture(params=["safetensors", "npz", "hdf5"])
    def several(self, request, tmp_path):
        """A file of several matrices, and words beside it."""
        path = with_words(tmp_path / "several")
        arrays = {"emb.weight": MATRIX, "other": OTHER, "ids": np.arange(4), "m.l.1": OTHER}
        if request.param == "safetensors":
            path.write_bytes(safetensors(**arrays))
        elif request.param == "npz":
            with open(path, "wb") as file:
                np.savez(file, **arrays)
        else:
            with pytest.importorskip("h5py").File(path, "w") as file:
                for name, array in arrays.items():
                    file[name] = array
        return path

    def test_one_of_many(self, several, tmp_path, capsys):
        check(sv.read_vectors(several, tensor="emb.weight"))
        check(sv.read_vectors((several, several.with_name("words.txt")), tensor="emb.weight"))
        file = sv.VectorFile(several, tensor="emb.weight", limit=3)
        assert np.array_equal(file.matrix, MATRIX[:3])
        arguments = ["compress", str(several), "-o", str(tmp_path / "t"), "--remove", "0"]
        assert main([*arguments, "--tensor", "emb.weight"]) == 0
        assert sv.open(tmp_path / "t").words == tuple(WORDS)
        assert main(arguments) == 2
        assert 'choose one by tensor="..." (--tensor)' in capsys.readouterr().err

    def test_the_error_lists_what_there_is(self, several):
        shown = r"m.l.1 \(9 x 3 float32\), other \(9 x 3 float32\), emb.weight \(4 x 6 float32\)"
        with pytest.raises(sv.FormatError, match=rf"several: several matrices, found {shown}; choose one by tensor="):
            sv.read_vectors(several)
        with pytest.raises(ValueError, match=r"tensor='emb' is not in it; expected one of m.l.1 \(9 x 3 float32\)"):
            sv.read_vectors(several, tensor="emb")
        with pytest.raises(sv.FormatError, match=r"its tensor 'ids' has shape \(4,\); expected two dimensions"):
            sv.read_vectors(several, tensor="ids")

    def test_names_are_few_and_short(self, tmp_path):
        tensors = {"a" * 500 + str(i): np.eye(3, dtype="<f4") for i in range(60)}
        (tmp_path / "v").write_bytes(safetensors(**tensors))
        with pytest.raises(sv.FormatError, match=r"a\.\.\.a.* and 55 more; choose one") as caught:
            sv.VectorFile(tmp_path / "v")
        assert len(str(caught.value)) < 1000

    def test_what_has_no_names(self, tmp_path):
        np.save(with_words(tmp_path / "v.npy"), MATRIX)
        (tmp_path / "v.txt").write_text("a 1 2\n")
        for name, title in (("v.npy", "an .npy array"), ("v.txt", "GloVe text")):
            for read in (sv.read_vectors, sv.VectorFile):
                with pytest.raises(ValueError, match=f"tensor='x' does not fit {title}, whose arrays have no names"):
                    read(tmp_path / name, tensor="x")
        (tmp_path / "v.npy").rename(tmp_path / "vectors.npy")
        with pytest.raises(ValueError, match="tensor='x' does not fit an .npy array"):
            sv.read_vectors(tmp_path, tensor="x")


class TestNpz:
    @pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
    @pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f2", "<f8"])
    def test_with_its_words(self, tmp_path, save, dtype):
        for matrix in (MATRIX.astype(dtype), np.asfortranarray(MATRIX.astype(dtype))):
            save(tmp_path / "v.npz", vectors=matrix, words=np.array(WORDS))
            assert recognise(tmp_path / "v.npz") is NPZ
            check(sv.read_vectors(tmp_path / "v.npz"), matrix)
            file = sv.VectorFile(tmp_path / "v.npz")
            assert list(file.vocabulary) == WORDS
            assert isinstance(file.matrix.base, np.memmap) or save is np.savez_compressed
            expected = sv.IIQ(n_remove=0).compress(MATRIX.astype(dtype)).codes()
            assert np.array_equal(sv.IIQ(n_remove=0).compress(file).codes(), expected)

    def test_words_as_bytes_or_beside_it(self, tmp_path):
        np.savez(tmp_path / "v.npz", v=MATRIX, vocab=np.array([word.encode() for word in WORDS]))
        check(sv.read_vectors(tmp_path / "v.npz"))
        np.savez(tmp_path / "v.npz", v=MATRIX, words=np.array(WORDS[:3]))  # of something else
        with pytest.raises(FileNotFoundError, match="words.txt does not exist"):
            sv.read_vectors(tmp_path / "v.npz")
        check(sv.read_vectors(with_words(tmp_path / "v.npz")))

    def test_pickles_are_not_opened(self, tmp_path):
        np.savez(tmp_path / "v.npz", v=MATRIX, words=np.array(WORDS, object))
        with pytest.raises(sv.FormatError, match=r"its 'words' are Python objects .* dtype=str\), vectors=vectors\)"):
            sv.read_vectors(tmp_path / "v.npz")
        np.savez(tmp_path / "v.npz", v=np.array([[1, "x"]], object))
        with pytest.raises(sv.FormatError, match=r"found none, but v \(1 x 2 object\)"):
            sv.read_vectors(tmp_path / "v.npz")

    def test_rows_of_another_array_are_not_taken(self, tmp_path):
        """A header that promises more rows than its array has; more of the file follows."""
        np.savez(tmp_path / "v.npz", v=np.ones((100, 100), np.float32), w=np.zeros(100_000, np.float32))
        raw = (tmp_path / "v.npz").read_bytes()
        (tmp_path / "v.npz").write_bytes(raw.replace(b"'shape': (100, 100)", b"'shape': (200, 100)"))
        for read in (sv.VectorFile, sv.read_vectors):
            with pytest.raises(sv.FormatError, match=r"v.npz: a damaged .npz archive"):
                read(tmp_path / "v.npz")

    def test_promises_take_no_memory(self, tmp_path):
        header = np.lib.format.magic(1, 0)
        text = repr({"descr": "<f4", "fortran_order": False, "shape": (1 << 32, 1 << 20)}).encode() + b"\n"
        for kind in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            with zipfile.ZipFile(tmp_path / "v.npz", "w", kind) as archive:
                archive.writestr("v.npy", header + struct.pack("<H", len(text)) + text + bytes(100))
            with pytest.raises(sv.FormatError, match=r"v.npz: a damaged .npz archive"):
                sv.VectorFile(tmp_path / "v.npz")


class TestHdf5:
    def test_ann_benchmarks(self, tmp_path):
        h5py = pytest.importorskip("h5py")
        path = tmp_path / "set.hdf5"
        with h5py.File(path, "w") as file:
            file["train"], file["test"], file["neighbors"] = MATRIX, OTHER, np.zeros((9, 2), np.int32)
            file.create_dataset("deep/chunked", data=MATRIX, chunks=(2, 3), compression="gzip")
        assert recognise(path) is HDF5
        mapped = sv.VectorFile(path, tensor="train").matrix
        assert isinstance(mapped, np.memmap)
        for matrix in (mapped, sv.VectorFile(path, tensor="deep/chunked").matrix):
            assert np.array_equal(matrix, MATRIX)
        with pytest.raises(
            sv.FormatError, match=r"found test \(9 x 3 float32\), deep/chunked \(4 x 6 float32\), train"
        ):
            sv.VectorFile(path)
        path.write_bytes(path.read_bytes()[:3000])
        with pytest.raises(sv.FormatError, match="set.hdf5: a damaged HDF5 file"):
            sv.VectorFile(path, tensor="train")

    @pytest.mark.parametrize("behind", [0, 1000])
    def test_types_of_other_widths(self, tmp_path, behind):
        """bfloat16 comes as float32, and lies otherwise in the file, whose first rows are zeros; int24 is left out."""
        h5py = pytest.importorskip("h5py")
        matrix = WIDE.copy()
        matrix[:2] = 0
        short, odd = h5py.h5t.IEEE_F32LE.copy(), h5py.h5t.STD_I32LE.copy()
        short.set_fields(15, 7, 8, 0, 7)
        short.set_size(2)
        odd.set_precision(24)
        odd.set_size(3)
        with h5py.File(tmp_path / "v.h5", "w") as file:
            for name, kind in ((b"v", short), (b"w", odd)):
                made = h5py.h5d.create(file.id, name, kind, h5py.h5s.create_simple(matrix.shape))
                made.write(h5py.h5s.ALL, h5py.h5s.ALL, matrix.astype("f4" if name == b"v" else "i4"))
            file["x"] = np.zeros(behind, np.uint8)
        assert np.array_equal(sv.VectorFile(tmp_path / "v.h5").matrix, matrix)

    def test_without_the_package_the_extra_is_named(self, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "h5py", None)
        (tmp_path / "v.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
        with pytest.raises(ImportError, match=r"pip install 'slimvec\[hdf5\]'"):
            sv.read_vectors(tmp_path / "v.h5")


class TestTypes:
    def test_bfloat16(self, tmp_path):
        path = with_words(tmp_path / "v.safetensors")
        path.write_bytes(safetensors(weight=typed(HALVES, "BF16"), scale=np.ones(3, "<f4")))
        check(sv.read_vectors(path), WIDE)
        file = sv.VectorFile(path, limit=3)
        assert (len(file), file.dim, file.sequential, file.matrix) == (3, 6, False, None)
        assert np.array_equal(file.take(np.array([2, 0])), WIDE[[2, 0]])
        assert np.array_equal(np.concatenate(list(file.blocks())), WIDE[:3])
        assert np.array_equal(sv.IIQ(n_remove=0).compress(file).codes(), sv.IIQ(n_remove=0).compress(WIDE[:3]).codes())

    def test_bfloat16_as_numpy_writes_it(self, tmp_path):
        np.save(with_words(tmp_path / "v.npy"), HALVES.view("V2"))  # ml_dtypes' and so JAX's arrays are saved so
        check(sv.read_vectors(tmp_path / "v.npy"), WIDE)
        np.savez(with_words(tmp_path / "v.npz"), v=HALVES.view("V2"))
        check(sv.read_vectors(tmp_path / "v.npz"), WIDE)

    @pytest.mark.parametrize("dtype", ["i1", "u1"])
    def test_bytes_are_numbers(self, tmp_path, dtype):
        numbers = np.arange(24).reshape(4, 6).astype(dtype)
        path = with_words(tmp_path / "v")
        path.write_bytes(safetensors(weight=numbers, ids=np.arange(4)))
        check(sv.read_vectors(path), numbers)
        path.write_bytes(safetensors(weight=numbers, emb=MATRIX))
        check(sv.read_vectors(path))
        check(sv.read_vectors(path, tensor="weight"), numbers)

    @pytest.mark.parametrize("shape", [(4, 1), (4,), (1,)])
    def test_bytes_with_scales(self, tmp_path, shape):
        numbers = np.arange(-12, 12, dtype="i1").reshape(4, 6)
        scales = np.linspace(0.5, 2, shape[0], dtype="<f4").reshape(shape)
        path = with_words(tmp_path / "v")
        path.write_bytes(safetensors(weight=numbers, weight_scale=scales))
        expected = numbers * scales.reshape(-1, 1)
        check(sv.read_vectors(path, tensor="weight"), expected)
        assert np.array_equal(sv.VectorFile(path, tensor="weight").take(np.array([3, 1])), expected[[3, 1]])
        path.write_bytes(safetensors(weight=numbers, weight_scale=scales, weight_zero_point=numbers[:, :1]))
        with pytest.raises(sv.FormatError, match="'weight' is quantized in a way that is not read; write it as float"):
            sv.read_vectors(path, tensor="weight")

    @pytest.mark.parametrize("code", ["F8_E4M3", "F8_E5M2"])
    def test_float8_is_named(self, tmp_path, code):
        path = with_words(tmp_path / "v")
        path.write_bytes(safetensors(weight=typed(np.zeros((4, 6), "u1"), code)))
        with pytest.raises(sv.FormatError, match=rf"found none, but weight \(4 x 6 {code}\)"):
            sv.read_vectors(path)
        with pytest.raises(sv.FormatError, match=f"tensor 'weight' is of {code}, which is not read; write it as float"):
            sv.read_vectors(path, tensor="weight")

    @pytest.mark.parametrize("dtype", ["?", "c8", "U3", "M8[s]", [("a", "f4")], "V5"])
    def test_arrays_of_other_things(self, tmp_path, dtype):
        np.save(with_words(tmp_path / "v.npy"), np.zeros((4, 6), dtype))
        with pytest.raises(sv.FormatError, match=r"v.npy: its array .*"):
            sv.read_vectors(tmp_path / "v.npy")

    @pytest.mark.parametrize("dtype", [">f4", ">f8", "i1", ">i4"])
    def test_arrays_in_any_order(self, tmp_path, dtype):
        matrix = (100 * MATRIX).astype(dtype)
        for stored in (matrix, np.asfortranarray(matrix)):
            np.save(with_words(tmp_path / "v.npy"), stored)
            vectors = sv.read_vectors(tmp_path / "v.npy")
            check(vectors, matrix)
            assert np.array_equal(vectors["sea"], matrix[3].astype(np.float32))
            table, expected = (sv.IIQ(n_remove=0).compress(one, factors=True) for one in (vectors, matrix.astype("f4")))
            assert np.array_equal(table.codes(), expected.codes())


class TestFolders:
    def tokens(self, folder, numbers=None):
        folder.mkdir(parents=True, exist_ok=True)
        numbers = {word: i for i, word in enumerate(WORDS)} if numbers is None else numbers
        (folder / "tokenizer.json").write_text(json.dumps({"model": {"vocab": numbers}, "added_tokens": []}))
        return folder

    def modules(self, folder, *paths):
        (folder / "modules.json").write_text(json.dumps([{"idx": 0, "path": path, "type": "x"} for path in paths]))

    def test_static_embedding_of_sentence_transformers(self, tmp_path):
        inner = self.tokens(tmp_path / "st" / "0_StaticEmbedding")
        self.modules(tmp_path / "st", "0_StaticEmbedding", "1_Normalize")
        (inner / "model.safetensors").write_bytes(safetensors(**{"embedding.weight": typed(HALVES, "BF16")}))
        check(sv.read_vectors(tmp_path / "st"), WIDE)
        assert sv.read_vectors(tmp_path / "st", limit=2).words == tuple(WORDS[:2])

    def test_no_folder_outside(self, tmp_path):
        outside = self.tokens(tmp_path / "outside")
        (outside / "model.safetensors").write_bytes(safetensors(x=MATRIX))
        (tmp_path / "st").mkdir()
        for path in ("../outside", str(outside)):
            self.modules(tmp_path / "st", path)
            with pytest.raises(FileNotFoundError, match="no vectors that are read"):
                sv.read_vectors(tmp_path / "st")

    @pytest.mark.parametrize("text", ["{", "3", "[3]", '[{"path": 3}]', "[" * 100_000])
    def test_broken_modules(self, tmp_path, text):
        (tmp_path / "modules.json").write_text(text)
        with pytest.raises(sv.FormatError, match=r"modules.json: not a usable list of modules"):
            sv.read_vectors(tmp_path)

    def test_word_embeddings_of_a_transformer(self, tmp_path):
        name = "embeddings.word_embeddings.weight"
        self.tokens(tmp_path)
        layers = {f"encoder.layer.{i}.dense.weight": OTHER for i in range(60)}
        (tmp_path / "model.safetensors").write_bytes(safetensors(**{name: MATRIX}, **layers))
        check(sv.read_vectors(tmp_path, tensor=name))
        with pytest.raises(sv.FormatError, match="and 56 more; choose one by tensor="):
            sv.read_vectors(tmp_path)

    def test_mapping_and_weights_of_bfloat16(self, tmp_path):
        mapping, weights = np.array([1, 1, 0, 3]), np.array([1, 0.5, 2, 1])
        tensors = {"embeddings": typed(HALVES, "BF16"), "mapping": mapping, "weights": weights}
        (self.tokens(tmp_path) / "model.safetensors").write_bytes(safetensors(**tensors))
        check(sv.read_vectors(tmp_path), (WIDE[mapping] * weights[:, None]).astype(np.float32))

    @pytest.mark.parametrize(
        ("name", "told"),
        [
            ("vocab/vectors", "a spaCy model: nlp = spacy.load"),
            ("pytorch_model.bin", "save it by model.save_pretrained"),
            ("model.safetensors.index.json", "a model in several files: pass a pair"),
            ("x", "expected vectors.npy and words.txt, or model.safetensors and tokenizer.json"),
        ],
    )
    def test_what_is_not_read_is_named(self, tmp_path, name, told):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
        with pytest.raises(FileNotFoundError, match=told):
            sv.read_vectors(tmp_path)

    @pytest.mark.parametrize(
        "numbers",
        [{"a": 0, "b": "1"}, {"\ud800": 0}, [[3, 0.5]], [[["x"], 0.5]], {"a": None, "b": 1}, {"a": 0, "b": {}}],
    )
    def test_tokens_that_are_none(self, tmp_path, numbers):
        (self.tokens(tmp_path, numbers) / "model.safetensors").write_bytes(safetensors(x=MATRIX))
        with pytest.raises(sv.FormatError, match=r"tokenizer.json: not a usable tokenizer"):
            sv.read_vectors(tmp_path)


class TestGensim:
    """Its pickles are told, never opened."""

    @pytest.mark.parametrize(
        ("module", "name", "remedy"),
        [
            ("keyedvectors", "KeyedVectors", r"KeyedVectors.load\(path\).save_word2vec_format"),
            ("word2vec", "Word2Vec", r"Word2Vec.load\(path\).wv.save_word2vec_format"),
            ("fasttext", "FastText", r"save_facebook_model\(FastText.load\(path\), \"model.bin\"\)"),
        ],
    )
    def test_the_lines_that_convert_it(self, tmp_path, module, name, remedy):
        module = f"gensim.models.{module}".encode()
        start = b"\x80\x04\x95\xd9\x02" + bytes(6) + b"\x8c" + bytes([len(module)]) + module + b"\x94\x8c"
        (tmp_path / "m").write_bytes(
            start + bytes([len(name)]) + name.encode() + b"\x94\x93\x94)\x81\x94}\x94(" + b"1 2\n"
        )
        for read in (sv.read_vectors, sv.VectorFile):
            with pytest.raises(
                sv.FormatError, match=rf"m: a pickle of gensim.* from {module.decode()} import .*{remedy}"
            ):
                read(tmp_path / "m")


class TestDamage:
    """Whatever a byte is changed to, a file is read or refused by FormatError."""

    @pytest.fixture(scope="class")
    def files(self, tmp_path_factory):
        """Files of each kind, by name, and their bytes."""
        folder = tmp_path_factory.mktemp("damage")
        with_words(folder / "x")
        np.save(folder / "v.npy", MATRIX)
        np.savez(folder / "v.npz", v=MATRIX, words=np.array(WORDS))
        np.savez_compressed(folder / "c.npz", v=MATRIX, words=np.array(WORDS))
        (folder / "v.safetensors").write_bytes(safetensors(w=typed(HALVES, "BF16"), w_scale=np.ones(4, "<f4")))
        TestFolders().tokens(folder / "tokens")
        (folder / "tokens" / "model.safetensors").write_bytes(safetensors(w=MATRIX, mapping=np.arange(4)))
        names = ["v.npy", "v.npz", "c.npz", "v.safetensors", "tokens/tokenizer.json", "tokens/model.safetensors"]
        return folder, {name: (folder / name).read_bytes() for name in names}

    @settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data())
    @pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")
    def test_only_format_errors(self, files, data):
        folder, contents = files
        name = data.draw(st.sampled_from(sorted(contents)))
        raw = bytearray(contents[name])
        for _ in range(data.draw(st.integers(1, 3))):
            at = data.draw(st.integers(0, len(raw) - 1))
            raw[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(min_size=1, max_size=3))
        (folder / name).write_bytes(raw)
        source = folder / "tokens" if name.startswith("tokens/") else folder / name
        kind = name.split(".")[-1]
        try:
            vectors = sv.read_vectors(source, None if kind == "json" else kind)
            assert vectors.matrix.ndim == 2
        except sv.FormatError as error:
            assert str(folder) in str(error)  # noqa: PT017
        finally:
            (folder / name).write_bytes(contents[name])
