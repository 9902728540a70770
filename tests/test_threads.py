"""Searching from many threads, after a fork, and stopping a search by Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import slimvec as sv
from conftest import random_codes


def run_python(code, **options):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, **options)


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
    assert run_python(code, timeout=60).stdout == "same\n"


INTERRUPTED = """
import os, signal, sys, threading, time
import numpy as np, slimvec as sv
generator = np.random.default_rng(0)
codes = generator.integers(0, 256, (300_000, 32), np.uint8)
index = sv.HammingIndex(codes)
vectors = generator.standard_normal((2_000, 64), dtype=np.float32)
table = sv.ITQ(n_iter=1).compress(vectors, factors=True)
many = np.tile(codes, (20, 1))
runs = {
    "search": lambda: index.search(many, k=5, threads=THREADS),
    "range": lambda: index.range_search(many, radius=60, threads=THREADS),
    "pairwise": lambda: index.pairwise(codes[:500], threads=THREADS),
    "sparse": lambda: sparse.search(np.tile(vectors, (200, 1)), threads=THREADS),
    "scan": lambda: table.search(np.tile(vectors, (200, 1)), oversample=None, threads=THREADS),
}
values = np.ones((20_000, 64)) * (generator.random((20_000, 64)) < 0.1)
from scipy.sparse import csr_array
sparse = sv.SparseTable(generator.standard_normal((64, 64)), csr_array(values))
pressed = []
def press():
    time.sleep(0.5)
    pressed.append(time.perf_counter())
    os.kill(os.getpid(), signal.SIGINT)
thread = threading.Thread(target=press)
thread.start()
try:
    while True: runs[WHICH]()
except KeyboardInterrupt:
    print(time.perf_counter() - pressed[0])
thread.join()
index.search(codes[:3], k=1, threads=THREADS)  # the pool is none the worse
"""


@pytest.mark.parametrize("which", ["search", "range", "pairwise", "scan", "sparse"])
@pytest.mark.parametrize("threads", [1, 2])
def test_ctrl_c_stops_a_long_search(which, threads):
    done = run_python(INTERRUPTED.replace("WHICH", repr(which)).replace("THREADS", str(threads)), timeout=120)
    assert done.returncode == 0, done.stderr
    # 50 ms between two looks at the signals; the rest is for busy machines. Without looks it would take minutes.
    assert float(done.stdout) < 20


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
