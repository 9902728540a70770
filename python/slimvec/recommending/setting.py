"""A line of a recommendation."""

from __future__ import annotations

from typing import NamedTuple


class Setting(NamedTuple):
    """One way to keep and to search rows, and what it gives.

    Attributes
    ----------
    n_bits, refine_bits : int
        Of the codes.
    bytes_per_row : int
        All that is kept of a row: codes, factors, second codes, lists, and originals if they are needed; not ids, nor
        the encoder, which all rows share.
    recall : float
        Measured among all rows, or expected, if there are too many; with originals among those of the sample.
    error : float
        Its standard error.
    ms_alone, ms_batch : float
        Milliseconds for a query that comes alone, and for one of a batch, expected among all rows.
    partitions, probes : int or None
        How many lists there are, and how many of them are read.
    originals : bool
        Whether the vectors themselves score the best rows.
    """

    n_bits: int
    refine_bits: int
    bytes_per_row: int
    recall: float
    error: float
    ms_alone: float
    ms_batch: float
    partitions: int | None
    probes: int | None
    originals: bool

    @property
    def call(self) -> str:
        """How it is made."""
        codes = f"{self.n_bits}, refine_bits={self.refine_bits}"
        if self.originals:
            return f"TransformCoding({codes}).compress(X), and search(originals=X)"
        if self.partitions:
            return f'Index.build(X, n_bits={codes}, partitions="auto"), and search(recall=)'
        return f"Index.build(X, n_bits={codes})"
