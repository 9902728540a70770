"""Folders of static embeddings as Hugging Face tools write them: tokens in one file, vectors in another (model2vec)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.errors import FormatError, naming
from slimvec.vectors.mapped import load_tensors, only_matrix

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

TOKENS, TENSORS = "tokenizer.json", "model.safetensors"


def is_token_folder(path: Path) -> bool:
    """Tell whether a folder holds both files."""
    return (path / TOKENS).is_file() and (path / TENSORS).is_file()


def load_token_folder(path: Path) -> tuple[list[str], NDArray[Any]]:
    """Return the tokens and a vector for each.

    Tensors named ``mapping`` (the row of each token) and ``weights`` (a factor for each), by which model2vec makes its
    files smaller, are applied; otherwise the matrix stays mapped.

    Raises
    ------
    FormatError
        If tokens and vectors do not fit each other, or a file is damaged.
    """
    with naming(path / TOKENS):
        tokens = _read_tokens(path / TOKENS)
    with naming(path / TENSORS):
        matrix = _read_matrix(path / TENSORS)
    if len(tokens) > len(matrix):
        raise FormatError(f"{path / TOKENS} has {len(tokens)} tokens for the {len(matrix)} rows of {TENSORS}")
    return tokens, matrix[: len(tokens)]  # rows beyond are padding


def _read_matrix(path: Path) -> NDArray[Any]:
    """Return the vectors, after the mapping and the weights."""
    tensors = load_tensors(path)
    mapping, weights = tensors.pop("mapping", None), tensors.pop("weights", None)
    matrix = only_matrix(tensors)
    if mapping is not None:
        fits = mapping.ndim == 1 and mapping.dtype.kind in "iu" and mapping.size
        if not fits or not 0 <= mapping.min() <= mapping.max() < len(matrix):
            raise FormatError(f"its mapping of tokens to rows does not fit the {len(matrix)} rows")
        matrix = matrix[mapping]
    if weights is not None:
        if weights.shape != (len(matrix),):
            raise FormatError(f"its weights have shape {weights.shape}; expected ({len(matrix)},)")
        matrix = (matrix * weights[:, None]).astype(np.float32)
    return matrix


def _read_tokens(path: Path) -> list[str]:
    """Return the tokens in the order of their numbers."""
    try:
        content = json.loads(path.read_bytes())
        vocabulary = content["model"]["vocab"]
        pairs = vocabulary.items() if isinstance(vocabulary, dict) else enumerate(token for token, _ in vocabulary)
        numbers = dict(pairs) if isinstance(vocabulary, dict) else {token: number for number, token in pairs}
        numbers |= {added["content"]: added["id"] for added in content.get("added_tokens") or []}
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise FormatError(f"not a usable tokenizer ({type(error).__name__}: {error})") from None
    tokens = sorted(numbers, key=lambda token: numbers[token])
    if [numbers[token] for token in tokens] != list(range(len(tokens))):
        raise FormatError(f"the numbers of its {len(tokens)} tokens are not 0 ... {len(tokens) - 1}")
    return tokens
