"""Python without its global lock: importing slimvec leaves it off, and an index bears eight threads at once.

The tests run on every Python; on one without the lock, threads are in the compiled code and in Python's at once.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import threading

import numpy as np
import pytest

import slimvec as sv
from processes import patient

N_THREADS, N_ROUNDS = 8, 12


def at_once(work):
    """Run ``work(thread)`` in eight threads that begin together; what one raises is raised here."""
    errors, ready = [], threading.Barrier(N_THREADS)

    def run(thread):
        try:
            ready.wait(timeout=patient(60))
            for _ in range(N_ROUNDS):
                work(thread)
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=run, args=(thread,)) for thread in range(N_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=patient(300))
        assert not thread.is_alive()
    if errors:
        raise errors[0]


def test_the_lock_stays_off():
    if not sysconfig.get_config_var("Py_GIL_DISABLED"):
        pytest.skip("this Python has its lock for good")
    code = "import sys, slimvec; print(sys._is_gil_enabled())"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("threads", [1, 3])
def test_one_table_asked_by_eight_threads(threads, tmp_path):
    matrix = np.random.default_rng(0).standard_normal((3000, 40), dtype=np.float32)
    words = [f"word{i}" for i in range(3000)]
    sv.IIQ(n_bits=40, n_remove=0).compress(sv.Vectors(words, matrix), factors=True).save(tmp_path / "t.slim")
    table = sv.open(tmp_path / "t.slim")
    asked = [matrix[100 * thread : 100 * thread + 20] for thread in range(N_THREADS)]
    expected = [table.search(queries, k=5, threads=1) for queries in asked]
    near = [table.most_similar(f"word{thread}", k=4) for thread in range(N_THREADS)]

    def work(thread):
        scores, rows = table.search(asked[thread], k=5, threads=threads)
        assert np.array_equal(rows, expected[thread].indices)
        assert np.array_equal(scores, expected[thread].scores)
        assert table.most_similar(f"word{thread}", k=4) == near[thread]
        with sv.use_isa("scalar"):  # in this thread alone
            assert sv.active_isa() == "scalar"
            assert np.array_equal(table.search(asked[thread], k=5, threads=threads).indices, rows)

    at_once(work)


def test_one_index_searched_by_seven_threads_and_changed_by_one():
    generator = np.random.default_rng(1)
    matrix = generator.standard_normal((2000, 32), dtype=np.float32)
    names = [f"id{i}" for i in range(1000)]
    index = sv.Index.build(matrix[:1000], ids=names)
    expected = [[name] for name in names[:20]]
    assert index.search(matrix[:20], k=1).ids == expected

    def work(thread):
        if thread == 0:
            more = [f"more{i}" for i in range(200)]
            index.add(matrix[1000:1200] + 50, ids=more)
            index.remove(more)
        else:
            assert index.search(matrix[:20], k=1).ids == expected

    at_once(work)
    assert len(index) == 1000
