"""Rows of a binary table as vectors: means of codes, and vectors like those that the codes were made from."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from slimvec.binary.codes import unpack
from slimvec.blocks import row_blocks

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from slimvec.binary.encoder import Encoder
    from slimvec.binary.factors import Factors
    from slimvec.binary.list_encoder import ListEncoder
    from slimvec.binary.parts import BinaryParts
    from slimvec.binary.refinement import Refinement

ROWS_AT_ONCE = 1 << 16  # unpacked for a mean: 80 MB at 300 columns


def require_factors(parts: BinaryParts) -> tuple[Encoder, Factors]:
    """Return encoder and factors, without which there are no original vectors to be estimated."""
    if parts.encoder is None or parts.factors is None:
        raise ValueError("original=True needs factors of each row; make the table by compress(..., factors=True)")
    return parts.encoder, parts.factors


def reconstruct(parts: BinaryParts, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return m + ρ s P b of rows: vectors like those that the table was made from, ``(len(rows), d)``.

    Of refined codes it is m + P (s c + s' c'), and of rows in lists their centroid stands for m.
    """
    encoder, factors = require_factors(parts)
    vectors = np.empty((len(rows), len(encoder.mean)), np.float32)
    for first, block in row_blocks(rows):  # Ctrl-C is heard between them
        if parts.refinement is not None:
            centred = _coded(parts, parts.refinement, factors, block) @ parts.refinement.refiner.directions.T
        else:
            places = parts.positions(block)
            scaled = unpack(parts.codes.read(places), parts.codes.n_bits, factors.scales(places))
            centred = scaled @ encoder.projection.T
        vectors[first : first + len(block)] = centred + encoder.centres(parts.lists(block))
    return vectors


def take_rows(parts: BinaryParts, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return rows as ``lookup`` gives them: codes as -1 and +1, or x - m along directions of several bits."""
    if parts.encoder is None or parts.encoder.of_signs or parts.factors is None:
        return parts.by_row.lookup(rows)
    if parts.refinement is None:
        places = parts.positions(rows)
        values = parts.encoder.rows(parts.codes.read(places), parts.factors.scales(places))
    else:
        values = _coded(parts, parts.refinement, parts.factors, rows)
    lists = parts.lists(rows)
    if lists is not None:
        encoder = cast("ListEncoder", parts.encoder)
        values += (encoder.shifts if parts.refinement is None else parts.refinement.refiner.shifts)[lists]
    return values


def _coded(
    parts: BinaryParts, refinement: Refinement, factors: Factors, rows: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return what both codes of rows say along all directions."""
    places = parts.positions(rows)
    values = refinement.values(rows, factors.norm)
    first = refinement.refiner.encoder.rows(parts.codes.read(places), factors.scales(places, shrunk=False))
    values[:, : first.shape[1]] += first
    return values


def row_width(parts: BinaryParts) -> int:
    """Return the width of what :func:`take_rows` returns."""
    if parts.encoder is None:
        return parts.codes.n_bits
    refinement = parts.refinement
    return parts.encoder.row_width if refinement is None else refinement.refiner.directions.shape[1]


def bag_mean(
    rows_of: Callable[[NDArray[np.int64]], NDArray[np.float32]],
    width: int,
    rows: NDArray[np.int64],
    offsets: NDArray[np.int64],
    weights: NDArray[np.float32] | None,
) -> NDArray[np.float32]:
    """Return Σ w e / Σ w over each bag ``rows[offsets[b]:offsets[b + 1]]`` of what ``rows_of`` returns.

    A few bags at a time; zeros for an empty one, or where the weights add up to 0.
    """
    means = np.zeros((len(offsets) - 1, width), np.float32)
    first = 0
    while first < len(means):
        last = max(first + 1, int(np.searchsorted(offsets, offsets[first] + ROWS_AT_ONCE, "right")) - 1)
        part = slice(int(offsets[first]), int(offsets[last]))
        own = offsets[first : last + 1] - offsets[first]
        some = None if weights is None else weights[part]
        _add_means(means[first:last], rows_of(rows[part]), own, some)
        first = last
    return means


def _add_means(
    means: NDArray[np.float32],
    vectors: NDArray[np.float32],
    offsets: NDArray[np.int64],
    weights: NDArray[np.float32] | None,
) -> None:
    known = offsets[1:] > offsets[:-1]
    starts = offsets[:-1][known]
    if not len(starts):
        return
    if weights is None:
        sizes = np.diff(offsets)[known].astype(np.float32)
    else:
        vectors = vectors * weights[:, None]
        sizes = np.add.reduceat(weights, starts)
    sums = np.add.reduceat(vectors, starts, axis=0)
    means[known] = np.divide(sums, sizes[:, None], out=np.zeros_like(sums), where=sizes[:, None] != 0)
