"""The table files of a saved index: its encoder, as a table without rows, and rows without an encoder."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from slimvec.binary.codes import BlockedCodes
from slimvec.binary.list_centroids import ListCentroids
from slimvec.binary.partition import Partition
from slimvec.binary.parts import BinaryParts, factors_from, second_codes_from
from slimvec.binary.refinement import Refinement
from slimvec.errors import FormatError
from slimvec.index.coder import Coder
from slimvec.index.fit_sums import sums_from
from slimvec.index.ids import ids_from
from slimvec.index.kept_columns import columns_from
from slimvec.index.segments import Segment

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slimvec.files.table_file import Content
    from slimvec.index.fit_sums import Sums
    from slimvec.index.ids import IdKind
    from slimvec.index.kept_values import ColumnKinds
    from slimvec.index.marks import Marks

KIND = "index rows"
FITTED = "fitted"  # of an encoder: sums over the rows that it was learnt from


def encoder_content(coder: Coder) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the facts and tensors of the file of an encoder."""
    facts, tensors = coder.empty.to_content()
    if coder.fitted is not None:
        facts[FITTED] = coder.fitted.to_fact()
    return facts, tensors


def coder_from(content: Content) -> Coder:
    """Return the encoder of such a file's content."""
    parts = BinaryParts.from_content(content) if content.facts.get("kind") == BinaryParts.kind else None
    if parts is None or len(parts):
        raise FormatError("it is no encoder of an index: a table without rows, with factors")
    return coder_of(parts, sums_from(content.facts[FITTED]) if FITTED in content.facts else None)


def coder_of(parts: BinaryParts, fitted: Sums | None) -> Coder:
    """Return the encoder of a table, after checking that rows of an index may have it."""
    if parts.encoder is None or parts.factors is None or parts.norm is None:
        raise FormatError("it is no encoder of an index: a table without rows, with factors")
    if fitted is not None and (len(fitted.total) != len(parts.encoder.mean) or not fitted.n_rows):
        raise FormatError("its sums are not of rows that it was learnt from: damaged")
    return Coder.of(parts, fitted)


def rows_content(segment: Segment) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the facts and tensors of the file of some rows."""
    parts = segment.parts
    assert parts.factors is not None  # noqa: S101
    facts: dict[str, Any] = {"kind": KIND, "rows": len(parts), "bits": parts.codes.n_bits}
    facts["factors"] = {"norm": parts.factors.norm, "shrinkage": parts.factors.shrinkage}
    if parts.partition is not None:
        facts |= replace(parts.partition, calibration=None).facts()  # the encoder's file has it
    tensors = parts.of_rows()
    for own_facts, own_tensors in (
        segment.ids.to_content(),
        *([segment.columns.to_content()] if segment.columns else []),
    ):
        facts |= own_facts
        tensors |= own_tensors
    return facts, tensors


def segment_from(content: Content, coder: Coder, kind: IdKind, columns: ColumnKinds | None, marks: Marks) -> Segment:
    """Return the rows of such a file's content, mapped, after checking that they fit the encoder."""
    if content.facts.get("kind") != KIND:
        raise FormatError(f"it holds a table of kind {content.facts.get('kind')!r}; expected {KIND!r}")
    codes = BlockedCodes.from_content(content)
    factors = factors_from(content, codes)
    if (codes.n_bits, factors.norm, factors.shrinkage) != (coder.encoder.n_bits, coder.unit, coder.shrinkage):
        raise FormatError("its rows are of another encoder than that of the index")
    refinement = None
    if coder.refiner is not None:
        second = second_codes_from(content, coder.refiner.grid, factors.n_factors, codes.n_codes)
        refinement = Refinement(*second, coder.refiner)
    partition = None
    if isinstance(coder.encoder, ListCentroids):
        partition = Partition.from_content(content, codes.n_codes, len(coder.encoder.centroids))
        partition = replace(partition, calibration=coder.calibration)
    parts = BinaryParts(codes, None, coder.encoder, factors, coder.made_by, coder.norm, refinement, partition)
    ids = ids_from(content, codes.n_codes, kind)
    return Segment(parts, ids, marks, columns_from(content, codes.n_codes, columns, kind))
