"""What IIQ is compared with: NLB, random rotations, signs."""

from __future__ import annotations

import numpy as np
import pytest

import slimvec as sv


@pytest.fixture(scope="module")
def rows():
    """Vectors of about the length of GloVe's, in a few loose groups."""
    generator = np.random.default_rng(1)
    centres = generator.standard_normal((30, 40))[generator.integers(0, 30, 4000)]
    return (0.15 * centres + 0.15 * generator.standard_normal((4000, 40))).astype(np.float32)


# ---- NLB


@pytest.mark.parametrize("n_bits", [24, 64, 100])
def test_the_losses_of_nlb_fall(rows, n_bits):
    nlb = sv.baselines.NLB(n_bits, n_epochs=8).fit(rows)
    assert nlb.losses_[-1] < nlb.losses_[:3].min() < nlb.losses_[0] * 1.001
    assert nlb.penalties_[-1] < nlb.penalties_[0]
    assert nlb.penalties_[-1] >= max(0, 40 - n_bits) - 1e-3


def test_the_bits_of_nlb_are_used_evenly(rows):
    table = sv.baselines.NLB(64, n_epochs=8).compress(rows)
    bits = table.lookup(np.arange(len(rows))) > 0
    share = bits.mean(axis=0)
    assert share.min() > 0.2
    assert share.max() < 0.8
    correlations = np.corrcoef(bits.T) - np.eye(64)
    assert np.abs(correlations).max() < 0.95  # no bit is another's copy
    assert len(np.unique(table.codes(), axis=0)) > 0.99 * len(rows)


def test_codes_of_nlb_rebuild_better_than_the_mean(rows):
    nlb = sv.baselines.NLB(64, learning_rate=2e-4, n_epochs=40).fit(rows)
    bits = np.unpackbits(nlb.transform(rows), axis=1, bitorder="little")[:, :64].astype(np.float32)
    rebuilt = np.clip(bits @ nlb.projection_.T + nlb.bias_, -1, 1)
    assert ((rows - rebuilt) ** 2).sum() < 0.6 * ((rows - rows.mean(axis=0)) ** 2).sum()


def test_nlb_is_what_its_equations_say(rows):
    """One batch, in float64, entry by entry."""
    generator = np.random.default_rng(7)
    start = generator.uniform(-0.5, 0.5, (6, 5))
    bias = generator.uniform(-0.5, 0.5, 5)
    w, c = start / np.sqrt((start**2).sum()), bias / np.sqrt((bias**2).sum())
    x = rows[:20, :5].astype(np.float64)
    w = w - 2 * 0.01 * w @ (w.T @ w - np.eye(5))
    b = (x @ w.T > 0).astype(float)
    rebuilt = np.clip(b @ w + c, -1, 1)
    delta = (rebuilt - x) * (1 - rebuilt**2)
    nlb = sv.baselines.NLB(6, learning_rate=0.02, penalty_rate=0.01, batch_size=20, n_epochs=1, random_state=7).fit(x)
    assert np.allclose(nlb.projection_, (w - 0.02 * b.T @ delta).T, atol=1e-6)
    assert np.allclose(nlb.bias_, c - 0.02 * delta.sum(axis=0), atol=1e-6)
    assert nlb.losses_[0] == pytest.approx(((rebuilt - x) ** 2).sum() / 20, rel=1e-5)


def test_tables_of_nlb(rows, tmp_path):
    table = sv.baselines.NLB(300, n_epochs=1).compress(rows)
    table.save(tmp_path / "t")
    opened = sv.open(tmp_path / "t")
    assert np.array_equal(opened.encode(rows[:9]), table.codes(np.arange(9)))
    assert opened.info()["made_by"]["parameters"]["learning_rate"] == 0.001
    assert sv.baselines.NLB().n_bits == 256
    assert sv.baselines.NLB(256, n_epochs=1).compress(np.ones((3, 300), np.float32)).compression_ratio == 37.5


def test_bad_parameters_of_nlb(rows):
    with pytest.raises(ValueError, match="learning_rate=-1"):
        sv.baselines.NLB(learning_rate=-1).fit(rows)
    sv.baselines.NLB(8, learning_rate=np.float32(1e-3), n_epochs=1).fit(rows)
    with pytest.raises(ValueError, match="n_epochs=0"):
        sv.baselines.NLB(n_epochs=0).fit(rows)
    with pytest.raises(ValueError, match="X holds NaN or infinity in row 3"):
        sv.baselines.NLB().fit(np.where(np.arange(4000)[:, None] == 3, np.nan, rows))
    with pytest.raises(ValueError, match="factors=True"):
        sv.baselines.NLB().compress(rows, factors=True)
    with pytest.raises(ValueError, match="learning_rate=.*W overflowed"), np.errstate(all="ignore"):
        sv.baselines.NLB(16, learning_rate=0, penalty_rate=1e3, n_epochs=1).fit(rows)


# ---- random rotations and signs


@pytest.mark.parametrize("n_bits", [10, 40, 75])
def test_projections_are_orthonormal(rows, n_bits):
    projection = sv.baselines.RandomRotation(n_bits).fit(rows).projection_
    assert projection.shape == (40, n_bits)
    product = projection.T @ projection if n_bits < 40 else projection @ projection.T
    assert np.allclose(product, np.eye(len(product)), atol=1e-5)


def test_rotations_are_drawn_by_seed_and_centred_on_demand(rows):
    same = [sv.baselines.RandomRotation(16, random_state=seed).fit_transform(rows) for seed in (3, 3, 4)]
    assert np.array_equal(same[0], same[1])
    assert not np.array_equal(same[0], same[2])
    assert np.allclose(sv.baselines.RandomRotation(16).fit(rows).mean_, rows.mean(axis=0), atol=1e-5)
    assert not sv.baselines.RandomRotation(16, center=False).fit(rows).mean_.any()


def test_learning_beats_drawing(rows):
    """ITQ starts from such a rotation and only lowers the loss."""

    def loss(estimator):
        values = (rows - estimator.mean_) @ estimator.projection_
        return float(((np.where(values >= 0, 1, -1) - values) ** 2).mean())

    assert loss(sv.ITQ().fit(rows)) < loss(sv.baselines.RandomRotation().fit(rows)) - 0.001


def test_sign_bits_are_packed_signs(rows):
    table = sv.baselines.SignBits().compress(rows, factors=True)
    assert np.array_equal(table.codes(), sv.pack(rows))
    assert np.array_equal(sv.baselines.SignBits().fit_transform(rows), sv.pack(rows))
    assert table.info()["made_by"] == {"method": "SignBits", "parameters": {}, "loss": None}
    with pytest.raises(ValueError, match="not fitted"):
        sv.baselines.SignBits().transform(rows)
