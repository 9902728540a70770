"""For sentence-transformers: its ``util.semantic_search`` over an index, and texts in place of vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from slimvec.index.index import Index

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from slimvec.index.hits import Hits


class Model(Protocol):
    """Whatever turns texts into vectors, such as a ``SentenceTransformer``.

    Where it has ``encode_query`` and ``encode_document``, too, these are called.
    """

    def encode(self, texts: list[str]) -> Any:
        """Return a vector for each text, ``(n, d)``."""


def semantic_search(
    query_embeddings: Any,
    corpus_embeddings: Index,
    query_chunk_size: int = 100,  # noqa: ARG001
    corpus_chunk_size: int = 500_000,  # noqa: ARG001
    top_k: int = 10,
    score_function: Callable[..., Any] | None = None,
) -> list[list[dict[str, Any]]]:
    """Search an index as ``sentence_transformers.util.semantic_search`` searches a tensor.

    Parameters
    ----------
    query_embeddings : torch.Tensor or array_like, shape (n, d) or (d,)
    corpus_embeddings : Index
        Of the corpus: ``sv.Index.build(model.encode(texts))``.
    query_chunk_size, corpus_chunk_size : int
        Not needed: searches go by blocks of their own.
    top_k : int
    score_function : callable, optional
        ``cos_sim``, which is what scores estimate.

    Returns
    -------
    list of list of dict
        For each query, best first, ``corpus_id``, the id of the index, and ``score``.

    Raises
    ------
    TypeError, ValueError
        If the corpus is no index, the function is another one, and as :meth:`slimvec.Index.search`.

    Examples
    --------
    >>> import numpy as np
    >>> import slimvec as sv
    >>> from slimvec.integrations.semantic_search import semantic_search
    >>> X = np.random.default_rng(0).standard_normal((500, 64), dtype=np.float32)
    >>> hits = semantic_search(X[:2], sv.Index.build(X), top_k=3)
    >>> len(hits), hits[0][0]["corpus_id"]
    (2, 0)
    """
    if not isinstance(corpus_embeddings, Index):
        raise TypeError(
            f"corpus_embeddings is {type(corpus_embeddings).__name__}; expected a slimvec.Index, made once: "
            "sv.Index.build(corpus_embeddings)"
        )
    if score_function is not None and getattr(score_function, "__name__", "") != "cos_sim":
        raise ValueError(f"score_function={score_function!r}; expected cos_sim: an index estimates cosines")
    queries = as_embeddings(query_embeddings)
    hits = corpus_embeddings.search(queries[None] if queries.ndim == 1 else queries, top_k)
    return [
        [{"corpus_id": one, "score": float(score)} for one, score in zip(ids, scores, strict=True)]
        for ids, scores in zip(hits.ids, hits.scores, strict=True)
    ]


class SlimIndex:
    """Texts found by what they mean: an index, and the model that turns texts into its vectors.

    Parameters
    ----------
    model : Model
        Such as ``SentenceTransformer("all-MiniLM-L6-v2")``.
    index : Index, optional
        Of vectors of the same model. Otherwise the first texts make one.

    Attributes
    ----------
    index : Index or None
        None before any texts were added.

    Examples
    --------
    >>> import numpy as np
    >>> from slimvec.integrations.semantic_search import SlimIndex
    >>> class Letters:
    ...     def encode(self, texts):
    ...         return np.array([[text.count(letter) + 0.1 for letter in "abcdefgh"] for text in texts])
    >>> found = SlimIndex(Letters())
    >>> found.add_texts(["a bad egg", "cafe", "had"], ids=["egg", "cafe", "had"])
    >>> found.search_texts("face", k=1).ids
    ['cafe']
    """

    def __init__(self, model: Model, index: Index | None = None) -> None:
        self.model, self.index = model, index

    def add_texts(self, texts: Iterable[str], ids: Any = None, **options: Any) -> None:
        """Add texts; the first ones decide on the codes.

        Parameters
        ----------
        texts : iterable of str
        ids : array_like, optional
            An integer or string for each text. By default their numbers, from 0 on.
        **options
            Of :meth:`slimvec.Index.build`, for the first texts, such as ``recall=0.95``.

        Raises
        ------
        TypeError, ValueError
            As :meth:`slimvec.Index.build` and :meth:`slimvec.Index.add`, and for options when there is an index.
        """
        listed = _listed(texts)
        if self.index is not None and options:
            raise ValueError(f"{', '.join(options)}: the first texts have made the index; expected no options any more")
        if not listed:
            return
        vectors = as_embeddings(getattr(self.model, "encode_document", self.model.encode)(listed))
        if self.index is None:
            self.index = Index.build(vectors, ids=ids, **options)
        else:
            self.index.add(vectors, ids=ids)

    def search_texts(self, texts: str | Iterable[str], k: int = 10, where: Any = None) -> Hits:
        """Find the texts that mean about the same.

        Parameters
        ----------
        texts : str or iterable of str
            One text gives one list of hits.
        k : int
        where : optional
            See :meth:`slimvec.Index.search`.

        Returns
        -------
        Hits

        Raises
        ------
        TypeError, ValueError
            If no texts were added yet, a text is no string, and as :meth:`slimvec.Index.search`.
        """
        if self.index is None:
            raise ValueError("no texts were added yet; call add_texts first")
        encode = getattr(self.model, "encode_query", self.model.encode)
        if isinstance(texts, str):
            return self.index.search(as_embeddings(encode([texts]))[0], k, where)
        listed = _listed(texts)
        vectors = as_embeddings(encode(listed)) if listed else np.empty((0, self.index.dim), np.float32)
        return self.index.search(vectors, k, where)


def as_embeddings(given: Any) -> NDArray[Any]:
    """Return vectors of torch, on whatever device, of any type, or of lists of such, as an array."""
    if isinstance(given, list | tuple) and given and hasattr(given[0], "detach"):
        return np.stack([as_embeddings(one) for one in given])
    if hasattr(given, "detach"):
        given = given.detach()
        if given.is_sparse:
            given = given.to_dense()
        given = given.cpu().float().numpy()
    return np.asarray(given)


def _listed(texts: Iterable[str]) -> list[str]:
    if isinstance(texts, str):
        raise TypeError("texts is one string; expected a list of them")
    listed = list(texts)
    for number, text in enumerate(listed):
        if not isinstance(text, str):
            raise TypeError(f"texts holds {text!r:.60} at {number}; expected strings")
    return listed
