"""The parts of a binary table, and how a file holds them."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np

from slimvec.binary.codes import BLOCK_CODES, BlockedCodes, check_padding
from slimvec.binary.encoder import Encoder, GridEncoder
from slimvec.binary.factors import Factors
from slimvec.binary.levels import MOST_BITS, MOST_PASSES, Grid
from slimvec.errors import FormatError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slimvec.binary.few_queries import ListSearch
    from slimvec.binary.list_centroids import ListCentroids
    from slimvec.binary.partition import Partition
    from slimvec.binary.refinement import Refinement
    from slimvec.binary.spilled import Spilled
    from slimvec.files.table_file import Content
    from slimvec.vocabulary import Vocabulary

MOST = 1 << 62  # which other readers have integers for
LEAST_STEP = 2.0**-100  # of the longest one; in its units a shorter step has no inverse


class Kept(Protocol):
    """What a table keeps beside its codes and words, and how a file tells of it."""

    def facts(self) -> dict[str, Any]:
        """Return what the header of a file says of it."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what a file holds of it, by name."""

    def of_rows(self) -> dict[str, NDArray[Any]]:
        """Return those of its arrays that are about rows; the others are part of the encoder."""


@dataclass(frozen=True, eq=False)
class BinaryParts:
    """Codes and, optionally, their words, the encoder that made them and their factors; all of them fit each other.

    Attributes
    ----------
    codes : BlockedCodes
    words : Vocabulary or None
    encoder : Encoder or None
    factors : Factors or None
    made_by : dict
    norm : float or None
        Root mean square norm of the vectors that the codes were made from: as long as that, a query is one of them.
    refinement : Refinement or None
    partition : Partition or None
        Where codes and factors lie list by list, not row by row: then the encoder has centroids, too.
    spilled : Spilled or None
        Codes in second lists.
    """

    codes: BlockedCodes
    words: Vocabulary | None = None
    encoder: Encoder | None = None
    factors: Factors | None = None
    made_by: dict[str, Any] = field(default_factory=dict)
    norm: float | None = None
    refinement: Refinement | None = None
    partition: Partition | None = None
    spilled: Spilled | None = None

    kind = "binary"

    def __len__(self) -> int:
        return self.codes.n_codes

    @property
    def has_distances(self) -> bool:
        """Whether Hamming distances between codes mean something: they do between signs."""
        return self.encoder is None or self.encoder.of_signs

    @cached_property
    def by_row(self) -> BlockedCodes:
        """The codes as users number them, wherever they lie."""
        if self.partition is None:
            return self.codes
        from slimvec.binary.listed_codes import ListedCodes

        return ListedCodes.over(self.codes, self.partition)

    @cached_property
    def list_search(self) -> ListSearch:
        """The short way of few queries through lists."""
        from slimvec.binary.few_queries import ListSearch

        return ListSearch()

    def part(self, first: int, end: int) -> BinaryParts:
        """Return rows ``first ... end - 1`` of a table without lists, from the beginning of a block on."""
        if first % BLOCK_CODES or (end % BLOCK_CODES and end != len(self)):
            raise ValueError(f"rows {first} to {end} are no whole blocks of {BLOCK_CODES} codes")
        blocks = slice(first // BLOCK_CODES, -(-end // BLOCK_CODES))
        return replace(
            self,
            codes=BlockedCodes(self.codes.comparable[blocks], end - first, self.codes.n_bits),
            words=None if self.words is None else self.words.part(first, end),
            factors=None if self.factors is None else self.factors.part(blocks),
            refinement=None if self.refinement is None else self.refinement.part(slice(first, end)),
        )

    def of_rows(self) -> dict[str, NDArray[Any]]:
        """Return all arrays about rows but their words, by their names in a file."""
        arrays: dict[str, NDArray[Any]] = {"codes": self.codes.blocks}
        for kept in self._kept:
            arrays |= kept.of_rows()
        return arrays

    def with_rows(self, n_rows: int, arrays: dict[str, NDArray[Any]]) -> BinaryParts:
        """Return the same, of a table without lists, of other rows, whose :meth:`of_rows` are given."""
        return replace(
            self,
            codes=BlockedCodes(arrays["codes"], n_rows, self.codes.n_bits),
            factors=None if self.factors is None else self.factors.with_rows(arrays),
            refinement=None if self.refinement is None else self.refinement.with_rows(arrays),
        )

    def positions(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return where the codes and factors of rows lie."""
        return rows if self.partition is None else self.partition.positions[rows]

    def lists(self, rows: NDArray[np.int64]) -> NDArray[np.int64] | None:
        """Return which lists rows are in, if in any."""
        return None if self.partition is None else self.partition.lists(rows)

    def require_distances(self) -> None:
        """Raise ValueError, with the remedy, where they do not."""
        if not self.has_distances:
            raise ValueError(
                "distances between codes of several bits mean nothing; expected float queries, for table.search: such "
                "as table.lookup(words, original=True)"
            )

    @property
    def _kept(self) -> list[Kept]:
        """What there is beside codes and words, in the order of a file."""
        optional: tuple[Kept | None, ...] = (
            self.factors,
            self.refinement,
            self.partition,
            self.spilled,
            self.encoder,
        )
        return [kept for kept in optional if kept is not None]

    def to_content(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return the facts and tensors of a file."""
        facts: dict[str, Any] = {
            "kind": self.kind,
            "rows": self.codes.n_codes,
            "bits": self.codes.n_bits,
            "made_by": self.made_by,
        }
        if self.norm is not None:
            facts["norm"] = self.norm
        tensors: dict[str, NDArray[Any]] = {"codes": self.codes.blocks}
        for kept in self._kept:
            facts |= kept.facts()
            tensors |= kept.arrays()
        if self.words is not None:
            tensors |= self.words.to_tensors("words")
        return facts, tensors

    @property
    def bits_per_row(self) -> int:
        """All that is kept of a row but its word, in bits."""
        beside = (self.factors, self.refinement, self.partition, self.spilled)
        return self.codes.n_bits + sum(kept.bits for kept in beside if kept is not None)

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes of each part but the words."""
        sizes, of_rows = {"codes": 0, "factors": 0}, self.of_rows()
        for name, array in of_rows.items():
            whose = name.partition(".")[0]
            sizes[whose] = sizes.get(whose, 0) + array.nbytes
        tensors = [tensor for kept in self._kept for tensor in kept.arrays().items()]
        return sizes | {"encoder": sum(array.nbytes for name, array in tensors if name not in of_rows)}

    @property
    def vocabularies(self) -> list[Vocabulary]:
        """All words that the table holds."""
        return [] if self.words is None else [self.words]

    def arrays(self) -> list[NDArray[Any]]:
        """Return all arrays that the table holds."""
        arrays: list[NDArray[Any]] = [
            self.codes.blocks,
            *(array for words in self.vocabularies for array in words.arrays),
        ]
        return arrays + [array for kept in self._kept for array in kept.arrays().values()]

    @classmethod
    def from_content(cls, content: Content) -> BinaryParts:
        """Return what a file's content describes, mapped, after checking that the parts fit each other."""
        codes = BlockedCodes.from_content(content)
        encoder = _encoder_from(content, codes.n_bits)
        words = content.words("words", codes.n_codes)
        factors = factors_from(content, codes) if "factors" in content.tensors else None
        if encoder is not None and not encoder.of_signs and factors is None:
            raise FormatError("tensor 'factors' is missing, without which codes of several bits say nothing")
        if encoder is not None and encoder.in_lists and factors is None:
            raise FormatError("tensor 'factors' is missing, without which lists say nothing")
        norm = None if factors is None else factors.norm  # all that files of early versions tell
        if "norm" in content.facts:
            norm = _number(content.facts, "norm", sys.float_info.min, "the vectors")
        refinement = _refinement_from(content, encoder, factors, codes.n_codes)
        partition = None
        if encoder is not None and encoder.in_lists:
            from slimvec.binary.partition import Partition

            partition = Partition.from_content(content, codes.n_codes, len(cast("ListCentroids", encoder).centroids))
        elif "partition.rows" in content.tensors:
            raise FormatError("it holds tensors of a partition that its header does not tell of")
        parts = cls(codes, words, encoder, factors, content.made_by(), norm, refinement, partition)
        spilled = content.facts.get("spilled")
        if spilled is not None:
            if partition is None or not isinstance(encoder, GridEncoder) or not isinstance(spilled, dict):
                raise FormatError("it tells of rows in second lists that it cannot have: damaged")
            from slimvec.binary.spilled import Spilled

            return replace(parts, spilled=Spilled.from_content(content, parts))
        if any(name.startswith("spilled.") for name in content.tensors):
            raise FormatError("it holds tensors of second lists that its header does not tell of")
        return parts


def _encoder_from(content: Content, n_bits: int) -> Encoder | None:
    if "mean" not in content.tensors:
        return None
    mean = content.tensor("mean", np.float32, (None,))
    if "grid" not in content.facts:
        signs = mean, content.tensor("projection", np.float32, (len(mean), n_bits))
        if "partition" not in content.facts:
            return Encoder(*signs)
        from slimvec.binary.list_encoder import SignListEncoder  # few tables have it: importing slimvec does without

        return SignListEncoder(*signs, _centroids_from(content, len(mean)))
    facts = content.facts["grid"]
    if not isinstance(facts, dict):
        raise FormatError(f"grid is {facts!r}; expected an object")
    grid = _grid_from(content, "", _number(facts, "parallel", 0.0, "the grid"), facts.get("passes"))
    if grid.n_bits != n_bits:
        raise FormatError(f"tensor 'bits' adds up to {grid.n_bits}; expected {n_bits}")
    directions = content.tensor("directions", np.float32, (len(mean), len(grid.bits)))
    removed = content.tensor("removed", np.float32, (len(mean), None))
    learnt = GridEncoder.of(mean, directions, grid, removed)
    if "partition" not in content.facts:
        return learnt
    from slimvec.binary.list_encoder import ListEncoder  # as above

    return ListEncoder.over(learnt, _centroids_from(content, len(mean)), content.facts.get("spilled") is not None)


def _centroids_from(content: Content, d: int) -> NDArray[np.float32]:
    centroids = content.tensor("centroids", np.float32, (None, d))
    if not len(centroids) or not np.isfinite(centroids).all():
        raise FormatError("tensor 'centroids' holds what are no centroids")
    return centroids


def _grid_from(content: Content, prefix: str, parallel: float, passes: Any) -> Grid:
    bits = content.tensor(f"{prefix}bits", np.uint8, (None,))
    in_order = len(bits) and bits.min() >= 1 and bits.max() <= MOST_BITS and (bits[1:] <= bits[:-1]).all()
    if not in_order:
        raise FormatError(f"tensor '{prefix}bits' is {bits.tolist()}; expected bits per direction, falling")
    steps, weights = (content.tensor(f"{prefix}{name}", np.float32, bits.shape) for name in ("steps", "weights"))
    if not (np.isfinite(steps).all() and steps.min() > 0 and np.isfinite(weights).all() and weights.min() >= 0):
        raise FormatError(f"tensors '{prefix}steps' and '{prefix}weights' hold what are no steps and weights")
    if float(steps.min()) < float(steps.max()) * LEAST_STEP:
        raise FormatError(f"tensor '{prefix}steps' goes from {steps.min()} to {steps.max()}: too far, damaged")
    if not isinstance(passes, int) or isinstance(passes, bool) or not 0 <= passes <= MOST_PASSES:
        raise FormatError(f"passes of the grid is {passes!r}; expected an integer from 0 to {MOST_PASSES}")
    return Grid(bits, steps, weights, parallel, passes)


def _refinement_from(
    content: Content, encoder: Encoder | None, factors: Factors | None, n_rows: int
) -> Refinement | None:
    facts = content.facts.get("refinement")
    if facts is None:
        if any(name.startswith("refinement.") for name in content.tensors):
            raise FormatError("it holds tensors of a refinement that its header does not tell of")
        return None
    if not isinstance(encoder, GridEncoder) or factors is None:
        raise FormatError("it has a refinement, but no codes of several bits")
    times = facts.get("oversample") if isinstance(facts, dict) else None
    if not isinstance(times, list) or len(times) != 2 or not all(type(one) is int and 0 < one < MOST for one in times):
        raise FormatError(f"refinement is {facts!r}; expected an object with two integers as oversample")
    from slimvec.binary.refinement import Refinement, Refiner

    grid = _grid_from(content, "refinement.", 0.0, facts.get("passes"))
    rest = content.tensor("refinement.rest", np.float32, (len(encoder.mean), None))
    order = content.tensor("refinement.order", np.uint32, grid.bits.shape)
    if len(np.unique(order)) < len(order) or order.max() >= len(encoder.grid.bits) + rest.shape[1]:
        raise FormatError("tensor 'refinement.order' names no directions, or one of them twice")
    refiner = Refiner(encoder, rest, order, grid, (times[0], times[1]))
    return Refinement(*second_codes_from(content, grid, factors.n_factors, n_rows), refiner)


def second_codes_from(
    content: Content, grid: Grid, n_factors: int, n_rows: int
) -> tuple[NDArray[np.uint8], NDArray[np.float16]]:
    """Return codes and numbers of a refinement."""
    codes = content.tensor("refinement.codes", np.uint8, (n_rows, -(-grid.n_bits // 8)))
    if content.thorough and grid.n_bits % 8 and n_rows and (codes[:, -1] >> grid.n_bits % 8).any():
        raise FormatError("tensor 'refinement.codes' has bits set past the last one: damaged")
    return codes, content.tensor("refinement.numbers", np.float16, (n_rows, n_factors))


def factors_from(content: Content, codes: BlockedCodes) -> Factors:
    """Return the factors of codes."""
    values = content.tensor("factors", np.float16, (len(codes.blocks), None, BLOCK_CODES))
    if values.shape[1] not in {2, 3}:
        raise FormatError(f"tensor 'factors' holds {values.shape[1]} numbers per code; expected 2 or 3")
    if content.thorough:
        check_padding(values, codes.n_codes, "factors")
    facts = content.facts.get("factors")
    if not isinstance(facts, dict):
        raise FormatError(f"factors is {facts!r}; expected an object")
    norm = _number(facts, "norm", sys.float_info.min, "the factors")
    n_short = facts.get("short")  # of an early version nobody knows, and what is damaged says nothing
    known = n_short if isinstance(n_short, int) and not isinstance(n_short, bool) else None
    return Factors(values, norm, _number(facts, "shrinkage", 0.0, "the factors"), known)


def _number(facts: dict[str, Any], name: str, minimum: float, whose: str) -> float:
    value = facts.get(name)
    if not isinstance(value, float) or not minimum <= value < math.inf:
        raise FormatError(f"{name} of {whose} is {value!r}; expected a number of at least {minimum}")
    return value
