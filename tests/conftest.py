"""Shared by all tests: every instruction set as a fixture, and random codes."""

from __future__ import annotations

import os

# The threads of SciPy's BLAS wait for each other by spinning, which takes the cores from the other half of the tests.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pytest
from hypothesis import settings

import slimvec as sv
from slimvec import _core

# A busy machine is no fault of what it tests: no example has a time limit.
settings.register_profile("usual", deadline=None)
settings.load_profile("usual")
# For an hour of damaged files: pytest tests/test_damaged_*.py --hypothesis-profile=long
settings.register_profile("long", deadline=None, max_examples=20_000)

BUILT = [isa.name for isa in _core.built_isas()]


def pytest_report_header():
    return f"instruction sets built: {', '.join(BUILT)}; this CPU runs: {', '.join(sv.available_isas())}"


@pytest.fixture(params=BUILT)
def isa(request):
    """Run a test on one instruction set, and make sure that it is the one in use."""
    if request.param not in sv.available_isas():
        pytest.skip(f"{request.param}: this CPU cannot run it")
    with sv.use_isa(request.param):
        assert sv.active_isa() == request.param
        yield request.param


def each_isa():
    """Use one instruction set after the other, of those that this CPU runs: for a twin that is slow to ask again."""
    for name in sv.available_isas():
        with sv.use_isa(name):
            assert sv.active_isa() == name
            yield name


def random_codes(n, n_bits, seed=0):
    """Return codes of bits that are 0 or 1 alike often; those that fill the last byte are 0."""
    codes = np.random.default_rng(seed).integers(0, 256, (n, -(-n_bits // 8)), np.uint8)
    codes[:, -1] &= 0xFF >> (-n_bits % 8)
    return codes


def assert_same_content(first, second):
    """Two tables have the same facts and the same tensors."""
    a, b = first.to_content(), second.to_content()
    assert a[0] == b[0]
    assert a[1].keys() == b[1].keys()
    for name, tensor in a[1].items():
        assert np.array_equal(tensor, b[1][name]), name


@pytest.fixture(scope="session")
def animals():
    """A small table with words and an encoder, from vectors with two obvious groups."""
    generator = np.random.default_rng(3)
    centres = np.repeat(generator.standard_normal((2, 40)), 20, axis=0)
    matrix = (centres + 0.5 * generator.standard_normal((40, 40))).astype(np.float32)
    words = [f"cat{i}" for i in range(20)] + [f"boat{i}" for i in range(20)]
    return sv.Vectors(words, matrix)


@pytest.fixture(scope="session")
def table(animals):
    return sv.IIQ(n_bits=75, n_remove=0).compress(animals)
