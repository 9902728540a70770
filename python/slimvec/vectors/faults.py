"""Rows of a file that cannot be read: refused with the remedy, or left out and told of once."""

from __future__ import annotations

import codecs
import warnings

from slimvec.errors import FormatError
from slimvec.vectors.wide_text import WIDE

ON_ERROR = ("raise", "skip")
SKIP = 'on_error="skip" (--on-error skip)'
SHOWN = 5  # numbers of rows that are told
ASCII = bytes(range(32, 127)).decode() + "\t\n\r"


class Faults:
    """What becomes of rows that cannot be read, and which there were.

    Parameters
    ----------
    on_error : {"raise", "skip"}
    encoding : str
        Of the words.

    Attributes
    ----------
    skips : bool
    encoding : str
        Its own name: ``"utf-8"`` however it is spelt.
    wide : str or None
        The encoding of the whole file, if that has two or four bytes to a letter; it is then read as UTF-8.
    n_rows : int
        Rows left out.

    Raises
    ------
    ValueError
        If an option is unknown, or the encoding does not leave numbers, blanks and line ends as they are.
    """

    def __init__(self, on_error: str = "raise", encoding: str = "utf-8") -> None:
        if on_error not in ON_ERROR:
            raise ValueError(f"on_error={on_error!r}; expected one of {', '.join(ON_ERROR)}")
        self._on_error = on_error
        self.skips = on_error == "skip"
        self.wide = codecs.lookup(encoding).name if _is_wide(encoding) else None
        self.encoding = "utf-8" if self.wide else _encoding(encoding)
        self.n_rows = 0
        self._numbers: list[int] = []
        self._first = self._count = ""

    @property
    def recodes(self) -> bool:
        """Whether words are in another encoding than UTF-8."""
        return self.encoding != "utf-8"

    def fresh(self) -> Faults:
        """Return the same options for another pass, in which nothing was met yet."""
        return Faults(self._on_error, self.wide or self.encoding)

    def refuse(self, number: int, message: str) -> None:
        """Raise FormatError for a row, or count it; the message begins with "line" or "word" and its number."""
        if not self.skips:
            remedy = "" if "not UTF-8" not in message else 'encoding="latin-1", say, reads words in that, and '
            raise FormatError(f"{message}; {remedy}{SKIP} leaves such rows out")
        self.n_rows += 1
        self._first = self._first or message
        if len(self._numbers) < SHOWN:
            self._numbers.append(number)

    def miscounted(self, message: str, remedy: str = "") -> None:
        """Raise FormatError because there are more or fewer rows than promised, or keep it to be told."""
        if not self.skips:
            raise FormatError(f"{message}; {SKIP} takes what is there{remedy}")
        self._count = message

    def check_any(self, n_read: int) -> None:
        """Raise FormatError if no row at all could be read."""
        if n_read == 0 and (self._first or self._count):
            raise FormatError(f"no row of it can be read: {self._first or self._count}")

    def warn(self, name: str) -> None:
        """Warn, once, of what was left out of a file."""
        told = []
        if self.n_rows:
            numbers = ", ".join(map(str, self._numbers)) + (", ..." if self.n_rows > SHOWN else "")
            unit = self._first.partition(" ")[0]
            told.append(f"{self.n_rows} rows cannot be read and are left out ({unit} {numbers}): {self._first}")
        if self._count:
            told.append(f"{self._count}; what is there is taken")
        if told:
            warnings.warn(f"{name}: {'; '.join(told)}", stacklevel=4)


def _is_wide(encoding: str) -> bool:
    try:
        return codecs.lookup(encoding).name in WIDE
    except (LookupError, ValueError):
        return False


def _encoding(encoding: str) -> str:
    try:
        name = codecs.lookup(encoding).name
        keeps_ascii = name == "utf-8-sig" or ASCII.encode(name) == ASCII.encode()
    except (LookupError, ValueError):  # a UnicodeError is one
        raise ValueError(f"encoding={encoding!r} is unknown; expected one such as 'utf-8' or 'latin-1'") from None
    if not keeps_ascii:
        raise ValueError(f"encoding={encoding!r}; expected one in which ASCII is as it is, such as 'latin-1'")
    return "utf-8" if name == "utf-8-sig" else name  # the mark at the beginning is skipped in any case
