"""An index as one table file, for one that is built, carried somewhere and read: all rows, their ids and columns."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from slimvec.binary.parts import BinaryParts
from slimvec.errors import FormatError, naming
from slimvec.files.atomic import checked_target
from slimvec.files.table_file import INDEX, checksum_of, read_content
from slimvec.files.table_writer import save_table
from slimvec.index.fit_sums import sums_from
from slimvec.index.ids import ids_from
from slimvec.index.kept_columns import columns_from
from slimvec.index.manifest import columns_of
from slimvec.index.marks import Marks
from slimvec.index.segments import Segment
from slimvec.index.state import State
from slimvec.index.stored_rows import coder_of

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from slimvec.files.table_file import Content
    from slimvec.index.ids import IdKind


def save_file(state: State, path: str | os.PathLike[str]) -> None:
    """Write all rows that are there into one file, whole or not at all."""
    target = checked_target(path)
    segment = state.whole()
    facts, tensors = segment.parts.to_content()
    about: dict[str, Any] = {"ids": state.kind, "next_number": state.next_number, "skipped": state.n_skipped}
    about["columns"] = None if state.columns is None else json.dumps([*state.columns.items()])
    for name, sums in (("fitted", state.coder.fitted), ("added", state.added)):
        about[name] = None if sums is None else sums.to_fact()
    for own_facts, own_tensors in (
        segment.ids.to_content(),
        *([segment.columns.to_content()] if segment.columns else []),
    ):
        facts |= own_facts
        tensors |= own_tensors
    save_table(target, facts | {"kind": INDEX, "index": about}, tensors)


def load_file(path: Path, verify: bool, preload: bool) -> tuple[State, str]:
    """Return what :func:`save_file` has written, mapped, and what tells it from others.

    Raises
    ------
    FormatError
        If it is damaged, or no index.
    """
    with naming(path):
        content = read_content(path, preload, verify)
        return _state_from(content), f"{checksum_of(content.facts, content.tensors):08x}"


def _state_from(content: Content) -> State:
    about, n = content.facts.get("index"), content.integer("rows", 0)
    if content.facts.get("kind") != INDEX or not isinstance(about, dict):
        raise FormatError(f"it holds a table of kind {content.facts.get('kind')!r}; expected {INDEX!r}")
    next_number, n_skipped = about.get("next_number"), about.get("skipped")
    typed = type(next_number) in {int, type(None)} and about.get("ids") in {"integers", "texts"}
    if not (typed and type(n_skipped) is int and n_skipped >= 0):
        raise FormatError(f"its facts are {about!r:.200}: damaged")
    kind: IdKind = about["ids"]
    parts = BinaryParts.from_content(content)
    fitted, added = (None if about.get(name) is None else sums_from(about[name]) for name in ("fitted", "added"))
    coder = coder_of(parts, fitted)
    if added is not None and len(added.total) != coder.dim:
        raise FormatError(f"its sums are of {len(added.total)} numbers, rows of {coder.dim}: damaged")
    columns = None if about.get("columns") is None else columns_of(about["columns"])
    kept = columns_from(content, n, columns, kind)
    segment = Segment(parts, ids_from(content, n, kind), Marks(n, {}), kept)
    return State(coder, kind, [segment], next_number, n_skipped, False, columns, added)
