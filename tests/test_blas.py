"""Learning does not wait for a BLAS's threads, and what it learns does not depend on how many there are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import slimvec as sv
from processes import run
from slimvec import blas
from slimvec.binary import builder, calibrating

# Rows made without a BLAS; all that is learnt of them, as checksums, in an interpreter of its own.
LEARN = """
import json, sys, zlib
import numpy as np
import slimvec as sv
from slimvec.sparse.methods.compositional import CompositionalCodes

X = (np.random.default_rng(0).standard_normal((2500, 48)).cumsum(axis=1) * 0.3).astype("f4")
b = sv.baselines
methods = [
    sv.IIQ(40, 2, n_iter=5), sv.ITQ(n_iter=5), sv.IIQ(70, max_train_rows=1500, n_iter=5), b.NLB(64, n_epochs=1),
    b.RandomRotation(48), b.LowRank(10),
]
if sys.argv[1] == "train":
    methods += [
        sv.ANT(60, 4, n_rounds=2), sv.ANT(40, l1=2.0, n_rounds=1, orthogonality=0.1), b.PostSHKSVD(40, 4, n_rounds=1),
        b.PostSH(40, 4), b.VocabularyQuantization(40), b.HashEmbedding(40), b.SparseCode(40),
    ]
found = {}
for number, method in enumerate(methods):
    options = {"factors": True} if isinstance(method, sv.IIQ) else {}
    table = method.compress(X, **options)
    arrays = (table.lookup(range(2500)), getattr(method, "projection_", getattr(method, "anchors_", None)))
    found[f"{number} {method}"] = [zlib.crc32(np.ascontiguousarray(array).data) for array in arrays]
print(json.dumps(found))
"""


def learnt_with(threads):
    settings = {name: str(threads) for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")}
    try:
        import numba  # noqa: F401
        import scipy  # noqa: F401
    except ImportError:
        extra = "bare"
    else:
        extra = "train"
    command = [sys.executable, "-c", LEARN, extra]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | settings)
    return json.loads(done.stdout)


def test_any_number_of_threads_learns_the_same():
    one, other = (learnt_with(threads) for threads in (1, 3))
    assert len(one) >= 6
    assert other == one


# ---- holding the BLAS to one thread


@pytest.fixture
def calls():
    found = blas._thread_calls()
    if found is None:
        pytest.skip("this NumPy's BLAS is not one that is told its number of threads")
    get, put = found
    before = get()
    put(2)
    yield get
    put(before)


def test_the_number_comes_back_whoever_leaves_last(calls):
    with blas.one_thread():
        assert calls() == 1
        with blas.one_thread():
            assert calls() == 1
        assert calls() == 1
    assert calls() == 2

    first, second = blas.one_thread(), blas.one_thread()  # as in two threads
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert calls() == 1
    second.__exit__(None, None, None)
    assert calls() == 2

    with pytest.raises(ZeroDivisionError), blas.one_thread():
        raise ZeroDivisionError
    assert calls() == 2


def test_fitting_holds_it_and_lets_it_go(calls):
    X = np.random.default_rng(0).standard_normal((300, 16), dtype=np.float32)
    seen = []
    iiq = sv.IIQ(8, n_iter=3).fit(X, progress=lambda *_: seen.append(calls()))
    assert len(seen) > 3
    assert set(seen) == {1}
    assert calls() == 2
    iiq.transform(X)
    iiq.fit_blocks([X])
    with pytest.raises(ValueError, match="NaN"):
        iiq.fit(X * np.float32(np.nan))
    assert calls() == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_child_forked_while_the_lock_is_held_can_fit():
    code = """
import os
from slimvec import blas
with blas._bound._lock:
    child = os.fork()
    if child == 0:
        with blas.one_thread():
            os._exit(0)
    print(os.waitpid(child, 0)[1])
"""
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = run(command, seconds=20)
    assert done.stdout == "0\n", done.stderr


# ---- sharing rows


def test_results_come_in_order_and_few_wait(monkeypatch):
    monkeypatch.setattr(blas, "as_threads", lambda _: 3)
    asked, threads = [], set()

    def parts():
        for number in range(20):
            asked.append(number)
            yield number

    def work(number):
        threads.add(threading.get_ident())
        return number**2

    for expected, found in enumerate(blas.in_order(work, parts())):
        assert found == expected**2
        assert len(asked) <= expected + 5
    assert len(asked) == 20
    assert threading.get_ident() not in threads
    assert list(blas.in_order(work, [])) == []
    assert list(blas.in_order(work, [4])) == [16]


@pytest.mark.parametrize("partitions", [None, 5])
def test_a_table_is_made_by_all_threads_and_is_the_same_by_one(monkeypatch, tmp_path, partitions):
    X = np.random.default_rng(0).standard_normal((5500, 20), dtype=np.float32) * np.linspace(2, 0.3, 20)
    coding = sv.TransformCoding(30, refine_bits=2, partitions=partitions, n_iter=3).fit(X)
    files = []
    for module in (builder, calibrating):  # nobody asks for a recall here
        monkeypatch.setattr(module, "N_ASKING", 32)
    for n_threads in (1, 3):
        monkeypatch.setattr(blas, "as_threads", lambda _, n=n_threads: n)
        files.append(tmp_path / f"{n_threads}.slim")
        coding.to_table(X).save(files[-1])
    assert files[0].read_bytes() == files[1].read_bytes()
    X[[2500, 5499]] = np.inf  # in the third part of the first block of rows, and in the last part of the next one
    with pytest.raises(ValueError, match="in row 2500 "):
        coding.to_table(X)


def test_what_a_thread_raises_is_raised(monkeypatch):
    monkeypatch.setattr(blas, "as_threads", lambda _: 2)
    with pytest.raises(ZeroDivisionError):
        list(blas.in_order(lambda part: 1 / part, [2, 1, 0, 3]))
    huge = np.full((3000, 2), 1e30, np.float32)
    with np.errstate(over="ignore"):
        assert np.isinf(blas.product(huge, np.full((2, 2), 1e30, np.float32))).all()
    with np.errstate(over="raise"), pytest.raises(FloatingPointError):
        blas.product(huge, np.full((2, 2), 1e30, np.float32))


@pytest.mark.parametrize("n", [0, 1, 1024, 1025, 3000])
def test_products_are_products(n):
    generator = np.random.default_rng(n)
    left, right = generator.standard_normal((n, 7), dtype=np.float32), generator.standard_normal((7, 5))
    for matrix in (right.astype(np.float32), right):
        found = blas.product(left, matrix)
        assert found.dtype == (left @ matrix).dtype
        assert found == pytest.approx(left @ matrix, abs=1e-4)
    assert blas.gram(left) == pytest.approx(left.T.astype(float) @ left, rel=1e-4, abs=1e-2)
    assert blas.gram(left).dtype == np.float64
