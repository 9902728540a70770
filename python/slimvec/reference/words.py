"""The twins of what reads files and finds words; part of :mod:`slimvec.reference`."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

NO_ROW = 0xFFFFFFFF  # of a free slot of a hash table of words


def parse_lines(
    text: NDArray[np.uint8], dim: int, rows: NDArray[np.float32]
) -> tuple[int, int, NDArray[np.uint8], NDArray[np.int64]]:
    """Read lines of a word and ``dim`` numbers into ``rows``: rows read, bytes read, words and their offsets.

    Stops when ``rows`` is full, and before the first line that is not as it should be. Fields are counted from the
    right. A number is what ``float`` takes, but for underscores, and finite once it is rounded to float32; the compiled
    function leaves those beyond the range of doubles (1e-400) to its caller, too.
    """
    words: list[bytes] = []
    consumed = 0
    for line in _lines(text.tobytes()):
        fields = line.rstrip(b" \t\r\n").rsplit(None, dim)
        row = _float32_row(fields[1:])
        if len(words) == len(rows) or len(fields) != dim + 1 or row is None or not _is_utf8(fields[0]):
            break
        rows[len(words)] = row
        words.append(fields[0])
        consumed += len(line)
    return len(words), consumed, *_joined(words)


def parse_records(
    text: NDArray[np.uint8], dim: int, rows: NDArray[np.float32]
) -> tuple[int, int, NDArray[np.uint8], NDArray[np.int64]]:
    """Read records of word2vec's binary format into ``rows``; returns and stops as :func:`parse_lines`."""
    words: list[bytes] = []
    rest = text.tobytes()
    while len(words) < len(rows):
        word, space, numbers = rest.lstrip(b"\n").partition(b" ")
        if not space or len(numbers) < 4 * dim or not _is_utf8(word):
            break
        row = np.frombuffer(numbers[: 4 * dim], "<f4")
        if not np.isfinite(row).all():
            break
        rows[len(words)] = row
        words.append(word)
        rest = numbers[4 * dim :]
    return len(words), len(text) - len(rest), *_joined(words)


def _lines(text: bytes) -> list[bytes]:
    """Return the lines of a text, which end at newlines alone, with their ends."""
    lines = text.split(b"\n")
    return [line + b"\n" for line in lines[:-1]] + [line for line in lines[-1:] if line]


def _float32_row(fields: list[bytes]) -> NDArray[np.float32] | None:
    try:
        row = np.array([float(field) for field in fields])
    except ValueError:
        return None
    fits = np.abs(row) < float(np.finfo(np.float32).max) * (1 + 2.0**-25)  # NaN is not below either
    return row.astype(np.float32) if fits.all() and not any(b"_" in field for field in fields) else None


def _is_utf8(word: bytes) -> bool:
    try:
        word.decode()
    except UnicodeDecodeError:
        return False
    return True


def _joined(words: list[bytes]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return words as one text and offsets."""
    offsets = np.cumsum([0, *map(len, words)], dtype=np.int64)
    return np.frombuffer(b"".join(words), np.uint8), offsets


def hash_word(word: bytes) -> int:
    """Return FNV-1a of 64 bits, mixed by the last steps of MurmurHash3."""
    value = 0xCBF29CE484222325
    for byte in word:
        value = (value ^ byte) * 0x100000001B3 % (1 << 64)
    value = (value ^ value >> 33) * 0xFF51AFD7ED558CCD % (1 << 64)
    value = (value ^ value >> 33) * 0xC4CEB9FE1A85EC53 % (1 << 64)
    return value ^ value >> 33


def _split_words(text: NDArray[np.uint8], offsets: NDArray[np.int64]) -> list[bytes]:
    return [text[begin:end].tobytes() for begin, end in pairwise(offsets)]


def _find_slot(words: list[bytes], slots: NDArray[np.uint32], word: bytes) -> int:
    """Return the slot that holds the word, or the free one where it belongs."""
    slot = hash_word(word) * len(slots) >> 64
    while slots[slot] != NO_ROW and words[slots[slot]] != word:
        slot = (slot + 1) % len(slots)
    return slot


def find_word(text: NDArray[np.uint8], offsets: NDArray[np.int64], slots: NDArray[np.uint32], word: bytes) -> int:
    """Return the row of a word, or -1."""
    row = slots[_find_slot(_split_words(text, offsets), slots, word)]
    return -1 if row == NO_ROW else int(row)


def index_words(text: NDArray[np.uint8], offsets: NDArray[np.int64], slots: NDArray[np.uint32]) -> int:
    """Fill the hash table ``slots`` with the rows of all words; return the first that repeats a word, or -1."""
    slots[:] = NO_ROW
    words = _split_words(text, offsets)
    for row, word in enumerate(words):
        slot = _find_slot(words, slots, word)
        if slots[slot] != NO_ROW:
            return row
        slots[slot] = row
    return -1


def append_words(
    text: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    n_words: int,
    slots: NDArray[np.uint32],
    new_text: NDArray[np.uint8],
    new_offsets: NDArray[np.int64],
) -> NDArray[np.uint8]:
    """Append words that are new to the ``n_words`` of text, offsets and slots, in place; return which ones were."""
    words = _split_words(text, offsets[: n_words + 1])
    added = _split_words(new_text, new_offsets)
    kept = np.zeros(len(added), np.uint8)
    for i, word in enumerate(added):
        slot = _find_slot(words, slots, word)
        kept[i] = slots[slot] == NO_ROW
        if kept[i]:
            begin = offsets[len(words)]
            text[begin : begin + len(word)] = np.frombuffer(word, np.uint8)
            slots[slot] = len(words)
            words.append(word)
            offsets[len(words)] = begin + len(word)
    return kept
