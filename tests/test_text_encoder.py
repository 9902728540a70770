"""Text encoders give what their models give, but for what codes lose; their files are whole, or refused."""

from __future__ import annotations

import copy
import json
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import pytest

import slimvec as sv
from slimvec.cli import main
from slimvec.files import table_file
from slimvec.files.table_writer import save_table
from slimvec.static.static_model import static_model
from slimvec.static.text_encoder import TextEncoder
from test_mapped import safetensors

WORDS = ["[UNK]", "a", "good", "bad", "film", "what", "fun", "##s", "ß", "bore", "!"]
DIM = 12
ROWS = (np.random.default_rng(4).standard_normal((len(WORDS), DIM)) * np.linspace(3, 1, DIM)).astype(np.float32)
TEXTS = ["a good film", "", "what films!", "Fun fun FUN", "xyz", "a bad xyz ß", "film " * 40, "bore" * 300]
WHOLE = {"n_bits": 6 * len(WORDS) - 6, "refine_bits": 8}  # of 11 rows, which span ten directions


def tokenizer(**options):
    """Return what a tokenizer.json of WordPiece holds."""
    model = {
        "type": "WordPiece",
        "unk_token": "[UNK]",
        "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100,
        "vocab": {word: number for number, word in enumerate(WORDS)},
    }
    normal = {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": normal | {"lowercase": True},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": None,
        "decoder": None,
        "model": model,
    } | options


def folder(path, config=None, content=None, **tensors):
    """Write a model as model2vec does."""
    path.mkdir(exist_ok=True)
    (path / "tokenizer.json").write_text(json.dumps(tokenizer() if content is None else content))
    (path / "model.safetensors").write_bytes(safetensors(**(tensors or {"embeddings": ROWS})))
    if config is not None:
        (path / "config.json").write_text(json.dumps(config))
    return path


def unknown_words(**options):
    """Return a tokenizer of words alone."""
    model = {"type": "WordLevel", "unk_token": "[UNK]", "vocab": {word: number for number, word in enumerate(WORDS)}}
    return tokenizer(model=model, **options)


def pieces():
    """Return a tokenizer of one-letter pieces, as sentencepiece has them, whose first one is unknown."""
    model = {"type": "Unigram", "unk_id": 0, "vocab": [[word, -1.0 - number] for number, word in enumerate(WORDS)]}
    return tokenizer(model=model | {"byte_fallback": False})


def tokens_of(content, text, most=None):
    """Return the tokens of a text, unknown ones left out."""
    tokenizers = pytest.importorskip("tokenizers")
    made = tokenizers.Tokenizer.from_str(json.dumps(content))
    return [one for one in made.encode(text, add_special_tokens=False).ids[:most] if one]


def expected(content, rows, *, normalize=False, most=None, letters=None):
    """Return the means that NumPy takes, text by text."""
    made = np.zeros((len(TEXTS), rows.shape[1]))
    for number, text in enumerate(TEXTS):
        tokens = tokens_of(content, text[:letters], most)
        if tokens:
            made[number] = rows[tokens].mean(axis=0)
    return made / (np.linalg.norm(made, axis=1, keepdims=True) + 1e-32) if normalize else made


def encode(encoder, texts=TEXTS):
    pytest.importorskip("tokenizers")
    return encoder.encode(texts)


class TestMeans:
    @pytest.mark.parametrize("options", [{}, {"n_bits": 20, "refine_bits": 0}, WHOLE])
    @pytest.mark.parametrize("normalize", [False, True])
    def test_they_are_those_of_the_rows_that_codes_stand_for(self, tmp_path, options, normalize):
        encoder = sv.compress_model(folder(tmp_path / "m", {"normalize": normalize}), **options)
        coding = sv.TransformCoding(options.get("n_bits"), refine_bits=options.get("refine_bits", 4))
        rows = coding.compress(ROWS).lookup(range(len(ROWS)), original=True)
        letters = 512 * int(np.median([len(word) for word in WORDS]))
        found = encode(encoder)
        assert (found.shape, found.dtype) == ((len(TEXTS), DIM), np.float32)
        assert np.allclose(found, expected(tokenizer(), rows, normalize=normalize, letters=letters), atol=1e-5)
        assert not found[[1, 4]].any()  # of nothing known
        assert np.array_equal(encode(encoder, TEXTS[5]), found[5])
        assert encode(encoder, []).shape == (0, DIM)
        assert np.allclose(encode(encoder, TEXTS * 400), np.tile(found, (400, 1)), atol=1e-6)

    @pytest.mark.parametrize("content", [tokenizer(), unknown_words(), pieces()], ids=["pieces", "words", "unigram"])
    def test_of_many_bits_they_are_those_of_the_model(self, tmp_path, content):
        encoder = sv.compress_model(folder(tmp_path / "m", content=content), **WHOLE)
        letters = 512 * int(np.median([len(word) for word in WORDS]))
        assert np.allclose(encode(encoder), expected(content, ROWS, letters=letters), atol=0.02)

    def test_mapping_and_weights(self, tmp_path):
        mapping = np.array([0, 3, 1, 2, 2, 4, 0, 5, 6, 7, 8], np.int64)
        weights = np.linspace(0.5, 2, len(WORDS))
        place = folder(tmp_path / "m", embeddings=ROWS[:9], mapping=mapping, weights=weights)
        encoder = sv.compress_model(place, 6 * 8, 8)
        assert len(encoder) == len(WORDS)
        assert np.allclose(encode(encoder), expected(tokenizer(), ROWS[mapping] * weights[:, None]), atol=0.05)
        encoder.save(tmp_path / "m.slim")
        assert np.array_equal(encode(sv.open(tmp_path / "m.slim", verify=True)), encode(encoder))

    @pytest.mark.parametrize("most", [None, 2, 5])
    def test_long_texts_are_cut(self, tmp_path, most):
        encoder = sv.compress_model(folder(tmp_path / "m", {"max_length": most}), **WHOLE)
        letters = None if most is None else most * int(np.median([len(word) for word in WORDS]))
        assert np.allclose(encode(encoder), expected(tokenizer(), ROWS, most=most, letters=letters), atol=0.02)

    @pytest.mark.parametrize(("direction", "tokens"), [("Right", [1, 2]), ("Left", [2, 4])])
    def test_what_the_tokenizer_itself_cuts_and_pads(self, tmp_path, direction, tokens):
        """As sentence-transformers saves it: unknown tokens count there, and only the tokenizer cuts."""
        truncation = {"max_length": 2, "strategy": "LongestFirst", "stride": 0, "direction": direction}
        padding = {"strategy": "BatchLongest", "direction": "Right", "pad_to_multiple_of": None}
        padding |= {"pad_id": 0, "pad_type_id": 0, "pad_token": "[UNK]"}
        content = tokenizer(truncation=truncation, padding=padding)
        place = folder(tmp_path / "m", content=content, **{"embedding.weight": ROWS})
        found = encode(sv.compress_model(place, **WHOLE), ["a good film", "xyz", "film"])
        assert np.allclose(found, [ROWS[tokens].mean(axis=0), ROWS[0], ROWS[4]], atol=0.02)

    def test_modules_tell_whether_vectors_are_normalised(self, tmp_path):
        folder(tmp_path / "m")
        folder(tmp_path / "m" / "0_StaticEmbedding", **{"embedding.weight": ROWS})
        (tmp_path / "m" / "model.safetensors").unlink()
        listed = tmp_path / "m" / "modules.json"
        for kinds in (["StaticEmbedding"], ["StaticEmbedding", "Normalize"]):
            listed.write_text(json.dumps([{"path": f"{i}_{one}", "type": f"x.{one}"} for i, one in enumerate(kinds)]))
            lengths = np.linalg.norm(encode(sv.compress_model(tmp_path / "m"), ["a film", "bad"]), axis=1)
            assert np.allclose(lengths, 1, atol=1e-5) == (len(kinds) == 2)
        listed.write_text(listed.read_text().replace("Normalize", "Dense"))  # whose vectors are others
        with pytest.raises(sv.FormatError, match="m has modules StaticEmbedding, Dense; expected StaticEmbedding"):
            sv.compress_model(tmp_path / "m")


class TestOtherLibraries:
    @pytest.mark.parametrize("kind", ["plain", "quantized"])
    @pytest.mark.parametrize("normalize", [False, True])
    @pytest.mark.parametrize("most", [None, 3, 512])
    def test_a_model_of_model2vec(self, tmp_path, kind, normalize, most):
        model2vec = pytest.importorskip("model2vec")
        made = pytest.importorskip("tokenizers").Tokenizer.from_str(json.dumps(tokenizer()))
        more = {}
        if kind == "quantized":
            more = {"token_mapping": np.arange(len(WORDS)) % 9, "weights": np.linspace(0.5, 2, len(WORDS))}
        rows = ROWS[:9] if kind == "quantized" else ROWS
        model = model2vec.StaticModel(rows, made, normalize=normalize, max_length=most, **more)
        bits = {"n_bits": 6 * (len(rows) - 1), "refine_bits": 8}
        encoder = sv.compress_model(model, **bits)
        assert np.allclose(encode(encoder), model.encode(TEXTS), atol=0.03)
        if kind == "plain":
            model.save_pretrained(tmp_path / "m")
            again = sv.compress_model(tmp_path / "m", **bits)
            assert again.info() | {"resident": None} == encoder.info() | {"resident": None}
            assert np.array_equal(encode(again), encode(encoder))

    @pytest.mark.parametrize("normalize", [False, True])
    def test_a_model_of_sentence_transformers(self, tmp_path, normalize):
        sentence_transformers = pytest.importorskip("sentence_transformers")
        modules = pytest.importorskip("sentence_transformers.models")
        made = pytest.importorskip("tokenizers").Tokenizer.from_str(json.dumps(tokenizer()))
        static = modules.StaticEmbedding(made, embedding_weights=ROWS.copy())
        chain = [static, modules.Normalize()] if normalize else [static]
        model = sentence_transformers.SentenceTransformer(modules=chain, device="cpu")
        encoder = sv.compress_model(model, **WHOLE)
        texts = [text for text in TEXTS if text]  # of nothing, torch's means are zeros, too
        assert np.allclose(encode(encoder, texts), model.encode(texts), atol=0.02)
        model.save(str(tmp_path / "m"))
        again = sv.compress_model(tmp_path / "m", **WHOLE)
        assert np.array_equal(encode(again), encode(encoder))
        plain = sv.compress_model(static, **WHOLE)
        assert plain.info()["rules"]["normalize"] is False


class TestFiles:
    @pytest.mark.parametrize("preload", [False, True])
    def test_everything_comes_back(self, tmp_path, preload):
        encoder = sv.compress_model(folder(tmp_path / "m", {"normalize": True}))
        encoder.save(tmp_path / "m.slim")
        opened = sv.open(tmp_path / "m.slim", verify=True, preload=preload)
        assert isinstance(opened, sv.TextEncoder)
        assert opened.info() | {"resident": None} == encoder.info() | {"resident": None}
        assert repr(opened) == "<slimvec.TextEncoder: 11 tokens, 12 dimensions>"
        found = encode(encoder)
        for one in (opened, copy.copy(opened), copy.deepcopy(opened), pickle.loads(pickle.dumps(opened))):  # noqa: S301
            assert np.array_equal(encode(one), found)

    def test_the_command_line_tells_what_it_is(self, tmp_path, capsys):
        sv.compress_model(folder(tmp_path / "m")).save(tmp_path / "m.slim")
        assert main(["info", str(tmp_path / "m.slim"), "--verify"]) == 0
        said = capsys.readouterr().out
        assert "text encoder, TransformCoding(" in said
        assert "tokenizer" in said
        assert main(["neighbors", str(tmp_path / "m.slim"), "a"]) == 2
        assert "m.slim is a text encoder; neighbors needs a table" in capsys.readouterr().err

    def test_older_versions_refuse_it(self, tmp_path, monkeypatch):
        sv.compress_model(folder(tmp_path / "m")).save(tmp_path / "m.slim")
        monkeypatch.delitem(table_file._TABLES, TextEncoder.kind)
        with pytest.raises(sv.FormatError, match="unknown kind of table 'text encoder'"):
            sv.open(tmp_path / "m.slim")

    def test_any_flipped_bit(self, tmp_path):
        """With ``verify`` it is found, or of no consequence; without, nothing but answers changes."""
        sv.compress_model(folder(tmp_path / "m")).save(tmp_path / "m.slim")
        whole, found = (tmp_path / "m.slim").read_bytes(), 0
        generator, texts = np.random.default_rng(0), ["a good film"]
        right = encode(sv.open(tmp_path / "m.slim"), texts)
        for _ in range(300):
            at = int(generator.integers(8 * len(whole)))
            damaged = bytearray(whole)
            damaged[at // 8] ^= 1 << at % 8
            (tmp_path / "d.slim").write_bytes(damaged)
            try:
                assert np.array_equal(encode(sv.open(tmp_path / "d.slim", verify=True), texts), right)
            except sv.FormatError:
                found += 1
            with suppress(sv.FormatError), np.errstate(all="ignore"):  # of floats that became huge
                assert encode(sv.open(tmp_path / "d.slim"), texts).shape == right.shape
        assert found > 250

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"normalize": 1}, "text is {'normalize': 1"),
            ({"unknown": 1 << 40}, "'unknown': 1099511627776"),
            ({"max_letters": -3}, "'max_letters': -3"),
            ({"unknown": "x"}, "'unknown': 'x'"),
            ({"unknown": True}, "'unknown': True"),
        ],
    )
    def test_headers_that_lie(self, tmp_path, change, message):
        facts, tensors = sv.compress_model(folder(tmp_path / "m")).to_content()
        save_table(tmp_path / "x", facts | {"text": facts["text"] | change}, tensors)
        with pytest.raises(sv.FormatError, match=message):
            sv.open(tmp_path / "x")

    @pytest.mark.parametrize(("text", "message"), [(None, "text is None"), ({"normalize": True}, "text is {'norm")])
    def test_headers_that_lack_something(self, tmp_path, text, message):
        facts, tensors = sv.compress_model(folder(tmp_path / "m")).to_content()
        save_table(tmp_path / "x", facts | {"text": text}, tensors)
        with pytest.raises(sv.FormatError, match=message):
            sv.open(tmp_path / "x")

    @pytest.mark.parametrize(
        ("tensors", "message"),
        [
            ({"tokenizer": np.empty(0, np.uint8)}, "tokenizer has 0 bytes"),
            ({"tokenizer": np.zeros(8, np.uint32)}, "'tokenizer' is uint32"),
            ({"tokens.rows": np.array([11], np.uint32)}, "names row 11 of 11"),
            ({"tokens.weights": np.ones(10, np.float32)}, "'tokens.weights' is float32"),
            ({"tokens.weights": np.full(11, np.nan, np.float32)}, "holds NaN"),
            ({"factors": None}, "factors"),
            ({"tokenizer": None}, "'tokenizer' is missing"),
        ],
    )
    def test_tensors_that_do_not_fit(self, tmp_path, tensors, message):
        facts, own = sv.compress_model(folder(tmp_path / "m")).to_content()
        own |= tensors
        save_table(tmp_path / "x", facts, {name: tensor for name, tensor in own.items() if tensor is not None})
        with pytest.raises(sv.FormatError, match=message):
            sv.open(tmp_path / "x")

    @pytest.mark.parametrize(
        ("raw", "message"),
        [
            (b"no tokenizer", "its tokenizer is none"),
            (b"\xff\xfe", "its tokenizer is none"),
            (json.dumps(tokenizer()).replace('"film": 4', '"film": 11').encode(), "knows a token 11, and there are 11"),
        ],
    )
    def test_tokenizers_that_are_none(self, tmp_path, raw, message):
        facts, tensors = sv.compress_model(folder(tmp_path / "m")).to_content()
        save_table(tmp_path / "x", facts, tensors | {"tokenizer": np.frombuffer(raw, np.uint8)})
        opened = sv.open(tmp_path / "x", verify=True)
        with pytest.raises(sv.FormatError, match=message):
            encode(opened, ["a film"])


class TestRefusals:
    def test_texts_that_are_none(self, tmp_path):
        encoder = sv.compress_model(folder(tmp_path / "m"))
        for texts, message in (([b"a"], r"texts\[0\] is bytes"), (["a", None], r"texts\[1\] is NoneType")):
            with pytest.raises(TypeError, match=message):
                encoder.encode(texts)

    def test_without_the_package(self, tmp_path, monkeypatch):
        encoder = sv.compress_model(folder(tmp_path / "m"))
        monkeypatch.setitem(sys.modules, "tokenizers", None)
        with pytest.raises(ImportError, match=r"pip install 'slimvec\[text\]'"):
            encoder.encode("a")

    def test_what_is_no_model(self, tmp_path):
        with pytest.raises(TypeError, match="model is ndarray; expected a folder with model.safetensors"):
            sv.compress_model(ROWS)
        with pytest.raises(FileNotFoundError, match="none is no folder; .* does not download"):
            sv.compress_model(tmp_path / "none")
        with pytest.raises(sv.FormatError, match=r"has no model\.safetensors and tokenizer\.json"):
            sv.compress_model(tmp_path)

    @pytest.mark.parametrize(
        ("config", "content", "tensors", "message"),
        [
            ({"max_length": 0}, None, {}, "max_length=0"),
            ({"max_length": "x"}, None, {}, "max_length='x'"),
            ({"normalize": 1}, None, {}, "normalize=1"),
            ([], None, {}, "not a usable tokenizer"),
            (None, [], {}, "not a usable tokenizer"),
            (None, {"model": {"vocab": 3}}, {}, "not a usable tokenizer"),
            (None, {"model": {}}, {}, "not a usable tokenizer"),
            (None, None, {"embeddings": ROWS[:10]}, "it has 11 tokens for the 10 rows"),
            (None, None, {"embeddings": ROWS, "mapping": np.array([11])}, "mapping of tokens to rows"),
            (None, None, {"embeddings": ROWS, "weights": np.ones(3)}, "its weights have shape"),
        ],
    )
    def test_folders_that_are_damaged(self, tmp_path, config, content, tensors, message):
        with pytest.raises(sv.FormatError, match=message):
            sv.compress_model(folder(tmp_path / "m", config, content, **tensors))

    def test_objects_that_do_not_fit(self):
        class Model:
            embedding, normalize, max_length, weights, token_mapping = ROWS, False, 512, None, np.array([11])

            class tokenizer:
                @staticmethod
                def to_str():
                    return json.dumps(tokenizer())

        assert static_model(Model()).rules.unknown == 0
        with pytest.raises(ValueError, match="model maps tokens to rows that are not there; expected rows 0 ... 10"):
            sv.compress_model(Model())
        Model.token_mapping, Model.weights = None, np.ones(3)
        with pytest.raises(ValueError, match=r"token weights of shape \(3,\); expected \(11,\)"):
            sv.compress_model(Model())


def test_the_command_line(tmp_path, capsys, monkeypatch):
    model, file, texts, out = (tmp_path / name for name in ("m", "m.slim", "t.txt", "x.npy"))
    folder(model, {"normalize": True})
    assert main(["compress-model", str(model), "-o", str(file), "--bits", "20", "--refine-bits", "2"]) == 0
    assert "n_bits=20" in capsys.readouterr().out
    sv.compress_model(model, 20, 2).save(tmp_path / "same.slim")
    assert file.read_bytes() == (tmp_path / "same.slim").read_bytes()
    texts.write_bytes("\n".join([*TEXTS, ""]).encode())
    pytest.importorskip("tokenizers")
    assert main(["encode", str(file), str(texts), "-o", str(out)]) == 0
    assert np.array_equal(np.load(out), sv.open(file).encode(TEXTS))
    (tmp_path / "bad").write_bytes(b"a\n\xff")
    (tmp_path / "none").touch()
    monkeypatch.setattr(sys, "stdin", None)
    for arguments, message in (
        ([file], "the standard input is closed"),
        ([file, tmp_path / "bad"], "is not UTF-8 (invalid start byte at byte 2)"),
        ([file, tmp_path / "none"], "is empty; expected a text on each line"),
        ([table_of(tmp_path), texts], "encodes no texts"),
    ):
        assert main(["encode", *map(str, arguments), "-o", str(tmp_path / "never.npy")]) == 2
        assert message in capsys.readouterr().err
    assert main(["compress-model", str(texts), "-o", str(tmp_path / "never.npy")]) == 2
    assert not (tmp_path / "never.npy").exists()
    texts.write_bytes(b"\xef\xbb\xbfa\r\n\r\n b \r\n")  # as Windows writes it
    monkeypatch.setattr(TextEncoder, "encode", lambda _, lines: np.full((len(lines), DIM), [[len(i)] for i in lines]))
    assert (main(["encode", str(file), str(texts), "-o", str(out)]), *np.load(out)[:, 0]) == (0, 1, 0, 3)


def table_of(path):
    sv.IIQ(8).compress(ROWS).save(path / "table.slim")
    return path / "table.slim"


def test_threads_may_share_one(tmp_path):
    sv.compress_model(folder(tmp_path / "m")).save(tmp_path / "m.slim")
    right = encode(sv.open(tmp_path / "m.slim"))
    with ThreadPoolExecutor(8) as threads:
        for _ in range(5):
            shared = sv.open(tmp_path / "m.slim")
            assert all(np.array_equal(one, right) for one in threads.map(shared.encode, [TEXTS] * 8))
