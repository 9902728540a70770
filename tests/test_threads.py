"""Searching from many threads, after a fork, and stopping a search by Ctrl-C."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

import numpy as np
import pytest
from scipy.sparse import csr_array

import slimvec as sv
from conftest import random_codes
from processes import patient, run


def test_eight_threads_search_while_another_opens_and_closes_tables(tmp_path):
    codes = random_codes(50_000, 128)
    table = sv.BinaryTable(codes, 128)
    table.save(tmp_path / "table")
    queries = random_codes(64, 128, seed=2)
    expected = table.search_codes(queries, k=5, threads=1)
    wrong = []
    done = threading.Event()

    def open_and_close():
        while not done.is_set():
            opened = sv.open(tmp_path / "table")
            if not np.array_equal(opened.search_codes(queries[:2], k=5, threads=2).indices, expected.indices[:2]):
                wrong.append("opened")
            del opened

    def search(q):
        for threads in (1, 2, 3, 8) * 3:
            found = table.search_codes(queries[q::8], k=5, threads=threads)
            if not np.array_equal(found.indices, expected.indices[q::8]):
                wrong.append(q)

    opener = threading.Thread(target=open_and_close)
    searchers = [threading.Thread(target=search, args=(q,)) for q in range(8)]
    for thread in (opener, *searchers):
        thread.start()
    for thread in searchers:
        thread.join()
    done.set()
    opener.join()
    assert wrong == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_search_after_a_fork():
    """The parent's pool has threads by then; a child that waited for them would never end."""
    code = """
import os, numpy as np, slimvec as sv
codes = np.random.default_rng(0).integers(0, 256, (200_000, 32), np.uint8)
index = sv.HammingIndex(codes)
before = index.search(codes[:100], k=3, threads=3).indices
child = os.fork()
if child == 0:
    os._exit(0 if np.array_equal(index.search(codes[:100], k=3, threads=3).indices, before) else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert np.array_equal(index.search(codes[:100], k=3, threads=3).indices, before)
print("same")
"""
    assert run([sys.executable, "-c", code]).stdout == "same\n"


@pytest.fixture(scope="module")
def long_searches():
    """Searches that take minutes if nothing stops them, by name, and a short one on the same pool of threads."""
    generator = np.random.default_rng(0)
    codes = generator.integers(0, 256, (300_000, 32), np.uint8)
    index = sv.HammingIndex(codes)
    vectors = generator.standard_normal((2_000, 64), dtype=np.float32)
    table = sv.ITQ(n_iter=1).compress(vectors, factors=True)
    weights = np.ones((20_000, 64)) * (generator.random((20_000, 64)) < 0.1)
    sparse = sv.SparseTable(generator.standard_normal((64, 64)), csr_array(weights))
    many, more = np.tile(codes, (20, 1)), np.tile(vectors, (200, 1))
    return {
        "search": lambda threads: index.search(many, k=5, threads=threads),
        "range": lambda threads: index.range_search(many, radius=60, threads=threads),
        "pairwise": lambda threads: index.pairwise(codes[:500], threads=threads),
        "sparse": lambda threads: sparse.search(more, threads=threads),
        "scan": lambda threads: table.search(more, oversample=None, threads=threads),
        "short": lambda threads: index.search(codes[:3], k=1, threads=threads),
    }


@pytest.mark.parametrize("which", ["search", "range", "pairwise", "scan", "sparse"])
@pytest.mark.parametrize("threads", [1, 2])
def test_ctrl_c_stops_a_long_search(long_searches, which, threads):
    pressed = []

    def press():
        time.sleep(0.3)
        pressed.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    finger = threading.Thread(target=press)
    try:
        with pytest.raises(KeyboardInterrupt):  # noqa: PT012 - short searches go on until it is pressed
            finger.start()
            while True:
                long_searches[which](threads)
        stopped = time.perf_counter()
    finally:
        finger.join()
        signal.signal(signal.SIGINT, before)
    # 50 ms between two looks at the signals; the rest is for busy machines. Without looks it would take minutes.
    assert stopped - pressed[0] < patient(20)
    assert long_searches["short"](threads).distances.tolist() == [[0], [0], [0]]  # the pool is none the worse


def test_what_a_handler_raises_arrives():
    """Any exception of any signal handler, not only KeyboardInterrupt; handlers that return let the search go on."""

    class Stop(Exception):
        pass

    codes = random_codes(100_000, 256)
    index = sv.HammingIndex(codes)
    calls = []

    def handler(*_):
        calls.append(time.perf_counter())
        if len(calls) == 3:
            signal.setitimer(signal.ITIMER_REAL, 0)
            raise Stop

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1)
    try:
        with pytest.raises(Stop):
            index.search(np.tile(codes, (50, 1)), k=2)  # minutes, if nothing stopped it
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert len(calls) == 3
