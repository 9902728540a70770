"""Whatever a method is, it is fitted, streamed, compressed, named on the command line and judged alike."""

from __future__ import annotations

import json

import numpy as np
import pytest

import slimvec as sv
from conftest import assert_same_content
from slimvec.binary.methods.base import BinaryEstimator
from slimvec.binary.training.moments import Moments
from slimvec.cli import main
from slimvec.methods import METHODS, Method, Rival
from slimvec.sparse.methods.base import SparseEstimator
from slimvec.vectors.rows import reported

pytest.importorskip("scipy")
pytest.importorskip("numba")

RNG = np.random.default_rng(7)
X = (RNG.standard_normal((600, 12)) @ RNG.standard_normal((12, 12)) + 0.5).astype(np.float32)
WORDS = [f"w{i}" for i in range(600)]
SMALL = {"anchors": 40, "rank": 5}
SETTINGS = {"dccl": {"n_codebooks": 4, "n_codewords": 4, "n_epochs": 1}}


# ---- a new method: a class and one row


class Shifted(BinaryEstimator):
    """Signs of the first coordinates, after the mean is taken away."""

    def __init__(self, n_bits=None):
        self.n_bits = n_bits

    def _fit(self, rows, progress):
        moments = Moments(rows.dim)  # which refuses what is not finite
        for block in reported(rows, "finding the mean", progress):
            moments.update(block)
        self.mean_ = moments.finalize()[0]
        self.projection_ = np.eye(rows.dim, rows.dim if self.n_bits is None else self.n_bits)


SHIFTED = Method(Shifted, {"bits": "n_bits"}, Rival("shifted signs"))


@pytest.fixture
def shifted(monkeypatch):
    monkeypatch.setitem(METHODS, "shifted", SHIFTED)


@pytest.fixture(scope="module")
def vectors(tmp_path_factory):
    folder = tmp_path_factory.mktemp("methods")
    sv.write_vectors(folder / "v.vec", WORDS, X)
    (folder / "data" / "similarity").mkdir(parents=True)
    pairs = RNG.integers(0, 600, (60, 2)).tolist()
    lines = [f"w{a} w{b} {float(X[a] @ X[b])}" for a, b in pairs if a != b]
    (folder / "data" / "similarity" / "dot.txt").write_text("\n".join(lines) + "\n")
    return folder


def test_a_new_method_is_fitted_streamed_and_compressed(vectors, tmp_path):
    method = Shifted(8)
    table = method.compress(sv.Vectors(WORDS, X), factors=True)
    assert method.n_features_in_ == 12
    assert np.array_equal(table.codes(), method.transform(X))
    assert np.array_equal(table.codes(), method.fit_transform(X))
    streamed = Shifted(8).compress(sv.VectorFile(vectors / "v.vec"), factors=True, output=tmp_path / "t")
    assert np.array_equal(streamed.codes(), table.codes())
    assert streamed.words == table.words
    assert len(method.to_table(X[:50])) == 50
    assert table.search(X[:3], k=4).scores.shape == (3, 4)
    assert table.info()["made_by"] == {"method": "Shifted", "parameters": {"n_bits": 8}, "loss": None}


@pytest.mark.usefixtures("shifted")
def test_a_new_method_has_a_name_on_the_command_line(vectors, tmp_path, capsys):
    source, output = str(vectors / "v.vec"), str(tmp_path / "t")
    assert main(["compress", source, "-o", output, "--method", "shifted", "--bits", "5"]) == 0
    assert "binary, Shifted(n_bits=5)" in capsys.readouterr().out
    assert sv.open(tmp_path / "t").n_bits == 5
    assert main(["compress", source, "-o", output, "--method", "shifted", "--rank", "3"]) == 2
    assert "--rank: --method shifted has no such option; it has --bits" in capsys.readouterr().err


@pytest.mark.usefixtures("shifted")
def test_a_new_method_is_judged(vectors, tmp_path, capsys):
    options = ["--data", str(vectors / "data"), "--methods", "iiq,shifted", "--bits", "12,6", "--seeds", "1"]
    assert main(["evaluate", str(vectors / "v.vec"), "-o", str(tmp_path / "r"), *options]) == 0
    report = capsys.readouterr().out
    assert "shifted signs, 12 bits" in report
    assert "shifted signs, 6 bits" in report
    blocks = json.loads((tmp_path / "r" / "results.json").read_text())
    ratios = {row["method"]: row["ratio"] for row in blocks[0]["rows"]}
    assert ratios["shifted signs, 6 bits"] == ratios["IIQ, D=0 (auto), 6 bits"] == 64


def test_factors_of_a_skewed_projection_are_refused():
    """They would be wrong in silence."""
    skewed = Shifted(8).fit(X)
    skewed.projection_ = skewed.projection_ * 2
    with pytest.raises(ValueError, match="the projection of this Shifted is not orthogonal, which factors need"):
        skewed.to_table(X, factors=True)
    assert len(skewed.to_table(X)) == 600
    for method in (sv.IIQ(5), sv.IIQ(12, n_remove=3), sv.IIQ(40), sv.baselines.RandomRotation(7)):
        assert method.compress(X, factors=True).info()["bytes"]["factors"] > 0


# ---- all methods


def make(name):
    method = METHODS[name]
    small = {method.options[option]: value for option, value in SMALL.items() if option in method.options}
    return method.estimator(**small, **SETTINGS.get(name, {}))


@pytest.fixture(params=METHODS)
def method(request):
    if request.param == "dccl":
        pytest.importorskip("torch")
    return make(request.param)


def test_compress_is_fit_and_to_table(method):
    rows = sv.Vectors(WORDS, X)
    table = method.compress(rows)
    assert_same_content(method.to_table(rows), table)
    assert type(method)(**method.get_params()).fit(rows).n_features_in_ == 12
    with pytest.raises(ValueError, match="vectors has 11 columns; expected 12"):
        method.to_table(X[:, 1:])


def test_every_method_takes_a_file(method, vectors, tmp_path):
    """Binary methods stream it, sparse ones read it whole; the table is the one of the same vectors in memory."""
    rows = sv.read_vectors(vectors / "v.vec")
    table = method.compress(sv.VectorFile(vectors / "v.vec"), output=tmp_path / "t")
    assert_same_content(table, method.compress(rows))
    assert table.words == rows.words
    method.fit(rows)
    assert_same_content(method.to_table(sv.VectorFile(vectors / "v.vec"), output=tmp_path / "u"), table)


def test_other_rows_get_a_table_of_the_same_fit(method):
    """Or are refused, where the method knows only the rows that it was fitted on."""
    method.fit(X[:500])
    if isinstance(method, SparseEstimator) and not hasattr(method, "transform"):
        with pytest.raises(ValueError, match="are not those that this .* was fitted on"):
            method.to_table(X)
        return
    table = method.to_table(sv.Vectors(WORDS, X))
    assert len(table) == 600
    alone = method.to_table(X[:500])
    ordinary = np.arange(SMALL["anchors"], 500)  # SparseCode keeps the first ones as they are
    assert np.allclose(
        table.lookup(ordinary), alone.lookup(ordinary), rtol=5e-3, atol=1e-5
    )  # shrinkage is that of 600 rows


def test_a_failed_fit_leaves_what_was_learnt(method):
    method.fit(X)
    before = {name: value for name, value in vars(method).items() if name.endswith("_")}

    def stop(*_):
        raise KeyboardInterrupt

    if type(method).__name__ not in {"FrequencySelection", "Prune"}:  # they tell of no progress
        with pytest.raises(KeyboardInterrupt):
            method.fit(X, progress=stop)
    bad = X.copy()
    bad[550, 3] = np.nan
    for wrong, error in ((bad, ValueError), (np.zeros((0, 12)), ValueError), ("text", TypeError)):
        with pytest.raises(error):
            method.fit(wrong)
    after = {name: value for name, value in vars(method).items() if name.endswith("_")}
    assert before.keys() == after.keys()
    assert all(before[name] is after[name] for name in before)


def test_only_the_fitted_rows_get_the_fitted_transform():
    """A row that was changed in place is another row: the fitted T must not stand for it."""
    ant = sv.ANT(20, 3, n_rounds=1)
    rows = X.copy()
    table = ant.compress(rows)
    rows[7] = rows[8]
    changed = ant.to_table(rows)
    assert np.allclose(changed.lookup([7]), changed.lookup([8]))
    assert not np.allclose(table.lookup([7]), changed.lookup([7]))


def test_anchor_names_are_those_of_the_fitted_words():
    frequent = sv.ANT(anchors="frequency", n_anchors=5, nonzeros=2, n_rounds=0).fit(sv.Vectors(WORDS, X))
    assert frequent.anchor_words_ == ("w0", "w1", "w2", "w3", "w4")
    other = frequent.to_table(sv.Vectors([f"v{i}" for i in range(50)], X[100:150]))
    assert other.anchor_words == frequent.anchor_words_
    assert frequent.to_table(X[100:150]).anchor_words is None


# ---- seeds


SEEDED = {
    "IIQ": {"n_bits": 8, "n_iter": 2},
    "ITQ": {"n_bits": 8, "n_iter": 2},
    "ANT": {"n_anchors": 8, "nonzeros": 2, "n_rounds": 1},
    "RandomRotation": {"n_bits": 8},
    "HashEmbedding": {},
    "NLB": {"n_bits": 6, "n_epochs": 1, "batch_size": 100},
}


@pytest.mark.parametrize("name", SEEDED)
def test_an_older_random_state_is_a_seed(name, tmp_path):
    method = getattr(sv.baselines if name in sv.baselines.__all__ else sv, name)

    def compressed(random_state):
        return method(**SEEDED[name], random_state=random_state).compress(X)

    state = np.random.RandomState(3)
    same = [compressed(one) for one in (np.random.RandomState(3), state)]
    tables = [*same, compressed(state), compressed(np.random.RandomState(4))]  # drawn from, a state goes on
    rows = [table.lookup(range(len(X))) for table in tables]
    assert np.array_equal(rows[0], rows[1])
    assert not np.array_equal(rows[0], rows[2])
    assert not np.array_equal(rows[0], rows[3])
    same[0].save(tmp_path / "t")
    assert sv.open(tmp_path / "t").info()["made_by"]["parameters"]["random_state"] is None
