"""Detection, listing and forcing of instruction sets."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import slimvec as sv
from slimvec import _core

PRINT_ISA = "import slimvec as sv; print(sv.active_isa())"


def run_python(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )


def test_the_fastest_available_is_the_default():
    assert run_python(PRINT_ISA, SLIMVEC_ISA="").stdout.strip() == sv.available_isas()[0]


def test_scalar_is_always_there_and_last():
    assert sv.available_isas()[-1] == "scalar"
    assert _core.built_isas()[-1].required == []


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="needs /proc/cpuinfo")
@pytest.mark.skipif(platform.machine() != "x86_64", reason="x86 feature names")
def test_detection_agrees_with_the_kernel():
    flags = re.search(r"^flags\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE).group(1).split()
    names = {"avx512vpopcntdq": "avx512_vpopcntdq", "avx512vnni": "avx512_vnni"}
    candidates = {name for isa in _core.built_isas() for name in isa.required}
    assert {name for name in candidates if names.get(name, name) in flags} == set(_core.cpu_features())
    for isa in _core.built_isas():
        runnable = set(isa.required) <= set(_core.cpu_features())
        assert (isa.name in sv.available_isas()) == runnable


def test_the_environment_forces(isa):
    assert run_python(PRINT_ISA, SLIMVEC_ISA=isa).stdout.strip() == isa


def test_use_isa_wins_over_the_environment(isa, monkeypatch):
    monkeypatch.setenv("SLIMVEC_ISA", "scalar")
    with sv.use_isa(isa):
        assert sv.active_isa() == isa
    assert sv.active_isa() == isa  # the fixture's own
    monkeypatch.setenv("SLIMVEC_ISA", "nonsense")
    assert sv.active_isa() == isa


@pytest.mark.parametrize("name", ["sse9", "", "AVX2"])
def test_unknown_names_are_refused(name):
    with pytest.raises(ValueError, match=r"no such instruction set; available: .*scalar"), sv.use_isa(name):
        pass


def test_an_unknown_name_in_the_environment_is_reported_when_used():
    result = run_python("import slimvec as sv; sv.pack([[1.0]])", SLIMVEC_ISA="sse9")
    assert result.returncode == 1
    assert "SLIMVEC_ISA='sse9': no such instruction set; available:" in result.stderr


@pytest.mark.skipif(len(_core.built_isas()) == len(_core.available_isas()), reason="this CPU runs every ISA built")
def test_an_isa_beyond_this_cpu_is_refused():
    missing = next(isa.name for isa in _core.built_isas() if isa.name not in sv.available_isas())
    with pytest.raises(ValueError, match="this machine cannot run it"), sv.use_isa(missing):
        pass


def test_forcing_stays_in_its_thread(isa):
    seen = []
    thread = threading.Thread(target=lambda: seen.append(sv.active_isa()))
    thread.start()
    thread.join()
    assert seen == [os.environ.get("SLIMVEC_ISA") or sv.available_isas()[0]]


def test_forcing_ends_with_an_exception():
    before = sv.active_isa()
    with pytest.raises(RuntimeError), sv.use_isa("scalar"):
        raise RuntimeError
    assert sv.active_isa() == before
