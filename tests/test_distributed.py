"""Layers under ``DistributedDataParallel``: two processes learn what one does, or it is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
nn = pytest.importorskip("slimvec.nn")
if not torch.distributed.is_available():
    pytest.skip("this torch has no torch.distributed", allow_module_level=True)
import two_processes  # noqa: E402 - needs torch
from processes import patient  # noqa: E402

SCRIPT = Path(two_processes.__file__)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Train in all ways by two processes; return what each has found."""
    folder = tmp_path_factory.mktemp("processes")
    outs = [folder / f"{rank}.pt" for rank in range(2)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    pair = [
        subprocess.Popen(
            [sys.executable, SCRIPT, folder / "store", str(rank), out],
            env=environment, stderr=subprocess.PIPE, text=True,
        )
        for rank, out in enumerate(outs)
    ]  # fmt: skip
    try:
        errors = [process.communicate(timeout=patient(600))[1] for process in pair]
    finally:
        for process in pair:
            process.kill()
    assert [process.returncode for process in pair] == [0, 0], errors
    return [torch.load(out, weights_only=True) for out in outs]


@pytest.mark.parametrize("way", ["dense", "dense, Adam", "lazy"])
def test_two_processes_learn_what_one_does(way, found):
    first, second = (states[way] for states in found)
    alone = two_processes.make(way, seed=0)
    start = {name: value.clone() for name, value in alone.state_dict().items()}
    expected = two_processes.train(way, alone, alone, two_processes.batches()).state_dict()
    assert first.keys() == second.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.allclose(first[name], second[name], rtol=1e-6, atol=1e-7), name
        assert torch.allclose(first[name], value, rtol=1e-4, atol=1e-5), name
        assert not torch.equal(value, start[name]), name
    assert 89 <= torch.count_nonzero(first["words.transform.weight"]) <= 90


def test_slots_are_refused(found):
    for states in found:
        assert 'storage="slots" in 2 processes' in states["slots"]


def test_anchors_that_come_and_go_are_refused(monkeypatch):
    layer = nn.AnchorEmbedding(20, 4, 3)
    optimizer = nn.ProximalSGD(layer)
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 3)
    with pytest.raises(RuntimeError, match="anchors in 3 processes"):
        nn.resize_anchors(layer, optimizer, [0, 1], [])
