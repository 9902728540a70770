"""Anchors made ready for the solvers, and walking over rows with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.blas import product
from slimvec.blocks import BLOCK_ROWS, row_blocks
from slimvec.validation import as_integer, as_matrix, check_finite

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

    from slimvec.vectors import Vectors

BLOCK_ENTRIES = 1 << 22  # rows × atoms worked on at once: 17 MB of correlations
LEAST_SQUARE = 1e-34  # squares of the longest anchor below which those of others would leave float32


@dataclass(frozen=True, eq=False)
class Atoms:
    """Anchors, their lengths and their Gram matrix.

    Attributes
    ----------
    rows : ndarray, shape (k, d), float32
        The anchors A as given, or scaled to length 1; a zero anchor stays zero.
    lengths : ndarray, shape (k,), float64
        What the rows were divided by: lengths, or ones.
    gram : ndarray, shape (k, k), float32
        G = A Aᵀ.
    """

    rows: NDArray[np.float32]
    lengths: NDArray[np.float64]
    gram: NDArray[np.float32]

    @classmethod
    def given(cls, anchors: ArrayLike, name: str = "anchors") -> Atoms:
        """Return anchors as they are."""
        rows = as_anchors(anchors, name)
        largest = float(np.abs(rows).max())
        with np.errstate(over="ignore"):  # reported just below
            gram = product(rows, rows.T)
        if not np.isfinite(gram).all():
            raise ValueError(
                f"{name} holds values up to {largest:.1e}, too large to square in float32; divide by a constant first"
            )
        if largest > 0 and gram.diagonal().max() < LEAST_SQUARE:
            raise ValueError(
                f"{name} holds no value above {largest:.1e}, too small to square in float32; multiply it by a constant "
                "first"
            )
        return cls(rows, np.ones(len(rows)), gram)

    @classmethod
    def unit(cls, anchors: ArrayLike, name: str = "anchors") -> Atoms:
        """Return anchors scaled to length 1: those that pursuit chooses from."""
        rows, lengths = to_unit(as_anchors(anchors, name))
        return cls(rows, np.where(lengths > 0, lengths, 1.0), product(rows, rows.T))

    @property
    def n_atoms(self) -> int:
        """How many anchors there are, k."""
        return len(self.rows)

    @property
    def dim(self) -> int:
        """Width d of the anchors."""
        return int(self.rows.shape[1])

    def correlate(self, block: NDArray[np.float32], name: str = "X") -> NDArray[np.float32]:
        """Return the correlations C = X Aᵀ of a block, ``(m, k)``."""
        with np.errstate(over="ignore", invalid="ignore"):  # reported just below
            correlations: NDArray[np.float32] = product(block, self.rows.T)
        if not np.isfinite(correlations).all():
            raise ValueError(
                f"{name} holds values up to {np.abs(block).max():.1e}, too large to multiply in float32; divide by a "
                "constant first"
            )
        return correlations

    def blocks(self, X: ArrayLike | Vectors, name: str = "X") -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield (number of the first row, block of rows as float32), finite and of the anchors' width."""
        return blocks_for(self.rows, X, name)


def blocks_for(
    anchors: NDArray[np.float32], X: ArrayLike | Vectors, name: str = "X"
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield (number of the first row, block of rows as float32) to be multiplied with all of some anchors."""
    return float32_blocks(as_matrix(X, name, anchors.shape[1]), name, max(64, BLOCK_ENTRIES // len(anchors)))


def float32_blocks(
    rows: NDArray[Any], name: str = "X", size: int = BLOCK_ROWS
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield (number of the first row, block of rows as float32 in C order), all finite."""
    for first, block in row_blocks(rows, size):
        with np.errstate(over="ignore", under="ignore"):  # reported just below
            block32 = block.astype(np.float32, order="C")
        check_finite(block32, name, first)
        if block.dtype.itemsize > 4 and not block32.any() and block.any():
            raise ValueError(
                f"{name} holds no value above {np.abs(block).max():.1e} in the rows from {first} on, which float32 "
                "rounds to zero; multiply it by a constant first"
            )
        yield first, block32


def as_float32(rows: NDArray[Any], name: str = "X") -> NDArray[np.float32]:
    """Return a matrix as float32 in C order, all finite."""
    parts = [block for _, block in float32_blocks(rows, name)]
    return np.concatenate(parts) if parts else np.empty(rows.shape, np.float32)


def sample_rows(
    rows: NDArray[Any], most: int | None, fewest: int, generator: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return rows to learn on, as float32, and their numbers: all, or ``most`` of them (at least ``fewest``), drawn.

    NaN is reported by its row in ``rows``.
    """
    picked = sample_numbers(len(rows), most, fewest, generator)
    return (as_float32(rows) if len(picked) == len(rows) else as_sample(rows[picked], picked)), picked


def sample_numbers(n: int, most: int | None, fewest: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Return the numbers of the rows to learn on, in order."""
    size = n if most is None else min(n, max(as_integer(most, "max_train_rows", 1), fewest))
    return np.arange(n) if size == n else np.sort(generator.choice(n, size, replace=False))


def as_sample(rows: NDArray[Any], numbers: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return rows as float32; NaN is reported by its number."""
    with np.errstate(over="ignore"):  # reported just below
        sample = np.ascontiguousarray(rows, np.float32)
    for bad in np.flatnonzero(~np.isfinite(sample).all(axis=1))[:1]:
        check_finite(sample[bad : bad + 1], "X", int(numbers[bad]))
    return sample


def as_anchors(anchors: ArrayLike, name: str = "anchors") -> NDArray[np.float32]:
    """Return anchors as float32 in C order, at least one of them, all finite."""
    matrix = as_matrix(anchors, name)
    if matrix.size == 0:
        raise ValueError(f"{name} is empty: shape {matrix.shape}; expected at least one anchor of at least one column")
    return as_float32(matrix, name)


def to_unit(rows: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return rows divided by their lengths, and the lengths ``(m,)``; zero rows stay zero.

    The largest entry is divided out first: squares of very small or large entries would leave the range of float32.
    """
    largest = np.abs(rows).max(axis=1, initial=0.0)
    zero = largest == 0
    scale = np.where(zero, np.float32(1), largest).astype(np.float32)
    scaled = rows / scale[:, None]
    norms = np.linalg.norm(scaled, axis=1)
    unit = (scaled / np.where(zero, 1.0, norms)[:, None]).astype(np.float32, copy=False)
    unit[zero] = 0
    return unit, np.where(zero, 0.0, norms.astype(np.float64) * scale)
