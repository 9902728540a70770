"""From float vectors to codes, and back: centre, project, take signs or levels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import numpy as np

from slimvec.binary.codes import pack, unpack
from slimvec.binary.levels import Grid, Quantized
from slimvec.blas import product
from slimvec.validation import check_finite
from slimvec.vectors.rows import as_rows

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from slimvec.vectors.rows import Rows


class Columns(NamedTuple):
    """Some columns of products, scaled.

    Attributes
    ----------
    places : ndarray, shape (n,), uint32
    factors : ndarray, shape (n,), float32 or float64
    """

    places: NDArray[np.uint32]
    factors: NDArray[Any]


def less(block: NDArray[Any], centres: NDArray[np.float32]) -> NDArray[Any]:
    """Return rows less what they are coded without, row after row, in float32 or, of wider rows, in their own type."""
    rest: NDArray[Any] = np.subtract(block, centres, dtype=np.result_type(block, np.float32), order="C")
    return rest


@dataclass(frozen=True, eq=False)
class Encoder:
    """What turns vectors into codes; stored with a table, so that new vectors meet old codes.

    Attributes
    ----------
    mean : ndarray, shape (d,), float32
        Subtracted first.
    projection : ndarray, shape (d, n_bits), float32
        Multiplied next; the codes are the signs.
    """

    mean: NDArray[np.float32]
    projection: NDArray[np.float32]

    of_signs: ClassVar[bool] = True  # whether distances between codes mean something, and rows are -1 and +1
    in_lists: ClassVar[bool] = False  # whether it codes what the centroids of lists leave

    @property
    def n_bits(self) -> int:
        """Bits of a code."""
        return int(self.projection.shape[1])

    @property
    def row_width(self) -> int:
        """Width of the rows that ``lookup`` gives."""
        return self.n_bits

    @property
    def frame(self) -> NDArray[np.float32]:
        """The directions along which queries are told, ``(d, r)``."""
        return self.projection

    @property
    def columns(self) -> Columns | None:
        """Which of these directions each bit is told by, and times what; None where bit by bit they are the same."""
        return None

    @property
    def keeps_lengths(self) -> bool:
        """Whether the projection is orthogonal on the directions that it keeps, P Pᵀ P = P, as factors need."""
        p = self.projection
        twice = p @ (p.T @ p) if p.shape[1] <= len(p) else (p @ p.T) @ p
        return bool(np.allclose(twice, p, atol=1e-3))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what a file holds of it, by name."""
        return {"mean": self.mean, "projection": self.projection}

    def of_rows(self) -> dict[str, NDArray[Any]]:
        """Return none of them: no array is about rows."""
        return {}

    def facts(self) -> dict[str, Any]:
        """Return what the header of a file says of it."""
        return {}

    def project(self, block: NDArray[Any]) -> NDArray[np.float32]:
        """Return (x - mean)ᵀ projection for each row x of a block, ``(m, n_bits)`` float32."""
        centred = less(block, self.mean)
        projected: NDArray[np.float32] = product(centred.astype(np.float32, copy=False), self.projection)
        return projected

    def encode(self, vectors: Rows | ArrayLike, name: str) -> NDArray[np.uint8]:
        """Return the packed codes of ``vectors (n, d)``, which errors call ``name``."""
        codes, first = [], 0
        for block in as_rows(vectors, name, len(self.mean)).blocks():
            codes.append(self.codes(block, name, first))
            first += len(block)
        return np.concatenate(codes) if codes else np.empty((0, -(-self.n_bits // 8)), np.uint8)

    def codes(self, block: NDArray[Any], name: str, first_row: int) -> NDArray[np.uint8]:
        """Return the packed codes of one block of ``name``, whose first row has the number ``first_row``."""
        return pack(self.project_finite(block, name, first_row))

    def biases(
        self,
        vectors: NDArray[np.float32],
        norm: float,
        made: Quantized,  # noqa: ARG002
    ) -> NDArray[np.float32]:
        """Return ⟨x - m, m⟩ of vectors, which are measured in ``norm``."""
        mean = np.divide(self.mean, norm, dtype=np.float64).astype(np.float32)  # may be beyond float32's best
        return np.asarray((vectors - mean) @ mean, np.float32)

    def assign(self, block: NDArray[Any]) -> NDArray[np.int32] | None:  # noqa: ARG002
        """Return the list of each row of a block, where there are lists."""
        return None

    def lead_at_mean(self, unit: float) -> NDArray[np.float32] | None:  # noqa: ARG002
        """Return the mean along those directions of :attr:`frame` that lists are chosen by, where there are lists."""
        return None

    def centres(self, lists: NDArray[np.integer] | None) -> NDArray[np.float32]:  # noqa: ARG002
        """Return what is taken off rows of these lists before they are coded, ``(d,)`` or one for each."""
        return self.mean

    def quantize(
        self,
        block: NDArray[Any],
        name: str,
        first_row: int,
        unit: float,
        lists: NDArray[np.int32] | None = None,  # noqa: ARG002
    ) -> Quantized:
        """Return :meth:`codes` and how each stands for its row; scales and products are measured in ``unit``.

        ``lists`` are those of the rows, where an encoder has any and they are known.

        Of z = Pᵀ(x - m) and its signs b the scale s = ‖z‖² / ‖z‖₁ makes s ⟨b, z⟩ equal to ‖z‖².
        """
        projected = self.project_finite(block, name, first_row)
        scaled = np.divide(projected, unit, dtype=np.float64).astype(np.float32)  # a unit may be beyond float32's best
        energies, lengths = (scaled**2).sum(axis=1), np.abs(scaled).sum(axis=1)
        scales = np.divide(energies, lengths, out=np.zeros_like(energies), where=lengths > 0)
        return Quantized(pack(projected), scales, lengths, np.full(len(scaled), self.n_bits, np.float32))

    def project_finite(self, block: NDArray[Any], name: str, first_row: int) -> NDArray[np.float32]:
        """Return :meth:`project` of one block of ``name``, refusing what is not finite.

        Its first row has the number ``first_row``.
        """
        with np.errstate(over="ignore", invalid="ignore"):  # reported just below
            values = self.project(block)
        check_finite(values, name, first_row)
        return values

    def rows(self, codes: NDArray[np.uint8], scales: NDArray[np.float32]) -> NDArray[np.float32]:  # noqa: ARG002
        """Return codes as the rows that ``lookup`` gives: -1 and +1."""
        return unpack(codes, self.n_bits)


@dataclass(frozen=True, eq=False)
class GridEncoder(Encoder):
    """An encoder of several bits per direction: its ``projection`` has a column for each bit, scaled by what it counts.

    Attributes
    ----------
    directions : ndarray, shape (d, r), float32
        P, orthonormal.
    grid : Grid
        Of r directions.
    removed : ndarray, shape (d, D), float32
        Orthonormal directions that codes leave out, and the energies of rows with them.
    """

    directions: NDArray[np.float32]
    grid: Grid
    removed: NDArray[np.float32]

    of_signs: ClassVar[bool] = False

    @classmethod
    def of(
        cls, mean: NDArray[np.float32], directions: NDArray[np.float32], grid: Grid, removed: NDArray[np.float32]
    ) -> Self:
        """Return the encoder of these parts, which fit each other."""
        return cls(mean, directions[:, grid.sources] * grid.bit_weights, directions, grid, removed)

    @property
    def keeps_lengths(self) -> bool:
        """True: directions are orthonormal."""
        return True

    @property
    def row_width(self) -> int:
        """Width r of the rows that ``lookup`` gives."""
        return len(self.grid.bits)

    @property
    def frame(self) -> NDArray[np.float32]:
        """The directions, each of them once, whatever its bits."""
        return self.directions

    @cached_property
    def columns(self) -> Columns | None:
        """Of each bit its direction, and what it counts."""
        return Columns(self.grid.sources.astype(np.uint32), self.grid.bit_weights)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what a file holds of it, by name."""
        grid: dict[str, NDArray[Any]] = {
            "bits": self.grid.bits,
            "steps": self.grid.steps,
            "weights": self.grid.weights,
        }
        return {"mean": self.mean, "directions": self.directions, "removed": self.removed} | grid

    def facts(self) -> dict[str, Any]:
        """Return what the header of a file says of it."""
        return {"grid": {"parallel": self.grid.parallel, "passes": self.grid.n_passes}}

    def codes(self, block: NDArray[Any], name: str, first_row: int) -> NDArray[np.uint8]:
        """Return the packed codes of one block of ``name``, whose first row has the number ``first_row``."""
        return self.quantize(block, name, first_row, 1.0).codes

    def quantize(
        self,
        block: NDArray[Any],
        name: str,
        first_row: int,
        unit: float,
        lists: NDArray[np.int32] | None = None,
    ) -> Quantized:
        """Return :meth:`codes` and how each stands for its row; scales and products are measured in ``unit``."""
        with np.errstate(over="ignore", invalid="ignore"):  # reported just below
            lists = self.assign(block) if lists is None else lists
            centred = less(block, self.centres(lists))
            centred = centred.astype(np.float32, copy=False) / np.float32(self.grid.unit)
            values = product(centred, self.directions)
        check_finite(values, name, first_row)
        energies = np.einsum("ij,ij->i", centred, centred, dtype=np.float64)
        if self.removed.size:
            energies -= ((centred @ self.removed).astype(np.float64) ** 2).sum(axis=1)
        made = self.grid.quantize(values, np.maximum(energies, 0.0))
        ratio = np.float32(self.grid.unit / unit)
        return made._replace(scales=made.scales * ratio, products=made.products * ratio, lists=lists)

    def rows(self, codes: NDArray[np.uint8], scales: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return codes as the rows that ``lookup`` gives: x - m along the directions, ``(n, r)``."""
        return self.grid.values(codes, scales)
