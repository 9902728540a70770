"""Files that hold no vectors as they are read here: told by their first bytes, with what to do about them.

A row each; they are asked only when no row of :data:`slimvec.vectors.formats.FORMATS` knows a file.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from slimvec.errors import FormatError
from slimvec.vectors.wide_text import unmarked_encoding

if TYPE_CHECKING:
    from collections.abc import Callable

START_BYTES = 4096

_TAKE = "and pass sv.Vectors(words, matrix)"
_UNPACK = "unpack it, and read a file of it"


class Foreign(NamedTuple):
    """A kind of file: what it is, how its first bytes tell, and what to do."""

    title: str
    recognises: Callable[[bytes], object]
    remedy: str


def _begins(*magics: bytes) -> Callable[[bytes], object]:
    return lambda start: start.startswith(magics)


def _matches(pattern: bytes) -> Callable[[bytes], object]:
    return re.compile(rb"(\xef\xbb\xbf)?\s*" + pattern, re.IGNORECASE).match


def _holds(magic: bytes, at: int) -> Callable[[bytes], object]:
    return lambda start: start[at : at + len(magic)] == magic


FOREIGN = (
    Foreign(
        "a pointer of Git LFS, which stands for the file",
        _begins(b"version https://git-lfs.github.com/"),
        "run git lfs pull where it was cloned",
    ),
    Foreign(
        "a page of HTML or XML, which a server sent instead of the file",
        _matches(rb"<(!doctype|html|head|body|\?xml|!--)"),
        "look at it in a browser, and download again",
    ),
    Foreign("a 7z archive", _begins(b"7z\xbc\xaf\x27\x1c"), _UNPACK),
    Foreign("a RAR archive", _begins(b"Rar!\x1a\x07"), _UNPACK),
    Foreign("a tar archive", _holds(b"ustar", 257), f"{_UNPACK}: tar -xf"),
    Foreign("compressed by lz4", _begins(b"\x04\x22\x4d\x18"), "unpack it first: lz4 -d"),
    Foreign("compressed by lzip", _begins(b"LZIP"), "unpack it first: lzip -d"),
    Foreign("compressed by lzma", _begins(b"]\0\0"), "unpack it first: xz -d"),
    Foreign("compressed by compress", _begins(b"\x1f\x9d"), "unpack it first: gzip -d"),
    Foreign(
        "a pickle",
        _matches(rb"(\x80[\x02-\x05]|\(dp|\(lp|ccopy_reg\n|cnumpy)"),
        f"it is not opened, as it could run code; load it where it was made, {_TAKE}, or save it as safetensors",
    ),
    Foreign(
        "a MATLAB file",
        _begins(b"MATLAB 5.0 MAT-file", b"MATLAB 7.3 MAT-file"),
        f"load it by scipy.io.loadmat (version 7.3: by h5py), {_TAKE}",
    ),
    Foreign(
        "an SQLite database, as .magnitude files are",
        _begins(b"SQLite format 3\0"),
        f"select its rows by sqlite3, {_TAKE}",
    ),
    Foreign("a DuckDB database", _holds(b"DUCK", 8), f"select its rows by duckdb, {_TAKE}"),
    Foreign("a Parquet file", _begins(b"PAR1"), f"load it by pandas.read_parquet, {_TAKE}"),
    Foreign(
        "an Arrow file, as .feather files are", _begins(b"ARROW1", b"FEA1"), f"load it by pyarrow.feather, {_TAKE}"
    ),
    Foreign("an Arrow stream", _begins(b"\xff\xff\xff\xff"), f"load it by pyarrow.ipc, {_TAKE}"),
    Foreign("a GGUF model", _begins(b"GGUF"), "save its token embeddings as safetensors, with a list of the tokens"),
    Foreign("a PDF document", _begins(b"%PDF-"), "expected vectors"),
    Foreign("JSON", _matches(rb"(\{\s*(\"|\}|$)|\[\s*([\[{\"]|-?[0-9.]+\s*,))"), f"load it by json.load, {_TAKE}"),
)


def refuse_foreign(start: bytes) -> None:
    """Raise FormatError for a file of another kind, which begins with these bytes."""
    for row in FOREIGN:
        if row.recognises(start):
            raise FormatError(f"it is {row.title}; {row.remedy}")
    encoding = unmarked_encoding(start)
    if encoding is not None:
        raise FormatError(
            f"it is {encoding.upper()} text without a mark at its beginning; encoding={encoding!r} reads it"
        )
