"""Rows on their way into an index: each is looked at, with its number and its id, before anything learns from it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

import numpy as np

from slimvec.index.collected_ids import CollectedIds
from slimvec.index.given_ids import as_ids, plain
from slimvec.index.ids import Numbers
from slimvec.progress import Progress, ignore

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from slimvec.index.ids import Ids

OnBad = Literal["raise", "skip"]


class Batch(NamedTuple):
    """Some rows of a source.

    Attributes
    ----------
    vectors : ndarray, shape (m, d)
        Rows that are no vectors hold anything.
    faults : dict of int to str
        What is wrong with these, by their place in the batch.
    ids : ndarray, list or None
        If the source has them; None in a list for a row without.
    """

    vectors: NDArray[Any]
    faults: dict[int, str]
    ids: Any = None


class Incoming(Protocol):
    """Whatever vectors come from. It can be walked more than once, and is the same each time.

    Attributes
    ----------
    dim : int
        Width of the vectors.
    n_rows : int or None
        Number of rows, where that is known.
    has_ids : bool
        Whether batches have ids.
    """

    @property
    def dim(self) -> int: ...
    @property
    def n_rows(self) -> int | None: ...
    @property
    def has_ids(self) -> bool: ...
    def batches(self) -> Iterator[Batch]:
        """Walk over all rows, in order, a few thousand at a time."""


class Keep(Protocol):
    """Where the values of kept columns come from, in the order of rows."""

    def blocks(self, names: list[str]) -> Iterator[list[list[Any]]]:
        """Yield the values of some rows, a list for each column of these names."""


class CheckedRows:
    """The good rows of a source, as estimators read them, and their ids.

    Parameters
    ----------
    incoming : Incoming
    ids : array_like, optional
        One for each row of the source, if it does not bring them.
    on_bad : {"raise", "skip"}
    name : str
        What errors call the source.
    keep : Keep, optional
    kept : list of str
        Names of the columns to keep.

    Attributes
    ----------
    n_skipped : int
        Known, as the ids are, when all rows have gone by once.
    """

    sequential = True
    vocabulary = None

    def __init__(
        self,
        incoming: Incoming,
        ids: Any,
        on_bad: OnBad,
        name: str,
        keep: Keep | None = None,
        kept: Sequence[str] = (),
    ) -> None:
        if on_bad not in {"raise", "skip"}:
            raise ValueError(f'on_bad={on_bad!r}; expected "raise" or "skip"')
        self._incoming, self._on_bad, self._name = incoming, on_bad, name
        self._keep, self.kept = keep, list(kept)
        self._bad: list[NDArray[np.int64]] = []  # rows of the source
        self._given = None if ids is None else as_ids(ids, "ids")
        self._counts: tuple[int, int] | None = None  # rows of the source, and good ones among them
        self._collected: CollectedIds | None = None
        n = incoming.n_rows
        if self._given is not None and n is not None and n != len(self._given):
            raise self._wrong_number(n)

    @property
    def dim(self) -> int:
        """Width d of the vectors."""
        return self._incoming.dim

    @property
    def has_ids(self) -> bool:
        """Whether rows have ids of their own."""
        return self._given is not None or self._incoming.has_ids

    def __len__(self) -> int:
        """Return the number of good rows; the source is read for it if need be."""
        if self._counts is None:
            for _ in self.blocks():
                pass
        assert self._counts is not None  # noqa: S101
        return self._counts[1]

    @property
    def n_skipped(self) -> int:
        """How many rows were left out."""
        n = len(self)
        assert self._counts is not None  # noqa: S101
        return self._counts[0] - n

    @cached_property
    def ids(self) -> Ids:
        """The ids of the good rows: their own, or their numbers among all rows of the source."""
        n = len(self)
        return Numbers(0, n) if self._collected is None else self._collected.finish()

    def kept_blocks(self, names: list[str]) -> Iterator[list[list[Any]]]:
        """Yield the values of columns of the good rows, a list for each of these names, some rows at a time."""
        len(self)
        assert self._counts is not None and self._keep is not None  # noqa: S101, PT018
        bad = np.concatenate([np.empty(0, np.int64), *self._bad])
        first = 0
        for block in self._keep.blocks(names):
            n = len(block[0])
            if first + n > self._counts[0]:
                break
            own = bad[(bad >= first) & (bad < first + n)] - first
            first += n
            if len(own):
                good = np.ones(n, np.bool_)
                good[own] = False
                block = [[value for value, is_good in zip(one, good, strict=True) if is_good] for one in block]  # noqa: PLW2901
            yield block
        else:
            n = 0
        if first + n != self._counts[0] or n:
            raise ValueError(
                f"keep has {first + n} values of {names[0]!r}; expected {self._counts[0]}, one for each row of "
                f"{self._name}"
            )

    def take(self, rows: NDArray[np.integer]) -> NDArray[Any]:  # noqa: ARG002
        """Refuse: rows are read in order."""
        raise TypeError(f"{self._name} is read in order")

    def blocks(self, progress: Progress = ignore) -> Iterator[NDArray[Any]]:
        """Walk over the good rows in blocks; the first time, their ids are collected, too."""
        collected = CollectedIds() if self._counts is None else None
        first = n_good = 0
        skipped_any = False
        total = self._incoming.n_rows
        for batch in self._incoming.batches():
            n = len(batch.vectors)
            ids = batch.ids if self._given is None else self._given[first : first + n]
            good = self._good_rows(batch, ids, first)
            skipped_any = skipped_any or not good.all()
            if collected is not None:
                collected.add(self._ids_of(ids, good, first))
                self._bad.append(first + np.flatnonzero(~good))
            first += n
            n_good += int(good.sum())
            progress("reading", first, max(first, total or 0))
            yield batch.vectors if good.all() else batch.vectors[good]
        if self._counts not in {None, (first, n_good)}:
            was = self._counts[0] if self._counts else 0
            raise ValueError(
                f"{self._name} had {was} rows when it was read first, and then {first}; expected what can be read "
                "twice, such as a table instead of a reader"
            )
        if collected is not None:
            if self._given is not None and len(self._given) != first:
                raise self._wrong_number(first)
            if self.has_ids or skipped_any:
                self._collected = collected
            self._counts = first, n_good

    def _good_rows(self, batch: Batch, ids: Any, first: int) -> NDArray[np.bool_]:
        """Return which rows of a batch are vectors; the first that is none is named, unless they are left out."""
        good = np.ones(len(batch.vectors), np.bool_)
        if batch.vectors.dtype.kind == "f":
            with np.errstate(over="ignore"):
                good &= np.isfinite(batch.vectors.astype(np.float32, copy=False)).all(axis=1)
        faults = dict.fromkeys(np.flatnonzero(~good).tolist(), "holds NaN or infinity, or a number beyond float32")
        faults |= batch.faults
        if isinstance(ids, list) and None in ids:
            faults |= {place: "has no id" for place, one in enumerate(ids) if one is None}
        if faults and self._on_bad == "raise":
            place = min(faults)
            whose = "" if ids is None or ids[place] is None else f" (id {plain(ids[place])!r})"
            raise ValueError(
                f"{self._name}: row {first + place}{whose} {faults[place]}; expected {self.dim} finite numbers in each "
                'row. on_bad="skip" leaves such rows out'
            )
        good[list(faults)] = False
        return good

    def _ids_of(self, ids: Any, good: NDArray[np.bool_], first: int) -> NDArray[Any]:
        if ids is None:
            return first + np.flatnonzero(good)
        if isinstance(ids, list):
            return as_ids([one for one, is_good in zip(ids, good.tolist(), strict=True) if is_good], "ids")
        return as_ids(ids, "ids")[good]

    def _wrong_number(self, n: int) -> ValueError:
        held = 0 if self._given is None else len(self._given)
        return ValueError(f"ids has {held} ids; expected {n}, one for each row of {self._name}")
