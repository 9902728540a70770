"""``compress_model``: a static embedding model as one small file that reads texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.binary.methods.transform_coding import TransformCoding
from slimvec.progress import Progress, ignore
from slimvec.static.static_model import static_model
from slimvec.static.text_encoder import TextEncoder
from slimvec.static.text_parts import TextParts

if TYPE_CHECKING:
    from os import PathLike


def compress_model(
    model: str | PathLike[str] | Any,
    n_bits: int | None = None,
    refine_bits: int = 4,
    *,
    progress: Progress = ignore,
) -> TextEncoder:
    """Return a static embedding model with its token embeddings as codes, and its tokenizer.

    Parameters
    ----------
    model : str, path, StaticModel, StaticEmbedding or SentenceTransformer
        A folder with ``model.safetensors`` and ``tokenizer.json``, as model2vec and sentence-transformers save them, or
        their objects. Token weights, and the mapping of a model whose vocabulary was quantized, are kept.
    n_bits, refine_bits : int, optional
        See :class:`TransformCoding`: by default as many bits as the vectors have dimensions, and for what these leave 4
        more for each. ``refine_bits=0`` makes the smallest files, and takes up to 6 bits for each dimension.
    progress : callable, optional
        ``progress(stage, done, total)``.

    Returns
    -------
    TextEncoder

    Raises
    ------
    TypeError, ValueError
        If it is no such model, or the numbers do not fit it.
    FormatError
        If a file of the folder is damaged.
    OSError
        If the folder does not exist.

    Notes
    -----
    Vectors are those of the model's own ``encode`` but for what codes lose. Of a folder whose matrix is called
    ``embeddings`` these are those of model2vec, which cuts long texts and passes over unknown tokens; of other folders,
    and of objects of sentence-transformers, those of sentence-transformers.

    Examples
    --------
    >>> import numpy as np
    >>> import slimvec as sv
    >>> from model2vec import StaticModel
    >>> from tokenizers import Tokenizer, models, pre_tokenizers
    >>> tokens = {"[UNK]": 0, "a": 1, "good": 2, "bad": 3, "film": 4}
    >>> tokenizer = Tokenizer(models.WordLevel(tokens, unk_token="[UNK]"))
    >>> tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    >>> model = StaticModel(np.random.default_rng(0).standard_normal((5, 8)), tokenizer)
    >>> encoder = sv.compress_model(model)
    >>> bool(np.allclose(encoder.encode("a good film"), model.encode("a good film"), atol=0.1))
    True
    """
    found = static_model(model)
    n = len(found.rows)
    mapping = None if found.mapping is None else np.asarray(found.mapping)
    if mapping is not None and not (len(mapping) and 0 <= mapping.min() <= mapping.max() < n):
        raise ValueError(f"model maps tokens to rows that are not there; expected rows 0 ... {n - 1}")
    n_tokens = n if mapping is None else len(mapping)
    weights = None if found.weights is None else np.asarray(found.weights, np.float32)
    if weights is not None and (weights.shape != (n_tokens,) or not np.isfinite(weights).all()):
        raise ValueError(f"model has token weights of shape {weights.shape}; expected ({n_tokens},) finite numbers")
    table = TransformCoding(n_bits, refine_bits=refine_bits).compress(found.rows, progress=progress)
    return TextEncoder(
        TextParts(
            table._parts,
            np.frombuffer(found.tokenizer, np.uint8),
            found.rules,
            None if mapping is None else mapping.astype(np.uint32),
            weights,
        )
    )
