"""Bars with their names and numbers, as a file of SVG: what is ours in colour, the rest in grey."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH, ROW, BAR, NAMES, NUMBERS = 584, 30, 18, 270, 94  # room for 31 letters, and for "1234 (5.67)"
STYLE = (
    "svg{background:#fff;font-family:system-ui,sans-serif}.name{font-size:15px;fill:#1b1f24}"
    ".number{font-size:15px;fill:#5d6670}.ours{fill:#2f6fde}.other{fill:#b9c0c9}.title{font-size:15px;fill:#5d6670}"
)


def bars(title: str, names: Sequence[str], values: Sequence[float], shown: Sequence[str]) -> str:
    """Return a chart of bars, the names at their left and the numbers, as they are to be shown, at their right."""
    height = ROW * (len(names) + 1) + 12
    scale = (WIDTH - NAMES - NUMBERS) / max(values)
    parts = [f'<text class="title" x="12" y="22">{escape(title)}</text>']
    for number, (name, value, text) in enumerate(zip(names, values, shown, strict=True), start=1):
        y, length = ROW * number + 8, max(1.0, value * scale)
        kind = "ours" if name.startswith(("slimvec", "import slimvec", "TextClassifier")) else "other"
        parts += [
            f'<text class="name" x="{NAMES - 8}" y="{y + 14}" text-anchor="end">{escape(_short(name))}</text>',
            f'<rect class="{kind}" x="{NAMES}" y="{y}" width="{length:.1f}" height="{BAR}" rx="2"/>',
            f'<text class="number" x="{NAMES + length + 6:.1f}" y="{y + 14}">{escape(text)}</text>',
        ]
    size = f'viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}><style>{STYLE}</style>{"".join(parts)}</svg>\n'


def legible(chart: str) -> str:
    """Return a chart of slimvec.evaluate.svg with letters that can be read where it is half as wide."""
    return chart.replace("</svg>", "<style>.tick{font-size:17px}.label{font-size:17px}</style></svg>")


def _short(name: str) -> str:
    name = name.replace("`", "").replace("*", "")
    return name if len(name) <= 31 else name[:30] + "…"
