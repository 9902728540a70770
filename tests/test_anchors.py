"""Choosing and learning anchors, and what relations between words change."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slow_sparse import rows

pytest.importorskip("numba")
pytest.importorskip("scipy")
from slimvec.sparse.solvers.pursuit import omp
from slimvec.sparse.training import anchors as choosing
from slimvec.sparse.training.dictionary import DirectionMoments, ksvd_update, learn_anchors
from slimvec.sparse.training.relations import Knowledge, as_row_pairs, cooccurring_pairs, wordnet_pairs
from slimvec.vocabulary import Vocabulary


def generator(seed=0):
    return np.random.default_rng(seed)


class TestScores:
    def test_top_rows(self):
        assert choosing.top_rows([1, 5, 5, 2], 3).tolist() == [1, 2, 3]
        with pytest.raises(ValueError, match="n_anchors=5; expected between 1 and 4: there are 4 rows"):
            choosing.top_rows([1, 5, 5, 2], 5)
        with pytest.raises(ValueError, match="scores has shape"):
            choosing.top_rows([1, np.nan], 1)

    def test_tf_idf(self):
        documents = [["a", "b", "a"], ["a", "c"], ["a", "b"]]
        expected = [4 * math.log(3 / 3), 2 * math.log(3 / 2), math.log(3 / 1), 0]
        assert choosing.tf_idf(documents, ["a", "b", "c", "d"]) == pytest.approx(expected)
        assert choosing.tf_idf([], ["a"]).tolist() == [0]
        with pytest.raises(TypeError, match="documents holds the string 'a b'"):
            choosing.tf_idf(["a b"], ["a"])


class TestKMeansPlusPlus:
    def test_finds_every_cluster(self):
        centres = 100 * rows(12, 5)
        X = np.repeat(centres, 30, axis=0) + 0.1 * rows(360, 5, 1)
        for seed in range(5):
            chosen = choosing.kmeans_plus_plus(X, 12, generator(seed))
            assert sorted(chosen // 30) == list(range(12))

    def test_draws_in_proportion_to_squared_distance(self):
        X = np.array([[0.0], [1.0], [2.0], [3.0]])
        seconds = [choosing.kmeans_plus_plus(X, 2, generator(seed), prefix=[0])[1] for seed in range(2000)]
        frequency = np.bincount(seconds, minlength=4) / 2000
        assert frequency == pytest.approx(np.array([0, 1, 4, 9]) / 14, abs=0.04)

    @given(n=st.integers(1, 20), seed=st.integers(0, 50), data=st.data())
    @settings(deadline=None, max_examples=50)
    def test_rows_are_distinct_even_where_vectors_repeat(self, n, seed, data):
        X = generator(seed).integers(0, 3, (n, 2)).astype(np.float32)
        k = data.draw(st.integers(1, n))
        chosen = choosing.kmeans_plus_plus(X, k, generator(seed))
        assert len(set(chosen.tolist())) == k
        n_values = len(np.unique(X, axis=0))
        assert len(np.unique(X[chosen], axis=0)) == min(k, n_values)  # copies only when nothing else is left

    def test_prefix_comes_first(self):
        chosen = choosing.kmeans_plus_plus(rows(30, 4), 6, generator(), prefix=[7, 3])
        assert chosen[:2].tolist() == [7, 3]
        assert len(set(chosen.tolist())) == 6

    def test_more_than_rows(self):
        with pytest.raises(ValueError, match="n_anchors=4; expected between 1 and 3: there are 3 rows"):
            choosing.kmeans_plus_plus(rows(3, 2), 4, generator())


class TestOtherChoices:
    def test_coreset_favours_what_is_far_from_the_mean(self):
        X = np.zeros((100, 2))
        X[0] = 100
        assert np.mean([0 in choosing.coreset(X, 5, generator(seed)) for seed in range(100)]) > 0.9
        assert len(set(choosing.coreset(np.ones((7, 2)), 7, generator()).tolist())) == 7

    def test_random_basis(self):
        basis = choosing.random_basis(9, 5, generator())
        assert basis.shape == (9, 5)
        assert np.linalg.norm(basis, axis=1) == pytest.approx(1)


class TestLearning:
    def code(self, X, A):
        return omp(X, A, 3)

    def test_mod_is_the_least_squares_of_the_transform(self):
        X, A = rows(80, 6), rows(10, 6, 1)
        T = self.code(X, A)
        expected = np.linalg.lstsq(T.toarray().astype(float), X.astype(float), rcond=None)[0]
        assert DirectionMoments(10, 6).update(T, X).finalize(A) == pytest.approx(expected, abs=1e-4)

    def test_moments_merge(self):
        X, A = rows(80, 6), rows(10, 6, 1)
        T = self.code(X, A)
        parts = [DirectionMoments(10, 6).update(T[rows_], X[rows_]) for rows_ in (slice(0, 30), slice(30, 80))]
        whole = DirectionMoments(10, 6).update(T, X).finalize(A)
        assert parts[0].merge(parts[1]).finalize(A) == pytest.approx(whole, abs=1e-5)

    @pytest.mark.parametrize("update", ["mod", "ksvd"])
    def test_recovers_a_dictionary(self, update):
        truth = rows(12, 8, 5)
        truth /= np.linalg.norm(truth, axis=1, keepdims=True)
        draw = generator(9)
        T = np.zeros((1500, 12), np.float32)
        for row in T:
            row[draw.choice(12, 2, replace=False)] = draw.uniform(1, 2, 2) * draw.choice([-1, 1], 2)
        X = T @ truth
        start = X[:12]
        learnt, residuals = learn_anchors(X, start, lambda x, a: omp(x, a, 2), 40, update=update)
        overlap = np.abs(learnt @ truth.T).max(axis=0)
        assert (overlap > 0.99).sum() >= 10
        assert residuals[-1] < 0.5 * residuals[0]

    def test_ksvd_lowers_the_residual_atom_by_atom(self):
        X, A = rows(200, 8), rows(15, 8, 1)
        A /= np.linalg.norm(A, axis=1, keepdims=True)
        T = self.code(X, A)
        updated = ksvd_update(X, A, T)
        assert np.linalg.norm(updated, axis=1) == pytest.approx(1)
        before = np.linalg.norm(X - T @ A)
        after = np.linalg.norm(X - omp(X, updated, 3) @ updated)
        assert after < before

    def test_orthogonality_lowers_the_penalty_and_costs_little_fit(self):
        X, A = rows(300, 8), rows(20, 8, 1)
        T = self.code(X, A)
        moments = DirectionMoments(20, 8).update(T, X)
        plain, apart = moments.finalize(A), moments.finalize(A, orthogonality=2.0)

        def penalty(anchors):
            gram = np.abs(anchors @ anchors.T)
            return gram.sum() - gram.diagonal().sum()

        def objective(anchors):
            return ((X - T @ anchors) ** 2).sum() / 2 + 2.0 * penalty(anchors)

        assert penalty(apart) < penalty(plain)
        assert objective(apart) < objective(plain)

    def test_unused_anchors_become_the_worst_rows(self):
        X = np.concatenate([np.eye(4)[:2].repeat(20, axis=0), 9 * np.eye(4)[2:3]]).astype(np.float32)
        A = np.eye(4)[[0, 1, 3]].astype(np.float32)  # nothing points to row 40, and no row to the last anchor
        learnt, residuals = learn_anchors(X, A, lambda x, a: omp(x, a, 1), 2)
        assert learnt[2] == pytest.approx(np.eye(4)[2])
        assert residuals[1] == pytest.approx(0, abs=1e-6)
        kept, _ = learn_anchors(X, A, lambda x, a: omp(x, a, 1), 2, replace_unused=False)
        assert kept == pytest.approx(A)


class TestRelations:
    words = Vocabulary(["cat", "dog", "lion", "car", "bus"])

    def test_pairs_with_an_anchor_at_either_end_count_both_ways(self):
        pairs = as_row_pairs([("cat", "lion"), ("dog", "cat"), ("car", "bus")], "relations", self.words)
        entries = Knowledge(pairs, np.empty((0, 2), np.int64), 1.0, np.array([0, 3]), 5, 0.5)
        expected = [[1, 0], [1, 0], [1, 0], [0, 1], [0, 1]]  # anchors are related to themselves
        assert entries.related_entries().toarray().tolist() == expected
        assert entries.offsets().toarray() == pytest.approx(-0.5 * np.array(expected))

    def test_negative_pairs_add_to_the_threshold(self):
        from scipy.sparse import csr_array

        related = as_row_pairs([("cat", "dog")], "relations", self.words)
        negatives = as_row_pairs([("dog", "car"), ("lion", "car")], "negatives", self.words)
        knowledge = Knowledge(related, negatives, 2.0, np.array([0, 4]), 5, 0.5)
        T = csr_array(np.array([[0, 0], [1, 3], [0, -4], [5, 0], [0, 0]], np.float32))
        # Σ_v |t_v| over the partners of each row, times 2, where the entry is not related; -λ where it is.
        expected = [[-0.5, 0], [-0.5, 0], [10, 0], [2, 14], [0, -0.5]]
        assert knowledge.offsets(T).toarray() == pytest.approx(np.array(expected))

    def test_rows_that_are_solved_together_have_no_negative_pair(self):
        pairs = np.array([[0, 1], [1, 2], [2, 0], [3, 0], [3, 4]])
        knowledge = Knowledge(np.empty((0, 2), np.int64), pairs, 1.0, np.array([0]), 5, 0.5)
        groups = [set(group.tolist()) for group in knowledge.independent_rows()]
        assert set.union(*groups) == set(range(5))
        assert sum(map(len, groups)) == 5
        assert not any({u, v} <= group for u, v in pairs.tolist() for group in groups)

    def test_unknown_words_are_named(self):
        pairs = [("cat", "owl"), ("emu", "ant"), ("yak", "gnu"), ("fox", "pig")]
        with pytest.raises(ValueError, match="relations names words that the vectors lack: 'ant', 'emu'.* and 2 more"):
            as_row_pairs(pairs, "relations", self.words)
        with pytest.raises(ValueError, match=r"relations holds \('cat',\); expected pairs"):
            as_row_pairs([("cat",)], "relations", self.words)

    def test_cooccurrence(self):
        texts = [["cat", "x", "dog", "cat"], ["dog", "cat"], ["lion"], ["cat"]]
        words = {"cat", "dog", "lion"}
        assert cooccurring_pairs(texts, words, window=1) == [("cat", "dog")]
        assert cooccurring_pairs(texts, words, window=2, min_count=3) == [("cat", "dog")]
        assert cooccurring_pairs(texts, words, window=2, min_count=4) == []
        with pytest.raises(TypeError, match="texts holds the string"):
            cooccurring_pairs(["cat dog"], words)

    def test_wordnet_interface(self):
        class Lemma:
            def __init__(self, name, opposite=()):
                self.name, self.antonyms = lambda: name, lambda: [Lemma(other) for other in opposite]

        class Synset:
            def __init__(self, lemmas, up=(), down=()):
                self.lemmas, self.hypernyms, self.hyponyms = lambda: lemmas, lambda: list(up), lambda: list(down)

        animal = Synset([Lemma("animal")])
        senses = {"cat": [Synset([Lemma("cat", ["dog"]), Lemma("feline", ["car"])], up=[animal])], "animal": [animal]}

        class WordNet:
            @staticmethod
            def synsets(word):
                return senses.get(word, [])

        words = ["cat", "feline", "animal", "dog", "car"]
        expected = [("animal", "cat"), ("cat", "dog"), ("cat", "feline")]  # antonyms of the word, not of its synonyms
        assert wordnet_pairs(words, WordNet()) == expected
        assert wordnet_pairs(["cat", "car"], WordNet()) == []
