"""The formats of files with vectors, a row for each: how it is recognised, opened and written.

Whoever wants to know what a file is asks :func:`recognise`; a new format is a new row in :data:`FORMATS`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slimvec.errors import FormatError
from slimvec.files.safetensors import LENGTH_BYTES, MAX_HEADER_BYTES, MAX_TABLE_HEADER_BYTES, is_table, parse_header
from slimvec.validation import as_threads
from slimvec.vectors import lines
from slimvec.vectors.fasttext import is_fasttext, load_fasttext
from slimvec.vectors.foreign import START_BYTES, refuse_foreign
from slimvec.vectors.gensim_pickles import refuse_gensim
from slimvec.vectors.hdf5 import HDF5_MAGIC, load_hdf5
from slimvec.vectors.mapped import NPY_MAGIC, Loaded, load_npy, load_safetensors
from slimvec.vectors.npz import is_npz, load_npz
from slimvec.vectors.opening import Opened, open_window
from slimvec.vectors.readers import Reader, RecordReader, TextReader, Tolerant
from slimvec.vectors.writers import write_binary, write_npy, write_text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from slimvec.vectors.faults import Faults
    from slimvec.vectors.window import Window

SAMPLE_BYTES = 1 << 16  # of text, looked at to recognise it
TABLE_START = b'{"__metadata__":{"format":"slimvec"'  # as slimvec writes it; other programs may write it again

Load = Callable[..., Loaded]
OpenReader = Callable[["Window", "int | None", int], Reader]
Write = Callable[[Path, "Iterable[str] | None", "Iterator[NDArray[np.float32]]", "tuple[int, int]"], None]


def _unread(*_: Any) -> Any:
    raise TypeError("this format is loaded, not read in order")


def _unwritten(*_: Any) -> None:
    raise TypeError("this format is read, not written")


@dataclass(frozen=True)
class Format:
    """A file format. It is opened by one function: ``load`` if rows lie in it as in memory, otherwise ``reader``.

    Attributes
    ----------
    name : str
        As ``format=`` takes it.
    title : str
        As messages say it.
    recognises : callable
        ``recognises(window)`` tells by the first bytes, at which it may only peek, whether a file is of this format.
    load : callable, optional
        ``load(path)`` returns the matrix, mapped, and its words if they are in the file; where files hold several
        arrays with names, ``load(path, tensor)``.
    named : bool
        Whether they do.
    reader : callable, optional
        ``reader(window, limit, n_threads)`` returns what reads rows from an open file.
    write : callable, optional
        ``write(path, words, blocks, shape)`` writes words, if there are any, and float32 rows that come in blocks.
    suffix : str, optional
        Names that end in it are written in this format.
    packs : bool
        Whether ``write`` compresses what has the name of a compressed file.
    """

    name: str
    title: str
    recognises: Callable[[Window], bool]
    load: Load | None = None
    named: bool = False
    reader: OpenReader = _unread
    write: Write = _unwritten
    suffix: str | None = None
    packs: bool = False

    def loading(self, tensor: str | None) -> Callable[[Path], Loaded]:
        """Return what loads a file, with the array called ``tensor`` if one is asked for.

        Raises
        ------
        ValueError
            If one is, and files of this format do not hold several.
        """
        if self.load is None or not self.named:
            check_unnamed(tensor, self.title)
        return partial(self.load, tensor=tensor) if self.named and self.load else self.load or _unread

    def start(self, window: Window, limit: int | None, threads: int | None, faults: Faults) -> Reader:
        """Return the reader of a file that has just been opened."""
        if not window.peek(SAMPLE_BYTES).strip():
            raise FormatError("the file is empty")
        reader = self.reader(window, limit, as_threads(threads))
        if isinstance(reader, Tolerant):
            reader.tolerate(faults)
        elif faults.recodes:
            raise ValueError(f"encoding={faults.encoding!r} does not fit {self.title}, whose words are in UTF-8")
        return reader


def recognise(path: str | os.PathLike[str]) -> Format | None:
    """Return the format of an ordinary file, by its first bytes; None if it looks like no format here.

    Raises
    ------
    FormatError
        If it is compressed, and damaged.
    OSError
        If it does not exist or may not be read.
    """
    with open_window(Path(os.fsdecode(path))) as opened:
        return _recognised(opened.window)


def format_named(name: str, written: bool = False) -> Format:
    """Return a format by its name; ValueError, listing them, if no files of that name are read (or ``written``)."""
    listed = [row for row in reversed(FORMATS) if row is not TABLE and not (written and row.write is _unwritten)]
    for row in listed:
        if row.name == name:
            return row
    names, otherwise = ", ".join(row.name for row in listed), "go by the name" if written else "recognise it"
    raise ValueError(f"format={name!r}; expected one of {names}, or None to {otherwise}")


def written_format(suffix: str) -> Format:
    """Return the format that a file whose name ends in ``suffix`` is written in."""
    return next((row for row in FORMATS if row.suffix == suffix), WORD2VEC)


def choose_format(
    opened: Opened, path: Path, format: str | None, apart: bool = False, encoding: str = "utf-8"
) -> Format:
    """Return the format to open a file in: the one asked for, or what its first bytes say.

    What they do not say is found out by trying: as an ``.npy`` file if its words are ``apart``, and otherwise as text.
    """
    content = _recognised(opened.window)
    if content is None:
        start = opened.window.peek(START_BYTES)
        refuse_gensim(start)
        refuse_foreign(start)
    found = content if format is None else format_named(format)
    if apart and (found is None or found.load is None):
        if format is not None:
            raise ValueError(f"format={format!r} does not fit {path}: a pair holds rows and words apart")
        found = NPY
    found = found or GLOVE
    if found.load is not None and not opened.plain and not found.recognises(opened.window):
        raise FormatError(f"it does not begin like {found.title}")  # and is not unpacked to find out
    if found.load is not None and encoding != "utf-8":
        raise ValueError(f"encoding={encoding!r} does not fit {path}: the words of {found.title} are in UTF-8")
    return found


def check_unnamed(tensor: str | None, title: str) -> None:
    """Raise ValueError if an array is asked for by name where there is none."""
    if tensor is not None:
        raise ValueError(f"tensor={tensor!r} does not fit {title}, whose arrays have no names; leave it out")


def _recognised(window: Window) -> Format | None:
    return next((row for row in FORMATS if row.recognises(window)), None)


def _is_table(window: Window) -> bool:
    """Tell whether a file says of itself that it is a table; one that is damaged behind that is still one."""
    size = _header_size(window)
    start = window.peek(LENGTH_BYTES + min(size, MAX_TABLE_HEADER_BYTES))[LENGTH_BYTES:]
    if start.startswith(TABLE_START):
        return True
    try:
        metadata = parse_header(start).get("__metadata__")
    except FormatError:
        return False
    return isinstance(metadata, dict) and is_table(metadata)


def _is_safetensors(window: Window) -> bool:
    return _header_size(window) > 0


def _header_size(window: Window) -> int:
    """Return the size of the JSON object that a file begins with, as safetensors files do; 0 if it does not."""
    start = window.peek(LENGTH_BYTES + 1)
    size = int.from_bytes(start[:LENGTH_BYTES], "little")
    return size if start[LENGTH_BYTES:] == b"{" and size <= MAX_HEADER_BYTES else 0


def _is_word2vec(window: Window) -> bool:
    header, rest = _first_line(window)
    found = lines.parse_header(header)
    return found is not None and lines.looks_like_text(rest, found[1])


def _is_word2vec_binary(window: Window) -> bool:
    header, rest = _first_line(window)
    found = lines.parse_header(header)
    return found is not None and not lines.looks_like_text(rest, found[1])


def _is_glove(window: Window) -> bool:
    line, _ = _first_line(window)
    return b"\0" not in line and lines.parse_header(line) is None and lines.ends_in_number(line)


def _first_line(window: Window) -> tuple[bytes, bytes]:
    """Return the first line of a sample, and the rest."""
    sample = window.peek(SAMPLE_BYTES)
    first, _, rest = sample.partition(lines.line_end(sample))
    return first, rest


def _with_header(window: Window, limit: int | None, n_threads: int) -> Reader:
    return TextReader(window, True, limit, n_threads)


def _without_header(window: Window, limit: int | None, n_threads: int) -> Reader:
    return TextReader(window, False, limit, n_threads)


def _records(window: Window, limit: int | None, _: int) -> Reader:
    return RecordReader(window, limit)


def _begins_with(magic: bytes) -> Callable[[Window], bool]:
    return lambda window: window.peek(len(magic)) == magic


# What opens a table as vectors refuses it, and says what to do.
TABLE = Format("slimvec", "a slimvec table", _is_table, load_safetensors, named=True)
SAFETENSORS = Format("safetensors", "a safetensors file", _is_safetensors, load_safetensors, named=True)
NPZ = Format("npz", "an .npz archive", is_npz, load_npz, named=True)
HDF5 = Format("hdf5", "an HDF5 file", _begins_with(HDF5_MAGIC), load_hdf5, named=True)
NPY = Format("npy", "an .npy array", _begins_with(NPY_MAGIC), load_npy, write=write_npy, suffix=".npy")
FASTTEXT_BINARY = Format("fasttext-binary", "a fastText model", is_fasttext, load_fasttext)
WORD2VEC_BINARY = Format(
    "word2vec-binary",
    "a word2vec binary file",
    _is_word2vec_binary,
    reader=_records,
    write=write_binary,
    suffix=".bin",
    packs=True,
)
WORD2VEC = Format(
    "word2vec",
    "word2vec text",
    _is_word2vec,
    reader=_with_header,
    write=write_text,
    suffix=".txt",
    packs=True,
)
FASTTEXT = Format("fasttext", "fastText text", lambda _: False, reader=_with_header)  # another name of word2vec text
GLOVE = Format("glove", "GloVe text", _is_glove, reader=_without_header)

# In order of recognition: tables before other safetensors, what is certain before text. Messages list them backwards.
FORMATS = (TABLE, SAFETENSORS, NPY, NPZ, HDF5, FASTTEXT_BINARY, FASTTEXT, GLOVE, WORD2VEC_BINARY, WORD2VEC)
