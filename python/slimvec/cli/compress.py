"""``slimvec compress``: the choice of a method and its options, then vectors in and a table out."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slimvec.cli import by_workers
from slimvec.cli.bars import Bars
from slimvec.cli.tables import check_output, print_description
from slimvec.files.atomic import table_target
from slimvec.methods import METHODS
from slimvec.vectors import VectorFile, read_vectors
from slimvec.vectors.faults import ON_ERROR
from slimvec.vectors.opening import is_ordinary

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from slimvec.progress import Progress

OPTIONS = (
    "bits",
    "bytes",
    "remove",
    "refine-bits",
    "partitions",
    "spill",
    "anchors",
    "nonzeros",
    "l1",
    "signed",
    "rank",
    "sparsity",
)


def add_command(commands: Any) -> None:
    """Add the command and its options."""
    parser = commands.add_parser("compress", help="turn an embedding file into a table of codes, or of anchors")
    parser.add_argument(
        "input",
        metavar="IN",
        help="word2vec, GloVe, fastText .vec, .bin or .ftz, .npy, .npz, safetensors, HDF5; any in .gz, .zst, .bz2, "
        ".xz or .zip (also file.zip#member); a folder; - is the standard input",
    )
    parser.add_argument("-o", "--output", metavar="OUT", required=True, help="the table to write")
    parser.add_argument(
        "--words", metavar="FILE", help="word list of .npy or safetensors, one per line (default: words.txt)"
    )
    parser.add_argument("--tensor", metavar="NAME", help="the matrix to read of safetensors, .npz or HDF5 with several")
    parser.add_argument("--limit", type=int, metavar="N", help="read only the first N words")
    add_reading(parser)
    _add_method(parser)
    by_workers.add_options(parser)
    parser.set_defaults(run=run)


def add_reading(parser: argparse.ArgumentParser) -> None:
    """Add the options of reading words that are not in UTF-8, and rows that cannot be read."""
    parser.add_argument("--encoding", metavar="NAME", default="utf-8", help="of the words (default: %(default)s)")
    parser.add_argument(
        "--on-error",
        choices=ON_ERROR,
        default="raise",
        help="skip leaves out rows that cannot be read, with a warning (default: %(default)s)",
    )


def _add_method(parser: argparse.ArgumentParser) -> None:
    """Add the choice of a method and the options of all of them."""
    parser.add_argument("--method", choices=METHODS, default="iiq", help="default: %(default)s")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--bits", type=int, metavar="N", help="bits per code (default: the dimension, of nlb 256)")
    length.add_argument(
        "--bytes",
        type=int,
        metavar="N",
        help="in place of --bits: at most so many bytes per row, of the code, which takes 4 for every 32 bits or part "
        "of them, and of its factors, if there are any: 4, or 6 unless all vectors are of unit length (one more pass "
        "over them tells); not of words, nor of the encoder, which all rows share",
    )
    parser.add_argument(
        "--remove",
        type=number_or_auto,
        metavar="D",
        help="directions removed (default: of iiq 1, of transform-coding and itq 0), or auto (iiq)",
    )
    parser.add_argument(
        "--refine-bits", type=int, metavar="N", help="per direction, of a second code (transform-coding; default: 0)"
    )
    parser.add_argument(
        "--partitions",
        type=number_or_auto,
        metavar="N",
        help="lists of near rows, or auto (iiq, itq, transform-coding; default: none)",
    )
    parser.add_argument(
        "--spill",
        action="store_true",
        default=None,
        help="put each row in a second list, too, so that fewer lists find as much (transform-coding)",
    )
    parser.add_argument(
        "--factors", action="store_true", help="keep 2 or 3 float16 per row, for float queries and reconstruction"
    )
    parser.add_argument("--anchors", type=int, metavar="K", help="anchors, centroids, or rows kept (default: 1000)")
    parser.add_argument("--nonzeros", type=int, metavar="N", help="anchors per row (default: 10)")
    parser.add_argument(
        "--l1",
        type=float,
        metavar="X",
        help="penalty of the lasso, for ant instead of --nonzeros; of sparse-code (default: 0.1)",
    )
    parser.add_argument("--signed", action="store_true", default=None, help="let ant weigh anchors negatively")
    parser.add_argument("--rank", type=int, metavar="R", help="of low-rank (default: 20)")
    parser.add_argument("--sparsity", type=float, metavar="X", help="part that prune sets to zero (default: 0.95)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default: %(default)s")
    parser.add_argument(
        "--dtype", choices=["float32", "float16", "int4"], help="numbers of a table of anchors (default: float32)"
    )


def number_or_auto(text: str) -> int | str:
    """Return the number that an option gives, or ``"auto"``; argparse reports a ValueError."""
    return text if text == "auto" else int(text)


def run(options: argparse.Namespace) -> None:
    """Compress a file, or files that workers go over."""
    if by_workers.are_asked_for(options):
        method, arguments = make_method(options)
        with Bars() as progress:
            table = by_workers.compress(method, arguments, options, progress)
        print(f"{options.output}:")
        print_description(table, Path(options.output))
        return
    output = table_target(options.output)  # better said now than after an hour
    check_output(output, "the input", options.input, *([] if options.words is None else [options.words]))
    method, arguments = make_method(options)
    with Bars() as progress:
        rows = open_rows(options, progress)
        with _bits_of_bytes(method, options, rows, progress):
            table = method.compress(rows, progress=progress, output=output, **arguments)
    print(f"{options.output}:")
    print_description(table, output)


@contextmanager
def _bits_of_bytes(estimator: Any, options: argparse.Namespace, rows: Any, progress: Progress) -> Iterator[None]:
    """Set the number of bits that ``--bytes`` leaves room for, if it is given, and tell so where that is too many."""
    if options.bytes is None:
        yield
        return
    method = METHODS[options.method]
    n_bits = method.bits_in(options.bytes, "--bytes", rows, progress, factors=options.factors)
    estimator.set_params(**{method.options["bits"]: n_bits})
    try:
        yield
    except ValueError as error:
        if not str(error).startswith("n_bits="):
            raise
        raise ValueError(f"--bytes {options.bytes} leaves room for {error}") from None


def make_method(options: argparse.Namespace) -> tuple[Any, dict[str, Any]]:
    """Return the estimator that the options describe, and what its ``compress`` is to be given.

    Raises
    ------
    ValueError
        If an option is not one of the method's.
    """
    name = options.method
    method = METHODS[name]
    values = {option: getattr(options, option.replace("-", "_")) for option in OPTIONS}
    given = {option: value for option, value in values.items() if value is not None}
    if name == "itq" and given.pop("remove", 0):  # told to remove nothing, it does
        raise ValueError(f"--remove {options.remove}: ITQ removes nothing; use --method iiq")
    names = [*method.options, *(["bytes"] if "bits" in method.options else [])]
    for option in given:
        if option not in names:
            known = ", ".join(f"--{other}" for other in names)
            raise ValueError(f"--{option}: --method {name} has no such option; it has {known or 'none'}")
    if "bytes" in given and (more := given.keys() & {"refine-bits", "partitions", "spill"}):
        raise ValueError(f"--bytes counts codes and factors alone; with --{min(more)} expected --bits")
    if options.dtype is not None and not method.makes("dtype"):
        raise ValueError(f"--dtype: --method {name} makes codes, which hold no numbers")
    if options.factors and not method.makes("factors"):
        raise ValueError(f"--factors: --method {name} makes no codes")
    given.pop("bytes", None)  # bits, once the rows are seen
    parameters = {method.options[option]: not value if option == "signed" else value for option, value in given.items()}
    if method.seeded:
        parameters["random_state"] = options.seed
    estimator: Any = method.estimator(**parameters)
    if options.factors:
        return estimator, {"factors": True}
    return estimator, {} if options.dtype is None else {"dtype": options.dtype}


def open_rows(options: argparse.Namespace, progress: Progress) -> Any:
    """Return the vectors to compress: they stay in their file, unless they come in parts or in a pipe, read once."""
    given = {name: getattr(options, name) for name in ("limit", "encoding", "on_error", "tensor")}
    if options.words is None and is_ordinary(options.input):
        return VectorFile(options.input, **given)
    source = options.input if options.words is None else (options.input, options.words)
    return read_vectors(source, progress=progress, **given)
