"""Rows of a file, as many at a time as asked for: of text files, and of word2vec's binary ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from slimvec import _core
from slimvec.errors import FormatError
from slimvec.vectors.lines import (
    BYTE_ORDER_MARK,
    LINES_TO_GUESS_WIDTH,
    check_header,
    guess_width,
    parse_line,
    read_header,
    stripped,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slimvec.vectors.window import Window

MAX_WORD_BYTES = 10_000  # a longer "word" means that a binary file is not what it claims
MAX_HEADER_BYTES = 100  # of a binary file, which may hold no newline for long


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
        self._done = 0
        self._line = 1  # number of the next one
        self._blank = 0  # number of the first blank one
        if window.peek(len(BYTE_ORDER_MARK)) == BYTE_ORDER_MARK:
            window.skip(len(BYTE_ORDER_MARK))
        self._promised: int | None = None
        if has_header:
            self._promised, self.dim = read_header(stripped(window.line()))
            self._line = 2
        head = [line for line in map(stripped, window.peek_lines(LINES_TO_GUESS_WIDTH)) if line]
        if self._promised is None:
            self.dim = guess_width(head)
        else:
            check_header(self.dim, head)
        counts = [count for count in (limit, self._promised) if count is not None]
        self.n_rows = min(counts, default=None)

    def read(self, rows: NDArray[np.float32]) -> Read:
        """Read the next rows into ``rows (m, dim)``: some of them, and none only at the end."""
        wanted = len(rows) if self.n_rows is None else min(len(rows), self.n_rows - self._done)
        while wanted and (size := self._window.whole_lines()):
            n, consumed, text, offsets = _core.parse_lines(
                self._window.view(size), self.dim, rows[:wanted] if self._blank == 0 else rows[:0], self._n_threads
            )
            self._window.skip(consumed)
            self._line += n
            self._done += n
            if n:
                return Read(n, text, offsets)
            explained = self._explain(rows)
            if explained is not None:
                return explained
        self._check_end()
        return Read(0, np.empty(0, np.uint8), np.zeros(1, np.int64))

    def _explain(self, rows: NDArray[np.float32]) -> Read | None:
        """Take the one line that the compiled reader refused: blank, wrong, or with a number such as 1e-400."""
        line = stripped(self._window.line())
        number = self._line
        self._line += 1
        if not line:
            self._blank = self._blank or number
            return None
        if self._blank:
            raise FormatError(f"line {self._blank}: blank, with more lines after it")
        word, row = parse_line(line, self.dim, number)
        rows[0] = row
        self._done += 1
        text = np.frombuffer(word.encode(), np.uint8)
        return Read(1, text, np.array([0, len(text)]))

    def _check_end(self) -> None:
        """Raise FormatError if the header promised more rows than there are, or fewer."""
        promised = self._promised
        if promised is None or self.n_rows is None:
            return
        if self._done < self.n_rows:
            raise FormatError(f"the header promised {promised} words, but the file ends after {self._done}: truncated")
        while self._done == promised and (line := self._window.line()):
            if stripped(line):
                if self._blank:
                    raise FormatError(f"line {self._blank}: blank, with more lines after it")
                raise FormatError(f"line {self._line}: the header promised {promised} words, but there are more")
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
    n_rows : int
        How many there will be.

    Raises
    ------
    FormatError
        Here and from :meth:`read`: naming the word's number.
    """

    def __init__(self, window: Window, limit: int | None) -> None:
        self._window = window
        header = window.peek(MAX_HEADER_BYTES).partition(b"\n")[0]
        self._promised, self.dim = read_header(header)
        window.skip(len(header) + 1)
        self.n_rows = self._promised if limit is None else min(limit, self._promised)
        self._done = 0

    def read(self, rows: NDArray[np.float32]) -> Read:
        """Read the next rows into ``rows (m, dim)``: some of them, and none only at the end."""
        wanted = min(len(rows), self.n_rows - self._done)
        while wanted:
            n, consumed, text, offsets = _core.parse_records(self._window.view(), self.dim, rows[:wanted])
            self._window.skip(consumed)
            self._done += n
            if n:
                return Read(n, text, offsets)
            self._explain()
        if self.n_rows == self._promised and self._window.peek(64).strip():
            raise FormatError(f"the header promised {self._promised} words, but there are more bytes after them")
        return Read(0, np.empty(0, np.uint8), np.zeros(1, np.int64))

    def _explain(self) -> None:
        """Read on, or say what is wrong with the record that the compiled reader refused."""
        place = f"word {self._done + 1} of {self._promised}"
        raw = self._window.peek(len(self._window))
        word, space, numbers = raw.lstrip(b"\n").partition(b" ")
        if len(word) > MAX_WORD_BYTES:
            raise FormatError(f"{place}: no space within {MAX_WORD_BYTES} bytes: not word2vec binary")
        try:
            word.decode()
        except UnicodeDecodeError as error:
            if space:
                raise FormatError(f"{place}: not UTF-8 ({error})") from None
        row = numbers[: 4 * self.dim]
        if len(row) == 4 * self.dim and not np.isfinite(np.frombuffer(row, "<f4")).all():
            raise FormatError(f"word {self._done + 1} ({word.decode()!r}): NaN or infinity among its numbers")
        if not self._window.more():
            where = " within its numbers" if space else ""
            raise FormatError(f"{place}: the file ends{where}: truncated")
