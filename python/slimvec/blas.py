"""Products of rows by threads of our own, and NumPy's BLAS held to one thread meanwhile.

Threads of a BLAS wait for each other by spinning: where other programs are busy, or a container is given a part of the
cores, the small factorisations that learning takes can need ten times as long. They also cut sums by their own number,
so that last bits, and with them codes, would depend on how many there are. Here rows are cut in parts of one size, each
part is one thread's, and sums are added up in the order of the parts.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from slimvec.validation import as_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    Part = TypeVar("Part")
    Made = TypeVar("Made")

PRODUCTS = 1 << 23  # of rows and centroids, at a time and for each thread: 32 MB
PART_ROWS = 1024  # 300 columns times 300: 2 to 4 ms, beside which a thread's start is nothing

# How NumPy's wheels, other builds of OpenBLAS, and MKL are asked for their number of threads, and told it.
THREAD_CALLS = (
    ("scipy_openblas_get_num_threads64_", "scipy_openblas_set_num_threads64_"),
    ("scipy_openblas_get_num_threads", "scipy_openblas_set_num_threads"),
    ("openblas_get_num_threads64_", "openblas_set_num_threads64_"),
    ("openblas_get_num_threads", "openblas_set_num_threads"),
    ("MKL_Get_Max_Threads", "MKL_Set_Num_Threads"),
)


class _Bound:
    """Who holds the BLAS to one thread. Its number is the whole process's, so those who hold it are counted here."""

    def __init__(self) -> None:
        self._before: list[int] = []  # the number to go back to, once for each who holds it
        self.renew()

    def renew(self) -> None:
        """Make the lock anew: in a forked child that of the parent may be held for ever."""
        self._lock = threading.Lock()

    def enter(self, get: Callable[[], int], put: Callable[[int], object]) -> None:
        with self._lock:
            self._before.append(self._before[0] if self._before else get())
            if len(self._before) == 1 != self._before[0]:
                put(1)

    def leave(self, put: Callable[[int], object]) -> None:
        with self._lock:
            before = self._before.pop()
            if not self._before and before != 1:
                put(before)


_alone: ContextVar[bool] = ContextVar("alone", default=False)  # whether a worker's task is being done
_bound = _Bound()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_bound.renew)


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold NumPy's BLAS to one thread; at once and nested, too. A BLAS that cannot be told so stays as it is."""
    calls = _thread_calls()
    if calls is None:
        yield
        return
    _bound.enter(*calls)
    try:
        yield
    finally:
        _bound.leave(calls[1])


@contextmanager
def alone() -> Iterator[None]:
    """Do what follows by this thread alone: the task of one of several workers, who take a CPU each."""
    token = _alone.set(True)
    try:
        with one_thread():
            yield
    finally:
        _alone.reset(token)


def cpus() -> int:
    """Return by how many threads rows are gone over: the CPUs that this process may use, or one in :func:`alone`."""
    return 1 if _alone.get() else as_threads(None)


@cache
def _thread_calls() -> tuple[Any, Any] | None:
    """Return what gets and sets the number of threads of the BLAS that NumPy calls.

    Asked for in the extension module that calls it, a name is looked up in the libraries that this one was linked to.
    """
    import ctypes

    try:
        library = ctypes.CDLL(np.linalg._umath_linalg.__file__)
    except (AttributeError, OSError):
        return None
    found = ((getattr(library, get, None), getattr(library, put, None)) for get, put in THREAD_CALLS)
    return next(((get, put) for get, put in found if get is not None and put is not None), None)


def in_order(work: Callable[[Part], Made], parts: Iterable[Part]) -> Iterator[Made]:
    """Yield ``work(part)`` of each part, in order, made by as many threads as there are CPUs; few parts wait at once.

    What ``numpy.errstate`` says holds for them, too.
    """
    n_threads = cpus()
    parts = iter(parts)
    first = list(islice(parts, 2))
    if n_threads == 1 or len(first) < 2:
        yield from map(work, first)
        yield from map(work, parts)
        return
    from concurrent.futures import Future, ThreadPoolExecutor  # brings logging, which importing slimvec does without

    waiting: deque[Future[Made]] = deque()
    with ThreadPoolExecutor(n_threads) as pool:
        for ahead in (first, parts):
            for part in ahead:
                waiting.append(pool.submit(copy_context().run, work, part))
                if len(waiting) > n_threads:
                    yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def row_parts(n_rows: int) -> Iterator[slice]:
    """Yield the parts that rows are cut into, whatever the number of threads."""
    return (slice(first, first + PART_ROWS) for first in range(0, n_rows, PART_ROWS))


def product(left: NDArray[Any], right: NDArray[Any]) -> NDArray[Any]:
    """Return ``left @ right``, ``(m, d)`` by ``(d, k)``: the same bits for any number of threads."""
    with one_thread():
        if len(left) <= PART_ROWS:  # a query or a few
            return np.asarray(left @ right)
        out = np.empty((len(left), right.shape[1]), np.result_type(left, right))
        for _ in in_order(lambda part: np.matmul(left[part], right, out=out[part]), row_parts(len(left))):
            pass
    return out


def gram(rows: NDArray[Any]) -> NDArray[np.float64]:
    """Return ``rows.T @ rows``, ``(d, d)``: parts in the precision of the rows, their sum in float64."""
    total = np.zeros((rows.shape[1], rows.shape[1]))
    with one_thread():
        for products in in_order(lambda part: rows[part].T @ rows[part], row_parts(len(rows))):
            total += products
    return total


def nearest(rows: NDArray[np.float32], centroids: NDArray[np.float32]) -> NDArray[np.int32]:
    """Return which centroid ``(n_lists, d)`` is nearest to each row ``(n, d)``, ties to the first.

    ‖x - c‖² is smallest where ⟨x, c⟩ - ‖c‖² / 2 is largest.
    """
    halves = np.einsum("ij,ij->i", centroids, centroids) / 2
    size = max(1, PRODUCTS // max(1, len(centroids)))

    def of_part(part: slice) -> NDArray[np.int32]:
        found = []
        for first in range(part.start, min(part.stop, len(rows)), size):
            products = rows[first : min(first + size, part.stop)] @ centroids.T
            products -= halves
            found.append(products.argmax(axis=1).astype(np.int32))
        return np.concatenate(found)

    with one_thread():
        return np.concatenate([np.empty(0, np.int32), *in_order(of_part, row_parts(len(rows)))])
