"""For LangChain: a ``VectorStore`` over an index."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

import numpy as np
from langchain_core.documents import Document
from langchain_core.vectorstores import VectorStore

from slimvec.files.atomic import replacing
from slimvec.files.table_file import open_table
from slimvec.index.index import Index
from slimvec.validation import as_matrix, check_finite

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Sequence

    from langchain_core.embeddings import Embeddings
    from numpy.typing import NDArray

LEARN_FROM = 2_000  # documents; fewer are compared by their vectors
DOCUMENTS, INDEX = "documents.json", "index.slim"


class SlimVectorStore(VectorStore):  # type: ignore[misc]
    """Documents found by their embeddings, which are kept as codes once there are enough to learn these from.

    Parameters
    ----------
    embedding : Embeddings
    **build
        Options of :meth:`slimvec.Index.build`, such as ``recall=0.95``.

    Attributes
    ----------
    index : Index or None
        None while there are fewer than 2,000 documents.

    Examples
    --------
    >>> from langchain_core.embeddings import DeterministicFakeEmbedding
    >>> from slimvec.integrations.vector_store import SlimVectorStore
    >>> store = SlimVectorStore(DeterministicFakeEmbedding(size=32))
    >>> store.add_texts(["a good film", "a dull film"], ids=["1", "2"])
    ['1', '2']
    >>> store.similarity_search("a dull film", k=1)[0].id
    '2'
    """

    def __init__(self, embedding: Embeddings, **build: Any) -> None:
        self._embedding, self._build = embedding, build
        self._documents: dict[str, Document] = {}
        self._vectors: dict[str, NDArray[np.float32]] = {}  # until codes are learnt
        self.index: Index | None = None

    @property
    def embeddings(self) -> Embeddings:
        """What turns texts into vectors."""
        return self._embedding

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> Self:
        """Return a store of texts.

        Parameters
        ----------
        texts, metadatas, ids
            See :meth:`add_texts`.
        embedding : Embeddings
        **kwargs
            Options of :meth:`slimvec.Index.build`.

        Returns
        -------
        SlimVectorStore
        """
        store = cls(embedding, **kwargs)
        store.add_texts(texts, metadatas, ids=ids)
        return store

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Add texts, or replace those whose ids are there.

        Parameters
        ----------
        texts : iterable of str
        metadatas : list of dict, optional
            One for each text.
        ids : sequence of str or None, optional
            Where there is none, one is made.
        **kwargs
            None are known.

        Returns
        -------
        list of str
            The ids.
        """
        if kwargs:
            raise TypeError(f"add_texts got {', '.join(kwargs)}; expected texts, metadatas and ids")
        listed = list(texts)
        given = list(ids) if ids is not None else [None] * len(listed)
        beside = list(metadatas) if metadatas is not None else [{} for _ in listed]
        for name, values in (("ids", given), ("metadatas", beside)):
            if len(values) != len(listed):
                raise ValueError(f"{name} has {len(values)} entries; expected {len(listed)}, one for each text")
        if not listed:
            return []
        names = [one or str(uuid4()) for one in given]
        vectors = self._embedded(listed)
        last = {name: number for number, name in enumerate(names)}  # of those that come twice the last one stays
        made = {
            name: Document(id=name, page_content=listed[number], metadata=beside[number])
            for name, number in last.items()
        }
        self._put(list(last), vectors[list(last.values())])
        self._documents |= made
        return names

    def delete(self, ids: list[str] | None = None, **kwargs: Any) -> bool:  # noqa: ARG002
        """Remove documents; ids that are not there are passed over.

        Parameters
        ----------
        ids : list of str
        **kwargs
            Ignored.

        Returns
        -------
        bool
            True.
        """
        if ids is None:
            raise ValueError("ids is None; expected the ids of documents that are to go")
        known = [one for one in dict.fromkeys(ids) if one in self._documents]
        if self.index is not None and known:
            self.index.remove(known)
        for one in known:
            self._vectors.pop(one, None)
            del self._documents[one]
        return True

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """Return the documents of those ids that are there.

        Parameters
        ----------
        ids : sequence of str

        Returns
        -------
        list of Document
        """
        return [_copy(self._documents[one]) for one in ids if one in self._documents]

    def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """Find the documents that are nearest to a text.

        Parameters
        ----------
        query : str
        k : int
        **kwargs
            ``filter``: a function that is given a document, and tells whether it may be found.

        Returns
        -------
        list of Document
        """
        return [found for found, _ in self.similarity_search_with_score(query, k, **kwargs)]

    def similarity_search_with_score(self, query: str, k: int = 4, **kwargs: Any) -> list[tuple[Document, float]]:
        """Find the documents that are nearest to a text, and their cosines.

        Parameters
        ----------
        query, k, **kwargs
            See :meth:`similarity_search`.

        Returns
        -------
        list of (Document, float)
        """
        return self._nearest(self._embedding.embed_query(query), k, **kwargs)

    def similarity_search_by_vector(self, embedding: list[float], k: int = 4, **kwargs: Any) -> list[Document]:
        """Find the documents that are nearest to a vector.

        Parameters
        ----------
        embedding : list of float
        k, **kwargs
            See :meth:`similarity_search`.

        Returns
        -------
        list of Document
        """
        return [found for found, _ in self._nearest(embedding, k, **kwargs)]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write documents and vectors into a folder; metadata have to be what JSON holds.

        Parameters
        ----------
        path : str or path
        """
        folder = Path(path)
        folder.mkdir(exist_ok=True)
        kept = {one: [document.page_content, document.metadata] for one, document in self._documents.items()}
        vectors = {one: vector.tolist() for one, vector in self._vectors.items()}
        indexed = self.index is not None  # if not, the index of what was saved there before is not ours
        text = json.dumps({"documents": kept, "vectors": vectors, "indexed": indexed}, ensure_ascii=False)
        if self.index is not None:
            self.index.save(folder / INDEX)
        with replacing(folder / DOCUMENTS) as file:
            file.write(text.encode())

    @classmethod
    def load(cls, path: str | os.PathLike[str], embedding: Embeddings, **build: Any) -> Self:
        """Open what was saved.

        Parameters
        ----------
        path : str or path
        embedding : Embeddings
        **build
            As for the class.

        Returns
        -------
        SlimVectorStore
        """
        store = cls(embedding, **build)
        held = json.loads((Path(path) / DOCUMENTS).read_text(encoding="utf-8"))
        for one, (text, metadata) in held["documents"].items():
            store._documents[one] = Document(id=one, page_content=text, metadata=metadata)
        store._vectors = {one: np.asarray(vector, np.float32) for one, vector in held["vectors"].items()}
        if held.get("indexed", not store._vectors) and (Path(path) / INDEX).exists():
            store.index = open_table(Path(path) / INDEX)
        return store

    def _embedded(self, texts: list[str]) -> NDArray[np.float32]:
        """Return a vector for each text; ValueError, before any is kept, if the embedding gives something else."""
        held = next(iter(self._vectors.values()), None)
        width = self.index.dim if self.index is not None else None if held is None else len(held)
        vectors = as_matrix(np.asarray(self._embedding.embed_documents(texts), np.float32), "embeddings", width)
        if len(vectors) != len(texts):
            raise ValueError(f"embeddings has {len(vectors)} rows; expected {len(texts)}, one for each text")
        check_finite(vectors, "embeddings", 0)
        return vectors

    def _put(self, names: list[str], vectors: NDArray[np.float32]) -> None:
        if self.index is None:
            together = self._vectors | dict(zip(names, vectors, strict=True))
            if len(together) >= LEARN_FROM:
                self.index = Index.build(np.stack([*together.values()]), ids=[*together], **self._build)
                together = {}
            self._vectors = together
            return
        known = np.array([name in self.index for name in names], np.bool_)
        for there, change in ((True, self.index.update), (False, self.index.add)):
            own = np.flatnonzero(known == there)
            if len(own):
                change(vectors[own], ids=[names[number] for number in own])

    def _nearest(
        self, vector: Any, k: int, filter: Callable[[Document], bool] | None = None
    ) -> list[tuple[Document, float]]:
        asked = np.asarray(vector, np.float32)
        allowed = None if filter is None else [one for one, held in self._documents.items() if filter(_copy(held))]
        if self.index is None:
            names = list(self._vectors if allowed is None else allowed)
            found = _best(names, [self._vectors[one] for one in names], asked, k)
        else:
            hits = self.index.search(asked, k, allowed)
            found = list(zip(hits.ids, map(float, hits.scores), strict=True))
        return [(_copy(self._documents[one]), score) for one, score in found if one in self._documents]

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        return lambda cosine: max(0.0, cosine)


def _best(
    names: list[str], vectors: list[NDArray[np.float32]], asked: NDArray[np.float32], k: int
) -> list[tuple[str, float]]:
    """Return the k rows of the highest cosine, ties in their order."""
    if not names:
        return []
    rows = np.stack(vectors)
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(asked)
    scores = np.divide(rows @ asked, lengths, out=np.zeros(len(rows), np.float32), where=lengths > 0)
    order = np.argsort(-scores, kind="stable")[:k]
    return [(names[number], float(scores[number])) for number in order]


def _copy(document: Document) -> Document:
    return Document(id=document.id, page_content=document.page_content, metadata=dict(document.metadata))
