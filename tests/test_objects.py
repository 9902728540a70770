"""Whatever users have vectors, words and rows in: taken as meant, or refused with what to do instead."""

from __future__ import annotations

import decimal
import pathlib
import types

import numpy as np
import pytest

import slimvec as sv
from slimvec.baselines import SignBits

ROWS = np.random.default_rng(5).standard_normal((12, 6)).astype(np.float32)
WORDS = [f"w{i}" for i in range(12)]
EXPECTED = sv.pack(ROWS)


class KeyedVectors:
    """As gensim has them."""

    index_to_key = WORDS
    vectors = ROWS


class Sequence:
    def __len__(self):
        return len(ROWS)

    def __getitem__(self, i):
        return ROWS[i]


class Frame:
    """A data frame, whose columns are attributes, too."""

    def __init__(self, columns):
        self._columns = columns

    def __getattr__(self, name):
        if name in ("_columns", "index_to_key") or name not in self._columns:
            raise AttributeError(name)
        return self._columns[name]

    def __len__(self):
        return len(ROWS)

    def __array__(self, dtype=None, copy=None):
        return np.column_stack(list(self._columns.values()))

    def take(self):
        raise AssertionError


def column(rows):
    made = np.empty(len(rows), object)
    made[:] = [list(map(float, row)) for row in rows]
    return made


TAKEN = {
    "lists": ROWS.tolist(),
    "a tuple of arrays": tuple(ROWS),
    "a column of lists": column(ROWS),
    "a frame of one column of lists": column(ROWS)[:, None],
    "a column of arrays": np.array([*ROWS, None], object)[:-1],
    "numbers as objects": ROWS.astype(object),
    "decimals": [[decimal.Decimal(float(value)) for value in row] for row in ROWS],
    "numbers too large for int64": [[10**30 if value >= 0 else -(10**30) for value in row] for row in ROWS],
    "other byte order": ROWS.astype(">f4"),
    "float16": ROWS.astype(np.float16),
    "not contiguous": np.repeat(ROWS, 2, axis=1)[:, ::2],
    "a sequence": Sequence(),
    "__array__": types.SimpleNamespace(__array_interface__=ROWS.__array_interface__),
    "gensim": KeyedVectors(),
    "columns that are called as the protocol is": Frame(
        dict(zip(["dim", "vocabulary", "sequential", "blocks", "matrix", "index"], ROWS.T, strict=True))
    ),
}


@pytest.mark.parametrize("name", TAKEN)
def test_what_is_taken(name):
    table = SignBits().compress(TAKEN[name])
    assert np.array_equal(table.codes(), EXPECTED)
    assert np.array_equal(table.encode(TAKEN[name]), EXPECTED)


def test_words_of_keyed_vectors_go_along():
    assert SignBits().compress(KeyedVectors()).words == tuple(WORDS)


def masked(rows):
    return np.ma.array(rows, mask=rows > 1)


class Sparse:
    def toarray(self):
        return ROWS


REFUSED = {
    "sparse": (Sparse(), TypeError, r"X is Sparse; .*X\.toarray\(\)"),
    "a generator": ((row for row in ROWS), TypeError, r"X is generator; .*np\.stack\(list\(X\)\)"),
    "an iterator": (iter(ROWS), TypeError, r"np\.stack\(list\(X\)\)"),
    "a dictionary": (dict(zip(WORDS, ROWS, strict=True)), TypeError, r"X is dict; .* sv\.Vectors\(words, matrix\)"),
    "a set": ({1.0, 2.0}, TypeError, "X is set"),
    "a path": (pathlib.Path("v.txt"), TypeError, r"sv\.read_vectors\(path\)"),
    "text": ("v.txt", TypeError, r"the text 'v.txt'; .*sv\.read_vectors\(path\)"),
    "words": (["cat", "dog"], TypeError, r"lookup\(words\)"),
    "numbers in text": (ROWS.astype(str), TypeError, r"X\.astype\(np\.float32\)"),
    "a model": (types.SimpleNamespace(wv=0), TypeError, r"model\.wv"),
    "a lazy frame": (types.SimpleNamespace(collect=0), TypeError, r"X\.collect\(\)"),
    "a layer": (types.SimpleNamespace(weight=0), TypeError, r"X\.weight"),
    "nothing": (None, TypeError, "X is NoneType"),
    "bytes": (b"abc", TypeError, "X is bytes; expected a matrix of real numbers, one row per vector$"),
    "uneven rows": (
        [[1.0, 2], [3, 4], [5]],
        ValueError,
        "X has 2 numbers in row 0 and 1 numbers in row 2; expected as",
    ),
    "uneven arrays": ([*ROWS, ROWS[0, :3]], ValueError, "X has 6 numbers in row 0 and 3 numbers in row 12"),
    "a number among rows": ([[1.0, 2], 3.0], ValueError, "X has 2 numbers in row 0 and 3.0 in row 1"),
    "an uneven column": (column([[1, 2], [3]]), ValueError, "row 1 has shape"),
    "one vector": (ROWS[0], ValueError, r"pass X\[None\]"),
    "three dimensions": (ROWS[None], ValueError, r"shape \(1, 12, 6\)"),
    "no rows": (ROWS[:0], ValueError, "empty"),
    "no columns": (ROWS[:, :0], ValueError, "empty"),
    "masked": (masked(ROWS), TypeError, "masked array"),
    "a list of masked": (list(masked(ROWS)), TypeError, "masked array"),
    "named fields": (np.zeros(3, [("a", "f4"), ("b", "f4")]), TypeError, "structured_to_unstructured"),
    "times": (ROWS.astype("M8[s]"), TypeError, "datetime64"),
    "complex": (ROWS.astype(complex), TypeError, "complex128"),
    "bools": (ROWS > 0, TypeError, "bool"),
    "a missing number": ([[1.0, 2], [3, None]], TypeError, "X holds None in row 1, column 1; expected a number"),
    "text among numbers": (np.array([[1.0, "x"]], object), TypeError, "X holds 'x' in row 0, column 1"),
    "lists among numbers": (np.array([[1, None], [2, None]], object), TypeError, "X holds None in row 0, column 1"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name):
    given, error, message = REFUSED[name]
    with pytest.raises(error, match=message):
        SignBits().fit(given)


def test_a_column_of_lists_among_others_is_to_be_taken_alone():
    frame = np.empty((2, 2), object)
    for i in range(2):
        frame[i, 0], frame[i, 1] = i, [1.0, 2.0]
    with pytest.raises(TypeError, match=r"row 0, column 1; expected a number; take that column alone, as np\.stack"):
        SignBits().fit(frame)


def test_queries_are_taken_in_the_same_way():
    table = sv.IIQ(6, 0).compress(ROWS)
    with pytest.raises(ValueError, match="queries has 6 numbers in row 0 and 2 numbers in row 1"):
        table.search([ROWS[0], ROWS[1, :2]])
    with pytest.raises(TypeError, match=r"queries is Sparse; .*toarray"):
        table.search(Sparse())
    with pytest.raises(TypeError, match="pass a vector as an array of floats"):
        table.most_similar(ROWS[0].tolist())
    for values in ("abc", Sparse()):
        with pytest.raises(TypeError, match=f"values is (the text|{type(values).__name__})"):
            sv.pack(values)


def test_real_packages():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(ROWS)
    for given in (
        frame,
        frame.convert_dtypes(),
        frame.assign(flag=True).drop(columns="flag"),
        frame.astype("category"),
    ):
        assert np.array_equal(SignBits().compress(given).codes(), EXPECTED)
    assert SignBits().compress(frame.assign(flag=True)).n_bits == 7
    with pytest.raises(TypeError, match="holds <NA> in row 0"):
        SignBits().fit(frame.convert_dtypes().mask(frame == frame.iloc[0, 0]))


def test_tensors():
    torch = pytest.importorskip("torch")
    rows = torch.from_numpy(ROWS)
    learns = (rows, rows.clone().requires_grad_(), torch.nn.Parameter(rows), list(rows), rows.double())
    for given in (*learns, torch.nn.Parameter(rows.bfloat16())):
        assert np.array_equal(SignBits().compress(given).codes(), EXPECTED)
    with pytest.raises(TypeError, match="to_dense"):
        SignBits().fit(rows.to_sparse())
    with pytest.raises(TypeError, match=r"X is Embedding; .*X\.weight"):
        SignBits().fit(torch.nn.Embedding(3, 4))
    table = sv.BinaryTable(EXPECTED, 6, WORDS)
    assert np.array_equal(table.lookup(torch.tensor([3, 1])), table.lookup([3, 1]))


# ---- words


@pytest.mark.parametrize("words", ["abc", b"abc", {"a", "b", "c"}, frozenset("abc")])
def test_words_come_in_an_order(words):
    for make in (lambda: sv.Vectors(words, ROWS[:3]), lambda: sv.BinaryTable(EXPECTED[:3], 6, words)):
        with pytest.raises(TypeError, match="expected a list of words, one for each row, in order"):
            make()


@pytest.mark.parametrize("words", [["a", 1], ["a", b"b"], ["a", None], [("a",), "b"], [np.int64(3), "b"]])
def test_words_are_strings(words):
    with pytest.raises(TypeError, match=r"words\[[01]\] is "):
        sv.Vectors(words, ROWS[:2])


def test_odd_words_are_words():
    words = ["", " ", "7", "True", "e\u0301", "é", np.str_("np")]
    vectors = sv.Vectors(words, ROWS[:7])
    for row, word in enumerate(words):
        assert np.array_equal(vectors[word], ROWS[row])
        assert np.array_equal(vectors.lookup(np.array([word]))[0], ROWS[row])
    with pytest.raises(ValueError, match="UTF-8"):
        sv.Vectors(["\ud800"], ROWS[:1])
    assert "\ud800" not in vectors
    with pytest.raises(KeyError):
        vectors["\ud800"]


@pytest.mark.parametrize(
    ("asked", "known"),
    [
        ("King", "king"),
        ("KING", "king"),
        ("paris", "Paris"),
        ("usa", "USA"),
        (" king", "king"),
        ("caf\u00e9", "cafe\u0301"),
        ("cafe\u0301", "caf\u00e9"),
        ("naive", "na\u00efve"),
        ("STRASSE", "stra\u00dfe"),
        ("new york", "new_york"),
        ("New-York", "new york"),
        ("\ufb01n", "fin"),
    ],
)
def test_the_near_spelling_is_named_first(asked, known):
    words = ["kind", "kin", "kings", "ring", "caff", "knave", "newark", known]
    with pytest.raises(KeyError) as caught:
        sv.Vectors(words, np.eye(8))[asked]
    assert f"near spellings: {known!r}" in str(caught.value)


def test_other_cases_are_found_among_any_number_of_words():
    vectors = sv.Vectors([*(f"w{i}" for i in range(60_000)), "zebra"], np.zeros((60_001, 1)))
    with pytest.raises(KeyError, match="near spellings: 'zebra'"):
        vectors["Zebra"]


# ---- rows

TABLE = sv.BinaryTable(EXPECTED, 6, WORDS)


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        ("w1", TypeError),
        (b"w1", TypeError),
        ({"w1", "w2"}, TypeError),
        (np.array(3), TypeError),
        (3, TypeError),
        (None, TypeError),
        ([True, False], TypeError),
        (np.arange(12) > 5, TypeError),
        ([1.0], TypeError),
        (np.array([1.0, 2.0]), TypeError),
        ([b"w1"], TypeError),
        ([-1], IndexError),
        (np.array([-1]), IndexError),
        (np.array([2**63 + 1], np.uint64), IndexError),
        ([12], IndexError),
        (["W99"], KeyError),
        ([["w1"]], TypeError),
        ([None], TypeError),
    ],
)
def test_keys_that_name_no_rows(keys, error):
    for ask in (TABLE.lookup, TABLE.codes) if keys is not None else (TABLE.lookup,):
        with pytest.raises(error):
            ask(keys)


def test_an_order_matters_only_where_rows_are_returned():
    found = TABLE.most_similar(positive={"w1", "w2"}, negative=frozenset(["w3"]), k=3)
    assert found == TABLE.most_similar(positive=["w2", "w1"], negative=["w3"], k=3)


def test_keys_that_name_rows():
    assert np.array_equal(TABLE.codes(key for key in ("w3", 1)), EXPECTED[[3, 1]])
    assert np.array_equal(TABLE.codes({"w3": 0, "w1": 0}), EXPECTED[[3, 1]])
    for keys in (
        ["w3", 1],
        ("w3", 1),
        np.array(["w3", "w1"]),
        np.array(["w3", 1], object),
        [np.str_("w3"), np.uint8(1)],
    ):
        assert np.array_equal(TABLE.codes(keys), EXPECTED[[3, 1]])
    assert np.array_equal(TABLE.codes([3, 3, 1]), EXPECTED[[3, 3, 1]])
    assert np.array_equal(TABLE.codes(np.array([3, 1], np.uint8)), EXPECTED[[3, 1]])
    assert TABLE.codes([]).shape == (0, 1)


# ---- masks


def ways():
    """Every search that takes a mask, of the same 12 rows, and whether its rows have words."""
    index = sv.HammingIndex(EXPECTED, 6)
    table = sv.IIQ(6, 0).compress(sv.Vectors(WORDS, ROWS), factors=True)
    plain = sv.IIQ(6, 0).compress(sv.Vectors(WORDS, ROWS))
    sparse = sv.ANT(n_anchors=3, nonzeros=2, n_rounds=1).compress(sv.Vectors(WORDS, ROWS))
    return {
        "index": (lambda mask: index.search(EXPECTED[:2], 12, mask=mask).indices[0], False),
        "range": (lambda mask: first(index.range_search(EXPECTED[:2], 6, mask=mask)), False),
        "search_codes": (lambda mask: table.search_codes(EXPECTED[:2], 12, mask=mask).indices[0], True),
        "search": (lambda mask: table.search(ROWS[:2], 12, mask=mask).indices[0], True),
        "scan": (lambda mask: table.search(ROWS[:2], 12, oversample=None, mask=mask).indices[0], True),
        "originals": (lambda mask: table.search(ROWS[:2], 12, originals=ROWS, mask=mask).indices[0], True),
        "without factors": (lambda mask: plain.search(ROWS[:2], 12, mask=mask).indices[0], True),
        "sparse": (lambda mask: sparse.search(ROWS[:2], 12, mask=mask).indices[0], True),
    }


def first(found):
    return found.indices[found.offsets[0] : found.offsets[1]]


@pytest.fixture(scope="module")
def searches():
    return ways()


@pytest.mark.parametrize("name", ways())
def test_masks(searches, name):
    search, has_words = searches[name]
    bools = np.isin(np.arange(12), [2, 5, 7])
    named = [["w2", "w5", "w7"], ["w7", 2, "w5"], {"w2", "w5", "w7"}, np.array(["w2", "w5", "w7"])] * has_words
    for mask in (bools, bools.tolist(), [2, 5, 7], np.array([7, 5, 2]), (2, 5, 7, 7), *named):
        assert sorted(search(mask).tolist()) == [2, 5, 7]
    assert len(search([])) == len(search(np.zeros(12, bool))) == 0
    for mask, error in (
        (["w2", "w99"], KeyError),
        (["w2"] if not has_words else "w2", TypeError if has_words else KeyError),
        (bools[:5], ValueError),
        (bools[None], ValueError),
        (bools.astype(int), ValueError),
        (bools.astype(np.uint8).tolist(), ValueError),
        ([12], IndexError),
        ([-1], IndexError),
        ([1.5], TypeError),
        (bools.astype(float), TypeError),
    ):
        with pytest.raises(error):
            search(mask)


class TestFromObject:
    def check(self, vectors, words=("a", "b", "c"), rows=ROWS[:3]):
        assert vectors.words == tuple(words)
        assert np.allclose(vectors.matrix, rows, atol=1e-6)

    def test_gensim(self):
        models = pytest.importorskip("gensim.models")
        model = models.Word2Vec([["a", "b", "c"]] * 5, vector_size=4, min_count=1)
        for one in (model, model.wv):
            self.check(sv.Vectors.from_object(one), model.wv.index_to_key, model.wv.vectors)

    def test_what_has_the_shape_of_gensim(self):
        made = sv.Vectors.from_object(KeyedVectors())
        self.check(made, WORDS, ROWS)
        assert made.matrix is ROWS
        with pytest.raises(ValueError, match="words are given, and this KeyedVectors has its own; expected None"):
            sv.Vectors.from_object(KeyedVectors(), WORDS)

    def test_torch(self):
        torch = pytest.importorskip("torch")
        rows = torch.from_numpy(ROWS[:3].copy())
        for layer in (torch.nn.Embedding, torch.nn.EmbeddingBag):
            self.check(sv.Vectors.from_object(layer.from_pretrained(rows), ["a", "b", "c"]))
            with pytest.raises(TypeError, match=f"words is None, and an {layer.__name__} of torch has none"):
                sv.Vectors.from_object(layer.from_pretrained(rows))
        halves = torch.nn.Embedding.from_pretrained(rows.bfloat16())
        self.check(sv.Vectors.from_object(halves, ["a", "b", "c"]), rows=rows.bfloat16().float().numpy())
        with pytest.raises(ValueError, match="there are 2 words for 3 rows"):
            sv.Vectors.from_object(torch.nn.Embedding.from_pretrained(rows), ["a", "b"])
        with pytest.raises(TypeError, match="model is Linear; expected KeyedVectors"):
            sv.Vectors.from_object(torch.nn.Linear(3, 3), WORDS)

    def test_model2vec(self):
        model2vec, tokenizers = pytest.importorskip("model2vec"), pytest.importorskip("tokenizers")
        made = tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 0, "b": 1, "c": 2}, unk_token="a"))  # noqa: S106
        self.check(sv.Vectors.from_object(model2vec.StaticModel(ROWS[:3], made)))
        weights, mapping = np.array([1.0, 2.0, 0.5]), np.array([1, 0, 1])
        quantized = model2vec.StaticModel(ROWS[:2], made, weights=weights, token_mapping=mapping)
        self.check(sv.Vectors.from_object(quantized), rows=ROWS[mapping] * weights[:, None])

    def test_spacy(self):
        nlp = pytest.importorskip("spacy").blank("en")
        for word, row in zip("abc", ROWS[:3], strict=True):
            nlp.vocab.set_vector(word, row)
        for one in (nlp, nlp.vocab, nlp.vocab.vectors):
            found = sv.Vectors.from_object(one)
            assert set(found.words) == set("abc")
            assert np.array_equal(found.lookup(["a", "b", "c"]), ROWS[:3])

    def test_what_has_the_shape_of_spacy(self):
        """Of words that share a row each gets it; of floret there are none."""

        class Held:
            key2row, strings, data = {11: 1, 12: 0, 13: 1}, {11: "a", 12: "b", 13: "c"}, ROWS[:2]

        self.check(sv.Vectors.from_object(Held()), rows=ROWS[[1, 0, 1]])
        self.check(
            sv.Vectors.from_object(types.SimpleNamespace(vocab=types.SimpleNamespace(strings={}, vectors=Held()))),
            rows=ROWS[[1, 0, 1]],
        )
        Held.key2row = {}
        with pytest.raises(ValueError, match="vectors without words, as those of floret"):
            sv.Vectors.from_object(Held())

    @pytest.mark.parametrize("other", [7, ROWS, None, {"a": ROWS[0]}])
    def test_anything_else_is_refused(self, other):
        with pytest.raises(TypeError, match=f"model is {type(other).__name__}; expected KeyedVectors of gensim"):
            sv.Vectors.from_object(other, WORDS)
