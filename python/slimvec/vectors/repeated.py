"""Words that come again in a file: the first one is kept, and the user is told."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from slimvec.vocabulary import VocabularyBuilder


def keep_new(rows: NDArray[Any], kept: NDArray[np.bool_]) -> int:
    """Move the rows of new words to the front, in place; return how many they are."""
    if kept.all():
        return len(rows)
    new = int(kept.sum())
    rows[:new] = rows[kept]
    return new


def warn_of_repeated(builder: VocabularyBuilder, name: str) -> None:
    """Warn of the words that were left out of a file."""
    if builder.n_repeated:
        warnings.warn(
            f"{name}: {builder.n_repeated} words appear again, such as {builder.example!r}; the first ones are kept",
            stacklevel=4,
        )
