"""Made the tables whose neighbours the C example prints, and what Python answers; kept to show how."""

import contextlib
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array

import slimvec as sv
from slimvec.cli import main

here = Path(__file__).parent
generator = np.random.default_rng(4)
words = ["wort", "größe", "new york", *(f"word{i}" for i in range(117))]
centres = np.repeat(generator.standard_normal((12, 20)), 10, axis=0)
matrix = centres + 0.7 * generator.standard_normal(centres.shape)
order = generator.permutation(120)
sv.IIQ(n_bits=19, n_remove=0).compress(sv.Vectors(words, matrix[order])).save(here / "binary.slim")
weights = np.where(generator.random((120, 9)) < 0.4, generator.standard_normal((120, 9)), 0)
anchors = generator.standard_normal((9, 20))
sv.SparseTable(anchors, csr_array(weights), words, dtype="float16").save(here / "sparse.slim")
sv.SparseTable(anchors, csr_array(weights), words, dtype="int4").save(here / "packed.slim")
sv.TransformCoding(n_bits=40).compress(sv.Vectors(words, matrix[order])).save(here / "grid.slim")
refined = {"n_bits": 40, "refine_bits": 2}
sv.TransformCoding(**refined).compress(sv.Vectors(words, matrix[order])).save(here / "refined.slim")
sv.TransformCoding(**refined, partitions=6).compress(sv.Vectors(words, matrix[order])).save(here / "partitions.slim")
for kind in ("binary", "sparse", "packed", "grid", "refined", "partitions"):
    with (here / f"{kind}.txt").open("w") as file, contextlib.redirect_stdout(file):
        main(["neighbors", str(here / f"{kind}.slim"), *words[:3]])
