"""LangChain's own tests of a vector store, and what they leave out: many documents, filters, saving."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("langchain_core")

from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding

from slimvec.integrations import vector_store
from slimvec.integrations.vector_store import SlimVectorStore

EMBEDDING = DeterministicFakeEmbedding(size=48)
TEXTS = [f"text {i}" for i in range(60)]

try:
    from langchain_tests.integration_tests import VectorStoreIntegrationTests
except ImportError:
    pass
else:

    @pytest.mark.filterwarnings("ignore")
    @pytest.mark.asyncio  # of pytest-asyncio, which langchain-tests brings
    class TestStandard(VectorStoreIntegrationTests):
        @pytest.fixture
        def vectorstore(self):
            return SlimVectorStore(self.get_embeddings())

    class TestStandardOfCodes(TestStandard):
        """The same, of codes from the second document on."""

        @pytest.fixture(autouse=True)
        def _few(self, monkeypatch):
            monkeypatch.setattr(vector_store, "LEARN_FROM", 2)


@pytest.fixture(params=[10_000, 40], ids=["vectors", "codes"])
def store(request, monkeypatch):
    monkeypatch.setattr(vector_store, "LEARN_FROM", request.param)
    metadatas = [{"even": i % 2 == 0} for i in range(60)]
    store = SlimVectorStore.from_texts(TEXTS, EMBEDDING, metadatas, ids=TEXTS, n_bits=96)
    assert (store.index is None) == (request.param > 60)
    return store


def test_documents_are_found(store):
    for text in TEXTS:
        (found,) = store.similarity_search(text, k=1)
        assert found == Document(id=text, page_content=text, metadata={"even": int(text[5:]) % 2 == 0})
    (found,) = store.similarity_search_by_vector(EMBEDDING.embed_query("text 7"), k=1)
    assert found.id == "text 7"
    ((_, score),) = store.similarity_search_with_relevance_scores("text 7", k=1)
    assert score == pytest.approx(1, abs=0.01)
    assert len(store.similarity_search("text 7", k=100)) == 60


def test_filters(store):
    found = store.similarity_search("text 7", k=40, filter=lambda one: one.metadata["even"])
    assert len(found) == 30
    assert all(one.metadata["even"] for one in found)
    assert store.similarity_search("text 7", filter=lambda _: False) == []


def test_documents_come_and_go(store):
    store.delete(["text 7", "nothing", "text 7"])
    assert store.similarity_search("text 7", k=1)[0].id != "text 7"
    assert store.add_texts(["new", "newer"], ids=["text 8", "text 8"]) == ["text 8", "text 8"]
    assert store.similarity_search("newer", k=1)[0].page_content == "newer"
    assert len(store.similarity_search("x", k=100)) == 59
    found = store.get_by_ids(["text 9"])[0]
    found.metadata["even"] = "changed"
    assert store.get_by_ids(["text 9"])[0].metadata == {"even": False}
    more = store.add_texts(["a"] * 3)
    assert len(set(more)) == 3


def test_it_is_kept(store, tmp_path):
    for _ in range(2):
        store.save(tmp_path / "store")
        again = SlimVectorStore.load(tmp_path / "store", EMBEDDING)
        for text in ("text 3", "text 50", "other"):
            ours, theirs = (one.similarity_search_with_score(text, k=5) for one in (store, again))
            assert [found for found, _ in ours] == [found for found, _ in theirs]
            assert np.allclose([score for _, score in ours], [score for _, score in theirs], atol=1e-6)
        store.delete(["text 3"])
        store.add_texts(["other"])


def test_of_what_was_kept_before_nothing_is_left(store, tmp_path):
    store.save(tmp_path / "store")
    SlimVectorStore(EMBEDDING).save(tmp_path / "store")
    again = SlimVectorStore.load(tmp_path / "store", EMBEDDING)
    again.add_texts(["text 7"], ids=["new"])
    assert [found.id for found in again.similarity_search("text 3", k=1)] == ["new"]
    store.save(tmp_path / "store")
    assert SlimVectorStore.load(tmp_path / "store", EMBEDDING).similarity_search("text 3", k=1)[0].id == "text 3"


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        ([[1.0] * 48, [np.nan] * 48], "embeddings holds NaN or infinity in row 1"),
        ([[1.0] * 40] * 2, "embeddings has 40 columns; expected 48"),
        ([[1.0] * 48], "embeddings has 1 rows; expected 2"),
    ],
)
def test_vectors_that_are_none_change_nothing(store, vectors, message, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(type(EMBEDDING), "embed_documents", lambda *_: vectors)
        with pytest.raises(ValueError, match=message):
            store.add_texts(["other", "new"], ids=["text 7", "new"])
    assert [one.page_content for one in store.get_by_ids(["text 7", "new"])] == ["text 7"]
    assert [found.id for found in store.similarity_search("text 7", k=1)] == ["text 7"]
    assert store.delete(["text 7", "new"])


def test_options_that_are_none_lose_nothing(monkeypatch):
    monkeypatch.setattr(vector_store, "LEARN_FROM", 40)
    store = SlimVectorStore.from_texts(TEXTS[:39], EMBEDDING, ids=TEXTS[:39], n_bits=0)
    with pytest.raises(ValueError, match="n_bits"):
        store.add_texts(TEXTS[39:], ids=TEXTS[39:])
    assert {found.id for found in store.similarity_search("x", k=100)} == set(TEXTS[:39])


def test_what_is_refused(store):
    with pytest.raises(ValueError, match="ids has 1 entries; expected 2"):
        store.add_texts(["a", "b"], ids=["a"])
    with pytest.raises(ValueError, match="metadatas has 3 entries; expected 1"):
        store.add_texts(["a"], [{}, {}, {}])
    with pytest.raises(TypeError, match="add_texts got id"):
        store.add_texts(["a"], id="a")
    with pytest.raises(ValueError, match="ids is None"):
        store.delete()
    assert len(store.similarity_search("x", k=100)) == 60
