"""The weight of errors along rows themselves: scores of the rows found are right, and more of them are found."""

from dataclasses import replace

import numpy as np
import pytest

import slimvec as sv
from slimvec.binary.levels import Grid
from slimvec.binary.methods import transform_coding
from slimvec.binary.methods.parallel_errors import OCTAVES, weigh_parallel

K = 10


def near_rows(n, d):
    """Rows of unit length in tight groups, whose directions vary equally."""
    generator = np.random.default_rng(0)
    rows = np.repeat(generator.standard_normal((n // 20, d)), 20, axis=0) + 0.8 * generator.standard_normal((n, d))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def told(X, queries, **settings):
    """Return the share of true neighbours found, and the mean error of their scores."""
    found = sv.TransformCoding(X.shape[1] // 2, **settings).compress(X).search(queries, K)
    exact = queries @ X.T
    truth = np.argsort(-exact, axis=1)[:, :K]
    recall = np.mean([len(np.intersect1d(*pair)) / K for pair in zip(found.indices, truth, strict=True)])
    return recall, float((found.scores - np.take_along_axis(exact, found.indices, axis=1)).mean())


def grid_and_rows(n=2000, d=64):
    """A grid of one bit for half of the directions, and rows along all of them."""
    rows, half = near_rows(n, d), d // 2
    steps = np.full(half, 1.6 / np.sqrt(d), np.float32)
    return Grid(np.ones(half, np.uint8), steps, np.ones(half, np.float32), 0.5, 2), rows


@pytest.mark.parametrize("settings", [{}, {"partitions": 8, "random_state": 1}, {"n_remove": 2}], ids=str)
def test_scores_of_the_nearest_are_right(settings, monkeypatch):
    rows = near_rows(6000, 64)
    X, queries = np.delete(rows, np.s_[::20], axis=0), rows[::20]
    recall, error = told(X, queries, **settings)
    monkeypatch.setattr(transform_coding, "weigh_parallel", lambda grid, *_: grid)
    recall_without, error_without = told(X, queries, **settings)
    assert error_without < -0.1
    assert abs(error) < 0.05
    assert recall > recall_without


def test_refined_codes_keep_their_weight(monkeypatch):
    """Second codes make scores right, and have more to tell where scales overshoot."""
    X = near_rows(2000, 32)
    coding = sv.TransformCoding(16, refine_bits=2).fit(X)
    monkeypatch.setattr(transform_coding, "weigh_parallel", lambda grid, *_: grid)
    assert coding._learnt.grid.parallel == sv.TransformCoding(16).fit(X)._learnt.grid.parallel


def test_the_sample_decides():
    grid, rows = grid_and_rows()
    mean = np.zeros(rows.shape[1], np.float32)
    heavier = weigh_parallel(grid, rows, mean, len(rows))
    assert grid.parallel < heavier.parallel <= grid.parallel * 2**OCTAVES
    lighter = weigh_parallel(replace(grid, parallel=100 * heavier.parallel), rows, mean, len(rows))
    assert lighter.parallel < 100 * heavier.parallel
    assert weigh_parallel(heavier, rows, mean, len(rows)).parallel == pytest.approx(heavier.parallel, rel=0.1)
    assert weigh_parallel(grid, rows, mean, len(rows)).parallel == heavier.parallel


def test_where_nothing_is_wrong_nothing_changes():
    grid, rows = grid_and_rows()
    d = rows.shape[1]
    whole = replace(
        grid, bits=np.full(d, 8, np.uint8), steps=np.full(d, 0.01, np.float32), weights=np.ones(d, np.float32)
    )
    zeros = np.zeros(d, np.float32)
    assert weigh_parallel(whole, rows, zeros, len(rows)).parallel == grid.parallel
    assert weigh_parallel(grid, rows[:20], zeros, 20).parallel == grid.parallel  # too few to tell
    assert weigh_parallel(grid, np.zeros_like(rows), zeros, len(rows)).parallel == grid.parallel


@pytest.mark.parametrize("scale", [1e-18, 1e18])
def test_rows_of_any_length(scale):
    grid, rows = grid_and_rows()
    mean = np.full(rows.shape[1], 0.01, np.float32)
    far = replace(grid, steps=grid.steps * np.float32(scale))
    same = weigh_parallel(far, rows * np.float32(scale), mean * np.float32(scale), len(rows)).parallel
    assert same == pytest.approx(weigh_parallel(grid, rows, mean, len(rows)).parallel, rel=1e-3)
