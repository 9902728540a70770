"""Writing rows as word2vec does, in text and in binary, and as ``.npy`` with a word list."""

from __future__ import annotations

import io
from contextlib import ExitStack
from itertools import islice, repeat
from typing import TYPE_CHECKING

import numpy as np

from slimvec.blocks import BLOCK_ROWS
from slimvec.errors import FormatError
from slimvec.files.atomic import replacing
from slimvec.vectors.compression import packing
from slimvec.vectors.lines import LINES_TO_GUESS_WIDTH, check_header, looks_joined
from slimvec.vectors.wrappings import is_wrapped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from slimvec.vectors.compression import Writable

    Words = Iterable[str]
    Blocks = Iterator[NDArray[np.float32]]

_BLANKS = " \t\v\f"  # what separates the fields of a line
_REMEDY = "blanks='_' (slimvec export --blanks _) writes another letter for blanks"
_UNLIKE = f"are not told from the numbers of the rows; {_REMEDY}"


def write_text(target: Path, words: Words | None, blocks: Blocks, shape: tuple[int, int]) -> None:
    """Write a line with the numbers of rows and columns, and a line for each word."""
    _write_word2vec(target, words, blocks, shape, _write_lines)


def write_binary(target: Path, words: Words | None, blocks: Blocks, shape: tuple[int, int]) -> None:
    """Write a line with the numbers of rows and columns, and for each word a record: word, space, numbers, newline."""
    _write_word2vec(target, words, blocks, shape, _write_records)


def _write_word2vec(
    target: Path,
    words: Words | None,
    blocks: Blocks,
    shape: tuple[int, int],
    write: Callable[[Writable, list[str], NDArray[np.float32], bool], None],
) -> None:
    if words is None:
        raise ValueError("there are no words, which word2vec needs; write an .npy file instead")
    spelt = iter(words)
    with replacing(target) as whole, packing(whole, target.suffix) as file:
        file.write(f"{shape[0]} {shape[1]}\n".encode())
        for number, block in enumerate(blocks):
            write(file, list(islice(spelt, len(block))), block, number == 0)


def _write_lines(file: Writable, words: list[str], block: NDArray[np.float32], is_first: bool) -> None:
    dim = block.shape[1]
    _check(words, lambda word: word != word.strip(_BLANKS) or _would_be_two(word, dim), True)
    form = " ".join(repeat("%.9g", dim))
    lines = [f"{word} {form % tuple(row)}\n" for word, row in zip(words, block.tolist(), strict=True)]
    if is_first:
        _check_first(words, [line.encode() for line in lines[:LINES_TO_GUESS_WIDTH]], dim)
    file.write("".join(lines).encode())


def _would_be_two(word: str, dim: int) -> bool:
    return (" " in word or "\t" in word) and looks_joined(word.encode(), dim)


def _check_first(words: list[str], lines: list[bytes], dim: int) -> None:
    """Refuse words that a reader would take for a sign of a wrong header: all end in numbers such as 0.25."""
    try:
        check_header(dim, lines)
    except FormatError:
        raise ValueError(f"words holds {words[0]!r}, and others end in numbers, too: as text they {_UNLIKE}") from None


def _write_records(file: Writable, words: list[str], block: NDArray[np.float32], _: bool) -> None:
    _check(words, lambda word: " " in word, True)
    records = (word.encode() + b" " + row.tobytes() + b"\n" for word, row in zip(words, block, strict=True))
    file.write(b"".join(records))


def write_npy(target: Path, words: Words | None, blocks: Blocks, shape: tuple[int, int]) -> None:
    """Write an array, and its words, if there are any, into ``words.txt`` beside it."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": shape})
    listed = target.with_name("words.txt")
    if words is not None and listed == target:
        raise ValueError(f"{target} is where the words would be; expected another name for the array")
    if words is not None and listed.exists() and not target.exists():
        raise FileExistsError(f"{listed} exists and belongs to another file; choose another folder for {target.name}")
    with ExitStack() as stack:
        if words is not None:
            list_file = stack.enter_context(replacing(listed))
            spelt = iter(words)
            _check(list(islice(iter(words), 1)), lambda word: is_wrapped(word.encode()))
            while some := list(islice(spelt, BLOCK_ROWS)):
                _check(some, lambda word: word.startswith("\ufeff"))
                list_file.write("".join([f"{word}\n" for word in some]).encode())
        file = stack.enter_context(replacing(target))
        file.write(header.getvalue())
        for block in blocks:
            file.write(block.data)


def _check(words: list[str], unfit: Callable[[str], bool], word2vec: bool = False) -> None:
    for word in words:
        no_line = not word or "\n" in word or "\r" in word
        if no_line or unfit(word):
            remedy = f"; {_REMEDY}" if no_line or word2vec else ""
            raise ValueError(f"words holds {word!r}, which this format cannot tell from what stands around it{remedy}")
