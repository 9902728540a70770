"""Whatever users hold can be copied, pickled and sent to another process, and answers there as it did."""

import copy
import inspect
import multiprocessing
import pickle
from functools import partial

import numpy as np
import pytest

import slimvec as sv
from slimvec import baselines
from slimvec.static.text_parts import Rules, TextParts
from test_fasttext import fasttext

N, DIM, BITS = 40, 8, 40
ROWS = np.random.default_rng(7).standard_normal((N, DIM)).astype(np.float32)
CODES = sv.pack(np.random.default_rng(8).standard_normal((N, BITS)))
VECTORS = sv.Vectors([f"w{i}" for i in range(N)], ROWS)
TEXTS, LABELS = ["a good film", "good fun", "what a bad film", "bad, just bad"] * 5, ["+", "+", "-", "-"] * 5

# What each method needs to learn from 40 rows in no time.
SETTINGS = {
    "ANT": {"n_anchors": 4, "nonzeros": 2, "n_rounds": 1},
    "IIQ": {"n_bits": 8, "n_iter": 2},
    "ITQ": {"n_bits": 8, "n_iter": 2},
    "NLB": {"n_bits": 8, "n_epochs": 1},
    "TransformCoding": {"n_bits": 12, "n_iter": 2},
}
MORE_SETTINGS = {
    "CompositionalCodes": {"n_codebooks": 2, "n_codewords": 4, "n_epochs": 1},
    "FrequencySelection": {"n_anchors": 4},
    "HashEmbedding": {"n_anchors": 4},
    "LowRank": {"rank": 3},
    "PostSH": {"n_anchors": 4, "nonzeros": 2},
    "PostSHKSVD": {"n_anchors": 4, "nonzeros": 2},
    "SparseCode": {"n_anchors": 4},
    "TfIdfSelection": {"n_anchors": 4},
    "VocabularyQuantization": {"n_anchors": 4},
}
METHODS = ["ANT", "IIQ", "ITQ", "TransformCoding", *baselines.__all__]


def pickled(one, protocol):
    return pickle.loads(pickle.dumps(one, protocol))  # noqa: S301


WAYS = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{f"pickle{p}": partial(pickled, protocol=p) for p in range(2, pickle.HIGHEST_PROTOCOL + 1)},
}


def binary():
    return sv.IIQ(n_bits=8, n_remove=0).compress(VECTORS, factors=True)


def sharded(folder):
    return sv.IIQ(n_bits=8, n_remove=0).fit(ROWS).to_shards(VECTORS, folder / "shards", factors=True)


def sparse():
    return sv.ANT(n_anchors=4, nonzeros=2, n_rounds=1).compress(VECTORS)


def stored_as(dtype):
    table = sparse()
    return sv.SparseTable(table.anchors, table.transform, table.words, dtype=dtype)


def mixed():
    transform = sparse().transform
    return sv.SparseTable.mixture([ROWS[:2], ROWS[2:4]], [transform[:, :2], transform[:, 2:]])


def opened(make, folder):
    make().save(folder / "table")
    return sv.open(folder / "table")


def grown_index():
    index = sv.HammingIndex(CODES[:30], BITS)
    index.add(CODES[30:])
    return index


def text_file(folder, read):
    sv.write_vectors(folder / "v.txt", VECTORS.words, ROWS)
    file = sv.VectorFile(folder / "v.txt")
    assert not read or len(file) == N
    return file


def mapped_file(folder):
    sv.write_vectors(folder / "v.npy", VECTORS.words, ROWS)
    return sv.VectorFile(folder / "v.npy")


def fasttext_model(folder):
    (folder / "m.bin").write_bytes(fasttext(VECTORS.words, ROWS, buckets=ROWS[:20]))
    return sv.FastText(folder / "m.bin")


def text_encoder():
    """Return one whose tokenizer nobody asks."""
    table = sv.TransformCoding(n_bits=8).compress(ROWS)
    return sv.TextEncoder(TextParts(table._parts, np.frombuffer(b"{}", np.uint8), Rules(True, 9000, 0)))


def index_answers(index):
    return [*index.search(CODES[:5], k=3), *index.range_search(CODES[:5], BITS // 3), np.array(len(index))]


def table_answers(table):
    return [
        *table.search(ROWS[:5], k=3),
        table.lookup(["w3", 7]),
        np.array(table.most_similar("w1", k=2)),
        str(table.info()),
    ]


def file_answers(file):
    return [np.concatenate(list(file.blocks())), list(file.vocabulary), file.dim, len(file), file.path]


THINGS = {
    "HammingIndex": (lambda _: grown_index(), index_answers),
    "HammingIndex, mapped": (lambda folder: opened(grown_index, folder), index_answers),
    "BinaryTable": (lambda _: binary(), table_answers),
    "BinaryTable, mapped": (lambda folder: opened(binary, folder), table_answers),
    "ShardedTable": (sharded, table_answers),
    "SparseTable": (lambda _: sparse(), table_answers),
    "SparseTable, mapped": (lambda folder: opened(sparse, folder), table_answers),
    **{
        f"SparseTable, {dtype}": (lambda folder, dtype=dtype: opened(partial(stored_as, dtype), folder), table_answers)
        for dtype in ("float16", "int4")
    },
    "SparseTable, mixture": (lambda _: mixed(), lambda table: [table.lookup(range(N)), *table.search(ROWS[:5], k=3)]),
    "Vectors": (lambda _: VECTORS, lambda vectors: [vectors.matrix, vectors.lookup(["w3", 0]), vectors.words]),
    "VectorFile, not read": (lambda folder: text_file(folder, read=False), file_answers),
    "VectorFile, read": (lambda folder: text_file(folder, read=True), file_answers),
    "VectorFile, mapped": (mapped_file, file_answers),
    "FastText": (fasttext_model, lambda model: [model.vectors(["w3", "unheard"]), list(model.vocabulary)]),
    "TextClassifier": (
        lambda _: sv.TextClassifier(n_anchors=2, embedding_dim=4).fit(TEXTS, LABELS),
        lambda model: [model.predict_proba(TEXTS), model.predict(TEXTS), table_free(model.to_table())],
    ),
    "TextTagger": (
        lambda _: sv.TextTagger(n_anchors=2, embedding_dim=4).fit(TEXTS, [[label, "text"] for label in LABELS]),
        lambda model: [model.predict_proba(TEXTS), str(model.predict(TEXTS)), table_free(model.to_table())],
    ),
    "Isotropy": (lambda _: sv.isotropy(ROWS), list),
    "TextEncoder": (lambda _: text_encoder(), lambda encoder: [str(encoder.info()), len(encoder)]),
    "Drift": (lambda _: sv.Index.build(ROWS).drift(), lambda drift: [repr(drift)]),
    "SearchResult": (lambda _: grown_index().search(CODES[:2], k=2), list),
    "RangeResult": (lambda _: grown_index().range_search(CODES[:2], 9), list),
    "ScoreRangeResult": (lambda _: binary().range_search(ROWS[:2], 0.1), list),
    "ScoreResult": (lambda _: binary().search(ROWS[:2], k=2), list),
    "FormatError": (lambda _: sv.FormatError("damaged"), str),
}


def table_free(table):
    return table.lookup(range(len(table)))


def assert_same(ours, theirs):
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        assert np.array_equal(np.asarray(one), np.asarray(other))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", THINGS)
def test_a_copy_answers_as_it_does(name, way, tmp_path):
    make, answers = THINGS[name]
    original = make(tmp_path)
    twin = WAYS[way](original)
    assert type(twin) is type(original)
    assert_same(list(answers(twin)), list(answers(original)))
    assert_same(list(answers(WAYS[way](twin))), list(answers(original)))  # a copy of a copy, after use


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", METHODS)
def test_estimators_fitted_or_not(name, way):
    method = getattr(baselines if name in baselines.__all__ else sv, name)
    estimator = method(**SETTINGS.get(name, {}))
    assert repr(WAYS[way](estimator)) == repr(estimator)


@pytest.mark.parametrize("name", baselines.__all__)
def test_what_baselines_have_learnt_goes_along(name):
    if name == "CompositionalCodes":
        pytest.importorskip("torch")
    counted = {"documents": [["w1", "w2"], ["w3", "w1"], ["w5", "w8"]]} if name == "TfIdfSelection" else {}
    original = getattr(baselines, name)(**(SETTINGS | MORE_SETTINGS).get(name, {})).fit(VECTORS, **counted)
    learnt = [attribute for attribute in vars(original) if attribute.endswith("_")]
    assert learnt
    for way in ("copy", "deepcopy", "pickle5"):
        twin = WAYS[way](original)
        for attribute in learnt:
            assert_equal(getattr(twin, attribute), getattr(original, attribute))


def assert_equal(one, other):
    assert type(one) is type(other)
    if hasattr(one, "toarray"):
        one, other = one.toarray(), other.toarray()
    assert pickle.dumps(one) == pickle.dumps(other) or np.array_equal(one, other)


def fitted(name):
    return getattr(sv, name)(**SETTINGS[name]).fit(ROWS)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["IIQ", "ITQ", "ANT"])
def test_fitted_estimators_make_the_same_tables(name, way):
    original = fitted(name)
    twin = WAYS[way](original)
    assert_same(twin.to_table(ROWS).lookup(range(N)), original.to_table(ROWS).lookup(range(N)))
    before = original.to_table(ROWS).lookup(range(N))
    twin.fit(ROWS[::-1] ** 3)
    assert_same(original.to_table(ROWS).lookup(range(N)), before)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("make", [grown_index, lambda: sv.HammingIndex(CODES, BITS)], ids=["with room", "without"])
def test_both_indexes_can_be_added_to(way, make):
    index = make()
    other = WAYS[way](index)
    third = WAYS[way](other)
    added = random_rows(3)
    for number, one in enumerate((index, other, third)):
        assert one.add(added[number : number + 1]).tolist() == [N]
        one.add(added[:0])
    for number, one in enumerate((index, other, third)):
        assert one.distances(added, [N])[:, 0].tolist() == np.bitwise_count(added ^ added[number]).sum(axis=1).tolist()
        assert np.array_equal(one.pairwise(CODES)[:, :N], sv.HammingIndex(CODES, BITS).pairwise())
    other.remove([0])
    assert [len(index), len(other), len(third)] == [N + 1, N, N + 1]


def random_rows(n):
    return sv.pack(np.random.default_rng(n).standard_normal((n, BITS)))


def test_a_pickle_holds_the_codes_and_not_the_room_after_them():
    index = sv.HammingIndex(random_rows(4096), BITS)
    size = len(pickle.dumps(index))
    index.add(random_rows(16))
    assert len(index._room.blocks) > len(index._codes.blocks) + 64
    assert len(pickle.dumps(index)) < size + 1024


def test_what_users_added_to_an_index_goes_along():
    class Named(sv.HammingIndex):
        pass

    index = Named(CODES, BITS)
    index.name = "mine"
    for twin in (copy.copy(index), copy.deepcopy(index)):
        assert type(twin) is Named
        assert twin.name == "mine"


def test_pickled_arrays_that_may_not_be_written():
    index = grown_index()
    buffers = []
    raw = pickle.dumps(index, 5, buffer_callback=buffers.append)
    shared = pickle.loads(raw, buffers=[bytes(buffer.raw()) for buffer in buffers])  # noqa: S301 - as joblib and dask share them
    assert not shared._codes.blocks.flags.writeable
    assert shared.add(CODES[:1]).tolist() == [N]
    assert_same(shared.search(CODES[:1], k=2).indices, [[0, N]])


@pytest.mark.parametrize("make", [grown_index, binary, sparse, partial(stored_as, "int4")])
def test_the_pickle_of_a_mapped_table_holds_all_that_the_file_does(make, tmp_path):
    """And needs it no more."""
    table = opened(make, tmp_path)
    raw, size = pickle.dumps(table), (tmp_path / "table").stat().st_size
    expected = _answers(table)
    del table
    (tmp_path / "table").unlink()
    assert len(raw) < size + 6000
    assert_same(_answers(pickle.loads(raw)), expected)  # noqa: S301


def test_the_pickle_of_a_file_holds_its_name_and_no_rows(tmp_path):
    file = text_file(tmp_path, read=False)
    assert len(pickle.dumps(file)) < 1500
    (tmp_path / "v.txt").unlink()
    with pytest.raises(FileNotFoundError):
        list(pickled(file, 5).blocks())


def test_joblib(tmp_path):
    joblib = pytest.importorskip("joblib")
    for make in (grown_index, binary, sparse):
        joblib.dump(make(), tmp_path / "dumped")
        for mode in (None, "r"):
            assert_same(_answers(joblib.load(tmp_path / "dumped", mmap_mode=mode)), _answers(make()))


def test_what_tells_of_an_unknown_word_is_small():
    vectors = sv.Vectors([f"w{i}" for i in range(3000)], np.zeros((3000, 2), np.float32))
    with pytest.raises(KeyError) as caught:
        vectors["W3"]
    raw = pickle.dumps(caught.value)
    assert len(raw) < 2000 < len(pickle.dumps(vectors)) / 10  # where Dask is loaded, a traceback comes along
    assert "near spellings: 'w3'" in str(pickle.loads(raw))  # noqa: S301


def _answers(thing):
    return [*thing.search(CODES[:5] if isinstance(thing, sv.HammingIndex) else ROWS[:5], k=3)]


@pytest.mark.parametrize("way", ["fork", "spawn"])
def test_other_processes(way, tmp_path):
    if way not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {way} on this system")
    things = [grown_index(), binary(), sparse(), opened(sparse, tmp_path)]
    with multiprocessing.get_context(way).Pool(1) as pool:
        for thing, there in zip(things, pool.map(_answers, things), strict=True):
            assert_same(there, _answers(thing))


def test_every_public_class_is_in_here():
    public = {name for name in sv.__all__ if inspect.isclass(getattr(sv, name))}
    assert public == {name.split(",")[0] for name in THINGS} | {
        "ANT",
        "IIQ",
        "ITQ",
        "TransformCoding",
        "Index",
        "Hits",
        "Recommendation",
    }


@pytest.mark.parametrize("way", WAYS)
def test_indexes_by_ids(way):
    index = sv.Index.build(ROWS, ids=[f"row {i}" for i in range(len(ROWS))])
    again, expected = WAYS[way](index), index.search(ROWS[:3], k=2)
    again.remove(["row 1"])
    assert "row 1" in index
    assert "row 1" not in again
    found = WAYS[way](index.search(ROWS[:3], k=2))
    assert [list(ids) for ids in found.ids] == [list(ids) for ids in expected.ids]
