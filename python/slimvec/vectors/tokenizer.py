"""Folders as Hugging Face tools write them: tokens in one file, vectors in another (model2vec, StaticEmbedding)."""

from __future__ import annotations

import errno
import json
import os
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from slimvec.errors import FormatError, naming
from slimvec.vectors.made import MadeRows
from slimvec.vectors.mapped import describe, load_tensors
from slimvec.vectors.tensors import choose_tensor, scaled
from slimvec.vectors.word_list import Words

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

TOKENS, TENSORS, MODULES, ROWS = "tokenizer.json", "model.safetensors", "modules.json", "vectors.npy"
MAX_TOKENIZER_BYTES = 100 << 20  # those of a quarter of a million tokens have 30

_NOT_READ = {  # in a folder: what it is then, and what to do
    "vocab/vectors": "a spaCy model: nlp = spacy.load(path); sv.Vectors([nlp.vocab.strings[key] for key in "
    "nlp.vocab.vectors], [nlp.vocab.vectors[key] for key in nlp.vocab.vectors])",
    "key2row": "vectors of a spaCy model, whose words lie beside this folder: pass the model's name to spacy.load",
    "model.safetensors.index.json": "a model in several files: pass a pair (the file that holds the embeddings, a "
    "word list), and tensor=",
    "pytorch_model.bin": "weights in a pickle, which is not opened, as it could run code: load the model with "
    "transformers, and save it by model.save_pretrained(folder), which writes safetensors",
}


def token_folder(path: Path) -> Path | None:
    """Return where tokens and vectors lie: the folder, or in it that of its first module; None if it has none."""
    for folder in (path, *(path / place for _, place in modules_of(path))):
        if (folder / TOKENS).is_file() and (folder / TENSORS).is_file():
            return folder
    return None


def modules_of(path: Path) -> list[tuple[str, PurePath]]:
    """Return the names of the modules of a sentence-transformers model, and their folders below its own."""
    if not (path / MODULES).is_file():
        return []
    with naming(path / MODULES):
        try:
            modules = json.loads((path / MODULES).read_bytes())
            places = [(str(one.get("type")).rpartition(".")[2], PurePath(one["path"])) for one in modules]
        except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
            raise FormatError(f"not a usable list of modules ({type(error).__name__}: {error})") from None
    return [(name, place) for name, place in places if not place.is_absolute() and ".." not in place.parts]


def plain_folder(path: Path) -> Path:
    """Return the file of rows in a folder that holds rows and words apart.

    Raises
    ------
    FileNotFoundError
        If there is none, saying what the folder is, where that is known.
    """
    if (path / ROWS).exists():
        return path / ROWS
    known = next((f"; it is {told}" for name, told in _NOT_READ.items() if (path / name).exists()), "")
    message = f"no vectors that are read: expected {ROWS} and words.txt, or {TENSORS} and {TOKENS}{known}"
    raise FileNotFoundError(errno.ENOENT, message, os.fspath(path))


def load_token_folder(path: Path, tensor: str | None = None) -> tuple[NDArray[Any] | MadeRows, Words]:
    """Return the vectors and the tokens of a folder.

    Tensors named ``mapping`` (the row of each token) and ``weights`` (a factor for each), by which model2vec makes its
    files smaller, are applied; otherwise the matrix stays mapped.

    Raises
    ------
    FormatError
        If tokens and vectors do not fit each other, or a file is damaged.
    ValueError
        If there is no tensor called ``tensor``.
    """
    with naming(path / TOKENS):
        tokens = _read_tokens(path / TOKENS)
    with naming(path / TENSORS):
        rows = read_token_rows(path / TENSORS, tensor).of_tokens()
    n = len(tokens.offsets) - 1
    if n > len(rows):
        raise FormatError(f"{path / TOKENS} has {n} tokens for the {len(rows)} rows of {TENSORS}")
    return rows, tokens  # rows beyond are padding


class TokenRows(NamedTuple):
    """The vectors of a folder.

    Attributes
    ----------
    name : str
        What the matrix is called.
    rows : ndarray or MadeRows
    mapping : ndarray, shape (n_tokens,), or None
        The row of each token.
    weights : ndarray, shape (n_tokens,), or None
        By which the row of each token is multiplied.
    """

    name: str
    rows: NDArray[Any] | MadeRows
    mapping: NDArray[np.integer] | None
    weights: NDArray[np.floating] | None

    def of_tokens(self) -> NDArray[Any] | MadeRows:
        """Return the vector of each token, after the mapping and the weights."""
        _, rows, mapping, weights = self
        if mapping is None and weights is None:
            return rows
        n = len(rows if mapping is None else mapping)
        return MadeRows(partial(_weighted, rows, mapping, weights), n, rows.shape[1])


def read_token_rows(path: Path, tensor: str | None) -> TokenRows:
    """Return the vectors of a file, and what is to be made of them, after checking that these fit each other."""
    tensors = load_tensors(path)
    mapping, weights = tensors.pop("mapping", None), tensors.pop("weights", None)
    name = choose_tensor(describe(tensors), tensor)
    rows = scaled(name, tensors)
    if mapping is not None:
        fits = mapping.ndim == 1 and mapping.dtype.kind in "iu" and mapping.size
        if not fits or not 0 <= mapping.min() <= mapping.max() < len(rows):
            raise FormatError(f"its mapping of tokens to rows does not fit the {len(rows)} rows")
    n = len(rows if mapping is None else mapping)
    if weights is not None and (weights.shape != (n,) or weights.dtype.kind != "f"):
        raise FormatError(f"its weights have shape {weights.shape}; expected ({n},)")
    return TokenRows(name, rows, mapping, weights)


def _weighted(
    rows: NDArray[Any] | MadeRows,
    mapping: NDArray[np.integer] | None,
    weights: NDArray[np.floating] | None,
    numbers: NDArray[np.int64],
) -> NDArray[np.float32]:
    places = numbers if mapping is None else mapping[numbers]
    made = rows.take(places) if isinstance(rows, MadeRows) else rows[places]
    return np.asarray(made if weights is None else made * weights[numbers][:, None], np.float32)


def read_tokenizer(path: Path) -> dict[str, Any]:
    """Return what the file of a tokenizer says."""
    if path.stat().st_size > MAX_TOKENIZER_BYTES:
        raise FormatError(f"not a usable tokenizer (larger than {MAX_TOKENIZER_BYTES} bytes)")
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise FormatError(f"not a usable tokenizer ({type(error).__name__}: {error})") from None
    if not isinstance(content, dict):
        raise FormatError(f"not a usable tokenizer ({type(content).__name__})")
    return content


def _read_tokens(path: Path) -> Words:
    """Return the tokens in the order of their numbers."""
    content = read_tokenizer(path)
    try:
        vocabulary = content["model"]["vocab"]
        pairs = vocabulary.items() if isinstance(vocabulary, dict) else enumerate(token for token, _ in vocabulary)
        numbers = dict(pairs) if isinstance(vocabulary, dict) else {token: number for number, token in pairs}
        numbers |= {added["content"]: added["id"] for added in content.get("added_tokens") or []}
        tokens = sorted(numbers, key=numbers.__getitem__)
        encoded = [token.encode() for token in tokens]
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise FormatError(f"not a usable tokenizer ({type(error).__name__}: {error})") from None
    if [numbers[token] for token in tokens] != list(range(len(tokens))):
        raise FormatError(f"the numbers of its {len(tokens)} tokens are not 0 ... {len(tokens) - 1}")
    return Words.of(encoded)
