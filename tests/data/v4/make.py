"""Made the frozen file of rows in two lists each, of format version 4, and its answers. Never to be made again."""

import json
from pathlib import Path

import numpy as np

import slimvec as sv

here = Path(__file__).parent
generator = np.random.default_rng(6)
words = ["cat", "dog", "größe", "new york", "sea", *(f"word{i}" for i in range(35))]
vectors = (generator.standard_normal((40, 12)) * np.linspace(3, 0.3, 12) + 1).astype(np.float32)
coding = sv.TransformCoding(n_bits=18, refine_bits=2, partitions=4, spill=True, n_remove=1)
table = coding.compress(sv.Vectors(words, vectors))
table.save(here / "two_lists.slim")
queries = np.rint(vectors[:3])
answers = {
    "rows": table.lookup(range(40)).tolist(),
    "originals": table.lookup(range(40), original=True).tolist(),
    "nearest": [[words.index(word) for word, _ in table.most_similar(key, 4)] for key in words],
    "queries": queries.tolist(),
    "codes": table.encode(queries).tolist(),
}
for probes in (1, 4):
    scores, rows = table.search(queries, k=4, probes=probes)
    answers[str(probes)] = {"scores": scores.tolist(), "rows": rows.tolist()}
scores, rows = table.search(queries, k=4, recall=0.5)
answers["recall"] = {"scores": scores.tolist(), "rows": rows.tolist()}
(here / "two_lists.json").write_text(json.dumps(answers) + "\n")
