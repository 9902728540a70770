"""Vectors of any scale: codes do not depend on it, sparse tables follow it, and what float32 cannot hold is refused."""

from __future__ import annotations

import numpy as np
import pytest

import slimvec as sv
from slimvec.binary.methods.base import BinaryEstimator
from slimvec.binary.training.rotation import learn_rotation, random_frame
from slimvec.methods import METHODS

pytest.importorskip("scipy")
pytest.importorskip("numba")

RNG = np.random.default_rng(3)
X = RNG.standard_normal((300, 16)) * np.linspace(2, 0.3, 16) + 0.3
SMALL = {"bits": 12, "anchors": 20, "rank": 5, "sparsity": 0.5}
SETTINGS = {
    "iiq": {"n_iter": 5}, "itq": {"n_iter": 5}, "ant": {"nonzeros": 4, "n_rounds": 2}, "post-sh": {"nonzeros": 4},
    "post-sh-ksvd": {"nonzeros": 4, "n_rounds": 1}, "dccl": {"n_codebooks": 4, "n_codewords": 4, "n_epochs": 2},
}  # fmt: skip
OWN_SCALE = {"nlb", "sparse-code"}  # what they minimise has terms of scale 1, so that another scale is another problem
SCALES = [
    (1e-38, "f4"),
    (1e-30, "f4"),
    (1e-30, "f8"),
    (1e-8, "f4"),
    (1e8, "f8"),
    (1e19, "f4"),
    (1e30, "f4"),
    (1e30, "f8"),
]


def make(name):
    method = METHODS[name]
    small = {method.options[option]: value for option, value in SMALL.items() if option in method.options}
    return method.estimator(**small, **SETTINGS.get(name, {}))


def rows_of(name, vectors, **options):
    return make(name).compress(vectors, **options).lookup(range(len(X))).astype(np.float64)


@pytest.fixture(scope="module", params=sorted(set(METHODS) - OWN_SCALE))
def method(request):
    if request.param == "dccl":
        pytest.importorskip("torch")
    return request.param, rows_of(request.param, X)


@pytest.mark.parametrize(("scale", "dtype"), SCALES)
def test_the_scale_of_vectors_changes_nothing_else(method, scale, dtype):
    name, expected = method
    scaled = (X * scale).astype(dtype)
    if name == "hash" and not 1e-10 < scale < 1e10:  # least squares, with squares of anchors in float32
        with pytest.raises(ValueError, match=r"\d\.\de[+-]\d\d.*by a constant first"):
            rows_of(name, scaled)
        return
    found = rows_of(name, scaled)
    if name == "transform-coding":  # rows of the vectors' scale, from factors of float16
        assert np.allclose(found / scale, expected, rtol=2e-3)
    elif issubclass(METHODS[name].estimator, BinaryEstimator):
        assert np.array_equal(found, expected)
    else:
        left, at_first = (np.linalg.norm(rows - X) / np.linalg.norm(X) for rows in (found / scale, expected))
        assert left == pytest.approx(at_first, rel=0.02)


@pytest.mark.parametrize("name", sorted(OWN_SCALE))
def test_methods_with_a_scale_of_their_own_refuse_what_they_cannot_hold(name):
    assert np.isfinite(rows_of(name, (X * 1e-30).astype("f4"))).all()
    with pytest.raises(ValueError, match="divide .*by a constant first"):
        rows_of(name, (X * 1e30).astype("f4"))


@pytest.mark.parametrize("name", sorted(METHODS))
def test_what_float32_cannot_hold_is_refused(name):
    if name == "dccl":
        pytest.importorskip("torch")
    with pytest.raises(ValueError, match="too large"):
        make(name).fit(X * 1e100)
    if name != "nlb":
        with pytest.raises(ValueError, match="multiply .*by a constant first"):
            make(name).fit(X * 1e-60)


def test_a_budget_and_given_anchors_follow_the_scale():
    options = {"nonnegative": False, "n_rounds": 0}
    for more in ({"allocation": "global"}, {"anchors": "coreset"}):
        left = [
            np.linalg.norm(sv.ANT(20, 4, **options, **more).compress(X * scale).lookup(range(300)) / scale - X)
            for scale in (1.0, 1e-30, 1e30)
        ]
        assert left[1:] == pytest.approx([left[0]] * 2, rel=1e-3)


@pytest.mark.parametrize("scale", [1e-30, 1e-8, 1e8, 1e30])
def test_factors_and_losses_follow_the_scale(scale):
    itq, scaled = sv.ITQ(n_iter=5), sv.ITQ(n_iter=5)
    table, other = itq.compress(X, factors=True), scaled.compress((X * scale).astype("f4"), factors=True)
    rows, expected = other.lookup(range(300), original=True), table.lookup(range(300), original=True)
    alike = np.isclose(rows / np.float32(scale), expected, rtol=1e-2, atol=1e-2).all(axis=1)
    assert alike.sum() >= 297  # a bit whose value is about zero may fall on either side
    values = (X - X.mean(axis=0)) * scale @ scaled.projection_.astype(float)
    loss = ((np.sign(values) - values) ** 2).mean()
    assert scaled.quantization_loss_[-1] == pytest.approx(loss, rel=1e-3)


def test_rotations_of_ordinary_rows_are_not_divided():
    Y = np.asarray(X, np.float32)
    start = random_frame(16, 16, np.random.default_rng(0))
    rotation, losses = learn_rotation(Y, start, 3)
    large, large_losses = learn_rotation(Y * np.float32(2.0**60), start, 3)
    assert np.array_equal(rotation, large)
    assert losses[-1] < losses[0]
    assert np.isfinite(large_losses).all()


def test_a_mean_far_larger_than_the_spread_is_taken_or_refused_with_both_named():
    far = X + 1e6
    assert (
        rows_of("itq", far) == rows_of("itq", X)
    ).mean() > 0.97  # float32 rounds the mean by a hundredth of the spread
    for method in (sv.ITQ(8), sv.baselines.RandomRotation(8)):
        with pytest.raises(
            ValueError, match=r"the mean of X, of scale 4\.0e\+10, is so large beside its spread of 5\."
        ):
            method.fit(X + 1e10)
    assert len(sv.baselines.RandomRotation(8, center=False).compress(X + 1e10)) == 300


# ---- few rows, equal rows, constant columns


@pytest.mark.parametrize("n", [1, 20])
@pytest.mark.parametrize("name", ["iiq", "itq", "random-rotation"])
def test_equal_rows_of_float64_have_equal_codes(name, n):
    vectors = np.tile(RNG.standard_normal((1, 16)) * 1.1, (n, 1))
    for rows in (vectors, vectors.astype("f4"), vectors + 1e9):
        table = make(name).compress(rows)
        assert len({code.tobytes() for code in table.codes()}) == 1
    fitted = make(name).fit(vectors)
    assert len({code.tobytes() for code in fitted.transform(RNG.standard_normal((50, 16)))}) > 10  # others differ


@pytest.mark.parametrize("name", ["itq", "random-rotation"])
def test_constant_columns_change_no_distance(name):
    """Also where float32 rounds their mean by more than all that the other columns differ."""
    constant = np.column_stack([X[:, :7], np.full(300, 1e12 + 0.3), X[:, 7:], np.full(300, 0.1)])
    table = make(name).set_params(n_bits=18).compress(constant)
    bits = np.unpackbits(table.codes(), axis=1, bitorder="little")[:, :18].mean(axis=0)
    assert (bits > 0.1).all()
    assert (bits < 0.9).all()
    apart = np.linalg.norm(X[:, None] - X, axis=2)
    assert np.corrcoef(sv.HammingIndex(table.codes(), 18).pairwise(table.codes()).ravel(), apart.ravel())[0, 1] > 0.5


@pytest.mark.parametrize("name", ["iiq", "itq", "random-rotation", "nlb"])
def test_more_bits_than_rows_and_a_single_column(name):
    assert len(make(name).set_params(n_bits=40).compress(X[:5])) == 5
    if name != "iiq":  # which removes it
        column = make(name).set_params(n_bits=3).compress(X[:, :1])
        assert column.n_bits == 3


# ---- halves


@pytest.mark.parametrize("dtype", ["float16", "int4"])
def test_tables_of_halves_follow_the_scale_or_refuse_it(dtype):
    for rounds in (0, 1):
        ant = sv.ANT(40, 5, n_rounds=rounds, nonnegative=False)
        for scale in (1.0, 1e-3):
            exact, table = ant.compress(X * scale), ant.compress(X * scale, dtype=dtype)
            rows, expected = table.lookup(range(300)), exact.lookup(range(300))
            assert np.linalg.norm(rows - expected) < 0.1 * np.linalg.norm(expected)
        for scale in (1e-8, 1e-30):
            with pytest.raises(
                ValueError, match=rf"dtype='{dtype}': \w+ holds no value above \d.*, where float16 has few"
            ):
                ant.compress(X * scale, dtype=dtype)
    assert not sv.ANT(5, 2).compress(np.zeros((9, 4)), dtype=dtype).lookup(range(9)).any()


# ---- parameters of any size


INTEGERS = ("n_bits", "n_anchors", "nonzeros", "max_train_rows", "n_iter", "n_rounds", "n_epochs", "batch_size", "rank",
            "n_hashes", "n_codebooks", "n_codewords", "n_remove")  # fmt: skip
ANY_SIZE = {"max_train_rows", "batch_size"}  # of more rows than there are, all are taken
MAY_BE_NONE = {
    ("n_bits", "iiq"),
    ("n_bits", "itq"),
    ("n_bits", "random-rotation"),
    ("n_bits", "transform-coding"),
    ("n_anchors", "ant"),
    ("nonzeros", "ant"),
}
MAY_BE_NONE |= {("n_anchors", "post-sh-ksvd"), ("nonzeros", "post-sh-ksvd")}


@pytest.mark.parametrize("name", sorted(set(METHODS) - {"dccl"}))
def test_sizes_are_checked_before_memory_is_taken(name):
    for parameter in set(INTEGERS) & set(make(name).get_params()):
        for value in (-1, True, 1.5, "8", 10**9, 2**40, 2**63, 2**70):
            if parameter in ANY_SIZE and not isinstance(value, str) and value > 2:
                continue
            with pytest.raises((ValueError, TypeError), match=f"{parameter}="):
                make(name).set_params(**{parameter: value}).fit(X)
        if parameter != "max_train_rows" and (parameter, name) not in MAY_BE_NONE:
            with pytest.raises(TypeError, match=f"{parameter}=None is not an integer"):
                make(name).set_params(**{parameter: None}).fit(X)
        if parameter in ANY_SIZE:
            assert make(name).set_params(**{parameter: 2**70}).fit(X).n_features_in_ == 16


def test_sizes_of_compositional_codes():
    pytest.importorskip("torch")
    for parameter in ("n_codebooks", "n_codewords", "n_epochs", "batch_size"):
        for value in (-1, True, 1.5, "8", None, *([] if parameter == "batch_size" else [10**9, 2**63])):
            with pytest.raises((ValueError, TypeError), match=f"{parameter}="):
                make("dccl").set_params(**{parameter: value}).fit(X)
    assert make("dccl").set_params(batch_size=2**70).fit(X).n_features_in_ == 16


def test_threads_and_k_of_any_size():
    table = sv.ITQ(16, n_iter=2).compress(X)
    expected = table.search(X[:3], 300)
    for threads in (2**31, 2**63, 2**70):
        assert np.array_equal(table.search(X[:3], 2**70, threads=threads).indices, expected.indices)
    for bad in (-1, 0, True, 1.5, "8"):
        for name in ("k", "threads"):
            with pytest.raises((ValueError, TypeError), match=f"{name}="):
                table.search(X[:3], **{name: bad})


# ---- what is not finite


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", sorted(METHODS))
def test_what_is_not_finite_is_refused_everywhere(name, bad):
    if name == "dccl":
        pytest.importorskip("torch")
    odd = X.copy()
    odd[250, 3] = bad
    for dtype in ("f4", "f8"):
        with pytest.raises(ValueError, match="X holds NaN or infinity in row 250"):
            make(name).fit(odd.astype(dtype))
    fitted = make(name).fit(X)
    if hasattr(fitted, "transform"):
        with pytest.raises(ValueError, match="X holds NaN or infinity in row 250"):
            fitted.transform(odd)
        with pytest.raises(ValueError, match="holds NaN or infinity in row 250"):
            fitted.to_table(odd)
