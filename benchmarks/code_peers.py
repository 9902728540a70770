"""Other libraries' codes of rows, scanned as a whole: (bytes per row, rows found, scores) of queries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.neighbour_peers import bytes_of_file, rabitqlib_lists
from benchmarks.peers import filled, rabitq, rotated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

K = 10
RESCORED = 10 * K  # rows of a Hamming shortlist, as sentence-transformers' rescore_multiplier=10
Found = tuple[float, np.ndarray, np.ndarray | None]


def of_faiss(index, queries: np.ndarray) -> Found:
    import faiss

    faiss.omp_set_num_threads(1)
    scores, rows = index.search(queries, K)
    return index.sa_code_size(), rows, scores


def eden(base: np.ndarray, queries: np.ndarray, n_bits: int) -> Found:
    import faiss

    d = base.shape[1]
    return of_faiss(filled(rotated(faiss.IndexEDEN(d, faiss.METRIC_INNER_PRODUCT, n_bits)), base), queries)


def scalar(base: np.ndarray, queries: np.ndarray, n_bits: int) -> Found:
    import faiss

    kind = getattr(faiss.ScalarQuantizer, f"QT_{n_bits}bit")
    return of_faiss(filled(faiss.IndexScalarQuantizer(base.shape[1], kind, faiss.METRIC_INNER_PRODUCT), base), queries)


def product(base: np.ndarray, queries: np.ndarray, n_bytes: int) -> Found:
    import faiss

    d = base.shape[1]
    kind = f"OPQ{n_bytes},PQ{n_bytes}" if d % n_bytes == 0 else f"OPQ{n_bytes}_{d // n_bytes * n_bytes},PQ{n_bytes}"
    return of_faiss(filled(faiss.index_factory(d, kind, faiss.METRIC_INNER_PRODUCT), base), queries)


def of_rabitqlib(base: np.ndarray, queries: np.ndarray, n_bits: int, n_lists: int) -> Found:
    index = rabitqlib_lists(base, n_lists, n_bits)
    rows, distances = index.search(queries, K, n_lists, num_threads=1)
    return bytes_of_file(index.save) / len(base), np.asarray(rows, np.int64), 1 - np.asarray(distances)


def turbovec(base: np.ndarray, queries: np.ndarray, n_bits: int) -> Found:
    from turbovec import TurboQuantIndex

    base, queries = (np.pad(rows, ((0, 0), (0, -rows.shape[1] % 8))) for rows in (base, queries))  # as it asks for
    index = TurboQuantIndex(dim=base.shape[1], bit_width=n_bits)
    index.calibrate(base[:10_000])
    index.add(base)
    scores, rows = index.search(queries, K)
    return len(index.to_bytes()) / len(base), np.asarray(rows, np.int64), np.asarray(scores)


def usearch_i8(base: np.ndarray, queries: np.ndarray) -> Found:
    from usearch.index import Index

    index = Index(ndim=base.shape[1], metric="cos", dtype="i8")
    index.add(np.arange(len(base)), base)
    found = index.search(queries, K, exact=True)
    return base.shape[1], found.keys.astype(np.int64), 1 - found.distances


def int8_columns(base: np.ndarray, queries: np.ndarray) -> Found:
    """Each column in 256 steps between its extremes, rows scored by float queries: sentence-transformers' int8."""
    least, most = base.min(axis=0), base.max(axis=0)
    steps = np.where(most > least, most - least, 1) / 255
    codes = ((base - least) / steps - 128).astype(np.int8)
    scores = queries @ codes.astype(np.float32).T  # as they rescore: the codes as they are, without steps
    rows = np.argsort(-scores, axis=1, kind="stable")[:, :K]
    return base.shape[1], rows, None


def signs(base: np.ndarray, queries: np.ndarray) -> Found:
    """Signs of columns, a shortlist by Hamming distance scored by float queries: sentence-transformers' ubinary."""
    own, asked = np.packbits(base > 0, axis=1), np.packbits(queries > 0, axis=1)
    rows = np.empty((len(queries), K), np.int64)
    plus_minus = np.where(base > 0, np.float32(1), np.float32(-1))
    for q, code in enumerate(asked):
        near = np.argpartition(np.bitwise_count(own ^ code).sum(axis=1), RESCORED)[:RESCORED]
        rows[q] = near[np.argsort(-(plus_minus[near] @ queries[q]), kind="stable")[:K]]
    return own.shape[1], rows, None


def peers(base: np.ndarray, share: float, *, long: bool) -> Iterator[tuple[str, Callable[[np.ndarray], Found]]]:
    """Yield what others have at so many bits per dimension; what trains for minutes only if it may take ``long``."""
    d = base.shape[1]
    if share <= 1 and long:
        yield "faiss OPQ + PQ (one draw)", lambda q: product(base, q, int(share * d) // 8)
    if share == 1:
        yield "signs, rescored (sentence-transformers' ubinary)", lambda q: signs(base, q)
    if share in (1, 2, 4):
        yield "faiss RaBitQ, rotated and centred", lambda q: of_faiss(rabitq(base, n_bits=share), q)
        yield "faiss EDEN, rotated", lambda q: eden(base, q, share)
        yield "rabitqlib, 64 lists, all read (ids included)", lambda q: of_rabitqlib(base, q, share, 64)
    if share in (2, 4):
        yield "turbovec, calibrated", lambda q: turbovec(base, q, share)
    if share in (4, 8):
        yield "faiss scalar quantizer", lambda q: scalar(base, q, share)
    if share == 8:
        yield "usearch, i8", lambda q: usearch_i8(base, q)
        yield "int8 by columns (sentence-transformers)", lambda q: int8_columns(base, q)
