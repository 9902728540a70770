"""How many of the true neighbours do codes find, by which way of searching, at how many bytes?

1,000 rows are held out as queries; neighbours are those of the highest float cosine. Peers at the same bits in the same
run. Also: what was tried to find more at the same bytes.

Run: ``python -m benchmarks.recall``.
"""

from __future__ import annotations

import os
from functools import partial

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # "one thread" includes the projection of queries

import numpy as np

import slimvec as sv
from benchmarks.common import (
    RESULTS,
    cosine_neighbours,
    data_or_skip,
    held_out,
    load_rows,
    parser,
    recall,
    residual,
    table,
    timed,
    unit,
    write_result,
)
from benchmarks.peers import filled, rabitq
from slimvec.evaluate import retrieval

K = 10
TABLES = {"numberbatch": 300, "minilm-sentences": 384, "glove-enwiki": 300}


def peers(base, queries, n_bits):
    """Yield (name, bytes per row, rows found, ms per query), all on one thread."""
    import faiss

    faiss.omp_set_num_threads(1)
    n_bytes, d, rows = n_bits // 8, base.shape[1], unit(base)
    signs = sv.HammingIndex(sv.pack(base))
    found, seconds = timed(lambda: signs.search(sv.pack(queries), K, threads=1).indices)
    yield "sign bits, Hamming", n_bytes, found, 1e3 * seconds / len(queries)
    makers = {
        "faiss ITQ + LSH": (n_bytes, lambda: filled(faiss.index_factory(d, f"ITQ{n_bits},LSH"), rows)),
        "faiss RaBitQ": (n_bytes + 8, lambda: rabitq(rows)),
    }
    if d % n_bytes == 0:
        parts = f"OPQ{n_bytes},PQ{n_bytes}"
        product = partial(faiss.index_factory, d, parts, faiss.METRIC_INNER_PRODUCT)
        makers["faiss OPQ + PQ, 8 bits a byte"] = (n_bytes, lambda: filled(product(), rows))
    for name, (size, make) in makers.items():
        (_, found), seconds = timed(partial(make().search, queries, K))
        yield name, size, found, 1e3 * seconds / len(queries)


def ways_section(name, base, queries, n_bits):
    """Every way of searching one table, beside the peers."""
    truth = cosine_neighbours(base, queries, K)
    lines, points = [], []
    for label, options in (("defaults", {}), ("all rows, 200 iterations", {"max_train_rows": None, "n_iter": 200})):
        plain = sv.IIQ(n_remove=0, **options).compress(base)
        scored = sv.IIQ(n_remove=0, **options).compress(base, factors=True)
        rebuilt = scored.lookup(np.arange(len(base)), original=True)
        found = retrieval(scored, queries, base, K, oversample=(2, 5, 10), threads=1)
        found += [
            way for way in retrieval(plain, queries, base, K, oversample=(50,), threads=1) if "orig" in way.method
        ]
        for way in found:
            wide = "" if way.oversample is None else f", oversample {way.oversample}"
            with_factors = not way.method.startswith("hamming")
            size = 4 * -(-n_bits // 32) + (scored.info()["bytes"]["factors"] // len(base) if with_factors else 0)
            lines.append([f"slimvec ({label}): {way.method}{wide}", size, f"{way.recall:.4f}", f"{way.total_ms:.3f}"])
            if label == "defaults":
                points.append((f"{way.method}{wide}", size, way.recall, way.total_ms))
        lines.append([f"slimvec ({label}): reconstruction", "", f"residual {residual(base, rebuilt):.3f}", ""])
    for peer, size, rows, ms in peers(base, queries, n_bits):
        lines.append([peer, size, f"{recall(rows, truth):.4f}", f"{ms:.3f}"])
        points.append((peer, size, recall(rows, truth), ms))
    text = f"## {name}: {len(base):,} × {base.shape[1]}, {n_bits} bits\n\n"
    return text + table(lines, ["", "bytes per row", f"recall@{K}", "ms per query, one thread"]), points


class Estimate:
    """Scores in NumPy, float64 factors: what a variant could find, whatever it would cost to store or to run."""

    def __init__(self, base, queries, fitted, extra=None) -> None:
        self.norms = np.maximum(np.linalg.norm(base, axis=1), 1e-12)
        self.z = (base - fitted.mean_) @ fitted.projection_
        self.asked = (queries - fitted.mean_) @ fitted.projection_
        self.signs = np.where(self.z >= 0, 1, -1).astype(np.float32)
        self.rest = (base - fitted.mean_) @ fitted.mean_ + (queries @ fitted.mean_)[:, None]
        if extra is not None:  # directions of which the projections are stored as they are
            self.rest = self.rest + ((queries - fitted.mean_) @ extra) @ ((base - fitted.mean_) @ extra).T
        self.energy = (self.z**2).sum(axis=1)

    def recall(self, truth, decoded) -> float:
        """Recall of ⟨decoded, Pᵀ(q - m)⟩, every row scaled so that its product with z itself is exact."""
        scale = self.energy / np.maximum((self.z * decoded).sum(axis=1), 1e-12)
        scores = (self.asked @ (decoded * scale[:, None]).T + self.rest) / self.norms
        return recall(np.argsort(-scores, axis=1, kind="stable")[:, :K], truth)


def variants_section(name, base, queries, n_bits):
    """What might find more at the same bytes."""
    truth = cosine_neighbours(base, queries, K)
    fitted = sv.IIQ(n_bits, 0, max_train_rows=None).fit(base)
    plain = Estimate(base, queries, fitted)
    lines = [["scale and bias, as slimvec stores them", plain.recall(truth, plain.signs)]]
    per_bit = (plain.z * plain.signs / np.sqrt(plain.energy)[:, None]).mean(axis=0)
    lines.append(["a scale per bit", plain.recall(truth, plain.signs * (per_bit / per_bit.mean()))])
    gram, cross = plain.signs.T @ plain.signs, plain.z.T @ plain.signs
    decoder = np.linalg.solve(gram, cross.T)
    lines.append(["linear decoder: z from all bits by least squares", plain.recall(truth, plain.signs @ decoder)])
    mixed = 0.75 * np.eye(n_bits) * np.trace(decoder) / n_bits + 0.25 * decoder
    lines.append(["a quarter of that decoder", plain.recall(truth, plain.signs @ mixed)])
    rows = unit(base)
    normalised = Estimate(rows, queries, sv.IIQ(n_bits, 0, max_train_rows=None).fit(rows))
    lines.append(["rows normalised first", normalised.recall(truth, normalised.signs)])
    centred = base - fitted.mean_
    directions = np.linalg.eigh((centred.T @ centred).astype(np.float64))[1][:, ::-1].astype(np.float32)
    for n_strong in (1, 2):
        fewer = sv.IIQ(n_bits - 16 * n_strong, n_strong, max_train_rows=None).fit(base)
        strong = Estimate(base, queries, fewer, directions[:, :n_strong])
        label = f"{n_strong} strongest direction{'s'[: n_strong - 1]} as float16, {16 * n_strong} bits fewer"
        lines.append([label, strong.recall(truth, strong.signs)])
    shown = [[label, f"{value:.4f}"] for label, value in lines]
    return f"## {name}: what else was tried, all rows scored\n\n" + table(shown, ["", f"recall@{K}"])


def chart(points: dict) -> None:
    """Time per query against recall for every way, the same mark on each table."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, len(points), figsize=(4.6 * len(points), 5.6))
    labels = list(dict.fromkeys(label for marks in points.values() for label, *_ in marks))
    shapes = "osD^v<>pP*XHhd8"
    for axis, (name, marks) in zip(axes, points.items(), strict=True):
        for label, size, share, ms in marks:
            number = labels.index(label)
            ours = not label.startswith(("faiss", "sign"))
            style = {"marker": shapes[number % len(shapes)], "s": 70, "color": f"C{number % 10}" if ours else "0.6"}
            axis.scatter(share, ms, label=label, edgecolor="black", linewidth=0.5, **style)
            axis.annotate(f"{size}", (share, ms), fontsize=6, xytext=(6, -2), textcoords="offset points")
        axis.set(title=name, xlabel=f"recall@{K}", yscale="log", xlim=(None, 1.04))
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("ms per query, one thread")
    known = {label: mark for axis in axes for mark, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    figure.legend(known.values(), known, loc="lower center", ncol=4, fontsize=8, title="bytes per row beside each mark")
    figure.tight_layout(rect=(0, 0.2, 1, 1))
    figure.savefig(RESULTS / "recall.png", dpi=90)


def main():
    data = data_or_skip(parser(__doc__).parse_args())
    sections, points = [], {}
    for name, n_bits in TABLES.items():
        base, queries = held_out(load_rows(data, name))
        text, points[name] = ways_section(name, base, queries, n_bits)
        sections += [text, variants_section(name, base, queries, n_bits)]
    sections.append("![Recall against time](recall.png)")
    write_result("recall", "Recall", sections)
    chart(points)


if __name__ == "__main__":
    main()
