"""``read_vectors``: find out what a file is, and read it."""

from __future__ import annotations

import gzip
import io
import os
import warnings
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.errors import FormatError
from slimvec.progress import Progress, ignore
from slimvec.validation import as_integer
from slimvec.vectors.binary import read_word2vec_binary
from slimvec.vectors.text import BYTE_ORDER_MARK, looks_like_text, parse_header, read_text
from slimvec.vectors.vectors import Vectors

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMATS = ("word2vec", "word2vec-binary", "glove", "fasttext", "npy")
SAMPLE_BYTES = 1 << 16  # looked at to recognise a format

_GZIP_MAGIC = b"\x1f\x8b"
_NPY_MAGIC = b"\x93NUMPY"

Source = str | os.PathLike[str]


def read_vectors(
    path: Source | tuple[Source, Source],
    format: str | None = None,
    limit: int | None = None,
    progress: Progress = ignore,
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
    if format is not None and format not in FORMATS:
        raise ValueError(f"format={format!r}; expected one of {', '.join(FORMATS)}, or None to recognise it")
    if limit is not None:
        limit = as_integer(limit, "limit", 1)
    parts = path if isinstance(path, tuple) else (path,)
    if isinstance(path, tuple) and len(path) != 2:
        raise ValueError(f"path has {len(path)} parts; expected a pair (.npy file, word list)")
    name = os.fsdecode(parts[0])
    if len(parts) == 1 and Path(name).is_dir():
        parts = (Path(name) / "vectors.npy", Path(name) / "words.txt")
    if len(parts) == 1:
        words, matrix = _read_file(Path(name), format, limit, progress)
    elif format in (None, "npy"):
        words, matrix = _read_npy(Path(parts[0]), Path(parts[1]), limit)
    else:
        raise ValueError(f"format={format!r} does not fit {name}: a folder or a pair holds an .npy file and words")
    return _without_duplicates(words, matrix, name)


def _read_file(path: Path, format: str | None, limit: int | None, progress: Progress) -> tuple[list[str], NDArray[Any]]:
    with io.BufferedReader(io.FileIO(path), SAMPLE_BYTES) as raw:
        magic = raw.peek(len(_NPY_MAGIC))  # peeking, not seeking: pipes are read too
        if format == "npy" or (format is None and magic.startswith(_NPY_MAGIC)):
            return _read_npy(path, path.with_name("words.txt"), limit)
        try:
            compressed = magic.startswith(_GZIP_MAGIC)
            stream = io.BufferedReader(gzip.GzipFile(fileobj=raw), SAMPLE_BYTES) if compressed else raw
            report = _ByteReport(raw, progress)
            sample = stream.peek(SAMPLE_BYTES)[:SAMPLE_BYTES]
            if not sample.strip():
                raise FormatError("the file is empty")  # noqa: TRY301
            kind = format or _recognise(sample)
            if kind == "word2vec-binary":
                return read_word2vec_binary(stream, limit, report)
            return read_text(stream, kind != "glove", limit, report)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise FormatError(f"{path}: damaged gzip data ({error})") from None
        except FormatError as error:
            raise FormatError(f"{path}: {error}") from None


def _recognise(sample: bytes) -> str:
    """Return the format of a file that begins with ``sample``."""
    first, _, rest = sample.partition(b"\n")
    header = parse_header(first)
    if header is None:
        return "glove"
    return "word2vec" if looks_like_text(rest) else "word2vec-binary"


class _ByteReport:
    """Reports the position in the file on disk: compressed bytes, for a compressed one. Silent for pipes."""

    def __init__(self, raw: io.BufferedReader[io.FileIO], progress: Progress) -> None:
        self._raw = raw
        self._size = os.fstat(raw.fileno()).st_size if raw.seekable() else 0
        self._progress = progress

    def __call__(self) -> None:
        if self._size:
            self._progress("reading vectors", min(self._raw.tell(), self._size), self._size)


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


def _read_npy(matrix_path: Path, words_path: Path, limit: int | None) -> tuple[list[str], NDArray[Any]]:
    matrix = load_npy(matrix_path)
    if matrix.ndim != 2:
        raise FormatError(f"{matrix_path}: its array has shape {matrix.shape}; expected two dimensions")
    if not words_path.exists():
        raise FileNotFoundError(
            f"{words_path} does not exist; an .npy file needs its words beside it: one per line in words.txt, or pass "
            "a pair (vectors.npy, words.txt)"
        )
    lines = words_path.read_bytes().removeprefix(BYTE_ORDER_MARK).split(b"\n")
    if lines and not lines[-1]:
        lines.pop()
    words = [_decode(line.rstrip(b"\r"), words_path, number) for number, line in enumerate(lines, 1)]
    if len(words) != len(matrix):
        raise FormatError(f"{words_path} has {len(words)} words for the {len(matrix)} rows of {matrix_path}")
    return words[:limit], matrix[:limit]


def _decode(word: bytes, path: Path, line: int) -> str:
    try:
        return word.decode()
    except UnicodeDecodeError as error:
        raise FormatError(f"{path}: line {line}: not UTF-8 ({error})") from None


def _without_duplicates(words: list[str], matrix: NDArray[Any], name: str) -> Vectors:
    first_rows: dict[str, int] = {}
    for row, word in enumerate(words):
        first_rows.setdefault(word, row)
    if len(first_rows) < len(words):
        twice = next(word for row, word in enumerate(words) if first_rows[word] != row)
        warnings.warn(
            f"{name}: {len(words) - len(first_rows)} words appear again, such as {twice!r}; the first ones are kept",
            stacklevel=3,
        )
        matrix = matrix[list(first_rows.values())]
    return Vectors(first_rows, matrix)
