"""``write_vectors``: rows checked, counted and written in the format that is asked for, or that the name tells."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.blocks import row_blocks
from slimvec.files.atomic import PACKED, checked_target
from slimvec.progress import Progress, ignore
from slimvec.validation import as_matrix, check_finite
from slimvec.vectors.compression import compression_named
from slimvec.vectors.formats import WORD2VEC, format_named, written_format
from slimvec.vectors.spelling import Spelling
from slimvec.vocabulary import Vocabulary, optional_vocabulary

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

    from slimvec.vectors.formats import Format


def write_vectors(
    path: str | os.PathLike[str],
    words: Iterable[str] | None,
    vectors: ArrayLike,
    format: str | None = None,
    progress: Progress = ignore,
    *,
    blanks: str | None = None,
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
        text format ``"word2vec"``; these two are compressed if ``.gz`` or ``.zst`` follows (``v.bin.gz``; ``.zst``
        needs the extra ``zstd`` before Python 3.14). The words of an ``.npy`` file go into ``words.txt`` beside it.
    progress : callable, optional
        ``progress(stage, done, total)``, in rows.
    blanks : str, optional
        Written for each blank and line break in a word, and for an empty word, such as ``"_"``. By default words are
        written as they are, where the format can tell them apart.

    Returns
    -------
    None

    Raises
    ------
    ValueError
        If words and rows do not fit each other, a word cannot be told apart in that format (a line break; blanks at
        its ends in text, or anywhere in binary) or would not with ``blanks``, a row holds NaN or infinity, the format
        is unknown, or the name is that of a compressed file which is not written.
    OSError
        If the place cannot be written, or ``words.txt`` there belongs to another file.

    Warns
    -----
    UserWarning
        If words in a text file hold blanks, which :func:`read_vectors` reads, but gensim and others do not.

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
    write_blocks(path, vocabulary, blocks, (len(matrix), matrix.shape[1]), format, progress, blanks)


def write_blocks(
    path: str | os.PathLike[str],
    words: Vocabulary | None,
    blocks: Iterable[NDArray[Any]],
    shape: tuple[int, int],
    format: str | None,
    progress: Progress,
    blanks: str | None = None,
) -> None:
    """Write rows that come block by block; see :func:`write_vectors`."""
    target = checked_target(path)
    row = _chosen(target, format)
    spelt = None if words is None else Spelling(words, blanks)
    if words is not None and len(words) != shape[0]:
        raise ValueError(f"there are {len(words)} words for {shape[0]} rows; expected one each")
    if shape[1] == 0:
        raise ValueError(f"vectors has shape {shape}; expected at least one column")
    row.write(target, spelt, _counted(blocks, shape[0], progress), shape)
    if row is WORD2VEC and spelt is not None and spelt.n_blank:
        warnings.warn(
            f"{target}: {spelt.n_blank} words hold blanks, such as {spelt.example!r}: slimvec reads them, gensim and "
            f"others do not; blanks='_' (--blanks _) writes another letter",
            stacklevel=3,
        )


def _chosen(target: Path, format: str | None) -> Format:
    """Return the format to write; ValueError if the name says that it is compressed, and it would not be."""
    packed = compression_named(target.suffix)
    named = target.with_suffix("") if packed else target
    row = written_format(named.suffix) if format is None else format_named(format, written=True)
    if target.suffix.lower() in PACKED and not (packed and row.packs):
        remedy = f"leave out {target.suffix}" if packed else "expected .gz, .zst, or none"
        raise ValueError(f"{target.name} is the name of a compressed file, and {row.title} is not written so; {remedy}")
    return row


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
