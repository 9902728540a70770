"""``write_vectors``: word2vec text and binary, and ``.npy`` with a word list."""

from __future__ import annotations

import io
from contextlib import ExitStack
from itertools import islice, repeat
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.blocks import BLOCK_ROWS, row_blocks
from slimvec.files.atomic import checked_target, replacing
from slimvec.progress import Progress, ignore
from slimvec.validation import as_matrix, check_finite
from slimvec.vocabulary import Vocabulary, optional_vocabulary

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

    from slimvec.files.atomic import NamedFile

_BY_SUFFIX = {".npy": "npy", ".bin": "word2vec-binary"}
_BLANKS = " \t\v\f"  # what separates the fields of a line


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
    kind = format or _BY_SUFFIX.get(target.suffix, "word2vec")
    if kind not in _WRITERS and kind != "npy":
        raise ValueError(f"format={format!r}; expected one of {', '.join(_WRITERS)}, npy, or None to go by the name")
    if words is not None and len(words) != shape[0]:
        raise ValueError(f"there are {len(words)} words for {shape[0]} rows; expected one each")
    if shape[1] == 0:
        raise ValueError(f"vectors has shape {shape}; expected at least one column")
    rows = _counted(blocks, shape[0], progress)
    if kind == "npy":
        _write_npy(target, words, rows, shape)
        return
    if words is None:
        raise ValueError(f"there are no words, which {kind} needs; write an .npy file instead")
    spelt = iter(words)
    with replacing(target) as file:
        file.write(f"{shape[0]} {shape[1]}\n".encode())
        for block in rows:
            _WRITERS[kind](file, list(islice(spelt, len(block))), block)


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


def _write_lines(file: NamedFile, words: list[str], block: NDArray[np.float32]) -> None:
    _check(words, lambda word: word != word.strip(_BLANKS))
    form = " ".join(repeat("%.9g", block.shape[1]))
    lines = (f"{word} {form % tuple(row)}\n" for word, row in zip(words, block.tolist(), strict=True))
    file.write("".join(lines).encode())


def _write_records(file: NamedFile, words: list[str], block: NDArray[np.float32]) -> None:
    _check(words, lambda word: " " in word)
    records = (word.encode() + b" " + row.tobytes() + b"\n" for word, row in zip(words, block, strict=True))
    file.write(b"".join(records))


_WRITERS = {"word2vec": _write_lines, "word2vec-binary": _write_records}


def _check(words: list[str], unfit: Callable[[str], bool]) -> None:
    for word in words:
        if not word or "\n" in word or "\r" in word or unfit(word):
            raise ValueError(f"words holds {word!r}, which this format cannot tell from what stands around it")


def _write_npy(
    target: Path, words: Vocabulary | None, rows: Iterator[NDArray[np.float32]], shape: tuple[int, int]
) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": shape})
    listed = target.with_name("words.txt")
    if words is not None and listed.exists() and not target.exists():
        raise FileExistsError(f"{listed} exists and belongs to another file; choose another folder for {target.name}")
    with ExitStack() as stack:
        if words is not None:
            list_file = stack.enter_context(replacing(listed))
            spelt = iter(words)
            while some := list(islice(spelt, BLOCK_ROWS)):
                _check(some, lambda word: word.startswith("\ufeff"))
                list_file.write("".join([f"{word}\n" for word in some]).encode())
        file = stack.enter_context(replacing(target))
        file.write(header.getvalue())
        for block in rows:
            file.write(block.data)
