"""``read_vectors``: find out what a file is, and read it."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.errors import FormatError
from slimvec.progress import Progress, ignore
from slimvec.validation import as_integer
from slimvec.vectors.mapped import load_fasttext, load_matrix, mapped_format
from slimvec.vectors.opening import open_reader
from slimvec.vectors.repeated import keep_new, warn_of_repeated
from slimvec.vectors.tokenizer import is_token_folder, load_token_folder
from slimvec.vectors.vectors import Vectors
from slimvec.vectors.word_list import read_word_list
from slimvec.vocabulary import VocabularyBuilder

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMATS = ("word2vec", "word2vec-binary", "glove", "fasttext", "fasttext-binary", "npy", "safetensors")
ROWS_AT_ONCE = 1000  # few enough for progress to be seen, enough for threads to be worth waking

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
        A word2vec text or binary file, a GloVe text file, a fastText ``.vec`` file, any of these compressed by gzip or
        Zstandard (before Python 3.14 that needs the extra ``zstd``); a fastText ``.bin`` file, of which the words and
        their input vectors are read and the buckets of subwords left out; an ``.npy`` or safetensors file with
        ``words.txt`` beside it, or a pair (such a file, word list); a folder with ``vectors.npy`` and ``words.txt``, or
        with ``model.safetensors`` and ``tokenizer.json`` (static embeddings, as of model2vec). Word lists have one word
        per line, in UTF-8.
    format : {"word2vec", "word2vec-binary", "glove", "fasttext", "fasttext-binary", "npy", "safetensors"}, optional
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
        ``.matrix`` is float32, or, where rows lie in the file as in memory (``.npy``, safetensors, fastText ``.bin``),
        that file's own array, memory-mapped (copied only to leave out rows of repeated words).

    Raises
    ------
    FormatError
        If the content is damaged: a bad number, NaN or infinity (in a mapped file only compressing finds those), a
        wrong count, a truncated file, text that is not UTF-8. The message names the file and the line.
    OSError
        If the file does not exist or may not be read.

    Warns
    -----
    UserWarning
        If words appear more than once: the first one is kept. If subword buckets are left out.

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
    if isinstance(path, tuple) and len(path) != 2:
        raise ValueError(f"path has {len(path)} parts; expected a pair (file of rows, word list)")
    parts = [Path(os.fsdecode(part)) for part in (path if isinstance(path, tuple) else (path,))]
    name = os.fsdecode(parts[0])
    if len(parts) == 1 and parts[0].is_dir():
        if is_token_folder(parts[0]) and format in (None, "safetensors"):
            tokens, matrix = load_token_folder(parts[0])
            return Vectors(tokens[:limit], matrix[:limit])
        parts = [parts[0] / "vectors.npy", parts[0] / "words.txt"]
    kind = mapped_format(parts[0], format)
    if kind == "fasttext-binary" and len(parts) == 1:
        return _read_fasttext(parts[0], limit)
    if len(parts) == 1 and kind is None:
        return _read_file(parts[0], format, limit, progress, threads)
    if kind == "fasttext-binary" or format not in (None, kind):
        raise ValueError(f"format={format!r} does not fit {name}: a folder or a pair holds rows and words apart")
    words = parts[1] if len(parts) == 2 else parts[0].with_name("words.txt")
    return _with_words(parts[0], kind or "npy", words, limit, name)


def check_options(format: str | None, limit: int | None) -> int | None:
    """Return the limit, after checking both."""
    if format is not None and format not in FORMATS:
        raise ValueError(f"format={format!r}; expected one of {', '.join(FORMATS)}, or None to recognise it")
    return None if limit is None else as_integer(limit, "limit", 1)


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


def _with_words(path: Path, kind: str, words_path: Path, limit: int | None, name: str) -> Vectors:
    """Return the vectors of a file that holds only the matrix."""
    matrix = load_matrix(path, kind)
    if not words_path.exists():
        raise FileNotFoundError(
            f"{words_path} does not exist; an array needs its words beside it: one per line in words.txt, or pass "
            f"a pair ({path.name}, words.txt)"
        )
    text, offsets = read_word_list(words_path)
    if len(offsets) - 1 != len(matrix):
        raise FormatError(f"{words_path} has {len(offsets) - 1} words for the {len(matrix)} rows of {path}")
    return _distinct(matrix, text, offsets, limit, name)


def _read_fasttext(path: Path, limit: int | None) -> Vectors:
    model = load_fasttext(path)
    if model.n_buckets:
        warnings.warn(
            f"{path}: its {model.n_buckets} subword buckets are left out: its words have the vectors of whole words "
            "alone, and other words none",
            stacklevel=3,
        )
    return _distinct(model.matrix, model.text, model.offsets, limit, os.fsdecode(path))


def _distinct(
    matrix: NDArray[Any], text: NDArray[np.uint8], offsets: NDArray[np.int64], limit: int | None, name: str
) -> Vectors:
    """Return the first rows, without those of repeated words."""
    n = len(offsets) - 1 if limit is None else min(limit, len(offsets) - 1)
    offsets = offsets[: n + 1]
    builder = VocabularyBuilder()
    try:
        kept = builder.add(text[: offsets[-1]], offsets)
        vocabulary = builder.finish()
    except ValueError as error:
        raise FormatError(f"{name}: {error}") from None
    matrix = matrix[: len(kept)]
    warn_of_repeated(builder, name)
    return Vectors(vocabulary, matrix if kept.all() else matrix[kept])
