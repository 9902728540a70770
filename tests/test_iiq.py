"""IIQ and ITQ: the algorithm, its invariants, its inputs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import slimvec as sv
from literal_iiq import isotropic, rotate, signs
from slimvec.binary.training.rotation import SignCorrelation, learn_rotation, random_frame


def correlated(n, d, seed=0, rank=None):
    """Rows with a decaying spectrum and a mean, as embeddings have."""
    generator = np.random.default_rng(seed)
    rank = rank or d
    mixing = generator.standard_normal((rank, d)) * np.linspace(2, 0.3, rank)[:, None]
    return (generator.standard_normal((n, rank)) @ mixing / d**0.5 + generator.standard_normal(d)).astype(np.float32)


def mismatch(a, b, n_bits):
    """Fraction of bits that differ: float rounding may turn a bit whose value is nearly zero."""
    return np.bitwise_count(a ^ b).sum() / (len(a) * n_bits)


class TestAlgorithm:
    @given(
        n=st.integers(1, 60), d=st.integers(1, 20), n_bits=st.integers(1, 40), seed=st.integers(0, 99), data=st.data()
    )
    @settings(deadline=None)
    def test_the_loss_never_rises(self, n, d, n_bits, seed, data):
        n_remove = data.draw(st.integers(0, d - 1))
        rank = data.draw(st.integers(1, d))
        iiq = sv.IIQ(n_bits, n_remove, n_iter=15, random_state=seed).fit(correlated(n, d, seed, rank))
        loss = iiq.quantization_loss_
        assert loss.shape == (15,)
        assert (np.diff(loss) <= 1e-5 * loss[:-1] + 1e-6).all()  # float32 rounding

    def test_the_loss_is_that_of_the_residual(self):
        Y = correlated(500, 20)
        start = random_frame(20, 32, np.random.default_rng(0))
        rotation, losses = learn_rotation(Y, start, 1)
        residual = signs(Y @ start) - Y.astype(np.float64) @ rotation
        assert losses[0] == pytest.approx((residual**2).mean(), rel=1e-6)

    @pytest.mark.parametrize("n_remove", [0, 3, 14])
    def test_full_and_reduced_space_give_the_same_loss(self, n_remove):
        """The removed directions only add zero singular values: working without them loses nothing."""
        X = correlated(800, 30)
        X_hat = isotropic(X, n_remove)
        _, _, vt = np.linalg.svd(X_hat, full_matrices=False)
        kept = vt[: 30 - n_remove].T
        R = np.linalg.qr(np.random.default_rng(1).standard_normal((30, 30)))[0]
        _, full = rotate(X_hat, R, 20)
        Y = (X_hat @ kept).astype(np.float32)
        _, reduced = learn_rotation(Y, (kept.T @ R).astype(np.float32), 20)
        assert reduced == pytest.approx(full / X.size, rel=2e-3)
        assert reduced[0] == pytest.approx(full[0] / X.size, rel=1e-6)  # before rounding can turn a bit

    def test_line_13_as_printed_makes_the_loss_rise(self):
        """The erratum that the docstring states."""
        X_hat = isotropic(correlated(800, 24), 2)
        R = np.linalg.qr(np.random.default_rng(1).standard_normal((24, 24)))[0]
        _, printed = rotate(X_hat, R, 30, "printed")
        _, correct = rotate(X_hat, R, 30)
        assert (np.diff(correct) <= 1e-9 * correct[:-1]).all()
        assert (np.diff(printed) > 0).any()
        assert printed[-1] > 1.02 * correct[-1]

    def test_projection_is_kept_directions_times_rotation(self):
        X = correlated(600, 25)
        iiq = sv.IIQ(n_bits=10, n_remove=4, max_train_rows=None).fit(X)
        centred = X - X.mean(axis=0)
        _, s, vt = np.linalg.svd(centred.astype(np.float64), full_matrices=False)
        assert iiq.mean_ == pytest.approx(X.mean(axis=0), abs=1e-5)
        assert iiq.singular_values_ == pytest.approx(s, abs=1e-4 * s[0])
        P = iiq.projection_
        assert P.shape == (25, 10)
        assert pytest.approx(np.eye(10), abs=1e-5) == P.T @ P
        assert np.abs(vt[:4] @ P).max() < 1e-4  # nothing of the removed directions 0-3
        assert np.abs(vt[14:] @ P).max() < 1e-4  # removal first, then the next ten: 4-13

    def test_more_bits_than_dimensions(self):
        iiq = sv.IIQ(n_bits=50, n_remove=1).fit(correlated(300, 12))
        P = iiq.projection_
        assert P.shape == (12, 50)
        assert np.linalg.matrix_rank(P, tol=1e-4) == 11
        assert np.abs(np.linalg.svd(P)[1][:11] - 1).max() < 1e-5  # a tight frame: W Wᵀ = I
        assert sv.unpack(iiq.transform(correlated(300, 12)), 50).std(axis=0).min() > 0  # no constant bit

    def test_codes_are_the_signs_of_the_projection(self):
        X = correlated(200, 16)
        iiq = sv.IIQ(n_bits=13, n_remove=2).fit(X)
        expected = np.packbits((X - iiq.mean_) @ iiq.projection_ >= 0, axis=1, bitorder="little")
        assert mismatch(iiq.transform(X), expected, 13) < 1e-3
        assert np.array_equal(iiq.transform(X), iiq.fit_transform(X))

    def test_sign_of_zero_is_plus(self):
        X = np.ones((5, 4), np.float32)  # centred: all zeros
        assert sv.unpack(sv.IIQ(n_bits=4, n_remove=0).fit_transform(X), 4).min() == 1

    def test_rotation_lowers_the_loss_and_keeps_neighbours(self):
        generator = np.random.default_rng(5)
        X = (generator.standard_normal((50, 32))[generator.integers(0, 50, 3000)]).astype(np.float32)
        X += 0.6 * generator.standard_normal(X.shape, dtype=np.float32)
        learnt, random = sv.ITQ(random_state=1).fit(X), sv.ITQ(n_iter=0, random_state=1).fit(X)

        def loss(model):
            values = (X - model.mean_) @ model.projection_
            return float(((signs(values) - values) ** 2).mean())

        assert loss(learnt) < 0.97 * loss(random)
        assert random.quantization_loss_.shape == (0,)

    def test_accumulators_merge(self):
        Y, W = correlated(300, 8), random_frame(8, 12, np.random.default_rng(0))
        whole = SignCorrelation(W).update(Y).finalize()
        merged = SignCorrelation(W).update(Y[:100]).merge(SignCorrelation(W).update(Y[100:])).finalize()
        assert merged[0] == pytest.approx(whole[0], abs=1e-4)
        assert merged[1] == pytest.approx(whole[1], rel=1e-6)

    def test_the_frame_is_orthonormal_and_haar(self):
        W = random_frame(5, 9, np.random.default_rng(0))
        assert pytest.approx(np.eye(5), abs=1e-6) == W @ W.T
        firsts = [random_frame(1, 2, np.random.default_rng(seed))[0, 0] for seed in range(400)]
        assert abs(np.mean(np.array(firsts) > 0) - 0.5) < 0.1  # a bare QR would fix the signs

    def test_itq_is_iiq_without_removal(self):
        X = correlated(300, 16)
        itq, iiq = sv.ITQ(random_state=4).fit(X), sv.IIQ(n_remove=0, random_state=4).fit(X)
        assert np.array_equal(itq.projection_, iiq.projection_)
        assert "n_remove" not in itq.get_params()


class TestInput:
    @pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
    @pytest.mark.parametrize("order", ["C", "F"])
    def test_dtypes_and_orders_agree(self, dtype, order):
        X = correlated(5000, 24).astype(np.float16)
        expected = sv.IIQ().fit_transform(X.astype(np.float32))
        codes = sv.IIQ().fit_transform(np.asarray(X, dtype, order=order))
        assert mismatch(codes, expected, 24) < (1e-2 if dtype == np.float64 else 1e-9)

    def test_memmap_and_strided_views(self, tmp_path):
        X = correlated(5000, 24)
        np.save(tmp_path / "x.npy", X)
        mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
        expected = sv.IIQ(12).fit_transform(X)
        assert np.array_equal(sv.IIQ(12).fit_transform(mapped), expected)
        wide = np.repeat(X, 2, axis=1)
        assert np.array_equal(sv.IIQ(12).fit_transform(wide[:, ::2]), expected)

    def test_lists_and_vectors(self, animals):
        assert sv.IIQ(4, 0).fit_transform([[1, 2], [3, 5], [0, 1]]).shape == (3, 1)
        assert np.array_equal(sv.IIQ(8).fit_transform(animals), sv.IIQ(8).fit_transform(animals.matrix))

    def test_one_row(self):
        assert sv.IIQ(n_bits=9).fit_transform(np.ones((1, 4))).shape == (1, 2)

    def test_numpy_parameters_are_saved(self, tmp_path):
        iiq = sv.IIQ(np.int64(8), n_iter=np.int32(2), random_state=np.int64(7))
        iiq.compress(correlated(50, 12)).save(tmp_path / "t")
        parameters = sv.open(tmp_path / "t").info()["made_by"]["parameters"]
        assert (parameters["n_bits"], parameters["n_iter"], parameters["random_state"]) == (8, 2, 7)
        sv.IIQ(random_state=np.random.default_rng(0)).compress(correlated(50, 12)).save(tmp_path / "t")
        assert sv.open(tmp_path / "t").info()["made_by"]["parameters"]["random_state"] is None

    def test_an_interrupted_fit_leaves_the_earlier_one_whole(self):
        X = correlated(50, 12)
        iiq = sv.IIQ().fit(X)
        codes = iiq.transform(X)

        def stop(stage, done, total):
            if stage == "learning rotation":
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            iiq.fit(X + 100, progress=stop)
        assert np.array_equal(iiq.transform(X), codes)

    @pytest.mark.parametrize("scale", [1e-30, 1e-20, 1e20])
    def test_scale_does_not_matter(self, scale):
        X = correlated(500, 16)
        assert mismatch(sv.IIQ().fit_transform(X * np.float32(scale)), sv.IIQ().fit_transform(X), 16) < 0.01

    def test_large_offset(self):
        """A mean that dwarfs the spread must not eat the digits of the directions."""
        X = correlated(2000, 16)
        plain, shifted = sv.ITQ(max_train_rows=None).fit(X), sv.ITQ(max_train_rows=None).fit(X.astype(np.float64) + 1e3)
        assert shifted.singular_values_ == pytest.approx(plain.singular_values_, rel=1e-3)

    def test_random_state(self):
        X = correlated(400, 16)
        assert np.array_equal(sv.IIQ(random_state=3).fit_transform(X), sv.IIQ(random_state=3).fit_transform(X))
        assert not np.array_equal(sv.IIQ(random_state=3).fit_transform(X), sv.IIQ(random_state=4).fit_transform(X))
        generator = np.random.default_rng(3)
        assert np.array_equal(sv.IIQ(random_state=generator).fit_transform(X), sv.IIQ(random_state=3).fit_transform(X))

    def test_max_train_rows_samples_the_rotation_only(self):
        X = correlated(3000, 16)
        few, all_rows = sv.IIQ(max_train_rows=100).fit(X), sv.IIQ(max_train_rows=None).fit(X)
        assert np.array_equal(few.mean_, all_rows.mean_)
        assert np.array_equal(few.singular_values_, all_rows.singular_values_)
        assert not np.array_equal(few.projection_, all_rows.projection_)
        assert np.array_equal(sv.IIQ(max_train_rows=5000).fit(X).projection_, all_rows.projection_)

    def test_progress_rises_to_the_total(self):
        calls = []
        sv.IIQ(n_iter=3).compress(correlated(10_000, 8), progress=lambda *call: calls.append(call))
        stages = [stage for stage, _, _ in calls]
        assert list(dict.fromkeys(stages)) == ["finding directions", "learning rotation", "encoding"]
        for stage in set(stages):
            done = [d for s, d, _ in calls if s == stage]
            assert done == sorted(done)
            assert done[-1] == next(total for s, _, total in calls if s == stage)

    def test_parameters(self):
        iiq = sv.IIQ(n_bits=8)
        assert iiq.get_params() == {
            "n_bits": 8, "n_remove": 1, "n_iter": 50, "partitions": None, "max_train_rows": 10_000, "random_state": 0
        }  # fmt: skip
        assert iiq.set_params(n_bits=16, n_iter=1) is iiq
        assert iiq.n_bits == 16
        assert repr(sv.ITQ(4)) == "ITQ(n_bits=4, n_iter=50, partitions=None, max_train_rows=10000, random_state=0)"
        with pytest.raises(ValueError, match="'bits' is not a parameter of IIQ; it has n_bits,"):
            iiq.set_params(bits=3)

    def test_scikit_learn_can_clone_and_pipe(self):
        sklearn_base = pytest.importorskip("sklearn.base")
        pipeline = pytest.importorskip("sklearn.pipeline")
        assert sklearn_base.clone(sv.IIQ(n_bits=8)).n_bits == 8
        scaler = pytest.importorskip("sklearn.preprocessing").StandardScaler()
        piped = pipeline.make_pipeline(scaler, sv.IIQ(n_bits=8)).fit(correlated(50, 12))
        assert piped.transform(correlated(50, 12)).shape == (50, 1)


class TestBadInput:
    good = correlated(20, 6)

    @pytest.mark.parametrize(
        ("X", "error", "message"),
        [
            (np.empty((0, 4)), ValueError, r"X is empty: shape \(0, 4\)"),
            (np.empty((4, 0)), ValueError, r"X is empty: shape \(4, 0\)"),
            (np.zeros(4), ValueError, r"X has shape \(4,\); expected two dimensions.*X\[None\]"),
            (np.zeros((2, 2, 2)), ValueError, r"X has shape \(2, 2, 2\)"),
            (np.array([["a"]]), TypeError, "X has dtype <U1; expected real numbers"),
            (np.array([[None]]), TypeError, "X has dtype object"),
            (np.array([[True]]), TypeError, "X has dtype bool"),
            (np.array([[1.0], [np.nan]]), ValueError, "NaN or infinity in row 1"),
            (np.array([[1.0], [2.0], [-np.inf]]), ValueError, "NaN or infinity in row 2"),
            (np.array([[1e300], [-1e300]]), ValueError, "too large"),
            (np.array([[1e100], [-1e100]]), ValueError, "too large"),
            (np.array([[1e9], [1e9 + 1]]), ValueError, "float32 cannot tell the rows apart; subtract it from X first"),
            (np.ma.masked_array([[1.0]]), TypeError, "X is a masked array"),
        ],
    )
    def test_matrix(self, X, error, message):
        with pytest.raises(error, match=message):
            sv.IIQ(n_remove=0).fit(X)

    def test_late_nan_is_named_by_its_row(self):
        X = np.zeros((10_000, 2), np.float16)
        X[9_876, 1] = np.nan
        with pytest.raises(ValueError, match="row 9876"):
            sv.IIQ().fit(X)

    @pytest.mark.parametrize(
        ("parameters", "error", "message"),
        [
            ({"n_bits": 0}, ValueError, "n_bits=0; expected at least 1"),
            ({"n_bits": -3}, ValueError, "n_bits=-3"),
            ({"n_bits": 2.5}, TypeError, r"n_bits=2\.5 is not an integer"),
            ({"n_remove": 6}, ValueError, "n_remove=6; expected between 0 and 5: the vectors have 6 dimensions"),
            ({"n_remove": -1}, ValueError, "n_remove=-1"),
            ({"n_iter": -1}, ValueError, "n_iter=-1"),
            ({"max_train_rows": 0}, ValueError, "max_train_rows=0"),
            ({"random_state": -1}, ValueError, "random_state=-1; expected at least 0"),
            ({"random_state": "a"}, TypeError, "random_state='a' is not an integer"),
        ],
    )
    def test_parameters(self, parameters, error, message):
        with pytest.raises(error, match=message):
            sv.IIQ(**parameters).fit(self.good)

    def test_transform(self):
        with pytest.raises(ValueError, match="not fitted"):
            sv.IIQ().transform(self.good)
        iiq = sv.IIQ(n_bits=5).fit(self.good)
        with pytest.raises(ValueError, match="X has 7 columns; expected 6"):
            iiq.transform(np.zeros((1, 7)))
        with pytest.raises(ValueError, match="NaN or infinity in row 1"):
            iiq.transform([[0.0] * 6, [np.nan] * 6])
        assert iiq.transform(np.empty((0, 6))).shape == (0, 1)


def test_auto_removes_what_stands_out():
    generator = np.random.default_rng(0)
    scales = np.concatenate([[4.0, 3.0], np.linspace(1.05, 0.95, 58)])
    X = generator.standard_normal((20_000, 60)) * scales
    for removed in (0, 1, 2):
        iiq = sv.IIQ(n_remove="auto", n_iter=2).fit(X[:, 2 - removed :])
        assert iiq.n_remove_ == removed
        same = sv.IIQ(n_remove=removed, n_iter=2).fit(X[:, 2 - removed :])
        assert np.array_equal(iiq.projection_, same.projection_)
    assert iiq.compress(X).info()["made_by"]["parameters"]["n_remove"] == "auto"
    assert sv.IIQ(3, "auto", n_iter=1).fit(X[:, :5]).n_remove_ == 0  # too few dimensions to tell
    with pytest.raises(ValueError, match="n_remove='all'; expected a number of directions, or 'auto'"):
        sv.IIQ(n_remove="all").fit(X)
