"""What ``slimvec bench`` times: the same question to slimvec, to NumPy, and to peers that are installed."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

import slimvec as sv

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

K = 10
DIM = 128
BITS = 256
BATCH = 64
GATHERED = 4096
ENTRIES, ANCHORS = 10, 500  # of a sparse table: non-zeros per row
LOWEST = {"slimvec, codes": 0.3, "slimvec, codes, then the originals": 0.8}  # recall of what is an estimate


@dataclass
class Contest:
    """One question. The first contestant's answer is the right one; the others' must agree with it.

    Attributes
    ----------
    title, per : str
        What is asked, and for what a time is given.
    count : int
        By how many a time is divided.
    contestants : dict
        A callable, which answers, for each name.
    agree : callable
        Given the name, the right answer and the contestant's, says whether that is right.
    told : callable, optional
        Given the right answer and a contestant's, says something of it that stands beside its time.
    """

    title: str
    per: str
    count: int
    contestants: dict[str, Callable[[], Any]]
    agree: Callable[[str, Any, Any], bool]
    told: Callable[[Any, Any], str] = field(default=lambda _right, _answer: "")


def contests(n_rows: int) -> Iterator[Contest]:
    """Make data and yield contests, one after the other: what one holds goes before the next is made."""
    generator = np.random.default_rng(0)
    yield from _hamming(n_rows, generator)
    yield from _floats(max(n_rows // 4, 100), generator)
    yield _sparse(n_rows, generator)


def _hamming(n_rows: int, generator: np.random.Generator) -> Iterator[Contest]:
    codes = generator.integers(0, 256, (n_rows, BITS // 8), np.uint8)
    index = sv.HammingIndex(codes, n_bits=BITS)
    words = codes.view(np.uint64)
    for n_queries in (1, BATCH):
        queries = generator.integers(0, 256, (n_queries, BITS // 8), np.uint8)
        contestants: dict[str, Callable[[], Any]] = {
            "NumPy bitwise_count": partial(_by_numpy, words, queries.view(np.uint64)),
            "slimvec": partial(lambda asked: index.search(asked, K, threads=1).distances, queries),
        }
        with suppress(ImportError):
            import faiss

            flat = faiss.IndexBinaryFlat(BITS)
            flat.add(codes)
            contestants["faiss IndexBinaryFlat"] = partial(lambda flat, asked: flat.search(asked, K)[0], flat, queries)
        with suppress(ImportError):
            from usearch.index import MetricKind
            from usearch.index import search as usearch

            exact = partial(usearch, codes, queries, K, MetricKind.Hamming, exact=True, threads=1)
            contestants["usearch exact"] = partial(
                lambda exact, n: np.asarray(exact().distances).reshape(n, K), exact, n_queries
            )
        asked = "one query" if n_queries == 1 else f"{n_queries} queries"
        title = f"Hamming distance: the {K} nearest of {n_rows:,} codes of {BITS} bits, {asked}"
        yield Contest(
            title, "a query", n_queries, contestants, lambda _name, right, answer: np.array_equal(right, answer)
        )


def _by_numpy(words: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """Return the least distances by bits that are counted, sorted."""
    found = []
    for query in queries:
        distances = np.bitwise_count(words ^ query).sum(axis=1, dtype=np.int32)
        found.append(np.sort(np.partition(distances, K - 1)[:K]))
    return np.array(found)


def _floats(n_rows: int, generator: np.random.Generator) -> Iterator[Contest]:
    """Yield contests over vectors in clusters, with a falling spectrum."""
    centres = generator.standard_normal((max(n_rows // 100, 1), DIM))
    falling = 0.97 ** np.arange(DIM)
    X = (
        centres[generator.integers(0, len(centres), n_rows)] + 0.7 * generator.standard_normal((n_rows, DIM))
    ) * falling
    X = (X / np.linalg.norm(X, axis=1, keepdims=True)).astype(np.float32)
    queries, X = X[:BATCH], np.ascontiguousarray(X[BATCH:])
    table = sv.TransformCoding(n_bits=DIM).compress(X)
    contestants: dict[str, Callable[[], Any]] = {
        "NumPy, all floats": lambda: np.argpartition(-(queries @ X.T), K - 1, axis=1)[:, :K],
        "slimvec, codes": lambda: table.search(queries, K, threads=1).indices,
        "slimvec, codes, then the originals": lambda: table.search(queries, K, originals=X, threads=1).indices,
    }
    with suppress(ImportError):
        import faiss

        flat = faiss.IndexFlatIP(DIM)
        flat.add(X)
        contestants["faiss IndexFlatIP"] = lambda: flat.search(queries, K)[1]
    bytes_a_row = table.info()["bytes"]
    small = round((bytes_a_row["codes"] + bytes_a_row["factors"]) / len(X))
    title = f"Cosines: the {K} nearest of {len(X):,} × {DIM}, {BATCH} queries; {small} bytes a row, not {4 * DIM}"
    yield Contest(
        title, "a query", BATCH, contestants,
        lambda name, right, answer: _recall(right, answer) >= LOWEST.get(name, 0.99),
        lambda right, answer: f"recall {_recall(right, answer):.3f}",
    )  # fmt: skip

    iiq = sv.IIQ(n_bits=DIM, n_remove=0, n_iter=5).fit(X[:5_000])
    mean, projection = iiq.mean_.astype(np.float32), iiq.projection_.astype(np.float32)
    yield Contest(
        f"Encoding: {len(X):,} × {DIM} to {DIM} bits",
        "a row",
        len(X),
        {
            "NumPy packbits": lambda: np.packbits((X - mean) @ projection >= 0, axis=1, bitorder="little"),
            "slimvec": lambda: iiq.transform(X),
        },
        # A bit may differ whose value is within rounding of zero.
        lambda _name, right, answer: float(np.bitwise_count(right ^ answer).mean()) < 8e-4,
    )

    codes, rows = iiq.transform(X), generator.integers(0, len(X), min(GATHERED, len(X)))
    coded = sv.BinaryTable(codes, DIM)
    yield Contest(
        f"Lookup: {len(rows):,} of {len(X):,} codes of {DIM} bits, as floats of -1 and 1",
        "a row",
        len(rows),
        {
            "NumPy unpackbits": lambda: np.unpackbits(codes[rows], axis=1, bitorder="little") * np.float32(2) - 1,
            "slimvec": lambda: coded.lookup(rows),
        },
        lambda _name, right, answer: np.array_equal(right, answer),
    )


def _recall(right: np.ndarray, answer: np.ndarray) -> float:
    return float(np.mean([np.isin(found, true).mean() for found, true in zip(answer, right, strict=True)]))


def _sparse(n_rows: int, generator: np.random.Generator) -> Contest:
    """Return the contest of rows of E = T A, which takes SciPy to be made."""
    title = f"Lookup: {GATHERED:,} of {n_rows:,} rows, each a sum of {ENTRIES} of {ANCHORS} anchors"
    try:
        from scipy.sparse import csr_array
    except ImportError:
        return Contest(f"{title}: needs SciPy", "", 1, {}, lambda *_: True)
    anchors = generator.standard_normal((ANCHORS, DIM), np.float32)
    columns = np.argsort(generator.random((1000, ANCHORS)), axis=1)[:, :ENTRIES]
    columns = np.sort(columns, axis=1)[generator.integers(0, 1000, n_rows)]
    weights = generator.standard_normal(columns.size).astype(np.float32)
    starts = np.arange(0, columns.size + 1, ENTRIES)
    transform = csr_array((weights, columns.ravel(), starts), (n_rows, ANCHORS))
    table, rows = sv.SparseTable(anchors, transform), generator.integers(0, n_rows, GATHERED)
    dense = np.asarray(transform[rows] @ anchors)
    place = np.arange(GATHERED)
    return Contest(
        title, "a row", GATHERED,
        {
            "SciPy, T[rows] @ A": lambda: transform[rows] @ anchors,
            "NumPy, of these rows alone, dense": lambda: dense[place],
            "slimvec": lambda: table.lookup(rows),
        },
        lambda _name, right, answer: np.allclose(right, answer, rtol=1e-4, atol=1e-4),
    )  # fmt: skip
