"""The ids of rows: integers or texts, each found in a few steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from slimvec.errors import FormatError
from slimvec.index.id_slots import find_id, find_ids, make_id_slots, slot_count_of
from slimvec.vocabulary import Vocabulary

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slimvec.files.table_file import Content

Id = int | str
IdKind = Literal["integers", "texts"]
INTEGERS = np.iinfo(np.int64)


class Ids(ABC):
    """The ids of some rows, in their order."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def find(self, wanted: Id) -> int:
        """Return the row of an id, or -1; the id is of the right type."""

    @abstractmethod
    def find_many(self, wanted: NDArray[Any]) -> NDArray[np.int64]:
        """Return the row of each id, or -1."""

    @property
    def kind(self) -> IdKind:
        """What they are."""
        return "integers"

    @property
    @abstractmethod
    def values(self) -> NDArray[Any]:
        """All ids: int64, or NumPy's strings."""

    @abstractmethod
    def at(self, rows: NDArray[np.int64]) -> list[Any]:
        """Return the ids of rows."""

    @abstractmethod
    def first_repeated(self) -> Id | None:
        """Return an id that comes twice, or None."""

    @abstractmethod
    def to_content(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return the facts and tensors of a file; :func:`ids_from` reads them."""


class Integers(Ids):
    """Integer ids and their hash table.

    Parameters
    ----------
    values : ndarray, shape (n,), int64
    slots : ndarray, shape (slot_count_of(n),), uint32, optional
        Of a file; made when they are first needed otherwise.
    """

    def __init__(self, values: NDArray[np.int64], slots: NDArray[np.uint32] | None = None) -> None:
        self._values = values
        if slots is not None:
            self._slots = slots

    @cached_property
    def _slots(self) -> NDArray[np.uint32]:
        return make_id_slots(self._values)[0]

    def __len__(self) -> int:
        return len(self._values)

    def find(self, wanted: Id) -> int:
        return find_id(self._values, self._slots, int(wanted))

    def find_many(self, wanted: NDArray[Any]) -> NDArray[np.int64]:
        return find_ids(self._values, self._slots, wanted)

    @property
    def values(self) -> NDArray[Any]:
        return self._values

    def at(self, rows: NDArray[np.int64]) -> list[Any]:
        found: list[Any] = self._values[rows].tolist()
        return found

    def first_repeated(self) -> Id | None:
        slots, row = make_id_slots(self._values)
        self._slots = slots
        return None if row < 0 else int(self._values[row])

    def to_content(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        return {}, {"ids": self._values, "ids.slots": self._slots}


class Numbers(Ids):
    """Consecutive integers, as rows are numbered by default: nothing is kept of them.

    Parameters
    ----------
    first, n : int
    """

    def __init__(self, first: int, n: int) -> None:
        self.first, self._n = first, n

    def __len__(self) -> int:
        return self._n

    def find(self, wanted: Id) -> int:
        row = int(wanted) - self.first
        return row if 0 <= row < self._n else -1

    def find_many(self, wanted: NDArray[Any]) -> NDArray[np.int64]:
        inside = (wanted >= self.first) & (wanted < self.first + self._n)
        return np.where(inside, wanted - self.first, -1)  # differences beyond 64 bits are of others

    @property
    def values(self) -> NDArray[Any]:
        return np.arange(self._n) + self.first  # whose end may be no integer of 64 bits

    def at(self, rows: NDArray[np.int64]) -> list[Any]:
        found: list[Any] = (rows + self.first).tolist()
        return found

    def first_repeated(self) -> Id | None:
        return None

    def to_content(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        return {"first_id": self.first}, {}


class Texts(Ids):
    """Ids that are text.

    Parameters
    ----------
    words : Vocabulary
    """

    def __init__(self, words: Vocabulary) -> None:
        self._words = words

    @property
    def kind(self) -> IdKind:
        return "texts"

    def __len__(self) -> int:
        return len(self._words)

    def find(self, wanted: Id) -> int:
        return self._words.find(str(wanted))

    def find_many(self, wanted: NDArray[Any]) -> NDArray[np.int64]:
        return np.array([self._words.find(one) for one in wanted.tolist()], np.int64)

    @cached_property
    def _all(self) -> NDArray[Any]:
        return as_texts(list(self._words))

    @property
    def values(self) -> NDArray[Any]:
        return self._all

    def at(self, rows: NDArray[np.int64]) -> list[Any]:
        return [self._words[row] for row in rows.tolist()]

    def first_repeated(self) -> Id | None:
        return None  # a vocabulary has none

    def to_content(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        return {}, self._words.to_tensors("ids")


def as_texts(texts: list[str]) -> NDArray[Any]:
    """Return texts as an array of NumPy's strings of any length."""
    return np.array(texts, np.dtypes.StringDType())


def kind_of(values: NDArray[Any]) -> IdKind:
    """Return which kind of ids an array holds."""
    return "integers" if values.dtype.kind == "i" else "texts"


def ids_of(values: NDArray[Any]) -> Ids:
    """Return the ids of an array, as :func:`slimvec.index.given_ids.as_ids` gives it: each at most once."""
    if kind_of(values) == "texts":
        return Texts(Vocabulary(values.tolist()))
    if len(values) and int(values[-1]) - int(values[0]) == len(values) - 1 and (np.diff(values) == 1).all():
        return Numbers(int(values[0]), len(values))
    return Integers(values)


def ids_from(content: Content, n: int, kind: IdKind) -> Ids:
    """Return the ids of a file's content, mapped."""
    if kind == "texts":
        words = content.words("ids", n)
        if words is None:
            raise FormatError("tensor 'ids.text' is missing")
        return Texts(words)
    if "first_id" in content.facts:
        first = content.integer("first_id", int(INTEGERS.min))
        if first + max(0, n - 1) > INTEGERS.max:
            raise FormatError(f"first_id is {first}; expected an integer of 64 bits, also of the last of {n} rows")
        return Numbers(first, n)
    slots = content.tensor("ids.slots", np.uint32, (slot_count_of(n),))
    return Integers(content.tensor("ids", np.int64, (n,)), slots)
