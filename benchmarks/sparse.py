"""Sparse tables, E = T A: rows, bags and search, beside SciPy on the same factors, the dense matrix, and torch.

400,000 rows of 10 random anchors out of 500, 300 columns. Everything runs on one thread unless it says otherwise; the
answers are compared before anything is timed.

Run: ``python -m benchmarks.sparse``; ``--rows 20000 --repeats 1`` for a quick look.
"""

from __future__ import annotations

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before NumPy is loaded: peers on one thread

from functools import partial

import numpy as np
from scipy.sparse import csr_array

import slimvec as sv
from benchmarks.common import interleaved, parser, table, write_result

K = 10
BATCH = 4096
BAG = 20
ONE_AT_A_TIME = 200  # calls per timing of one id
PASSES = 20  # over these: one alone would tell what the contestant before has left in cache
QUERIES = 64


def make(n: int, k: int, d: int, per_row: int):
    generator = np.random.default_rng(0)
    columns = draw(generator, n, k, per_row)
    columns.sort(axis=1)
    values = generator.standard_normal(n * per_row, dtype=np.float32)
    transform = csr_array((values, columns.ravel().astype(np.int32), np.arange(0, n * per_row + 1, per_row)), (n, k))
    return generator.standard_normal((k, d), dtype=np.float32), transform


def draw(generator, n, k, per_row):
    """Distinct columns for many rows: drawn again where a row has the same twice."""
    columns = generator.integers(0, k, (n, per_row))
    while True:
        ordered = np.sort(columns, axis=1)
        again = (ordered[:, 1:] == ordered[:, :-1]).any(axis=1)
        if not again.any():
            return columns
        columns[again] = generator.integers(0, k, (int(again.sum()), per_row))


class Torch:
    """``embedding_bag`` over the anchors, which needs every row to have as many entries; None without torch."""

    def __init__(self, anchors, transform):
        import torch

        torch.set_num_threads(1)
        self.torch = torch
        self.bag = torch.nn.functional.embedding_bag
        self.anchors = torch.from_numpy(anchors)
        per_row = transform.nnz // transform.shape[0]
        self.indices = torch.from_numpy(transform.indices.astype(np.int64).reshape(-1, per_row))
        self.values = torch.from_numpy(transform.data.reshape(-1, per_row))

    def rows(self, ids):
        chosen = self.torch.from_numpy(ids)
        indices, values = self.indices[chosen], self.values[chosen]
        return self.bag(indices, self.anchors, mode="sum", per_sample_weights=values).numpy()

    def means(self, bags):
        chosen = self.torch.from_numpy(bags)
        n = len(bags)
        indices, values = self.indices[chosen].reshape(n, -1), self.values[chosen].reshape(n, -1)
        return self.bag(indices, self.anchors, mode="sum", per_sample_weights=values).numpy() / bags.shape[1]


def torch_or_none(anchors, transform):
    try:
        return Torch(anchors, transform)
    except ImportError:
        return None


def on(isa, run, *arguments):
    with sv.use_isa(isa):
        return run(*arguments)


def check(contestants: dict, expected: np.ndarray) -> None:
    for name, run in contestants.items():
        tolerance = 2e-2 if "float16" in name else 1e-4
        assert np.allclose(run(), expected, atol=tolerance), name


def timing(title: str, contestants: dict, per: float, unit: str, peer: str, repeats: int) -> str:
    times = interleaved(contestants, repeats)
    rows = [[name, f"{seconds / per:.3g}", f"{times[peer] / seconds:.2f}"] for name, seconds in times.items()]
    return f"## {title}\n\n" + table(rows, ["", unit, f"times faster than {peer.partition(',')[0]}"])


def repeat(run, n: int) -> None:
    for _ in range(n):
        run()


def looking_up(mine, half, anchors, transform, E, peer, repeats):
    ids = np.random.default_rng(1).integers(0, len(mine), BATCH)
    contestants = {f"slimvec {isa}": partial(on, isa, mine.lookup, ids) for isa in sv.available_isas()}
    contestants["slimvec float16"] = partial(half.lookup, ids)
    contestants["SciPy, T[ids] @ A"] = lambda: transform[ids] @ anchors
    contestants["NumPy on the dense matrix, E[ids]"] = lambda: E[ids]
    if peer:
        contestants["torch embedding_bag"] = lambda: peer.rows(ids)
    check(contestants, E[ids])
    yield timing(f"{BATCH:,} random rows at once", contestants, BATCH / 1e9, "ns per row", "SciPy, T[ids] @ A", repeats)

    single = list(ids[:ONE_AT_A_TIME, None])
    rows = [int(i) for i in ids[:ONE_AT_A_TIME]]
    words = [mine.words[i] for i in rows]
    contestants = {
        "slimvec, lookup(array of one)": lambda: [mine.lookup(one) for one in single],
        "slimvec, table[row]": lambda: [mine[row] for row in rows],
        "slimvec, table[word]": lambda: [mine[word] for word in words],
        "SciPy, T[ids] @ A": lambda: [transform[one] @ anchors for one in single],
        "NumPy on the dense matrix, E[ids]": lambda: [E[one] for one in single],
    }
    if peer:
        contestants["torch embedding_bag"] = lambda: [peer.rows(one) for one in single]
    check({name: lambda run=run: np.array(run()).reshape(-1, mine.dim) for name, run in contestants.items()}, E[rows])
    title = f"One row per call: {ONE_AT_A_TIME} random rows, {PASSES} times over"
    again = {name: partial(repeat, run, PASSES) for name, run in contestants.items()}
    yield timing(title, again, PASSES * ONE_AT_A_TIME / 1e6, "us per call", "SciPy, T[ids] @ A", repeats)


def averaging(mine, half, anchors, transform, E, peer, repeats):
    n, size = len(mine), BAG
    bags = np.random.default_rng(2).integers(0, n, (BATCH, size))

    def scipy_means():
        pooling = csr_array((np.full(bags.size, 1 / size, np.float32), bags.ravel(), np.arange(0, bags.size + 1, size)),
                            (len(bags), n))  # fmt: skip
        return pooling @ transform @ anchors

    contestants = {f"slimvec {isa}": partial(on, isa, mine.mean, bags) for isa in sv.available_isas()}
    contestants["slimvec float16"] = partial(half.mean, bags)
    contestants["SciPy, P @ T @ A"] = scipy_means
    contestants["NumPy on the dense matrix, E[bags].mean"] = lambda: E[bags].mean(axis=1)
    if peer:
        contestants["torch embedding_bag"] = lambda: peer.means(bags)
    check(contestants, E[bags].mean(axis=1))
    title = f"Means of {BATCH:,} bags of {size} random rows"
    yield timing(title, contestants, BATCH / 1e6, "us per bag", "SciPy, P @ T @ A", repeats)


def searching(mine, half, anchors, transform, E, repeats):
    for n_queries in (1, QUERIES):
        queries = np.random.default_rng(3).standard_normal((n_queries, mine.dim), dtype=np.float32)

        def best(scores):
            found = np.argpartition(scores, -K, axis=1)[:, -K:]
            order = np.argsort(-np.take_along_axis(scores, found, 1), axis=1)
            return np.take_along_axis(found, order, 1)

        def scipy_search(queries=queries):
            if len(queries) == 1:
                return best((transform @ (anchors @ queries[0]))[None])
            return best(np.ascontiguousarray((transform @ (anchors @ queries.T)).T))

        def ours(threads, queries=queries, which=mine):
            return which.search(queries, K, metric="dot", threads=threads).indices

        contestants = {f"slimvec {isa}": partial(on, isa, ours, 1) for isa in sv.available_isas()}
        contestants["slimvec, two threads"] = partial(ours, 2)
        contestants["slimvec float16"] = partial(ours, 1, which=half)
        contestants["SciPy, T @ (A @ q) and argpartition"] = scipy_search
        contestants["NumPy on the dense matrix, E @ q and argpartition"] = lambda queries=queries: best(queries @ E.T)
        expected = ours(1)
        for name, run in contestants.items():
            assert np.array_equal(run(), expected) or "float16" in name, name
        name = f"Top {K} by inner product, {n_queries} {'query' if n_queries == 1 else 'queries'}"
        yield timing(name, contestants, n_queries / 1e3, "ms per query", "SciPy, T @ (A @ q) and argpartition", repeats)


def main():
    options = parser(__doc__, data=False, repeats=15)
    options.add_argument("--rows", type=int, default=400_000)
    given = options.parse_args()
    anchors, transform = make(given.rows, 500, 300, 10)
    words = [f"w{i}" for i in range(given.rows)]
    mine = sv.SparseTable(anchors, transform, words)
    half = sv.SparseTable(anchors, transform, dtype="float16")
    E = np.asarray(transform @ anchors)
    peer = torch_or_none(anchors, transform)
    sizes = {name: sum(made.info()["bytes"][part] for part in ("anchors", "transform", "norms")) / 1e6
             for name, made in (("float32", mine), ("float16", half))}  # fmt: skip
    about = (
        f"{given.rows:,} rows of 10 of 500 anchors, 300 columns: {sizes['float32']:.1f} MB ({sizes['float16']:.1f} as "
        f"float16), {E.nbytes / 1e6:.0f} dense. One thread but where it says two. "
        + (f"torch {peer.torch.__version__}." if peer else "torch is not installed here: not compared.")
    )
    parts = (mine, half, anchors, transform, E)
    sections = [about, *looking_up(*parts, peer, given.repeats), *averaging(*parts, peer, given.repeats),
                *searching(*parts, given.repeats)]  # fmt: skip
    write_result("sparse", "Sparse tables", sections)


if __name__ == "__main__":
    main()
