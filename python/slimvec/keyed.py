"""What all tables share: rows reached by word or by number."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.vocabulary import Vocabulary, resolve_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

Key = str | int
_INT64 = np.dtype(np.int64)
_PLAIN = 0x0001 | 0x0100  # NPY_ARRAY_C_CONTIGUOUS and NPY_ARRAY_ALIGNED


class Keyed:
    """Rows with, optionally, a word for each.

    Parameters
    ----------
    n_rows : int
    vocabulary : Vocabulary or None
        As many words as rows.
    """

    def __init__(self, n_rows: int, vocabulary: Vocabulary | None) -> None:
        self._n_rows = n_rows
        self.vocabulary = vocabulary

    def __len__(self) -> int:
        return self._n_rows

    @property
    def words(self) -> tuple[str, ...] | None:
        """The words in row order, or None."""
        return None if self.vocabulary is None else self.vocabulary.words

    def __iter__(self) -> Iterator[Key]:
        """Iterate over the keys: words, or row numbers where there are no words."""
        return iter(range(len(self)) if self.vocabulary is None else self.vocabulary)

    def __contains__(self, word: object) -> bool:
        return self.vocabulary is not None and word in self.vocabulary

    def _name(self, row: int) -> Key:
        return row if self.vocabulary is None else self.vocabulary[row]

    def _rows(self, keys: Any, name: str) -> NDArray[np.int64]:
        """Return the row numbers of words and row numbers; errors call them ``name``."""
        return resolve_rows(keys, name, len(self), self.vocabulary)

    def _query_rows(self, query: Any) -> NDArray[np.int64]:
        """Return the rows of a word, a row number, or several: each once, in rising order."""
        one = isinstance(query, str) or np.ndim(query) == 0
        rows = self._rows([query] if one else query, "query")
        if len(rows) == 0:
            raise ValueError("query is empty; expected at least one word, row or vector")
        return np.array(sorted(set(rows.tolist())))  # numpy.unique imports, when first called, for 8 ms

    def _kernel_rows(self, keys: Any, name: str) -> NDArray[np.int64]:
        """Return :meth:`_rows` for compiled functions, which check row numbers: an int64 array passes as it is."""
        if type(keys) is np.ndarray and keys.dtype is _INT64 and keys.ndim == 1 and keys.flags.num & _PLAIN == _PLAIN:
            return keys
        return self._rows(keys, name)

    def _bags(self, bags: Any) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the rows of all bags, one after the other, and the ``n_bags + 1`` offsets of the bags in them.

        Words that are unknown are skipped.
        """
        if isinstance(bags, str):
            raise TypeError(f"bags={bags!r} is a string; expected a list of lists of words, such as [{bags.split()!r}]")
        if _is_rectangle(bags):
            return self._rows(bags.ravel(), "bags"), np.arange(len(bags) + 1) * bags.shape[1]
        known = [self._rows(self._known(bag, i), "bags") for i, bag in enumerate(bags)]
        offsets = np.zeros(len(known) + 1, np.int64)
        np.cumsum([len(rows) for rows in known], out=offsets[1:])
        return np.concatenate([np.empty(0, np.int64), *known]), offsets

    def _bag_weights(self, bags: Any, weights: Any) -> NDArray[np.float32]:
        """Return the weights of what :meth:`_bags` returns, given one for every key of every bag."""
        if len(weights) != len(bags):
            raise ValueError(f"weights has {len(weights)} lists for {len(bags)} bags; expected one each")
        flat = [np.empty(0)]
        for i, (bag, given) in enumerate(zip(bags, weights, strict=True)):
            own = np.asarray(given, np.float64)
            if own.shape != (len(bag),):
                raise ValueError(f"weights[{i}] has shape {own.shape}; expected one weight per key: ({len(bag)},)")
            if not isinstance(bag, np.ndarray) or bag.dtype.kind not in "iu":
                own = own[[not isinstance(key, str) or key in self for key in bag]]
            flat.append(own)
        with np.errstate(over="ignore"):  # reported just below
            joined = np.concatenate(flat).astype(np.float32)
        if not np.isfinite(joined).all():
            raise ValueError("weights holds NaN, infinity or a value too large for float32")
        return joined

    def _known(self, bag: Any, i: int) -> Any:
        if isinstance(bag, str):
            raise TypeError(f"bags[{i}]={bag!r} is a string; expected a list of words, such as {bag.split()!r}")
        if isinstance(bag, np.ndarray) and bag.dtype.kind in "iu":
            return bag
        if isinstance(bag, bytes | bytearray) or not isinstance(bag, Iterable):
            raise TypeError(f"bags[{i}]={bag!r} is {type(bag).__name__}; expected a list of words or row numbers")
        return [key for key in bag if not isinstance(key, str) or key in self]


def _is_rectangle(bags: Any) -> bool:
    """Tell whether bags are the rows of an integer array: no need to go through them one by one."""
    return isinstance(bags, np.ndarray) and bags.dtype.kind in "iu" and bags.ndim == 2
