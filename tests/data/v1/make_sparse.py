"""Made the frozen sparse files of format version 1, as make.py made the binary ones. They must never be made again."""

import json
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array

import slimvec as sv

here = Path(__file__).parent
generator = np.random.default_rng(2)
words = ["cat", "dog", "größe", "new york", "sea"]
dense = np.where(generator.random((5, 3)) < 0.5, 0, generator.integers(-8, 9, (5, 3)) / 4)
dense[2] = 0
anchors = generator.integers(-8, 9, (3, 4)) / 8
solver = {"nonzeros": 2, "nonnegative": False}
for dtype in ("float32", "float16"):
    table = sv.SparseTable(anchors, csr_array(dense), words, ["fur", "water", "ÿ"], dtype=dtype, solver=solver)
    table.save(here / f"sparse-{dtype}.slim")
found = table.search(np.eye(4), k=5)
answers = {
    "anchors": anchors.tolist(),
    "transform": dense.tolist(),
    "rows": (dense @ anchors).tolist(),
    "indices": found.indices.tolist(),
    "scores": found.scores.tolist(),
    "solver": solver,
}
(here / "sparse.json").write_text(json.dumps(answers) + "\n")
