"""``slimvec compress-model | encode``: a static model of texts as one small file, and the vectors it gives."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slimvec.cli.bars import Bars
from slimvec.cli.tables import print_description
from slimvec.files.atomic import checked_target, table_target
from slimvec.files.table_file import open_table
from slimvec.static.text_parts import KIND

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

TEXTS_AT_ONCE = 1 << 14


def add_commands(commands: Any) -> None:
    """Add the two commands and their options."""
    model = commands.add_parser("compress-model", help="turn a static model of texts into one small file")
    model.add_argument("input", metavar="FOLDER", help="of model2vec or sentence-transformers; nothing is downloaded")
    model.add_argument("-o", "--output", metavar="OUT", required=True, help="the file to write")
    model.add_argument("--bits", type=int, metavar="N", help="of a token's code (default: the dimension)")
    model.add_argument(
        "--refine-bits", type=int, metavar="N", default=4, help="a second code, per dimension (default: %(default)s)"
    )
    model.set_defaults(run=_compress_model)

    encode = commands.add_parser("encode", help="write the vectors of texts, which such a file gives")
    encode.add_argument("model", metavar="MODEL", help="what compress-model has written")
    encode.add_argument(
        "input", metavar="IN", nargs="?", default="-", help="a text on each line, UTF-8 (default: standard input)"
    )
    encode.add_argument("-o", "--output", metavar="OUT", required=True, help="the vectors: .npy, and as export writes")
    encode.set_defaults(run=_encode)


def _compress_model(options: argparse.Namespace) -> None:
    from slimvec.static.compress_model import compress_model  # a learner, for which `slimvec -h` need not wait

    output = table_target(options.output)
    with Bars() as progress:
        compress_model(options.input, options.bits, options.refine_bits, progress=progress).save(output)
    print(f"{options.output}:")
    print_description(open_table(output), output)


def _encode(options: argparse.Namespace) -> None:
    from slimvec.vectors.saving import write_blocks

    encoder, output = open_table(options.model), checked_target(options.output)
    if getattr(encoder, "kind", "") != KIND:
        raise ValueError(f"{options.model} encodes no texts; expected what compress-model has written")
    if options.input == "-" and sys.stdin is None:
        raise ValueError("the standard input is closed; expected a text on each line")
    data = sys.stdin.buffer.read() if options.input == "-" else Path(options.input).read_bytes()
    try:
        decoded = data.decode().removeprefix("\ufeff").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{options.input} is not UTF-8 ({error.reason} at byte {error.start})") from None
    texts = decoded.removesuffix("\n").split("\n") if decoded else []
    if not texts:
        raise ValueError(f"{options.input} is empty; expected a text on each line")

    def blocks() -> Iterator[Any]:
        for first in range(0, len(texts), TEXTS_AT_ONCE):
            yield encoder.encode(texts[first : first + TEXTS_AT_ONCE])

    with Bars() as progress:
        write_blocks(output, None, blocks(), (len(texts), encoder.dim), None, progress)
    print(f"{options.output}: {len(texts):,} x {encoder.dim}")
