"""Grids of several bits: the compiled coder against its twin, levels against what they say, bits against variances."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slimvec import _core
from slimvec.binary.codes import pack, unpack
from slimvec.binary.levels import Grid
from slimvec.binary.training.allocation import DISTORTIONS, POWERS, STEPS, allocate
from slimvec.binary.training.grid_rotation import learn_grid_rotation
from slimvec.binary.training.rotation import random_frame
from slimvec.isa import current
from slimvec.reference.row_levels import grid_codes


def a_grid(bits, seed=0, n_passes=3):
    rng = np.random.default_rng(seed)
    steps, weights = rng.uniform(0.1, 1, (2, len(bits))).astype(np.float32)
    return Grid(np.array(bits, np.uint8), steps, weights, 0.5, n_passes)


@pytest.mark.parametrize("n_directions", [1, 2, 7, 8, 9, 31, 100])
@pytest.mark.parametrize("n_rows", [0, 1, 15, 16, 17, 50])
def test_compiled_coder_equals_its_twin(isa, n_directions, n_rows):
    rng = np.random.default_rng(n_directions)
    bits = np.sort(rng.integers(1, 9, n_directions).astype(np.uint8))[::-1].copy()
    values = 5 * rng.standard_normal((n_rows, n_directions), dtype=np.float32)
    values[::5] = 0
    values[1::7] = np.rint(values[1::7])  # on the borders between levels, some of them
    steps = rng.choice([0.25, 0.5, 0.7], n_directions).astype(np.float32)
    directions = np.stack([steps, 1 / steps, steps * rng.random(n_directions, np.float32), steps**2], axis=1)
    parallels = rng.random(n_rows, np.float32)
    for n_passes in (0, 1, 4):
        made = _core.grid_codes(current(), values, parallels, directions, bits, n_passes)
        for one, twin in zip(made, grid_codes(values, parallels, directions, bits, n_passes), strict=True):
            np.testing.assert_array_equal(one, twin)


def test_one_bit_is_the_sign_and_nothing_else():
    values = np.array([[1e-30, -1e-30, 0.0, -0.0, 5, -5]], np.float32)
    grid = Grid(np.ones(6, np.uint8), np.full(6, 2, np.float32), np.ones(6, np.float32), 0.5, 0)
    np.testing.assert_array_equal(grid.quantize(values, np.array([50.0])).codes, pack(values))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 8), min_size=1, max_size=20), st.integers(0, 2**32), st.integers(0, 4))
def test_a_code_is_linear_in_its_bits_and_says_what_its_sums_say(bits, seed, n_passes):
    grid = a_grid(sorted(bits, reverse=True), seed, n_passes)
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((9, len(bits)), dtype=np.float32) * np.float32(rng.choice([0.1, 1, 10]))
    made = grid.quantize(values, 2 * (values.astype(np.float64) ** 2).sum(axis=1))
    levels = grid.values(made.codes)
    places = levels / (grid.steps / grid.unit) + (2.0**grid.bits - 1) / 2
    np.testing.assert_allclose(places, np.rint(places), atol=1e-3)
    assert (places > -0.5).all()
    assert (places < 2.0**grid.bits - 0.5).all()
    by_bits = np.zeros_like(levels)
    np.add.at(by_bits.T, grid.sources, (unpack(made.codes, grid.n_bits) * grid.bit_weights).T)
    np.testing.assert_allclose(by_bits, levels, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(made.products, (values * levels).sum(axis=1), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(made.energies, (levels**2).sum(axis=1), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(
        grid.values(made.codes, made.scales), levels * made.scales[:, None], rtol=1e-5, atol=1e-6
    )


def test_descent_never_explains_less_and_scales_are_the_best_ones():
    rng = np.random.default_rng(1)
    values = rng.standard_normal((200, 40), dtype=np.float32)
    energies = 1.3 * (values.astype(np.float64) ** 2).sum(axis=1)
    losses = []
    for n_passes in range(4):
        grid = a_grid(20 * [2] + 20 * [1], 1, n_passes)
        made = grid.quantize(values, energies)
        levels = grid.values(made.codes).astype(np.float64)

        def loss(scales, levels=levels, grid=grid):
            along = energies - scales * (values * levels).sum(axis=1)
            errors = (grid.weights * (values - scales[:, None] * levels) ** 2).sum(axis=1)
            return errors + grid.parallel / energies * along**2

        best = loss(made.scales)
        for other in (0.99, 1.01):
            assert best.mean() < loss(other * made.scales).mean()
        losses.append(best.mean())
    assert losses[0] > losses[1] > losses[2] >= losses[3]


def test_compiled_coder_refuses_what_would_read_elsewhere():
    values, parallels = np.zeros((2, 3), np.float32), np.zeros(2, np.float32)
    directions, bits = np.ones((3, 4), np.float32), np.array([3, 2, 1], np.uint8)
    good = [current(), values, parallels, directions, bits, 1]
    _core.grid_codes(*good)
    wrong = {
        1: [values[:, :2].copy(), np.full_like(values, np.nan)],
        2: [parallels[:1]],
        3: [directions[:2], np.ones((3, 5), np.float32)],
        4: [bits[::-1].copy(), np.array([9, 2, 1], np.uint8), np.array([3, 2, 0], np.uint8), bits[:2]],
    }
    for place, values_there in wrong.items():
        for value in values_there:
            with pytest.raises(ValueError, match=r"must|shape"):
                _core.grid_codes(*good[:place], value, *good[place + 1 :])


def _saved(variances, bits):
    worth = (variances / variances.max()) ** POWERS[-1]
    return sum(w * (1 - DISTORTIONS[b]) for w, b in zip(worth, bits, strict=True))


def test_allocation_is_the_best_of_all():
    rng = np.random.default_rng(3)
    for _ in range(5):
        variances = np.sort(rng.gamma(1, 1, 4))[::-1]
        best = max(_saved(variances, bits) for bits in np.ndindex(5, 5, 5, 5) if sum(bits) == 7)
        bits = allocate(variances, 7, 4)
        assert bits.sum() == 7
        assert (np.diff(bits.astype(int)) <= 0).all()
        assert _saved(variances, bits) == pytest.approx(best)


def test_fewer_bits_leave_fewer_directions_out():
    variances = 0.97 ** np.arange(200)
    for n_bits in (40, 99, 150, 200, 500):
        chosen, flat, steep = (allocate(variances, n_bits, 6, power) for power in (None, *POWERS))
        if n_bits <= 100 or n_bits >= 200:
            np.testing.assert_array_equal(chosen, flat if n_bits <= 100 else steep)
        else:
            assert np.count_nonzero(steep) < np.count_nonzero(chosen) < np.count_nonzero(flat)


def test_allocation_at_its_ends():
    assert allocate(np.array([5.0, 0, 0]), 6, 6).tolist() == [6, 0, 0]
    assert allocate(np.ones(3), 2, 1).tolist() == [1, 1, 0]
    assert allocate(np.zeros(3), 0, 6).tolist() == [0, 0, 0]
    with pytest.raises(ValueError, match="more bits"):
        allocate(np.array([5.0, 0, 0]), 7, 6)


@pytest.mark.parametrize("bits", range(1, len(STEPS)))
def test_constants_are_those_of_a_gaussian(bits):
    values = np.random.default_rng(4).standard_normal(200_000)
    half = (2**bits - 1) / 2

    def distortion(step):
        return ((values - step * np.clip(np.floor(values / step) + 0.5, -half, half)) ** 2).mean()

    assert distortion(STEPS[bits]) == pytest.approx(DISTORTIONS[bits], rel=0.03)
    assert distortion(STEPS[bits]) < min(distortion(0.95 * STEPS[bits]), distortion(1.05 * STEPS[bits]))


def test_rotation_loses_less_with_every_round():
    rng = np.random.default_rng(5)
    values = rng.laplace(size=(2000, 6)).astype(np.float32)
    frame = random_frame(6, 6, rng)

    def loss(rotation):
        rotated = values @ rotation
        return ((rotated - np.clip(np.floor(rotated) + 0.5, -1.5, 1.5)) ** 2).mean()

    losses = [loss(learn_grid_rotation(values, frame, 1.0, 2, n)) for n in (0, 1, 3, 10)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.98 * losses[0]
    rotation = learn_grid_rotation(values, frame, 1.0, 2, 10)
    np.testing.assert_allclose(rotation.T @ rotation, np.eye(6), atol=1e-5)
    least = np.float32(2.0**-132)  # whose inverse is beyond float32
    with np.errstate(all="raise", under="ignore"):
        tiny = learn_grid_rotation(values * least, frame, float(least), 2, 10)
    np.testing.assert_allclose(tiny, rotation, atol=1e-3)
