"""The estimator ANT: its choices, its special cases, its inputs."""

from __future__ import annotations

import numpy as np
import pytest

import slimvec as sv
from slow_sparse import kkt_violation, rows

pytest.importorskip("numba")
pytest.importorskip("scipy")
from slimvec.sparse.methods.ant import ANT
from slimvec.sparse.solvers.pursuit import omp
from slimvec.sparse.solvers.solver import encode
from slimvec.sparse.training.anchors import tf_idf, top_rows


def structured(n=600, d=16, k=40, seed=0):
    """Rows that are combinations of a few directions, with noise: what anchors are for."""
    draw = np.random.default_rng(seed)
    T = draw.exponential(1, (n, k)) * (draw.random((n, k)) < 0.08)
    return (T @ draw.standard_normal((k, d)) + 0.1 * draw.standard_normal((n, d))).astype(np.float32)


X = structured()
VECTORS = sv.Vectors([f"w{i}" for i in range(len(X))], X)
small = {"n_anchors": 30, "nonzeros": 3, "n_rounds": 3}


class TestFit:
    @pytest.mark.parametrize("nonnegative", [True, False])
    def test_shapes_signs_and_residual(self, nonnegative):
        ant = ANT(**small, nonnegative=nonnegative).fit(X)
        assert ant.anchors_.shape == (30, 16)
        assert ant.anchors_.dtype == np.float32
        assert ant.transform_.shape == (600, 30)
        assert ant.transform_.format == "csr"
        assert np.diff(ant.transform_.indptr).max() <= 3
        assert (ant.transform_.data >= 0).all() == nonnegative
        exact = np.linalg.norm(X - ant.transform_ @ ant.anchors_) / np.linalg.norm(X)
        assert ant.relative_residual_ == pytest.approx(exact, rel=1e-4)
        assert ant.n_parameters_ == 30 * 16 + ant.transform_.nnz

    def test_learning_beats_choosing(self):
        residual = {n: ANT(30, 3, n_rounds=n, max_train_rows=None).fit(X).relative_residual_ for n in (0, 10)}
        assert residual[10] < 0.9 * residual[0]

    @pytest.mark.parametrize("anchors", ["kmeans++", "frequency", "coreset", "random"])
    def test_anchors_by_name(self, anchors):
        chosen = ANT(30, 3, anchors=anchors, n_rounds=0).fit(X)
        if anchors == "random":
            assert chosen.anchor_rows_ is None
        else:
            assert np.array_equal(chosen.anchors_, X[chosen.anchor_rows_])
            assert len(set(chosen.anchor_rows_.tolist())) == 30
        assert ANT(30, 3, anchors=anchors, n_rounds=2).fit(X).relative_residual_ < chosen.relative_residual_

    def test_word_anchors_are_their_own_rows(self):
        """T_{a,a} = 1, the paper's initialization: an anchor's row is coded by itself."""
        ant = ANT(30, 3, anchors="frequency", n_rounds=0).fit(X)
        assert ant.transform_[:30].toarray() == pytest.approx(np.eye(30), abs=1e-4)

    def test_frequency_takes_counts(self):
        counts = np.arange(600)
        assert ANT(5, 2, anchors="frequency", n_rounds=0).fit(X, counts=counts).anchor_rows_.tolist() == [
            599, 598, 597, 596, 595
        ]  # fmt: skip

    def test_anchors_by_tf_idf(self):
        documents = [["w3", "w3", "w4"], ["w4"], ["w5"]]
        chosen = top_rows(tf_idf(documents, VECTORS.words), 2)
        assert ANT(anchors=chosen, nonzeros=1, n_rounds=0).fit(X).anchor_rows_.tolist() == [3, 5]

    def test_given_words_rows_and_arrays(self):
        words = ANT(anchors=["w5", "w9", "w2"], nonzeros=2, n_rounds=0).fit(VECTORS)
        numbers = ANT(anchors=[5, 9, 2], nonzeros=2, n_rounds=0).fit(X)
        array = ANT(anchors=X[[5, 9, 2]], nonzeros=2, n_rounds=0).fit(X)
        assert words.anchor_rows_.tolist() == numbers.anchor_rows_.tolist() == [5, 9, 2]
        assert np.array_equal(array.anchors_, X[[5, 9, 2]])
        for other in (numbers, array):
            assert (words.transform_ != other.transform_).nnz == 0

    def test_coding_on_given_anchors_is_the_solver(self):
        A = rows(20, 16, 1)
        ant = ANT(anchors=A, nonzeros=4, n_rounds=0, nonnegative=False).fit(X)
        assert (ant.transform_ != omp(X, A, 4)).nnz == 0

    def test_l1(self):
        ant = ANT(30, l1=1.0, n_rounds=2, nonnegative=False).fit(X)
        slack = 1e-3 * np.abs(X @ ant.anchors_.T).max(axis=1)
        assert (kkt_violation(X, ant.anchors_, ant.transform_, 1.0) <= slack).all()
        refitted = ANT(30, l1=1.0, n_rounds=2, nonnegative=False, refit=True).fit(X)
        assert refitted.relative_residual_ < ant.relative_residual_

    def test_one_budget_for_all_rows(self):
        even, free = (ANT(30, 3, n_rounds=0, allocation=a).fit(X) for a in ("row", "global"))
        assert free.transform_.nnz == 3 * len(X)
        assert np.diff(free.transform_.indptr).max() > 3
        assert free.relative_residual_ < even.relative_residual_
        weighted = ANT(30, 3, n_rounds=0, allocation="global").fit(X, counts=np.arange(600) < 300)
        assert weighted.transform_[:300].nnz > free.transform_[:300].nnz

    def test_orthogonality(self):
        def coherence(ant):
            gram = np.abs(ant.anchors_ @ ant.anchors_.T)
            return gram.sum() - gram.diagonal().sum()

        plain, apart = (ANT(**small, orthogonality=mu).fit(X) for mu in (0.0, 20.0))
        assert coherence(apart) < coherence(plain)

    def test_transform_is_what_fit_coded(self):
        for parameters in (small, {**small, "nonzeros": None, "l1": 0.7}):
            ant = ANT(**parameters).fit(X)
            assert (ant.transform(X) != ant.transform_).nnz == 0
            assert (encode(X, ant.anchors_, ant._solver_parameters()) != ant.transform_).nnz == 0
            assert (ANT(**parameters).fit_transform(X) != ant.transform_).nnz == 0

    def test_more_training_rows_fit_better(self):
        few, all_rows = (ANT(30, 3, max_train_rows=m).fit(X).relative_residual_ for m in (60, None))
        assert all_rows < few

    def test_random_state(self):
        same = [ANT(**small, random_state=seed).fit(X).anchors_ for seed in (3, 3, np.random.default_rng(3), 4)]
        assert np.array_equal(same[0], same[1])
        assert np.array_equal(same[0], same[2])
        assert not np.array_equal(same[0], same[3])

    def test_any_dtype_and_order(self, tmp_path):
        np.save(tmp_path / "x.npy", X.astype(np.float16))
        mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
        reference = ANT(**small).fit(X.astype(np.float16).astype(np.float32))
        for other in (mapped, np.asfortranarray(mapped), mapped.astype(np.float64)):
            assert ANT(**small).fit(other).anchors_ == pytest.approx(reference.anchors_, abs=1e-4)

    def test_an_interrupted_fit_changes_nothing(self):
        ant = ANT(**small).fit(X)
        before = ant.transform_

        def stop(stage, done, total):
            if stage == "coding":
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            ant.fit(X + 1, progress=stop)
        assert ant.transform_ is before

    def test_progress_rises_to_the_total(self):
        calls = []
        ANT(**small).fit(X, progress=lambda *call: calls.append(call))
        stages = list(dict.fromkeys(stage for stage, _, _ in calls))
        assert stages == ["choosing anchors", "learning anchors", "coding"]
        for stage in stages:
            done = [(d, total) for s, d, total in calls if s == stage]
            assert done == sorted(done)
            assert done[-1][0] == done[-1][1]

    def test_zero_rows(self):
        Z = X.copy()
        Z[7] = 0
        ant = ANT(**small).fit(Z)
        assert ant.transform_[[7]].nnz == 0
        assert ANT(2, 1, anchors="frequency").fit(np.zeros((4, 3))).relative_residual_ == 0

    def test_duplicate_rows(self):
        ant = ANT(n_anchors=8, nonzeros=2).fit(np.repeat(rows(4, 5), 5, axis=0))
        assert ant.relative_residual_ < 1e-3
        assert np.isfinite(ant.transform_.data).all()


class TestRelations:
    related = (("w100", "w3"), ("w7", "w200"), ("w3", "w7"))

    def fit(self, **parameters):
        choices = {"n_anchors": 20, "l1": 3.0, "anchors": "frequency", "n_rounds": 0, **parameters}
        return ANT(**choices).fit(VECTORS)

    def test_related_entries_are_not_penalised(self):
        plain, informed = self.fit(), self.fit(relations=self.related)
        penalties = np.full((600, 20), 3.0)
        for row, column in [(100, 3), (200, 7), (3, 7), (7, 3), *((i, i) for i in range(20))]:
            penalties[row, column] = 0
        slack = 1e-3 * np.abs(X @ informed.anchors_.T).max(axis=1)
        assert (kkt_violation(X, informed.anchors_, informed.transform_, penalties, True) <= slack).all()
        changed = np.unique((plain.transform_ != informed.transform_).nonzero()[0])
        assert set(changed.tolist()) <= {*range(20), 100, 200}
        assert informed.transform_[:20].toarray() == pytest.approx(np.eye(20), abs=1e-2)

    def test_negative_pairs_share_less(self):
        plain = self.fit(l1=0.5)
        T = abs(plain.transform_).toarray()
        overlap = T @ T.T
        np.fill_diagonal(overlap, 0)
        overlap[:20] = overlap[:, :20] = 0  # anchors are related to themselves
        u, v = np.unravel_index(overlap.argmax(), overlap.shape)
        apart = abs(self.fit(l1=0.5, negatives=[(f"w{u}", f"w{v}")], negative_weight=5.0).transform_).toarray()
        assert apart[u] @ apart[v] < 0.5 * overlap[u, v]

    def test_learnt_anchors_keep_their_words(self):
        ant = self.fit(relations=self.related, n_rounds=2, anchors="kmeans++")
        assert len(ant.anchor_rows_) == 20
        assert not np.array_equal(ant.anchors_, X[ant.anchor_rows_])

    @pytest.mark.parametrize(
        ("parameters", "data", "message"),
        [
            ({"nonzeros": 3, "l1": None}, VECTORS, "change the penalty on T; pass l1 instead of nonzeros"),
            ({}, X, "are about words; fit on Vectors"),
            ({"anchors": "random"}, VECTORS, "need anchors that are words"),
            ({"anchors": X[:20]}, VECTORS, "need anchors that are words"),
            ({"relations": [("w1", "zebra")]}, VECTORS, "relations names words that the vectors lack: 'zebra'"),
            ({"negatives": [("w1", "zebra")]}, VECTORS, "negatives names words that the vectors lack: 'zebra'"),
        ],
    )
    def test_bad_relations(self, parameters, data, message):
        choices = {"n_anchors": 20, "l1": 1.0, "relations": self.related, "n_rounds": 0, **parameters}
        with pytest.raises(ValueError, match=message):
            ANT(**choices).fit(data)


class TestBadInput:
    @pytest.mark.parametrize(
        ("parameters", "error", "message"),
        [
            ({"n_anchors": 601}, ValueError, "n_anchors=601; expected between 1 and 600: there are 600 rows"),
            ({"n_anchors": 0}, ValueError, "n_anchors=0"),
            ({"n_anchors": 2.0}, TypeError, r"n_anchors=2\.0 is not an integer"),
            ({"nonzeros": 31}, ValueError, "nonzeros=31; expected between 1 and 30: there are 30 anchors"),
            ({"nonzeros": 0}, ValueError, "nonzeros=0"),
            ({"l1": 1.0}, ValueError, "nonzeros=3 and l1=1.0; expected one of the two"),
            ({"nonzeros": None, "l1": -1.0}, ValueError, r"l1=-1\.0"),
            ({"anchors": "best"}, ValueError, "anchors='best'; expected 'kmeans\\+\\+', 'frequency'"),
            ({"anchors": ["w1"], "n_anchors": None}, KeyError, "this table has no words"),
            ({"anchors": [600], "n_anchors": None, "nonzeros": 1}, IndexError, "row 600 is outside"),
            ({"anchors": np.ones((30, 5))}, ValueError, "anchors has 5 columns; expected 16, as X has"),
            ({"anchors": np.ones((3, 16))}, ValueError, "n_anchors=30, but anchors holds 3"),
            ({"anchors": [4, 4], "n_anchors": None, "nonzeros": 1}, ValueError, "anchors names a row twice"),
            ({"allocation": "fair"}, ValueError, "allocation='fair'; expected one of"),
            ({"allocation": "global", "nonzeros": None, "l1": 1.0}, ValueError, "spends a budget of nonzeros"),
            ({"update": "adam"}, ValueError, "update='adam'"),
            ({"orthogonality": 1.0, "update": "ksvd"}, ValueError, "orthogonality=1.0 is part of MOD's update"),
            ({"orthogonality": -1}, ValueError, "orthogonality=-1"),
            ({"orthogonality": np.inf}, ValueError, "orthogonality=inf; expected a finite weight"),
            ({"negative_weight": np.nan}, ValueError, "negative_weight=nan; expected a finite weight"),
            ({"n_rounds": -1}, ValueError, "n_rounds=-1"),
            ({"max_train_rows": 0}, ValueError, "max_train_rows=0"),
            ({"nonnegative": 1}, TypeError, "nonnegative=1 is not True or False"),
            ({"random_state": "a"}, TypeError, "random_state='a'"),
        ],
    )
    def test_parameters(self, parameters, error, message):
        with pytest.raises(error, match=message):
            ANT(**{**small, **parameters}).fit(X)

    @pytest.mark.parametrize("row", [3, 250, 599])
    def test_nan_is_named_by_its_row_wherever_it_is_met(self, row):
        spoilt = X.copy()
        spoilt[row, 5] = np.nan
        for estimator in (ANT(**small, max_train_rows=300), sv.baselines.VocabularyQuantization(9, max_train_rows=300)):
            with pytest.raises(ValueError, match=f"X holds NaN or infinity in row {row} "):
                estimator.fit(spoilt)
        often = ANT(2, 1, anchors="frequency", max_train_rows=2)
        given = ANT(anchors=[row - 2, row], nonzeros=1, max_train_rows=2)
        for estimator, counts in ((often, np.arange(600) == row), (given, None)):
            with pytest.raises(ValueError, match=f"X holds NaN or infinity in row {row} "):
                estimator.fit(spoilt, counts=counts)

    def test_counts(self):
        with pytest.raises(ValueError, match=r"counts has shape \(3,\); expected \(600,\)"):
            ANT(**small).fit(X, counts=[1, 2, 3])

    @pytest.mark.parametrize(
        ("data", "error", "message"),
        [
            (np.empty((0, 4)), ValueError, "X is empty"),
            (np.zeros(4), ValueError, r"X has shape \(4,\)"),
            (np.array([["a"]]), TypeError, "X has dtype"),
            (np.array([[1.0], [np.nan]]), ValueError, "NaN or infinity in row 1"),
        ],
    )
    def test_matrix(self, data, error, message):
        with pytest.raises(error, match=message):
            ANT(1, 1).fit(data)

    def test_transform(self):
        with pytest.raises(ValueError, match="not fitted"):
            ANT().transform(X)
        ant = ANT(**small).fit(X)
        with pytest.raises(ValueError, match="X has 3 columns; expected 16"):
            ant.transform(np.zeros((1, 3)))

    def test_parameters_are_those_of_scikit_learn(self):
        ant = ANT(7)
        assert ant.get_params()["n_anchors"] == 7
        assert ant.set_params(nonzeros=2).nonzeros == 2
        base = pytest.importorskip("sklearn.base")
        assert base.clone(ant).nonzeros == 2
