"""Other libraries' objects over an index: the same shapes and, of codes of many bits, the same answers."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import slimvec as sv
from slimvec.integrations.semantic_search import SlimIndex, semantic_search

RNG = np.random.default_rng(0)
X = RNG.standard_normal((600, 32)).astype(np.float32)
QUERIES = RNG.standard_normal((7, 32)).astype(np.float32)
TEXTS = [f"{a} {b}" for a in ["good", "bad", "old", "new", "long", "short"] for b in ["film", "book", "song", "play"]]


@pytest.fixture(scope="module")
def index():
    return sv.Index.build(X, n_bits=64, refine_bits=8)


class Words:
    """Vectors of texts: sums of those of their words."""

    def __init__(self):
        words = sorted({word for text in TEXTS for word in text.split()})
        rows = np.random.default_rng(3).standard_normal((len(words), 32))
        self.vectors = dict(zip(words, rows, strict=True))

    def encode(self, texts):
        return np.array([sum(self.vectors[word] for word in text.split()) for text in texts])


def cosines(queries, rows):
    lengths = np.linalg.norm(queries, axis=1)[:, None] * np.linalg.norm(rows, axis=1)
    return queries @ rows.T / lengths


class TestSentenceTransformers:
    def test_hits_are_dicts(self, index):
        hits = semantic_search(QUERIES, index, top_k=5)
        own = index.search(QUERIES, 5)
        assert [[one["corpus_id"] for one in found] for found in hits] == own.ids
        assert [[one["score"] for one in found] for found in hits] == [found.tolist() for found in own.scores]
        assert type(hits[0][0]["corpus_id"]) is int
        assert type(hits[0][0]["score"]) is float
        (alone,) = semantic_search(QUERIES[0], index, top_k=5)  # one vector, one list, by another loop of BLAS
        assert [one["corpus_id"] for one in alone] == [one["corpus_id"] for one in hits[0]]
        assert np.allclose([one["score"] for one in alone], [one["score"] for one in hits[0]], atol=1e-6)
        assert len(semantic_search(QUERIES, index, top_k=10_000)[0]) == len(X)

    def test_against_the_real_one(self, index):
        util = pytest.importorskip("sentence_transformers.util")
        torch = pytest.importorskip("torch")
        theirs = util.semantic_search(torch.tensor(QUERIES), torch.tensor(X), top_k=10)
        ours = semantic_search(torch.tensor(QUERIES), index, top_k=10, score_function=util.cos_sim)
        assert [sorted(one) for found in ours for one in found] == [sorted(one) for found in theirs for one in found]
        for mine, other in zip(ours, theirs, strict=True):
            assert len({one["corpus_id"] for one in mine} & {one["corpus_id"] for one in other}) >= 9
            assert np.allclose([one["score"] for one in mine], [one["score"] for one in other], atol=0.02)
        names = list(inspect.signature(util.semantic_search).parameters)
        assert list(inspect.signature(semantic_search).parameters) == names
        with pytest.raises(ValueError, match="expected cos_sim"):
            semantic_search(QUERIES, index, score_function=util.dot_score)

    def test_a_real_model(self):
        transformers = pytest.importorskip("sentence_transformers")
        tokenizers = pytest.importorskip("tokenizers")
        modules = pytest.importorskip("sentence_transformers.models")
        words = Words().vectors
        vocabulary = {word: number for number, word in enumerate(words)} | {"[UNK]": len(words)}
        tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="[UNK]"))  # noqa: S106
        tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
        weights = np.vstack([*words.values(), np.zeros(32)]).astype(np.float32)
        static = modules.StaticEmbedding(tokenizer, embedding_weights=weights)
        model = transformers.SentenceTransformer(modules=[static], device="cpu")
        found = SlimIndex(model)
        found.add_texts(TEXTS, ids=TEXTS)
        assert found.search_texts("good film", k=1).ids == ["good film"]
        (hits,) = semantic_search(model.encode(["old song"], convert_to_tensor=True), found.index, top_k=2)
        assert hits[0]["corpus_id"] == "old song"

    @pytest.mark.parametrize("kind", ["float32", "float16", "bfloat16", "float64", "list", "sparse", "grad"])
    def test_tensors_of_any_kind(self, index, kind):
        torch = pytest.importorskip("torch")
        tensor = torch.tensor(QUERIES)
        made = {
            "list": tensor.unbind,
            "sparse": tensor.to_sparse,
            "grad": lambda: tensor.clone().requires_grad_(),
        }.get(kind, lambda: tensor.to(getattr(torch, kind)))()
        own = semantic_search(QUERIES, index, top_k=1)
        assert [one[0]["corpus_id"] for one in semantic_search(made, index, top_k=1)] == [
            one[0]["corpus_id"] for one in own
        ]

    def test_texts(self):
        model = Words()
        found = SlimIndex(model)
        with pytest.raises(ValueError, match="no texts were added"):
            found.search_texts("a")
        found.add_texts([])
        assert found.index is None
        ordered = TEXTS[::3] + TEXTS[1::3] + TEXTS[2::3]
        found.add_texts(ordered[:16], n_bits=30)
        assert found.index.info()["bits"] == 30
        found.add_texts(iter(ordered[16:]))
        assert [ids[0] for ids in found.search_texts(ordered, k=1).ids] == list(range(len(TEXTS)))
        assert found.search_texts(ordered[3], k=2, where=[5, 3]).ids == [3, 5]
        assert len(found.search_texts([], k=2)) == 0
        again = SlimIndex(model, found.index)
        assert again.search_texts(ordered[7], k=1).ids == [7]

    def test_models_that_tell_queries_from_documents(self):
        class Asymmetric(Words):
            asked: list = []  # noqa: RUF012

            def encode_query(self, texts):
                self.asked.append("query")
                return self.encode(texts)

            def encode_document(self, texts):
                self.asked.append("document")
                return self.encode(texts)

        found = SlimIndex(Asymmetric())
        found.add_texts(TEXTS)
        found.search_texts("good film")
        assert Asymmetric.asked == ["document", "query"]

    def test_what_is_refused(self, index):
        with pytest.raises(TypeError, match="corpus_embeddings is ndarray; expected a slimvec.Index"):
            semantic_search(QUERIES, X)
        found = SlimIndex(Words())
        with pytest.raises(TypeError, match="texts is one string"):
            found.add_texts("good film")
        with pytest.raises(TypeError, match="texts holds 3 at 1"):
            found.add_texts(["good film", 3])
        found.add_texts(TEXTS)
        with pytest.raises(ValueError, match="recall: the first texts have made the index"):
            found.add_texts(TEXTS, recall=0.9)


# What scikit-learn asks for, and codes do not give.
UNEXPECTED = {
    "check_methods_subset_invariance": "queries in a batch are projected together, and round otherwise in the last bits"
}


class TestScikitLearn:
    @pytest.fixture(autouse=True)
    def _installed(self):
        pytest.importorskip("sklearn", minversion="1.6")
        pytest.importorskip("scipy")

    @pytest.fixture
    def found(self):
        from slimvec.integrations.neighbors import SlimNeighbors

        return SlimNeighbors(n_neighbors=4, n_bits=64, refine_bits=8).fit(X)

    def test_scikit_learn_is_content(self):
        from sklearn.utils.estimator_checks import check_estimator

        from slimvec.integrations.neighbors import SlimNeighbors

        checks = check_estimator(SlimNeighbors(), expected_failed_checks=UNEXPECTED, on_skip=None)
        assert len(checks) > 40

    def test_neighbours_are_those_of_scikit_learn(self, found):
        from sklearn.neighbors import NearestNeighbors

        exact = NearestNeighbors(n_neighbors=4, metric="cosine").fit(X)
        for queries in (QUERIES, None):
            distances, rows = found.kneighbors(queries)
            expected, theirs = exact.kneighbors(queries)
            assert np.allclose(distances, expected, atol=0.02)
            assert np.mean([len(set(a) & set(b)) for a, b in zip(rows.tolist(), theirs.tolist(), strict=True)]) > 3.8
        assert (found.kneighbors(None, return_distance=False) != np.arange(len(X))[:, None]).all()
        assert np.array_equal(found.kneighbors(QUERIES, 2)[1], found.kneighbors(QUERIES)[1][:, :2])

    @pytest.mark.parametrize("mode", ["distance", "connectivity"])
    def test_graphs_are_those_of_scikit_learn(self, found, mode):
        from sklearn.neighbors import KNeighborsTransformer

        exact = KNeighborsTransformer(mode=mode, n_neighbors=4, metric="cosine").fit(X)
        ours, theirs = found.set_params(mode=mode).transform(X), exact.transform(X)
        assert ours.shape == theirs.shape
        assert ours.nnz == theirs.nnz
        assert abs(ours - theirs).sum() < 0.06 * theirs.sum()
        assert len(found.get_feature_names_out()) == len(X)

    def test_in_a_pipeline(self):
        from sklearn.base import clone
        from sklearn.neighbors import KNeighborsClassifier
        from sklearn.pipeline import make_pipeline

        from slimvec.integrations.neighbors import SlimNeighbors

        labels = (X[:, 0] > 0).astype(int)
        pipeline = make_pipeline(
            SlimNeighbors(n_neighbors=9), KNeighborsClassifier(n_neighbors=9, metric="precomputed")
        )
        exact = KNeighborsClassifier(n_neighbors=9, metric="cosine").fit(X, labels)
        ours = clone(pipeline).fit(X, labels).predict(QUERIES)
        assert (ours == exact.predict(QUERIES)).mean() > 0.8

    def test_equal_rows_are_not_all_left_out(self):
        from slimvec.integrations.neighbors import SlimNeighbors

        twice = np.repeat(X[:50], 2, axis=0)
        rows = SlimNeighbors(n_neighbors=1).fit(twice).kneighbors(return_distance=False)[:, 0]
        assert np.array_equal(rows, np.arange(100) ^ 1)

    def test_what_is_refused(self, found):
        from slimvec.integrations.neighbors import SlimNeighbors

        with pytest.raises(ValueError, match="n_neighbors=600, n_samples_fit=599"):
            found.kneighbors(None, 600)
        assert found.kneighbors(QUERIES, 600)[1].shape == (7, 600)
        with pytest.raises(ValueError, match="mode='near'"):
            SlimNeighbors(mode="near").fit(X)
        with pytest.raises(ValueError, match="mode='near'"):
            found.kneighbors_graph(mode="near")
        with pytest.raises(ValueError, match="n_neighbors=0"):
            SlimNeighbors(0).fit(X)
