"""Which way of searching finds the most for its bytes, or for its time: the frontier of what was measured, drawn."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from slimvec.errors import needs
from slimvec.evaluate import svg
from slimvec.evaluate.retrieval import Retrieval

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

Cost = Literal["bytes", "time"]

COSTS = {"bytes": ("bytes_per_row", "bytes per row"), "time": ("total_ms", "milliseconds per query")}
FOUND = "recall, ties counted"
INCHES, DOTS = (6.4, 4.0), 150  # of a PNG, and dots per inch


def plot_frontier(
    measured: Mapping[str, Sequence[Retrieval]],
    output: str | os.PathLike[str],
    *,
    against: Cost = "bytes",
) -> None:
    """Draw recall against bytes per row, or against time per query, a line for each name.

    Parameters
    ----------
    measured : mapping of str to sequence of Retrieval
        What :func:`retrieval` gave, under the names of the lines: of one table or, put together, of tables of many
        sizes. A line joins those that nothing of the same name beats: no other finds as much for less.
    output : str or path
        The file to write: ``.svg`` or ``.png``. PNG needs matplotlib (``pip install 'slimvec[plot]'``).
    against : {"bytes", "time"}
        ``bytes_per_row`` or ``total_ms``; a logarithmic axis.

    Raises
    ------
    TypeError, ValueError
        If nothing was measured, the name of the output ends otherwise, or ``against`` is neither.
    ImportError
        If matplotlib is missing, for PNG.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import slimvec as sv
    >>> from slimvec.evaluate import plot_frontier, retrieval
    >>> X = np.random.default_rng(0).standard_normal((2000, 64), dtype=np.float32)
    >>> rows = []
    >>> for n_bits in (32, 64, 128):
    ...     rows += retrieval(sv.TransformCoding(n_bits).compress(X[50:]), X[:50], X[50:])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     plot_frontier({"TransformCoding": rows}, Path(folder) / "bytes.svg")
    ...     (Path(folder) / "bytes.svg").read_text()[:4]
    '<svg'
    """
    if against not in get_args(Cost):
        raise ValueError(f"against={against!r}; expected one of {get_args(Cost)}")
    path = Path(output)
    writers = {".svg": _write_svg, ".png": _write_png}
    if path.suffix.lower() not in writers:
        raise ValueError(f"output={str(output)!r}; expected a name that ends in {' or '.join(writers)}")
    writers[path.suffix.lower()](path, _lines(measured, against), against)


def frontier(rows: Sequence[Retrieval], against: Cost) -> list[Retrieval]:
    """Return the rows that no other row beats, the cheapest first."""
    cost, _ = COSTS[against]
    best: list[Retrieval] = []
    for row in sorted(rows, key=lambda row: (getattr(row, cost), -row.recall_with_ties)):
        if not best or row.recall_with_ties > best[-1].recall_with_ties:
            best.append(row)
    return best


def _lines(measured: Mapping[str, Sequence[Retrieval]], against: Cost) -> list[svg.Series]:
    if not isinstance(measured, Mapping):
        raise TypeError(
            f"measured is {type(measured).__name__}; expected a mapping of names to what retrieval returned"
        )
    lines = []
    cost, unit = COSTS[against]
    for name, rows in measured.items():
        wrong = [row for row in rows if not isinstance(row, Retrieval)]
        if wrong:
            raise TypeError(f"measured[{name!r}] holds {wrong[0]!r:.60}; expected what retrieval returned")
        points = frontier(rows, against)
        costs = [float(getattr(row, cost)) for row in points]
        titles = [
            f"{name}, {_way(row)}: {row.recall_with_ties:.3f} at {at:.4g} {unit}"
            for row, at in zip(points, costs, strict=True)
        ]
        if points:
            lines.append(svg.Series(str(name), costs, [row.recall_with_ties for row in points], titles=titles))
    if not lines:
        raise ValueError("measured holds no rows; expected some of what retrieval returned")
    return lines


def _way(row: Retrieval) -> str:
    return row.method if row.oversample is None else f"{row.method}, oversample {row.oversample}"


def _write_svg(path: Path, lines: list[svg.Series], against: Cost) -> None:
    path.write_text(svg.document(lines, COSTS[against][1], FOUND, log_x=True), encoding="utf-8")


def _write_png(path: Path, lines: list[svg.Series], against: Cost) -> None:
    with needs("matplotlib", "plot"):
        from matplotlib.figure import Figure  # without pyplot, which keeps figures of its own
    figure = Figure(figsize=INCHES, dpi=DOTS, layout="constrained")
    axes = figure.subplots()
    for number, line in enumerate(lines):
        colour, dashes = svg.COLOURS[number % len(svg.COLOURS)], "--" if number // len(svg.COLOURS) % 2 else "-"
        axes.plot(line.x, line.y, dashes, marker="o", color=colour, label=line.name)
    axes.set_xscale("log", base=2)
    axes.set(xlabel=COSTS[against][1], ylabel=FOUND)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, format="png")
