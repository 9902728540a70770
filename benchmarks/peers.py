"""Other libraries, set up as more than one script compares with them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

import slimvec as sv
from benchmarks.common import table

if TYPE_CHECKING:
    from pathlib import Path

GENSIM = "gensim `load_word2vec_format`"


def filled(index, rows: np.ndarray):
    """Return a faiss index that is trained on rows and holds them."""
    index.train(rows)
    index.add(rows)
    return index


def rotated(codes):
    """Return a faiss index of codes under a random rotation."""
    import faiss

    return faiss.IndexPreTransform(faiss.RandomRotationMatrix(codes.d, codes.d), codes)


def rabitq(rows: np.ndarray, kind: str = "IndexRaBitQ", n_bits: int = 1):
    """Return faiss's index of a bit or several per column, two factors per row, and a random rotation."""
    import faiss

    d = rows.shape[1]
    more = () if n_bits == 1 else (n_bits,)
    codes = getattr(faiss, kind)(d, faiss.METRIC_INNER_PRODUCT, *more)
    return filled(rotated(codes), rows)


def text_readers(path: Path, **options) -> dict:
    """Return what reads a text file of vectors, slimvec with one thread and two, and gensim: they must agree."""
    from gensim.models import KeyedVectors

    readers = {
        "slimvec, one thread": partial(sv.read_vectors, path, threads=1),
        "slimvec, two threads": partial(sv.read_vectors, path, threads=2),
        GENSIM: partial(KeyedVectors.load_word2vec_format, path, **options),
    }
    ours, theirs = readers["slimvec, two threads"](), readers[GENSIM]()
    assert list(ours) == theirs.index_to_key
    assert np.array_equal(ours.matrix, theirs.vectors)
    return readers


def reading_table(times: dict[str, float], megabytes: float) -> str:
    rows = [[name, f"{megabytes / times[name]:.0f}", f"{times[GENSIM] / times[name]:.1f}"] for name in times]
    return table(rows, ["", "MB/s", "times faster than gensim"])
