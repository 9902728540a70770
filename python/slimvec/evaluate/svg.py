"""Charts as SVG text: few marks, numbers beside them; part of a page, whose colours they follow, or a file alone."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH, HEIGHT = 640, 320
LEFT, RIGHT, TOP, BOTTOM = 80, 20, 14, 54  # room for the larger letters of narrow pages
TICKS, MOST_POWERS = 5, 10
LINE = 18  # of a legend
# Classes c0 ... c7; the next eight series are dashed, their dots hollow.
COLOURS = ("#2f6fde", "#d9622b", "#2a9d6f", "#a44ec2", "#c79a12", "#d23f6f", "#1d9bb8", "#7a7f87")
STYLE = (  # of a file alone, without variables: many programs that show SVG know none
    "svg{background:#fff;font-family:system-ui,sans-serif}.axis{fill:none;stroke:#5d6670}.grid{stroke:#dfe3e8}"
    ".tick{font-size:11px;fill:#5d6670}.label{font-size:12px;fill:#1b1f24}.line{fill:none;stroke-width:2}"
    + "".join(f".c{number}{{stroke:{colour}}}.dot.c{number}{{fill:{colour}}}" for number, colour in enumerate(COLOURS))
    + ".line.again{stroke-dasharray:6 4}.dot.again{fill:#fff;stroke-width:2}"
)


@dataclass(frozen=True)
class Series:
    """Points of one colour.

    Attributes
    ----------
    name : str
    x, y : sequence of float
    joined : bool
        By a line; otherwise dots.
    titles : sequence of str
        Of dots on the line, one for each point, shown where a pointer rests on them; without titles there are none.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    joined: bool = True
    titles: Sequence[str] = ()


def chart(series: Sequence[Series], x_label: str, y_label: str, *, log_x: bool = False) -> str:
    """Return a chart with axes, ticks, and a legend where there is more than one series, for a page with a style."""
    parts = _plot(series, x_label, y_label, log_x)
    return _drawing(parts, HEIGHT, y_label) + (_legend([one.name for one in series]) if len(series) > 1 else "")


def document(series: Sequence[Series], x_label: str, y_label: str, *, log_x: bool = False) -> str:
    """Return a file of SVG that needs no page: the chart, and below it a line of legend for each series."""
    parts = _plot(series, x_label, y_label, log_x)
    for number, one in enumerate(series):
        y, colour = HEIGHT + LINE * number + LINE / 2, _colour(number)
        parts.append(f'<path class="line {colour}" d="M{LEFT} {y}h26"/>')
        if not one.joined or one.titles:
            parts.append(f'<circle class="dot {colour}" cx="{LEFT + 13}" cy="{y}" r="4"/>')
        parts.append(f'<text class="label" x="{LEFT + 36}" y="{y + 4}">{escape(one.name)}</text>')
    drawn = _drawing([f"<style>{STYLE}</style>", *parts], HEIGHT + LINE * len(series) + 8, y_label)
    return drawn.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1) + "\n"


def _plot(series: Sequence[Series], x_label: str, y_label: str, log_x: bool) -> list[str]:
    """Return axes and marks."""
    xs = np.array([value for one in series for value in one.x], float)
    ys = np.array([value for one in series for value in one.y], float)
    across = _Axis(xs, LEFT, WIDTH - RIGHT, log=log_x)
    upward = _Axis(ys, HEIGHT - BOTTOM, TOP)
    parts = [_frame(across, upward, x_label, y_label)]
    for number, one in enumerate(series):
        colour = _colour(number)
        places = [(across.place(x), upward.place(y)) for x, y in zip(one.x, one.y, strict=True)]
        if one.joined:
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
            parts.append(f'<polyline class="line {colour}" points="{path}"/>')
        titles = one.titles if one.joined else [f"{one.name}: {value:.4g}" for value in one.y]
        parts += [
            f'<circle class="dot {colour}" cx="{x:.1f}" cy="{y:.1f}" r="{4 if one.joined else 5}">'
            f"<title>{escape(title)}</title></circle>"
            for (x, y), title in zip(places, titles, strict=False)
        ]
    return parts


def _colour(number: int) -> str:
    """Return the classes of one series."""
    return f"c{number % len(COLOURS)}" + (" again" if number // len(COLOURS) % 2 else "")


class _Axis:
    """From values to places."""

    def __init__(self, values: np.ndarray, begin: float, end: float, *, log: bool = False) -> None:
        self._log = log
        scaled = np.log2(values) if log else values
        low, high = (float(scaled.min()), float(scaled.max())) if len(scaled) else (0.0, 1.0)
        margin = 0.06 * (high - low) or 0.5
        self._low, self._high = low - margin, high + margin
        self._begin, self._end = begin, end

    def place(self, value: float) -> float:
        scaled = float(np.log2(value)) if self._log else value
        return self._begin + (self._end - self._begin) * (scaled - self._low) / (self._high - self._low)

    def ticks(self) -> list[tuple[float, str]]:
        """Return places and texts of round values."""
        low, high = self._low, self._high
        if self._log:
            powers = range(int(np.ceil(low)), int(np.floor(high)) + 1)
            if len(powers) > 1:
                step = -(-len(powers) // MOST_POWERS)
                return [(self.place(2.0**power), _shown(2.0**power)) for power in powers[::step]]
            low, high = 2.0**low, 2.0**high
        rough = (high - low) / TICKS
        unit = 10.0 ** np.floor(np.log10(rough))
        spacing = float(unit * min((1, 2, 5, 10), key=lambda factor: abs(factor * unit - rough)))
        values = np.arange(np.ceil(low / spacing), np.floor(high / spacing) + 1) * spacing
        return [(self.place(float(value)), f"{value + 0.0:.6g}") for value in values]  # + 0: no "-0"


def _shown(power: float) -> str:
    return f"{power:g}" if power >= 1 else f"{power:.3g}"


def _frame(across: _Axis, upward: _Axis, x_label: str, y_label: str) -> str:
    floor, wall = HEIGHT - BOTTOM, LEFT
    parts = [f'<path class="axis" d="M{wall} {TOP}V{floor}H{WIDTH - RIGHT}"/>']
    for place, text in across.ticks():
        parts.append(f'<text class="tick" x="{place:.1f}" y="{floor + 20}" text-anchor="middle">{text}</text>')
    for place, text in upward.ticks():
        parts.append(f'<path class="grid" d="M{wall} {place:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text class="tick" x="{wall - 6}" y="{place + 4:.1f}" text-anchor="end">{text}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text class="label" x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x_label)}</text>')
    turn = f"translate(18 {(TOP + floor) / 2}) rotate(-90)"
    parts.append(f'<text class="label" transform="{turn}" text-anchor="middle">{escape(y_label)}</text>')
    return "".join(parts)


def _legend(names: Sequence[str]) -> str:
    items = [f'<li><i class="{_colour(number)}"></i>{escape(name)}</li>' for number, name in enumerate(names)]
    return f'<ul class="legend">{"".join(items)}</ul>'


def bit_rows(words: Sequence[str], bits: Sequence[str], split: int) -> str:
    """Return rows of bits, 1 dark and 0 light, a word beside each; a gap after the first ``split`` rows."""
    row_height, left = 12, 110
    n_bits = len(bits[0])
    scale = (WIDTH - left - 4) / n_bits
    parts, y = [], 4
    for number, (word, row) in enumerate(zip(words, bits, strict=True)):
        y += row_height if number != split else 2 * row_height
        parts.append(f'<text class="tick" x="{left - 6}" y="{y - 2}" text-anchor="end">{escape(word[:18])}</text>')
        path, column = [], 0
        for bit, run in groupby(row):
            length = len(list(run))
            if bit == "1":
                path.append(f"M{left + column * scale:.1f} {y - 6}h{length * scale:.1f}")
            column += length
        parts.append(f'<path d="{"".join(path)}"/>')
    return f'<div class="wide">{_drawing(parts, y + 6, "bits of words", "bits")}</div>'  # scrolls on a narrow page


def _drawing(parts: Sequence[str], height: float, name: str, kind: str = "chart") -> str:
    size = f'class="{kind}" viewBox="0 0 {WIDTH} {height}"'
    return f'<svg {size} role="img" aria-label="{escape(name)}">{"".join(parts)}</svg>'
