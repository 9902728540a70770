"""Made the frozen folder of an index with columns, of version 2 of its database. Never to be made again."""

import json
from pathlib import Path

import numpy as np

import slimvec as sv

here = Path(__file__).parent
generator = np.random.default_rng(8)
vectors = (generator.standard_normal((40, 12)) * np.linspace(3, 0.3, 12) + 1).astype(np.float32)
names = ["cat", "dog", "größe", "new york", "sea", *(f"word{i}" for i in range(35))]
columns = {
    "year": [1990 + i if i % 6 else None for i in range(40)],
    'a "kind"': [["ä", "b", None][i % 3] for i in range(40)],
    "share": [i / 4 for i in range(40)],
    "sold": [i % 2 == 0 for i in range(40)],
}
index = sv.Index.build(
    vectors[:30], ids=names[:30], n_bits=18, refine_bits=2, keep={name: own[:30] for name, own in columns.items()}
)
index.save(here / "columns")
index.add(vectors[30:], ids=names[30:], keep={name: own[30:] for name, own in columns.items()})
index.remove(names[2:40:9])
index.save()
hits = index.search(vectors[:3], k=4, where='year > 2000 AND "a ""kind""" = ? OR sold', parameters=["ä"])
answers = {
    "ids": index.ids.tolist(),
    "columns": index.columns(index.ids),
    "queries": vectors[:3].tolist(),
    "found": hits.ids,
}
(here / "columns.json").write_text(json.dumps(answers) + "\n")
