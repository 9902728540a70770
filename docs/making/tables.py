"""Tables of Markdown, as the scripts in benchmarks/ write them, read again."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Table:
    """Cells of one table, as text, and the heading that it stands under."""

    heading: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def column(self, name: str) -> int:
        """Return where a column is; one that is not there is an error, so that no chart is empty."""
        if name not in self.header:
            raise ValueError(f"no column {name!r} under {self.heading!r}, but {list(self.header)}")
        return self.header.index(name)


def read_tables(path: Path) -> list[Table]:
    """Return all tables of a page, in order."""
    found, heading, lines = [], "", []
    for line in [*path.read_text(encoding="utf-8").splitlines(), ""]:
        if line.startswith("|"):
            lines.append(tuple(cell.strip() for cell in line.strip("|").split("|")))
            continue
        if len(lines) > 2:
            found.append(Table(heading, lines[0], tuple(lines[2:])))
        lines = []
        if line.startswith("#"):
            heading = line.lstrip("# ")
    return found


def table_under(path: Path, heading: str) -> Table:
    """Return the first table under the heading that begins so."""
    for table in read_tables(path):
        if table.heading.startswith(heading):
            return table
    raise ValueError(f"{path.name} has no table under a heading that begins with {heading!r}")


def number(cell: str) -> float:
    """Return the number that a cell begins with."""
    found = re.match(r"[-+]?[\d,]*\.?\d+(e[-+]?\d+)?", cell)
    if found is None:
        raise ValueError(f"no number in {cell!r}")
    return float(found[0].replace(",", ""))
