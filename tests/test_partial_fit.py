"""Rows that are added bit by bit: after each call what a fit of all of them gives, and nothing if a call fails."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import slimvec as sv
from slimvec.blocks import BLOCK_ROWS

D = 6
FITTED = ("mean_", "projection_", "singular_values_")
METHODS = {
    "IIQ": lambda **options: sv.IIQ(n_bits=5, n_iter=2, max_train_rows=300, **options),
    "ITQ": lambda **options: sv.ITQ(n_bits=5, n_iter=2, max_train_rows=300, **options),
    "TransformCoding": lambda **options: sv.TransformCoding(n_bits=8, n_iter=2, max_train_rows=300, **options),
}


@pytest.fixture(scope="module")
def matrix():
    generator = np.random.default_rng(0)
    return (generator.standard_normal((2 * BLOCK_ROWS + 700, D)) * np.linspace(3, 1, D) + 0.3).astype(np.float16)


def assert_same(fitted, expected):
    for name in FITTED:
        assert np.array_equal(getattr(fitted, name), getattr(expected, name)), name
    assert fitted.n_samples_seen_ == expected.n_samples_seen_


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("cuts", [[], [1], [BLOCK_ROWS], [10, 10, 5000, 8191]], ids=str)
def test_the_same_as_one_fit(matrix, name, cuts):
    fitted = METHODS[name]()
    for part in np.split(matrix, cuts):
        assert fitted.partial_fit(part) is fitted
    assert_same(fitted, METHODS[name]().fit(matrix))
    assert np.array_equal(fitted.transform(matrix), METHODS[name]().fit(matrix).transform(matrix))


@settings(max_examples=15, deadline=None)
@given(sizes=st.lists(st.integers(0, 40), min_size=1, max_size=6).filter(sum), seed=st.integers(0, 9))
def test_after_every_call(sizes, seed):
    rows = np.random.default_rng(seed).standard_normal((sum(sizes), 4), dtype=np.float32)
    fitted, n = sv.IIQ(n_bits=3, n_remove=0, n_iter=1, random_state=seed), 0
    for size in sizes:
        part, n = rows[n : n + size], n + size
        if n:
            fitted.partial_fit(part)
            assert_same(fitted, sv.IIQ(n_bits=3, n_remove=0, n_iter=1, random_state=seed).fit(rows[:n]))


def test_a_stream_that_fails_changes_nothing(matrix):
    fitted = METHODS["TransformCoding"]().partial_fit(matrix[:1000])
    fitted.n_bits = 36  # more than rows of one direction take
    line = np.arange(1000.0)[:, None] * np.ones(D)
    for fail in (lambda: fitted.fit_blocks([line]), lambda: fitted.fit_sums(fitted.sums(D).update(line))):
        with pytest.raises(ValueError, match="n_bits=36; expected at most 6"):
            fail()
    fitted.n_bits = 8
    assert_same(fitted.partial_fit(matrix[1000:]), METHODS["TransformCoding"]().fit(matrix))


@pytest.mark.parametrize("n", [100, BLOCK_ROWS])
def test_blocks_of_other_widths_are_refused(matrix, n):
    with pytest.raises(ValueError, match="blocks has 3 columns; expected 6"):
        METHODS["IIQ"]().fit_blocks([matrix[:n], matrix[:n, :3]])


def test_blocks_and_sums_without_rows(matrix):
    blocks = [np.empty((0, 0)), matrix[:300], np.empty((0, D)), matrix[300:500]]
    assert_same(METHODS["IIQ"]().fit_blocks(blocks), METHODS["IIQ"]().fit(matrix[:500]))
    fitted = METHODS["IIQ"]()
    with pytest.raises(ValueError, match="no rows were added"):
        fitted.fit_sums(fitted.sums(D))


def test_buffers_that_are_filled_again(matrix):
    buffer, fitted = np.empty((100, D), np.float16), METHODS["IIQ"]()
    for first in range(0, 1000, 100):
        buffer[:] = matrix[first : first + 100]
        fitted.partial_fit(buffer)
    assert_same(fitted, METHODS["IIQ"]().fit(matrix[:1000]))


@pytest.mark.parametrize("again", ["fit", "fit_blocks", "fit_sums"])
def test_fit_begins_anew(matrix, again):
    fitted = METHODS["IIQ"]().partial_fit(matrix[:500])
    given = {
        "fit": lambda: fitted.fit(matrix[500:900]),
        "fit_blocks": lambda: fitted.fit_blocks([matrix[500:900]]),
        "fit_sums": lambda: fitted.fit_sums(fitted.sums(D).update(matrix[500:900])),
    }
    given[again]()
    assert_same(fitted, METHODS["IIQ"]().fit(matrix[500:900]))
    fitted.partial_fit(matrix[:500])
    assert_same(fitted, METHODS["IIQ"]().fit(matrix[:500]))


def test_going_on_elsewhere(matrix):
    fitted = copy.deepcopy(METHODS["IIQ"]().partial_fit(matrix[:5000]))
    assert_same(fitted.partial_fit(matrix[5000:]), METHODS["IIQ"]().fit(matrix))


def test_a_call_that_fails_changes_nothing(matrix):
    fitted = METHODS["IIQ"]().partial_fit(matrix[:500])
    before = dict(vars(fitted))
    bad = matrix[500:600].copy()
    bad[7, 2] = np.nan
    with pytest.raises(ValueError, match="X holds NaN or infinity in row 507 "):
        fitted.partial_fit(bad)
    with pytest.raises(ValueError, match="X has 5 columns; expected 6"):
        fitted.partial_fit(matrix[:10, :5])
    assert vars(fitted) == before
    assert_same(fitted.partial_fit(matrix[500:1000]), METHODS["IIQ"]().fit(matrix[:1000]))
    with pytest.raises(ValueError, match="X is empty"):
        METHODS["IIQ"]().partial_fit(matrix[:0])
    with pytest.raises(ValueError, match="n_bits"):
        sv.IIQ(n_bits=0).partial_fit(matrix)
