"""Files of faiss and usearch, made by these packages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.errors import needs
from slimvec.norms import unit_rows

if TYPE_CHECKING:
    from pathlib import Path

    from slimvec.exporting.payload import Payload
    from slimvec.files.atomic import NamedFile


def write_faiss(file: NamedFile, payload: Payload, target: Path) -> None:  # noqa: ARG001
    """Write an ``IndexBinaryFlat``, or of vectors an ``IndexFlatIP`` at length one, in a map of ids."""
    with needs("faiss", "faiss"):
        import faiss
    ids = payload.integers("faiss")
    made: Any
    if payload.n_bits is None:
        made = faiss.IndexIDMap2(faiss.IndexFlatIP(payload.width))
    else:
        made = faiss.IndexBinaryIDMap2(faiss.IndexBinaryFlat(8 * payload.width))
    first = 0
    for own, rows in payload.blocks():
        made.add_with_ids(rows if payload.n_bits else unit_rows(rows), ids[first : first + len(own)])
        first += len(own)
    written: Any = faiss.serialize_index(made) if payload.n_bits is None else faiss.serialize_index_binary(made)
    file.write(memoryview(written))


def write_usearch(file: NamedFile, payload: Payload, target: Path) -> None:  # noqa: ARG001
    """Write a graph over bits and Hamming distances, or of vectors at length one, which float16 holds, over cosines."""
    with needs("usearch", "usearch"):
        from usearch.index import Index
    made: Any
    ids = payload.integers("usearch", 0).astype(np.uint64)
    if payload.n_bits is None:
        made = Index(ndim=payload.width, metric="cos", dtype="f16")
    else:
        made = Index(ndim=8 * payload.width, metric="hamming", dtype="b1")
    first = 0
    for own, rows in payload.blocks():
        made.add(ids[first : first + len(own)], rows if payload.n_bits else unit_rows(rows))
        first += len(own)
    file.write(memoryview(made.save()))
