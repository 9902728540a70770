"""The one file that every wheel build runs: the main job from end to end, with NumPy alone."""

from __future__ import annotations

import numpy as np

import slimvec as sv
from slimvec.sparse.product import CsrParts


def test_main_job(isa, tmp_path):
    generator = np.random.default_rng(0)
    centres = generator.standard_normal((10, 50))
    matrix = (centres[np.arange(500) % 10] + 0.3 * generator.standard_normal((500, 50))).astype(np.float32)
    path = tmp_path / "vectors.txt"
    rows = [f"word{i} " + " ".join(f"{x:.6f}" for x in row) for i, row in enumerate(matrix)]
    path.write_text("\n".join(rows) + "\n")

    vectors = sv.read_vectors(path)
    table = sv.IIQ(n_bits=75).compress(vectors)
    table.save(tmp_path / "table.slim")
    opened = sv.open(tmp_path / "table.slim")

    assert all(int(str(word)[4:]) % 10 == 3 for word, _ in opened.most_similar("word3", k=20))
    assert set(np.unique(opened.lookup(["word1", 2]))) == {-1.0, 1.0}
    assert opened.mean([["word1", "word2"], []]).shape == (2, 75)
    assert opened.search(vectors, k=1).indices.shape == (500, 1)
    assert opened.search_codes(opened.codes(), k=1).distances.max() == 0


def test_main_job_of_sparse_tables(isa, tmp_path):
    """With NumPy alone: the transform is a plain namesake of SciPy's CSR."""
    generator = np.random.default_rng(1)
    anchors = generator.standard_normal((10, 50)).astype(np.float32)
    rows = np.arange(501)
    transform = CsrParts((500, 10), rows, rows[:500] % 10, generator.random(500) + 1)
    sv.SparseTable(anchors, transform, words=[f"word{i}" for i in rows[:500]]).save(tmp_path / "table.slim")
    opened = sv.open(tmp_path / "table.slim")

    assert all(int(str(word)[4:]) % 10 == 3 for word, _ in opened.most_similar("word3", k=20))
    assert opened.mean([["word1", "word2"], []], weights=[[1, 2], []]).shape == (2, 50)
    found = opened.search(opened.lookup([7, 18]), k=50)
    assert (found.indices % 10 == [[7], [8]]).all()
