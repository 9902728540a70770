"""The solvers of the sparse wing beside slow twins, and what must hold of any solution."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from slow_sparse import duality_gap, fista, kkt_violation, objective, rows, slow_omp

pytest.importorskip("numba")
pytest.importorskip("scipy")
from scipy.optimize import nnls
from scipy.sparse import csr_array

from slimvec.sparse import solvers
from slimvec.sparse.solvers.atoms import Atoms
from slimvec.sparse.solvers.budget import allocate, omp_within
from slimvec.sparse.solvers.lasso import lasso, soft_threshold
from slimvec.sparse.solvers.pursuit import omp, refit
from slimvec.sparse.solvers.solver import Solver, encode

shapes = {"n": st.integers(1, 12), "d": st.integers(1, 10), "k": st.integers(1, 15), "seed": st.integers(0, 99)}
quick = settings(deadline=None, max_examples=40)


def residuals(X, A, T):
    return ((X - T @ A) ** 2).sum(axis=1)


class TestSoftThreshold:
    def test_minimises_its_prox(self):
        values = np.linspace(-3, 3, 25)
        grid = np.linspace(-4, 4, 8001)
        for nonnegative in (False, True):
            allowed = grid[grid >= 0] if nonnegative else grid
            cost = (allowed[None] - values[:, None]) ** 2 / 2 + 0.7 * np.abs(allowed)
            best = allowed[cost.argmin(axis=1)]
            assert soft_threshold(values, 0.7, nonnegative=nonnegative) == pytest.approx(best, abs=1e-3)

    def test_unpenalised_entries(self):
        assert soft_threshold([-2.0, 2.0], [0.0, 0.5]).tolist() == [-2.0, 1.5]
        assert soft_threshold([-2.0, 2.0], [0.0, 0.5], nonnegative=True).tolist() == [0.0, 1.5]

    def test_negative_threshold(self):
        with pytest.raises(ValueError, match=r"threshold holds -1\.0; expected nothing below 0"):
            soft_threshold([1.0], -1.0)


class TestPursuit:
    @pytest.mark.parametrize("selection", ["omp", "ols"])
    def test_is_the_slow_twin(self, selection):
        X, A = rows(30, 12, 1), rows(40, 12, 2)
        T = omp(X, A, 5, selection=selection)
        for i, x in enumerate(X.astype(np.float64)):
            support, values = slow_omp(x, A.astype(np.float64), 5, by_gain=selection == "ols")
            expected = np.zeros(40)
            expected[support] = values
            assert T[[i]].toarray()[0] == pytest.approx(expected, abs=1e-4)

    def test_is_that_of_scikit_learn(self):
        decomposition = pytest.importorskip("sklearn.decomposition")
        X, A = rows(50, 20, 3), rows(60, 20, 4)
        A /= np.linalg.norm(A, axis=1, keepdims=True)
        theirs = decomposition.sparse_encode(X, A, algorithm="omp", n_nonzero_coefs=6)
        assert omp(X, A, 6, selection="omp").toarray() == pytest.approx(theirs, abs=1e-4)

    @given(**shapes, nonnegative=st.booleans(), selection=st.sampled_from(["omp", "ols"]))
    @quick
    def test_more_atoms_never_fit_worse(self, n, d, k, seed, nonnegative, selection):
        X, A = rows(n, d, seed), rows(k, d, seed + 1)
        last = (X.astype(np.float64) ** 2).sum(axis=1)
        for nonzeros in range(1, k + 1):
            T = omp(X, A, nonzeros, nonnegative=nonnegative, selection=selection)
            assert np.diff(T.indptr).max() <= nonzeros
            assert not nonnegative or (T.data >= 0).all()
            now = residuals(X, A, T)
            assert (now <= last * (1 + 1e-4) + 1e-5).all()
            last = now

    @given(**shapes)
    @quick
    def test_the_residual_is_orthogonal_to_the_chosen_atoms(self, n, d, k, seed):
        X, A = rows(n, d, seed), rows(k, d, seed + 1)
        T = omp(X, A, min(3, k))
        slope = np.abs((X - T @ A) @ A.T)
        assert slope[T.toarray() != 0] == pytest.approx(0, abs=1e-3)

    @given(**shapes)
    @quick
    def test_nonnegative_values_are_nnls_on_their_support(self, n, d, k, seed):
        X, A = rows(n, d, seed), rows(k, d, seed + 1)
        T = omp(X, A, min(4, k), nonnegative=True)
        for i in range(n):
            support = T[[i]].indices
            if len(support) == 0:  # SciPy 1.17 aborts on an empty matrix
                assert (A @ X[i]).max() < 1e-3
                continue
            best, _ = nnls(A[support].T.astype(np.float64), X[i].astype(np.float64))
            assert T[[i]].data == pytest.approx(best, rel=1e-2, abs=2e-3)

    def test_nonnegative_fills_the_support_that_least_squares_empties(self):
        """Some row loses an atom on the way, or the test shows nothing; all end with as many as asked for."""
        X, A = rows(200, 20, 1), rows(80, 20, 2)
        greedy = omp(X, A, 6, selection="omp")
        assert (greedy.data < 0).any()
        assert (np.diff(omp(X, A, 6, nonnegative=True).indptr) == 6).mean() > 0.95

    @pytest.mark.parametrize("nonnegative", [False, True])
    def test_duplicate_dependent_and_zero_atoms_are_passed_over(self, nonnegative):
        X = np.abs(rows(20, 3))
        A = np.concatenate([np.eye(3), np.eye(3), [[1, 1, 0]], np.zeros((2, 3))]).astype(np.float32)
        T = omp(X, A, 9, nonnegative=nonnegative)
        assert np.isfinite(T.data).all()
        assert np.diff(T.indptr).max() <= 3
        assert T[:, [7, 8]].nnz == 0
        assert pytest.approx(X, abs=1e-5) == T @ A

    def test_zero_rows_have_no_atoms(self):
        X = np.zeros((3, 4), np.float32)
        X[1] = 1
        for nonnegative in (False, True):
            assert np.diff(omp(X, np.abs(rows(5, 4)), 2, nonnegative=nonnegative).indptr)[[0, 2]].tolist() == [0, 0]
            assert omp(np.zeros((3, 1)), -np.ones((2, 1)), 1, nonnegative=nonnegative).nnz == 0  # correlations of -0

    @pytest.mark.parametrize("scale", [1e-25, 1e-12, 1e12, 1e25])
    def test_scale_does_not_matter(self, scale):
        X, A = rows(20, 6), rows(9, 6, 1)
        T = omp(X * np.float32(scale), A, 3).toarray()
        assert T / scale == pytest.approx(omp(X, A, 3).toarray(), rel=1e-3)
        assert omp(X, A * np.float32(scale), 3).toarray() * scale == pytest.approx(omp(X, A, 3).toarray(), rel=1e-3)

    def test_tolerance_stops_early(self):
        X, A = rows(50, 10), rows(40, 10, 1)
        T = omp(X, A, 10, tolerance=0.3)
        squares = (X**2).sum(axis=1)
        assert (residuals(X, A, T) <= 0.3 * squares * 1.001).all()
        assert T.nnz < omp(X, A, 10).nnz

    def test_threads_and_blocks_do_not_matter(self, monkeypatch):
        X, A = rows(700, 8), rows(20, 8, 1)
        whole = omp(X, A, 3, threads=1)
        monkeypatch.setattr("slimvec.sparse.solvers.atoms.BLOCK_ENTRIES", 20 * 300)
        parts = omp(X.astype(np.float64), A, 3, threads=4)
        assert np.array_equal(whole.indices, parts.indices)
        assert whole.data == pytest.approx(parts.data, rel=1e-5)

    def test_no_rows(self):
        assert omp(np.empty((0, 4)), rows(5, 4), 2).shape == (0, 5)

    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            ((np.ones((2, 3)), np.ones((2, 4)), 1), ValueError, "X has 3 columns; expected 4"),
            ((np.ones((2, 3)), np.ones((2, 3)), 3), ValueError, "nonzeros=3; expected between 1 and 2: there are 2"),
            ((np.ones((2, 3)), np.ones((2, 3)), 0), ValueError, "nonzeros=0"),
            ((np.ones((2, 3)), np.ones((2, 3)), 1.5), TypeError, r"nonzeros=1\.5 is not an integer"),
            ((np.ones((2, 3)), np.ones((2, 3)), np.array([1, 3])), ValueError, "nonzeros is"),
            ((np.ones((99, 3)), np.ones((2, 3)), np.array([1, 1])), ValueError, r"has shape \(2,\); expected \(99,\)"),
            ((np.ones((1, 3)), np.ones((2, 3)), np.array([1, 1])), ValueError, r"has shape \(2,\); expected \(1,\)"),
            ((np.ones((2, 3)), np.ones((0, 3)), 1), ValueError, "anchors is empty"),
            ((np.array([[1.0], [np.nan]]), np.ones((2, 1)), 1), ValueError, "X holds NaN or infinity in row 1"),
            ((np.ones((1, 2)), np.array([[np.inf, 1]]), 1), ValueError, "anchors holds NaN or infinity in row 0"),
            ((np.array([[1e300]]), np.ones((2, 1)), 1), ValueError, "too large for float32"),
            ((np.ones(3), np.ones((2, 3)), 1), ValueError, r"X has shape \(3,\)"),
            ((np.array([[1.0], [1e30]]), np.full((2, 1), 1e-30), 1), ValueError, "row 1 of X is so much longer than"),
        ],
    )
    def test_bad_input(self, arguments, error, message):
        with pytest.raises(error, match=message):
            omp(*arguments)

    def test_unknown_selection(self):
        with pytest.raises(ValueError, match="selection='best'; expected one of"):
            omp(rows(2, 3), rows(2, 3), 1, selection="best")


class TestLasso:
    @given(**shapes, nonnegative=st.booleans(), l1=st.floats(0.01, 3))
    @quick
    def test_keeps_the_kkt_conditions(self, n, d, k, seed, nonnegative, l1):
        X, A = rows(n, d, seed), rows(k, d, seed + 1)
        T = lasso(X, A, l1, nonnegative=nonnegative)
        slack = 2e-4 * np.abs(X @ A.T).max(axis=1) + 1e-5
        assert (kkt_violation(X, A, T, l1, nonnegative) <= slack).all()
        assert not nonnegative or (T.data >= 0).all()

    @given(d=shapes["d"], k=shapes["k"], seed=shapes["seed"], nonnegative=st.booleans(), part=st.floats(0.05, 1))
    @quick
    def test_the_gap_certifies_the_solution(self, d, k, seed, nonnegative, part):
        """Scaling a residual that breaks the conditions by v until it is feasible costs a part v / λ of ‖x‖²."""
        X, A = rows(1, d, seed), rows(k, d, seed + 1)
        l1 = part * float(np.abs(X @ A.T).max()) + 1e-3
        for tolerance in (1e-4, 1e-6):
            T = lasso(X, A, l1, nonnegative=nonnegative, tolerance=tolerance)
            gap = duality_gap(X, A, T, l1, nonnegative=nonnegative)
            assert gap[0] <= (2 * tolerance + 1e-5) / part * (X**2).sum() + 1e-5

    @pytest.mark.parametrize("nonnegative", [False, True])
    def test_agrees_with_fista(self, nonnegative):
        X, A = rows(20, 12), rows(30, 12, 1)
        ours, theirs = (solve(X, A, 0.8, nonnegative=nonnegative) for solve in (lasso, fista))
        assert objective(X, A, ours, 0.8) == pytest.approx(objective(X, A, theirs, 0.8), rel=1e-5)

    def test_is_that_of_scikit_learn(self):
        decomposition = pytest.importorskip("sklearn.decomposition")
        X, A = rows(40, 20, 3), rows(60, 20, 4)
        A /= np.linalg.norm(A, axis=1, keepdims=True)
        theirs = decomposition.sparse_encode(X.astype(float), A.astype(float), algorithm="lasso_cd", alpha=0.5)
        assert objective(X, A, lasso(X, A, 0.5), 0.5) == pytest.approx(
            objective(X, A, csr_array(theirs), 0.5), rel=1e-4
        )

    @given(**shapes, nonnegative=st.booleans())
    @quick
    def test_offsets_change_the_penalty_entry_by_entry(self, n, d, k, seed, nonnegative):
        X, A = rows(n, d, seed), rows(k, d, seed + 1)
        offsets = np.random.default_rng(seed).choice([0, -0.5, 3], (n, k)).astype(np.float32)
        offsets[np.arange(n), np.arange(n) % k] = -2  # one entry free: several that depend on each other have no end
        penalties = np.maximum(1 + offsets, 0)
        T = lasso(X, A, 1.0, offsets=csr_array(offsets), nonnegative=nonnegative)
        slack = 2e-4 * np.abs(X @ A.T).max(axis=1) + 1e-4
        assert (kkt_violation(X, A, T, penalties, nonnegative) <= slack).all()

    def test_a_large_penalty_leaves_nothing_and_none_leaves_least_squares(self):
        X, A = rows(10, 8), rows(5, 8, 1)
        assert lasso(X, A, float(np.abs(X @ A.T).max())).nnz == 0
        expected = np.linalg.lstsq(A.T, X.T, rcond=None)[0].T
        assert lasso(X, A, 0, tolerance=1e-6).toarray() == pytest.approx(expected, abs=1e-4)

    def test_duplicate_and_zero_atoms(self):
        A = np.concatenate([np.eye(3), np.eye(3), np.zeros((1, 3))]).astype(np.float32)
        T = lasso([[3.0, -2.0, 0.5]], A, 1.0)
        assert pytest.approx(np.array([[2, -1, 0]]), abs=1e-3) == T @ A

    def test_says_when_it_did_not_settle(self):
        with pytest.warns(UserWarning, match="did not settle in 1 rounds"):
            lasso(rows(5, 10), rows(30, 10, 1), 0.01, max_rounds=1)

    def test_the_gap_is_wide_where_t_is_not_the_minimum(self):
        X, A = rows(5, 10), rows(30, 10, 1)
        nothing = csr_array((5, 30), dtype=np.float32)
        excess = objective(X, A, nothing, 0.5) - objective(X, A, lasso(X, A, 0.5, tolerance=1e-6), 0.5)
        assert (duality_gap(X, A, nothing, 0.5) >= excess - 1e-4).all()
        assert excess.min() > 0.1

    @pytest.mark.parametrize("solve", [lasso, fista])
    @pytest.mark.parametrize(
        ("l1", "error", "message"),
        [
            (-0.1, ValueError, r"l1=-0\.1; expected a finite penalty"),
            (np.nan, ValueError, "l1=nan"),
            (np.inf, ValueError, "l1=inf"),
            ("a", TypeError, "l1='a' is not a number"),
            (True, TypeError, "l1=True is not a number"),
        ],
    )
    def test_bad_penalty(self, solve, l1, error, message):
        with pytest.raises(error, match=message):
            solve(rows(2, 3), rows(2, 3), l1)

    @pytest.mark.parametrize(("x", "a"), [(1e30, 1e10), (1.0, 1e30)])
    def test_values_too_large_for_float32(self, x, a):
        with pytest.raises(ValueError, match=r"too large to (multiply|square) in float32; divide by a constant first"):
            lasso(np.full((1, 2), x), np.full((1, 2), a), 1.0)

    def test_bad_offsets(self):
        with pytest.raises(ValueError, match=r"offsets has shape \(1, 1\); expected \(2, 4\): rows by anchors"):
            lasso(rows(2, 3), rows(4, 3), 1.0, offsets=csr_array((1, 1)))


class TestRefit:
    @given(**shapes)
    @quick
    def test_is_least_squares_on_the_support(self, n, d, k, seed):
        X, A = rows(n, d, seed), rows(k, d, seed + 1)
        A /= np.linalg.norm(A, axis=1, keepdims=True)
        chosen = omp(X, A, min(3, k))
        used = [A[chosen[[i]].indices] for i in range(n)]
        assume(all(np.linalg.svd(atoms)[1].min(initial=1) > 0.1 for atoms in used))  # not nearly dependent
        shrunk = csr_array((chosen.data * 0.5, chosen.indices, chosen.indptr), shape=chosen.shape)
        again = refit(X, A, shrunk)
        # Near the threshold of dependence an order of anchors decides which one leaves: compare what they make.
        residuals = [np.linalg.norm(X - transform @ A, axis=1) for transform in (again, chosen)]
        assert (residuals[0] <= residuals[1] + 0.02 * np.linalg.norm(X, axis=1)).all()
        slope = np.abs((X - again @ A) @ A.T)
        assert slope[again.toarray() != 0] == pytest.approx(0, abs=2e-3)

    def test_lowers_the_residual_of_the_lasso_on_its_support(self):
        X, A = rows(30, 12), rows(40, 12, 1)
        for nonnegative in (False, True):
            biased = lasso(X, A, 1.0, nonnegative=nonnegative)
            fitted = refit(X, A, biased, nonnegative=nonnegative)
            assert (residuals(X, A, fitted) <= residuals(X, A, biased) + 1e-5).all()
            assert not np.any((fitted.toarray() != 0) & (biased.toarray() == 0))
            assert not nonnegative or (fitted.data > 0).all()

    def test_dependent_atoms_leave(self):
        A = np.array([[1, 0], [2, 0], [0, 1]], np.float32)
        fitted = refit([[4.0, 1.0]], A, csr_array([[1.0, 1.0, 1.0]]))
        assert fitted.nnz == 2
        assert fitted @ A == pytest.approx(np.array([[4, 1]]))

    def test_wrong_shape(self):
        with pytest.raises(ValueError, match=r"transform has shape \(3, 4\)"):
            refit(rows(2, 3), rows(4, 3), csr_array((3, 4)))


class TestBudget:
    @given(n=st.integers(1, 8), k=st.integers(1, 6), seed=st.integers(0, 99), data=st.data())
    @quick
    def test_is_met_exactly_and_spent_where_it_gains_most(self, n, k, seed, data):
        gains = -np.sort(-np.random.default_rng(seed).integers(0, 5, (n, k)), axis=1).astype(float)
        budget = data.draw(st.integers(0, n * k))
        counts = allocate(gains, budget)
        assert counts.sum() == min(budget, (gains > 0).sum())
        spent = sum(gains[i, :c].sum() for i, c in enumerate(counts))
        assert spent == np.sort(gains.ravel())[::-1][:budget].sum()  # gains fall along rows: the best there is

    def test_weights(self):
        gains = np.array([[4.0, 3.0], [2.0, 1.0]])
        assert allocate(gains, 2).tolist() == [2, 0]
        assert allocate(gains, 2, weights=[1, 10]).tolist() == [0, 2]
        with pytest.raises(ValueError, match=r"weights has shape \(3,\); expected \(2,\)"):
            allocate(gains, 2, weights=[1, 2, 3])
        with pytest.raises(ValueError, match="weights holds NaN, infinity or a negative number"):
            allocate(gains, 2, weights=[1, -2])

    @pytest.mark.parametrize("nonnegative", [False, True])
    def test_beats_the_same_number_in_every_row(self, nonnegative):
        generator = np.random.default_rng(0)
        X = rows(300, 16) * generator.exponential(1, (300, 1)).astype(np.float32)
        A = rows(40, 16, 1)
        T = omp_within(X, A, 900, most=10, nonnegative=nonnegative)
        assert T.nnz == 900
        assert np.diff(T.indptr).max() <= 10
        even = omp(X, A, 3, nonnegative=nonnegative)
        assert residuals(X, A, T).sum() < 0.97 * residuals(X, A, even).sum()


class TestCoding:
    @pytest.mark.parametrize(
        "parameters", [{"nonzeros": 2}, {"l1": 0.5}, {"l1": 0.5, "refit": True}, {"nonzeros": 2, "nonnegative": False}]
    )
    def test_parameters_bring_the_same_codes_back(self, parameters):
        X, A = rows(20, 5), rows(9, 5, 1)
        coding = Solver(**parameters)
        assert Solver.from_parameters(coding.to_parameters()) == coding
        T = coding.code(X, A)
        assert (encode(X, A, coding.to_parameters()) != T).nnz == 0
        assert T.nnz > 0
        assert (T.data > 0).all() == coding.nonnegative

    @pytest.mark.parametrize(
        ("parameters", "error", "message"),
        [
            ({}, ValueError, "nonzeros=None and l1=None; expected one of the two"),
            ({"nonzeros": 1, "l1": 1.0}, ValueError, "expected one of the two"),
            ({"nonzeros": 1, "depth": 3}, ValueError, "'depth'.*does not know"),
            ({"nonzeros": 1, "refit": 1}, TypeError, "refit=1 is not True or False"),
            ({"l1": -1}, ValueError, "l1=-1"),
        ],
    )
    def test_bad_parameters(self, parameters, error, message):
        with pytest.raises(error, match=message):
            encode(rows(2, 3), rows(2, 3), parameters)


class TestCompiling:
    def test_the_error_names_the_extra(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "slimvec.sparse.solvers.loops_pursuit", None)
        monkeypatch.delattr(solvers, "loops_pursuit", raising=False)
        with pytest.raises(ImportError, match=r"numba.*slimvec\[train\]"):
            omp(rows(2, 3), rows(2, 3), 1)

    def test_without_a_place_for_compiled_code_it_is_kept_in_memory(self, monkeypatch):
        from slimvec.sparse.solvers import jit

        real, asked = jit.numba.njit, []

        def njit(function, **options):
            asked.append(options.get("cache", False))
            if options.get("cache"):
                raise RuntimeError("cannot cache function: no locator available")  # as numba says it
            return real(function, **options)

        monkeypatch.setattr(jit.numba, "njit", njit)

        def double(x):
            return 2 * x

        assert jit.jit(double)(21) == 42
        assert asked == [True, False]

    def test_atoms_may_be_prepared_once(self):
        X, A = rows(5, 4), rows(6, 4, 1)
        assert (omp(X, Atoms.unit(A), 2) != omp(X, A, 2)).nnz == 0
