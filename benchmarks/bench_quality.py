"""Do the codes keep what the vectors know? Word similarity over seeds, and the loss beside faiss's ITQ.

Word similarity as in the IIQ paper: 100 × Spearman, a word missing from the table (also in lower case) is the mean of
all vectors, codes are -1 / +1. The loss is ‖B - XR‖² per entry on the same centred rows, each library's own rotation.
"""

from __future__ import annotations

import numpy as np

import slimvec as sv
from common import (
    cosine_neighbours,
    data_or_skip,
    held_out,
    load_vectors,
    parser,
    read_pairs,
    recall,
    table,
    word_similarity,
    write_result,
)

SETS = ["MEN", "MTurk", "RG65", "RW", "SimLex999", "WS353"]
SEEDS = range(5)
METHODS = {
    "ITQ, 300 bits": lambda seed: sv.ITQ(300, random_state=seed),
    "IIQ, D=1, 300 bits": lambda seed: sv.IIQ(300, 1, random_state=seed),
    "IIQ, D=2, 300 bits, all rows": lambda seed: sv.IIQ(300, 2, max_train_rows=None, random_state=seed),
    "IIQ, D=2, 300 bits": lambda seed: sv.IIQ(300, 2, random_state=seed),
    "IIQ, D=3, 300 bits": lambda seed: sv.IIQ(300, 3, random_state=seed),
    "IIQ, D=14, 300 bits": lambda seed: sv.IIQ(300, 14, random_state=seed),
    "IIQ, D=2, 150 bits": lambda seed: sv.IIQ(150, 2, random_state=seed),
    "IIQ, D=2, 75 bits": lambda seed: sv.IIQ(75, 2, random_state=seed),
    "IIQ, D=3, 150 bits": lambda seed: sv.IIQ(150, 3, random_state=seed),
    "IIQ, D=3, 75 bits": lambda seed: sv.IIQ(75, 3, random_state=seed),
}


def similarity_section(data, name):
    vectors = load_vectors(data, name)
    sets = {label: read_pairs(data / "similarity" / f"{label}.txt") for label in SETS}
    words = {word: row for row, word in enumerate(vectors.vocabulary)}

    def scores(rows):
        return [word_similarity(words, rows, *sets[label]) for label in SETS]

    floats = vectors.matrix.astype(np.float32)
    rows = [["float", *(f"{score:.1f}" for score in scores(floats))]]
    rows.append(["sign bits, 300", *(f"{s:.1f}" for s in scores(sv.unpack(sv.pack(floats), 300)))])
    for method, make in METHODS.items():
        runs = []
        for seed in SEEDS:
            codes = make(seed).compress(vectors)
            runs.append(scores(codes.lookup(np.arange(len(codes)))))
        mean, spread = np.mean(runs, axis=0), np.std(runs, axis=0)
        rows.append([method, *(f"{m:.1f} ± {s:.1f}" for m, s in zip(mean, spread, strict=True))])
    text = f"## {name}, {len(vectors)} words: 100 × Spearman, mean ± standard deviation over {len(SEEDS)} seeds\n\n"
    return text + table(rows, ["", *SETS])


def recall_section(data):
    rows = []
    for name in ("numberbatch", "glove-enwiki", "googlenews", "minilm-sentences"):
        base, queries = held_out(np.load(data / "vectors" / name / "vectors.npy").astype(np.float32), 1000)
        truth = cosine_neighbours(base, queries, 10)
        cells = [f"{recall(sv.HammingIndex(sv.pack(base), base.shape[1]).search(sv.pack(queries)).indices, truth):.3f}"]
        for n_remove in (0, 1, 2, 3, 14):
            tables = (sv.IIQ(n_remove=n_remove, random_state=seed).compress(base) for seed in SEEDS)
            found = [recall(table.search(queries, 10).indices, truth) for table in tables]
            cells.append(f"{np.mean(found):.3f} ± {np.std(found):.3f}")
        rows.append([f"{name}, {base.shape[1]} bits", *cells])
    text = (
        "## Recall@10 of the float cosine neighbours, 1,000 held-out queries, by the number of directions removed\n\n"
    )
    return text + table(rows, ["", "sign bits", *(f"IIQ, D={d}" for d in (0, 1, 2, 3, 14))])


def faiss_section(data, name):
    import faiss

    X = np.load(data / "vectors" / name / "vectors.npy").astype(np.float32)
    X -= X.mean(axis=0)
    d = X.shape[1]

    def loss(rotated):
        return float(np.mean((np.where(rotated >= 0, 1, -1) - rotated) ** 2))

    start = np.linalg.qr(np.random.default_rng(0).standard_normal((d, d)))[0].astype(np.float32)
    theirs = faiss.ITQMatrix(d)
    theirs.train(X)
    ours = sv.ITQ(d, max_train_rows=None).fit(X)
    sampled = sv.ITQ(d).fit(X)
    losses = {
        "random rotation": loss(X @ start),
        "faiss ITQMatrix, all rows": loss(theirs.apply_py(X)),
        "slimvec ITQ, 10 000 rows": loss((X - sampled.mean_) @ sampled.projection_),
        "slimvec ITQ, all rows": loss((X - ours.mean_) @ ours.projection_),
    }
    assert losses["slimvec ITQ, all rows"] < losses["faiss ITQMatrix, all rows"]
    assert losses["slimvec ITQ, 10 000 rows"] < losses["faiss ITQMatrix, all rows"]
    return f"## {name}: loss per entry on the same centred rows\n\n" + table(
        [[label, f"{value:.5f}"] for label, value in losses.items()], ["rotation", "loss"]
    )


def main():
    options = parser(__doc__).parse_args()
    data = data_or_skip(options)
    sections = [similarity_section(data, "numberbatch"), similarity_section(data, "glove-enwiki")]
    sections += [recall_section(data), faiss_section(data, "numberbatch"), faiss_section(data, "minilm-sentences")]
    write_result("quality.md", "What the codes keep", "bench_quality.py", sections)


if __name__ == "__main__":
    main()
