from __future__ import annotations

import numpy as np
import pytest

import slimvec as sv


def slow(X):
    """Eq. 3-5 word for word."""
    X = X.astype(np.float64)
    n = len(X)
    _, sigma, vt = np.linalg.svd(X, full_matrices=True)
    sigma = np.concatenate([sigma, np.zeros(X.shape[1] - len(sigma))])
    z = [np.exp(sign * X @ e).sum() for e in vt for sign in (1, -1)]
    total = np.linalg.norm(X.sum(axis=0))
    second = (n - total + sigma.min() ** 2 / 2) / (n + total + sigma.max() ** 2 / 2)
    return min(z) / max(z), second


@pytest.mark.parametrize("shape", [(200, 6), (5, 8), (9000, 3), (1, 4)])
def test_equals_the_definition(shape):
    X = 0.3 * np.random.default_rng(0).standard_normal(shape) + 0.1
    assert sv.isotropy(X) == pytest.approx(slow(X), rel=1e-9)


def test_long_vectors_do_not_overflow():
    result = sv.isotropy(1000 * np.random.default_rng(0).standard_normal((100, 5)))
    assert 0 <= result.exact < 1e-6


def test_removing_common_directions_makes_isotropic():
    generator = np.random.default_rng(0)
    common = generator.standard_normal((1000, 1)) * generator.standard_normal(20)
    X = 0.2 * generator.standard_normal((1000, 20)) + common
    u, s, vt = np.linalg.svd(X - X.mean(axis=0), full_matrices=False)
    removed = (u[:, 1:] * s[1:]) @ vt[1:]
    assert sv.isotropy(removed).exact > 10 * sv.isotropy(X).exact


@pytest.mark.parametrize("bad", [np.empty((0, 3)), np.zeros(3), np.full((2, 2), np.nan)])
def test_bad_input(bad):
    with pytest.raises(ValueError, match="X"):
        sv.isotropy(bad)
