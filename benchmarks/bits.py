"""How many of the true neighbours are found at a number of bytes per row, with nothing else kept?

Rows are brought to length one; 1,000 are held out as queries, and means over three draws of them are shown. A row that
is found counts if its exact cosine reaches that of the tenth neighbour, so that ties take nothing away. Every row is
scored, but for refined codes, which hand on as many as they choose by themselves. Bytes are all that is kept per row;
encoders are told apart. The errors of scores are those of the rows found, and of all rows for 50 queries.

Constants were chosen on the first set. The last, sentences of news as means of word vectors, was met when all was done.

Run: ``python -m benchmarks.bits``. Each way is kept in ``build/cells`` once measured, with the state of our code or the
versions of the others: what has changed since is measured anew.
"""

from __future__ import annotations

import os
import zlib
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np

import slimvec as sv
from benchmarks import code_peers
from benchmarks.cells import Cells
from benchmarks.common import data_or_skip, held_out, load_rows, parser, table, unit, write_result
from benchmarks.sentence_rows import news_sentences
from slimvec.evaluate.truth import exact_neighbours, recall_with_ties

SETS = ("minilm-sentences", "glove-enwiki", "numberbatch", "news")
MOST_ROWS = 41_000
TRAINED_FOR_LONG = ("minilm-sentences", "glove-enwiki")  # where OPQ is shown, too
SHARES = (0.5, 1, 2, 4, 8)  # bits per dimension
SEEDS = range(3)
K = code_peers.K
ALL_SCORED = 50  # queries


@dataclass(frozen=True)
class Draw:
    """One set of queries held out of one table, and the codes of one size."""

    rows: str
    share: float
    seed: int


def own(d: int, share: float, seed: int) -> dict:
    """Return what slimvec has at so many bits per dimension."""
    n_bits = int(share * d)
    if share == 8:
        return {
            f"`TransformCoding`, 2 bits refined by {more}": sv.TransformCoding(
                2 * d, refine_bits=more, random_state=seed
            )
            for more in (4, 6)
        }
    ways = {
        "`TransformCoding`": sv.TransformCoding(n_bits, random_state=seed),
        "... without the descent": sv.TransformCoding(n_bits, n_passes=0, random_state=seed),
    }
    if share <= 1:
        ways["... in 64 lists, all read"] = sv.TransformCoding(n_bits, partitions=64, random_state=seed)
        ways["`IIQ(n_remove=0)` with factors"] = sv.IIQ(n_bits, 0, random_state=seed)
    return ways


def ours(estimator, base, queries):
    """Return bytes per row, rows found, scores and the mean error of scores of all rows."""
    made = estimator.compress(base, **({} if isinstance(estimator, sv.TransformCoding) else {"factors": True}))
    n_rows = 16 * -(-len(base) // 16)
    sizes = made.info()["bytes"]
    per_row = -(-made.n_bits // 8) + sizes["factors"] / n_rows
    per_row += (sizes.get("refinement", 0) + sizes.get("partition", 0)) / len(base)
    refined = getattr(estimator, "refine_bits", 0)
    found = made.search(queries, K, oversample="auto" if refined else None, threads=1)
    few = queries[:ALL_SCORED]
    every = made.search(few, len(base), oversample=None, threads=1)
    errors = every.scores - np.take_along_axis(few @ base.T, every.indices, axis=1)
    return per_row, found.indices, found.scores, float(errors.mean())


def checksum(*files: Path) -> str:
    """Return eight digits that tell one state of files from another."""
    return f"{zlib.crc32(b''.join(path.read_bytes() for path in files)):08x}"


def our_state() -> dict[str, str]:
    package = Path(sv.__file__).parent
    return {"code": checksum(*sorted(package.glob("_core*.so")), *sorted((package / "binary").rglob("*.py")))}


def versions() -> dict[str, str]:
    """Return those of the other libraries."""
    return {name: version(name) for name in ("faiss-cpu", "rabitqlib", "turbovec", "usearch")}


def tie_aware(base, queries, rows):
    """Return recall where ties count."""
    return recall_with_ties(rows, exact_neighbours(queries, base, K, "dot"), queries, base, "dot")


def measured(draw: Draw, rows: np.ndarray, cells: Cells) -> dict:
    """Return {way: [bytes, recall, mean error, its deviation, mean error of all]}, a cell for each way."""
    base, queries = (np.ascontiguousarray(part) for part in held_out(rows, seed=draw.seed))

    def judged(size, best, scores, of_all=None):
        told = [None, None]
        if scores is not None:
            errors = scores - np.take_along_axis(queries @ base.T, best, axis=1)
            told = [float(errors.mean()), float(errors.std())]
        return [float(size), float(tie_aware(base, queries, best)), *told, of_all]

    def cell(label, state, search):
        return cells(asdict(draw) | {"way": label} | state, lambda: judged(*search(queries)))

    found, ours_now = {}, our_state()
    for label, estimator in own(base.shape[1], draw.share, draw.seed).items():
        found[label] = cell(label, ours_now, partial(ours, estimator, base))
    theirs_now = {"code": checksum(Path(code_peers.__file__))} | versions()
    for label, search in code_peers.peers(base, draw.share, long=draw.seed == 0 and draw.rows in TRAINED_FOR_LONG):
        found[label] = cell(label, theirs_now, search)
    return found


def section(name: str, shape: tuple[int, int], draws: dict[Draw, dict]) -> str:
    lines = []
    for share in SHARES:
        of_share = [found for draw, found in draws.items() if (draw.rows, draw.share) == (name, share)]
        for label in of_share[0]:
            each = np.array([found[label] for found in of_share if label in found], float)  # None is NaN
            size, found, bias, spread, of_all = each.mean(axis=0)
            by = f"{found:.3f}" + (f" ± {each[:, 1].std():.3f}" if len(each) > 1 else "")
            told = [f"{bias:+.4f}", f"{spread:.4f}", f"{of_all:+.4f}"]
            lines.append([f"{share:g}", label, f"{size:.0f}", by, *("" if "nan" in text else text for text in told)])
    header = ["bits per dimension", "", "bytes per row", "recall@10", "mean error of the ten scores", "its deviation"]
    text = f"## {name}: {shape[0]:,} × {shape[1]}\n\n"
    return text + table(lines, [*header, "mean error of all scores"])


def main():
    data = data_or_skip(parser(__doc__).parse_args())
    rows = {name: unit(load_rows(data, name)[:MOST_ROWS]) for name in SETS[:-1]} | {"news": news_sentences(data)}
    draws = [Draw(name, share, seed) for name in SETS for share in SHARES for seed in SEEDS]
    cells = Cells("bits", most_rows=MOST_ROWS)
    done = {draw: measured(draw, rows[draw.rows], cells) for draw in draws}
    shapes = {name: (len(of_set) - 1000, of_set.shape[1]) for name, of_set in rows.items()}
    beside = "Beside " + ", ".join(" ".join(library) for library in versions().items()) + "."
    sections = [beside, *(section(name, shapes[name], done) for name in SETS)]
    write_result("bits", "Recall at a number of bytes", sections)


if __name__ == "__main__":
    main()
