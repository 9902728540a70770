"""Mean and scatter: against NumPy in float64, merged in any way, far from the origin."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slimvec.binary.training.moments import Moments


def exact(rows):
    rows = rows.astype(np.float64)
    centred = rows - rows.mean(axis=0)
    return rows.mean(axis=0), centred.T @ centred


def assert_close(moments, rows):
    mean, scatter = moments.finalize()
    true_mean, true_scatter = exact(rows)
    scale = np.abs(true_scatter).max() or 1.0
    assert np.allclose(mean, true_mean, rtol=1e-6, atol=1e-6)
    assert np.abs(scatter - true_scatter).max() <= 1e-5 * scale
    assert moments.count == len(rows)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8])
@pytest.mark.parametrize("order", ["C", "F"])
def test_dtypes_and_orders(dtype, order):
    rows = (10 * np.random.default_rng(0).standard_normal((500, 7))).astype(dtype, order=order)
    assert_close(Moments(7).update(rows), rows)


def test_a_large_mean_costs_no_digits():
    rows = 1000 + np.random.default_rng(0).standard_normal((5000, 5), dtype=np.float32)
    moments = Moments(5)
    for block in np.array_split(rows, 9):
        moments.update(block)
    assert_close(moments, rows)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=6), st.integers(0, 1000), st.floats(-50, 50))
def test_merging_equals_one_pass(sizes, seed, offset):
    generator = np.random.default_rng(seed)
    blocks = [generator.standard_normal((size, 4)) * (i + 1) + offset * i for i, size in enumerate([*sizes, 1])]
    left, right = Moments(4), Moments(4)
    for i, block in enumerate(blocks):
        (left if i % 2 else right).update(block)
    assert_close(left.merge(right), np.concatenate(blocks))


def test_the_input_is_left_alone():
    rows = np.random.default_rng(0).standard_normal((50, 3), dtype=np.float32)
    copy = rows.copy()
    Moments(3).update(rows)
    assert np.array_equal(rows, copy)


def test_bad_rows_are_named():
    rows = np.zeros((10, 2), np.float32)
    moments = Moments(2).update(rows)
    rows[3, 1] = np.nan
    with pytest.raises(ValueError, match="X holds NaN or infinity in row 13"):
        moments.update(rows)


def test_overflow_is_not_called_nan():
    with pytest.raises(ValueError, match="too large to square"):
        Moments(1).update(np.array([[1e300], [-1e300]]))


@pytest.mark.parametrize("scale", [1e-37, 1e-30, 1e-18, 1e18, 1e37])
def test_squares_beyond_float32_are_taken_in_float64(scale):
    rows = (scale * np.random.default_rng(0).standard_normal((500, 4))).astype(np.float32)
    _, scatter = Moments(4).update(rows[:100]).update(rows[100:]).finalize()
    assert scatter == pytest.approx(exact(rows)[1], rel=1e-4, abs=1e-4 * 500 * scale**2)


def test_mean_and_merge_keep_every_digit():
    """The shift is subtracted as float32; what is remembered must be the same number."""
    rows = (1e6 + np.random.default_rng(0).standard_normal((2000, 3))).astype(np.float32)
    merged = Moments(3).update(rows[:700]).merge(Moments(3).update(rows[700:]))
    mean, scatter = merged.finalize()
    assert np.abs(mean - rows.mean(axis=0, dtype=np.float64)).max() < 1e-6
    assert scatter == pytest.approx(exact(rows)[1], rel=1e-5, abs=1e-2)


def test_nothing_seen():
    with pytest.raises(ValueError, match="no rows"):
        Moments(2).finalize()
