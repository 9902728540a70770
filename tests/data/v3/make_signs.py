"""Made the frozen file of codes of signs in lists, of rows of many lengths, and its answers. Never to be made again."""

import json
from pathlib import Path

import numpy as np

import slimvec as sv

here = Path(__file__).parent
generator = np.random.default_rng(7)
words = ["cat", "dog", "größe", "new york", "sea", *(f"word{i}" for i in range(35))]
vectors = (generator.standard_normal((40, 12)) * np.linspace(3, 0.3, 12) + 1).astype(np.float32)
table = sv.IIQ(n_bits=10, n_remove=0, partitions=4).compress(sv.Vectors(words, vectors))
table.save(here / "signs_in_lists.slim")
queries = np.rint(vectors[:3])
answers = {
    "rows": table.lookup(range(40)).tolist(),
    "originals": table.lookup(range(40), original=True).tolist(),
    "nearest": [[words.index(word) for word, _ in table.most_similar(key, 4)] for key in words],
    "queries": queries.tolist(),
    "codes": table.encode(queries).tolist(),
}
for metric in ("cosine", "dot", "l2"):
    for name, how in (("2", {"probes": 2}), ("all", {}), ("recall", {"recall": 0.4})):
        scores, rows = table.search(queries, k=4, metric=metric, **how)
        answers[f"{metric} {name}"] = {"scores": scores.tolist(), "rows": rows.tolist()}
(here / "signs_in_lists.json").write_text(json.dumps(answers) + "\n")
