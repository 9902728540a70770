"""Float queries on their way to codes: brought to the norm of the table's own vectors, projected, told from codes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from slimvec import _core, isa
from slimvec.binary.codes import pack, pack_signs
from slimvec.blocks import row_blocks
from slimvec.norms import NEAR, WideRows, within
from slimvec.validation import check_finite

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slimvec.binary.codes import BlockedCodes
    from slimvec.binary.encoder import Encoder
    from slimvec.binary.refinement import Refiner

Metric = Literal["cosine", "dot", "l2"]
METRICS: tuple[Metric, ...] = get_args(Metric)
Multiples = NDArray[np.float64] | None
"""Queries over what stands for them, 0 where a query is zero, which is all that it says for cosines; None: all 1."""

FAR = 60  # a power of two: beside a vector so much longer, the other one is beyond the digits of float32
CERTAIN_BITS = 16  # of signs that agree: what a code of the table is told by
FEW = 64  # rows of signs that are looked up before anything is said


class QueryBlock(NamedTuple):
    """Some queries; their unit is that of :class:`QueryEncoder`."""

    place: slice
    vectors: NDArray[np.float64]  # what stands for the queries: q, (m, d)
    multiples: Multiples


class PreparedQueries(NamedTuple):
    """What :func:`slimvec.reference.prepare_queries` tells of queries.

    Attributes
    ----------
    along : ndarray, shape (m, p), float32
        Products of q - m with the directions asked for.
    bad : int
        The first query of which some are no numbers; m if there is none.
    values : Rounded
        What the bits of codes meet, ``(m, n_bits)``.
    second, asking, leading : Rounded or None
        What second codes and the centroids of lists meet, these last whole and along their lead.
    at_mean, squares : ndarray, shape (m,), float64
        ⟨q, m⟩ and ‖q‖².
    """

    along: NDArray[np.float32]
    bad: int
    values: tuple[NDArray[np.int16], NDArray[np.float32]]
    second: tuple[NDArray[np.int16], NDArray[np.float64]] | None
    asking: tuple[NDArray[np.int16], NDArray[np.float64]] | None
    leading: tuple[NDArray[np.int16], NDArray[np.float64]] | None
    at_mean: NDArray[np.float64]
    squares: NDArray[np.float64]

    def codes(self, n_bits: int) -> NDArray[np.uint8]:
        """Return the packed signs along the directions of bits, which come first."""
        return pack_signs(np.ascontiguousarray(self.along[:, :n_bits]))


@dataclass(frozen=True, eq=False)
class QueryEncoder:
    """An encoder for queries, which asks for the direction of a query, not for its length.

    Codes are signs of *centred* vectors, so that a query must be as long as the table's vectors before the mean is
    taken off: a shorter one is nearly the mean itself, whatever its direction. A cosine does not depend on the length,
    and so queries are brought to the root mean square norm of the table's vectors. Inner products and distances
    estimate the query as it is; so must cosines where that norm is not known.

    Attributes
    ----------
    encoder : Encoder
    norm : float or None
        Of the table's vectors.
    metric : {"cosine", "dot", "l2"}
    """

    encoder: Encoder
    norm: float | None
    metric: Metric

    @property
    def unit(self) -> float:
        """What queries are measured in: the power of two next to the norm where that is far from 1."""
        exponent = 0 if self.norm is None else math.frexp(self.norm)[1]
        return 1.0 if abs(exponent) <= NEAR else math.ldexp(1.0, min(exponent, 1023))

    @property
    def mean(self) -> NDArray[np.float32]:
        """The encoder's mean, so measured."""
        if self.unit == 1.0:
            return self.encoder.mean
        return np.asarray(self.encoder.mean.astype(np.float64) / self.unit, np.float32)

    def blocks(self, queries: NDArray[Any], name: str = "queries") -> Iterator[QueryBlock]:
        """Bring ``queries (n, d)``, which errors call ``name``, to what stands for them, block by block."""
        for first, block in row_blocks(queries) if len(queries) else [(0, queries)]:
            vectors, multiples = self._scaled(block, name, first)
            yield QueryBlock(slice(first, first + len(block)), vectors, multiples)

    def prepare(self, block: QueryBlock, name: str = "queries", refiner: Refiner | None = None) -> PreparedQueries:
        """Return what kernels take of a block, whose codes are refined or not."""
        encoder = self.encoder
        made = PreparedQueries(
            *_core.prepare_queries(
                isa.current(),
                block.vectors,
                self.mean,
                (refiner or encoder).frame,
                encoder.columns,
                None if refiner is None else refiner.columns,
                encoder.lead_at_mean(self.unit),
            )
        )
        if made.bad < len(block.vectors):
            check_finite(made.along, name, block.place.start)
        return made

    def encode(self, queries: NDArray[Any], name: str = "queries") -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Return the packed codes of queries, and which queries are zero."""
        n_bits = self.encoder.n_bits
        codes = np.empty((len(queries), -(-n_bits // 8)), np.uint8)
        zero = np.empty(len(queries), np.bool_)
        for block in self.blocks(queries, name):
            codes[block.place] = self.prepare(block, name).codes(n_bits)
            zero[block.place] = False if block.multiples is None else block.multiples == 0
        return codes, zero

    def _scaled(self, block: NDArray[Any], name: str, first: int) -> tuple[NDArray[np.float64], Multiples]:
        """Return the vectors that stand for queries, in units, and how many times as long the queries are."""
        if self.metric == "cosine" and self.norm is not None:
            at_norm = _core.at_norm(np.array(block, np.float64, order="C"), self.norm / self.unit)
            if at_norm is not None:
                return at_norm, None
        wide = WideRows.of(block, name, first)
        if self.metric == "cosine" and self.norm is not None:
            return wide.at_norm(self.norm / self.unit), None if wide.exponents is None else wide.norms
        reference = self.norm or float(np.linalg.norm(self.encoder.mean.astype(np.float64))) or 1.0
        if wide.exponents is None and within(wide.norms, 2.0**-FAR * reference, 2.0**FAR * reference):
            return wide.rows if self.unit == 1.0 else wide.rows / self.unit, None
        own = np.zeros(len(block), np.intc) if wide.exponents is None else wide.exponents
        beyond = _beyond(wide.norms, own, math.frexp(reference)[1])
        if self.metric == "l2":
            if (beyond > 0).any():
                far = first + int(np.argmax(beyond))
                raise ValueError(f'{name}: row {far} is so long that metric="l2" cannot tell rows of the table apart')
            return np.ldexp(wide.rows, own[:, None]) / self.unit, None
        with np.errstate(over="ignore"):  # scores beyond float32 are refused, and so are those beyond float64
            vectors = np.ldexp(wide.rows, (own - beyond)[:, None])
            return vectors / self.unit, np.ldexp(np.sign(wide.norms), beyond)

    def refuse_codes(self, queries: NDArray[Any], table: BlockedCodes, name: str = "queries") -> None:
        """Raise ValueError where queries are codes of the table, as ``lookup`` gives them, in place of vectors.

        Rows of -1 and +1 may be vectors, too. They are codes if all of them are in the table, if as vectors they have
        other codes than themselves, and if this is no chance: 16 signs or more agree. Where the norm does not tell
        that the table was made from other vectors than rows of -1 and +1, those 16 come after as many as number rows.
        """
        d, n_bits = self.encoder.projection.shape
        if d != n_bits or not table.n_codes:
            return
        if {1, -1}.isdisjoint(queries[:, 0].tolist()):  # as nearly always
            return
        rows = np.flatnonzero(np.abs(queries[:, 0]) == 1)
        rows = rows[(np.abs(queries[rows]) == 1).all(axis=1)][:FEW]
        if not len(rows):
            return
        asked = pack(queries[rows].astype(np.float32))
        distances, found = table.search(asked, 1, None, 1)
        other = (self.encode(queries[rows], name)[0] != asked).any(axis=1)
        surplus = d - (math.log2(table.n_codes) if self._may_hold_signs() else 0)
        if not distances.any() and len(set(map(bytes, asked[other]))) * surplus >= CERTAIN_BITS:
            first = int(np.argmax(other))
            raise ValueError(
                f"{name} holds in row {rows[first]} the code of row {found[first, 0]} (table.lookup), which is no "
                "vector of the original space; search codes by table.search_codes(table.codes(words)), or vectors by "
                "table.lookup(words, original=True) of a table with factors. Vectors that only look like codes are "
                f"taken as 2 * {name}"
            )

    def _may_hold_signs(self) -> bool:
        """Tell whether the table's vectors may be rows of -1 and +1."""
        return self.norm is None or math.isclose(self.norm, math.sqrt(len(self.encoder.mean)), rel_tol=5e-6)


def _beyond(norms: NDArray[np.float64], exponents: NDArray[np.intc], reference: int) -> NDArray[np.intc]:
    """Return powers of two that bring queries to where they are ``FAR`` from what they are compared with; mostly 0."""
    distances = np.where(norms > 0, np.frexp(norms)[1] + exponents - reference, 0)
    beyond: NDArray[np.intc] = distances - np.clip(distances, -FAR, FAR)
    return beyond
