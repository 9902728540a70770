"""``read_vectors``: find out what a file is, and read it."""

from __future__ import annotations

import os
from contextlib import ExitStack
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from slimvec.errors import FormatError, naming
from slimvec.progress import Progress, ignore
from slimvec.validation import as_integer
from slimvec.vectors.archives import split_member
from slimvec.vectors.faults import Faults
from slimvec.vectors.formats import choose_format, format_named
from slimvec.vectors.made import MadeRows
from slimvec.vectors.opening import open_window, place_of
from slimvec.vectors.repeated import keep_new, warn_of_repeated
from slimvec.vectors.rows import MatrixRows
from slimvec.vectors.tokenizer import load_token_folder, plain_folder, token_folder
from slimvec.vectors.vectors import Vectors
from slimvec.vectors.word_list import Words, read_word_list
from slimvec.vocabulary import VocabularyBuilder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from slimvec.vectors.mapped import Loaded
    from slimvec.vectors.opening import ByteReport
    from slimvec.vectors.readers import Reader
    from slimvec.vocabulary import Vocabulary

WORD_LIST = "words.txt"
ROWS_AT_ONCE = 1000  # few enough for progress to be seen, enough for threads to be worth waking
NUMBERS_AT_ONCE = 1 << 22  # of very wide rows: a header may promise any width

Source = str | os.PathLike[str]


def read_vectors(
    path: Source | tuple[Source, Source],
    format: str | None = None,
    limit: int | None = None,
    progress: Progress = ignore,
    *,
    threads: int | None = None,
    encoding: str = "utf-8",
    on_error: str = "raise",
    tensor: str | None = None,
) -> Vectors:
    r"""Read an embedding file.

    Parameters
    ----------
    path : str, path, or pair of them
        A word2vec text or binary file, a GloVe text file, a fastText ``.vec`` file; a fastText ``.bin`` or ``.ftz``
        model, whose words have the vectors of its ``.vec`` file (:class:`FastText` has those of other words, too); an
        ``.npy``, safetensors, ``.npz`` or HDF5 file (the last needs the extra ``hdf5``) with ``words.txt`` beside it,
        or a pair (such a file, word list); an ``.npz`` with its words in an array called ``words``; a folder with
        ``vectors.npy`` and ``words.txt``, or with ``model.safetensors`` and ``tokenizer.json`` (static embeddings, as
        of model2vec and sentence-transformers' StaticEmbedding, or a transformer, with ``tensor``). Word lists have one
        word per line, in UTF-8. Files may be compressed by gzip, Zstandard (before Python 3.14 that needs the extra
        ``zstd``), bzip2 or xz, or lie in a zip archive; of several members ``"glove.6B.zip#glove.6B.50d.txt"`` names
        one.
    format : str, optional
        One of ``"word2vec"``, ``"word2vec-binary"``, ``"glove"``, ``"fasttext"``, ``"fasttext-binary"``, ``"npy"``,
        ``"npz"``, ``"hdf5"``, ``"safetensors"``. By default the format is recognised from the content. ``"word2vec"``
        and ``"fasttext"`` are the same text format with a header line; ``"glove"`` has none.
    limit : int, optional
        Read only the first so many words: most files begin with the most frequent.
    progress : callable, optional
        ``progress(stage, done, total)``, in bytes of the file.
    threads : int, optional
        Of text files: parse on at most this many threads; by default on as many as the process may use.
    encoding : str, optional
        Of the words in text and word2vec binary files, such as ``"latin-1"``; one in which ASCII is as it is.
    on_error : {"raise", "skip"}, optional
        Of text and word2vec binary files: ``"skip"`` leaves out rows that cannot be read (a word that is cut within a
        character or otherwise not in the encoding, a wrong number of fields, a bad number, NaN or infinity, two lines
        in one), takes as many as there are where the header promised another number, and warns. Of fastText models it
        leaves out words that are not UTF-8.
    tensor : str, optional
        Of safetensors, ``.npz`` and HDF5 files, and of folders with one: the name of the matrix to read, such as
        ``"embeddings.word_embeddings.weight"``. By default the only matrix of floats is read.

    Returns
    -------
    Vectors
        ``.matrix`` is float32, or, where rows lie in the file as in memory (``.npy``, safetensors, ``.npz`` and HDF5
        that are not compressed, fastText models without n-grams), that file's own array, memory-mapped (copied only to
        leave out rows of repeated words).

    Raises
    ------
    FormatError
        If the content is damaged: a bad number, NaN or infinity (in a mapped file only compressing finds those), a
        wrong count, a truncated file, text that is not UTF-8, numbers without words. The message names the file and
        the line. If ``on_error="skip"`` left nothing.
    OSError
        If the file does not exist or may not be read.
    ImportError
        If the package that a format takes is missing: see ``path``.

    Warns
    -----
    UserWarning
        If words appear more than once: the first one is kept. With ``on_error="skip"``, if rows are left
        out: how many, and the first line or word numbers.

    Notes
    -----
    A mapped file must not be shortened while its rows are in use: the system ends a process (SIGBUS) that reads a page
    which is gone. ``Vectors(words, vectors.matrix.copy())`` needs the file no longer.

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
    faults = Faults(on_error, encoding)
    if isinstance(path, tuple) and len(path) != 2:
        raise ValueError(f"path has {len(path)} parts; expected a pair (file of rows, word list)")
    kind = format
    place, *lists = map(place_of, path if isinstance(path, tuple) else (path,))
    if not lists and place.is_dir():
        if faults.recodes:
            raise ValueError(f"encoding={encoding!r} does not fit {place}: the words of a folder are in UTF-8")
        folder = token_folder(place)
        if folder is not None and format in {None, "safetensors"}:
            return _in_memory(distinct_rows(*load_token_folder(folder, tensor), limit, folder, faults), progress)
        if format not in {None, "npy"}:
            raise ValueError(f"format={format!r} does not fit {place}: a folder holds rows and words apart")
        place, kind = plain_folder(place), "npy"
    with ExitStack() as stack:
        with open_window(place, progress, faults.wide) as opened:
            row = choose_format(opened, place, kind, bool(lists), faults.encoding)
            load = row.loading(tensor)
            if row.load is None:
                return _read_all(row.start(opened.window, limit, threads, faults), opened.report, place, faults)
            file = stack.enter_context(opened.mappable(place))
        rows = load_rows(load, place, *lists, limit=limit, faults=faults, file=file)
    if rows.vocabulary is None:
        raise FileNotFoundError(
            f"{_beside(place)} does not exist; an array needs its words beside it: one per line in {WORD_LIST}, or "
            f"pass a pair ({place.name}, {WORD_LIST})"
        )
    return _in_memory(rows, progress)


def _in_memory(rows: MatrixRows | MadeRows, progress: Progress) -> Vectors:
    """Return rows with words as they are, or those that are made when asked for as an array."""
    if isinstance(rows, Vectors):
        return rows
    matrix = np.empty((len(rows), rows.dim), np.float32)
    filled = 0
    for block in rows.blocks(progress):
        matrix[filled : filled + len(block)] = block
        filled += len(block)
    return Vectors(cast("Vocabulary", rows.vocabulary), matrix)


def _beside(path: Path) -> Path:
    """Return where the words of an array are looked for: beside its file, or the archive that holds it."""
    return split_member(path)[0].with_name(WORD_LIST)


def check_options(format: str | None, limit: int | None) -> int | None:
    """Return the limit, after checking both."""
    if format is not None:
        format_named(format)
    return None if limit is None else as_integer(limit, "limit", 1)


def _read_all(reader: Reader, report: ByteReport, path: Path, faults: Faults) -> Vectors:
    builder = VocabularyBuilder()
    at_once = min(ROWS_AT_ONCE, max(1, NUMBERS_AT_ONCE // reader.dim))
    rows = np.empty((at_once, reader.dim), np.float32)
    filled = 0
    while True:
        if filled == len(rows):
            rows = _with_room(rows, report.expect(filled, reader.n_rows))
        read = reader.read(rows[filled : filled + at_once])
        if not read.n_rows:
            break
        filled += keep_new(rows[filled : filled + read.n_rows], builder.add(read.text, read.offsets))
        report()
    report()
    rows.resize((filled, reader.dim), refcheck=False)
    faults.warn(os.fsdecode(path))
    warn_of_repeated(builder, os.fsdecode(path))
    return Vectors(builder.finish(), rows)


def _with_room(rows: NDArray[np.float32], expected: int) -> NDArray[np.float32]:
    """Return an array that begins with ``rows`` and has room for as many as are expected, but for more in any case.

    What is expected is not written to, so it takes no memory until it comes.
    """
    larger = np.empty((max(expected, len(rows) + len(rows) // 4 + 1), rows.shape[1]), np.float32)
    larger[: len(rows)] = rows
    return larger


def load_rows(
    load: Callable[[Path], Loaded],
    path: Path,
    words_path: Path | None = None,
    *,
    limit: int | None,
    faults: Faults,
    file: Path,
) -> MatrixRows | MadeRows:
    """Return the rows of a file that is mapped: with words, if it holds them or there is a list of them.

    ``file`` has the bytes of ``path``, decompressed.
    """
    with naming(path):
        rows, words = load(file)
    if words is not None and words_path is not None:
        raise ValueError(f"{path} has words of its own; a folder or a pair holds rows and words apart")
    if words is not None:
        return distinct_rows(rows, words, limit, path, faults)
    listed = words_path or _beside(path)
    if words_path is None and not listed.exists():
        return _first_rows(rows, limit)
    words = read_word_list(listed, len(rows))
    if len(words.offsets) - 1 != len(rows):
        raise FormatError(f"{listed} has {len(words.offsets) - 1} words for the {len(rows)} rows of {path}")
    return distinct_rows(rows, words, limit, path, faults)


def _first_rows(rows: NDArray[Any] | MadeRows, limit: int | None) -> MatrixRows | MadeRows:
    if isinstance(rows, MadeRows):
        return rows.kept(len(rows) if limit is None else min(limit, len(rows)), None)
    return MatrixRows(rows[:limit])


def distinct_rows(
    rows: NDArray[Any] | MadeRows, words: Words, limit: int | None, path: Path, faults: Faults
) -> Vectors | MadeRows:
    """Return the first rows, without those of repeated words."""
    words = Words(words.text, words.offsets[: None if limit is None else limit + 1])
    numbers = np.arange(len(words.offsets) - 1)
    with naming(path):
        try:
            builder, kept, vocabulary = _distinct(Words(words.text[: words.offsets[-1]], words.offsets))
        except ValueError as error:
            numbers = _decodable(words, faults)
            if len(numbers) == len(words.offsets) - 1:
                raise FormatError(str(error)) from None
            builder, kept, vocabulary = _distinct(words.some(numbers))
    faults.warn(os.fsdecode(path))
    warn_of_repeated(builder, os.fsdecode(path))
    whole = len(numbers) == len(words.offsets) - 1 and kept.all()
    if isinstance(rows, MadeRows):
        return rows.kept(len(numbers) if whole else numbers[kept], vocabulary)
    return Vectors(vocabulary, rows[: len(numbers)] if whole else rows[numbers[kept]])


def _distinct(words: Words) -> tuple[VocabularyBuilder, NDArray[np.bool_], Vocabulary]:
    """Return the builder of a vocabulary, which words it kept, and the vocabulary; ValueError if one is not UTF-8."""
    builder = VocabularyBuilder()
    kept = builder.add(*words)
    return builder, kept, builder.finish()


def _decodable(words: Words, faults: Faults) -> NDArray[np.int64]:
    """Return the numbers of those words that are UTF-8; FormatError if there are others, unless these are skipped."""
    good = []
    for i, (begin, end) in enumerate(pairwise(words.offsets.tolist())):
        try:
            words.text[begin:end].tobytes().decode()
            good.append(i)
        except UnicodeDecodeError as error:
            faults.refuse(i + 1, f"word {i + 1}: its bytes are no UTF-8 ({error})")
    faults.check_any(len(good))
    return np.array(good, np.int64)
