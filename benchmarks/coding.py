"""How fast are rows coded on given anchors? Pursuit and lasso beside scikit-learn's, one thread, the same rows.

Both get a prepared Gram matrix, so that only coding is timed. The residual may not be larger than scikit-learn's, nor
the lasso's objective by more than 1e-4.

Run: ``python -m benchmarks.coding``.
"""

from __future__ import annotations

import os

os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy starts its threads

import warnings

import numpy as np

from benchmarks.common import data_or_skip, interleaved, load_rows, parser, residual, table, write_result
from slimvec.sparse.solvers.atoms import Atoms
from slimvec.sparse.solvers.lasso import lasso
from slimvec.sparse.solvers.pursuit import omp

N_ANCHORS = 1000
NONZEROS = 10
REPEATS = 5


def objective(X, T, A, l1):
    T = np.asarray(T.todense() if hasattr(T, "todense") else T, np.float64)
    return float(0.5 * ((X - T @ A) ** 2).sum() + l1 * np.abs(T).sum())


def nonzeros(T):
    return np.count_nonzero(T.toarray() if hasattr(T, "toarray") else T) / T.shape[0]


def pursuit_section(X, A):
    from sklearn.decomposition import sparse_encode

    atoms, gram = Atoms.unit(A), A @ A.T
    contestants = {
        "scikit-learn `sparse_encode`, omp": lambda: sparse_encode(
            X, A, gram=gram, algorithm="omp", n_nonzero_coefs=NONZEROS
        ),
        'slimvec `omp`, selection="omp"': lambda: omp(X, atoms, NONZEROS, selection="omp", threads=1),
        'slimvec `omp`, selection="ols"': lambda: omp(X, atoms, NONZEROS, threads=1),
        "slimvec `omp`, non-negative": lambda: omp(X, atoms, NONZEROS, nonnegative=True, threads=1),
    }
    residuals = {name: residual(X, run() @ A) for name, run in contestants.items()}
    theirs, *ours = residuals
    assert all(residuals[name] <= residuals[theirs] * (1 + 1e-6) for name in ours[:2])
    seconds = interleaved(contestants, REPEATS)
    rows = [
        [
            name,
            f"{1e6 * seconds[name] / len(X):.1f}",
            f"{seconds[theirs] / seconds[name]:.1f}",
            f"{residuals[name]:.4f}",
        ]
        for name in contestants
    ]
    text = f"## {NONZEROS} non-zeros per row, {len(X):,} rows\n\n"
    return text + table(rows, ["", "µs per row", "times faster", "‖X − TA‖ / ‖X‖"])


def lasso_section(X, A, l1):
    from sklearn.decomposition import sparse_encode

    atoms, gram = Atoms.given(A), A @ A.T
    rows = []
    for nonnegative in (False, True):
        contestants = {
            "scikit-learn": lambda positive=nonnegative: sparse_encode(
                X, A, gram=gram, algorithm="lasso_cd", alpha=l1, positive=positive
            ),
            "slimvec": lambda nonnegative=nonnegative: lasso(X, atoms, l1, nonnegative=nonnegative, threads=1),
        }
        found = {name: run() for name, run in contestants.items()}
        reached = {name: objective(X, T, A, l1) for name, T in found.items()}
        assert reached["slimvec"] <= reached["scikit-learn"] * (1 + 1e-4)
        seconds = interleaved(contestants, 3)
        rows.append([
            f"λ = {l1}" + (", T ≥ 0" if nonnegative else ""),
            f"{nonzeros(found['slimvec']):.1f}",
            *(f"{1e6 * seconds[name] / len(X):.0f}" for name in contestants),
            f"{seconds['scikit-learn'] / seconds['slimvec']:.0f}",
            f"{reached['slimvec'] / reached['scikit-learn'] - 1:+.1e}",
        ])  # fmt: skip
    return rows


def main():
    data = data_or_skip(parser(__doc__).parse_args())
    warnings.simplefilter("ignore")  # scikit-learn's, of rows that did not converge to its tolerance
    X = load_rows(data, "numberbatch")
    generator = np.random.default_rng(0)
    order = generator.permutation(len(X))
    A = X[order[:N_ANCHORS]]
    A /= np.linalg.norm(A, axis=1, keepdims=True)
    others = X[order[N_ANCHORS:]]
    sections = [pursuit_section(others[:4096], A)]
    rows = [row for l1 in (0.2, 0.1) for row in lasso_section(others[:1000], A, l1)]
    header = ["", "non-zeros", "scikit-learn, µs per row", "slimvec", "times faster", "objective, relative to theirs"]
    sections.append("## Lasso by coordinate descent, 1,000 rows\n\n" + table(rows, header))
    title = f"Coding rows on {N_ANCHORS:,} anchors, numberbatch, one thread"
    write_result("coding", title, sections)


if __name__ == "__main__":
    main()
