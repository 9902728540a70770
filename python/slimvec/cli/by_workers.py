"""``slimvec compress --shards | --workers | --scheduler``: files that workers go over, and tables in several files."""

from __future__ import annotations

import glob
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slimvec.cli.interrupted import telling
from slimvec.cli.tables import check_output
from slimvec.errors import needs
from slimvec.estimator import is_client
from slimvec.files.atomic import table_target
from slimvec.shards import SHARD_ROWS
from slimvec.shards.shard_manifest import prepare_folder
from slimvec.validation import as_integer

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from slimvec.progress import Progress

OF_ONE_PROCESS = {"words": None, "tensor": None, "limit": None, "encoding": "utf-8", "on_error": "raise", "bytes": None}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--shards",
        metavar="ROWS",
        help="write a folder of files of so many rows each (auto: about a million); IN may be a pattern, in quotes",
    )
    add_workers(parser, "read, fit and encode")


def add_workers(parser: argparse.ArgumentParser, what: str) -> None:
    """Add the options that say whose workers do what."""
    workers = parser.add_mutually_exclusive_group()
    workers.add_argument("--workers", type=int, metavar="N", help=f"let N processes {what}")
    workers.add_argument("--scheduler", metavar="ADDRESS", help="let the workers of a Dask scheduler do it")


def are_asked_for(options: argparse.Namespace) -> bool:
    """Tell whether any of the options is given."""
    return any(one is not None for one in (options.shards, options.workers, options.scheduler))


def compress(estimator: Any, arguments: dict[str, Any], options: argparse.Namespace, progress: Progress) -> Any:
    """Fit and encode by workers, and return the table."""
    if not hasattr(estimator, "fit_sums"):
        raise ValueError(
            f"--method {options.method} learns from all rows at once; expected iiq, itq or transform-coding"
        )
    for name, default in OF_ONE_PROCESS.items():
        if getattr(options, name) != default:
            option = "--" + name.replace("_", "-")
            raise ValueError(f"{option} is not read by workers; leave it out, or --shards, --workers and --scheduler")
    sources = _sources(options.input)
    shard_rows = _shard_rows(options.shards)
    if shard_rows is None:
        check_output(table_target(options.output), "the input", *sources)
    else:
        prepare_folder(options.output)  # better said now than after an hour
    with workers_of(options) as workers, ThreadPoolExecutor(1) as here:
        executor = workers.get_executor() if is_client(workers) else workers or here
        estimator.fit(sources, executor=executor, progress=progress)
        if shard_rows is None:
            return estimator.to_table(sources, output=options.output, executor=executor, progress=progress, **arguments)
        with telling("no table was written; shards that are there do no harm to the next run"):
            return estimator.to_shards(
                sources, options.output, shard_rows=shard_rows, executor=executor, progress=progress, **arguments
            )


def _sources(given: str) -> list[str]:
    if Path(given).exists():
        return [given]
    found = sorted(glob.glob(given))  # noqa: PTH207 - of absolute patterns, too
    if not found:
        raise FileNotFoundError(f"{given}: no such file, and no file of that pattern")
    return found


def _shard_rows(given: str | None) -> int | None:
    if given is None:
        return None
    if given != "auto" and not given.isdecimal():
        raise ValueError(f"--shards {given}: expected a number of rows, or auto")
    return SHARD_ROWS if given == "auto" else as_integer(int(given), "--shards", 1)


@contextmanager
def workers_of(options: argparse.Namespace) -> Iterator[Any]:
    """Give the workers that are asked for, an executor or a client of Dask; None where none are."""
    if options.scheduler is not None:
        with needs("distributed", "dask"):
            from distributed import Client
        with Client(options.scheduler) as client:
            yield client
    elif options.workers is not None:
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor

        n_workers = as_integer(options.workers, "--workers", 1)
        with ProcessPoolExecutor(n_workers, multiprocessing.get_context("spawn")) as processes:
            yield processes
    else:
        yield None
