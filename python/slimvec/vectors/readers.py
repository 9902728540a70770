"""Rows of a file, as many at a time as asked for: of text files, and of word2vec's binary ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

import numpy as np

from slimvec import _core
from slimvec.errors import FormatError
from slimvec.vectors.faults import Faults
from slimvec.vectors.lines import (
    BYTE_ORDER_MARK,
    LINES_TO_GUESS_WIDTH,
    as_title,
    check_header,
    check_separators,
    check_words,
    guess_width,
    joined_message,
    parse_line,
    read_header,
    stripped,
)
from slimvec.vectors.odd_words import joined, recoded, without
from slimvec.vectors.repeated import keep_new
from slimvec.vectors.window import MAX_BLANK_BYTES, EndlessLineError
from slimvec.vectors.word_list import Words

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slimvec.vectors.window import Window

MAX_WORD_BYTES = 10_000  # a longer "word" means that a binary file is not what it claims
MAX_HEADER_BYTES = 100  # of a binary file, which may hold no newline for long
PEEKED_BYTES = 1 << 16
MAX_LINE_BYTES = 1 << 20  # of a line of text beside its numbers
NUMBER_BYTES = 128  # of a number there; nobody writes 30 digits


class Read(NamedTuple):
    """Words of rows that were read: ``text[offsets[i]:offsets[i + 1]]``.

    Attributes
    ----------
    n_rows : int
        0 at the end of the file.
    text : ndarray of uint8
    offsets : ndarray of int64
        ``n_rows + 1`` of them.
    """

    n_rows: int
    text: NDArray[np.uint8]
    offsets: NDArray[np.int64]


class Reader(Protocol):
    """What reads rows in order."""

    @property
    def dim(self) -> int:
        """Width of the rows."""

    @property
    def n_rows(self) -> int | None:
        """How many there will be, where that is known: at most that many."""

    def read(self, rows: NDArray[np.float32], /) -> Read:
        """Read the next rows into ``rows (m, dim)``: some of them, and none only at the end."""


@runtime_checkable
class Tolerant(Protocol):
    """A reader that can leave out rows, and read words in other encodings."""

    def tolerate(self, faults: Faults, /) -> None:
        """Take what cannot be read as ``faults`` says."""


def _nothing() -> Read:
    return Read(0, np.empty(0, np.uint8), np.zeros(1, np.int64))


def _one(word: bytes) -> Read:
    return Read(1, *Words.of([word]))


def _left(read: Read, rows: NDArray[np.float32], bad: dict[int, str]) -> Read:
    """Return what was read without the rows that cannot be, moving the others to the front."""
    kept = np.ones(read.n_rows, bool)
    kept[list(bad)] = False
    return Read(keep_new(rows[: read.n_rows], kept), *without(Words(read.text, read.offsets), kept))


class TextReader:
    """A word and its numbers on each line, with a header line (word2vec, fastText) or without (GloVe).

    Parameters
    ----------
    window : Window
        At the beginning of the file.
    has_header : bool
    limit : int, optional
        Rows to read at most.
    n_threads : int

    Attributes
    ----------
    dim : int
    n_rows : int or None
        How many there will be, where a header or the limit says so.

    Raises
    ------
    FormatError
        Here and from :meth:`read`: naming the line.
    """

    def __init__(self, window: Window, has_header: bool, limit: int | None, n_threads: int) -> None:
        self._window = window
        self._n_threads = n_threads
        self._faults = Faults()
        self._limit = limit
        self._done = 0
        self._line = 1  # number of the next one
        self._blank = 0  # number of the first blank one
        self._n_blank = 0  # places with blank lines, left out
        if window.peek(len(BYTE_ORDER_MARK)) == BYTE_ORDER_MARK:
            window.skip(len(BYTE_ORDER_MARK))
        window.settle_line_ends()
        self._promised: int | None = None
        if has_header:
            self._promised, self.dim = read_header(stripped(window.line()))
            self._line = 2
        head = [line for line in map(stripped, window.peek_lines(LINES_TO_GUESS_WIDTH)) if line]
        if self._promised is None:
            check_separators(head)
            self.dim = guess_width(head)
            check_words(head)
        else:
            check_header(self.dim, head)
        window.max_line = MAX_LINE_BYTES + NUMBER_BYTES * self.dim
        counts = [count for count in (limit, self._promised) if count is not None]
        self.n_rows = min(counts, default=None)

    def tolerate(self, faults: Faults) -> None:
        """Take what cannot be read as ``faults`` says; rows are then as many as there are, not as were promised."""
        self._faults = faults
        if faults.skips:
            self.n_rows = self._limit

    def read(self, rows: NDArray[np.float32]) -> Read:
        """Read the next rows into ``rows (m, dim)``: some of them, and none only at the end."""
        wanted = len(rows) if self.n_rows is None else min(len(rows), self.n_rows - self._done)
        while wanted and (size := self._whole_lines()):
            n, consumed, text, offsets = _core.parse_lines(
                self._window.view(size), self.dim, rows[:wanted] if self._blank == 0 else rows[:0], self._n_threads
            )
            self._window.skip(consumed)
            self._line += n
            read = self._look_over(Read(n, text, offsets), rows) if n else self._explain(rows)
            if read.n_rows:
                self._done += read.n_rows
                return read
        self._check_end()
        return _nothing()

    def _whole_lines(self) -> int:
        """Return how many of the next bytes are whole lines, leaving out those that do not end."""
        while True:
            try:
                return self._window.whole_lines()
            except EndlessLineError as error:
                self._faults.refuse(self._line, f"line {self._line}: {error}")
                self._window.skip_line()
                self._line += 1

    def _look_over(self, read: Read, rows: NDArray[np.float32]) -> Read:
        """Return what the compiled reader read, without lines that are two in one, its words in UTF-8."""
        words, bad = Words(read.text, read.offsets), {}
        first = self._line - read.n_rows
        two_in_one = joined(words, self.dim)
        if self._faults.recodes:
            words, wrong = recoded(words, self._faults.encoding)
            bad = {i: f"line {first + i}: {message}" for i, message in wrong.items()}
        bad.update({i: joined_message(first + i, self.dim) for i in two_in_one})
        for i in sorted(bad):
            self._faults.refuse(first + i, bad[i])
        read = Read(read.n_rows, *words)
        return _left(read, rows, bad) if bad else read

    def _explain(self, rows: NDArray[np.float32]) -> Read:
        """Take the one line that the compiled reader refused: blank, wrong, or with a number such as 1e-400."""
        line = stripped(self._window.line())
        number = self._line
        self._line += 1
        if not line:
            self._blank = self._blank or number
            self._line += self._window.skip_blank_lines()
            return _nothing()
        if self._blank:
            self._faults.refuse(self._blank, f"line {self._blank}: blank, with more lines after it")
            self._blank = 0
            self._n_blank += 1
        try:
            word, row = parse_line(line, self.dim, number, self._faults.encoding)
        except FormatError as error:
            self._faults.refuse(number, str(error))
            return _nothing()
        rows[0] = row
        return _one(word.encode())

    def _check_end(self) -> None:
        """Raise FormatError if the header promised more rows than there are, or fewer."""
        promised = self._promised
        if self._faults.skips:
            n_lines = self._done + self._faults.n_rows - self._n_blank
            if promised not in {None, n_lines} and (self.n_rows is None or self._done < self.n_rows):
                self._faults.miscounted(f"the header promised {promised} words, but there are {n_lines}")
            self._faults.check_any(self._done)
            return
        if promised is None or self.n_rows is None:
            return
        if self._done < self.n_rows:
            message = f"the header promised {promised} words, but the file ends after {self._done}: truncated"
            self._faults.miscounted(message, f", and so does limit={self._done}" if self._done else "")
        self._line += self._window.skip_blank_lines()
        if self._done == promised and self._window.peek(1):
            self._faults.miscounted(f"line {self._line}: the header promised {promised} words, but there are more")
            self._blank = self._blank or self._line
            self._line += 1


class RecordReader:
    """word2vec's binary files: a header line, then each word, a space, and its raw little-endian float32 numbers.

    Parameters
    ----------
    window : Window
        At the beginning of the file.
    limit : int, optional
        Rows to read at most.

    Attributes
    ----------
    dim : int
    n_rows : int or None
        How many there will be, at most.

    Raises
    ------
    FormatError
        Here and from :meth:`read`: naming the word's number.
    """

    def __init__(self, window: Window, limit: int | None) -> None:
        self._window = window
        header = window.peek(MAX_HEADER_BYTES).partition(b"\n")[0]
        self._promised, self.dim = read_header(header)
        window.skip(min(len(header) + 1, len(window)))  # a file may end without a newline
        self._limit = limit
        self.n_rows: int | None = self._promised if limit is None else min(limit, self._promised)
        self._faults = Faults()
        self._done = 0
        self._n_newlines = 0  # between records
        self._ended = False  # before the end of the file: what follows is no record

    def tolerate(self, faults: Faults) -> None:
        """Take what cannot be read as ``faults`` says; rows are then as many as there are, not as were promised."""
        self._faults = faults
        if faults.skips:
            self.n_rows = self._limit

    def read(self, rows: NDArray[np.float32]) -> Read:
        """Read the next rows into ``rows (m, dim)``: some of them, and none only at the end."""
        wanted = len(rows) if self.n_rows is None else min(len(rows), self.n_rows - self._done)
        while wanted and not self._is_over():
            n, consumed, text, offsets = _core.parse_records(self._window.view(), self.dim, rows[:wanted])
            self._window.skip(consumed)
            read = self._look_over(Read(n, text, offsets), rows) if n else self._explain(rows)
            if read.n_rows:
                self._done += read.n_rows
                return read
        self._check_end()
        return _nothing()

    def _skip_newlines(self, count: int) -> None:
        self._window.skip(count)
        self._n_newlines += count
        if self._n_newlines > MAX_BLANK_BYTES:
            raise FormatError(f"word {self._seen() + 1} of {self._promised}: more than {MAX_BLANK_BYTES} newlines")

    def _seen(self) -> int:
        return self._done + self._faults.n_rows

    def _is_over(self) -> bool:
        """Tell whether there are no more records; where a header's promise holds, it tells."""
        if self._ended or not self._faults.skips:
            return self._ended
        while self._window.peek(64) == b"\n" * 64:
            start = self._window.peek(PEEKED_BYTES)
            self._skip_newlines(len(start) - len(start.lstrip(b"\n")))
        return not self._window.peek(64).strip()

    def _look_over(self, read: Read, rows: NDArray[np.float32]) -> Read:
        """Return what the compiled reader read, its words in UTF-8."""
        if not self._faults.recodes:
            return read
        words, wrong = recoded(Words(read.text, read.offsets), self._faults.encoding)
        first = self._seen() + 1
        for i, message in wrong.items():
            self._faults.refuse(first + i, f"word {first + i} of {self._promised}: {message}")
        read = Read(read.n_rows, *words)
        return _left(read, rows, wrong) if wrong else read

    def _explain(self, rows: NDArray[np.float32]) -> Read:
        """Read on, or take the one record that the compiled reader refused, or say what is wrong with it."""
        number = self._seen() + 1
        raw = self._window.peek(min(len(self._window), 2 * MAX_WORD_BYTES + 4 * self.dim))
        record = raw.lstrip(b"\n")
        if len(record) < len(raw):
            self._skip_newlines(len(raw) - len(record))
            return _nothing()
        word, space, numbers = record.partition(b" ")
        row = np.frombuffer(numbers[: 4 * self.dim], np.uint8)
        whole = len(row) == 4 * self.dim
        if len(word) > MAX_WORD_BYTES:
            return self._no_record(number)
        spelt, wrong = self._decoded(word, number) if space else ("", "")
        if whole and not wrong and not np.isfinite(row.view("<f4")).all():
            wrong = f"word {number} ({spelt!r}): NaN or infinity among its numbers"
        if wrong and (whole or not self._faults.skips):
            self._faults.refuse(number, wrong)
        if whole:
            self._window.skip(len(word) + 1 + len(row))
            if wrong:
                return _nothing()
            rows[0] = row.view("<f4")
            return _one(spelt.encode())
        if not self._window.more():
            where = " within its numbers" if space else ""
            limit = f", and so does limit={self._done}" if self._done else ""
            self._faults.miscounted(f"word {number} of {self._promised}: the file ends{where}: truncated", limit)
            self._ended = True
        return _nothing()

    def _decoded(self, word: bytes, number: int) -> tuple[str, str]:
        """Return a word, and what is wrong with it."""
        try:
            return word.decode(self._faults.encoding), ""
        except UnicodeError as error:
            return "", f"word {number} of {self._promised}: not {as_title(self._faults.encoding)} ({error})"

    def _no_record(self, number: int) -> Read:
        """Stop at what is no record: raise FormatError, unless all that was promised came before."""
        if not self._faults.skips or number <= self._promised:
            place = f"word {number} of {self._promised}"
            raise FormatError(f"{place}: no space within {MAX_WORD_BYTES} bytes: not word2vec binary")
        self._ended = True
        return _nothing()

    def _check_end(self) -> None:
        """Raise FormatError if the header promised more rows than there are, or fewer."""
        promise = f"the header promised {self._promised} words, but there are"
        if not self._faults.skips:
            if self.n_rows == self._promised and self._window.peek(64).strip():
                self._faults.miscounted(f"{promise} more bytes after them")
            return
        limited = self.n_rows is not None and self._done >= self.n_rows
        if not limited and (self._ended or self._seen() != self._promised):
            self._faults.miscounted(f"{promise} {self._seen()}{', and a part of one' if self._ended else ''}")
        self._faults.check_any(self._done)
