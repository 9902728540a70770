"""One call for all formats: which one a name means, what is written, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slimvec.exporting.to_arrays import write_npz
from slimvec.exporting.to_databases import write_sql
from slimvec.exporting.to_indexes import write_faiss, write_usearch
from slimvec.exporting.to_parquet import write_parquet
from slimvec.files.atomic import checked_target, replacing

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from pathlib import Path

    from slimvec.exporting.payload import Payload
    from slimvec.files.atomic import NamedFile

WRITERS: dict[str, Callable[[NamedFile, Payload, Path], None]] = {
    ".faiss": write_faiss,
    ".usearch": write_usearch,
    ".parquet": write_parquet,
    ".sql": write_sql,
    ".npz": write_npz,
}


def export(path: str | os.PathLike[str], payload: Payload) -> None:
    """Write a file of the format that its name ends in; it appears when it is complete.

    Raises
    ------
    TypeError, ValueError
        For a name that ends in nothing known, codes that other programs would take wrongly, and ids that the format has
        no room for.
    """
    target = checked_target(path)
    writer = WRITERS.get(target.suffix)
    if writer is None:
        raise ValueError(f"path={target.name!r}; expected a name that ends in {', '.join(WRITERS)}")
    with replacing(target) as file:
        writer(file, payload, target)
