"""fastText's ``.bin`` files: of a model, its words and their input vectors."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.errors import FormatError
from slimvec.vectors.mapped import Loaded
from slimvec.vectors.word_list import Words

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

FASTTEXT_MAGIC = struct.pack("<i", 793712314)

_HEAD = struct.Struct("<2i12id")  # magic, version, twelve integers of the training, a threshold
_DICTIONARY = struct.Struct("<3i2q")  # entries, words, labels, tokens, pruned buckets
_VERSIONS = (11, 12)
_WITHOUT_BUCKETS = "its words have the vectors of whole words alone, and other words none"


def load_fasttext(path: Path) -> Loaded:
    """Return words and input vectors of a fastText ``.bin`` file.

    Raises
    ------
    FormatError
        If it is none, is damaged, or holds quantized vectors (``.ftz``).
    """
    with open(path, "rb") as file:
        head = _unpack(_HEAD, file)
        if head[:1] != struct.unpack("<i", FASTTEXT_MAGIC) or head[1] not in _VERSIONS:
            raise FormatError("not a fastText .bin file of version 11 or 12")
        n_entries, n_words, _, _, n_pruned = _unpack(_DICTIONARY, file)
        words = _read_entries(file, n_entries, n_words)
        file.seek(8 * max(n_pruned, 0), 1)
        (quantized,) = _unpack(struct.Struct("<?"), file)
        if quantized:
            raise FormatError("its vectors are quantized; expected a fastText model with float vectors")
        n_rows, dim = _unpack(struct.Struct("<2q"), file)
        start = file.tell()
    if not 0 < dim <= 1 << 20 or n_rows < n_words or start + 4 * n_rows * dim > path.stat().st_size:
        raise FormatError(f"its matrix of {n_rows} x {dim} does not fit {n_words} words or the file: truncated")
    shape = n_words, dim
    matrix = np.memmap(path, "<f4", "r", start, shape) if n_words else np.empty(shape, np.float32)
    left_out = f"its {n_rows - n_words} subword buckets are left out: {_WITHOUT_BUCKETS}" if n_rows > n_words else ""
    return Loaded(matrix, Words.of(words), left_out)


def _unpack(form: struct.Struct, file: BinaryIO) -> tuple[Any, ...]:
    raw = file.read(form.size)
    if len(raw) < form.size:
        raise FormatError("the file ends within its header: truncated")
    return form.unpack(raw)


def _read_entries(file: BinaryIO, n_entries: int, n_words: int) -> list[bytes]:
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
    return words[:n_words]
