"""Made the frozen files of codes with factors, later than the others of format version 1; see make.py."""

import json
from pathlib import Path

import numpy as np

import slimvec as sv

here = Path(__file__).parent
generator = np.random.default_rng(2)
vectors = (3 * generator.standard_normal((20, 24)) + 1).astype(np.float32)
table = sv.ITQ(n_bits=37, n_iter=5).compress(vectors, factors=True)
table.save(here / "factors.slim")
sv.HammingIndex(table.codes(), n_bits=37).save(here / "hamming.slim")
queries = np.rint(vectors[:2])
scores, rows = table.search(queries, k=3)
answers = {"queries": queries.tolist(), "scores": scores.tolist(), "rows": rows.tolist()}
answers["originals"] = table.lookup([0, 4], original=True).tolist()
(here / "factors.json").write_text(json.dumps(answers) + "\n")
