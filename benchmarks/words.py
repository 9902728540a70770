"""Do codes of several bits serve words, too? Human judgements of words and sentences at equal bytes.

Word similarity is 100 × Spearman over all pairs (a missing word is the mean vector); categories are the mean purity of
four sets; sentences, means of word vectors, the accuracy of logistic regression on one set. Rows are judged as
``lookup`` gives them: centred, without the removed directions. Bytes are those of a row, factors included: codes of
several bits need two float16 numbers, three where vectors are not of unit length. What is clustered or classified is
that of the first seed.

Run: ``python -m benchmarks.words``. faiss's PQ is shown where it is installed. Finished cells are kept in
``build/cells``.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

import slimvec as sv
from benchmarks.cells import Cells
from benchmarks.common import SIMILARITY, data_or_skip, load_vectors, parser, similarity, table, unit, write_result
from slimvec.evaluate import categorization, isotropy, sentence_classification
from slimvec.evaluate.datasets import read_sentences

if TYPE_CHECKING:
    from pathlib import Path

TABLES = ("numberbatch", "glove-enwiki")
BYTES = (12, 20, 40, 80)
REMOVED = (0, 1, 2)
SEEDS = 3
SENTENCES = ("CR",)
ANCHORS = {20: 11, 40: 25}  # entries of four bits and of ten for the anchor, of 1,000
PARTS = {12: (12, 8), 20: (20, 8), 40: (50, 6), 80: (75, 8)}  # of a product quantizer, as they divide 300


def unit_length(vectors: sv.Vectors) -> bool:
    return bool(np.allclose(np.linalg.norm(vectors.matrix.astype(np.float32), axis=1), 1, atol=2e-3))


def codes(method: str, size: int, removed: int, vectors: sv.Vectors, seed: int):
    """Return a table of a method at a number of bytes."""
    d = vectors.matrix.shape[1]
    if method == "TransformCoding":
        n_bits = 8 * (size - (4 if unit_length(vectors) else 6))
        return sv.TransformCoding(n_bits, removed, random_state=seed).compress(vectors)
    n_bits = min(8 * size, d - removed)
    made = sv.ITQ(n_bits, random_state=seed) if method == "ITQ" else sv.IIQ(n_bits, removed, random_state=seed)
    return made.compress(vectors)


def judged(vectors: sv.Vectors, rows: np.ndarray, data: Path, *, whole: bool) -> dict:
    """Return all scores of rows, or those of word similarity alone."""
    scores: dict = {"similarity": similarity(vectors.words, rows, data)}
    if whole:
        made = sv.Vectors(vectors.words, rows)
        purities = [found.purity for found in categorization(made, data / "categorization", seeds=(0,))]
        sentences = {name: read_sentences(data / "sentences" / f"{name}.all") for name in SENTENCES}
        found = sentence_classification(made, sentences, classifiers=["logistic"])
        accuracies = [score.accuracy for score in found]
        scores |= {"purity": 100 * float(np.mean(purities)), "accuracy": 100 * float(np.mean(accuracies))}
        scores["isotropy"] = isotropy(unit(rows)).exact
    return scores


def product_quantizer(vectors: sv.Vectors, size: int) -> np.ndarray:
    import faiss

    faiss.omp_set_num_threads(1)
    X = np.ascontiguousarray(vectors.matrix, np.float32)
    n_parts, bits = PARTS[size]
    quantizer = faiss.ProductQuantizer(X.shape[1], n_parts, bits)
    quantizer.train(X)
    return quantizer.decode(quantizer.compute_codes(X))


def section(cells: Cells, data: Path, name: str) -> str:
    vectors = load_vectors(data, name)
    every = np.arange(len(vectors))

    def asked(what: str, size: int, make, seed: int = 0, removed: int = 0) -> dict:
        cell = {"table": name, "what": what, "bytes": size, "removed": removed, "seed": seed}
        return cells(cell, lambda: judged(vectors, make(), data, whole=seed == 0))

    def row(what: str, size: int, runs: list[dict]) -> list[str]:
        values = np.array([run["similarity"] for run in runs])
        spread = [
            f"{m:.1f}" if len(runs) == 1 else f"{m:.1f} ± {s:.1f}"
            for m, s in zip(values.mean(axis=0), values.std(axis=0), strict=True)
        ]
        first = runs[0]
        return [
            f"{size}",
            what,
            *spread,
            f"{first['purity']:.1f}",
            f"{first['accuracy']:.1f}",
            f"{first['isotropy']:.2f}",
        ]

    matrix = vectors.matrix.astype(np.float32)
    rows = [row("float32", 4 * matrix.shape[1], [asked("float32", 0, lambda: matrix)])]
    for size in BYTES:
        for method in ("TransformCoding", "IIQ", "ITQ"):
            for removed in REMOVED if method != "ITQ" else REMOVED[:1]:
                if 8 * size > matrix.shape[1] + 20 and method != "TransformCoding":
                    continue  # they have no more bits than dimensions

                def make(seed, method=method, size=size, removed=removed):
                    return codes(method, size, removed, vectors, seed).lookup(every)

                runs = [asked(method, size, lambda s=s: make(s), s, removed) for s in range(SEEDS)]
                label = f"`{method}`" if method == "ITQ" else f"`{method}(n_remove={removed})`"
                rows.append(row(label, size, runs))
        if size in ANCHORS:
            ant = sv.ANT(nonzeros=ANCHORS[size], max_train_rows=10_000, n_rounds=5)
            runs = [asked("ANT", size, lambda ant=ant: ant.compress(vectors, dtype="int4").lookup(every))]
            rows.append(row(f"1,000 anchors, {ANCHORS[size]} entries of four bits", size, runs))
        if find_spec("faiss") is not None:
            n_parts, bits = PARTS[size]
            runs = [asked("faiss PQ", size, lambda size=size: product_quantizer(vectors, size))]
            rows.append(row(f"faiss PQ, {n_parts} × {bits} bits", size, runs))
    header = ["bytes", "", *SIMILARITY, "purity", f"accuracy, {' and '.join(SENTENCES)}", "isotropy"]
    return f"## {name}, {len(vectors):,} × {matrix.shape[1]}\n\n{table(rows, header)}"


def main() -> None:
    data = data_or_skip(parser(__doc__).parse_args())
    cells = Cells("words", sentences=SENTENCES)
    write_result("words", "Words at a number of bytes", [section(cells, data, name) for name in TABLES])


if __name__ == "__main__":
    main()
