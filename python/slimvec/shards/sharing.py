"""Shares of a table that workers encode and send back, put together where they were asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from slimvec.binary.block_numbers import BlockNumbers
from slimvec.binary.factors import WEIGHT, shrinkage_of
from slimvec.blas import alone
from slimvec.shards.sharded_parts import ShardedParts
from slimvec.shards.writing import BlockRows, Coding
from slimvec.spread.executing import in_order_by
from slimvec.spread.pieces import read_pieces

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from numpy.typing import NDArray

    from slimvec.binary.parts import BinaryParts
    from slimvec.progress import Progress
    from slimvec.spread.pieces import Piece, Sources


class _Share(NamedTuple):
    """What is sent of encoded rows: no encoder, which is there already, and always weights."""

    of_rows: dict[str, NDArray[Any]]
    numbers: BlockNumbers


def _encode(coding: Coding, pieces: list[Piece], first_row: int) -> _Share:
    rows = BlockRows(read_pieces(pieces), sum(piece.n_rows for piece in pieces), len(coding.encoder.mean))
    with alone():
        parts, numbers = coding.share(rows, first_row, weights=True)
    return _Share(parts.of_rows(), numbers)


def encode_by(executor: Executor, coding: Coding, sources: Sources, progress: Progress) -> ShardedParts:
    """Let an executor encode rows, and return all shares as the parts of a table."""
    words, n = sources.vocabulary, len(sources)
    tasks = list(sources.tasks(aligned=True)) or [(0, [])]
    ends = [*(first for first, _ in tasks[1:]), n]
    shares = []
    for number, share in in_order_by(executor, _encode, ((coding, pieces, first) for first, pieces in tasks)):
        shares.append(share)
        progress("encoding", ends[number], n)
    numbers = BlockNumbers.joined(share.numbers for share in shares)
    n_factors = WEIGHT if numbers.of_unit_length else WEIGHT + 1
    empty, _ = coding.share(BlockRows([], 0, len(coding.encoder.mean)), 0)
    parts = [
        _as_parts(share, empty, end - first, n_factors)
        for share, (first, _), end in zip(shares, tasks, ends, strict=True)
    ]
    whole = ShardedParts.of(parts, numbers.norm(n), shrinkage_of(numbers.energies), coding.made_by)
    return replace(whole, words=words)


def _as_parts(share: _Share, empty: BinaryParts, n_rows: int, n_factors: int) -> BinaryParts:
    """Return the parts that a share is, whose weights are left out if no row needs one."""
    with_weights = {"factors", "refinement.numbers"} & share.of_rows.keys()
    cut = {name: np.ascontiguousarray(share.of_rows[name][:, :n_factors]) for name in with_weights}
    parts = empty.with_rows(n_rows, share.of_rows | cut)
    if parts.factors is None:
        return parts
    return replace(parts, factors=replace(parts.factors, n_short=share.numbers.n_short))
