"""``TextEncoder``: a static embedding model in a small file; vectors of texts are means over rows of their tokens."""

from __future__ import annotations

import threading
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.binary.lookup import reconstruct
from slimvec.blocks import row_blocks
from slimvec.errors import FormatError, needs
from slimvec.files.pages import resident_bytes
from slimvec.files.table_file import register
from slimvec.static.text_parts import KIND, TextParts
from slimvec.table import Stored

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from slimvec.files.table_file import Content

TEXTS_AT_ONCE = 1024
TOKENS_AT_ONCE = 1 << 13  # whose vectors are gathered before they are added up: what stays in cache
TINY = 1e-32  # added to lengths, as model2vec does, so that zeros stay zeros


class TextEncoder(Stored):
    """A static model of texts: the tokenizer of a model, and its token embeddings as codes.

    Made by :func:`slimvec.compress_model`, opened by :func:`slimvec.open`. Reading texts takes the package
    ``tokenizers`` (extra ``text``); vectors are means that NumPy takes. The vector of a token is made of its code when
    a text first has it, and kept: memory grows by 4 d bytes for each token that was met.

    Attributes
    ----------
    dim : int
        Width d of the vectors.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> import slimvec as sv
    >>> from model2vec import StaticModel
    >>> from tokenizers import Tokenizer, models, pre_tokenizers
    >>> tokens = {"[UNK]": 0, "a": 1, "good": 2, "bad": 3, "film": 4}
    >>> tokenizer = Tokenizer(models.WordLevel(tokens, unk_token="[UNK]"))
    >>> tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    >>> model = StaticModel(np.random.default_rng(0).standard_normal((5, 8)), tokenizer)
    >>> path = os.path.join(tempfile.mkdtemp(), "films.slim")
    >>> sv.compress_model(model).save(path)
    >>> encoder = sv.open(path)
    >>> encoder
    <slimvec.TextEncoder: 5 tokens, 8 dimensions>
    >>> encoder.encode(["a good film", "a bad film"]).shape
    (2, 8)
    """

    kind = KIND

    def __init__(self, parts: TextParts) -> None:
        self._parts = parts
        self._begin()

    def _begin(self) -> None:
        self._tokenizer: Any = None
        shape = self._parts.n_tokens, self.dim
        self._vectors = np.empty(shape, np.float32)  # pages that nobody touches are not there
        self._made = np.zeros(self._parts.n_tokens, np.bool_)
        self._lock = threading.Lock()  # held by who makes vectors, or the tokenizer

    def __getstate__(self) -> TextParts:
        return self._parts

    def __setstate__(self, parts: TextParts) -> None:
        self._parts = parts
        self._begin()

    @classmethod
    def from_content(cls, content: Content) -> TextEncoder:
        """Return the encoder that a file's content describes, mapped, after checking that its parts fit each other."""
        return cls(TextParts.from_content(content))

    def to_content(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return the facts and tensors of a file."""
        return self._parts.to_content()

    def __repr__(self) -> str:
        return f"<slimvec.TextEncoder: {len(self)} tokens, {self.dim} dimensions>"

    def __len__(self) -> int:
        return self._parts.n_tokens

    @property
    def dim(self) -> int:
        """Width d of the vectors."""
        assert self._parts.rows.encoder is not None  # noqa: S101 - checked where parts are made
        return len(self._parts.rows.encoder.mean)

    def encode(self, texts: str | Sequence[str]) -> NDArray[np.float32]:
        """Return a vector for each text, as the model would: cut, averaged and brought to length one as it does.

        Parameters
        ----------
        texts : sequence of str
            Or a single text.

        Returns
        -------
        ndarray, shape (len(texts), d), float32
            Of a single text, (d,). Zeros for a text of which no token is known.

        Raises
        ------
        TypeError
            If a text is no string.
        ImportError
            If ``tokenizers`` is not installed.
        FormatError
            If the tokenizer in the file is none, or knows more tokens than there are.
        """
        if isinstance(texts, str):
            vector: NDArray[np.float32] = self.encode([texts])[0]
            return vector
        listed = list(texts)
        for number, text in enumerate(listed):
            if not isinstance(text, str):
                raise TypeError(f"texts[{number}] is {type(text).__name__}; expected strings")
        tokenizer = self._tokens_of()
        rules, out = self._parts.rules, np.zeros((len(listed), self.dim), np.float32)
        for first in range(0, len(listed), TEXTS_AT_ONCE):
            some = listed[first : first + TEXTS_AT_ONCE]
            if rules.max_letters is not None:
                some = [text[: rules.max_letters] for text in some]
            found = [one.ids for one in tokenizer.encode_batch_fast(some, add_special_tokens=False)]
            means = out[first : first + len(some)]
            self._add_means(found, means)
            if rules.normalize:
                means /= np.linalg.norm(means, axis=1, keepdims=True) + np.float32(TINY)
        return out

    def _add_means(self, found: list[list[int]], out: NDArray[np.float32]) -> None:
        """Write the mean over each list of tokens."""
        sizes = np.fromiter(map(len, found), np.int64, len(found))
        tokens = np.fromiter(chain.from_iterable(found), np.int64, int(sizes.sum()))
        if self._parts.rules.unknown is not None and (tokens == self._parts.rules.unknown).any():
            known = tokens != self._parts.rules.unknown
            sizes = np.bincount(np.repeat(np.arange(len(found)), sizes)[known], minlength=len(found))
            tokens = tokens[known]
        self._make(tokens)
        starts = np.cumsum(sizes) - sizes
        for size in np.unique(sizes[sizes > 0]).tolist():  # those of one size make a block, whose means are fast
            for _, some in row_blocks(np.flatnonzero(sizes == size), max(1, TOKENS_AT_ONCE // size)):
                block = self._vectors[tokens[starts[some, None] + np.arange(size)]]
                out[some] = np.add.reduce(block, axis=1) / np.float32(size)

    def _make(self, tokens: NDArray[np.int64]) -> None:
        """Make the vectors of tokens that were not met before."""
        if len(tokens) and tokens.max() >= len(self):
            raise FormatError(f"its tokenizer knows a token {tokens.max()}, and there are {len(self)} rows: damaged")
        with self._lock:
            new = tokens[~self._made[tokens]]
            if not len(new):
                return
            new = np.unique(new)
            rows = new if self._parts.mapping is None else self._parts.mapping[new].astype(np.int64)
            made = reconstruct(self._parts.rows, rows)
            if self._parts.weights is not None:
                made *= self._parts.weights[new][:, None]
            self._vectors[new] = made
            self._made[new] = True

    def _tokens_of(self) -> Any:
        """Return the tokenizer, which is made when a text first needs it."""
        with self._lock:
            if self._tokenizer is None:
                with needs("tokenizers", "text"):
                    from tokenizers import Tokenizer
                try:
                    made = Tokenizer.from_str(bytes(self._parts.tokenizer).decode())
                except Exception as error:  # noqa: BLE001 - the package raises no other
                    raise FormatError(f"its tokenizer is none ({error}): damaged") from None
                self._tokenizer = made
            return self._tokenizer

    def info(self) -> dict[str, Any]:
        """Describe the encoder.

        Returns
        -------
        dict
            ``kind``, ``rows`` (tokens), ``dimension``, ``bits`` (all that is kept of a row), ``rules`` (how means are
            taken), ``made_by``, ``bytes`` (on disk, of each part), ``resident``, ``compression_ratio`` and
            ``stored_ratio`` (see :meth:`BinaryTable.info`).
        """
        parts = self._parts
        n_floats = len(self) * self.dim
        return {
            "kind": self.kind,
            "rows": len(self),
            "dimension": self.dim,
            "bits": parts.rows.bits_per_row,
            "rules": parts.rules._asdict(),
            "made_by": dict(parts.made_by),
            "bytes": parts.sizes,
            "resident": resident_bytes(parts.arrays()),
            "compression_ratio": 32 * self.dim / parts.rows.bits_per_row,
            "stored_ratio": 4 * n_floats / sum(parts.sizes.values()),
        }

    def _shape(self, info: dict[str, Any]) -> tuple[str, str]:
        return "a token", f"{info['bits']} bits, of {info['dimension']} numbers"

    def _counted(self, info: dict[str, Any]) -> str:  # noqa: ARG002
        return "bits"


register(TextEncoder)
