"""Made the frozen files of format version 1; kept to show how. They must never be made again: see CONTRIBUTING.md."""

import json
from pathlib import Path

import numpy as np

import slimvec as sv

here = Path(__file__).parent
generator = np.random.default_rng(1)
codes = sv.pack(generator.standard_normal((5, 37)))
projection = generator.standard_normal((3, 37)).astype(np.float32)
words = ["cat", "dog", "größe", "new york", "sea"]
table = sv.BinaryTable(codes, 37, words=words, mean=[0.5, 0, -1], projection=projection)
table.save(here / "binary.slim")
answers = {"codes": codes.tolist(), "encoded": table.encode(np.eye(3)).tolist()}
(here / "binary.json").write_text(json.dumps(answers) + "\n")
