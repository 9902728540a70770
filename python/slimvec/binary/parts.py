"""The parts of a binary table, and how a file holds them."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.binary.codes import BLOCK_CODES, BlockedCodes, check_padding
from slimvec.binary.encoder import Encoder
from slimvec.binary.factors import Factors
from slimvec.errors import FormatError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slimvec.files.table_file import Content
    from slimvec.vocabulary import Vocabulary


@dataclass(frozen=True, eq=False)
class BinaryParts:
    """Codes and, optionally, their words, the encoder that made them and their factors; all of them fit each other.

    Attributes
    ----------
    codes : BlockedCodes
    words : Vocabulary or None
    encoder : Encoder or None
    factors : Factors or None
    made_by : dict
    norm : float or None
        Root mean square norm of the vectors that the codes were made from: as long as that, a query is one of them.
    """

    codes: BlockedCodes
    words: Vocabulary | None = None
    encoder: Encoder | None = None
    factors: Factors | None = None
    made_by: dict[str, Any] = field(default_factory=dict)
    norm: float | None = None

    kind = "binary"

    def __len__(self) -> int:
        return self.codes.n_codes

    def to_content(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return the facts and tensors of a file."""
        facts: dict[str, Any] = {
            "kind": self.kind,
            "rows": self.codes.n_codes,
            "bits": self.codes.n_bits,
            "made_by": self.made_by,
        }
        if self.norm is not None:
            facts["norm"] = self.norm
        tensors: dict[str, NDArray[Any]] = {"codes": self.codes.blocks}
        if self.factors is not None:
            facts["factors"] = {"norm": self.factors.norm, "shrinkage": self.factors.shrinkage}
            tensors["factors"] = self.factors.values
        if self.encoder is not None:
            tensors |= {"mean": self.encoder.mean, "projection": self.encoder.projection}
        if self.words is not None:
            tensors |= self.words.to_tensors("words")
        return facts, tensors

    @property
    def vocabularies(self) -> list[Vocabulary]:
        """All words that the table holds."""
        return [] if self.words is None else [self.words]

    def arrays(self) -> list[NDArray[Any]]:
        """Return all arrays that the table holds."""
        arrays: list[NDArray[Any]] = [
            self.codes.blocks,
            *(array for words in self.vocabularies for array in words.arrays),
        ]
        if self.factors is not None:
            arrays.append(self.factors.values)
        return arrays if self.encoder is None else [*arrays, self.encoder.mean, self.encoder.projection]

    @classmethod
    def from_content(cls, content: Content) -> BinaryParts:
        """Return what a file's content describes, mapped, after checking that the parts fit each other."""
        codes = BlockedCodes.from_content(content)
        encoder = None
        if "mean" in content.tensors:
            mean = content.tensor("mean", np.float32, (None,))
            encoder = Encoder(mean, content.tensor("projection", np.float32, (len(mean), codes.n_bits)))
        words = content.words("words", codes.n_codes)
        factors = _factors_from(content, codes) if "factors" in content.tensors else None
        norm = None if factors is None else factors.norm  # all that files of early versions tell
        if "norm" in content.facts:
            norm = _number(content.facts, "norm", sys.float_info.min, "the vectors")
        return cls(codes, words, encoder, factors, content.made_by(), norm)


def _factors_from(content: Content, codes: BlockedCodes) -> Factors:
    values = content.tensor("factors", np.float16, (len(codes.blocks), None, BLOCK_CODES))
    if values.shape[1] not in {2, 3}:
        raise FormatError(f"tensor 'factors' holds {values.shape[1]} numbers per code; expected 2 or 3")
    if content.thorough:
        check_padding(values, codes.n_codes, "factors")
    facts = content.facts.get("factors")
    if not isinstance(facts, dict):
        raise FormatError(f"factors is {facts!r}; expected an object")
    norm = _number(facts, "norm", sys.float_info.min, "the factors")
    return Factors(values, norm, _number(facts, "shrinkage", 0.0, "the factors"))


def _number(facts: dict[str, Any], name: str, minimum: float, whose: str) -> float:
    value = facts.get(name)
    if not isinstance(value, float) or not minimum <= value < math.inf:
        raise FormatError(f"{name} of {whose} is {value!r}; expected a number of at least {minimum}")
    return value
