"""A page for each file of benchmarks/results, with charts drawn from its tables."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from making.bars import bars, legible
from making.places import RESULTS, with_links_of_the_site
from making.tables import Table, number, table_under
from slimvec.evaluate.svg import Series, document

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Bars:
    """Bars of one column under a heading, of the rows that have what ``where`` says."""

    heading: str
    value: str
    title: str
    name: str = ""
    where: dict[str, str] = field(default_factory=dict)

    def draw(self, table: Table) -> str:
        """Return the chart as SVG."""
        chosen = [row for row in table.rows if all(row[table.column(key)] == cell for key, cell in self.where.items())]
        chosen = [row for row in chosen if not row[table.column(self.value)].startswith("at most")]  # which say why not
        names, cells = (
            [row[table.column(self.name)] for row in chosen],
            [row[table.column(self.value)] for row in chosen],
        )
        return bars(self.title, names, [number(cell) for cell in cells], cells)


@dataclass(frozen=True)
class Lines:
    """Two columns against each other, a line for each entry of a third."""

    heading: str
    x: str
    y: str
    of: str = ""
    log_x: bool = True

    def draw(self, table: Table) -> str:
        """Return the chart as SVG."""
        places = [table.column(name) for name in (self.of, self.x, self.y)]
        groups: dict[str, list[tuple[float, float]]] = {}
        for row in table.rows:
            name, x, y = (row[place] for place in places)
            groups.setdefault(name.replace("`", ""), []).append((number(x), number(y)))
        series = [
            Series(name, *zip(*sorted(points), strict=True), titles=[name] * len(points))
            for name, points in groups.items()
        ]
        return legible(document(series, self.x, self.y, log_x=self.log_x))


FASTER = "times faster than faiss"
CHARTS: dict[str, list[Bars | Lines]] = {
    "bits": [Lines(name, "bytes per row", "recall@10") for name in ("minilm", "glove", "numberbatch")],
    "refinement": [Lines("minilm", "bytes per row", "recall@10", "bits per dimension", log_x=False)],
    "partitions": [
        Bars(
            "imdb sentences",
            "in batches of 64",
            "µs per query at recall .90, batches of 64",
            where={"recall@10": "0.90"},
        ),
        Bars("Building", "bytes per row", "bytes per row"),
    ],
    "search": [
        *(
            Bars(
                heading,
                FASTER,
                f"{heading}: {FASTER}",
                where={"threads": "1", "queries": "256"},
            )
            for heading in (
                "1,917,494 codes of 300 bits",
                "1,000,000 codes of 256 bits",
                "1,000,000 codes of 1024 bits",
            )
        ),
        Bars("Float queries: 1,000,000", "recall@10", "Float queries, 1,000,000 × 300: recall@10"),
        Bars("Float queries: 1,000,000", "times faster", "The same: times faster than faiss RaBitQFastScan"),
    ],
    "anchors": [
        Bars(name, "residual", f"{name}: residual at 40 bytes per row, less is better")
        for name in ("numberbatch", "glove-enwiki")
    ],
    "coding": [Bars("10 non-zeros", "times faster", "coding a row: times faster than scikit-learn")],
    "sparse": [
        Bars("4,096 random rows", "times faster than SciPy", "4,096 random rows: times faster than SciPy"),
        Bars("Top 10 by inner product, 64", "times faster than SciPy", "top 10 of 64 queries: times faster than SciPy"),
    ],
    "fit": [Bars("200,000", "seconds", "seconds to fit 200,000 × 300")],
    "read": [Bars("200,000 lines", "MB/s", "MB of text per second")],
    "big": [
        Bars("1,917,494", "seconds", "seconds, a text file of 4.9 GB"),
        Bars("1,917,494", "peak resident MB", "peak resident MB"),
    ],
    "startup": [Bars("Start-up", "milliseconds, median of 21", "milliseconds")],
    "imdb_cnn": [Bars("IMDB reviews", "test accuracy, %", "test accuracy, %", name="vectors")],
    "ant_ratings": [Bars("ANT and others", "RMSE, test", "RMSE, test, less is better", name="layer")],
    "ant_text": [Bars("newsgroups", "test, %", "20 Newsgroups: test accuracy, %", name="embedding layer")],
    "ant_text_classifier": [Bars("20 Newsgroups", "accuracy", "20 Newsgroups: accuracy, %")],
}


def make_result_pages(folder: Path) -> dict[Path, str | bytes]:
    """Return what stands in a folder: the files of results, each with its charts, and the pictures that they show."""
    made: dict[Path, str | bytes] = {}
    for path in sorted(RESULTS.iterdir()):
        if path.suffix != ".md":
            made[folder / path.name] = path.read_bytes()
            continue
        charts = []
        for order, spec in enumerate(CHARTS.get(path.stem, [])):
            name = f"{path.stem}-{order}.svg"
            table = table_under(path, spec.heading)
            made[folder / name] = spec.draw(table)
            title = spec.title if isinstance(spec, Bars) else f"{spec.y}, {table.heading}"
            above = "" if isinstance(spec, Bars) else f"*{title}*\n\n"  # bars say it themselves
            charts.append(f"{above}![{title}]({name})")
        text = with_links_of_the_site(path.read_text(encoding="utf-8"), path, folder / path.name)
        head, mark, rest = re.split(r"(^Made by `[^\n]*\n)", text, maxsplit=1, flags=re.MULTILINE)
        made[folder / path.name] = head + mark + "".join(f"\n{chart}\n" for chart in charts) + rest
    return made
