"""What a static model is made of, whoever holds it: a folder, model2vec, or sentence-transformers."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from slimvec.errors import FormatError, naming
from slimvec.static.text_parts import LARGEST, Rules
from slimvec.vectors.tokenizer import TENSORS, TOKENS, modules_of, read_token_rows, read_tokenizer, token_folder

if TYPE_CHECKING:
    from numpy.typing import NDArray

CONFIG = "config.json"
OF_MODEL2VEC = "embeddings"  # what the matrix is called in its files
MOST_TOKENS = 512  # where a model of model2vec does not say
EXPECTED = (
    "expected a folder with model.safetensors and tokenizer.json, a StaticModel of model2vec, or a StaticEmbedding of "
    "sentence-transformers"
)
EXPECTED_MODULES = "expected StaticEmbedding, and perhaps Normalize"


class StaticModel(NamedTuple):
    """A static model.

    Attributes
    ----------
    rows : ndarray, shape (n, d)
    tokenizer : bytes
        As ``tokenizer.json``.
    rules : Rules
    mapping, weights : ndarray, shape (n_tokens,), or None
        See :class:`slimvec.static.text_parts.TextParts`.
    """

    rows: NDArray[Any]
    tokenizer: bytes
    rules: Rules
    mapping: NDArray[np.integer] | None = None
    weights: NDArray[np.floating] | None = None


def static_model(model: Any) -> StaticModel:
    """Return what a model is made of; TypeError for anything else."""
    if isinstance(model, str | os.PathLike):
        return _of_folder(Path(model))
    if type(model).__name__ == "SentenceTransformer":
        return _of_modules(list(model))
    if not hasattr(getattr(model, "tokenizer", None), "to_str") or not hasattr(model, "embedding"):
        raise TypeError(f"model is {type(model).__name__}; {EXPECTED}")
    if hasattr(model.embedding, "weight"):
        return _of_modules([model])
    content = json.loads(model.tokenizer.to_str())
    tokenizer, rules = _of_model2vec(content, model.normalize, model.max_length)
    return StaticModel(model.embedding, tokenizer, rules, model.token_mapping, model.weights)


def _of_modules(modules: list[Any]) -> StaticModel:
    """Return a StaticEmbedding of sentence-transformers, and whether its vectors are normalised after it."""
    first, *others = modules
    names = [type(one).__name__ for one in modules]
    if not _are_static(names):
        raise TypeError(f"model has modules {', '.join(names)}; {EXPECTED_MODULES}")
    rows = first.embedding.weight.detach().cpu().float().numpy()
    return StaticModel(rows, *_of_sentences(json.loads(first.tokenizer.to_str()), bool(others)))


def _are_static(names: list[str]) -> bool:
    return names[0] == "StaticEmbedding" and set(names[1:]) <= {"Normalize"}


def _of_folder(path: Path) -> StaticModel:
    if not path.is_dir():
        raise FileNotFoundError(f"{path} is no folder; {EXPECTED}. slimvec does not download")
    folder = token_folder(path)
    if folder is None:
        raise FormatError(f"{path} has no {TENSORS} and {TOKENS}; {EXPECTED}")
    names = [name for name, _ in modules_of(path)]
    if names and not _are_static(names):
        raise FormatError(f"{path} has modules {', '.join(names)}; {EXPECTED_MODULES}")
    with naming(folder / TENSORS):
        found = read_token_rows(folder / TENSORS, None)
    rows = found.rows if isinstance(found.rows, np.ndarray) else found.rows.take(np.arange(len(found.rows)))
    with naming(folder / TOKENS):
        content = read_tokenizer(folder / TOKENS)
        try:
            if found.name == OF_MODEL2VEC:
                tokenizer, rules = _of_model2vec(content, *_config(folder / CONFIG))
            else:
                tokenizer, rules = _of_sentences(content, "Normalize" in names)
            known = 1 + max(_numbers(content).values(), default=-1)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise FormatError(f"not a usable tokenizer ({type(error).__name__}: {error})") from None
        n = len(rows) if found.mapping is None else len(found.mapping)
        if known > n:
            raise FormatError(f"it has {known} tokens for the {n} rows of {TENSORS}")
    return StaticModel(rows, tokenizer, rules, found.mapping, found.weights)


def _config(path: Path) -> tuple[bool, int | None]:
    """Return what model2vec says of a model beside it: whether vectors are normalised, and how many tokens count."""
    if not path.is_file():
        return False, MOST_TOKENS
    config = json.loads(path.read_bytes())
    normalize, most = config.get("normalize") or False, config.get("max_length", MOST_TOKENS)
    if type(normalize) is not bool or not (most is None or (type(most) is int and most > 0)):
        raise ValueError(f"{path.name} says normalize={normalize!r}, max_length={most!r}")
    return normalize, most


def _of_model2vec(content: dict[str, Any], normalize: bool, most: int | None) -> tuple[bytes, Rules]:
    """Return how model2vec takes means: unknown tokens do not count, nor what is beyond so many tokens."""
    numbers, model = _numbers(content), content["model"]
    letters = truncation = None
    if most is not None:
        letters = min(LARGEST, most * int(np.median([len(token) for token in numbers])))  # so it cuts texts beforehand
        truncation = {"direction": "Right", "max_length": most, "strategy": "LongestFirst", "stride": 0}
    unknown = model.get("unk_id") if isinstance(model["vocab"], list) else numbers.get(model.get("unk_token"))
    return _tokenizer(content | {"truncation": truncation}), Rules(bool(normalize), letters, unknown)


def _of_sentences(content: dict[str, Any], normalize: bool) -> tuple[bytes, Rules]:
    """Return how sentence-transformers takes means: all tokens count, as far as the tokenizer itself goes."""
    return _tokenizer(content), Rules(normalize, None, None)


def _tokenizer(content: dict[str, Any]) -> bytes:
    """Return what ``tokenizer.json`` holds of a tokenizer that does not pad."""
    return json.dumps(content | {"padding": None}, ensure_ascii=False).encode()


def _numbers(content: dict[str, Any]) -> dict[str, int]:
    """Return all tokens that a tokenizer knows, and their numbers."""
    held = content["model"]["vocab"]
    numbers = dict(held) if isinstance(held, dict) else {token: number for number, (token, _) in enumerate(held)}
    return numbers | {added["content"]: added["id"] for added in content.get("added_tokens") or []}
