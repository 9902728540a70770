"""Do NLB and DCCL learn as they should? Their losses, how evenly they use bits and codewords, the paper's ratios."""

from __future__ import annotations

import numpy as np

import slimvec as sv
from benchmarks.common import SIMILARITY, similarity, table
from benchmarks.quality.bench import DIRECTIONS, SMALL, TABLES
from slimvec.evaluate.grid import Config
from slimvec.methods import DCCL
from slimvec.sparse.methods.compositional import dccl_ratio

NORMS = (None, 4, 8.7, 13)
PAPER_RATIOS = {
    "GloVe, 32 × 256": (1_917_494, 256, 32.3),
    "HDC, 32 × 128": (388_723, 128, 29.5),
    "IMDB, 32 × 32": (50_000, 32, 26.9),
}


def learning_section(bench, dccl_on):
    """Everything but the scale of the rows; codewords on one table."""
    return "\n\n".join([losses_part(bench), bits_part(bench), codewords_part(bench, dccl_on), ratios_part()])


def losses_part(bench):
    rows = []
    for name in TABLES:
        for config in (Config("nlb", 300), Config("dccl")):
            losses = bench.losses(name, config)
            chosen = [losses[i] for i in np.linspace(0, len(losses) - 1, 5).astype(int)]
            assert losses[-1] < losses[0]
            rows.append([f"{name}, {config.label}", len(losses), *(f"{loss:.4g}" for loss in chosen)])
    intro = "## Do NLB and DCCL learn?\n\nTheir own losses, per row, mean of an epoch (NLB ‖x - x̂‖², DCCL half of it):"
    return f"{intro}\n\n" + table(rows, ["", "epochs", "first", "¼", "½", "¾", "last"])


def bits_part(bench):
    rows = []
    for name in TABLES:
        for config in (Config("nlb", 300), Config("iiq", 300, DIRECTIONS)):

            def judge(vectors, config=config):
                return bit_evenness(config.compress(vectors, 0)[1].lookup(np.arange(len(vectors))))

            even = bench.kept(name, "bits", judge, method=config.label)
            rows.append([f"{name}, {config.label}", *(f"{value:.3f}" for value in even)])
    header = ["", "entropy of a bit, mean", "lowest", "absolute correlation of two bits, mean"]
    return "### Bits\n\n" + table(rows, header)


def codewords_part(bench, name):
    config = Config("dccl")

    def judge(vectors):
        return codeword_evenness(config.compress(vectors, 0)[0].codes_)

    mean, lowest, used = bench.kept(name, "codewords", judge, method=config.label)
    return (
        f"### Codewords\n\nDCCL on {name}, {DCCL['n_codebooks']} codebooks of {DCCL['n_codewords']} codewords: the "
        f"entropy of a codebook is {mean:.3f} of the greatest on average, {lowest:.3f} at the lowest; "
        f"{100 * used:.1f} % of the codewords are in use."
    )


def ratios_part():
    rows = []
    for label, (n, n_codewords, printed) in PAPER_RATIOS.items():
        ratio = dccl_ratio(n, 300, 32, n_codewords)
        assert round(ratio, 1) == printed
        rows.append([label, f"{n:,}", printed, f"{ratio:.2f}"])
    header = ["", "words", "the paper", "codes of M log₂ K bits and float32 codebooks"]
    return "### DCCL's compression ratios (the paper's Tables 1 and 5)\n\n" + table(rows, header)


def entropy(counts):
    """Return the entropy of counts, in bits."""
    shares = np.asarray(counts, float) / np.sum(counts)
    return float(-(shares * np.log2(np.maximum(shares, 1e-300))).sum())


def bit_evenness(signs):
    """Return the mean and the lowest entropy of a bit, and the mean absolute correlation of two bits."""
    ones = (signs > 0).mean(axis=0)
    each = [entropy([share, 1 - share]) for share in ones]
    varied = signs[:, (ones > 0) & (ones < 1)]
    between = np.abs(np.corrcoef(varied, rowvar=False))
    np.fill_diagonal(between, 0)
    return [float(np.mean(each)), float(np.min(each)), float(between.sum() / (between.size - len(between)))]


def codeword_evenness(codes):
    """Return the mean and lowest entropy of a codebook over its greatest, log₂ K, and the part of codewords in use."""
    counts = [np.bincount(column, minlength=DCCL["n_codewords"]) for column in codes.T]
    shares = [entropy(count) / np.log2(DCCL["n_codewords"]) for count in counts]
    return [float(np.mean(shares)), float(np.min(shares)), float(np.mean(np.array(counts) > 0))]


def scale_section(bench):
    """NLB on rows scaled to a mean norm, or as they are."""
    rows = []
    for name in SMALL:
        for norm in NORMS:

            def judge(vectors, norm=norm):
                return scaled_scores(vectors, norm, bench.data)

            values = bench.kept(name, "NLB by scale", judge, norm=norm)
            label = "as they are" if norm is None else f"mean norm {norm}"
            rows.append([f"{name}, rows {label}", *(f"{value:.1f}" for value in values)])
    header = ["", "‖x‖², mean", "first loss", "last loss", *SIMILARITY]
    return "## NLB by the scale of the rows, 300 bits, one seed\n\n" + table(rows, header)


def scaled_scores(vectors, norm, data):
    """Return the mean of ‖x‖², NLB's first and last loss, and its scores."""
    X = np.asarray(vectors.matrix, np.float32)
    if norm is not None:
        X = X * np.float32(norm / np.sqrt((X**2).sum(axis=1)).mean())
    fitted = sv.baselines.NLB(300).fit(X)
    signs = np.where(X @ fitted.projection_ >= 0, 1.0, -1.0).astype(np.float32)
    size = float((X**2).sum(axis=1).mean())
    return [size, fitted.losses_[0], fitted.losses_[-1], *similarity(vectors.words, signs, data)]
