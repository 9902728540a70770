"""The report of ``slimvec evaluate``: plain text, CSV, JSON, and one HTML page that needs nothing else."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.evaluate import summary, svg

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from slimvec.evaluate.experiment import Experiment
    from slimvec.evaluate.grid import Config
    from slimvec.evaluate.sources import Source
    from slimvec.evaluate.summary import Block

    Listed = Sequence[tuple[Source, Sequence[Config]]]

STYLE = (
    """
:root{--ink:#1b1f24;--soft:#5d6670;--rule:#dfe3e8;--paper:#fff;color-scheme:light dark}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ec;--soft:#9aa4ae;--rule:#343b43;--paper:#15181c}}
*{box-sizing:border-box}body{margin:0 auto;padding:1.2rem;max-width:66rem;font:16px/1.5 system-ui,sans-serif;
color:var(--ink);background:var(--paper)}h1{font-size:1.5rem}h2{margin-top:2.5rem;border-bottom:1px solid var(--rule)}
h3{margin:1.8rem 0 .3rem;font-size:1rem}p{color:var(--soft);margin:.3rem 0 .8rem}
.wide{overflow-x:auto}table{border-spacing:0;font-size:.85rem;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .5rem;text-align:right;white-space:nowrap;border-bottom:1px solid var(--rule)}
th:first-child,td:first-child{text-align:left;padding-left:0;position:sticky;left:0;background:var(--paper)}
td.best{font-weight:700}tr.foot td{color:var(--soft)}
svg{width:100%;max-width:52rem;height:auto;display:block}svg.bits{min-width:34rem;max-width:none}
.axis{fill:none;stroke:var(--soft)}.grid{stroke:var(--rule)}.tick{font-size:11px;fill:var(--soft)}
.label{font-size:12px;fill:var(--ink)}.line{fill:none;stroke:var(--c);stroke-width:2}.line.again{stroke-dasharray:6 4}
.dot{fill:var(--c)}.dot.again{fill:var(--paper);stroke:var(--c);stroke-width:2}
.bits path{stroke:var(--ink);stroke-width:10}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:.2rem 1rem;padding:0;margin:.2rem 0;font-size:.8rem}
.legend i{display:inline-block;width:.8em;height:.8em;margin-right:.4em;border-radius:50%;background:var(--c)}
.legend i.again{background:none;border:2px solid var(--c)}
@media(max-width:36rem){body{padding:.8rem}table{font-size:.75rem}th,td{padding:.25rem .35rem}
td:first-child{white-space:normal;min-width:6.5rem}svg:not(.bits) .tick{font-size:18px}
svg:not(.bits) .label{font-size:18px}}
""".replace("\n", "")
    + "".join(f".c{number}{{--c:{colour}}}" for number, colour in enumerate(svg.COLOURS))
)


def write_report(folder: str | os.PathLike[str], experiment: Experiment, listed: Listed) -> str:
    """Write ``report.html``, ``report.txt``, ``results.csv``, ``figures.csv`` and ``results.json``; return the text.

    Parameters
    ----------
    folder : path
    experiment : Experiment
        All of whose cells are finished.
    listed : sequence of (Source, sequence of Config)
    """
    place = Path(folder)
    made = [(source, configs, summary.blocks(experiment, source, configs)) for source, configs in listed]
    every = [block for _, _, blocks in made for block in blocks]
    text = "\n\n".join(summary.as_text(block) for block in every) + "\n"
    sections, figures = [], ["source,figure,series,x,y"]
    for source, configs, blocks in made:
        sections.append(_section(experiment, source, configs, blocks))
        figures += _figure_lines(experiment, source, configs)
    files = {
        "report.txt": text,
        "results.csv": summary.as_csv(every),
        "figures.csv": "\n".join(figures) + "\n",
        "results.json": json.dumps(summary.as_json(every), indent=1) + "\n",
        "report.html": _page(sections, experiment.seeds),
    }
    for name, content in files.items():
        (place / name).write_text(content, encoding="utf-8")
    return text


def _page(sections: Sequence[str], seeds: int) -> str:
    spread = "one seed" if seeds == 1 else f"mean ± standard deviation over {seeds} seeds where a seed matters"
    intro = (
        f"100 × the score; {spread}. Bytes per word as the paper counts them: codes alone, no words, no projection. "
        "The best number of a column below the floats is bold."
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><title>slimvec evaluate</title>'
        f"<style>{STYLE}</style></head><body><h1>What is left after compression</h1><p>{intro}</p>"
        f"{''.join(sections)}</body></html>\n"
    )


def _section(experiment: Experiment, source: Source, configs: Sequence[Config], blocks: Sequence[Block]) -> str:
    parts = [f"<h2>{escape(source.name)}</h2><p>{len(source.table):,} words, {source.dim} dimensions</p>"]
    for block in blocks:
        parts.append(_table(block))
        if block.measure == next(other.measure for other in blocks if other.task == block.task):
            parts.append(_quality_chart(block))
    parts += _loss_chart(experiment, source, configs)
    parts += _spectrum_chart(experiment, source, configs)
    parts += _pattern(experiment, source, configs)
    return "<section>" + "".join(parts) + "</section>"


def _table(block: Block) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in ("method", "bytes", "ratio", *block.sets))
    compressed = [row for row in block.rows if row.label != "float32"]
    best = [
        max((mean for row in compressed if (mean := row.scores[column].mean) is not None), default=None)
        for column in range(len(block.sets))
    ]
    lines = []
    for row in block.rows:
        cells = [f"<td>{escape(row.label)}</td><td>{row.bytes_per_word:.4g}</td><td>{row.ratio:.1f}</td>"]
        for score, top in zip(row.scores, best, strict=True):
            bold = ' class="best"' if row in compressed and score.mean is not None and score.mean == top else ""
            cells.append(f"<td{bold}>{score.shown}</td>")
        lines.append(f"<tr>{''.join(cells)}</tr>")
    foot = "".join(f"<td>{100 * share:.0f} %</td>" for share in block.coverage)
    lines.append(f'<tr class="foot"><td>coverage</td><td></td><td></td>{foot}</tr>')
    title = f"<h3>{escape(block.task)}, {escape(block.measure)}</h3>"
    return f'{title}<div class="wide"><table><tr>{head}</tr>{"".join(lines)}</table></div>'


def _quality_chart(block: Block) -> str:
    series = [
        svg.Series(f"{row.label}: {row.mean:.1f}", [row.bytes_per_word], [row.mean], joined=False)
        for row in block.rows
        if row.mean is not None
    ]
    if not series:
        return ""
    drawn = svg.chart(series, "bytes per word (each step doubles)", f"{block.task}, mean of the sets", log_x=True)
    return f"<h3>{escape(block.task)} against bytes per word</h3>{drawn}"


def _records(experiment: Experiment, source: Source, configs: Sequence[Config], name: str) -> list[tuple[str, Any]]:
    """Return label and record of the first seed of each configuration whose making left something called ``name``."""
    found = []
    for config in configs:
        record = experiment.store[experiment.key(source, config, 0, "table")]
        if record.get(name):
            found.append((summary.label(experiment, source, config), record))
    return found


def _loss_chart(experiment: Experiment, source: Source, configs: Sequence[Config]) -> list[str]:
    # NLB's loss is a reconstruction's, in other units: its numbers are in figures.csv.
    known = _records(experiment, source, configs, "singular_values")
    if not known:
        return []
    series = [svg.Series(name, range(1, len(record["losses"]) + 1), record["losses"]) for name, record in known]
    drawn = svg.chart(series, "iteration", "quantization loss per bit")
    return ["<h3>quantization loss (the paper's Fig. 1)</h3><p>‖B - YW‖² per bit after each iteration.</p>", drawn]


def _spectrum(record: dict[str, Any]) -> tuple[list[float], list[float]]:
    """Return the singular values before, and after removal, both over the mean of what is kept."""
    values, removed = np.array(record["singular_values"]), record["n_remove"]
    values = values / max(float(values[removed:].mean()), 1e-300)
    return values.tolist(), values[removed:].tolist()


def _spectrum_chart(experiment: Experiment, source: Source, configs: Sequence[Config]) -> list[str]:
    known = _records(experiment, source, configs, "singular_values")
    if not known:
        return []
    name, record = max(known, key=lambda item: int(item[1]["n_remove"]))
    before, after = _spectrum(record)
    removed = record["n_remove"]
    series = [
        svg.Series("before", range(1, len(before) + 1), before),
        svg.Series("after", range(removed + 1, len(before) + 1), after),
    ]
    drawn = svg.chart(series[: 2 if removed else 1], "direction, strongest first", "singular value / mean")
    note = f"{name}: {removed} removed. The strongest is {before[0]:.2f} times the mean before, {after[0]:.2f} after."
    return [f"<h3>singular values: why D</h3><p>{escape(note)}</p>", drawn]


def _pattern(experiment: Experiment, source: Source, configs: Sequence[Config]) -> list[str]:
    known = _records(experiment, source, configs, "pattern")
    if not known:
        return []
    name, record = known[0]
    shown = record["pattern"]
    half = len(shown["words"]) // 2
    title = f"<h3>words nearest to “{escape(shown['word'])}”, and furthest from it (the paper's Fig. 3)</h3>"
    return [
        f"{title}<p>{escape(name)}; a row per word, a column per bit.</p>",
        svg.bit_rows(shown["words"], shown["bits"], half),
    ]


def _figure_lines(experiment: Experiment, source: Source, configs: Sequence[Config]) -> list[str]:
    """Return the charts' numbers as lines of CSV."""
    lines = []
    for name, record in _records(experiment, source, configs, "losses"):
        lines += [f'{source.name},loss,"{name}",{i},{loss:.6g}' for i, loss in enumerate(record["losses"], 1)]
    for name, record in _records(experiment, source, configs, "singular_values"):
        values, removed = record["singular_values"], record["n_remove"]
        lines += [f'{source.name},singular value,"{name}",{i},{value}' for i, value in enumerate(values, 1)]
        before, after = _spectrum(record)
        shown = ("strongest over mean, before", before[0]), ("strongest over mean, after", after[0])
        lines += [f'{source.name},{figure.replace(",", "")},"{name}",{removed},{value:.2f}' for figure, value in shown]
    return lines
