"""Writing shards: every worker encodes its rows into a file of its own, and whoever asked for them commits."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from slimvec.binary.block_numbers import BlockNumbers
from slimvec.binary.builder import TableBuilder
from slimvec.binary.factors import shrinkage_of
from slimvec.blas import alone
from slimvec.blocks import rows_per_block
from slimvec.files.safetensors import LENGTH_BYTES, parse_header
from slimvec.files.table_writer import table_header, write_table
from slimvec.progress import Progress, ignore
from slimvec.shards import SHARD_ROWS
from slimvec.shards.fingerprint import fingerprint
from slimvec.shards.shard_manifest import Manifest, ShardEntry, prepare_folder, shard_name
from slimvec.shards.sharded_table import ShardedTable
from slimvec.spread.executing import in_order_by
from slimvec.spread.pieces import read_pieces
from slimvec.validation import as_integer

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Executor

    from numpy.typing import NDArray

    from slimvec.binary.encoder import Encoder
    from slimvec.binary.parts import BinaryParts
    from slimvec.binary.refinement import Refiner
    from slimvec.spread.pieces import Piece, Sources
    from slimvec.vocabulary import Vocabulary


@dataclass(frozen=True, eq=False)
class Coding:
    """All that a worker needs to turn rows into parts of a table.

    Attributes
    ----------
    encoder : Encoder
    refiner : Refiner or None
    factor_norm : float or None
        What factors are measured in, if there are to be any.
    made_by : dict
    """

    encoder: Encoder
    refiner: Refiner | None
    factor_norm: float | None
    made_by: dict[str, Any]

    def share(self, rows: Any, first_row: int, weights: bool = False) -> tuple[BinaryParts, BlockNumbers]:
        """Return rows as parts of a table; the first has the number ``first_row``, a multiple of the block size."""
        builder = TableBuilder(rows, self.encoder, self.factor_norm, self.made_by, ignore, self.refiner, first_row)
        return builder.share(weights)


class BlockRows:
    """Rows that come in blocks, once.

    Parameters
    ----------
    blocks : iterable of ndarray
    n_rows, dim : int
    vocabulary : Vocabulary, optional
    """

    sequential = True

    def __init__(
        self, blocks: Iterable[NDArray[Any]], n_rows: int, dim: int, vocabulary: Vocabulary | None = None
    ) -> None:
        self.dim, self.vocabulary = dim, vocabulary
        self._blocks, self._n_rows = blocks, n_rows

    def __len__(self) -> int:
        return self._n_rows

    def blocks(self, progress: Progress = ignore) -> Iterator[NDArray[Any]]:  # noqa: ARG002
        """Walk over them."""
        return iter(self._blocks)


class Written(NamedTuple):
    """What a worker tells of a shard that it has written."""

    entry: ShardEntry
    numbers: BlockNumbers
    encoder: str
    n_factors: int


def write_shard(
    folder: str, number: int, coding: Coding, rows: BlockRows, first_row: int, weights: bool = False
) -> Written:
    """Encode rows and write them as a shard; done again, it leaves the same file."""
    with alone():
        parts, numbers = coding.share(rows, first_row, weights)
    return write_parts(Path(folder), number, parts, first_row)._replace(numbers=numbers)


def write_parts(folder: Path, number: int, parts: BinaryParts, first_row: int) -> Written:
    """Write parts of a table as a shard."""
    facts, tensors = parts.to_content()
    start = table_header(facts, tensors)
    said = json.loads(parse_header(start[LENGTH_BYTES:])["__metadata__"]["facts"])
    digest = hashlib.sha256(start).hexdigest()
    path = folder / shard_name(number, digest)
    write_table(path, start, tensors)
    entry = ShardEntry(path.name, first_row, len(parts), path.stat().st_size, digest)
    n_factors = 0 if parts.factors is None else parts.factors.n_factors
    return Written(entry, BlockNumbers([], [], False), fingerprint(said), n_factors)


def _write_pieces(
    folder: str,
    number: int,
    coding: Coding,
    pieces: list[Piece],
    vocabulary: Vocabulary | None,
    first_row: int,
    weights: bool,
) -> Written:
    rows = BlockRows(read_pieces(pieces), sum(p.n_rows for p in pieces), len(coding.encoder.mean), vocabulary)
    return write_shard(folder, number, coding, rows, first_row, weights)


def shard_starts(n_rows: int, shard_rows: int, n_columns: int) -> list[int]:
    """Return where shards begin, which hold whole blocks of rows, and the end of the last one."""
    size = rows_per_block(n_columns)
    step = -(-as_integer(shard_rows, "shard_rows", 1) // size) * size
    return [*(range(0, n_rows, step) if n_rows else [0]), n_rows]


def write_shards(
    coding: Coding,
    sources: Sources,
    folder: str | os.PathLike[str],
    shard_rows: int,
    executor: Executor | None,
    progress: Progress,
) -> ShardedTable:
    """Let workers write shards, and commit them."""
    n, d = len(sources), len(coding.encoder.mean)
    starts = shard_starts(n, shard_rows, d)
    words = sources.vocabulary
    path = prepare_folder(folder)

    def write(numbers: Iterable[int], weights: bool) -> Iterator[Written]:
        def tasks() -> Iterator[tuple[Any, ...]]:
            for number in numbers:
                first, end = starts[number : number + 2]
                own = None if words is None else words.part(first, end)
                yield str(path), number, coding, sources.pieces(first, end), own, first, weights

        for _, written in in_order_by(executor, _write_pieces, tasks()):
            yield written
            progress("encoding", written.entry.first_row + written.entry.rows, n)

    return commit(path, write, len(starts) - 1, coding.made_by)


def commit(
    folder: Path,
    write: Callable[[Iterable[int], bool], Iterable[Written]],
    n_shards: int,
    made_by: dict[str, Any],
) -> ShardedTable:
    """Have all shards written, ``write(numbers, weights)``, and let a manifest tell of them.

    Shards whose vectors are of unit length keep no weights. Where others are not, they are written again with them, as
    in one file.
    """
    written = list(write(range(n_shards), False))
    most = max(one.n_factors for one in written)
    fewer = [number for number, one in enumerate(written) if one.n_factors < most]
    for number, one in zip(fewer, write(fewer, True), strict=True):
        (folder / written[number].entry.file).unlink(missing_ok=True)
        written[number] = one
    n_rows = sum(one.entry.rows for one in written)
    numbers = BlockNumbers.joined(one.numbers for one in written)
    norm, shrinkage = numbers.norm(n_rows), shrinkage_of(numbers.energies) if most else None
    entries = [one.entry for one in written]
    Manifest(entries, written[0].encoder, norm, shrinkage, made_by).commit(folder)
    return ShardedTable.open(folder)


def split(
    table: Any, folder: str | os.PathLike[str], shard_rows: int = SHARD_ROWS, progress: Progress = ignore
) -> ShardedTable:
    """Write the rows of a table of codes into shards, which answer as it does.

    Parameters
    ----------
    table : BinaryTable
        Without lists (``partitions=``).
    folder : str or path
        A new one.
    shard_rows : int
        Rows of a file, rounded up to whole blocks of 4096.
    progress : callable, optional
        ``progress(stage, done, total)``.

    Returns
    -------
    ShardedTable
    """
    parts: BinaryParts | None = getattr(table, "_parts", None)
    if parts is None or parts.kind != "binary":
        raise TypeError(f"{table!r} is no table of binary codes, which alone are split")
    refuse_lists(parts.partition is not None)
    starts = shard_starts(len(parts), shard_rows, table.dim)
    path = prepare_folder(folder)
    written = []
    for number, (first, end) in enumerate(pairwise(starts)):
        written.append(write_parts(path, number, parts.part(first, end), first))
        progress("writing", end, len(parts))
    shrinkage = None if parts.factors is None else parts.factors.shrinkage
    entries = [one.entry for one in written]
    Manifest(entries, written[0].encoder, parts.norm, shrinkage, parts.made_by).commit(path)
    return ShardedTable.open(path)


def refuse_lists(in_lists: bool) -> None:
    """Raise ValueError for rows that lie list by list, all over a table."""
    if in_lists:
        raise ValueError(
            "partitions=: lists go through all rows of a table, of which no worker and no shard has all; expected None"
        )
