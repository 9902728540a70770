"""Made the frozen files that came later than the others, when words had their hash table and before facts had a
checksum: codes, packed rows, the table of a layer and a classifier. It needs torch. They must never be made again.
"""

import json
from pathlib import Path

import numpy as np
import torch
from scipy.sparse import csr_array

import slimvec as sv
from slimvec.nn import AnchorEmbedding, ProximalSGD

here = Path(__file__).parent
generator = np.random.default_rng(3)
words = ["cat", "dog", "größe", "new york", "sea"]


def answers(table):
    return {
        "rows": table.lookup(words).tolist(),
        "nearest": [[int(table.vocabulary.row(word)) for word, _ in table.most_similar(key, 4)] for key in words],
    }


tables = {"slots": sv.BinaryTable(sv.pack(generator.standard_normal((5, 37))), 37, words=words)}

dense = np.where(generator.random((5, 600)) < 0.01, generator.integers(-7, 8, (5, 600)) / 4, 0)
dense[0, [0, 299, 599]] = [1.75, -0.25, 0.5]  # more than 255 apart
dense[2] = 0
anchors = generator.integers(-8, 9, (600, 2)) / 8
tables["packed"] = sv.SparseTable(anchors, csr_array(dense), words, dtype="int4")

torch.manual_seed(3)
layer = AnchorEmbedding(5, 4, n_anchors=3, storage="slots")
optimizer = ProximalSGD(layer, lr=0.05, l1=0.05)
for _ in range(100):
    loss = (layer(torch.arange(5)) - torch.eye(5, 4)).square().sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
tables["layer"] = layer.to_table(words)

for name, table in tables.items():
    table.save(here / f"{name}.slim")

texts = [["a", "good", "film"], ["good", "fun"], ["what", "a", "bad", "film"], ["bad", "bad"]] * 5
model = sv.TextClassifier(n_anchors=2, embedding_dim=3, n_epochs=60).fit(texts, ["+", "+", "größe", "größe"] * 5)
model.save(here / "classifier.slim")
asked = [["good", "good"], ["bad", "music"], [], ["a", "film"]]
classified = {
    "texts": asked,
    "probabilities": model.predict_proba(asked).tolist(),
    "classes": model.predict(asked).tolist(),
}
found = {name: answers(table) for name, table in tables.items()} | {"classifier": classified}
(here / "later.json").write_text(json.dumps(found) + "\n")
