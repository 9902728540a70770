"""Sums over rows and over what codes make of them: they tell rows that come from those that were fitted."""

from __future__ import annotations

import base64
import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from slimvec.binary.encoder import less
from slimvec.binary.lookup import reconstruct
from slimvec.errors import FormatError
from slimvec.progress import Progress, ignore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from slimvec.binary.parts import BinaryParts
    from slimvec.vectors.rows import Rows

MOST_DECODED = 256  # rows at a time whose codes are turned back: losses are then known to some hundredths of themselves


@dataclass(frozen=True, eq=False)
class Sums:
    """Of rows x, that are coded as y, relative to the mean m of the encoder.

    Attributes
    ----------
    n_rows : int
    total : ndarray, shape (d,), float64
        Σ (x - m).
    energy : float
        Σ ‖x - m‖².
    lost : float
        Σ ‖x - y‖², of many rows taken from some of them.
    """

    n_rows: int
    total: NDArray[np.float64]
    energy: float
    lost: float

    @classmethod
    def none(cls, dim: int) -> Self:
        """Return sums over no rows."""
        return cls(0, np.zeros(dim), 0.0, 0.0)

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            self.n_rows + other.n_rows, self.total + other.total, self.energy + other.energy, self.lost + other.lost
        )

    @property
    def loss(self) -> float:
        """The share of ‖x - m‖² that codes lose."""
        return self.lost / self.energy if self.energy else 0.0

    @property
    def variance(self) -> float:
        """The mean of ‖x - x̄‖²."""
        return max(0.0, self.energy / self.n_rows - float(self.mean @ self.mean))

    @property
    def mean(self) -> NDArray[np.float64]:
        """x̄ - m."""
        return self.total / self.n_rows

    def to_fact(self) -> dict[str, Any]:
        """Return it in JSON's types; the mean as float32, which is enough, since every save writes it."""
        mean = base64.b64encode((self.total / max(1, self.n_rows)).astype("<f4").tobytes()).decode()
        return {"rows": self.n_rows, "energy": self.energy, "lost": self.lost, "mean": mean}


def sums_from(fact: Any) -> Sums:
    """Return what :meth:`Sums.to_fact` has made; FormatError for anything else."""
    try:
        n_rows, energy, lost = fact["rows"], fact["energy"], fact["lost"]
        mean = np.frombuffer(base64.b64decode(fact["mean"], validate=True), "<f4").astype(np.float64)
    except (KeyError, TypeError, ValueError):
        raise FormatError(f"its sums are {fact!r:.200}: damaged") from None
    numbers = type(energy) is float and type(lost) is float and 0 <= energy < math.inf and 0 <= lost < math.inf
    if not (type(n_rows) is int and 0 <= n_rows < 1 << 63 and numbers and np.isfinite(mean).all()):
        raise FormatError(f"its sums are {fact!r:.200}: damaged")
    return Sums(n_rows, n_rows * mean, energy, lost)


class SummedRows:
    """Rows that are added up as they go by to become codes.

    Parameters
    ----------
    rows : Rows
    mean : ndarray, shape (d,)
        m.
    """

    sequential = True
    vocabulary = None

    def __init__(self, rows: Rows, mean: NDArray[np.float32]) -> None:
        self._rows, self._mean = rows, mean
        self._step = max(1, -(-len(rows) // MOST_DECODED))
        self._total, self._energy = np.zeros(rows.dim), 0.0
        self._picked: list[NDArray[np.float64]] = []

    @property
    def dim(self) -> int:
        """Width d of the vectors."""
        return self._rows.dim

    def __len__(self) -> int:
        return len(self._rows)

    def take(self, rows: NDArray[np.integer]) -> NDArray[Any]:
        """Return some rows, by their numbers."""
        return self._rows.take(rows)

    def blocks(self, progress: Progress = ignore) -> Iterator[NDArray[Any]]:
        """Walk over the rows in blocks, and add them up."""
        self._total, self._energy, self._picked = np.zeros(self.dim), 0.0, []
        first = 0
        for block in self._rows.blocks(progress):
            self._add(block, first)
            first += len(block)
            yield block

    def _add(self, block: NDArray[Any], first: int) -> None:
        with np.errstate(over="ignore", invalid="ignore"):  # refused when they are encoded
            centred = less(block, self._mean)
            self._total += centred.sum(axis=0, dtype=np.float64)
            self._energy += float(np.einsum("ij,ij->", centred, centred, dtype=np.float64, casting="same_kind"))
        self._picked.append(block[-first % self._step :: self._step].astype(np.float64))

    def sums(self, parts: BinaryParts) -> Sums:
        """Return the sums of all rows, which have become the codes of a table."""
        n = len(parts)
        picked = np.arange(0, n, self._step)
        with np.errstate(over="ignore", invalid="ignore"):  # of rows at the end of what float32 holds
            errors = reconstruct(parts, picked) - np.concatenate([np.empty((0, self.dim)), *self._picked])
            lost = float(np.einsum("ij,ij->", errors, errors)) * n / max(1, len(picked))
        return Sums(n, self._total, self._energy, lost if math.isfinite(lost) else sys.float_info.max)
