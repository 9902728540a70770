"""What a grid found, as tables: for reading, for CSV, for JSON."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.evaluate.experiment import TASKS, Experiment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slimvec.evaluate.grid import Config
    from slimvec.evaluate.sources import Source

MEAN = "mean of the sets"
COLUMNS = ("source", "method", "bytes_per_word", "ratio", "task", "set", "measure", "shown", "mean", "std", "runs")


@dataclass(frozen=True)
class Score:
    """One number of the report: the mean over seeds of a measure on a set, with its spread.

    Attributes
    ----------
    mean, std : float or None
        Of the runs where it is defined; 100 times what the functions of ``slimvec.evaluate`` return.
    runs : int
    """

    mean: float | None
    std: float | None
    runs: int

    @property
    def shown(self) -> str:
        """As tables show it."""
        if self.mean is None or self.std is None:
            return "-"
        return f"{self.mean:.1f}" if self.runs == 1 else f"{self.mean:.1f} ± {self.std:.1f}"


@dataclass(frozen=True)
class Block:
    """One table of the report: a source, a task, a measure; a row per configuration, a column per set."""

    source: str
    task: str
    measure: str
    sets: list[str]
    coverage: list[float]
    rows: list[Row]


@dataclass(frozen=True)
class Row:
    """One configuration in a :class:`Block`."""

    label: str
    bytes_per_word: float
    ratio: float
    scores: list[Score]

    @property
    def mean(self) -> float | None:
        """The mean over the sets that are defined."""
        means = [score.mean for score in self.scores if score.mean is not None]
        return float(np.mean(means)) if means else None


def blocks(experiment: Experiment, source: Source, listed: Sequence[Config]) -> list[Block]:
    """Return the tables of one source from finished cells."""
    made = []
    for task in experiment.tasks:
        runs = {config: _runs(experiment, source, config, task) for config in listed}
        first = next(iter(runs.values()))[0]
        sets = [result["set"] for result in first]
        coverage = [result["coverage"] for result in first]
        for measure in TASKS[task].measures:
            rows = [
                Row(
                    label(experiment, source, config),
                    *_size(experiment, source, config),
                    _scores(runs[config], measure),
                )
                for config in listed
            ]
            made.append(Block(source.name, task, measure, sets, coverage, rows))
    return made


def label(experiment: Experiment, source: Source, config: Config) -> str:
    """Return a configuration's label, with the number of directions that ``"auto"`` came to."""
    if config.remove != "auto":
        return config.label
    found = experiment.store[experiment.key(source, config, 0, "table")]["n_remove"]
    return config.label.replace("D=auto", f"D={found} (auto)")


def _size(experiment: Experiment, source: Source, config: Config) -> tuple[float, float]:
    record = experiment.store[experiment.key(source, config, 0, "table")]
    return record["bytes_per_word"], record["ratio"]


def _runs(experiment: Experiment, source: Source, config: Config, task: str) -> list[list[dict[str, Any]]]:
    seeds = [seed for seed in range(experiment.seeds) if task in experiment.cells(config, seed)]
    return [experiment.store[experiment.key(source, config, seed, task)]["results"] for seed in seeds]


def _scores(runs: list[list[dict[str, Any]]], measure: str) -> list[Score]:
    scores = []
    for column in range(len(runs[0])):
        values = [run[column][measure] for run in runs if run[column][measure] is not None]
        mean, std = (100 * float(np.mean(values)), 100 * float(np.std(values))) if values else (None, None)
        scores.append(Score(mean, std, len(runs)))
    return scores


def as_text(block: Block) -> str:
    """Return a table in the shape of the paper's, in plain text."""
    table = [["method", "bytes", "ratio", *block.sets]]
    table += [
        [row.label, f"{row.bytes_per_word:.4g}", f"{row.ratio:.1f}", *(score.shown for score in row.scores)]
        for row in block.rows
    ]
    table.append(["coverage", "", "", *(f"{100 * share:.0f} %" for share in block.coverage)])
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    lines = []
    for line in table:
        cells = [
            line[0].ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)),
        ]
        lines.append("  ".join(cells).rstrip())
    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    title = f"{block.source}: {block.task}, {block.measure} (x 100)"
    return "\n".join([title, rule, lines[0], rule, *lines[1:-1], rule, lines[-1]])


def as_csv(made: Sequence[Block]) -> str:
    """Return every number of the tables, one per line."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for block in made:
        for row in block.rows:
            size = block.source, row.label, f"{row.bytes_per_word:.4g}", f"{row.ratio:.1f}"
            for name, score in zip(block.sets, row.scores, strict=True):
                writer.writerow(
                    [*size, block.task, name, block.measure, score.shown, score.mean, score.std, score.runs]
                )
            if row.mean is not None:
                writer.writerow([*size, block.task, MEAN, block.measure, f"{row.mean:.1f}", row.mean, "", ""])
        for name, share in zip(block.sets, block.coverage, strict=True):
            shown = f"{100 * share:.0f} %"
            writer.writerow([block.source, "", "", "", block.task, name, "coverage", shown, 100 * share, "", ""])
    return text.getvalue()


def as_json(made: Sequence[Block]) -> list[dict[str, Any]]:
    """Return the same in JSON's types."""
    return [
        {
            "source": block.source,
            "task": block.task,
            "measure": block.measure,
            "sets": block.sets,
            "coverage": block.coverage,
            "rows": [
                {
                    "method": row.label,
                    "bytes_per_word": row.bytes_per_word,
                    "ratio": row.ratio,
                    "mean": [score.mean for score in row.scores],
                    "std": [score.std for score in row.scores],
                    "runs": [score.runs for score in row.scores],
                }
                for row in block.rows
            ],
        }
        for block in made
    ]
