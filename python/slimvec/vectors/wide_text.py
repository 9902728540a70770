"""Text of two or four bytes to a letter (UTF-16, UTF-32), read as the UTF-8 that readers of lines take."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

from slimvec.errors import FormatError

if TYPE_CHECKING:
    from slimvec.vectors.ahead import Readable

WIDE = ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be")

_MARKS = {  # the longer ones first: one of them begins with another
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def marked_encoding(start: bytes) -> str | None:
    """Return the encoding that the mark at the beginning of a file tells; None if there is no such mark."""
    return next((encoding for mark, encoding in _MARKS.items() if start.startswith(mark)), None)


def unmarked_encoding(start: bytes) -> str | None:
    """Return the encoding of text without a mark whose first letters are those of ASCII; None if it is none."""
    for width, name in ((4, "utf-32"), (2, "utf-16")):
        letters = start[: 64 * width]
        letters = letters[: len(letters) // width * width]
        for at, order in ((0, "le"), (width - 1, "be")):
            others = bytes(byte for i, byte in enumerate(letters) if i % width != at)
            if len(letters) >= 4 * width and not any(others) and 0 not in letters[at::width]:
                return f"{name}-{order}"
    return None


class WideText:
    """The UTF-8 of such a text.

    Parameters
    ----------
    file : Readable
        At its beginning: a mark there is left out.
    encoding : str
        One of :data:`WIDE`.
    """

    def __init__(self, file: Readable, encoding: str) -> None:
        self._file = file
        self._title = encoding.upper()
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._at_end = self._begun = False

    def read(self, size: int) -> bytes:
        """Return the next bytes, up to twice as many as are asked for; FormatError if they are not in the encoding."""
        text = ""
        while not text and not self._at_end:
            data = self._file.read(size)
            self._at_end = not data
            try:
                text = self._decoder.decode(data, final=self._at_end)
            except UnicodeError as error:
                raise FormatError(f"damaged {self._title} text ({error}), or another encoding= is needed") from None
            if text and not self._begun:
                self._begun = True
                text = text.removeprefix("\ufeff")
        return text.encode()
