"""What the solvers share: SciPy's matrices, threads, putting blocks of T together."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.errors import needs
from slimvec.validation import as_threads

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    from slimvec.vectors import Vectors

FEWEST_ROWS = 64  # per thread: under a millisecond's work


def sparse() -> Any:
    """Return ``scipy.sparse``, which is optional."""
    with needs("SciPy", "train"):
        import scipy.sparse
    return scipy.sparse


def in_threads(work: Callable[[slice], None], n_rows: int, threads: int | None) -> None:
    """Call ``work`` on slices that make up all rows, at once; the loops release the GIL."""
    count = max(1, min(as_threads(threads), n_rows // FEWEST_ROWS))
    bounds = np.linspace(0, n_rows, count + 1).astype(int).tolist()
    parts = [slice(begin, end) for begin, end in pairwise(bounds)]
    if count == 1:
        work(parts[0])
        return
    from concurrent.futures import ThreadPoolExecutor  # brings logging, which importing slimvec does without

    with ThreadPoolExecutor(count) as pool:
        list(pool.map(work, parts))  # list: raises what a thread raised


def as_csr(columns: NDArray[np.int32], values: NDArray[np.float32], counts: NDArray[np.int64], n_atoms: int) -> Any:
    used = np.arange(columns.shape[1]) < counts[:, None]
    indptr = np.concatenate([[0], np.cumsum(counts)])
    block = sparse().csr_array((values[used], columns[used], indptr), shape=(len(counts), n_atoms))
    block.sort_indices()
    return block


def stack(parts: list[Any], n_atoms: int) -> Any:
    return sparse().vstack(parts, format="csr") if parts else sparse().csr_array((0, n_atoms), dtype=np.float32)


def n_rows(X: ArrayLike | Vectors) -> int:
    """Return how many rows an array-like or Vectors has."""
    return len(np.asarray(X))
