"""Made the frozen file of codes of several bits, format version 2, and what it answers. It must never be made again."""

import json
from pathlib import Path

import numpy as np

import slimvec as sv

here = Path(__file__).parent
generator = np.random.default_rng(5)
words = ["cat", "dog", "größe", "new york", "sea", *(f"word{i}" for i in range(15))]
vectors = (generator.standard_normal((20, 12)) * np.linspace(3, 0.3, 12) + 1).astype(np.float32)
table = sv.TransformCoding(n_bits=29, n_remove=1).compress(sv.Vectors(words, vectors))
table.save(here / "grid.slim")
queries = np.rint(vectors[:3])
answers = {
    "rows": table.lookup(range(20)).tolist(),
    "originals": table.lookup(range(20), original=True).tolist(),
    "nearest": [[words.index(word) for word, _ in table.most_similar(key, 4)] for key in words],
    "queries": queries.tolist(),
    "codes": table.encode(queries).tolist(),
}
for metric in ("cosine", "dot"):
    scores, rows = table.search(queries, k=4, metric=metric)
    answers[metric] = {"scores": scores.tolist(), "rows": rows.tolist()}
(here / "grid.json").write_text(json.dumps(answers) + "\n")
