"""The command line: ``slimvec compress | info | neighbors | export | evaluate | demo``."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import slimvec as sv
from slimvec.blocks import row_blocks
from slimvec.cli import evaluate as evaluate_command
from slimvec.files.atomic import checked_target
from slimvec.methods import add_options, make_method
from slimvec.progress import Progress, ignore
from slimvec.vectors.saving import write_blocks

if TYPE_CHECKING:
    from collections.abc import Sequence

BAD_INPUT = 2
INTERRUPTED = 130  # as shells report a program stopped by Ctrl-C
DEFAULT_K = 10


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0, 2 for bad input, 130 for Ctrl-C."""
    options = _parser().parse_args(arguments)
    if sys.stdout is not None and hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # words that a terminal cannot show must not stop the rest
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.showwarning = _show_warning
            options.run(options)
        if sys.stdout is not None:
            sys.stdout.flush()
    except KeyboardInterrupt:
        print("slimvec: interrupted; nothing was written", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of a pipe, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, TypeError, LookupError, OSError, ImportError, MemoryError) as error:
        print(f"slimvec: {_message(error)}", file=sys.stderr)
        return BAD_INPUT
    return 0


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    print(f"slimvec: warning: {message}", file=sys.stderr)


def _message(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error) or type(error).__name__


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="slimvec", description="Embedding tables small enough to carry and fast enough to search."
    )
    parser.add_argument("--version", action="version", version=f"slimvec {sv.__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    compress = commands.add_parser("compress", help="turn an embedding file into a table of codes, or of anchors")
    compress.add_argument(
        "input",
        metavar="IN",
        help="word2vec, GloVe, fastText .vec (also .gz, .zst) or .bin (whole words only), .npy, safetensors, a folder",
    )
    compress.add_argument("-o", "--output", metavar="OUT", required=True, help="the table to write")
    compress.add_argument(
        "--words", metavar="FILE", help="word list of .npy or safetensors, one per line (default: words.txt)"
    )
    compress.add_argument("--limit", type=int, metavar="N", help="read only the first N words")
    add_options(compress)
    compress.set_defaults(run=_compress)

    info = commands.add_parser("info", help="describe a table")
    info.add_argument("table", metavar="TABLE")
    info.add_argument("--verify", action="store_true", help="read the whole file and compare checksums")
    info.set_defaults(run=_info)

    neighbors = commands.add_parser("neighbors", help="print the words most similar to each word")
    neighbors.add_argument("table", metavar="TABLE")
    neighbors.add_argument("words", metavar="WORD", nargs="+", help="row numbers, if the table has no words")
    neighbors.add_argument(
        "--anchors", action="store_true", help="WORD is an anchor (number or name): print the words it weighs most in"
    )
    neighbors.add_argument("-k", type=int, help=f"how many (default: {DEFAULT_K})")
    neighbors.set_defaults(run=_neighbors)

    export = commands.add_parser("export", help="write a table's vectors for other programs")
    export.add_argument("table", metavar="TABLE")
    export.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        required=True,
        help="word2vec text; word2vec binary if it ends in .bin; an array and words.txt beside it if in .npy",
    )
    export.add_argument(
        "--original", action="store_true", help="codes with factors: estimates of the vectors that they were made from"
    )
    export.set_defaults(run=_export)

    evaluate = commands.add_parser("evaluate", help="judge vectors, and what compression leaves of them")
    evaluate_command.add_options(evaluate)
    evaluate.set_defaults(run=_evaluate)

    demo = commands.add_parser("demo", help="make embeddings from Python's own library, compress and query them")
    demo.add_argument("-o", "--output", metavar="OUT", help="keep the table in this file")
    demo.add_argument("--method", choices=["iiq", "ant"], default="iiq", help="default: %(default)s")
    demo.set_defaults(run=_demo)
    return parser


def _compress(options: argparse.Namespace) -> None:
    output = checked_target(options.output)  # better said now than after an hour
    if output.exists() and Path(options.input).exists() and output.samefile(options.input):
        raise ValueError(f"-o {options.output} is the input itself; choose another name")
    method, arguments = make_method(options)
    with _Bars() as progress:
        if isinstance(method, sv.IIQ):  # straight into the file
            table = method.compress(_source(options, progress), progress=progress, output=output, **arguments)
        else:
            table = method.compress(_source(options, progress), progress=progress, **arguments)
            table.save(output)
    print(f"{options.output}:")
    _describe(table, output)


def _source(options: argparse.Namespace, progress: Progress) -> Any:
    """Return the vectors to compress: they stay in their file, unless they come in parts or in a pipe, read once."""
    if options.words is None and Path(options.input).is_file():
        return sv.VectorFile(options.input, limit=options.limit)
    source = options.input if options.words is None else (options.input, options.words)
    return sv.read_vectors(source, limit=options.limit, progress=progress)


def _info(options: argparse.Namespace) -> None:
    _describe(sv.open(options.table, verify=options.verify), Path(options.table))
    if options.verify:
        print("checksums   all match")


def _describe(table: sv.BinaryTable | sv.SparseTable | sv.HammingIndex, path: Path) -> None:
    info = table.info()
    made_by = info.get("made_by")
    method = ""
    if made_by:
        parameters = ", ".join(f"{name}={value}" for name, value in made_by.get("parameters", {}).items())
        method = f", {made_by.get('method', 'unknown')}({parameters})"
    print(f"kind        {info['kind']}{method}")
    print(f"rows        {info['rows']:,}")
    counted = _describe_sparse(info) if isinstance(table, sv.SparseTable) else _describe_binary(info)
    sizes = ", ".join(f"{name} {_megabytes(size)}" for name, size in info["bytes"].items())
    print(f"on disk     {_megabytes(path.stat().st_size)}: {sizes}")
    if info["resident"] is not None:
        print(f"in memory   {_megabytes(info['resident'])} of it now")
    if info.get("dimension") and info["stored_ratio"]:
        floats = 4 * info["rows"] * info["dimension"]
        print(f"as float32  {_megabytes(floats)}")
        print(
            f"smaller     {info['compression_ratio']:.1f} times ({counted}), {info['stored_ratio']:.1f} times as stored"
        )


def _describe_binary(info: dict[str, Any]) -> str:
    dimension = info.get("dimension")
    print(f"bits        {info['bits']} per row" + (f", from {dimension} floats" if dimension else ""))
    return "bits"


def _describe_sparse(info: dict[str, Any]) -> str:
    per_row = info["nonzeros"] / info["rows"] if info["rows"] else 0
    print(f"anchors     {info['anchors']:,} of {info['dimension']} floats, {per_row:.1f} per row")
    return f"{info['n_parameters']:,} numbers"


def _megabytes(size: float) -> str:
    return f"{size / 1e6:,.1f} MB"


def _neighbors(options: argparse.Namespace) -> None:
    table = sv.open(options.table)
    if isinstance(table, sv.HammingIndex):
        raise ValueError(f"{options.table} is an index of bare codes; neighbors needs a table")  # noqa: TRY004
    if options.anchors:
        lists = _associations(table, options.words, DEFAULT_K if options.k is None else options.k)
    else:
        k = min(DEFAULT_K, len(table) - 1) if options.k is None else options.k
        keys = options.words if table.vocabulary is not None else [_row(word) for word in options.words]
        lists = [(key, table.most_similar(key, k)) for key in keys]  # an unknown word stops all, first
    for key, neighbours in lists:
        print(key)
        for neighbour, similarity in neighbours:
            print(f"  {similarity:6.3f}  {neighbour}")


def _associations(table: sv.BinaryTable | sv.SparseTable, anchors: list[str], k: int) -> list[tuple[Any, Any]]:
    if not isinstance(table, sv.SparseTable):
        raise ValueError("--anchors: a table of binary codes has none; expected a sparse table")  # noqa: TRY004
    named = table.anchor_words or ()
    keys = [int(name) if name.isdecimal() and name not in named else name for name in anchors]
    return [(key, table.associations(key, k)) for key in keys]


def _row(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(f"{text!r} is not a row number, and this table has no words")
    return int(text)


def _export(options: argparse.Namespace) -> None:
    table = sv.open(options.table)
    if isinstance(table, sv.HammingIndex) or (options.original and isinstance(table, sv.SparseTable)):
        wanted = "a table of codes" if options.original else "a table"
        raise ValueError(f"{options.table}: export{' --original' * options.original} needs {wanted}")
    original = {"original": True} if options.original else {}
    output = checked_target(options.output)
    if output.exists() and output.samefile(options.table):
        raise ValueError(f"-o {options.output} is the table itself; choose another name")
    width = table.lookup(np.arange(0), **original).shape[1]
    blocks = (table.lookup(rows, **original) for _, rows in row_blocks(np.arange(len(table))))
    with _Bars() as progress:
        write_blocks(output, table.vocabulary, blocks, (len(table), width), None, progress)
    print(f"{options.output}: {len(table):,} x {width}")


def _evaluate(options: argparse.Namespace) -> None:
    def finished(cell: str, seconds: float) -> None:
        print(f"{seconds:7.1f} s  {cell}", file=sys.stderr, flush=True)

    try:
        text = evaluate_command.run(options, finished)
    except KeyboardInterrupt:
        print(f"slimvec: interrupted; the same command goes on from {options.output}", file=sys.stderr)
        raise SystemExit(INTERRUPTED) from None
    print(text)
    print(f"with charts: {Path(options.output) / 'report.html'}")


def _demo(options: argparse.Namespace) -> None:
    from slimvec.demo import run

    with _Bars() as progress:
        run(options.output, progress, options.method)


class _Bars:
    """Progress bars on standard error if that is a terminal and tqdm is installed; otherwise nothing."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._stage = ""

    def __enter__(self) -> Progress:
        if not sys.stderr.isatty():
            return ignore
        try:
            import tqdm  # noqa: F401 - optional
        except ImportError:
            return ignore
        return self._show

    def __exit__(self, *_: object) -> None:
        self._close()

    def _show(self, stage: str, done: int, total: int) -> None:
        from tqdm import tqdm

        if stage != self._stage:
            self._close()
            self._bar, self._stage = tqdm(total=total, desc=stage, unit="", unit_scale=True, leave=False), stage
        self._bar.update(done - self._bar.n)
        if done >= total:  # a bar left standing would stand in the way of what is printed next
            self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
        self._bar, self._stage = None, ""
