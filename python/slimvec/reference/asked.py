"""The NumPy twins of what becomes of float queries before codes are met: products, integers, lists to read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    IntegerRows = tuple[NDArray[np.int16], NDArray[np.float64]]
    ByteRows = tuple[NDArray[np.int8], NDArray[np.float64]]

QUERY_PEAK, CENTROID_PEAK = 8191, 2047
WIDE = 2  # kWide of cpp/core/nearest_lists.hpp


def round_rows(rows: NDArray[np.floating], largest: int) -> tuple[NDArray[np.int16], NDArray[np.floating]]:
    """Return rows in ``largest`` steps either side of 0, and their largest magnitudes; see ``Rounded``."""
    finite = np.isfinite(rows).all(axis=1)
    rows = np.where(finite[:, None], rows, rows.dtype.type(0))
    peaks = np.abs(rows).max(axis=1, initial=0.0)
    with np.errstate(over="ignore"):
        steps = np.divide(largest, peaks, out=np.zeros_like(peaks), where=peaks > 0)
    steps[np.isinf(steps)] = 0  # of what is no number but noise
    return np.rint(rows * steps[:, None]).astype(np.int16), np.where(finite, peaks, peaks.dtype.type(np.nan))


def at_norm(rows: NDArray[np.float64], norm: float) -> NDArray[np.float64] | None:
    """Return rows ``(n, d)`` brought to a norm; None unless sums of squares tell the lengths of all."""
    squares = np.zeros(len(rows))
    with np.errstate(over="ignore", invalid="ignore"):
        for entry in rows.T:
            squares += entry * entry
        ordinary = bool(((squares > 1e-280) & (squares < 1e280)).all())
    return rows * (norm / np.sqrt(squares))[:, None] if ordinary else None


def prepare_queries(
    vectors: NDArray[np.float64],
    mean: NDArray[np.float32],
    frame: NDArray[np.float32],
    bits: tuple[NDArray[np.uint32], NDArray[np.float32]] | None,
    second: tuple[NDArray[np.uint32], NDArray[np.float64]] | None,
    lead_at_mean: NDArray[np.float32] | None,
) -> tuple[object, ...]:
    """Return what kernels take of queries ``(n, d)``; ``PreparedQueries`` names it.

    Products of q - m with ``frame (d, p)`` are summed from the first entry to the last, each product and sum rounded to
    float32. ``bits`` and ``second`` name columns of these and what they are multiplied by, None standing for all as
    they are, and for no second codes. ``lead_at_mean`` is the mean along the last directions, for tables of lists.
    """
    centred = vectors.astype(np.float32) - mean
    along = np.zeros((len(vectors), frame.shape[1]), np.float32)
    for column, direction in zip(centred.T, frame, strict=True):
        along += column[:, None] * direction
    bad = np.flatnonzero(~np.isfinite(along).all(axis=1))
    of_bits = along if bits is None else along[:, bits[0]] * bits[1]
    of_second = None if second is None else round_rows(along[:, second[0]].astype(np.float64) * second[1], QUERY_PEAK)
    asking = leading = None
    if lead_at_mean is not None:
        asking = round_rows(vectors, CENTROID_PEAK)
        if len(lead_at_mean):
            lead = along[:, -len(lead_at_mean) :] + lead_at_mean
            leading = round_rows(lead.astype(np.float64), CENTROID_PEAK)
    at_mean, squares = np.zeros(len(vectors)), np.zeros(len(vectors))
    for entry, of_mean in zip(vectors.T, mean.astype(np.float64), strict=True):
        at_mean += entry * of_mean
        squares += entry * entry
    first_bad = int(bad[0]) if len(bad) else len(vectors)
    return along, first_bad, round_rows(of_bits, QUERY_PEAK), of_second, asking, leading, at_mean, squares


def nearest_lists(
    centroids: IntegerRows,
    inverse_norms: NDArray[np.float32] | None,
    half_squares: NDArray[np.float32] | None,
    spreads: NDArray[np.float32] | None,
    queries: IntegerRows,
    lead: tuple[ByteRows, IntegerRows] | None,
    n_read: int,
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return for every query the ``n_read`` lists of the largest product (for cosines, distances), and the products.

    To a product comes the spread of the list times the length of the query, where there are spreads.

    Rows of integers come with what each counts. With a lead, and if few are read, they are the best of the
    ``WIDE * n_read`` lists that are so along it.
    """
    products = _products(centroids, queries)
    squares = np.square(queries[0].astype(np.int64)).sum(axis=1)
    more = 0.0 if spreads is None else (np.sqrt(squares) * queries[1])[:, None] * spreads
    worth = _worth(products, inverse_norms, half_squares) + more
    if lead is not None and 2 * WIDE * n_read <= worth.shape[1]:
        by_lead = _worth(_products(*lead), inverse_norms, half_squares) + more
        beyond = np.argsort(-by_lead, axis=1, kind="stable")[:, WIDE * n_read :]
        np.put_along_axis(worth, beyond, -np.inf, axis=1)
    best = np.argsort(-worth, axis=1, kind="stable")[:, :n_read]
    return best.astype(np.int32), np.take_along_axis(products, best, axis=1).astype(np.float32)


def _products(centroids: IntegerRows | ByteRows, queries: IntegerRows) -> NDArray[np.float64]:
    dots = queries[0].astype(np.int64) @ centroids[0].astype(np.int64).T
    products: NDArray[np.float64] = dots * centroids[1] * queries[1][:, None]
    return products


def _worth(
    products: NDArray[np.float64],
    inverse_norms: NDArray[np.float32] | None,
    half_squares: NDArray[np.float32] | None,
) -> NDArray[np.float64]:
    worth = products.copy() if inverse_norms is None else products * inverse_norms
    return worth if half_squares is None else worth - half_squares
