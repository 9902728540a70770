"""What is recommended, beside what else was tried: a table that prints well, and that builds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slimvec.progress import Progress, ignore

if TYPE_CHECKING:
    from slimvec.index.checked_rows import OnBad
    from slimvec.index.index import Index
    from slimvec.recommending.setting import Setting

HEADER = ("", "bits", "refine", "lists", "originals", "bytes/row", "recall", "ms alone", "ms of many")


class Recommendation:
    """Settings of codes, what each costs and finds, and which of them is recommended.

    Made by :func:`slimvec.recommend`.

    Attributes
    ----------
    settings : list of Setting
        By bytes per row. Of codes alone those that no other one beats in bytes and in recall; a way with lists, and one
        with originals, where they reach the recall.
    best : Setting
        The one that is recommended.
    recall : float or None
        What was asked for.
    k : int
        Neighbours that it was asked of.
    n_rows, n_seen, n_queries : int
        Rows there are, those among which neighbours were looked for, and those that asked.
    exponent : float or None
        If these are not all: misses grow with this power of the number of rows.

    Examples
    --------
    >>> import numpy as np
    >>> import slimvec as sv
    >>> X = np.random.default_rng(0).standard_normal((1000, 32), dtype=np.float32)
    >>> found = sv.recommend(X, recall=0.9)
    >>> found.best.recall >= 0.9
    True
    >>> found.build(X)
    <slimvec.Index: 1000 rows of 32 numbers>
    """

    def __init__(
        self,
        settings: list[Setting],
        best: Setting,
        recall: float | None,
        k: int,
        counts: tuple[int, int, int],
        exponent: float | None,
        budget: float | None,
        n_threads: int,
    ) -> None:
        self.settings, self.best, self.recall, self.k = settings, best, recall, k
        self.n_rows, self.n_seen, self.n_queries = counts
        self.exponent, self._budget, self._n_threads = exponent, budget, n_threads

    def build(
        self,
        source: Any,
        *,
        vectors: str | list[str] | None = None,
        ids: Any = None,
        on_bad: OnBad = "raise",
        progress: Progress = ignore,
    ) -> Index:
        """Return an index with the codes that are recommended.

        Parameters
        ----------
        source, vectors, ids, on_bad, progress
            See :meth:`slimvec.Index.build`.

        Returns
        -------
        Index

        Raises
        ------
        TypeError, ValueError, OSError
            As :meth:`slimvec.Index.build`.
        """
        from slimvec.index.index import Index

        given: dict[str, Any] = {"vectors": vectors, "ids": ids, "on_bad": on_bad, "progress": progress}
        return Index.build(source, n_bits=self.best.n_bits, refine_bits=self.best.refine_bits, **given)

    # ---- shown

    def __repr__(self) -> str:
        best = self.best
        return (
            f"<slimvec.Recommendation: {best.n_bits} + {best.refine_bits} bits, {best.bytes_per_row} bytes a row, "
            f"recall {best.recall:.3f}>"
        )

    def __str__(self) -> str:
        lines = [HEADER, *(self._cells(setting) for setting in self.settings)]
        columns = [column for column in zip(*lines, strict=True) if any(column[1:]) or column[0]]
        widths = [max(map(len, column)) for column in columns]
        rows = zip(*columns, strict=True)
        made = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
        return "\n".join([self._title, "", *made, "", *self._notes])

    def _repr_html_(self) -> str:
        """Show a table in a notebook."""
        from html import escape

        head = "".join(f"<th>{escape(name)}</th>" for name in HEADER)
        lines = []
        for setting in self.settings:
            cells = "".join(f"<td>{escape(cell)}</td>" for cell in self._cells(setting))
            marked = ' style="font-weight: bold"' if setting == self.best else ""
            lines.append(f"<tr{marked}>{cells}</tr>")
        notes = "".join(f"<p>{escape(note)}</p>" for note in self._notes)
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
        return f"<p>{escape(self._title)}</p>{table}{notes}"

    def _cells(self, setting: Setting) -> tuple[str, ...]:
        return (
            "->" if setting == self.best else "",
            str(setting.n_bits),
            str(setting.refine_bits or ""),
            f"{setting.probes} of {setting.partitions}" if setting.partitions else "",
            "yes" if setting.originals else "",
            str(setting.bytes_per_row),
            f"{setting.recall:.3f} ± {setting.error:.3f}",
            f"{setting.ms_alone:.2f}",
            f"{setting.ms_batch:.3f}",
        )

    @property
    def _title(self) -> str:
        if self.recall is None:
            goal = f"The highest recall within {self._budget:g} bytes per row"
        else:
            within = "" if self._budget is None else f" within {self._budget:g}"
            goal = f"The fewest bytes per row{within} for recall {self.recall:g}"
        return f"{goal}, of {self.k} neighbours among {self.n_rows:,} rows"

    @property
    def _notes(self) -> list[str]:
        threads = "1 thread" if self._n_threads == 1 else f"{self._n_threads} threads"
        among = "all others" if self.exponent is None else f"{self.n_seen:,} others"
        measured = (
            f"Measured: {self.n_queries:,} rows, drawn at random, asked for their nearest among {among}; a row that is "
            "as near as the last true neighbour counts. With lists or originals: among 20,000 rows at most."
        )
        misses = ""
        if self.exponent is not None:
            misses = f"recall, by misses that grow with the power {self.exponent:.2f} of the number of rows; and "
        extrapolated = f"Extrapolated to all rows: {misses}times, of {threads}, that grow with the rows that are read."
        beside = "Bytes are without ids and what all rows share. ± is a standard error."
        listed = [setting.call for setting in self.settings if setting.partitions or setting.originals]
        best = f"-> {self.best.call}"
        return [
            measured,
            extrapolated,
            beside,
            best,
            *(f"   with {'originals' if 'originals' in call else 'lists'}: {call}" for call in listed),
        ]
