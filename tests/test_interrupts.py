"""Ctrl-C stops what takes long on tables of millions of rows: lookups and means, of every kind of rows."""

from __future__ import annotations

import signal
import sys
import time

import numpy as np
import pytest
from scipy.sparse import csr_array

import slimvec as sv
from processes import patient, run

SCRIPT = """
import os, signal, threading, time
import numpy as np, slimvec as sv
from scipy.sparse import csr_array
signal.signal(signal.SIGINT, signal.default_int_handler)
generator = np.random.default_rng(0)
n = 2000
anchors, weights = generator.standard_normal((20, 64)), generator.standard_normal((n, 20))
if KIND == "binary":
    table = sv.IIQ(n_bits=64, n_remove=0).compress(weights @ anchors, factors=True)
else:
    table = sv.SparseTable(anchors, csr_array(weights), dtype=KIND)
ids = generator.integers(0, n, 1_500_000)
bag = ids.reshape(1, -1)  # one that is all
calls = {
    "lookup": lambda: table.lookup(ids),
    "original": lambda: table.lookup(ids, original=True),
    "mean": lambda: table.mean(bag),
    "bags": lambda: table.mean(ids.reshape(-1, 3)),
    "most_similar": lambda: table.most_similar(list(range(n)), k=3),
}
def press():
    time.sleep(0.1)
    pressed.append(time.perf_counter())
    os.kill(os.getpid(), signal.SIGINT)
for name in CALLS:
    pressed = []
    threading.Thread(target=press).start()
    try:
        while True:
            started = time.perf_counter()
            calls[name]()
    except KeyboardInterrupt:
        print(name, time.perf_counter() - pressed[0])
"""


@pytest.mark.parametrize(
    ("kind", "calls"),
    [
        ("binary", ["lookup", "original", "mean", "bags", "most_similar"]),
        ("float32", ["lookup", "mean", "bags"]),
        ("int4", ["lookup", "mean", "bags"]),
    ],
)
def test_ctrl_c_is_heard(kind, calls):
    code = SCRIPT.replace("KIND", repr(kind)).replace("CALLS", repr(calls))
    done = run([sys.executable, "-c", code])
    assert done.returncode == 0, done.stderr
    waited = dict(line.split() for line in done.stdout.splitlines())
    assert list(waited) == calls
    for name, seconds in waited.items():  # 50 ms between two looks; the rest is for busy machines
        assert float(seconds) < patient(1), name


@pytest.mark.parametrize("kind", ["binary", "float32", "int4"])
@pytest.mark.parametrize("work", ["lookup", "bag", "bags"])
def test_one_compiled_call_looks_at_signals_more_than_once(kind, work):
    """Without that, a handler runs when the call is over, once, however often the signal came."""
    generator = np.random.default_rng(0)
    if kind == "binary":
        rows = sv.BinaryTable(sv.pack(generator.standard_normal((500, 256))), 256)._parts.codes
        means = rows.bag_mean
    else:
        table = sv.SparseTable(generator.standard_normal((20, 64)), csr_array(np.ones((500, 20))), dtype=kind)
        rows = table._product
        means = lambda ids, offsets: rows.bag_mean(ids, offsets, None)  # noqa: E731
    heard = []
    before = signal.signal(signal.SIGALRM, lambda *_: heard.append(time.perf_counter()))
    try:
        taken, n_ids = 0.0, 50_000
        while taken < 0.25:  # as many as take long enough on this machine
            ids = generator.integers(0, 500, n_ids)
            offsets = np.array([0, n_ids]) if work == "bag" else np.arange(0, n_ids + 1, 2)
            signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
            started = time.perf_counter()
            _ = rows.lookup(ids) if work == "lookup" else means(ids, offsets)
            ended = time.perf_counter()
            signal.setitimer(signal.ITIMER_REAL, 0)
            taken = ended - started
            n_ids = int(n_ids * min(20, max(2, 0.35 / taken)))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert len([moment for moment in heard if started < moment < ended]) >= 2
