"""``write_vectors``: rows checked, counted and written in the format that is asked for, or that the name tells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.blocks import row_blocks
from slimvec.files.atomic import checked_target
from slimvec.progress import Progress, ignore
from slimvec.validation import as_matrix, check_finite
from slimvec.vectors.formats import format_named, written_format
from slimvec.vocabulary import Vocabulary, optional_vocabulary

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator

    from numpy.typing import ArrayLike, NDArray


def write_vectors(
    path: str | os.PathLike[str],
    words: Iterable[str] | None,
    vectors: ArrayLike,
    format: str | None = None,
    progress: Progress = ignore,
) -> None:
    """Write words and their vectors to a file that :func:`read_vectors` reads, and other programs do.

    The file is written beside its place and renamed when it is complete, as :meth:`BinaryTable.save` does.

    Parameters
    ----------
    path : str or path
    words : iterable of str, or None
        Distinct words, one per row. An ``.npy`` file may come without.
    vectors : array_like, shape (n, d)
        Written as float32, exactly: text has the nine digits that tell any two of them apart.
    format : {"word2vec", "word2vec-binary", "npy"}, optional
        By default ``"npy"`` for a name that ends in ``.npy``, ``"word2vec-binary"`` for ``.bin``, and otherwise the
        text format ``"word2vec"``. The words of an ``.npy`` file go into ``words.txt`` beside it.
    progress : callable, optional
        ``progress(stage, done, total)``, in rows.

    Returns
    -------
    None

    Raises
    ------
    ValueError
        If words and rows do not fit each other, a word cannot be told apart in that format (a line break; blanks at
        its ends in text, or anywhere in binary), a row holds NaN or infinity, or the format is unknown.
    OSError
        If the place cannot be written, or ``words.txt`` there belongs to another file.

    Examples
    --------
    >>> import os, tempfile
    >>> import slimvec as sv
    >>> path = os.path.join(tempfile.mkdtemp(), "tiny.txt")
    >>> sv.write_vectors(path, ["cat", "dog"], [[0.5, -1], [0.25, 2]])
    >>> sv.read_vectors(path)["dog"]
    array([0.25, 2.  ], dtype=float32)
    """
    matrix = as_matrix(vectors, "vectors")
    vocabulary = words if isinstance(words, Vocabulary) else optional_vocabulary(words, len(matrix), "words")
    blocks = (block for _, block in row_blocks(matrix))
    write_blocks(path, vocabulary, blocks, (len(matrix), matrix.shape[1]), format, progress)


def write_blocks(
    path: str | os.PathLike[str],
    words: Vocabulary | None,
    blocks: Iterable[NDArray[Any]],
    shape: tuple[int, int],
    format: str | None,
    progress: Progress,
) -> None:
    """Write rows that come block by block; see :func:`write_vectors`."""
    target = checked_target(path)
    row = written_format(target.suffix) if format is None else format_named(format, written=True)
    if words is not None and len(words) != shape[0]:
        raise ValueError(f"there are {len(words)} words for {shape[0]} rows; expected one each")
    if shape[1] == 0:
        raise ValueError(f"vectors has shape {shape}; expected at least one column")
    row.write(target, words, _counted(blocks, shape[0], progress), shape)


def _counted(blocks: Iterable[NDArray[Any]], n: int, progress: Progress) -> Iterator[NDArray[np.float32]]:
    """Yield blocks as float32, checked, and report how many rows went by."""
    done = 0
    for block in blocks:
        with np.errstate(over="ignore"):  # reported just below
            rows = np.ascontiguousarray(block, "<f4")
        check_finite(rows, "vectors", done)
        yield rows
        done += len(rows)
        progress("writing vectors", done, n)
