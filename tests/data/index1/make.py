"""Made the frozen folder of an index, of version 1 of its database, and its answers. Never to be made again."""

import json
from pathlib import Path

import numpy as np

import slimvec as sv

here = Path(__file__).parent
generator = np.random.default_rng(6)
vectors = (generator.standard_normal((40, 12)) * np.linspace(3, 0.3, 12) + 1).astype(np.float32)
names = ["cat", "dog", "größe", "new york", "sea", *(f"word{i}" for i in range(35))]
for kind, ids in (("texts", names), ("integers", [7 * i - 50 for i in range(40)])):
    index = sv.Index.build(vectors[:30], ids=ids[:30], n_bits=18, refine_bits=2)
    index.save(here / kind)
    index.add(vectors[30:], ids=ids[30:])
    index.remove(ids[2:40:9])
    index.save()
    hits = index.search(np.rint(vectors[:3]), k=4)
    answers = {
        "ids": index.ids.tolist(),
        "vectors": index.vectors(index.ids).tolist(),
        "queries": np.rint(vectors[:3]).tolist(),
        "found": hits.ids,
        "scores": [scores.tolist() for scores in hits.scores],
    }
    (here / f"{kind}.json").write_text(json.dumps(answers) + "\n")
