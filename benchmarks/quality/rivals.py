"""What other libraries make of the same bytes, and how far their rotations get."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import slimvec as sv
from benchmarks.common import SIMILARITY, similarity, table
from benchmarks.quality.bench import DIRECTIONS, SMALL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TRAIN_ROWS = 10_000  # for a rotation, as many as slimvec takes


def faiss_itq(centred):
    import faiss

    rotation = faiss.ITQMatrix(centred.shape[1])
    rotation.train(centred[np.random.default_rng(0).choice(len(centred), TRAIN_ROWS, replace=False)])
    return rotation


def peers(vectors) -> Iterator[tuple[str, str, Callable]]:
    """Yield (name, bytes per word, function that returns the rows as the peer decodes them)."""
    import faiss

    faiss.omp_set_num_threads(1)
    X = np.ascontiguousarray(vectors.matrix, np.float32)
    mean = X.mean(axis=0)
    d, every = X.shape[1], np.arange(len(X))

    def signs():
        return np.where(X > 0, 1.0, -1.0).astype(np.float32)

    def itq():
        return np.where(faiss_itq(X - mean).apply_py(X - mean) >= 0, 1.0, -1.0).astype(np.float32)

    def rabitq():
        rotation = faiss.RandomRotationMatrix(d, d)
        rotation.init(0)
        rotated = rotation.apply_py(X - mean)
        quantizer = faiss.RaBitQuantizer(d, faiss.METRIC_L2)
        quantizer.train(rotated)
        return rotation.reverse_transform(quantizer.decode(quantizer.compute_codes(rotated))) + mean

    def pq():
        quantizer = faiss.ProductQuantizer(d, d // 6, 6)
        quantizer.train(X)
        return quantizer.decode(quantizer.compute_codes(X))

    def decoded():  # rows of unit length need two factors, others three
        return sv.IIQ(d, DIRECTIONS).compress(vectors, factors=True).lookup(every, original=True)

    yield "float32", "1200", lambda: X
    yield "x > 0, as sentence-transformers' quantize_embeddings", "37.5", signs
    yield "faiss ITQMatrix", "37.5", itq
    yield "faiss RaBitQ, decoded", "46", rabitq
    yield "faiss PQ 50 × 6 bits, decoded", "37.5", pq
    yield f"slimvec IIQ, D={DIRECTIONS}", "37.5", lambda: sv.IIQ(d, DIRECTIONS).compress(vectors).lookup(every)
    yield f"slimvec IIQ, D={DIRECTIONS}, with factors, decoded", "41.5 or 43.5", decoded


def peers_section(bench):
    intro = (
        "## Other libraries at the same bytes\n\n100 × Spearman, one seed. Codes count as ±1; what keeps factors or "
        "codebooks is decoded, the mean included. Bytes of a row alone."
    )
    parts = [intro]
    for name in SMALL:
        rows = []
        for peer, size, make in peers(bench.vectors(name)):

            def judge(vectors, make=make):
                return similarity(vectors.words, make(), bench.data)

            scores = bench.kept(name, peer, judge)
            rows.append([peer, size, *(f"{score:.1f}" for score in scores)])
        parts.append(f"### {name}\n\n" + table(rows, ["", "bytes", *SIMILARITY]))
    return "\n\n".join(parts)


def rotations_section(bench, name):
    losses = bench.kept(name, "rotations", lambda vectors: rotation_losses(np.asarray(vectors.matrix, np.float32)))
    assert losses["slimvec ITQ"] < losses["faiss ITQMatrix"]
    title = f"## Loss per entry on all centred rows, rotations learnt from {TRAIN_ROWS:,} of them"
    return f"{title}\n\n" + table([[name, *(f"{value:.5f}" for value in losses.values())]], ["", *losses])


def rotation_losses(X):
    X = X - X.mean(axis=0)
    d = X.shape[1]

    def loss(rotated):
        return float(np.mean((np.where(rotated >= 0, 1, -1) - rotated) ** 2))

    start = np.linalg.qr(np.random.default_rng(0).standard_normal((d, d)))[0].astype(np.float32)
    ours = sv.ITQ(d).fit(X)
    return {
        "random rotation": loss(X @ start),
        "faiss ITQMatrix": loss(faiss_itq(X).apply_py(X)),
        "slimvec ITQ": loss((X - ours.mean_) @ ours.projection_),
    }
