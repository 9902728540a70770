"""The methods that ANT is compared with: each table equals the direct construction (ANT paper, appendix D)."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import slimvec as sv
from slow_sparse import rows

pytest.importorskip("numba")
pytest.importorskip("scipy")
from scipy.optimize import nnls

X = rows(80, 10) + 0.5
VECTORS = sv.Vectors([f"w{i}" for i in range(80)], X)


def table_rows(estimator, vectors=VECTORS, **fit_arguments):
    """Return all rows of the table that an estimator makes."""
    table = estimator.compress(vectors, **fit_arguments)
    return table.lookup(np.arange(len(table)))


class TestSelection:
    def test_frequency(self):
        expected = np.zeros_like(X)
        expected[:7] = X[:7]
        assert np.array_equal(table_rows(sv.baselines.FrequencySelection(7)), expected)

    def test_frequency_by_counts(self):
        counts = np.random.default_rng(0).permutation(80)
        expected = np.where((counts >= 70)[:, None], X, 0)
        assert np.array_equal(table_rows(sv.baselines.FrequencySelection(10), counts=counts), expected)

    def test_tf_idf(self):
        documents = [["w1", "w2", "w2"], ["w1", "w3"]]
        expected = np.zeros_like(X)
        expected[[2, 3]] = X[[2, 3]]
        assert np.array_equal(table_rows(sv.baselines.TfIdfSelection(2), documents=documents), expected)
        with pytest.raises(ValueError, match="counts words; fit on Vectors"):
            sv.baselines.TfIdfSelection(2).fit(X, documents=documents)

    def test_is_ant_with_these_anchors_where_others_have_no_entries(self):
        selection = sv.baselines.FrequencySelection(7).fit(X)
        ant = sv.ANT(anchors=range(7), nonzeros=1, n_rounds=0).fit(X)
        assert np.array_equal(selection.anchors_, ant.anchors_)
        assert selection.transform_[:7].toarray() == pytest.approx(ant.transform_[:7].toarray(), abs=1e-5)
        assert selection.n_parameters_ == 7 * 10 + 7

    def test_more_than_rows(self):
        with pytest.raises(ValueError, match="n_anchors=81; expected between 1 and 80"):
            sv.baselines.FrequencySelection(81).fit(X)


class TestPrune:
    @pytest.mark.parametrize("sparsity", [0.0, 0.5, 0.95])
    def test_keeps_the_largest_entries_of_all(self, sparsity):
        kept = round((1 - sparsity) * X.size)
        expected = np.zeros(X.size, np.float32)
        largest = np.argsort(-np.abs(X).ravel())[:kept]
        expected[largest] = X.ravel()[largest]
        prune = sv.baselines.Prune(sparsity)
        assert np.array_equal(table_rows(prune), expected.reshape(X.shape))
        assert prune.n_parameters_ == kept
        assert (prune.transform(X) != prune.transform_).nnz == 0

    def test_bad_input(self):
        for sparsity in (-0.1, 1.0, np.nan):
            with pytest.raises(ValueError, match="sparsity="):
                sv.baselines.Prune(sparsity).fit(X)
        with pytest.raises(ValueError, match="NaN or infinity in row 0"):
            sv.baselines.Prune().fit([[np.nan]])


class TestLowRank:
    @pytest.mark.parametrize("rank", [1, 4, 10])
    def test_is_the_truncated_svd(self, rank):
        u, s, vt = np.linalg.svd(X.astype(float), full_matrices=False)
        low = sv.baselines.LowRank(rank)
        assert table_rows(low) == pytest.approx((u[:, :rank] * s[:rank]) @ vt[:rank], abs=1e-4)
        assert low.n_parameters_ == rank * (80 + 10)

    def test_rank_above_the_dimension(self):
        with pytest.raises(ValueError, match="rank=11; expected between 1 and 10: the vectors have 10 dimensions"):
            sv.baselines.LowRank(11).fit(X)


class TestSparseCode:
    def test_minimises_its_objective(self):
        code = sv.baselines.SparseCode(n_anchors=20, l1=0.2, sum_to_one=0.7).fit(VECTORS)
        B = X[:20].astype(float)
        assert code.transform_[:20].toarray() == pytest.approx(np.eye(20))  # common words keep their vectors

        def objective(t, x):
            return ((x - t @ B) ** 2).sum() + 0.2 * t.sum() + 0.7 * (1 - t.sum()) ** 2

        # Non-negative, so the penalty is linear: completing the square makes it a non-negative least squares.
        gram = B @ B.T + 0.7 + 1e-9 * np.eye(20)
        root = np.linalg.cholesky(gram).T
        for row in range(20, 80):
            x = X[row].astype(float)
            best, _ = nnls(root, np.linalg.solve(root.T, B @ x + 0.7 - 0.1))
            ours = code.transform_[[row]].toarray()[0]
            assert objective(ours, x) <= objective(best, x) * (1 + 1e-3) + 1e-6

    def test_the_sum_nears_one(self):
        loose, tight = (
            sv.baselines.SparseCode(20, 0.1, sum_to_one=b).fit_transform(X)[20:].sum(axis=1) for b in (0, 100)
        )
        assert np.abs(tight - 1).max() < 0.1
        assert np.abs(loose - 1).mean() > 2 * np.abs(tight - 1).mean()

    def test_table_names_its_anchors(self):
        assert sv.baselines.SparseCode(5, 0.1).compress(VECTORS).anchor_words == ("w0", "w1", "w2", "w3", "w4")

    def test_negative_penalty(self):
        with pytest.raises(ValueError, match="l1=-1"):
            sv.baselines.SparseCode(5, -1.0).fit(X)
        with pytest.raises(ValueError, match=r"sum_to_one=-1.0; expected a finite weight"):
            sv.baselines.SparseCode(5, sum_to_one=-1.0).fit(X)


class TestClustering:
    def test_post_sh(self):
        post = sv.baselines.PostSH(n_anchors=12, nonzeros=4)
        made = table_rows(post)
        A = post.anchors_.astype(float)
        distances = ((X[:, None].astype(float) - A) ** 2).sum(axis=2)
        near = np.argsort(distances, axis=1)[:, :4]
        weights = np.exp(-np.take_along_axis(distances, near, 1) / post.bandwidth_)
        weights /= weights.sum(axis=1, keepdims=True)
        assert post.bandwidth_ == pytest.approx(np.sort(distances, axis=1)[:, 3].mean(), rel=1e-4)
        assert made == pytest.approx(np.einsum("ns,nsd->nd", weights, A[near]), abs=1e-4)

    def test_unweighted_quantization_is_the_nearest_centroid(self):
        quantized = sv.baselines.VocabularyQuantization(9, weighted=False)
        made = table_rows(quantized)
        distances = ((X[:, None] - quantized.anchors_) ** 2).sum(axis=2)
        assert made == pytest.approx(quantized.anchors_[distances.argmin(axis=1)], abs=1e-5)
        assert set(quantized.transform_.data.tolist()) == {1.0}
        means = [X[distances.argmin(axis=1) == j].mean(axis=0) for j in range(9)]
        assert quantized.anchors_ == pytest.approx(np.array(means), abs=1e-4)  # k-means has settled

    def test_weighted_quantization_keeps_lengths(self):
        scaled = X[:9].repeat(9, axis=0) * np.random.default_rng(0).exponential(1, (81, 1)).astype(np.float32)
        quantized = sv.baselines.VocabularyQuantization(9).fit(scaled)
        left = scaled - quantized.transform_ @ quantized.anchors_
        chosen = quantized.anchors_[quantized.transform_.indices]
        assert (left * chosen).sum(axis=1) == pytest.approx(0, abs=1e-3)  # the best value for its centroid
        plain = sv.baselines.VocabularyQuantization(9, weighted=False).fit(scaled)
        unweighted = scaled - plain.transform_ @ plain.anchors_
        assert np.linalg.norm(left) < 0.1 * np.linalg.norm(unweighted)
        quantized.set_params(weighted=False)  # takes effect when it is fitted again
        assert (quantized.transform(scaled) != quantized.transform_).nnz == 0

    @pytest.mark.parametrize("method", [sv.baselines.PostSH, sv.baselines.VocabularyQuantization])
    def test_transform_seeds_and_bad_input(self, method):
        few = {"nonzeros": 2} if method is sv.baselines.PostSH else {}
        fitted = method(6, **few).fit(X)
        assert (fitted.transform(X) != fitted.transform_).nnz == 0
        assert np.array_equal(method(6, **few).fit(X).anchors_, fitted.anchors_)
        with pytest.raises(ValueError, match="n_anchors=81; expected between 1 and 80"):
            method(81).fit(X)
        with pytest.raises(ValueError, match="not fitted"):
            method().transform(X)

    def test_more_neighbours_than_clusters(self):
        with pytest.raises(ValueError, match="nonzeros=7; expected between 1 and 6: there are 6 anchors"):
            sv.baselines.PostSH(6, 7).fit(X)

    def test_as_many_clusters_as_rows_and_repeated_rows(self):
        assert table_rows(sv.baselines.VocabularyQuantization(80, weighted=False)) == pytest.approx(X, abs=1e-5)
        repeated = np.repeat(X[:3], 5, axis=0)
        made = sv.baselines.VocabularyQuantization(6, weighted=False).fit(repeated)
        assert made.transform_ @ made.anchors_ == pytest.approx(repeated, abs=1e-5)


class TestPostSHKSVD:
    def test_is_ant_with_its_choices(self):
        special = sv.baselines.PostSHKSVD(20, 3, n_rounds=2)
        general = sv.ANT(20, 3, nonnegative=False, update="ksvd", n_rounds=2)
        assert np.array_equal(table_rows(special), table_rows(general))
        assert special.get_params() == {
            "n_anchors": 20, "nonzeros": 3, "n_rounds": 2, "max_train_rows": 20_000, "random_state": 0
        }  # fmt: skip


class TestHashEmbedding:
    def test_bucketing_is_the_mean_of_each_bucket(self):
        hashed = sv.baselines.HashEmbedding(7, n_hashes=1, importance=False)
        made = table_rows(hashed)
        buckets = hashed.transform_.indices
        assert hashed.transform_.nnz == 80
        assert len(set(buckets.tolist())) == 7
        expected = np.array([X[buckets == b].mean(axis=0) for b in range(7)])[buckets]
        assert made == pytest.approx(expected, abs=1e-4)

    @pytest.mark.parametrize("n_hashes", [2, 3])
    def test_buckets_of_a_row_are_distinct(self, n_hashes):
        T = sv.baselines.HashEmbedding(3, n_hashes=n_hashes, importance=False).fit(X).transform_
        assert all(len(set(T[[i]].indices.tolist())) == n_hashes for i in range(80))

    def test_learning_importances_fits_better(self):
        residual = []
        for n_rounds in (0, 1, 5):
            hashed = sv.baselines.HashEmbedding(20, n_rounds=n_rounds).fit(X)
            residual.append(np.linalg.norm(X - hashed.transform_ @ hashed.anchors_))
            assert hashed.transform_.nnz == 160
        assert residual[0] > residual[1] > residual[2]

    def test_more_hashes_than_buckets(self):
        with pytest.raises(ValueError, match="n_hashes=3; expected between 1 and 2"):
            sv.baselines.HashEmbedding(2, 3).fit(X)


class TestCompositionalCodes:
    def test_codes_are_one_codeword_per_codebook(self):
        pytest.importorskip("torch")
        codes = sv.baselines.CompositionalCodes(4, 8, n_epochs=60, batch_size=16, learning_rate=0.01)
        made = table_rows(codes)
        assert codes.codes_.shape == (80, 4)
        assert codes.codes_.min() >= 0
        assert codes.codes_.max() < 8
        books = codes.anchors_.reshape(4, 8, 10)
        expected = sum(books[m][codes.codes_[:, m]] for m in range(4))
        assert made == pytest.approx(expected, abs=1e-5)
        assert set(codes.transform_.data.tolist()) == {1.0}
        assert codes.losses_[-1] < 0.8 * codes.losses_[0]
        assert (codes.transform(X) != codes.transform_).nnz == 0
        codes.set_params(n_codebooks=8)
        with pytest.raises(ValueError, match="NaN"):
            codes.fit(np.full((2, 10), np.nan))
        assert (codes.transform(X) != codes.transform_).nnz == 0  # by what was learnt before

    def test_whatever_torch_makes_by_default(self):
        torch = pytest.importorskip("torch")
        plain = sv.baselines.CompositionalCodes(2, 4, n_epochs=1).fit(X)
        before = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)
        try:
            with torch.device("meta"):
                made = sv.baselines.CompositionalCodes(2, 4, n_epochs=1).fit(X)
        finally:
            torch.set_default_dtype(before)
        assert np.array_equal(made.anchors_, plain.anchors_)

    def test_without_torch(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "torch", None)
        with pytest.raises(ImportError, match=r"torch.*slimvec\[torch\]"):
            sv.baselines.CompositionalCodes(2, 4, n_epochs=1).fit(X)


class TestTables:
    @pytest.mark.parametrize(
        "estimator",
        [
            sv.ANT(20, 3, n_rounds=2),
            sv.ANT(20, l1=0.5, n_rounds=0, anchors="frequency", relations=[("w40", "w1")]),
            sv.baselines.PostSHKSVD(20, 3, n_rounds=1),
            sv.baselines.Prune(0.8),
            sv.baselines.PostSH(20, 3),
            sv.baselines.HashEmbedding(20),
        ],
        ids=lambda estimator: type(estimator).__name__,
    )
    def test_saved_and_opened(self, estimator, tmp_path):
        table = estimator.compress(VECTORS)
        table.save(tmp_path / "t.slim")
        opened = sv.open(tmp_path / "t.slim")
        everything = np.arange(80)
        assert np.array_equal(opened.lookup(everything), table.lookup(everything))
        assert table.lookup(everything) == pytest.approx(estimator.transform_ @ estimator.anchors_, abs=1e-4)
        assert opened.words == VECTORS.words
        made_by = opened.info()["made_by"]
        assert made_by["method"] == type(estimator).__name__
        assert made_by["parameters"].get("n_anchors") == getattr(estimator, "n_anchors", None)
        if isinstance(estimator, sv.ANT):
            expected = estimator.transform(X[:9])
            assert (opened.encode(X[:9]) != expected).nnz == 0
        else:
            with pytest.raises(ValueError, match="does not know how its rows were coded"):
                opened.encode(X[:9])

    def test_float16_anchors_are_named(self):
        table = sv.ANT(anchors=["w3", "w5"], nonzeros=1, n_rounds=0).compress(VECTORS, dtype="float16")
        assert table.anchor_words == ("w3", "w5")
        assert table.anchors.dtype == np.float16

    def test_a_bare_matrix_gives_numbered_rows(self):
        assert sv.baselines.Prune(0.5).compress(X).words is None
