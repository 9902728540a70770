"""``read_vectors``: find out what a file is, and read it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.errors import FormatError
from slimvec.progress import Progress, ignore
from slimvec.validation import as_integer
from slimvec.vectors.opening import open_reader
from slimvec.vectors.repeated import keep_new, warn_of_repeated
from slimvec.vectors.vectors import Vectors
from slimvec.vectors.words import read_word_list
from slimvec.vocabulary import VocabularyBuilder

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMATS = ("word2vec", "word2vec-binary", "glove", "fasttext", "npy")
ROWS_AT_ONCE = 1000  # few enough for progress to be seen, enough for threads to be worth waking

_NPY_MAGIC = b"\x93NUMPY"

Source = str | os.PathLike[str]


def read_vectors(
    path: Source | tuple[Source, Source],
    format: str | None = None,
    limit: int | None = None,
    progress: Progress = ignore,
    *,
    threads: int | None = None,
) -> Vectors:
    r"""Read an embedding file.

    Parameters
    ----------
    path : str, path, or pair of them
        A word2vec text or binary file, a GloVe text file, a fastText ``.vec`` file, any of these compressed by gzip; a
        folder with ``words.txt`` and ``vectors.npy``; an ``.npy`` file with ``words.txt`` beside it; or a pair
        (``.npy`` file, word list). Word lists have one word per line, in UTF-8.
    format : {"word2vec", "word2vec-binary", "glove", "fasttext", "npy"}, optional
        By default the format is recognised from the content. ``"word2vec"`` and ``"fasttext"`` are the same text format
        with a header line; ``"glove"`` has none.
    limit : int, optional
        Read only the first so many words: most files begin with the most frequent.
    progress : callable, optional
        ``progress(stage, done, total)``, in bytes of the file.
    threads : int, optional
        Of text files: parse on at most this many threads; by default on as many as the process may use.

    Returns
    -------
    Vectors
        ``.matrix`` is float32, or, from an ``.npy`` file, that file's own array, memory-mapped (copied only to leave
        out rows of repeated words).

    Raises
    ------
    FormatError
        If the content is damaged: a bad number, NaN or infinity (in an ``.npy`` file only compressing finds those), a
        wrong count, a truncated file, text that is not UTF-8. The message names the file and the line.
    OSError
        If the file does not exist or may not be read.

    Warns
    -----
    UserWarning
        If words appear more than once: the first one is kept.

    Examples
    --------
    >>> import os, tempfile
    >>> import slimvec as sv
    >>> path = os.path.join(tempfile.mkdtemp(), "tiny.txt")
    >>> with open(path, "w") as file:
    ...     _ = file.write("cat 0.5 -1\ndog 0.25 2\n")
    >>> sv.read_vectors(path)["dog"]
    array([0.25, 2.  ], dtype=float32)
    """
    limit = check_options(format, limit)
    parts = path if isinstance(path, tuple) else (path,)
    if isinstance(path, tuple) and len(path) != 2:
        raise ValueError(f"path has {len(path)} parts; expected a pair (.npy file, word list)")
    name = os.fsdecode(parts[0])
    if len(parts) == 1 and Path(name).is_dir():
        parts = (Path(name) / "vectors.npy", Path(name) / "words.txt")
    if len(parts) == 1 and not is_npy(Path(name), format):
        return _read_file(Path(name), format, limit, progress, threads)
    if len(parts) == 1:
        parts = (name, Path(name).with_name("words.txt"))
    if format not in (None, "npy"):
        raise ValueError(f"format={format!r} does not fit {name}: a folder or a pair holds an .npy file and words")
    return _read_npy(Path(parts[0]), Path(parts[1]), limit, name)


def check_options(format: str | None, limit: int | None) -> int | None:
    """Return the limit, after checking both."""
    if format is not None and format not in FORMATS:
        raise ValueError(f"format={format!r}; expected one of {', '.join(FORMATS)}, or None to recognise it")
    return None if limit is None else as_integer(limit, "limit", 1)


def is_npy(path: Path, format: str | None) -> bool:
    """Tell whether a file is to be read as ``.npy``: because that was asked for, or by its first bytes."""
    if format is not None or not path.is_file():  # the first bytes of a pipe come only once
        return format == "npy"
    with open(path, "rb") as file:
        return file.read(len(_NPY_MAGIC)) == _NPY_MAGIC


def _read_file(path: Path, format: str | None, limit: int | None, progress: Progress, threads: int | None) -> Vectors:
    with open_reader(path, format, limit, threads, progress) as (reader, report):
        builder = VocabularyBuilder()
        rows = np.empty((ROWS_AT_ONCE, reader.dim), np.float32)
        filled = 0
        while True:
            if filled == len(rows):
                rows = _with_room(rows, report.expect(filled, reader.n_rows))
            read = reader.read(rows[filled : filled + ROWS_AT_ONCE])
            if not read.n_rows:
                break
            filled += keep_new(rows[filled : filled + read.n_rows], builder.add(read.text, read.offsets))
            report()
        report()
    rows.resize((filled, reader.dim), refcheck=False)
    warn_of_repeated(builder, os.fsdecode(path))
    return Vectors(builder.finish(), rows)


def _with_room(rows: NDArray[np.float32], expected: int) -> NDArray[np.float32]:
    """Return an array that begins with ``rows`` and has room for as many as are expected, but for more in any case.

    What is expected is not written to, so it takes no memory until it comes.
    """
    larger = np.empty((max(expected, len(rows) + len(rows) // 4 + 1), rows.shape[1]), np.float32)
    larger[: len(rows)] = rows
    return larger


def load_npy(path: Path) -> NDArray[Any]:
    """Return the array of an ``.npy`` file, memory-mapped.

    Raises
    ------
    FormatError
        If it is no ``.npy`` file, is damaged, or holds Python objects.
    """
    with open(path, "rb") as file:
        if file.read(len(_NPY_MAGIC)) != _NPY_MAGIC:
            raise FormatError(f"{path}: not a usable .npy file (it does not begin like one)")
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise FormatError(f"{path}: not a usable .npy file ({error})") from None
    return array


def _read_npy(matrix_path: Path, words_path: Path, limit: int | None, name: str) -> Vectors:
    matrix = load_npy(matrix_path)
    if matrix.ndim != 2:
        raise FormatError(f"{matrix_path}: its array has shape {matrix.shape}; expected two dimensions")
    if not words_path.exists():
        raise FileNotFoundError(
            f"{words_path} does not exist; an .npy file needs its words beside it: one per line in words.txt, or pass "
            "a pair (vectors.npy, words.txt)"
        )
    text, offsets = read_word_list(words_path)
    n = len(offsets) - 1
    if n != len(matrix):
        raise FormatError(f"{words_path} has {n} words for the {len(matrix)} rows of {matrix_path}")
    offsets = offsets[: n + 1 if limit is None else limit + 1]
    builder = VocabularyBuilder()
    kept = builder.add(text[: offsets[-1]], offsets)
    matrix = matrix[: len(kept)]
    warn_of_repeated(builder, name)
    return Vectors(builder.finish(), matrix if kept.all() else matrix[kept])
