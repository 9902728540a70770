"""Shares of a table that workers encode and send back, put together where they were asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from slimvec.binary.block_numbers import BlockNumbers
from slimvec.binary.codes import BlockedCodes
from slimvec.binary.factors import WEIGHT, Factors, shrinkage_of
from slimvec.binary.parts import BinaryParts
from slimvec.binary.refinement import Refinement
from slimvec.blas import alone
from slimvec.shards.sharded_parts import ShardedParts
from slimvec.shards.writing import BlockRows, Coding
from slimvec.spread.executing import in_order_by
from slimvec.spread.pieces import read_pieces

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from numpy.typing import NDArray

    from slimvec.progress import Progress
    from slimvec.spread.pieces import Piece, Sources


class _Share(NamedTuple):
    """What is sent of encoded rows: no encoder, which is there already, and always weights."""

    blocks: NDArray[np.uint32]
    factors: NDArray[np.float16] | None
    refinement: tuple[NDArray[np.uint8], NDArray[np.float16]] | None
    numbers: BlockNumbers


def _encode(coding: Coding, pieces: list[Piece], first_row: int) -> _Share:
    rows = BlockRows(read_pieces(pieces), sum(piece.n_rows for piece in pieces), len(coding.encoder.mean))
    with alone():
        parts, numbers = coding.share(rows, first_row, weights=True)
    second = None if parts.refinement is None else (parts.refinement.codes, parts.refinement.numbers)
    return _Share(parts.codes.blocks, None if parts.factors is None else parts.factors.values, second, numbers)


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
    parts = [
        _as_parts(share, coding, end - first, n_factors)
        for share, (first, _), end in zip(shares, tasks, ends, strict=True)
    ]
    whole = ShardedParts.of(parts, numbers.norm(n), shrinkage_of(numbers.energies), coding.made_by)
    return replace(whole, words=words)


def _as_parts(share: _Share, coding: Coding, n_rows: int, n_factors: int) -> BinaryParts:
    factors: Any = None
    refinement = None
    if share.factors is not None and coding.factor_norm is not None:
        values = np.ascontiguousarray(share.factors[:, :n_factors])
        factors = Factors(values, coding.factor_norm or 1.0, 0.0, share.numbers.n_short)
    if share.refinement is not None and coding.refiner is not None:
        numbers = np.ascontiguousarray(share.refinement[1][:, :n_factors])
        refinement = Refinement(share.refinement[0], numbers, coding.refiner)
    codes = BlockedCodes(share.blocks, n_rows, coding.encoder.n_bits)
    return BinaryParts(codes, None, coding.encoder, factors, coding.made_by, None, refinement)
