"""What ``slimvec evaluate`` is pointed at: vectors to compress and judge, or tables to judge as they are."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.evaluate.word_rows import Judged, WordRows
from slimvec.files.table_file import open_table
from slimvec.vectors import read_vectors
from slimvec.vectors.formats import TABLE, recognise
from slimvec.vectors.rows import Rows

if TYPE_CHECKING:
    import os

SAMPLED_ROWS = 1000


class Source:
    """A named table or named vectors.

    Parameters
    ----------
    name : str
    table : BinaryTable, SparseTable or Vectors
        With words.
    """

    def __init__(self, name: str, table: Judged) -> None:
        self.name, self.table = name, table
        words = WordRows(table)
        sample = np.unique(np.linspace(0, len(words) - 1, SAMPLED_ROWS).astype(np.int64))
        checksum = zlib.crc32("\n".join(words.vocabulary[row] for row in sample.tolist()).encode())
        rows = words.lookup(sample)
        self.dim = rows.shape[1]
        self._checksum = zlib.crc32(np.ascontiguousarray(rows).tobytes(), checksum)

    @property
    def is_vectors(self) -> bool:
        """Whether there is something to compress."""
        return isinstance(self.table, Rows)

    @property
    def key(self) -> dict[str, Any]:
        """Tells this source from one that has the same name and other content, by a thousand of its rows."""
        return {"name": self.name, "rows": len(self.table), "dim": self.dim, "crc32": self._checksum}


def read_source(path: str | os.PathLike[str], **options: Any) -> Source:
    """Return the vectors, read with the options of :func:`slimvec.read_vectors`, or the table of a file or folder.

    Raises
    ------
    ValueError
        If there are no words, or it is no table.
    """
    place = Path(path)
    if place.is_file() and recognise(place) is TABLE:
        table = open_table(place)
        if not isinstance(table, Judged):
            raise ValueError(f"{path} holds {table!r}; expected vectors or a table with words")
        return Source(place.stem, table)
    return Source(place.name if place.is_dir() else place.stem, read_vectors(path, **options))
