"""The one file that every wheel build runs: the main job from end to end, with NumPy alone."""

from __future__ import annotations

import numpy as np

import slimvec as sv


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
    assert opened.search(opened.codes(), k=1).distances.max() == 0
