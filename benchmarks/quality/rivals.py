"""Parts of bench_quality.py: what others make of the same bytes, and whether NLB and DCCL learn as they should."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

import slimvec as sv
from common import table
from slimvec.evaluate import word_similarity
from slimvec.evaluate.grid import DCCL_CODEBOOKS, DCCL_CODEWORDS, Config, dccl_ratio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SETS = ("MEN", "SimLex999", "WS353")
DIRECTIONS = 2
NORMS = (None, 4, 8.7, 13)
TRAIN_ROWS = 10_000  # for a rotation, as many as slimvec takes
PAPER_RATIOS = {"GloVe, 32 × 256": (1_917_494, 256, 32.3), "HDC, 32 × 128": (388_723, 128, 29.5)}
PAPER_RATIOS["IMDB, 32 × 32"] = (50_000, 32, 26.9)


class Kept:
    """Finished results in a file of JSON lines, so that a second run computes what is new alone."""

    def __init__(self, path: Path):
        self.path = path
        lines = path.read_text().splitlines() if path.exists() else []
        self.found = dict(map(json.loads, lines))

    def __call__(self, key: str, compute: Callable):
        if key not in self.found:
            self.found[key] = compute()
            with open(self.path, "a") as file:
                file.write(json.dumps([key, self.found[key]]) + "\n")
            print(f"         {key}", flush=True)
        return self.found[key]


def similarity(words, rows, data):
    """Return 100 × Spearman on each of SETS."""
    scores = {found.name: 100 * found.score for found in word_similarity(sv.Vectors(words, rows), data / "similarity")}
    return [scores[label] for label in SETS]


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
        rotation = faiss.ITQMatrix(d)
        rotation.train((X - mean)[np.random.default_rng(0).choice(len(X), min(len(X), TRAIN_ROWS), replace=False)])
        return np.where(rotation.apply_py(X - mean) >= 0, 1.0, -1.0).astype(np.float32)

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


def peers_section(kept, sources, data):
    intro = (
        "## Other libraries at the same bytes\n\n100 × Spearman, one seed. Codes count as ±1; what keeps factors or "
        "codebooks is decoded, the mean included. Bytes of a row alone."
    )
    parts = [intro]
    for name, source in sources.items():
        vectors = source.table
        rows = []
        for peer, size, make in peers(vectors):

            def judge(words=vectors.words, make=make):
                return similarity(words, make(), data)

            scores = kept(f"{name} | {peer}", judge)
            rows.append([peer, size, *(f"{score:.1f}" for score in scores)])
        parts.append(f"### {name}\n\n" + table(rows, ["", "bytes", *SETS]))
    return "\n\n".join(parts)


def faiss_section(kept, data):
    rows = []
    for name in ("numberbatch",):
        path = data / "vectors" / name / "vectors.npy"
        losses = kept(f"{name} | faiss ITQ", lambda path=path: rotation_losses(path))
        assert losses["slimvec ITQ"] < losses["faiss ITQMatrix"]
        rows.append([name, *(f"{value:.5f}" for value in losses.values())])
    title = f"## Loss per entry on all centred rows, rotations learnt from {TRAIN_ROWS:,} of them"
    return f"{title}\n\n" + table(rows, ["", *losses])


def rotation_losses(path):
    import faiss

    X = np.load(path).astype(np.float32)
    X -= X.mean(axis=0)
    d = X.shape[1]

    def loss(rotated):
        return float(np.mean((np.where(rotated >= 0, 1, -1) - rotated) ** 2))

    start = np.linalg.qr(np.random.default_rng(0).standard_normal((d, d)))[0].astype(np.float32)
    theirs = faiss.ITQMatrix(d)
    theirs.train(X[np.random.default_rng(0).choice(len(X), TRAIN_ROWS, replace=False)])
    ours = sv.ITQ(d).fit(X)
    return {
        "random rotation": loss(X @ start),
        "faiss ITQMatrix": loss(theirs.apply_py(X)),
        "slimvec ITQ": loss((X - ours.mean_) @ ours.projection_),
    }


def entropy(counts):
    """Return the entropy of counts, in bits."""
    shares = np.asarray(counts, float) / np.sum(counts)
    return float(-(shares * np.log2(np.maximum(shares, 1e-300))).sum())


def bit_evenness(vectors, config):
    """Return the mean and the lowest entropy of a bit, and the mean absolute correlation of two bits."""
    signs = config.compress(vectors, 0)[1].lookup(np.arange(len(vectors)))
    ones = (signs > 0).mean(axis=0)
    each = [entropy([share, 1 - share]) for share in ones]
    varied = signs[:, (ones > 0) & (ones < 1)]
    between = np.abs(np.corrcoef(varied, rowvar=False))
    np.fill_diagonal(between, 0)
    return [float(np.mean(each)), float(np.min(each)), float(between.sum() / (between.size - len(between)))]


def codeword_evenness(vectors):
    """Return the mean and lowest entropy of a codebook over its greatest, log₂ K, and the part of codewords in use."""
    codes = Config("dccl").compress(vectors, 0)[0].codes_
    counts = [np.bincount(column, minlength=DCCL_CODEWORDS) for column in codes.T]
    shares = [entropy(count) / np.log2(DCCL_CODEWORDS) for count in counts]
    return [float(np.mean(shares)), float(np.min(shares)), float(np.mean(np.array(counts) > 0))]


def unit_section(kept, name, vectors, data):
    """ITQ and IIQ on rows scaled to unit length first, as the evaluation program of the paper does by default."""
    rows = []
    for config in (Config("itq", 300), Config("iiq", 300, DIRECTIONS)):

        def measure(config=config):
            X = np.asarray(vectors.matrix, np.float32)
            scaled = sv.Vectors(vectors.words, X / np.maximum(np.linalg.norm(X, axis=1, keepdims=True), 1e-12))
            made = (config.compress(scaled, seed)[1].lookup(np.arange(len(X))) for seed in range(3))
            return [similarity(vectors.words, codes, data) for codes in made]

        scores = np.array(kept(f"{name} | unit rows | {config.label}", measure))
        cells = [f"{m:.1f} ± {s:.1f}" for m, s in zip(scores.mean(axis=0), scores.std(axis=0), strict=True)]
        rows.append([config.label, *cells])
    return f"## {name}: rows scaled to unit length first, 3 seeds\n\n" + table(rows, ["", *SETS])


def scaled_scores(vectors, norm, data):
    """Return NLB's first and last loss and its scores on rows scaled to a mean norm, or as they are for None."""
    X = np.asarray(vectors.matrix, np.float32)
    if norm is not None:
        X = X * np.float32(norm / np.sqrt((X**2).sum(axis=1)).mean())
    fitted = sv.NLB(300).fit(X)
    signs = np.where(X @ fitted.projection_ >= 0, 1.0, -1.0).astype(np.float32)
    size = float((X**2).sum(axis=1).mean())
    return [size, fitted.losses_[0], fitted.losses_[-1], *similarity(vectors.words, signs, data)]


def scale_section(kept, sources, data):
    rows = []
    for name, source in sources.items():
        for norm in NORMS:
            label = "as they are" if norm is None else f"mean norm {norm}"

            def measure(vectors=source.table, norm=norm):
                return scaled_scores(vectors, norm, data)

            values = kept(f"{name} | NLB | {label}", measure)
            rows.append([f"{name}, rows {label}", *(f"{value:.1f}" for value in values)])
    header = ["", "‖x‖², mean", "first loss", "last loss", *SETS]
    return "## NLB by the scale of the rows, 300 bits, one seed\n\n" + table(rows, header)


def learning_section(kept, bench, dccl_on):
    """NLB's and DCCL's losses from finished cells; how evenly they use bits and codewords; the paper's ratios."""
    rows = []
    for name, source in bench.sources.items():
        for config in (Config("nlb", 300), Config("dccl")):
            losses = bench.losses(source, config)
            chosen = [losses[i] for i in np.linspace(0, len(losses) - 1, 5).astype(int)]
            assert losses[-1] < losses[0]
            rows.append([f"{name}, {config.label}", len(losses), *(f"{loss:.4g}" for loss in chosen)])
    intro = "## Do NLB and DCCL learn?\n\nTheir own losses, per row, mean of an epoch (NLB ‖x - x̂‖², DCCL half of it):"
    parts = [intro, table(rows, ["", "epochs", "first", "¼", "½", "¾", "last"])]
    rows = []
    for name, source in bench.sources.items():
        for config in (Config("nlb", 300), Config("iiq", 300, DIRECTIONS)):
            even = kept(
                f"{name} | {config.label} | bits",
                lambda source=source, config=config: bit_evenness(source.table, config),
            )
            rows.append([f"{name}, {config.label}", *(f"{value:.3f}" for value in even)])
    header = ["", "entropy of a bit, mean", "lowest", "absolute correlation of two bits, mean"]
    parts.append("### Bits\n\n" + table(rows, header))
    mean, lowest, used = kept(f"{dccl_on} | DCCL | codewords", lambda: codeword_evenness(bench.sources[dccl_on].table))
    parts.append(
        f"### Codewords\n\nDCCL on {dccl_on}, {DCCL_CODEBOOKS} codebooks of {DCCL_CODEWORDS} codewords: the entropy of "
        f"a codebook is {mean:.3f} of the greatest on average, {lowest:.3f} at the lowest; {100 * used:.1f} % of the "
        "codewords are in use."
    )
    ratios = []
    for label, (n, n_codewords, printed) in PAPER_RATIOS.items():
        ratio = dccl_ratio(n, 300, 32, n_codewords)
        assert round(ratio, 1) == printed
        ratios.append([label, f"{n:,}", printed, f"{ratio:.2f}"])
    parts.append(
        "### DCCL's compression ratios (the paper's Tables 1 and 5)\n\n"
        + table(ratios, ["", "words", "the paper", "codes of M log₂ K bits and float32 codebooks"])
    )
    return "\n\n".join(parts)
