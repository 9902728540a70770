"""Draw the figures that pages show, into docs/figures: ``python docs/making/figures.py``.

A test compares the files with what this draws, so that a chart tells what is in benchmarks/results.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from making import drawings
from making.bars import legible
from making.places import DOCS, RESULTS
from making.tables import number, table_under
from slimvec.evaluate.svg import Series, document

SHOWN = {
    "`TransformCoding`": "slimvec, TransformCoding",
    "`IIQ(n_remove=0)` with factors": "slimvec, IIQ with factors",
    "faiss RaBitQ, rotated and centred": "faiss RaBitQ",
    "faiss OPQ + PQ (one draw)": "faiss OPQ + PQ",
}


def recall_by_bytes() -> str:
    """Return recall at a number of bytes per row, on sentences, beside faiss."""
    table = table_under(RESULTS / "bits.md", "minilm-sentences")
    name, x, y = (table.column(column) for column in ("", "bytes per row", "recall@10"))
    series = []
    for method, shown in SHOWN.items():
        rows = [row for row in table.rows if row[name] == method]
        series.append(
            Series(
                shown,
                [number(row[x]) for row in rows],
                [number(row[y]) for row in rows],
                titles=[f"{row[x]} bytes: {row[y]}" for row in rows],
            )
        )
    return legible(document(series, "bytes per row", "recall@10", log_x=True))


def figures() -> dict[Path, str]:
    """Return all figures, by their files."""
    made = {
        "recall-by-bytes": recall_by_bytes,
        "iiq": drawings.iiq,
        "bits": drawings.bits,
        "ant": drawings.ant,
        "blocks": drawings.blocks,
    }
    return {DOCS / "figures" / f"{name}.svg": draw() for name, draw in made.items()}


if __name__ == "__main__":
    for path, drawn in figures().items():
        path.write_text(drawn, encoding="utf-8")
