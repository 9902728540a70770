"""Vectors that stay in their file, whatever its format: mapped, or read block by block as often as needed."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.progress import Progress, ignore
from slimvec.vectors.archives import split_member
from slimvec.vectors.faults import Faults
from slimvec.vectors.formats import choose_format
from slimvec.vectors.opening import is_ordinary, open_window, place_of
from slimvec.vectors.reading import Source, check_options, load_rows
from slimvec.vectors.rows import whole
from slimvec.vectors.streamed import StreamedRows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from slimvec.vectors.rows import Rows
    from slimvec.vocabulary import Vocabulary


class VectorFile:
    r"""An embedding file whose vectors stay in it, so that fitting and compressing it need little memory.

    Files in which rows lie as they do in memory are mapped; others are read block by block, more than once, and their
    words are kept once, as UTF-8 and a hash table.

    Parameters
    ----------
    path : str or path
        A file in any format of :func:`read_vectors`, but no pipe and no folder. An array (``.npy``, safetensors and
        so on) may come without ``words.txt`` beside it: its rows then have no words.
    format, limit, threads, encoding, on_error, tensor
        See :func:`read_vectors`.

    Attributes
    ----------
    path : Path
    matrix : ndarray or None
        The rows as one array, where they are mapped. Those of fastText models with n-grams and of bfloat16 are made
        when they are asked for.

    Raises
    ------
    ValueError
        If the options are wrong, or ``path`` is no ordinary file, or a table.
    OSError
        If it does not exist.

    Examples
    --------
    >>> import os, tempfile
    >>> import slimvec as sv
    >>> path = os.path.join(tempfile.mkdtemp(), "tiny.txt")
    >>> with open(path, "w") as file:
    ...     _ = file.write("cat 0.5 -1\ndog 0.25 2\ncow 1 1\n")
    >>> table = sv.IIQ(n_remove=0).compress(sv.VectorFile(path))
    >>> table.most_similar("cat", k=1)[0][0] in {"dog", "cow"}
    True
    """

    def __init__(
        self,
        path: Source,
        format: str | None = None,
        limit: int | None = None,
        *,
        threads: int | None = None,
        encoding: str = "utf-8",
        on_error: str = "raise",
        tensor: str | None = None,
    ) -> None:
        limit = check_options(format, limit)
        faults = Faults(on_error, encoding)
        self.path = place_of(path)
        split_member(self.path)[0].stat()  # a missing file is said to be missing
        if not is_ordinary(path):
            raise ValueError(f"{self.path} is no ordinary file; use sv.read_vectors(path)")
        with ExitStack() as stack:
            with open_window(self.path, encoding=faults.wide) as opened:
                row = choose_format(opened, self.path, format, encoding=faults.encoding)
                load = row.loading(tensor)
                file = self.path if row.load is None else stack.enter_context(opened.mappable(self.path))
            if row.load is None:
                self._rows: Rows = StreamedRows(self.path, row, limit, threads, faults)
            else:
                self._rows = load_rows(load, self.path, limit=limit, faults=faults, file=file)
        self.matrix: NDArray[Any] | None = getattr(self._rows, "matrix", None)

    def __repr__(self) -> str:
        known = not self.sequential or self.vocabulary is not None
        return f"<slimvec.VectorFile: {self.path.name}, {f'{len(self)} rows' if known else 'not read yet'}>"

    @property
    def vocabulary(self) -> Vocabulary | None:
        """The words: those of a file that is read in order are known after a first pass."""
        return self._rows.vocabulary

    @property
    def sequential(self) -> bool:
        """Whether the file is read in order; if not, it is mapped."""
        return self._rows.sequential

    @property
    def dim(self) -> int:
        """Width d of the vectors: the beginning of the file tells."""
        return self._rows.dim

    def __len__(self) -> int:
        """Return the number of rows; the file is read for it if need be."""
        return len(self._rows)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Return the rows as an array; TypeError if the file is read in order."""
        if self.sequential:
            raise TypeError(f"{self.path} is read in order; expected vectors in memory: use sv.read_vectors(path)")
        return np.array(whole(self._rows), dtype=dtype, copy=copy)

    def take(self, rows: NDArray[np.integer]) -> NDArray[Any]:
        """Return some rows of a file that is mapped.

        Parameters
        ----------
        rows : integer array, shape (m,)

        Returns
        -------
        ndarray, shape (m, d)

        Raises
        ------
        TypeError
            If the file is read in order.
        """
        return self._rows.take(rows)

    def blocks(self, progress: Progress = ignore) -> Iterator[NDArray[Any]]:
        """Walk over the rows once, in blocks; of words that come again the first is kept.

        Parameters
        ----------
        progress : callable, optional
            ``progress(stage, done, total)``, in bytes of a file that is read in order.

        Returns
        -------
        iterator of ndarray, shape (4096, d)
            The last one may have fewer rows. They are float32, or what a file that is mapped holds.

        Raises
        ------
        FormatError
            As from :func:`read_vectors`.
        OSError
            If the file is not what it was in an earlier pass.

        Warns
        -----
        UserWarning
            In the first pass, if words appear more than once, or rows are left out.
        """
        return self._rows.blocks(progress)
