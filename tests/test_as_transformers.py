"""Methods as scikit-learn's transformers: its own checks, names of columns, data frames, and the way back."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import slimvec as sv
from slimvec import baselines

X = (np.random.default_rng(2).standard_normal((300, 20)) * np.linspace(2, 0.5, 20) + 0.5).astype(np.float32)
CODES = {
    "IIQ": lambda: sv.IIQ(n_bits=12),
    "IIQ, more bits than dimensions": lambda: sv.IIQ(n_bits=45, n_remove=0),
    "ITQ": lambda: sv.ITQ(n_bits=20),
    "TransformCoding": lambda: sv.TransformCoding(n_bits=50),
}
ANCHORS = {
    "ANT": lambda: sv.ANT(n_anchors=8, nonzeros=3, n_rounds=1),
    "LowRank": lambda: baselines.LowRank(rank=5),
}
IN_OTHER_WORDS = "the error is there, in other words than scikit-learn's"
ALSO = {
    "check_n_features_in_after_fitting": IN_OTHER_WORDS,
    "check_complex_data": "complex numbers are a TypeError, not a ValueError",
    "check_dtype_object": IN_OTHER_WORDS,
    "check_estimators_empty_data_messages": IN_OTHER_WORDS,
    "check_fit2d_1feature": "a direction to remove, or a rank, is more than one column has",
    "check_fit2d_predict1d": IN_OTHER_WORDS,
}


@pytest.mark.filterwarnings("ignore")  # that it has no base of scikit-learn's, and of data on purpose bad
@pytest.mark.parametrize(
    "method",
    [
        sv.IIQ(),
        sv.ITQ(),
        sv.TransformCoding(),
        sv.TransformCoding(refine_bits=2),
        baselines.RandomRotation(),
        baselines.LowRank(rank=2),
        sv.ANT(n_anchors=1, nonzeros=1, n_rounds=1),
    ],
    ids=repr,
)
def test_it_passes_the_checks_of_scikit_learn(method):
    checks = pytest.importorskip("sklearn.utils.estimator_checks")
    found = checks.check_estimator(method, on_fail=None, on_skip=None)
    assert len(found) > 40
    failed = {one["check_name"]: one["exception"] for one in found if one["status"] == "failed"}
    assert set(failed) <= set(ALSO), failed
    if not isinstance(method, baselines.LowRank | sv.ANT):  # whose transforms are no data frames
        for check in (
            checks.check_set_output_transform,
            checks.check_set_output_transform_pandas,
            checks.check_global_output_transform_pandas,
            checks.check_set_output_transform_polars,
            checks.check_global_set_output_transform_polars,
        ):
            check(repr(method), method)
    checks.check_get_feature_names_out_error(repr(method), method)


class TestOutput:
    @pytest.mark.parametrize("name", CODES)
    def test_bits_and_signs_are_the_codes_unpacked(self, name):
        method = CODES[name]().fit(X)
        packed = method.transform(X)
        n_bits = method.projection_.shape[1]
        bits = method.transform(X, output="bits")
        assert (bits.dtype, bits.shape) == (np.uint8, (300, n_bits))
        assert np.array_equal(np.packbits(bits, axis=1, bitorder="little"), packed)
        if name == "TransformCoding":
            with pytest.raises(ValueError, match="the bits of TransformCoding are levels, which inverse_transform"):
                method.transform(X, output="signs")
        else:
            assert np.array_equal(method.transform(X, output="signs"), 2 * bits.astype(np.float32) - 1)

    def test_another_output_is_refused(self):
        with pytest.raises(ValueError, match="output='floats'; expected one of 'packed', 'bits', 'signs'"):
            sv.IIQ().fit(X).transform(X, output="floats")


class TestInverse:
    @pytest.mark.parametrize("name", CODES)
    def test_whatever_the_output(self, name):
        method = CODES[name]().fit(X)
        made = method.inverse_transform(method.transform(X))
        assert (made.dtype, made.shape) == (np.float32, X.shape)
        assert np.array_equal(method.inverse_transform(method.transform(X, output="bits")), made)
        if name != "TransformCoding":
            assert np.array_equal(method.inverse_transform(method.transform(X, output="signs")), made)
        left = ((made - X) ** 2).sum() / ((X - X.mean(axis=0)) ** 2).sum()
        assert left < {"IIQ": 0.75, "TransformCoding": 0.15}.get(name, 0.45)

    @pytest.mark.parametrize("output", ["bits", "signs"])
    def test_codes_of_one_bit(self, output):
        method = sv.IIQ(n_bits=1).fit(X)
        made = method.inverse_transform(method.transform(X))
        assert np.array_equal(method.inverse_transform(method.transform(X, output=output)), made)

    @pytest.mark.parametrize("name", ["IIQ", "IIQ, more bits than dimensions", "ITQ"])
    def test_no_other_multiple_is_nearer(self, name):
        method = CODES[name]().fit(X)
        codes = method.transform(X)
        scale, errors = method.scale_, []
        for times in (0.97, 1, 1.03):
            method.scale_ = scale * times
            errors.append(((method.inverse_transform(codes) - X) ** 2).sum())
        assert np.argmin(errors) == 1

    def test_codes_of_several_bits_at_their_levels(self):
        """What tables with factors give, where the scale of the row is that of the grid."""
        method = sv.TransformCoding(n_bits=60).fit(X)
        made = method.inverse_transform(method.transform(X)) - method.mean_
        table = method.to_table(X).lookup(range(300), original=True) - method.mean_
        cosines = (made * table).sum(axis=1) / np.linalg.norm(made, axis=1) / np.linalg.norm(table, axis=1)
        assert cosines.min() > 0.9999

    @pytest.mark.parametrize("name", ANCHORS)
    def test_sums_of_anchors(self, name):
        pytest.importorskip("numba")
        method = ANCHORS[name]().fit(X)
        transform = method.transform(X) if hasattr(method, "transform") else method.transform_
        assert np.allclose(method.inverse_transform(transform), transform @ method.anchors_, atol=1e-6)
        assert np.allclose(method.inverse_transform(transform.toarray()), transform @ method.anchors_, atol=1e-5)
        with pytest.raises(ValueError, match=r"X has shape \(300, 20\); expected \(n, [58]\), a column an anchor"):
            method.inverse_transform(X)

    def test_what_are_no_codes(self):
        method = sv.IIQ(n_bits=12).fit(X)
        for codes, error, message in (
            (np.full((2, 12), 0.5), ValueError, "X has 12 columns, and they are no bits"),
            (np.full((2, 12), -0.5), ValueError, "X has 12 columns, and they are no bits"),
            (np.zeros((2, 3), np.uint8), ValueError, r"X has shape \(2, 3\); expected \(n, 2\)"),
            (np.zeros((2, 2)), TypeError, "X has dtype float64; expected packed codes of dtype uint8"),
        ):
            with pytest.raises(error, match=message):
                method.inverse_transform(codes)
        lists = sv.TransformCoding(partitions=4).fit(X)
        with pytest.raises(ValueError, match="what the centroid of a list leaves; expected partitions=None"):
            lists.inverse_transform(lists.transform(X))
        with pytest.raises(ValueError, match="this IIQ is not fitted yet"):
            sv.IIQ().inverse_transform(np.zeros((2, 2), np.uint8))


class TestFrames:
    @pytest.fixture(params=["pandas", "polars"])
    def library(self, request):
        return pytest.importorskip(request.param)

    def frame(self, library, names=tuple("abcdefghijklmnopqrst")):
        columns = {name: X[:, number] for number, name in enumerate(names)}
        if library.__name__ == "pandas":
            return library.DataFrame(columns, index=range(1000, 1300))
        return library.DataFrame(columns)

    @pytest.mark.parametrize("output", ["packed", "bits", "signs"])
    def test_codes_in_a_frame(self, library, output):
        method = sv.IIQ(n_bits=12).set_output(transform=library.__name__)
        plain = sv.IIQ(n_bits=12).fit(X).transform(X, output=output)
        for source in (X, self.frame(library)):
            made = method.fit(source).transform(source, output=output)
            assert isinstance(made, library.DataFrame)
            assert list(made.columns) == [f"iiq{number}" for number in range(plain.shape[1])]
            assert np.array_equal(made.to_numpy(), plain)
            assert np.array_equal(method.inverse_transform(made), sv.IIQ(n_bits=12).fit(X).inverse_transform(plain))
        if library.__name__ == "pandas":
            assert made.index.tolist() == list(range(1000, 1300))
        assert list(pickle.loads(pickle.dumps(method)).transform(X[:3]).columns) == ["iiq0", "iiq1"]  # noqa: S301
        assert isinstance(method.set_output(transform="default").transform(X), np.ndarray)
        assert isinstance(method.set_output().transform(X), np.ndarray)

    def test_other_columns_are_refused(self, library):
        method = sv.IIQ(n_bits=12).fit(self.frame(library))
        assert method.feature_names_in_.tolist() == list("abcdefghijklmnopqrst")
        method.transform(self.frame(library))
        method.transform(X)
        with pytest.raises(ValueError, match="X has columns 'b', 'a', .*; expected those that were fitted"):
            method.transform(self.frame(library, "bacdefghijklmnopqrst"))
        assert not hasattr(method.fit(X), "feature_names_in_")

    def test_names_are_of_what_was_learnt_last(self, library):
        def by_workers(method):
            with ThreadPoolExecutor(1) as executor:
                return method.fit([X[:, :4]], executor=executor)

        learn = [
            by_workers,
            lambda method: method.fit_blocks([X[:, :4]]),
            lambda method: method.partial_fit(X[:, :4]),
            lambda method: method.fit_sums(method.sums(4).update(X[:, :4])),
        ]
        for again in learn:
            method = again(sv.IIQ(n_bits=3).fit(self.frame(library)))
            assert not hasattr(method, "feature_names_in_")
            method.transform(self.frame(library, "abcd"))

    def test_other_columns_are_refused_everywhere(self, library):
        frame, turned = self.frame(library), self.frame(library, "bacdefghijklmnopqrst")
        fitted, parts, made = sv.IIQ(n_bits=12).fit(frame), sv.IIQ(n_bits=12).partial_fit(frame), sv.IIQ(n_bits=12)
        made.compress(frame)
        low = sv.baselines.LowRank(3)
        low.compress(frame)
        for refuse in (fitted.to_table, parts.partial_fit, parts.transform, made.transform, low.to_table):
            refuse(frame)
            refuse(X)
            with pytest.raises(ValueError, match="X has columns 'b', 'a', .*; expected those that were fitted"):
                refuse(turned)

    def test_in_a_pipeline(self, library):
        sklearn = pytest.importorskip("sklearn")
        pipeline = pytest.importorskip("sklearn.pipeline").make_pipeline(
            sklearn.preprocessing.StandardScaler(), sv.ITQ(n_bits=16)
        )
        made = pipeline.set_output(transform=library.__name__).fit(self.frame(library)).transform(self.frame(library))
        assert list(made.columns) == ["itq0", "itq1"] == pipeline.get_feature_names_out().tolist()
        twin = sklearn.base.clone(sv.ITQ(n_bits=16).set_output(transform=library.__name__))
        assert isinstance(twin.fit(X).transform(X), library.DataFrame)

    def test_sparse_transforms_are_none(self, library):
        pytest.importorskip("numba")
        method = ANCHORS["ANT"]().set_output(transform=library.__name__)
        with pytest.raises(TypeError, match="a sparse transform is no data frame; expected 'default'"):
            method.fit_transform(X)
        assert method.fit(X).get_feature_names_out().tolist() == [f"ant{number}" for number in range(8)]

    def test_frames_of_others_are_unknown(self):
        with pytest.raises(ValueError, match="transform='arrow'; expected one of 'default', 'pandas', 'polars'"):
            sv.IIQ().set_output(transform="arrow")
