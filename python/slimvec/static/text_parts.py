"""The parts of a text encoder, and how a file holds them: codes of tokens, the tokenizer, and how means are taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from slimvec.binary.parts import BinaryParts
from slimvec.errors import FormatError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slimvec.files.table_file import Content
    from slimvec.vocabulary import Vocabulary

KIND = "text encoder"
LARGEST = (1 << 31) - 1  # number of letters or of a token
MOST_BYTES = 100 << 20  # of a tokenizer; those of a quarter of a million tokens have 30


class Rules(NamedTuple):
    """How a model makes a vector of a text.

    Attributes
    ----------
    normalize : bool
        Whether vectors have length one.
    max_letters : int or None
        How many of the first letters are read.
    unknown : int or None
        The token that counts for nothing.
    """

    normalize: bool
    max_letters: int | None
    unknown: int | None


@dataclass(frozen=True, eq=False)
class TextParts:
    """Codes of rows, and what makes rows of a text.

    Attributes
    ----------
    rows : BinaryParts
        With factors.
    tokenizer : ndarray of uint8
        What ``tokenizer.json`` holds; it says itself how many tokens of a text count.
    rules : Rules
    mapping : ndarray, shape (n_tokens,), uint32, or None
        The row of each token; None where every token has its own.
    weights : ndarray, shape (n_tokens,), float32, or None
        By which the row of each token is multiplied.
    """

    rows: BinaryParts
    tokenizer: NDArray[np.uint8]
    rules: Rules
    mapping: NDArray[np.uint32] | None = None
    weights: NDArray[np.float32] | None = None

    @property
    def n_tokens(self) -> int:
        """How many tokens have a row."""
        return len(self.rows) if self.mapping is None else len(self.mapping)

    @property
    def made_by(self) -> dict[str, Any]:
        """How the codes were made."""
        return self.rows.made_by

    @property
    def vocabularies(self) -> list[Vocabulary]:
        """None: tokens stand in the tokenizer."""
        return []

    @property
    def own(self) -> dict[str, NDArray[Any]]:
        """The arrays besides those of rows, by name."""
        named = {"tokenizer": self.tokenizer, "tokens.rows": self.mapping, "tokens.weights": self.weights}
        return {name: array for name, array in named.items() if array is not None}

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes of each part."""
        tokens = sum(array.nbytes for name, array in self.own.items() if name != "tokenizer")
        return self.rows.sizes | {"tokenizer": self.tokenizer.nbytes} | ({"tokens": tokens} if tokens else {})

    def arrays(self) -> list[NDArray[Any]]:
        """Return all arrays."""
        return [*self.rows.arrays(), *self.own.values()]

    def to_content(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return the facts and tensors of a file."""
        facts, tensors = self.rows.to_content()
        return facts | {"kind": KIND, "text": self.rules._asdict()}, tensors | self.own

    @classmethod
    def from_content(cls, content: Content) -> TextParts:
        """Return what a file's content describes, mapped, after checking that the parts fit each other."""
        rows = BinaryParts.from_content(content)
        if rows.encoder is None or rows.factors is None:
            raise FormatError("its codes have no encoder or no factors, without which they stand for no vectors")
        tokenizer = content.tensor("tokenizer", np.uint8, (None,))
        if not 0 < len(tokenizer) <= MOST_BYTES:
            raise FormatError(f"its tokenizer has {len(tokenizer)} bytes; expected some, and at most {MOST_BYTES}")
        mapping = weights = None
        n = len(rows)
        if "tokens.rows" in content.tensors:
            mapping = content.tensor("tokens.rows", np.uint32, (None,))
            n = len(mapping)
            if n and mapping.max() >= len(rows):
                raise FormatError(f"tensor 'tokens.rows' names row {mapping.max()} of {len(rows)}: damaged")
        if "tokens.weights" in content.tensors:
            weights = content.tensor("tokens.weights", np.float32, (n,))
            if not np.isfinite(weights).all():
                raise FormatError("tensor 'tokens.weights' holds NaN or infinity: damaged")
        return cls(rows, tokenizer, _rules_from(content.facts.get("text")), mapping, weights)


def _rules_from(fact: Any) -> Rules:
    """Return what :meth:`TextParts.to_content` has written; FormatError for anything else."""
    if isinstance(fact, dict) and set(Rules._fields) <= fact.keys() and type(fact["normalize"]) is bool:
        numbers = [fact[name] for name in Rules._fields[1:]]
        if all(one is None or (type(one) is int and 0 <= one <= LARGEST) for one in numbers):
            return Rules(fact["normalize"], *numbers)
    raise FormatError(f"text is {fact!r:.200}; expected how means are taken: damaged")
