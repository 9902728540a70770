"""How many bits a code may have at a number of bytes per row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from slimvec.binary.codes import WORD_BITS
from slimvec.binary.factors import UNIT_TOLERANCE
from slimvec.vectors.rows import reported

if TYPE_CHECKING:
    from slimvec.progress import Progress
    from slimvec.vectors.rows import Rows

WORD_BYTES, FACTOR_BYTES = WORD_BITS // 8, 2
CERTAIN = 0.99  # of the tolerance: what is rounded otherwise where factors are made stays within it


def bits_in(n_bytes: int, name: str, n_factors: int = 0) -> int:
    """Return the most bits of a code that takes, with its factors, at most so many bytes; errors call these ``name``.

    Codes are kept in whole words of 32 bits.
    """
    factors = FACTOR_BYTES * n_factors
    n_words = (n_bytes - factors) // WORD_BYTES
    if n_words < 1:
        beside = f", its {n_factors} factors {factors}" if factors else ""
        least = f"expected at least {WORD_BYTES + factors}: a code takes {WORD_BYTES} or more{beside}"
        raise ValueError(f"{name} {n_bytes}; {least}")
    return WORD_BITS * n_words


def factors_of(rows: Rows, progress: Progress) -> int:
    """Return how many factors rows will have: 2 if all are of unit length, else 3."""
    for block in reported(rows, "measuring lengths", progress):
        wide = np.asarray(block, np.float64)
        norms = np.sqrt(np.einsum("ij,ij->i", wide, wide))
        if not (np.abs(norms - 1) < CERTAIN * UNIT_TOLERANCE).all():
            return 3
    return 2
