"""fastText's binary models, ``.bin`` and ``.ftz``: their words, n-grams and input vectors, read or mapped."""

from __future__ import annotations

import os
import struct
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from slimvec.errors import FormatError
from slimvec.vectors.made import MadeRows
from slimvec.vectors.mapped import Loaded
from slimvec.vectors.ngrams import MAX_LETTERS, NGrams
from slimvec.vectors.quantized import N_CENTROIDS, QuantizedMatrix
from slimvec.vectors.subwords import PlainMatrix, SubwordModel
from slimvec.vectors.word_list import Words

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from numpy.typing import NDArray

    from slimvec.vectors.window import Window

FASTTEXT_MAGIC = struct.pack("<i", 793712314)

_ARGUMENTS = struct.Struct("<12id")  # twelve integers of the training, a threshold
_HEAD_BYTES = 8 + _ARGUMENTS.size  # magic and version before them
_VERSION = 12
_SUPERVISED = 3
_MOST_COLUMNS = 1 << 20


def is_fasttext(window: Window) -> bool:
    """Tell whether a file begins like a model, or like one of 2016, which had no magic number."""
    start = window.peek(_HEAD_BYTES)
    return start.startswith(FASTTEXT_MAGIC) or (len(start) == _HEAD_BYTES and _is_old(start[: _ARGUMENTS.size]))


def _is_old(start: bytes) -> bool:
    *numbers, threshold = _ARGUMENTS.unpack(start)
    dim, _, _, _, _, _, loss, model, _, least, most, _ = numbers
    known = 0 < dim <= _MOST_COLUMNS and loss in {1, 2, 3} and model in {1, 2, 3} and min(numbers) >= 0
    return known and max(least, most) <= MAX_LETTERS and 0 <= threshold < 1


def load_fasttext(path: Path) -> Loaded:
    """Return words and vectors of a model: mapped, if words have no n-grams, and otherwise made when asked for.

    Raises
    ------
    FormatError
        If it is none, or is damaged.
    """
    words, model = read_model(path)
    n = len(words.offsets) - 1
    if isinstance(model.matrix, PlainMatrix) and not model.ngrams.n_rows:
        return Loaded(model.matrix.array[:n], words)
    return Loaded(MadeRows(partial(model.rows, words), n, model.dim), words)


def read_model(path: Path) -> tuple[Words, SubwordModel]:
    """Return the words of a model, and what makes vectors of these and of others; errors as :func:`load_fasttext`."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        head = _read_head(file)
        n_entries, n_words, _, _ = _unpack("<3iq", file)
        n_pruned = _unpack("<q", file)[0] if head.version else -1
        words = _read_entries(file, n_entries, n_words)
        pruned = _read_array(file, "<i4", 2 * max(n_pruned, 0), size).reshape(-1, 2)
        quantized = _unpack("<?", file)[0] if head.version else False
        if quantized:
            matrix: PlainMatrix | QuantizedMatrix = _read_quantized(file, size)
        else:
            matrix = _map_matrix(file, path, size)
    if n_pruned < 0 or (n_pruned == 0 and not quantized):  # models of 2017 say that nothing is left, and hold all
        ngrams = head.ngrams
    else:
        ngrams = head.ngrams._replace(pruned=pruned[pruned[:, 0].argsort(kind="stable")])
    if len(matrix) < n_words + ngrams.n_rows or (len(pruned) and pruned.min() < 0):
        raise FormatError(
            f"its matrix of {len(matrix)} rows does not fit {n_words} words and {ngrams.n_rows} n-grams: damaged"
        )
    return words, SubwordModel(matrix, ngrams, n_words)


class _Head(NamedTuple):
    version: int  # 0: of 2016
    ngrams: NGrams


def _read_head(file: BinaryIO) -> _Head:
    start = file.read(4)
    if start == FASTTEXT_MAGIC:
        (version,) = _unpack("<i", file)
    else:
        version = 0
        file.seek(0)
        start = file.read(_ARGUMENTS.size)
        if len(start) < _ARGUMENTS.size or not _is_old(start):
            raise FormatError("not a fastText model: it does not begin like one")
        file.seek(0)
    if version not in {0, _VERSION - 1, _VERSION}:
        raise FormatError(f"a fastText model of version {version}; expected version 11 or 12, or one of 2016 without")
    *_, model, n_buckets, least, most, _, _ = _unpack(_ARGUMENTS.format, file)
    if version < _VERSION and model == _SUPERVISED:
        most = 0  # as fastText reads them: classifiers had no n-grams of letters then
    if most > MAX_LETTERS:
        raise FormatError(f"it says that n-grams have up to {most} letters: damaged")
    return _Head(version, NGrams(least, most, n_buckets if most > 0 else 0))


def _unpack(form: str, file: BinaryIO) -> tuple[Any, ...]:
    size = struct.calcsize(form)
    raw = file.read(size)
    if len(raw) < size:
        raise FormatError("the file ends within its header: truncated")
    return struct.unpack(form, raw)


def _read_array(file: BinaryIO, dtype: str, count: int, size: int) -> NDArray[Any]:
    """Read numbers, of which there cannot be more than the file has bytes for."""
    if not 0 <= count <= (size - file.tell()) // np.dtype(dtype).itemsize:
        raise FormatError(f"the file ends within {count} numbers of it: truncated or damaged")
    return np.frombuffer(file.read(count * np.dtype(dtype).itemsize), dtype)


def _read_entries(file: BinaryIO, n_entries: int, n_words: int) -> Words:
    """Read the dictionary, words before labels: each a text, a zero, a count (8 bytes) and a type (1 byte)."""
    if not 0 <= n_words <= n_entries:
        raise FormatError(f"{n_words} words of {n_entries} entries: damaged")
    words: list[bytes] = []
    buffer, at = b"", 0
    for _ in range(n_entries):
        while (end := buffer.find(b"\0", at)) < 0 or end + 10 > len(buffer):
            more = file.read(1 << 20)
            if not more:
                raise FormatError(f"the file ends after {len(words)} of {n_words} words: truncated")
            buffer, at = buffer[at:] + more, 0
        words.append(buffer[at:end])
        at = end + 10
    file.seek(at - len(buffer), 1)
    return Words.of(words[:n_words])


def _map_matrix(file: BinaryIO, path: Path, size: int) -> PlainMatrix:
    n_rows, dim = _unpack("<2q", file)
    start = file.tell()
    if not 0 < dim <= _MOST_COLUMNS or not 0 <= n_rows <= (size - start) // (4 * dim):
        raise FormatError(f"its matrix of {n_rows} x {dim} does not fit the file: truncated or damaged")
    shape = n_rows, 4 * dim
    return PlainMatrix(np.memmap(path, np.uint8, "r", start, shape) if n_rows else np.empty(shape, np.uint8))


def _read_quantized(file: BinaryIO, size: int) -> QuantizedMatrix:
    """Read a matrix in product quantization, as ``QuantMatrix::load`` of fastText."""
    has_norms, n_rows, dim, n_codes = _unpack("<?2qi", file)
    codes = _read_array(file, "u1", n_codes, size)
    centroids, n_parts, width = _read_quantizer(file, size)
    fits = 0 < dim <= _MOST_COLUMNS and n_rows >= 0 and len(centroids) == N_CENTROIDS * dim and width > 0
    if not fits or n_parts != -(-dim // width) or len(codes) != n_rows * n_parts:
        raise FormatError(f"its quantized matrix of {n_rows} x {dim} does not fit its {len(codes)} codes: damaged")
    norms = None
    if has_norms:
        numbers = _read_array(file, "u1", n_rows, size)
        values, _, _ = _read_quantizer(file, size)
        if len(values) != N_CENTROIDS:
            raise FormatError(f"its norms are of {len(values)} kinds; expected {N_CENTROIDS}: damaged")
        norms = values[numbers]
    return QuantizedMatrix(codes.reshape(n_rows, n_parts), centroids, dim, width, norms)


def _read_quantizer(file: BinaryIO, size: int) -> tuple[NDArray[np.float32], int, int]:
    """Return the centroids of all parts, how many parts there are, and how wide they are."""
    dim, n_parts, width, last = _unpack("<4i", file)
    if not 0 < dim <= _MOST_COLUMNS or not 0 < last <= width or (n_parts - 1) * width + last != dim:
        raise FormatError(f"its {dim} columns do not fit {n_parts} parts of {width} and {last}: damaged")
    return _read_array(file, "<f4", N_CENTROIDS * dim, size), n_parts, width
