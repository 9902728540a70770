"""Words and vectors that objects of other libraries hold; told by what they have, so that none of these is imported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray


def words_and_rows(model: Any, words: Iterable[str] | None) -> tuple[Iterable[str], NDArray[Any]]:
    """Return the words of an object, and their vectors; ``words`` are those of an object that has none."""
    model = _inner(model)
    found = next((made for made in (_of_gensim(model), _of_model2vec(model), _of_spacy(model)) if made), None)
    if found is not None:
        if words is not None:
            raise ValueError(f"words are given, and this {type(model).__name__} has its own; expected None")
        return found
    if not hasattr(model, "num_embeddings"):
        raise TypeError(
            f"model is {type(model).__name__}; expected KeyedVectors of gensim, a StaticModel of model2vec, an "
            "Embedding of torch.nn, or Vectors or a Vocab of spaCy"
        )
    if words is None:
        raise TypeError(f"words is None, and an {type(model).__name__} of torch has none; expected one for each row")
    rows = model.weight.detach().cpu()
    return words, (rows.float() if "bfloat16" in str(rows.dtype) else rows).numpy()


def _inner(model: Any) -> Any:
    """Return what holds the vectors of a model: of gensim its ``wv``, of spaCy those of its ``vocab``."""
    if hasattr(model, "wv"):
        return model.wv
    model = getattr(model, "vocab", model)
    return model.vectors if hasattr(model, "strings") and hasattr(model, "vectors") else model


def _of_gensim(model: Any) -> tuple[Iterable[str], NDArray[Any]] | None:
    return (model.index_to_key, model.vectors) if hasattr(model, "index_to_key") else None


def _of_model2vec(model: Any) -> tuple[Iterable[str], NDArray[Any]] | None:
    if not hasattr(model, "tokens") or not hasattr(model, "embedding"):
        return None
    rows = model.embedding if model.token_mapping is None else model.embedding[model.token_mapping]
    return model.tokens, rows if model.weights is None else rows * np.asarray(model.weights)[:, None]


def _of_spacy(model: Any) -> tuple[Iterable[str], NDArray[Any]] | None:
    if not hasattr(model, "key2row") or not hasattr(model, "strings"):
        return None
    if not len(model.key2row):
        raise ValueError("model has vectors without words, as those of floret are; expected a word for each")
    return [model.strings[key] for key in model.key2row], np.asarray(model.data)[list(model.key2row.values())]
